//! What files and options say of access, as functions of any bytes.

use super::authority;
use super::named_tokens::List;
use super::origin::parse_origin;
use super::token::{TokenHash, TokenText};

/// The list of tokens is the same after it was written and read again.
pub(crate) fn token_file(input: &[u8]) {
    if let Some(token) = TokenText::new(&String::from_utf8_lossy(input)) {
        assert!(token.token().matches(input.trim_ascii_end()));
    }
    let Ok(List { tokens }) = serde_json::from_slice::<List>(input) else { return };
    for token in &tokens {
        assert!(TokenHash::from_hex(&token.hash().to_hex()) == Some(token.hash()));
        let _ = token.is_expired();
    }
    let written = serde_json::to_vec(&List { tokens: tokens.clone() }).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<List>(&written).expect("what was written can be read").tokens, tokens);
}

/// An origin is read as it is written. A host is of loopback only if it names that.
pub(crate) fn origin(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(origin) = parse_origin(text)
    {
        assert_eq!(parse_origin(&origin).as_ref(), Ok(&origin));
        assert!(!origin.contains(['/', '@', '*']) || origin.matches('/').count() == 2, "{origin}");
    }
    if authority::is_allowed(input, &[]) {
        let text = std::str::from_utf8(input).expect("ASCII").to_ascii_lowercase();
        assert!(["localhost", "127.", "["].iter().any(|name| text.starts_with(name)), "{text}");
    }
}
