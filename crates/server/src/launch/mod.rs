//! Starting servers in the background, and finding and stopping them from any later process.
//!
//! The starter binds the sockets, so that a port in use is told at once and by name, and hands them to a process in a
//! session of its own ([`ServerLauncher`], [`ActivatedSockets`]). What runs is known by one record a server in the home
//! ([`ServerRecord`]), which the server itself writes when it is ready and removes when it ends. A record that outlives
//! its server tells that the server was killed; which process it means is never left to the pid alone.

mod port_owner;
mod socket_activation;
mod launcher;
mod listen;
mod log;
mod process;
mod record;
mod sockets;
mod stop;

pub use beep_python_protocol::{ServerEndpoint as Endpoint, ServerRecord, ServerState};
pub use port_owner::PortOwner;
pub use socket_activation::{ActivationError, ActivatedSockets, ReadyNotifier};
pub use launcher::{LaunchError, LaunchPlan, ServerLauncher, RemoteError};
pub(crate) use listen::BACKLOG;
pub use listen::{BindError, bind_loopback};
pub use log::log_tail;
pub use record::{
    NewRecord, RecordError, find, read_record, record_of_this_process, records, remove_record, state_of,
    unreadable_records, write_record,
};
pub use stop::{Stopped, stop};
