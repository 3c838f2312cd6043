//! Starting servers in the background, and finding and stopping them from any later process.
//!
//! The starter binds the sockets, so that a port in use is reported at once with its owner, and hands them to a process
//! in a session of its own ([`ServerLauncher`], [`ActivatedSockets`]). Each server has a record in the home ([`ServerRecord`]),
//! which it writes when it is ready and removes when it ends. A record that outlives its server shows that the server was
//! killed; a record identifies its process by more than the pid.

mod error;
mod handover;
mod launcher;
mod listen;
mod log;
mod named_sockets;
mod plan;
mod port_owner;
mod process;
mod ready;
mod record;
mod service_manager;
mod socket_activation;
mod sockets;
mod spawn;
mod stop;
mod surroundings;

pub use beep_python_protocol::{Place, ServerEndpoint as Endpoint, ServerRecord, ServerState};
pub use error::{LaunchError, RemoteError};
pub use handover::Successor;
pub(crate) use handover::hand_over;
pub use launcher::ServerLauncher;
pub(crate) use listen::check_inherited;
pub use listen::{BindError, bind};
pub use log::{log_files, log_tail, remove_log, rotate_log};
pub use named_sockets::NamedSockets;
pub(crate) use named_sockets::{HTTP, PIPE, RPC};
pub use plan::LaunchPlan;
pub use port_owner::PortOwner;
pub use ready::ReadyNotifier;
pub use record::{
    NewRecord, RecordError, find, read_record, record_of_this_process, records, remove_record, state_of,
    unreadable_records, write_record,
};
pub use service_manager::ServiceManager;
pub use socket_activation::{ActivatedSockets, ActivationError, sockets_of_manager};
pub use stop::{Stopped, stop};
pub use surroundings::{Surroundings, Variables, surroundings_of};
