//! Calls and replies, as transports carry them.

use beep_python_protocol::{CallOptions, HostOperation, Operation, TextWire};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::data::Datum;
use crate::error::Error;
use crate::http::header::header_value;

/// One operation with its request. The request is JSON for every transport, since that is the form that sessions read.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation.
    pub target: Target,
    /// The request: a JSON object with the keys of `PROTOCOL.md`, or empty for an operation without request.
    pub body: Bytes,
    /// The session, deadline and other options.
    pub options: CallOptions,
    /// The data that go with the request: one for [`Operation::Put`], else none.
    pub data: Vec<Datum>,
}

/// The performer of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A session.
    Session(Operation),
    /// The host.
    Host(HostOperation),
}

impl Call {
    /// The options as they go over a wire: those that the target takes.
    pub(crate) fn options_on_wire(&self) -> CallOptions {
        let is_session = matches!(self.target, Target::Session(_));
        let CallOptions { session, limits, isolated, capabilities, .. } = self.options.clone();
        CallOptions {
            session: session.filter(|_| is_session),
            limits: limits.filter(|_| is_session),
            isolated: isolated.filter(|_| self.target == Target::Session(Operation::Evaluate)),
            capabilities: capabilities.filter(|capabilities| capabilities.any()),
            ..self.options.clone()
        }
    }

    /// Adds the options to the headers of a request: HTTP headers, or gRPC metadata.
    pub(crate) fn insert_options(&self, wire: TextWire, headers: &mut HeaderMap) -> Result<(), Error> {
        for (_, name, text) in self.options_on_wire().texts(wire) {
            let name = HeaderName::from_static(name);
            let value = header_value(&name, &text)?;
            headers.insert(name, value);
        }
        Ok(())
    }
}

/// A successful reply. A failure is an [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub enum Reply {
    /// JSON, with values in the exact form.
    Json(Bytes),
    /// Little-endian 32-bit floats; only for the two float array operations.
    Floats {
        /// The numbers, row after row.
        data: Bytes,
        /// Rows and columns, if known.
        shape: Option<(usize, usize)>,
    },
    /// The answer of [`Operation::Fetch`].
    Datum {
        /// The data.
        datum: Datum,
        /// The rest of the response, a JSON object with the keys `stdout`, `stderr` and `sessionEpoch` as far as the wire tells
        /// them.
        about: Bytes,
    },
    /// Rows of floats; only for the operation that reads rows.
    FloatRows(Vec<Vec<f32>>),
}
