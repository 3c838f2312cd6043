//! What a client can do while its call runs.

/// What Python code may request from the client that called it. A client with any capability receives the call's events
/// and replies to the requests among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Lines for `input()`.
    pub stdin: bool,
    /// Results of named callbacks.
    pub callbacks: bool,
}

impl Capabilities {
    /// No capabilities.
    pub const NONE: Capabilities = Capabilities { stdin: false, callbacks: false };

    /// Reads the words `stdin` and `callbacks`.
    ///
    /// # Errors
    /// The first unknown word.
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

    /// Their words.
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
