//! Getting the first runtime, whatever the machine has.

use super::error::RuntimeError;
use super::install::{Installed, Source};
use super::interpreter::Interpreter;
use super::manager::PythonRuntimeManager;
use super::probe::query;
use super::progress::Progress;
use super::request::VersionRequest;
use super::runtime::{Runtime, RuntimeState};
use super::select::best_of_machine;

/// Options of `init`.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// The requested Python; `None` is the present default runtime, else the catalogue's default version.
    pub request: Option<VersionRequest>,
    /// Where to take it from.
    pub source: Source,
    /// Adopt a Python of the machine; download nothing.
    pub system: bool,
    /// Leave the default runtime as it is, if there is one.
    pub keep_default: bool,
}

/// The default runtime after `init`.
#[derive(Debug)]
pub struct InitOutcome {
    /// The runtime.
    pub runtime: Runtime,
    /// How it was obtained.
    pub obtained: Obtained,
}

/// How a runtime was obtained.
#[derive(Debug)]
pub enum Obtained {
    /// It was installed already.
    AlreadyThere,
    /// This call installed it.
    Installed {
        /// Whether the archive's SHA-256 was verified.
        checked: bool,
    },
    /// A Python of the machine was adopted, as requested.
    Adopted,
    /// A Python of the machine was adopted, because the download failed.
    AdoptedInstead {
        /// Why it failed.
        reason: RuntimeError,
    },
}

impl PythonRuntimeManager {
    /// Gets a runtime and makes it the default: an installed one, else a downloaded one. When the download fails and
    /// neither mirror nor archive was named, adopts the newest matching Python of the machine.
    pub async fn init(
        &self,
        options: &InitOptions,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<InitOutcome, RuntimeError> {
        let default = self.default_runtime()?;
        let (runtime, obtained) = self.obtain(options, default.clone(), progress).await?;
        if default.is_none() || !options.keep_default {
            self.set_default(&runtime.id)?;
        }
        Ok(InitOutcome { runtime: self.get(&runtime.id)?, obtained })
    }

    async fn obtain(
        &self,
        options: &InitOptions,
        default: Option<Runtime>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Runtime, Obtained), RuntimeError> {
        let request = options.request.as_ref();
        // Nothing in particular is asked for, and there is a default: also one of the machine.
        if request.is_none()
            && (options.keep_default || options.source == Source::Default && !options.system)
            && let Some(default) = default.filter(|default| default.state == RuntimeState::Ready)
        {
            return Ok((default, Obtained::AlreadyThere));
        }
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
    ) -> Result<Installed, RuntimeError> {
        let request = match request {
            Some(request) => request.clone(),
            None => self.catalogue().await?.default.parse()?,
        };
        self.install(&request, source, progress).await
    }

    /// An installed runtime that matches. Without a request, the default runtime, if it is an installed one.
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
