//! The decoders of this crate as functions of any bytes. `fuzz/` drives them; the test runs the inputs that it keeps.

use crate::environment::fuzzing as environment;
use crate::interpreter::{Catalogue, Platform, Version, VersionRequest, fuzzing as interpreter};
use crate::platform::{parse_duration, parse_size};
use crate::session::fuzzing as session;
use crate::worker::fuzzing as worker;

/// Takes any bytes.
type Decoder = fn(&[u8]);

/// Every decoder, by the name of its target.
pub const TARGETS: &[(&str, Decoder)] = &[
    ("archive", interpreter::archive),
    ("bundle_manifest", environment::bundle_manifest),
    ("catalogue", catalogue),
    ("host_call", session::host_call),
    ("lock_file", environment::lock_file),
    ("providers_file", environment::providers_file),
    ("quantity", quantity),
    ("requirements", environment::requirements),
    ("stack_dump", worker::stack_dump),
    ("version", version),
    ("worker_messages", session::worker_messages),
    ("zygote_message", worker::zygote_message),
];

fn catalogue(input: &[u8]) {
    let Ok(catalogue) = Catalogue::parse(input, "here") else { return };
    for entry in &catalogue.releases {
        assert!(!entry.name.contains('/'), "{:?} is no name of a folder", entry.name);
        let _ = catalogue.for_platform(&entry.platform);
    }
}

fn quantity(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = (parse_duration(&text), parse_size(&text));
}

/// A version is read as it is shown.
fn version(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform));
    }
    let _ = text.parse::<VersionRequest>().map(|request| request.to_string());
}

#[cfg(test)]
#[path = "../../../fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_input_is_decoded() {
        corpus::run(TARGETS);
    }
}
