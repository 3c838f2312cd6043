//! The environment in which code runs when none is named.

use super::{Environment, EnvironmentError, VenvManager};
use crate::interpreter::PythonRuntimeManager;

/// Its name.
pub const RUNTIME_HOST: &str = "runtime-host";

impl VenvManager {
    /// The environment `runtime-host`, made with the default runtime when it is not there.
    pub fn runtime_host(&self) -> Result<Environment, EnvironmentError> {
        match self.open(RUNTIME_HOST) {
            Err(EnvironmentError::NotFound { .. }) => {
                let default = PythonRuntimeManager::new(self.home().clone()).interpreter(None)?;
                let missing = || EnvironmentError::NoRuntime { name: RUNTIME_HOST.to_owned(), request: None };
                Ok(self.ensure(RUNTIME_HOST, &default.ok_or_else(missing)?)?.0)
            }
            opened => opened,
        }
    }
}
