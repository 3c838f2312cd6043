//! The code that a command runs.

use std::borrow::Cow;
use std::io::Read;

use anyhow::Result;
use beep_python_client::{AnyBackend, Error};
use serde_json::json;

use crate::error::CliError;

/// In place of the code: read it from standard input.
pub(super) const FROM_INPUT: &str = "-";

/// The code to evaluate.
pub(super) enum Code {
    Text(String),
    /// A source whose encoding Python finds out, and the arguments in `sys.argv`, if there are any.
    Source(Vec<u8>, Vec<String>),
}

impl Code {
    /// The code of a command line.
    pub(super) fn of(words: &[String]) -> Result<Code> {
        if words[0] != FROM_INPUT {
            return Ok(Code::Text(words.join(" ")));
        }
        let (bytes, arguments) = (standard_input()?, words[1..].to_vec());
        // Where a source may name its encoding (PEP 263).
        let names_encoding =
            bytes.splitn(3, |byte| *byte == b'\n').take(2).any(|line| line.windows(6).any(|w| w == b"coding"));
        if names_encoding || !arguments.is_empty() {
            return Ok(Code::Source(bytes, arguments));
        }
        Ok(String::from_utf8(bytes).map_or_else(|error| Code::Source(error.into_bytes(), arguments), Code::Text))
    }

    /// Its text, as Python reads it.
    pub(super) async fn text(&self, client: &AnyBackend) -> Result<Cow<'_, str>, Error> {
        match self {
            Code::Text(text) => Ok(Cow::Borrowed(text)),
            Code::Source(bytes, arguments) => {
                if !arguments.is_empty() {
                    let all = json!([&[FROM_INPUT.to_owned()], &arguments[..]].concat());
                    client.evaluate::<()>(&format!("__import__('sys').argv.__setitem__(slice(None), {all})")).await?;
                }
                client.evaluate(&source_text_call("decode", &hex_literal(bytes))).await.map(Cow::Owned)
            }
        }
    }
}

/// All of standard input.
pub(super) fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| CliError::UnreadableCode("standard input", error))?;
    Ok(bytes)
}

/// Code that calls a function of the worker's module for sources.
pub(super) fn source_text_call(function: &str, arguments: &str) -> String {
    format!("__import__('beep_python._source_text', fromlist=['{function}']).{function}({arguments})")
}

/// Bytes as Python code.
pub(super) fn hex_literal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("bytes.fromhex('{digits}')")
}
