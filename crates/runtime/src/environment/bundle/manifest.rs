//! What a bundle says of itself.

use serde::{Deserialize, Serialize};

use crate::interpreter::{Platform, Version};

/// The name of the manifest in the bundle.
pub(super) const MANIFEST: &str = "bundle.json";
/// Raised when what a bundle says changes its meaning.
pub(super) const FORMAT: u32 = 1;

/// What is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleManifest {
    /// 1
    pub format: u32,
    /// The version of Beep Python Runtime that made it.
    pub made_by: String,
    /// The machines that it is for.
    pub platform: Platform,
    /// The Python that is in it.
    pub python: Version,
    /// What the environment that is made of it is called, when it is not named.
    pub name: String,
    /// Whose environment it is, where it was made for a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// For which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The runtime, an archive of the shape `install_only`.
    pub runtime: BundleFile,
    /// The exact version and hash of each package.
    pub lock: BundleFile,
    /// The packages.
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
    /// Every file but the manifest itself, in the order in which they lie in the bundle.
    pub fn files(&self) -> impl Iterator<Item = &BundleFile> {
        [&self.runtime, &self.lock].into_iter().chain(&self.wheels)
    }

    /// What makes it unusable, whatever the files are.
    pub(super) fn mistake(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("it is of format {}, and this version knows {FORMAT}", self.format));
        }
        // They become the names of files.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '!');
        let odd = self.files().find(|f| f.name.starts_with('.') || f.name.is_empty() || !f.name.chars().all(plain));
        odd.map(|file| format!("{:?} is not the name of a file in it", file.name))
    }
}
