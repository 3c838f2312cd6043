//! Runs the inputs that `fuzz/corpus/` keeps. Included by the tests of each crate that has targets.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

const MAX_FILES: usize = 50;
const MAX_BYTES: u64 = 100 << 10;

/// Gives each target every input that is kept for it, and checks that all targets are known to `fuzz/` and have some.
pub(super) fn run(targets: &[(&str, super::Decoder)]) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("the manifest of fuzz/");
    let mut failed = Vec::new();
    for (name, decode) in targets {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml has no [[bin]] {name}");
        let folder = fuzz.join("corpus").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        let inputs: Vec<_> = files.iter().map(|file| fs::read(file).expect("a file")).collect();
        let bytes: u64 = inputs.iter().map(|input| input.len() as u64).sum();
        assert!((1..=MAX_FILES).contains(&files.len()), "{name} keeps {} inputs, not 1 to {MAX_FILES}", files.len());
        assert!(bytes <= MAX_BYTES, "the inputs of {name} have {bytes} bytes, more than {MAX_BYTES}");
        let decodes = |input: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| decode(input))).is_ok();
        failed.extend(files.iter().zip(&inputs).filter(|(_, input)| !decodes(input)).map(|(file, _)| file.clone()));
    }
    assert!(failed.is_empty(), "these inputs make their targets panic: {failed:#?}");
}
