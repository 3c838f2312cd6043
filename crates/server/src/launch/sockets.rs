//! All sockets of a server: bound by its starter, or handed over by the server before it or by a service manager.

use std::io;
use std::os::fd::OwnedFd;

use beep_python_runtime::platform::Home;

use crate::launch::error::LaunchError;
use crate::launch::listen::bind;
use crate::launch::named_sockets::{HTTP, NamedSockets, PIPE, RPC};
use crate::launch::plan::LaunchPlan;
use crate::unix_socket::socket::{BoundPipe, bind_pipe};

/// The sockets that a plan asks for. The file of a pipe that was bound goes with this, unless a server has the socket.
pub(super) struct Sockets {
    named: NamedSockets,
    bound: Option<BoundPipe>,
}

impl Sockets {
    /// Those that were handed over, and new ones for the other backends.
    pub(super) fn of(home: &Home, plan: &LaunchPlan) -> Result<Sockets, LaunchError> {
        if plan.http.is_none() && plan.pipe.is_none() && plan.rpc.is_none() {
            return Err(LaunchError::NoBackend);
        }
        let unshared = |source| LaunchError::Sockets { source };
        let mut named =
            plan.sockets.as_deref().map_or_else(|| Ok(NamedSockets::new()), |given| share(given)).map_err(unshared)?;
        let is_given = |name| plan.sockets.iter().flat_map(|given| given.iter()).any(|(given, _)| *given == name);
        for (name, port) in [(HTTP, plan.http), (RPC, plan.rpc)] {
            let Some(port) = port.filter(|_| !is_given(name)) else { continue };
            let listeners = bind(&plan.hosts, port, plan.remote)?;
            named.extend(listeners.into_iter().map(|listener| (name, listener.into())));
        }
        let bound = plan.pipe.as_ref().filter(|_| !is_given(PIPE)).map(|name| bind_pipe(home, name)).transpose()?;
        if let Some(pipe) = &bound {
            named.push((PIPE, pipe.share().map_err(unshared)?.into()));
        }
        Ok(Sockets { named, bound })
    }

    /// Descriptors for another process, and what each is for.
    pub(super) fn share(&self) -> io::Result<(Vec<OwnedFd>, Vec<&'static str>)> {
        Ok(share(&self.named)?.into_iter().map(|(name, socket)| (socket, name)).unzip())
    }

    /// Leaves the sockets to the server.
    pub(super) fn hand_over(self) {
        if let Some(pipe) = self.bound {
            pipe.hand_over();
        }
    }
}

fn share(sockets: &NamedSockets) -> io::Result<NamedSockets> {
    sockets.iter().map(|(name, socket)| Ok((*name, socket.try_clone()?))).collect()
}
