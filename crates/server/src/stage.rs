//! The stages of a server: it serves, it drains once it is told to stop, and it closes.

use std::time::Duration;

use tokio::sync::watch;

/// How long a server that closes waits for the first request of a client that has connected and not said anything yet: it may be on
/// its way, and it is answered.
pub(crate) const FIRST_REQUEST_TIME: Duration = Duration::from_millis(500);

/// What a server does with connections and calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// All is served.
    #[default]
    Serving,
    /// Calls under way finish. Connections stay, and new ones are accepted where it has its sockets still: they are told that it stops.
    Draining(ListeningSockets),
    /// No call is under way, and connections end.
    Closing(ListeningSockets),
}

/// Who has the listening sockets of a server that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListeningSockets {
    /// The server, until it closes.
    Kept,
    /// Its successor: what connects waits for that.
    HandedOver,
}

impl Stage {
    /// Whether connections are accepted.
    pub fn accepts(self) -> bool {
        matches!(self, Stage::Serving | Stage::Draining(ListeningSockets::Kept))
    }

    /// Whether it was told to stop.
    pub fn is_stopping(self) -> bool {
        self != Stage::Serving
    }

    /// Whether connections end.
    pub fn is_closing(self) -> bool {
        matches!(self, Stage::Closing(_))
    }

    /// Whether the listening sockets are those of a successor.
    pub fn has_successor(self) -> bool {
        matches!(self, Stage::Draining(ListeningSockets::HandedOver) | Stage::Closing(ListeningSockets::HandedOver))
    }
}

/// Returns once the stage is such a one, or nothing tells the stage any more.
pub(crate) async fn reached(stage: &mut watch::Receiver<Stage>, wanted: impl Fn(Stage) -> bool) {
    let _ = stage.wait_for(|stage| wanted(*stage)).await;
}

/// Returns once connections end.
pub(crate) async fn closing(stage: &mut watch::Receiver<Stage>) {
    reached(stage, Stage::is_closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_accepts_until_it_closes_or_has_a_successor() {
        use ListeningSockets::{HandedOver, Kept};
        let accepting = [Stage::Serving, Stage::Draining(Kept)];
        let others = [Stage::Closing(Kept), Stage::Draining(HandedOver), Stage::Closing(HandedOver)];
        assert!(accepting.iter().all(|stage| stage.accepts() && !stage.is_closing() && !stage.has_successor()));
        assert!(others.iter().all(|stage| !stage.accepts() && stage.is_stopping()));
        assert!(!Stage::Serving.is_stopping() && Stage::Draining(Kept).is_stopping());
    }
}
