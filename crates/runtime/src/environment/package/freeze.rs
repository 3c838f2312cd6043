//! The installed packages as requirements, as `pip freeze` writes them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::installed::{by_name, read};
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;

impl VenvManager {
    /// Each installed package as a requirement: `six==1.16.0`, `six @ URL` where it came from no index, `-e URL` where it is
    /// editable.
    pub fn freeze(&self, environment: &Environment) -> Vec<String> {
        by_name(&environment.site_packages).into_values().filter_map(|folder| requirement(&folder)).collect()
    }
}

fn requirement(folder: &Path) -> Option<String> {
    let package = read(&folder.join("METADATA"))?.package;
    let origin = fs::read(folder.join("direct_url.json")).ok();
    let origin: Value = origin.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let Some(url) = origin["url"].as_str() else { return Some(format!("{}=={}", package.name, package.version)) };
    if origin["dir_info"]["editable"] == true {
        return Some(format!("-e {url}"));
    }
    let part = origin["subdirectory"].as_str().map(|folder| format!("#subdirectory={folder}")).unwrap_or_default();
    let vcs = &origin["vcs_info"];
    Some(match (vcs["vcs"].as_str(), vcs["commit_id"].as_str()) {
        (Some(vcs), Some(commit)) => format!("{} @ {vcs}+{url}@{commit}{part}", package.name),
        _ => format!("{} @ {url}{part}", package.name),
    })
}
