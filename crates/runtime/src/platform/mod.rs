//! Services of the operating system: the home, locks, atomic files, commands with timeouts.

mod atomic;
mod blocking;
mod command;
mod credentials;
mod error_chain;
mod file_error;
mod file_identity;
mod home;
mod lock;
mod log_state;
mod pidfd;
mod process_group;
mod quantity;
mod signals;
mod staging;

pub use atomic::{replace_file, replace_link};
pub(crate) use blocking::spawn_blocking;
pub use command::{CommandError, run_command, run_tool};
pub use credentials::mask_credentials;
pub use error_chain::error_chain;
pub use file_error::{FileError, failed_to};
pub use file_identity::file_identity;
pub use home::{Home, HomeError, user_folder};
pub(crate) use lock::explained as explained_lock_error;
pub use lock::{FileLock, NoLocks, describe_process, lock_holders};
pub use log_state::{lost_log_events, note_lost_log_events};
pub use pidfd::{NoPidfd, open_pidfd};
pub use quantity::{parse_duration, parse_size};
pub use signals::{InheritedSignals, set_signals_anew};
pub use staging::Staging;
