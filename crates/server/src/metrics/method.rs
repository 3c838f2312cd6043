//! What is called, as metrics and traces name it.

use std::fmt::{self, Write};

use beep_python_protocol::{HostOperation, Operation};
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// An operation of a session, or of the host.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Method {
    Session(Operation),
    Host(HostOperation),
}

impl From<Operation> for Method {
    fn from(operation: Operation) -> Method {
        Method::Session(operation)
    }
}

impl From<HostOperation> for Method {
    fn from(operation: HostOperation) -> Method {
        Method::Host(operation)
    }
}

/// Service and rpc, as gRPC names them.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Session(operation) => write!(f, "PythonService/{}", operation.rpc_name()),
            Method::Host(operation) => f.write_str(operation.rpc_name()),
        }
    }
}

impl EncodeLabelValue for Method {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        write!(encoder, "{self}")
    }
}
