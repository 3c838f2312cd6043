//! The names of pipes.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::str::FromStr;

use beep_python_protocol::pipe_name;

use crate::unix_socket::error::PipeError;

/// A name that is a part of file names: letters, digits, `-`, `_` and `.`, at most 64 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeName(String);

impl PipeName {
    /// A random name: `beep-python-4f1c09ab`.
    pub fn random() -> Result<PipeName, PipeError> {
        let mut bytes = [0; 4];
        File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).map_err(PipeError::Random)?;
        Ok(PipeName(format!("beep-python-{:08x}", u32::from_ne_bytes(bytes))))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PipeName {
    type Err = PipeError;

    fn from_str(name: &str) -> Result<PipeName, PipeError> {
        let name = pipe_name(name);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(fits) {
            return Ok(PipeName(name.to_owned()));
        }
        Err(PipeError::Name { name: name.to_owned() })
    }
}

impl fmt::Display for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_parts_of_file_names() {
        for name in ["a", "beep-python-1", "My.Pipe_2", &"x".repeat(64)] {
            assert_eq!(name.parse::<PipeName>().unwrap().as_str(), name);
            assert_eq!(format!(r"\\.\pipe\{name}").parse::<PipeName>().unwrap().as_str(), name);
        }
        for name in ["", ".", "..", ".hidden", "a/b", "/tmp/x", "a b", "ä", "a\0", "a\n", &"x".repeat(65)] {
            assert!(matches!(name.parse::<PipeName>(), Err(PipeError::Name { .. })), "{name:?}");
        }
        let (one, two) = (PipeName::random().unwrap(), PipeName::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse::<PipeName>().unwrap(), one);
    }
}
