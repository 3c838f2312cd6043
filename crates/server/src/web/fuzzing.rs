//! What a client of HTTP sends, as functions of any bytes.

use std::sync::LazyLock;

use beep_python_runtime::platform::Home;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::content_coding::{ContentCoding, Inflater};
use super::text::TextEncoding;
use super::{accept, call_options};
use crate::auth::{AcceptedTokens, AccessConfig, AccessPolicy, DefaultToken, Media, Peer, TokenText};
use crate::http::Route;
use crate::rpc::Rpc;

const TOKEN: &str = "the-token-of-this-server";
const ORIGIN: &str = "https://app.example";

/// One whose home is gone: its token is none of a file.
static ACCESS: LazyLock<AccessPolicy> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(folder.path()).expect("a home");
    let token = DefaultToken::Given(TokenText::new(TOKEN).expect("a token").token());
    let tokens = AcceptedTokens::open(&home, token).expect("no named tokens");
    AccessPolicy::new(AccessConfig { origins: vec![ORIGIN.to_owned()], ..AccessConfig::default() }, tokens)
});

/// `METHOD TARGET`, then a header a line, an empty line, and the body. A client of another machine gets in with the token alone,
/// and so does any where a foreign page sends the request.
pub(crate) fn request_head(input: &[u8]) {
    let Some((request, body)) = request(input) else { return };
    let (parts, ()) = request.into_parts();
    let access = &*ACCESS;
    let shows_token = input.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
    for media in [Media::Json, Media::Grpc, Media::Data] {
        let remote = access.authorize_parts(media, Peer::Remote, &parts);
        assert!(remote.is_err() || shows_token, "{parts:?}");
        let Ok(authorized) = access.authorize_parts(media, Peer::SameUser, &parts) else { continue };
        let origin = parts.headers.get(http::header::ORIGIN);
        assert!(origin.is_none_or(|origin| origin == ORIGIN), "{parts:?}");
        if let Ok(encoding) = TextEncoding::of(authorized.charset, &parts.headers) {
            let _ = encoding.decode(Bytes::copy_from_slice(body));
        }
    }
    let _ = access.authorize_preflight(Peer::SameUser, &parts);
    let _ = (accept::formats(&parts.headers), ContentCoding::of(&parts.headers, &CONTENT_ENCODING));
    let _ = (call_options::from_http(&parts.headers, body), call_options::from_metadata(&parts.headers));
    let _ = (Route::find(parts.uri.path()), Route::session_id(parts.uri.path()), Rpc::find(parts.uri.path()));
}

fn request(input: &[u8]) -> Option<(Request<()>, &[u8])> {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((input, &b""[..]), |end| (&input[..end], &input[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
    *request.version_mut() = if head.len() % 2 == 0 { Version::HTTP_11 } else { Version::HTTP_2 };
    Some((request, body))
}

/// The first byte is the length of the charset's name, which follows. What comes out is UTF-8.
pub(crate) fn text_body(input: &[u8]) {
    let Some((&length, rest)) = input.split_first() else { return };
    let (label, body) = rest.split_at(rest.len().min(usize::from(length % 24)));
    let Some(encoding) = TextEncoding::of_label(&String::from_utf8_lossy(label)) else { return };
    let decoded = encoding.decode(Bytes::copy_from_slice(body));
    // UTF-8 passes as it is: what reads it checks it.
    let passes = encoding == TextEncoding::Unicode || body.starts_with(b"\xef\xbb\xbf");
    assert!(passes || decoded.is_err() || decoded.is_ok_and(|text| std::str::from_utf8(&text).is_ok()));
}

/// The first byte says which coding it is, and in which pieces the others arrive; they give the same however they do.
pub(crate) fn compressed_body(input: &[u8]) {
    let Some((&how, body)) = input.split_first() else { return };
    let coding = if how % 2 == 0 { ContentCoding::Gzip } else { ContentCoding::Deflate };
    let pieces = inflate(coding, body.chunks(usize::from(how / 2) + 1));
    assert_eq!(pieces, inflate(coding, [body].into_iter()));
}

/// What comes out, up to a bound, where the body is whole.
fn inflate<'a>(coding: ContentCoding, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let (mut inflater, mut out) = (Inflater::new(coding), Vec::new());
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match inflater.next(&mut piece) {
                Ok([]) => break,
                Ok(block) => out.extend_from_slice(block),
                Err(_) => return None,
            }
            if out.len() > 1 << 20 {
                return None;
            }
        }
    }
    inflater.finish().ok().map(|()| out)
}
