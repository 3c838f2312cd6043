//! Python interpreters: finding, querying, installing.
//!
//! [`Interpreter`] is what is known of one Python; [`query`] learns it by running that Python and [`discover`] looks
//! for every one on the machine. [`PythonRuntimeManager`] keeps the runtimes of the home: installed from the
//! [`Catalogue`], a mirror or an archive, or adopted from the machine.

mod archive;
mod cache;
mod catalogue;
mod discover;
mod download;
mod error;
mod inflate;
mod init;
mod install;
mod manager;
mod platform;
mod probe;
mod relocate;
mod request;
mod select;
mod version;

pub use catalogue::{Catalogue, CatalogueEntry};
pub use discover::{SearchPaths, discover};
pub use download::hash_file;
pub use error::RuntimeError;
pub use init::{InitOptions, InitOutcome, Obtained};
pub use install::{Installed, Progress, Source};
pub use manager::{InstallSettings, PythonRuntimeManager, Runtime, RuntimeOrigin, RuntimeState};
pub use platform::Platform;
pub use probe::{Interpreter, query};
pub use request::VersionRequest;
pub use version::{PreRelease, Version};
