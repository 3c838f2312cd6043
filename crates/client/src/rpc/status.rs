//! The status of a gRPC response.

use beep_python_protocol::grpc::decode;
use beep_python_protocol::grpc::messages::ErrorDetails;
use http::StatusCode;

use super::channel::Exchanged;
use crate::error::Error;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

pub(super) fn status(response: &Exchanged) -> Option<u16> {
    let status = response.headers.get(STATUS).filter(|_| response.status == StatusCode::OK)?;
    status.to_str().ok()?.parse().ok()
}

pub(super) fn failure(status: Option<u16>, response: &Exchanged) -> Error {
    let Some(status) = status else { return Error::from_body(response.status.as_u16(), &response.body) };
    match decode::<ErrorDetails>(&response.body) {
        Ok(details) => Error::from_body(status, details.problem_json.as_bytes()),
        Err(_) => {
            let message = response.headers.get(MESSAGE).map(|message| String::from_utf8_lossy(message.as_bytes()));
            Error::Protocol { status, detail: message.unwrap_or_default().into_owned() }
        }
    }
}
