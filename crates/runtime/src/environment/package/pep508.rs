//! Reading requirements in the form of PEP 508.

use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl};

/// The requirement that a text is. An error says why it is none.
///
/// The library panics at some words that are not ASCII behind a marker's expressions. No marker has such, outside of quotes.
pub(in crate::environment) fn parse(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    if text.split_once(';').is_some_and(|(_, marker)| has_odd_words(marker)) {
        return Err("its marker has a character outside of quotes that is not ASCII".to_owned());
    }
    Requirement::from_str(text).map_err(|error| error.message.to_string())
}

fn has_odd_words(marker: &str) -> bool {
    let mut quote = None;
    marker.chars().any(|char| {
        match quote {
            Some(begun) if char == begun => quote = None,
            None if matches!(char, '"' | '\'') => quote = Some(char),
            _ => {}
        }
        quote.is_none() && !char.is_ascii()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_marker_that_are_not_ascii_are_refused() {
        for marker in ["ü", "and ü", "aü", "\u{3000}ü==", "ü or"] {
            let text = format!("six; os_name == 'x' {marker}");
            assert!(parse(&text).is_err_and(|reason| reason.contains("not ASCII")), "{text}");
        }
        for text in ["six; os_name == 'ü'", "six @ https://x.example/ü.whl ; os_name == \"ü'\"", "six"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert!(parse("ü").is_err());
    }
}
