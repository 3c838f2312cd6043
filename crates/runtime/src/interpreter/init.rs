//! Getting a runtime in the first place, whatever the machine has.

use super::select::best_of_machine;
use super::{
    Interpreter, Progress, PythonRuntimeManager, Runtime, RuntimeError, RuntimeState, Source, VersionRequest, query,
};

/// What `init` is asked for.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Which Python; `None` is the one that is the default already, else the catalogue's default version.
    pub request: Option<VersionRequest>,
    /// Where it is taken from.
    pub source: Source,
    /// Take one of the machine, and download nothing.
    pub system: bool,
}

/// The default runtime after `init`, and how it came to be.
#[derive(Debug)]
pub struct InitOutcome {
    /// It.
    pub runtime: Runtime,
    /// How it was obtained.
    pub obtained: Obtained,
}

/// How a runtime was obtained.
#[derive(Debug)]
pub enum Obtained {
    /// It was installed before.
    AlreadyThere,
    /// It was installed now.
    Installed {
        /// Whether the archive's SHA-256 was compared with a known one.
        checked: bool,
    },
    /// A Python of the machine was adopted, as was asked.
    Adopted,
    /// A Python of the machine was adopted, because none could be downloaded.
    AdoptedInstead {
        /// Why not.
        reason: RuntimeError,
    },
}

impl PythonRuntimeManager {
    /// Gets a runtime and makes it the default: one that is installed, else a downloaded one, else, when nothing can be
    /// fetched and no mirror or archive was named, the newest matching one of the machine.
    pub async fn init(
        &self,
        options: &InitOptions,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<InitOutcome, RuntimeError> {
        let (runtime, obtained) = self.obtain(options, progress).await?;
        self.set_default(&runtime.id)?;
        Ok(InitOutcome { runtime: self.get(&runtime.id)?, obtained })
    }

    async fn obtain(
        &self,
        options: &InitOptions,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Runtime, Obtained), RuntimeError> {
        let request = options.request.as_ref();
        if let Some(VersionRequest::Path(path)) = request {
            return Ok((self.adopt(&query(self.home(), path)?)?, Obtained::Adopted));
        }
        if options.system {
            return Ok((self.adopt(&self.of_machine(request)?)?, Obtained::Adopted));
        }
        let installed = match &options.source {
            Source::Archive { path, sha256 } => self.install_archive(request, path, sha256.as_deref(), progress).await,
            source => {
                if let Some(runtime) = self.already_there(request).await? {
                    return Ok((runtime, Obtained::AlreadyThere));
                }
                self.download(request, source, progress).await
            }
        };
        let named = options.source != Source::Default || self.settings.mirror.is_some();
        match installed {
            Ok(installed) if installed.new => {
                Ok((installed.runtime, Obtained::Installed { checked: installed.checked }))
            }
            Ok(installed) => Ok((installed.runtime, Obtained::AlreadyThere)),
            Err(reason) if reason.is_unobtainable() && !named => match self.of_machine(request) {
                Ok(interpreter) => Ok((self.adopt(&interpreter)?, Obtained::AdoptedInstead { reason })),
                Err(RuntimeError::NoneOnMachine { request, found }) => {
                    Err(RuntimeError::Nothing { request, found, source: Box::new(reason) })
                }
                Err(other) => Err(other),
            },
            Err(error) => Err(error),
        }
    }

    async fn download(
        &self,
        request: Option<&VersionRequest>,
        source: &Source,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<super::Installed, RuntimeError> {
        let request = match request {
            Some(request) => request.clone(),
            None => self.catalogue().await?.default.parse()?,
        };
        self.install(&request, source, progress).await
    }

    /// An installed runtime that is what is asked for; without a request the default, when that is an installed one.
    async fn already_there(&self, request: Option<&VersionRequest>) -> Result<Option<Runtime>, RuntimeError> {
        let usable = |runtime: &Runtime| runtime.is_managed() && runtime.state == RuntimeState::Ready;
        let found = match request {
            Some(request) => self.find(request)?,
            None => match self.default_runtime()?.filter(usable) {
                Some(runtime) => Some(runtime),
                None => match self.catalogue().await {
                    Ok(catalogue) => self.find(&catalogue.default.parse()?)?,
                    Err(_) => None,
                },
            },
        };
        Ok(found.filter(usable))
    }

    fn of_machine(&self, request: Option<&VersionRequest>) -> Result<Interpreter, RuntimeError> {
        let found = self.discover()?;
        let versions = found.iter().map(|interpreter| interpreter.version).collect();
        best_of_machine(found, request)
            .ok_or_else(|| RuntimeError::NoneOnMachine { request: request.cloned(), found: versions })
    }
}
