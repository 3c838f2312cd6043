//! Errors of reading and writing values.

/// Why a value cannot be read or written in the exact form, or as a Rust type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A tag of the exact form is unknown, or its content is wrong.
    #[error("the tag {tag} is malformed: {reason}")]
    Tag {
        /// The tag, for example `$tuple`.
        tag: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The text is not a decimal integer.
    #[error("`{digits}` is no decimal integer")]
    Integer {
        /// The text, shortened.
        digits: String,
    },
    /// The bytes are not text, not even with lone surrogates.
    #[error("the bytes are no UTF-8 (lone surrogates allowed) from byte {position} on")]
    Text {
        /// The position of the first wrong byte.
        position: usize,
    },
    /// The value is nested deeper than the wires allow.
    #[error("the value is nested deeper than {limit} levels")]
    TooDeep {
        /// The most levels.
        limit: usize,
    },
    /// The value does not fit the Rust type.
    #[error("{0}")]
    Mismatch(String),
}

impl ValueError {
    pub(super) fn tag(tag: &str, reason: impl Into<String>) -> ValueError {
        ValueError::Tag { tag: tag.to_owned(), reason: reason.into() }
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> ValueError {
        ValueError::Mismatch(message.to_string())
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> ValueError {
        ValueError::Mismatch(message.to_string())
    }
}
