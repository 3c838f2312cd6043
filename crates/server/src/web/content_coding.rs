//! Bodies with `Content-Encoding`: which codings are taken, and inflating them as they come.

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, HeaderName};

/// The codings that are taken, as `Accept-Encoding` names them.
pub(crate) const ACCEPTED: &str = "gzip, deflate";
/// How much is inflated at once.
const BLOCK_BYTES: usize = 64 << 10;
/// The largest window that the formats know.
const WINDOW_BITS: u8 = 15;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    Identity,
    Gzip,
    Deflate,
}

impl ContentCoding {
    /// The coding that a header declares. An error where it is none that is taken.
    pub(crate) fn of(headers: &HeaderMap, header: &HeaderName) -> Result<ContentCoding, Problem> {
        match headers.contains_key(header) {
            false => Ok(ContentCoding::Identity),
            true => ContentCoding::declared(headers, header),
        }
    }

    fn declared(headers: &HeaderMap, header: &HeaderName) -> Result<ContentCoding, Problem> {
        let all = headers.get_all(header).iter();
        let text = all.map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>().join(", ");
        let names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
        let names: Vec<_> = names.filter(|name| !name.is_empty() && name != "identity").collect();
        let refused = |reason: &str| {
            let detail = format!("{reason}: a body is taken as it is, or with one of the codings {ACCEPTED}");
            Problem::new(ErrorCode::UnsupportedMediaType, detail)
        };
        match names.as_slice() {
            [] => Ok(ContentCoding::Identity),
            [name] => match name.as_str() {
                "gzip" | "x-gzip" => Ok(ContentCoding::Gzip),
                "deflate" => Ok(ContentCoding::Deflate),
                _ => Err(refused(&format!("the {header} {name:?} is not known"))),
            },
            _ => Err(refused(&format!("the {header} {text:?} has several codings"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            ContentCoding::Identity => "identity",
            ContentCoding::Gzip => "gzip",
            ContentCoding::Deflate => "deflate",
        }
    }
}

/// Inflates a body piece by piece.
pub(crate) struct Inflater {
    coding: ContentCoding,
    stream: Option<Decompress>,
    has_ended: bool,
    block: Vec<u8>,
    /// Whether the stream may have more to give without being given more.
    is_full: bool,
}

impl Inflater {
    pub(crate) fn new(coding: ContentCoding) -> Inflater {
        Inflater { coding, stream: None, has_ended: false, block: vec![0; BLOCK_BYTES], is_full: false }
    }

    /// Inflates what has come, and passes it on block by block.
    pub(crate) async fn pass_on(
        &mut self,
        mut input: Bytes,
        mut put: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        loop {
            let block = self.next(&mut input)?;
            if block.is_empty() {
                return Ok(());
            }
            put(block)?;
            // Between blocks other requests have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// A block of what has come, which it takes from `input`. An empty one says that nothing is left of that.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<&[u8], Problem> {
        let mut length = 0;
        while length == 0 && (self.is_full || !input.is_empty()) {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => self.begin(input)?,
            };
            let (taken, given) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(input, &mut self.block, FlushDecompress::None)
                .map_err(|error| self.broken(error.message().unwrap_or("it is corrupt")))?;
            input.advance(usize::try_from(stream.total_in() - taken).unwrap_or(usize::MAX));
            length = usize::try_from(stream.total_out() - given).unwrap_or(usize::MAX);
            self.has_ended = status == Status::StreamEnd;
            self.is_full = !self.has_ended && length == self.block.len();
            if !self.has_ended {
                self.stream = Some(stream);
            }
        }
        Ok(&self.block[..length])
    }

    /// A new stream, which begins with this.
    fn begin(&self, input: &Bytes) -> Result<Decompress, Problem> {
        match self.coding {
            // Several members make one gzip, as from parallel compressors.
            ContentCoding::Gzip => Ok(Decompress::new_gzip(WINDOW_BITS)),
            _ if self.has_ended => Err(self.broken("more follows its end")),
            // `deflate` means zlib's format, but some clients leave its head away. No raw stream begins as that does.
            _ => Ok(Decompress::new(input.first().is_some_and(|first| first & 0x0f == 8))),
        }
    }

    /// An error where the body ended before what it has.
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        if self.has_ended { Ok(()) } else { Err(self.broken("it is cut off")) }
    }

    fn broken(&self, reason: &str) -> Problem {
        let name = self.coding.name();
        let detail = format!("the body is no {name} stream, as its header declares: {reason}");
        Problem::new(ErrorCode::InvalidRequest, detail)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use http::header::CONTENT_ENCODING;

    use super::*;

    const TEXT: &[u8] = b"{\"expression\": \"1 + 1\"}";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Inflates what comes in pieces of this size.
    fn inflate(coding: ContentCoding, body: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let mut inflater = Inflater::new(coding);
        let mut out = Vec::new();
        for piece in body.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                let block = inflater.next(&mut piece).map_err(|problem| problem.detail)?;
                if block.is_empty() {
                    break;
                }
                out.extend_from_slice(block);
            }
        }
        inflater.finish().map_err(|problem| problem.detail)?;
        Ok(out)
    }

    #[test]
    fn streams_are_inflated_wherever_they_are_cut() {
        let long: Vec<u8> = (0..3 * BLOCK_BYTES as u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for text in [TEXT, b"", &long] {
            let forms = [
                (ContentCoding::Gzip, gzip(text)),
                (ContentCoding::Deflate, zlib(text)),
                (ContentCoding::Deflate, raw(text)),
            ];
            for (coding, body) in forms {
                for size in [1, 2, 7, 5000, body.len()] {
                    assert!(inflate(coding, &body, size).as_deref() == Ok(text), "{coding:?} by {size}");
                }
            }
        }
        let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        for size in [1, members.len()] {
            assert_eq!(inflate(ContentCoding::Gzip, &members, size).as_deref(), Ok(&b"one two"[..]));
        }
    }

    #[test]
    fn what_is_cut_off_or_corrupt_is_refused() {
        let forms = [
            (ContentCoding::Gzip, gzip(TEXT)),
            (ContentCoding::Deflate, zlib(TEXT)),
            (ContentCoding::Deflate, raw(TEXT)),
        ];
        for (coding, body) in &forms {
            for length in 0..body.len() {
                let told = inflate(*coding, &body[..length], 5).unwrap_err();
                assert!(told.contains("cut off"), "{coding:?} {length}: {told}");
            }
            let told = inflate(*coding, &[body, &b"more"[..]].concat(), 5).unwrap_err();
            assert!(told.contains("stream, as its header declares: "), "{told}");
        }
        let mut wrong_sum = gzip(TEXT);
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        for (coding, body) in
            [(ContentCoding::Gzip, &wrong_sum[..]), (ContentCoding::Gzip, TEXT), (ContentCoding::Deflate, TEXT)]
        {
            let told = inflate(coding, body, 100).unwrap_err();
            assert!(told.starts_with("the body is no "), "{told}");
        }
    }

    #[test]
    fn codings_are_named() {
        let of = |values: &[&'static str]| {
            let values = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value)));
            ContentCoding::of(&values.collect(), &CONTENT_ENCODING).map_err(|problem| problem.detail)
        };
        for (values, expected) in [
            (&[][..], ContentCoding::Identity),
            (&[""], ContentCoding::Identity),
            (&["identity"], ContentCoding::Identity),
            (&["gzip"], ContentCoding::Gzip),
            (&["X-GZip"], ContentCoding::Gzip),
            (&["identity", "Deflate"], ContentCoding::Deflate),
        ] {
            assert_eq!(of(values), Ok(expected), "{values:?}");
        }
        for (values, said) in [
            (&["br"][..], r#"the content-encoding "br" is not known"#),
            (&["zstd"], r#"the content-encoding "zstd" is not known"#),
            (&["gzip, gzip"], r#"the content-encoding "gzip, gzip" has several codings"#),
            (&["deflate", "gzip"], r#"the content-encoding "deflate, gzip" has several codings"#),
        ] {
            let told = of(values).unwrap_err();
            assert!(told.starts_with(said) && told.ends_with(ACCEPTED), "{told}");
        }
    }
}
