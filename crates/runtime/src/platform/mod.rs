//! Services of the operating system: the home, locks, atomic files, commands with timeouts.

mod atomic;
mod blocking;
mod command;
mod credentials;
mod error_chain;
mod file_error;
mod home;
mod lock;
mod process_group;
mod staging;

pub use atomic::{replace_file, replace_link};
pub(crate) use blocking::spawn_blocking;
pub use command::{CommandError, run_command, run_tool};
pub use credentials::mask_credentials;
pub use error_chain::error_chain;
pub use file_error::{FileError, failed_to};
pub use home::{Home, HomeError};
pub use lock::{FileLock, describe_process, lock_holders};
pub use staging::Staging;
