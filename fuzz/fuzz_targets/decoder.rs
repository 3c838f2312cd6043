//! Every target: it gives the decoder of its name whatever the fuzzer makes.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static DECODER: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let crates = [
        beep_python_client::fuzzing::TARGETS,
        beep_python_protocol::fuzzing::TARGETS,
        beep_python_runtime::fuzzing::TARGETS,
        beep_python_server::fuzzing::TARGETS,
    ];
    let name = env!("CARGO_BIN_NAME");
    let found = crates.into_iter().flatten().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("no crate has a decoder {name}")).1
});

fuzz_target!(|input: &[u8]| DECODER(input));
