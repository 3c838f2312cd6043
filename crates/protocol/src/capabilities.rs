//! What a client offers to do while its call runs.

/// What Python code may ask of the client that called it. A client that offers anything takes the call's events, and
/// answers the questions among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Lines for `input()`.
    pub stdin: bool,
    /// Answers of named callbacks.
    pub callbacks: bool,
}

impl Capabilities {
    /// Nothing.
    pub const NONE: Capabilities = Capabilities { stdin: false, callbacks: false };

    /// What these words mean: `stdin` and `callbacks`.
    ///
    /// # Errors
    /// The first word that means nothing.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Capabilities, &'a str> {
        let mut capabilities = Capabilities::NONE;
        for word in words {
            match word {
                "stdin" => capabilities.stdin = true,
                "callbacks" => capabilities.callbacks = true,
                unknown => return Err(unknown),
            }
        }
        Ok(capabilities)
    }

    /// The words for them.
    pub fn words(self) -> Vec<&'static str> {
        [("stdin", self.stdin), ("callbacks", self.callbacks)]
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(w, _)| w)
            .collect()
    }

    /// Whether there are any.
    pub fn any(self) -> bool {
        self != Capabilities::NONE
    }
}
