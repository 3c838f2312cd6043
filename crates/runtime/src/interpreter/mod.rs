//! Python interpreters: finding, querying and installing them.
//!
//! An [`Interpreter`] describes one Python. [`query`] learns it by running that Python, and [`discover`] finds every
//! Python of the machine. [`PythonRuntimeManager`] manages the runtimes of a home: installed from the [`Catalogue`], a
//! mirror or an archive, or adopted from the machine.

mod archive;
mod cache;
mod catalogue;
mod discover;
mod download;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inflate;
mod init;
mod install;
mod interpreter;
mod location;
mod manager;
mod platform;
mod probe;
mod progress;
mod relocate;
mod request;
mod runtime;
mod select;
mod settings;
mod version;

pub use catalogue::{Catalogue, CatalogueEntry};
pub use discover::{SearchPaths, discover};
pub use download::hash_file;
pub use error::RuntimeError;
pub use init::{InitOptions, InitOutcome, Obtained};
pub use install::{Installed, Source};
pub use interpreter::Interpreter;
pub use manager::PythonRuntimeManager;
pub use platform::Platform;
pub use probe::{query, query_anew};
pub use progress::Progress;
pub use request::{InvalidRequest, VersionRequest};
pub use runtime::{Runtime, RuntimeOrigin, RuntimeState};
pub use settings::InstallSettings;
pub use version::{PreRelease, Version};
