//! Selecting a Python for a request.

use super::error::RuntimeError;
use super::interpreter::Interpreter;
use super::manager::PythonRuntimeManager;
use super::probe::query;
use super::request::VersionRequest;
use super::runtime::{Runtime, RuntimeState};
use super::version::Version;

impl PythonRuntimeManager {
    /// The runtime of this id, else the best match of the home for a request such as `3.12`. Includes broken runtimes.
    pub fn named(&self, name: &str) -> Result<Runtime, RuntimeError> {
        let unknown = match self.get(name) {
            Err(unknown @ RuntimeError::UnknownRuntime { .. }) => unknown,
            found => return found,
        };
        let Ok(request) = name.parse::<VersionRequest>() else { return Err(unknown) };
        let found = match &request {
            VersionRequest::Path(_) => self.find(&request)?,
            request => {
                let mut runtimes = self.list()?;
                runtimes.retain(|runtime| runtime.is_build_of(request));
                runtimes.sort_by_key(|runtime| (runtime.is_managed(), runtime.state == RuntimeState::Ready));
                request.best(&runtimes, version_of).cloned()
            }
        };
        found.ok_or(unknown)
    }

    /// The best matching runtime of the home that runs. An installed one precedes an adopted one.
    pub fn find(&self, request: &VersionRequest) -> Result<Option<Runtime>, RuntimeError> {
        let (managed, adopted): (Vec<_>, Vec<_>) = self
            .list()?
            .into_iter()
            .filter(|runtime| runtime.state == RuntimeState::Ready && runtime.is_build_of(request))
            .partition(Runtime::is_managed);
        if let VersionRequest::Path(path) = request {
            let wanted = query(self.home(), path)?.path;
            let here = |runtime: &Runtime| runtime.interpreter.as_ref().is_some_and(|i| i.path == wanted);
            return Ok(managed.into_iter().chain(adopted).find(here));
        }
        Ok(request.best(&managed, version_of).or_else(|| request.best(&adopted, version_of)).cloned())
    }

    /// The Python to work with. For `None`, the default runtime's; for a path, that one; for a version, the best match
    /// of the home, else of the machine. `None` when nothing matches; an error when the default runtime does not run.
    pub fn interpreter(&self, request: Option<&VersionRequest>) -> Result<Option<Interpreter>, RuntimeError> {
        match request {
            None => self.default_runtime()?.map(Runtime::into_interpreter).transpose(),
            Some(VersionRequest::Path(path)) => query(self.home(), path).map(Some),
            Some(request) => match self.find(request)? {
                Some(runtime) => runtime.into_interpreter().map(Some),
                None => Ok(best_of_machine(self.discover()?, Some(request))),
            },
        }
    }
}

impl Runtime {
    /// Whether it has, or lacks, the global interpreter lock as requested.
    fn is_build_of(&self, request: &VersionRequest) -> bool {
        let free_threaded = self.interpreter.as_ref().is_some_and(|interpreter| interpreter.free_threaded);
        matches!(request, VersionRequest::Path(_)) || free_threaded == request.is_free_threaded()
    }
}

fn version_of(runtime: &Runtime) -> Version {
    runtime.version.unwrap_or(Version::new(0, 0, 0))
}

/// The best match: a final version before a pre-release, a build with the global interpreter lock before one without.
pub(super) fn best_of_machine(found: Vec<Interpreter>, request: Option<&VersionRequest>) -> Option<Interpreter> {
    found
        .into_iter()
        .filter(|interpreter| {
            let build = |request: &VersionRequest| request.is_free_threaded() == interpreter.free_threaded;
            request.is_none_or(|request| request.matches(&interpreter.version) && build(request))
        })
        .rev()
        .max_by_key(|interpreter| (interpreter.version.pre.is_none(), !interpreter.free_threaded, interpreter.version))
}
