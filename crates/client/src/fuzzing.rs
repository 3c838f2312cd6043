//! The decoders of this crate as functions of any bytes. `fuzz/` drives them; the test runs the inputs that it keeps.

use beep_python_protocol::{DataDescriptor, DataKind};
use bytes::Bytes;

use crate::call::Reply;
#[cfg(feature = "arrow")]
use crate::data::Table;
use crate::data::{Array, Datum};
use crate::error::Error;
use crate::event::read_line;
use crate::fingerprint::Fingerprint;
use crate::floats::{array as floats, array_2d};
use crate::http::endpoint::Endpoint;
use crate::pipe::endpoint::PipeEndpoint;
use crate::pipe::fuzzing as pipe;

/// Takes any bytes.
type Decoder = fn(&[u8]);

/// Every decoder, by the name of its target.
pub const TARGETS: &[(&str, Decoder)] = &[
    ("address", address),
    ("array", array),
    #[cfg(feature = "arrow")]
    ("arrow_stream", arrow_stream),
    ("event_line", event_line),
    ("float_text", float_text),
    #[cfg(feature = "rpc")]
    ("grpc_answer", crate::rpc::fuzzing::grpc_answer),
    ("pipe_answer", pipe::pipe_answer),
];

/// An address is read as it is shown.
fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        let again: Endpoint = endpoint.to_string().parse().expect("an address as it is shown");
        assert_eq!((again.host(), again.port(), again.is_tls()), (endpoint.host(), endpoint.port(), endpoint.is_tls()));
        let _ = endpoint.host_header();
    }
    let _ = text.parse::<PipeEndpoint>();
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
}

/// A line that describes an array, and its bytes. As many items come out as its shape says.
fn array(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(descriptor) = serde_json::from_slice::<DataDescriptor>(&input[..end]) else { return };
    let datum = Datum::new(
        DataDescriptor { kind: DataKind::Array, ..descriptor },
        Bytes::copy_from_slice(&input[end + 1..]).into(),
    );
    let Ok(array) = Array::try_from(datum) else { return };
    let _ = array.is_empty();
    if let Ok(items) = array.items::<f64>() {
        assert_eq!(items.len(), array.len());
    }
    let _ = (array.items::<u8>(), array.items::<[f32; 2]>());
}

#[cfg(feature = "arrow")]
fn arrow_stream(input: &[u8]) {
    // That of the fuzzer ends the process at any panic, also at one that is caught.
    #[cfg(fuzzing)]
    std::panic::set_hook(Box::new(|_| {}));
    let Ok(batches) = Table::from_stream(input.to_vec()).batches() else { return };
    for batch in batches {
        assert!(batch.columns().iter().all(|column| column.len() == batch.num_rows()));
    }
}

/// Events over HTTP, and what a body says of an error.
fn event_line(input: &[u8]) {
    let _ = read_line(&Bytes::copy_from_slice(input));
    for status in [400, 500] {
        let _ = Error::from_body(status, input).to_string();
    }
}

fn float_text(input: &[u8]) {
    let reply = || Reply::Json(Bytes::copy_from_slice(input));
    let (row, rows) = (floats(reply()), array_2d(reply()));
    assert!(row.is_err() || rows.is_err() || row.is_ok_and(|row| row.is_empty()));
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
