//! The manifest of a bundle, as a function of any bytes.

use std::path::Path;

use super::manifest::BundleManifest;

/// The files of a bundle have names that lead nowhere else.
pub(crate) fn bundle_manifest(input: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<BundleManifest>(input) else { return };
    if manifest.mistake().is_none() {
        assert!(manifest.files().all(|file| Path::new(&file.name).file_name() == Some(file.name.as_ref())));
    }
}
