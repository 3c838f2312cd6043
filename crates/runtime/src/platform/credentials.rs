//! Keeping credentials out of messages and logs.

/// The text with the credentials of each URL in it masked: `https://***@host/path`.
pub fn mask_credentials(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        let host = authority.rfind('@').unwrap_or(0);
        if host > 0 {
            masked.push_str("***");
        }
        rest = &after[host..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_urls_are_masked() {
        for (text, masked) in [
            ("https://user:p@ss@host/a@b?x=1 c@d", "https://***@host/a@b?x=1 c@d"),
            ("a @ git+https://token@host/a.git, http://u:p@h:1", "a @ git+https://***@host/a.git, http://***@h:1"),
            ("https://host/simple file:///a@b", "https://host/simple file:///a@b"),
            ("six @ none", "six @ none"),
            ("https://", "https://"),
        ] {
            assert_eq!(mask_credentials(text), masked);
        }
    }
}
