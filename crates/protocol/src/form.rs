//! The two forms in which a Python value travels.

/// How values in an answer are written. `PROTOCOL.md` shows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueForm {
    /// What any JSON reader expects; whatever plain JSON cannot say becomes a handle.
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
