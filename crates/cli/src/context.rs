//! What every command gets.

use beep_python_runtime::environment::{VenvManager, accelerator_in_env, lock_timeout_in_env};
use beep_python_runtime::interpreter::PythonRuntimeManager;
use beep_python_runtime::platform::{Home, HomeError};

use crate::color::Colors;
use crate::error::CliError;
use crate::printer::Printer;

pub(crate) struct Context {
    pub(crate) printer: Printer,
    /// All commands, with their help.
    pub(crate) tree: fn() -> clap::Command,
}

impl Context {
    pub(crate) fn new(json: bool, colors: Colors, tree: fn() -> clap::Command) -> Context {
        Context { printer: Printer::new(json, colors), tree }
    }

    /// The home. It is created where it is missing, so only commands that need it ask for it.
    pub(crate) fn home(&self) -> Result<Home, HomeError> {
        Home::from_env()
    }

    pub(crate) fn runtimes(&self) -> Result<PythonRuntimeManager, HomeError> {
        Ok(PythonRuntimeManager::new(self.home()?))
    }

    pub(crate) fn environments(&self) -> anyhow::Result<VenvManager> {
        lock_timeout_in_env().map_err(CliError::WrongVariable)?;
        accelerator_in_env().map_err(CliError::WrongVariable)?;
        Ok(VenvManager::new(self.home()?))
    }
}
