//! What a host answers over gRPC, as a function of any bytes.

use beep_python_protocol::grpc::{decode, decode_details, messages as m};
use beep_python_protocol::{HostOperation, Operation};
use bytes::{Bytes, BytesMut};

use super::data::{descriptor, message};
use super::reply::reply;
use super::subscribe::event;
use crate::call::Target;

/// The first byte says which operation the answer is of.
pub(crate) fn grpc_answer(input: &[u8]) {
    let Some((&which, body)) = input.split_first() else { return };
    let (which, mut stream) = (usize::from(which), BytesMut::from(body));
    let body = Bytes::copy_from_slice(body);
    let _ = reply(Target::Session(Operation::ALL[which % Operation::ALL.len()]), &body);
    let _ = reply(Target::Host(HostOperation::ALL[which % HostOperation::ALL.len()]), &body);
    let _ = decode_details(&body);
    while let Some(frame) = message(&mut stream) {
        let _ = decode::<m::Event>(&frame).map(event);
        let _ = decode::<m::DataDescriptor>(&frame).map(descriptor);
    }
}
