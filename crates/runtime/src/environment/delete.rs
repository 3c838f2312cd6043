//! Deleting an environment.

use super::error::EnvironmentError;
use super::manager::VenvManager;
use super::package::journal::lock_by_name;
use super::record::{self, EnvironmentRecord};
use super::usage_lock::DeleteLock;
use crate::platform::Staging;

impl VenvManager {
    /// Deletes the environment of this name. Refuses a folder that beep-python did not create, and an environment in
    /// which a server runs: stop the server first.
    pub fn delete(&self, name: &str) -> Result<(), EnvironmentError> {
        let path = self.existing(name)?;
        let _delete_lock = match DeleteLock::try_acquire(&path) {
            DeleteLock::InUse(pids) => return Err(EnvironmentError::InUse { name: name.into(), pids }),
            DeleteLock::Unknown(source) => {
                return Err(EnvironmentError::UseUnknown { name: name.into(), path, source });
            }
            acquired => acquired,
        };
        // Waits for an installation in progress.
        let _packages = lock_by_name(self, name)?;
        self.remove(name)
    }

    /// Fails where the system does not tell whether a process uses the environment, so that [`delete`](Self::delete) would refuse
    /// even once its servers are stopped.
    pub fn check_use_is_known(&self, name: &str) -> Result<(), EnvironmentError> {
        let path = self.existing(name)?;
        match DeleteLock::try_acquire(&path) {
            DeleteLock::Unknown(source) => Err(EnvironmentError::UseUnknown { name: name.into(), path, source }),
            _ => Ok(()),
        }
    }

    /// Removes the environment's folder. The caller holds the lock on its packages.
    pub(super) fn remove(&self, name: &str) -> Result<(), EnvironmentError> {
        let folder = self.folder()?;
        let staging = Staging::begin(&folder, name)?;
        let path = self.existing(name)?;
        EnvironmentRecord::recover(&path)
            .map_err(|reason| EnvironmentError::Foreign { path, reason: format!("{}: {reason}", record::FILE) })?;
        staging.remove()?;
        Staging::sweep(&folder);
        tracing::info!(environment = name, "environment deleted");
        Ok(())
    }
}
