//! Programs of an environment's own Python.

use std::process::Command;

use super::activated_variables::set_activated_variables;
use super::environment::Environment;
use super::usage_lock::UsageLock;

impl Environment {
    /// A command that runs its Python, with the variables of an activated environment. The environment is in use as long as the
    /// program runs, and what that starts: it is not deleted.
    pub fn python_command(&self) -> Command {
        let mut command = Command::new(&self.python);
        set_activated_variables(&mut command, &self.python);
        if let Some(lock) = UsageLock::try_acquire(&self.path) {
            lock.pass_on(&mut command);
        }
        command
    }
}
