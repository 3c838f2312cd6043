//! The text of a body: UTF-8 as a rule, and made of what else a client sends.

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Buf, Bytes};
use encoding_rs::{Encoding, WINDOWS_1252};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::auth::media::Charset;

/// How the bytes of a body are read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    /// UTF-8, UTF-16 or UTF-32, which the first bytes of JSON tell.
    Unicode,
    Ascii,
    Latin1,
    /// Any other that web browsers know.
    Other(&'static Encoding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unicode {
    Utf8,
    Utf16([usize; 2]),
    Utf32([usize; 4]),
}

/// Where the bytes of a unit are, the most significant first.
const UTF16_BIG: Unicode = Unicode::Utf16([0, 1]);
const UTF16_LITTLE: Unicode = Unicode::Utf16([1, 0]);
const UTF32_BIG: Unicode = Unicode::Utf32([0, 1, 2, 3]);
const UTF32_LITTLE: Unicode = Unicode::Utf32([3, 2, 1, 0]);

impl TextEncoding {
    /// The encoding that the headers declare, which have passed as `charset`.
    pub(crate) fn of(charset: Charset, headers: &HeaderMap) -> Result<TextEncoding, Problem> {
        match charset {
            Charset::Utf8 => Ok(TextEncoding::Unicode),
            Charset::Other => TextEncoding::declared(headers),
        }
    }

    fn declared(headers: &HeaderMap) -> Result<TextEncoding, Problem> {
        let declared = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        let mut labels = Charset::labels(declared).map(String::from_utf8_lossy);
        let label = labels.next().unwrap_or_default();
        let refused = |reason: &str| {
            let detail = format!("{reason}: send the body in UTF-8, as `Content-Type: application/json`");
            Problem::new(ErrorCode::UnsupportedMediaType, detail)
        };
        if labels.next().is_some() {
            return Err(refused("the Content-Type has several charsets"));
        }
        TextEncoding::of_label(&label).ok_or_else(|| refused(&format!("the charset {label:?} is not known")))
    }

    /// The encoding of a name. Browsers take ASCII and Latin-1 for windows-1252; programs mean what they say.
    pub(super) fn of_label(label: &str) -> Option<TextEncoding> {
        let label = label.trim().to_ascii_lowercase();
        match label.as_str() {
            "utf-8" | "utf8" | "utf-16" | "utf-16le" | "utf-16be" | "utf-32" | "utf-32le" | "utf-32be" => {
                return Some(TextEncoding::Unicode);
            }
            "us-ascii" | "ascii" | "ansi_x3.4-1968" => return Some(TextEncoding::Ascii),
            _ => {}
        }
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        let is_latin1 = encoding == WINDOWS_1252 && !label.ends_with("1252");
        Some(if is_latin1 { TextEncoding::Latin1 } else { TextEncoding::Other(encoding) })
    }

    /// The text as UTF-8, without its byte-order mark. What is UTF-8 already stays where it is.
    pub(crate) fn decode(self, mut bytes: Bytes) -> Result<Bytes, Problem> {
        let (unicode, mark) = unicode(&bytes);
        bytes.advance(mark);
        match (unicode, self) {
            (Unicode::Utf8, TextEncoding::Unicode) => Ok(bytes),
            (Unicode::Utf8, _) if mark > 0 => Ok(bytes),
            (Unicode::Utf8, TextEncoding::Ascii) if bytes.is_ascii() => Ok(bytes),
            (Unicode::Utf8, TextEncoding::Ascii) => Err(invalid("US-ASCII")),
            (Unicode::Utf8, TextEncoding::Latin1) => Ok(encoding_rs::mem::decode_latin1(&bytes).into_owned().into()),
            (Unicode::Utf8, TextEncoding::Other(encoding)) => encoding
                .decode_without_bom_handling_and_without_replacement(&bytes)
                .map(|text| text.into_owned().into())
                .ok_or_else(|| invalid(encoding.name())),
            (Unicode::Utf16(order), _) => utf16(&bytes, order).ok_or_else(|| invalid("UTF-16")),
            (Unicode::Utf32(order), _) => utf32(&bytes, order).ok_or_else(|| invalid("UTF-32")),
        }
    }
}

/// The form of Unicode that the first bytes tell, and the length of the byte-order mark. Without one the zeros of its first
/// character tell, which in JSON is of ASCII.
fn unicode(bytes: &[u8]) -> (Unicode, usize) {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => (Unicode::Utf8, 3),
        [0xff, 0xfe, 0, 0, ..] => (UTF32_LITTLE, 4),
        [0, 0, 0xfe, 0xff, ..] => (UTF32_BIG, 4),
        [0xff, 0xfe, ..] => (UTF16_LITTLE, 2),
        [0xfe, 0xff, ..] => (UTF16_BIG, 2),
        [0, 0, 0, 1..=255, ..] => (UTF32_BIG, 0),
        [1..=255, 0, 0, 0, ..] => (UTF32_LITTLE, 0),
        [0, 1..=255, ..] => (UTF16_BIG, 0),
        [1..=255, 0, ..] => (UTF16_LITTLE, 0),
        _ => (Unicode::Utf8, 0),
    }
}

fn utf16(bytes: &[u8], [high, low]: [usize; 2]) -> Option<Bytes> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_be_bytes([unit[high], unit[low]]));
    let text = char::decode_utf16(units).collect::<Result<String, _>>().ok()?;
    rest.is_empty().then(|| text.into())
}

fn utf32(bytes: &[u8], order: [usize; 4]) -> Option<Bytes> {
    let (units, rest) = bytes.as_chunks::<4>();
    let units = units.iter().map(|unit| u32::from_be_bytes(order.map(|at| unit[at])));
    let text = units.map(char::from_u32).collect::<Option<String>>()?;
    rest.is_empty().then(|| text.into())
}

fn invalid(name: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("the body is not valid {name}, as it is declared or begins; send UTF-8"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"a\": \"\u{e9}\u{4e2d}\u{1f600}\"}";

    fn decode(label: &str, bytes: &[u8]) -> Result<String, String> {
        let encoding = TextEncoding::of_label(label).expect("a known charset");
        let text = encoding.decode(Bytes::copy_from_slice(bytes)).map_err(|problem| problem.detail)?;
        Ok(String::from_utf8(text.to_vec()).expect("UTF-8"))
    }

    /// The text in the five forms of Unicode.
    fn forms(text: &str) -> [Vec<u8>; 5] {
        let units16: Vec<u16> = text.encode_utf16().collect();
        let units32: Vec<u32> = text.chars().map(u32::from).collect();
        [
            text.as_bytes().to_vec(),
            units16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            units16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            units32.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            units32.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ]
    }

    #[test]
    fn form_of_unicode_is_told_by_the_first_bytes() {
        for mark in ["", "\u{feff}"] {
            for bytes in forms(&format!("{mark}{TEXT}")) {
                for label in ["utf-8", "UTF-16", "utf-32le"] {
                    assert_eq!(decode(label, &bytes).as_deref(), Ok(TEXT), "{label} {bytes:02x?}");
                }
            }
        }
        // A mark is stronger than what is declared.
        assert_eq!(decode("windows-1252", "\u{feff}{\"\u{e9}\": 1}".as_bytes()).as_deref(), Ok("{\"\u{e9}\": 1}"));
        for bytes in [&b""[..], b"{", b"{}", b"\0", b"\0\0"] {
            assert_eq!(decode("utf-8", bytes).map(String::into_bytes).as_deref(), Ok(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn other_charsets_become_utf8() {
        for (label, bytes, expected) in [
            ("us-ascii", &b"'a'"[..], "'a'"),
            ("ISO-8859-1", b"'\xe9\x80'", "'\u{e9}\u{80}'"),
            ("latin1", b"'\xff'", "'\u{ff}'"),
            ("windows-1252", b"'\xe9\x80'", "'\u{e9}\u{20ac}'"),
            ("cp1252", b"'\x80'", "'\u{20ac}'"),
            ("iso-8859-15", b"'\xa4'", "'\u{20ac}'"),
            ("koi8-r", b"'\xc1'", "'\u{430}'"),
            ("Shift_JIS", b"'\x93\xfa'", "'\u{65e5}'"),
            ("gb2312", b"'\xd6\xd0'", "'\u{4e2d}'"),
            ("euc-kr", b"'\xb0\xa1'", "'\u{ac00}'"),
        ] {
            assert_eq!(decode(label, bytes).as_deref(), Ok(expected), "{label}");
        }
        for unknown in ["", "utf-7", "x", "utf-9", "replacement"] {
            assert_eq!(TextEncoding::of_label(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn text_that_is_not_what_it_is_declared_as_is_refused() {
        for (label, bytes, name) in [
            ("ascii", &b"'\xe9'"[..], "US-ASCII"),
            ("shift_jis", b"'\x93", "Shift_JIS"),
            ("utf-8", b"{\0}", "UTF-16"),
            ("utf-16", b"\xff\xfe{\0\0\xd8", "UTF-16"),
            ("utf-32", b"{\0\0\0\0\0\x11\0", "UTF-32"),
        ] {
            let told = decode(label, bytes).unwrap_err();
            assert!(told.contains(&format!("not valid {name},")), "{label}: {told}");
        }
    }
}
