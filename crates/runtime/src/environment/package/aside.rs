//! Damaged packages, set aside while the tool installs them anew.
//!
//! A tool cannot replace a package that it cannot remove, as one whose list of files is lost. So only the metadata goes
//! out of its sight, and the files are written over. What the tool cannot get comes back as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::damage::Damaged;
use super::files::remove_files;
use super::installed::{by_name, normal, recorded};
use crate::environment::environment::Environment;
use crate::platform::{FileError, failed_to};

const ASIDE: &str = ".aside";

/// Packages that are set aside until dropped. A dropped one whose place was not taken comes back.
pub(super) struct Aside<'a> {
    environment: &'a Environment,
    folders: Vec<PathBuf>,
}

impl Aside<'_> {
    pub(super) fn take<'a, 'b>(
        environment: &'a Environment,
        damaged: impl Iterator<Item = &'b Damaged>,
    ) -> Result<Aside<'a>, FileError> {
        let mut aside = Aside { environment, folders: Vec::new() };
        for Damaged { folder, .. } in damaged {
            let away = away(folder);
            fs::rename(folder, &away).map_err(failed_to("rename", folder))?;
            aside.folders.push(away);
        }
        Ok(aside)
    }

    /// Brings back what a killed process had set aside.
    pub(super) fn recover(environment: &Environment) {
        let entries = fs::read_dir(&environment.site_packages).into_iter().flatten().flatten();
        let is_aside = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(&format!(".dist-info{ASIDE}")));
        let folders = entries.map(|entry| entry.path()).filter(is_aside).collect();
        drop(Aside { environment, folders });
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let found = by_name(&self.environment.site_packages);
        for away in &self.folders {
            let done = match name(away).and_then(|name| found.get(&name)) {
                Some(new) => remove_replaced(self.environment, away, new),
                None => fs::rename(away, away.with_extension("")).map_err(failed_to("rename", away)),
            };
            if let Err(error) = done {
                tracing::warn!("{}", crate::platform::error_chain(&error));
            }
        }
    }
}

/// Removes the files that a replaced package had and the new one has not.
fn remove_replaced(environment: &Environment, away: &Path, new: &Path) -> Result<(), FileError> {
    let list = fs::read_to_string(new.join("RECORD")).unwrap_or_default();
    let keep: BTreeSet<String> = list.lines().filter_map(recorded).map(|file| file.path).collect();
    remove_files(environment, away, &keep)
}

fn away(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(ASIDE);
    name.into()
}

fn name(away: &Path) -> Option<String> {
    Some(normal(away.file_name()?.to_str()?.split_once('-')?.0))
}
