//! What a service manager such as systemd is told (`sd_notify(3)`): that the server is ready, that it stops, and, as long as it lives,
//! that it does.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::net::{SendFlags, send};

/// Where the manager listens: a path, or an abstract name behind `@`.
pub(super) const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// After how many microseconds without a sign of life the manager ends the service.
pub(super) const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The process that it means.
pub(super) const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How long to wait until the manager has read what was told before.
const PATIENCE: Duration = Duration::from_secs(5);

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// That of the environment variables.
    pub(super) fn from_env() -> ServiceManager {
        let Some(name) = std::env::var_os(NOTIFY_SOCKET) else { return ServiceManager::default() };
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_meant = number(WATCHDOG_PID).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(WATCHDOG_USEC).filter(|micros| is_meant && *micros > 0).map(Duration::from_micros);
        let socket = connect(&name);
        if socket.is_none() {
            tracing::warn!("{NOTIFY_SOCKET}={} is no socket of a service manager", name.display());
        }
        ServiceManager { socket, watchdog }
    }

    /// Says that the server takes requests.
    pub fn ready(&self) {
        self.tell("READY=1", SendFlags::empty());
    }

    /// Says that the server stops, which may take so long.
    pub fn stopping(&self, drain: Duration) {
        const REST: Duration = Duration::from_secs(10); // for what comes behind the calls
        let state = format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", (drain + REST).as_micros());
        self.tell(&state, SendFlags::empty());
    }

    /// Gives signs of life, twice as often as is asked for; never returns. `is_alive` returns where what serves is not stuck.
    pub async fn keep_alive(&self, is_alive: impl Fn()) {
        let Some(watchdog) = self.watchdog else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(watchdog / 2);
        loop {
            ticks.tick().await;
            is_alive();
            self.tell("WATCHDOG=1", SendFlags::DONTWAIT); // another follows
        }
    }

    /// Waits a moment for a manager that has much to read; one that is gone does not matter.
    fn tell(&self, state: &str, flags: SendFlags) {
        if let Some(socket) = &self.socket {
            let _ = send(socket, state.as_bytes(), flags | SendFlags::NOSIGNAL);
        }
    }
}

fn connect(name: &OsString) -> Option<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(socket)
}
