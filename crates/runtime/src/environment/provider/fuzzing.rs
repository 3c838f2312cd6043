//! The file that declares providers, as a function of any bytes.

use super::providers_toml;

/// A mistake is told with its line.
pub(crate) fn providers_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Err((line, reason)) = providers_toml::read(&text) {
        assert!(line <= text.lines().count() + 1 && !reason.is_empty(), "line {line}: {reason}");
    }
}
