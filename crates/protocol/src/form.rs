//! The two forms of Python values on the wire.

/// How values in a response are written. `PROTOCOL.md` shows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueForm {
    /// Plain JSON, for any reader. A value that plain JSON cannot express becomes a handle.
    #[default]
    Plain,
    /// Every builtin value round-trips, with tags such as `{"$tuple": […]}`.
    Exact,
}

impl ValueForm {
    /// The word on the wire: `plain` or `exact`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ValueForm::Plain => "plain",
            ValueForm::Exact => "exact",
        }
    }

    /// The form that a word on the wire stands for.
    pub fn parse(word: &str) -> Option<ValueForm> {
        match word {
            "plain" => Some(ValueForm::Plain),
            "exact" => Some(ValueForm::Exact),
            _ => None,
        }
    }
}
