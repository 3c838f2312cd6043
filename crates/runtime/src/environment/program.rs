//! Programs of an environment's own Python.

use std::process::Command;

use super::activated_variables::set_activated_variables;
use super::environment::Environment;
use super::error::EnvironmentError;
use super::usage_lock::UsageLock;

impl Environment {
    /// A command that runs its Python, with the variables of an activated environment. The environment is in use as long as the
    /// program runs, and what that starts: it is not deleted. Fails where it is deleted just now.
    pub fn python_command(&self) -> Result<Command, EnvironmentError> {
        let lock = UsageLock::try_acquire(&self.path);
        let lock = lock.ok_or_else(|| EnvironmentError::NotFound { name: self.name.clone() })?;
        let mut command = Command::new(&self.python);
        set_activated_variables(&mut command, &self.python);
        lock.pass_on(&mut command);
        Ok(command)
    }
}
