//! What a client can do while its call runs.

/// What Python code may request from, and tell, the client that called it. A client with any capability receives the call's
/// events and replies to the requests among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Lines for `input()`.
    pub stdin: bool,
    /// Results of named callbacks.
    pub callbacks: bool,
    /// It is told of log records.
    pub log: bool,
    /// It is told how far the code is.
    pub progress: bool,
    /// It takes output that is no UTF-8 as bytes.
    pub raw_output: bool,
}

impl Capabilities {
    /// No capabilities.
    pub const NONE: Capabilities =
        Capabilities { stdin: false, callbacks: false, log: false, progress: false, raw_output: false };

    /// Reads the words `stdin`, `callbacks`, `log`, `progress` and `rawOutput`.
    ///
    /// # Errors
    /// The first unknown word.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Capabilities, &'a str> {
        let mut capabilities = Capabilities::NONE;
        for word in words {
            match word {
                "stdin" => capabilities.stdin = true,
                "callbacks" => capabilities.callbacks = true,
                "log" => capabilities.log = true,
                "progress" => capabilities.progress = true,
                "rawOutput" => capabilities.raw_output = true,
                unknown => return Err(unknown),
            }
        }
        Ok(capabilities)
    }

    /// Their words.
    pub fn words(self) -> Vec<&'static str> {
        let words = [
            ("stdin", self.stdin),
            ("callbacks", self.callbacks),
            ("log", self.log),
            ("progress", self.progress),
            ("rawOutput", self.raw_output),
        ];
        words.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect()
    }

    /// Whether there are any.
    pub fn any(self) -> bool {
        self != Capabilities::NONE
    }
}
