//! What the operating system and its file system give: the home, locks, atomic files, bounded commands.

mod atomic;
mod command;
mod error_chain;
mod file_error;
mod home;
mod lock;
mod staging;

pub use atomic::{replace_file, replace_link};
pub use command::{CommandError, run_command, run_command_holding};
pub use error_chain::error_chain;
pub use file_error::{FileError, failed_to};
pub use home::{Home, HomeError};
pub use lock::FileLock;
pub use staging::Staging;
