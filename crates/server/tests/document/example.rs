//! How an example is written: in a block fenced as `http`, `pipe` or `grpc`, with `> ` before each line that a client
//! sends and `< ` before each that it gets. Several exchanges can follow one another in a block.
//!
//! * `http`: `> POST /path`, headers, and a body, which may take several lines; `< 200`, headers, and the body. What goes
//!   to `/rpc/` goes to the RPC backend. A body that is no JSON is written as the hexadecimal numbers of its bytes.
//! * `pipe`: a line, and the line that answers it, or several; those of other ids may come earlier. Bytes that are no line are
//!   written as numbers, too.
//! * `grpc`: `> Service/Rpc`, metadata, and the message as JSON, or several; `< ` and the message, or the name of a status and
//!   what it says.

/// Where an example is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Http,
    Pipe,
    Grpc,
}

/// One exchange.
#[derive(Debug)]
pub struct Example {
    pub wire: Wire,
    /// The line of the document where it begins.
    pub line: usize,
    pub sent: Vec<String>,
    pub got: Vec<String>,
}

impl Example {
    /// Whether it shows this: a method and path, a command, or an rpc.
    pub fn asks_for(&self, wanted: &str) -> bool {
        let first = self.sent[0].as_str();
        match self.wire {
            Wire::Pipe => self.sent.iter().any(|line| line.contains(&format!(r#""command": "{wanted}""#))),
            // `{sessionId}` in a route stands for any name.
            Wire::Http => {
                first.split('/').count() == wanted.split('/').count()
                    && first.split('/').zip(wanted.split('/')).all(|(is, want)| is == want || want == "{sessionId}")
            }
            Wire::Grpc => first == wanted,
        }
    }
}

/// The examples of a document, in their order.
pub fn read(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut wire = None;
    for (at, text) in document.lines().enumerate() {
        let line = at + 1;
        let Some(open) = wire else {
            wire = match text {
                "```http" => Some(Wire::Http),
                "```pipe" => Some(Wire::Pipe),
                "```grpc" => Some(Wire::Grpc),
                _ => None,
            };
            // What comes next is another block's.
            if wire.is_some() {
                examples.push(Example { wire: Wire::Http, line, sent: Vec::new(), got: Vec::new() });
            }
            continue;
        };
        let last = examples.last_mut().expect("a block has begun");
        if let Some(sent) = text.strip_prefix("> ") {
            if last.sent.is_empty() || !last.got.is_empty() {
                examples.push(Example { wire: open, line, sent: vec![sent.to_owned()], got: Vec::new() });
            } else {
                last.sent.push(sent.to_owned());
            }
        } else if let Some(got) = text.strip_prefix("< ") {
            last.got.push(got.to_owned());
        } else if text == "```" {
            wire = None;
        } else {
            assert!(text.is_empty(), "line {line}: '{text}' is neither sent nor got");
        }
    }
    examples.retain(|example| !example.sent.is_empty());
    assert!(!examples.is_empty(), "the document has no examples");
    examples
}
