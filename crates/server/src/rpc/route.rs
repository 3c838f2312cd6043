//! The rpcs, and the routes that lead to them.

use beep_python_protocol::grpc::ROUTE_PREFIX;
use beep_python_protocol::{HostOperation, Operation};

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// An operation of a session.
    Session(Operation),
    /// An operation of a session, with events on the way.
    Events(Operation),
    /// An operation of the host.
    Host(HostOperation),
}

const JSON_PREFIX: &str = "/rpc/";
const PYTHON_SERVICE: &str = "PythonService/";
const EVENT_SERVICE: &str = "EventService/";
/// The operations that respond with one message, but can have events, too.
const EVENT_OPERATIONS: [Operation; 3] = [Operation::Evaluate, Operation::Create, Operation::Call];

impl Rpc {
    /// Every rpc.
    pub fn all() -> impl Iterator<Item = Rpc> {
        let operations = Operation::ALL.into_iter().map(Rpc::Session);
        let followed = EVENT_OPERATIONS.into_iter().map(Rpc::Events);
        operations.chain(followed).chain(HostOperation::ALL.into_iter().map(Rpc::Host))
    }

    /// The path of the rpc over gRPC.
    pub fn path(self) -> String {
        match self {
            Rpc::Session(operation) => format!("{ROUTE_PREFIX}{PYTHON_SERVICE}{}", operation.rpc_name()),
            Rpc::Events(operation) => format!("{ROUTE_PREFIX}{EVENT_SERVICE}{}", operation.rpc_name()),
            Rpc::Host(operation) => format!("{ROUTE_PREFIX}{}", operation.rpc_name()),
        }
    }

    /// The path of the rpc as JSON, if it has one.
    pub fn json_path(self) -> Option<String> {
        let path = self.path().replace(ROUTE_PREFIX, JSON_PREFIX);
        Rpc::find_json(&path).map(|_| path)
    }

    /// The rpc of a path over gRPC.
    pub fn find(path: &str) -> Option<Rpc> {
        named(path.strip_prefix(ROUTE_PREFIX)?)
    }

    /// The rpc of a path with JSON.
    pub fn find_json(path: &str) -> Option<Rpc> {
        let rpc = named(path.strip_prefix(JSON_PREFIX)?)?;
        match rpc {
            // Data do not go as JSON; what has events has them at the path of `PythonService`.
            Rpc::Session(Operation::Fetch | Operation::Put) | Rpc::Events(_) => None,
            Rpc::Host(HostOperation::SessionEvents) => None,
            _ => Some(rpc),
        }
    }
}

fn named(name: &str) -> Option<Rpc> {
    if let Some(followed) = name.strip_prefix(EVENT_SERVICE).and_then(Operation::from_rpc_name) {
        return EVENT_OPERATIONS.contains(&followed).then_some(Rpc::Events(followed));
    }
    let operation = name.strip_prefix(PYTHON_SERVICE).and_then(Operation::from_rpc_name);
    operation.map(Rpc::Session).or_else(|| HostOperation::from_rpc_name(name).map(Rpc::Host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_its_rpc() {
        for rpc in Rpc::all() {
            assert_eq!(Rpc::find(&rpc.path()), Some(rpc));
            if let Some(path) = rpc.json_path() {
                assert_eq!(Rpc::find_json(&path), Some(rpc));
            }
        }
        assert_eq!(Rpc::all().filter(|rpc| rpc.json_path().is_some()).count(), 43);
        for path in ["/", "/rpc/", "/rpc/PythonService/", "/rpc/VenvService/Evaluate", "/rpc/Evaluate"] {
            assert_eq!((Rpc::find(path), Rpc::find_json(path)), (None, None), "{path}");
        }
    }
}
