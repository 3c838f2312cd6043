//! What every command gets.

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::PythonRuntimeManager;
use beep_python_runtime::platform::{Home, HomeError};

use crate::color::Colors;
use crate::printer::Printer;

pub(crate) struct Context {
    pub(crate) printer: Printer,
}

impl Context {
    pub(crate) fn new(json: bool, colors: Colors) -> Context {
        Context { printer: Printer::new(json, colors) }
    }

    /// The home. It is created where it is missing, so only commands that need it ask for it.
    pub(crate) fn home(&self) -> Result<Home, HomeError> {
        Home::from_env()
    }

    pub(crate) fn runtimes(&self) -> Result<PythonRuntimeManager, HomeError> {
        Ok(PythonRuntimeManager::new(self.home()?))
    }

    pub(crate) fn environments(&self) -> Result<VenvManager, HomeError> {
        Ok(VenvManager::new(self.home()?))
    }
}
