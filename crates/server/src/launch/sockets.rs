//! All sockets of a server, bound by its starter.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use beep_python_runtime::platform::Home;

use crate::launch::error::LaunchError;
use crate::launch::listen::bind;
use crate::launch::plan::LaunchPlan;
use crate::launch::socket_activation::{HTTP, PIPE, RPC};
use crate::unix_socket::socket::{BoundPipe, bind_pipe};

/// The sockets that a plan asks for. The file of the pipe goes with this, unless a server has the socket.
pub(super) struct Sockets {
    http: Vec<TcpListener>,
    pipe: Option<BoundPipe>,
    rpc: Vec<TcpListener>,
}

impl Sockets {
    pub(super) fn bind(home: &Home, plan: &LaunchPlan) -> Result<Sockets, LaunchError> {
        if plan.http.is_none() && plan.pipe.is_none() && plan.rpc.is_none() {
            return Err(LaunchError::NoBackend);
        }
        let tcp = |port: Option<u16>| port.map_or(Ok(Vec::new()), |port| bind(&plan.hosts, port, plan.remote));
        let (http, rpc) = (tcp(plan.http)?, tcp(plan.rpc)?);
        let pipe = plan.pipe.as_ref().map(|name| bind_pipe(home, name)).transpose()?;
        Ok(Sockets { http, pipe, rpc })
    }

    /// Descriptors for another process, and what each is for.
    pub(super) fn share(&self) -> io::Result<(Vec<OwnedFd>, Vec<&'static str>)> {
        let (mut fds, mut names) = (Vec::new(), Vec::new());
        for (name, listeners) in [(HTTP, &self.http), (RPC, &self.rpc)] {
            for listener in listeners {
                fds.push(listener.try_clone()?.into());
                names.push(name);
            }
        }
        if let Some(pipe) = &self.pipe {
            fds.push(pipe.share()?.into());
            names.push(PIPE);
        }
        Ok((fds, names))
    }

    /// Leaves the sockets to the server.
    pub(super) fn hand_over(self) {
        if let Some(pipe) = self.pipe {
            pipe.hand_over();
        }
    }
}
