//! Python strings with lone surrogates, which Rust strings cannot hold.

use super::error::ValueError;

/// A Python `str` with lone surrogates, as `str.encode("utf-8", "surrogatepass")` writes it.
///
/// Such strings come from file names that are not UTF-8. A string without lone surrogates is always
/// [`Value::Str`](super::Value::Str).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SurrogateStr(Vec<u8>);

impl SurrogateStr {
    /// The bytes: UTF-8, with surrogates as three bytes each.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text with U+FFFD in the place of each surrogate.
    pub fn to_string_lossy(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        let _ = split(&self.0, |part| match part {
            Part::Text(valid) => text.push_str(valid),
            Part::Surrogate(_) => text.push('\u{fffd}'),
        });
        text
    }

    /// Calls `see` with each piece of valid text and each surrogate, in order.
    pub(super) fn parts(&self, see: impl FnMut(Part<'_>)) {
        let _ = split(&self.0, see);
    }
}

/// A piece of a string with surrogates.
pub(super) enum Part<'a> {
    Text(&'a str),
    Surrogate(u16),
}

/// A `str`, or a string with surrogates, depending on the bytes.
pub(super) enum Decoded {
    Str(String),
    Surrogates(SurrogateStr),
}

/// Reads UTF-8 that may contain surrogates.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Decoded, ValueError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Decoded::Str(text)),
        Err(error) => {
            let bytes = error.into_bytes();
            split(&bytes, |_| {})?;
            Ok(Decoded::Surrogates(SurrogateStr(bytes)))
        }
    }
}

fn split(bytes: &[u8], mut see: impl FnMut(Part<'_>)) -> Result<(), ValueError> {
    let mut position = 0;
    while position < bytes.len() {
        let rest = &bytes[position..];
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        if !valid.is_empty() {
            see(Part::Text(valid));
            position += valid.len();
            continue;
        }
        match rest {
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
                let surrogate = 0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f);
                see(Part::Surrogate(surrogate));
                position += 3;
            }
            _ => return Err(ValueError::Text { position }),
        }
    }
    Ok(())
}
