//! Attaching data to a request, as every transport does.

use std::sync::Arc;

use beep_python_memory::{Memory, MemoryError};
use beep_python_protocol::{CallOptions, DataDescriptor, ErrorCode, Problem};
use bytes::{BufMut, Bytes, BytesMut};

use crate::session::call::Payload;
use crate::session::manager::manager::SessionManager;
use crate::session::service::operation::session_of;

/// How many data go with one request at most.
pub const MAX_ATTACHED: usize = beep_python_memory::MAX_DESCRIPTORS - 1; // one is left for memory of the answer

/// A datum of a client.
#[derive(Debug)]
pub struct Attachment {
    /// What it is.
    pub descriptor: DataDescriptor,
    /// Where it lies.
    pub memory: Memory,
}

/// The payload of a request with data: its body, and `data`, the list of their descriptors, in it. The data count against
/// the session's limits from now on.
pub fn attach(
    sessions: &SessionManager,
    options: &CallOptions,
    body: &Bytes,
    attached: Vec<Attachment>,
) -> Result<Payload, Problem> {
    let invalid = |error: MemoryError| Problem::new(ErrorCode::InvalidRequest, error.to_string());
    let session = session_of(sessions, options)?;
    if attached.len() > MAX_ATTACHED {
        let detail = format!("{} data are attached; a request takes at most {MAX_ATTACHED}", attached.len());
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let (mut descriptors, mut data) = (Vec::new(), Vec::new());
    for Attachment { descriptor, memory } in attached {
        memory.check(descriptor.offset, descriptor.byte_length, descriptor.shared).map_err(invalid)?;
        let held = session.inner.data.hold(memory);
        data.push(Arc::new(held.inspect_err(|problem| session.inner.config.metrics.failed(problem.code))?));
        descriptors.push(descriptor);
    }
    Ok(Payload { body: with_descriptors(body, &descriptors), data, ..Payload::default() })
}

/// The body, a JSON object, with the key `data`.
fn with_descriptors(body: &Bytes, descriptors: &[DataDescriptor]) -> Bytes {
    let text = body.trim_ascii();
    let rest = text.strip_prefix(b"{").map_or(&b"}"[..], <[u8]>::trim_ascii_start);
    let mut out = BytesMut::with_capacity(body.len() + 128 * descriptors.len());
    match rest {
        b"}" => out.put_slice(b"{"),
        _ => {
            // Behind the client's own keys: the last one of a name counts.
            out.put_slice(b"{");
            out.put_slice(rest.strip_suffix(b"}").unwrap_or(rest));
            out.put_slice(b",");
        }
    }
    out.put_slice(br#""data":"#);
    out.put_slice(&serde_json::to_vec(descriptors).unwrap_or_default());
    out.put_slice(b"}");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_stand_behind_the_keys_of_the_client() {
        let descriptors = [DataDescriptor { byte_length: 3, ..DataDescriptor::default() }];
        let list = r#""data":[{"kind":"bytes","byteLength":3,"format":"raw"}]}"#;
        for (body, expected) in [
            ("{}", format!("{{{list}")),
            (" { } ", format!("{{{list}")),
            (r#"{"name":"x"}"#, format!(r#"{{"name":"x",{list}"#)),
            ("{\"data\": 5 }\n", format!("{{\"data\": 5 ,{list}")),
        ] {
            let joined = with_descriptors(&Bytes::from_static(body.as_bytes()), &descriptors);
            assert_eq!(joined, expected);
            let read: serde_json::Value = serde_json::from_slice(&joined).unwrap();
            assert_eq!(read["data"][0]["byteLength"], 3, "{body}");
        }
    }
}
