//! The decoders of this crate as functions of any bytes. `fuzz/` drives them; the test runs the inputs that it keeps.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message as m;
use crate::{
    CallOption, CallOptions, DataDescriptor, DebugRequest, Problem, ServerRecord, SessionInspection, SessionOptions,
    TextWire, Value, WorkerDeath, from_value,
};

const SHORTEST: Duration = Duration::from_millis(1);

/// Takes any bytes.
type Decoder = fn(&[u8]);

/// Every decoder, by the name of its target.
pub const TARGETS: &[(&str, Decoder)] = &[
    ("call_options", call_options),
    ("exact_value", exact_value),
    #[cfg(feature = "grpc")]
    ("grpc_frame", grpc_frame),
    ("json_message", json_message),
    ("option_text", option_text),
];

/// A value is the same after it was written and read again, and everything that shows it gives an answer.
fn exact_value(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    let _ = (value.to_string(), from_value::<serde_json::Value>(value.clone()), from_value::<Vec<f64>>(value.clone()));
    let written = serde_json::to_string(&value).expect("what was read can be written");
    let again: Value = serde_json::from_str(&written).expect("what was written can be read");
    // NaN equals nothing, so texts are compared.
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
}

fn call_options(input: &[u8]) {
    let Ok(options) = serde_json::from_slice::<CallOptions>(input) else { return };
    let _ = options.trace_context();
    for wire in [TextWire::Http, TextWire::Grpc] {
        options.texts(wire).for_each(drop);
    }
    let written = serde_json::to_vec(&options).expect("what was read can be written");
    // A timeout of zero is written as the shortest: clients may take zero for none.
    let options = CallOptions { timeout: options.timeout.map(|timeout| timeout.max(SHORTEST)), ..options };
    assert_eq!(serde_json::from_slice::<CallOptions>(&written).expect("what was written can be read"), options);
}

/// The first byte says which option it is, and of which wire.
fn option_text(input: &[u8]) {
    let Some((which, Ok(text))) = input.split_first().map(|(which, text)| (which, std::str::from_utf8(text))) else {
        return;
    };
    let wire = if which % 2 == 0 { TextWire::Http } else { TextWire::Grpc };
    let all: Vec<CallOption> = CallOption::all().collect();
    let option = all[usize::from(which / 2) % all.len()];
    let mut options = CallOptions::default();
    if options.read_text(wire, option, text).is_ok() {
        let _ = (options.trace_context(), options.text(wire, option));
    }
}

/// A message of JSON, as each type that is read from JSON.
fn json_message(input: &[u8]) {
    fn read<T: DeserializeOwned>(input: &[u8]) {
        let _ = serde_json::from_slice::<T>(input);
    }
    /// What was written is read as it was.
    fn keep<T: DeserializeOwned + Serialize + PartialEq + Debug>(input: &[u8]) {
        let Ok(message) = serde_json::from_slice::<T>(input) else { return };
        let written = serde_json::to_vec(&message).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written can be read"), message);
    }
    let requests = [
        read::<DebugRequest>,
        read::<m::CreateEnvironmentRequest>,
        read::<m::EnvironmentRequest>,
        read::<m::InstallPackagesRequest>,
        read::<m::CancelRequest>,
        read::<m::CallResponse>,
        read::<m::Display>,
        read::<m::LogRecord>,
        read::<m::Progress>,
        read::<m::SessionEpoch>,
        read::<SessionInspection>,
    ];
    let kept = [
        keep::<SessionOptions>,
        keep::<Problem>,
        keep::<DataDescriptor>,
        keep::<ServerRecord>,
        keep::<WorkerDeath>,
        keep::<m::EnvironmentInfo>,
        keep::<m::Health>,
        keep::<m::InterruptRequest>,
        keep::<m::SessionInfo>,
    ];
    requests.into_iter().chain(kept).for_each(|read| read(input));
}

#[cfg(feature = "grpc")]
fn grpc_frame(input: &[u8]) {
    use crate::grpc;

    let body = bytes::Bytes::copy_from_slice(input);
    let _ = (grpc::decode::<grpc::messages::EvaluateRequest>(&body), grpc::unframe(&body));
    if let Some(problem) = grpc::decode_details(input) {
        let (_, details) = grpc::encode_details(&problem);
        assert_eq!(grpc::decode_details(&details).expect("ours").code, problem.code);
    }
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
