//! The manifest of a bundle.

use serde::{Deserialize, Serialize};

use crate::interpreter::{Platform, Version};

/// The manifest's name in the bundle.
pub(super) const MANIFEST: &str = "bundle.json";
/// Raised when the meaning of the manifest changes.
pub(super) const FORMAT: u32 = 1;

/// The content of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleManifest {
    /// 1
    pub format: u32,
    /// The version of Beep Python Runtime that made it.
    pub made_by: String,
    /// The platform that it is for.
    pub platform: Platform,
    /// The version of its Python.
    pub python: Version,
    /// The default name of its environment.
    pub name: String,
    /// The provider it was made for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model it was made for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The runtime, as an `install_only` archive.
    pub runtime: BundleFile,
    /// The exact version and hash of each package.
    pub lock: BundleFile,
    /// The wheels.
    pub wheels: Vec<BundleFile>,
}

/// A file in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleFile {
    /// Its name.
    pub name: String,
    /// In hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

impl BundleManifest {
    /// Every file but the manifest itself, in the bundle's order.
    pub fn files(&self) -> impl Iterator<Item = &BundleFile> {
        [&self.runtime, &self.lock].into_iter().chain(&self.wheels)
    }

    /// A mistake that makes the bundle unusable, if there is one.
    pub(super) fn mistake(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("it is of format {}, and this version knows {FORMAT}", self.format));
        }
        // The names become those of files.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '!');
        let odd = self.files().find(|f| f.name.starts_with('.') || f.name.is_empty() || !f.name.chars().all(plain));
        odd.map(|file| format!("{:?} is not the name of a file in it", file.name))
    }
}
