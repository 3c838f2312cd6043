//! The host's environments and their packages.

use std::path::PathBuf;

use beep_python_protocol::HostOperation;
use beep_python_protocol::message::{
    CreateEnvironmentRequest, EnvironmentCreated, EnvironmentInfo, EnvironmentList, EnvironmentRequest,
    InstallPackagesRequest, InstalledPackage, PackagesInstalled,
};
use serde::de::IgnoredAny;

use crate::body::NO_REQUEST;
use crate::client::Client;
use crate::error::Error;
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// Creates a provider's environment with all that the provider requires, unless it exists, and returns its folder on
    /// the host.
    pub async fn create_environment(&self, provider: &str, model: Option<&str>) -> Result<PathBuf, Error> {
        let request =
            CreateEnvironmentRequest { provider_name: provider.to_owned(), model_id: model.map(str::to_owned) };
        let created: EnvironmentCreated = self.call_host(HostOperation::CreateEnvironment, Some(request), None).await?;
        Ok(created.path.into())
    }

    /// Lists the host's environments.
    pub async fn list_environments(&self) -> Result<Vec<EnvironmentInfo>, Error> {
        let list: EnvironmentList = self.call_host(HostOperation::ListEnvironments, NO_REQUEST, None).await?;
        Ok(list.environments)
    }

    /// Checks an environment: runs its Python and measures its files.
    pub async fn environment_status(&self, name: &str) -> Result<EnvironmentInfo, Error> {
        let request = EnvironmentRequest { name: name.to_owned() };
        self.call_host(HostOperation::EnvironmentStatus, Some(request), None).await
    }

    /// Installs packages into an environment and returns these packages as they are now. Each is a PEP 508 requirement
    /// (`numpy>=2`). Satisfied requirements are left alone; when one cannot be satisfied, nothing changes.
    pub async fn install_packages(&self, environment: &str, packages: &[&str]) -> Result<Vec<InstalledPackage>, Error> {
        let packages = packages.iter().map(|package| (*package).to_owned()).collect();
        let request = InstallPackagesRequest { name: environment.to_owned(), packages };
        let done: PackagesInstalled = self.call_host(HostOperation::InstallPackages, Some(request), None).await?;
        Ok(done.installed)
    }

    /// Deletes an environment.
    pub async fn delete_environment(&self, name: &str) -> Result<(), Error> {
        let request = EnvironmentRequest { name: name.to_owned() };
        let _: IgnoredAny = self.call_host(HostOperation::DeleteEnvironment, Some(request), None).await?;
        Ok(())
    }
}
