//! Why a value cannot be read or written.

/// Why a value is no value of the exact form, or no value of the Rust type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A tag of the exact form is unknown, or holds what it cannot.
    #[error("the tag {tag} is malformed: {reason}")]
    Tag {
        /// The tag, for example `$tuple`.
        tag: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The digits are no decimal integer.
    #[error("`{digits}` is no decimal integer")]
    Integer {
        /// What was given, shortened.
        digits: String,
    },
    /// The bytes are no text, not even with lone surrogates.
    #[error("the bytes are no UTF-8 (lone surrogates allowed) from byte {position} on")]
    Text {
        /// Where the first wrong byte stands.
        position: usize,
    },
    /// The value is nested deeper than any wire carries.
    #[error("the value is nested deeper than {limit} levels")]
    TooDeep {
        /// How many levels there may be.
        limit: usize,
    },
    /// The Rust type and the value do not fit each other.
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
