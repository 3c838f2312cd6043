//! Messages of the operations that concern environments and their packages.

use serde::{Deserialize, Serialize};

/// The body of `POST /api/venv/create`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateEnvironmentRequest {
    /// The provider.
    pub provider_name: String,
    /// The model, if it has an environment of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
}

/// The response of `POST /api/venv/create`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentCreated {
    /// The environment's folder on the host.
    pub path: String,
    /// Always true; a failure is an error response.
    pub success: bool,
}

/// The body of `POST /api/venv/status` and `POST /api/venv/delete`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnvironmentRequest {
    /// The environment.
    pub name: String,
}

/// The response of `GET /api/venv/list`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentList {
    /// All environments, by name.
    pub environments: Vec<EnvironmentInfo>,
}

/// The description of an environment: an item of the list, and the answer of `POST /api/venv/status`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvironmentInfo {
    /// Its name.
    pub name: String,
    /// Its folder on the host.
    pub path: String,
    /// `healthy`, or what is wrong with it: `not_ours`, `interpreter_gone`, `interpreter_changed`,
    /// `does_not_run`, `packages_damaged`.
    pub state: String,
    /// Why it is not healthy, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its origin; absent if it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<EnvironmentOrigin>,
    /// Its packages, by name.
    pub packages: Vec<InstalledPackage>,
    /// The size of its files on disk; only `status` measures it.
    #[serde(alias = "size_bytes", skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// The origin of an environment.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvironmentOrigin {
    /// The version of its Python: `3.12.1`.
    pub python: String,
    /// The executable that created it.
    pub interpreter: String,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// Its provider, if it was created for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Its model, if it was created for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The body of `POST /api/venv/install`. The environment can also be named by `providerName` and `modelId`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstallPackagesRequest {
    /// The environment.
    pub name: String,
    /// The wanted packages as PEP 508 requirements: `numpy>=2`.
    pub packages: Vec<String>,
}

/// The response of `POST /api/venv/install`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagesInstalled {
    /// Always true; a failure is an error response.
    pub success: bool,
    /// The wanted packages, as they are now.
    pub installed: Vec<InstalledPackage>,
    /// The packages that this request installed or replaced, dependencies included; empty if all were there.
    #[serde(default)]
    pub changed: Vec<InstalledPackage>,
}

/// A package in an environment.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its name, in its own spelling.
    pub name: String,
    /// Its version.
    pub version: String,
}
