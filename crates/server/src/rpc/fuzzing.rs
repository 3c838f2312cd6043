//! What a client of the RPC backend sends, as functions of any bytes.

use beep_python_protocol::{HostOperation, Operation};
use bytes::Bytes;
use serde_json::Value;

use super::host_service::about;
use super::pascal_case::{camel_case, camel_case_of_all, pascal_object};
use super::request::json_body;

/// The first byte says which operation the message is for. A session gets one JSON object.
pub(crate) fn grpc_request(input: &[u8]) {
    let Some((&which, body)) = input.split_first() else { return };
    let (which, body) = (usize::from(which), Bytes::copy_from_slice(body));
    if let Ok(json) = json_body(Operation::ALL[which % Operation::ALL.len()], &body) {
        // Numbers may be larger than any type of ours, and strings have halves of characters: the session reads them.
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok(), "{json:?}");
        assert!(json.starts_with(b"{") && json.ends_with(b"}"), "{json:?}");
    }
    let _ = about(HostOperation::ALL[which % HostOperation::ALL.len()], &body);
}

/// Keys change, values do not.
pub(crate) fn pascal_json(input: &[u8]) {
    let _ = pascal_object(input);
    let _ = camel_case(input);
    let (Ok(all), Ok(read)) = (camel_case_of_all(input), serde_json::from_slice::<Value>(input)) else { return };
    let all: Value = serde_json::from_slice(&all).expect("an object");
    let values = |object: &Value| object.as_object().map_or(0, |object| object.len());
    assert_eq!(values(&all), values(&read));
}
