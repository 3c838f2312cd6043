//! Options of one installation, with uv's names and meaning.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::check::CheckDepth;
use super::error::PackageError;
use crate::platform::failed_to;

/// Options of one installation. Those that say where packages come from replace what is configured in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallOptions {
    /// Take the newest versions that the requirements allow, of dependencies too.
    pub upgrade: bool,
    /// Do that for these packages only; needs uv.
    pub upgrade_packages: Vec<String>,
    /// Install again what is installed, dependencies too.
    pub reinstall: bool,
    /// Do that for these packages only; needs uv.
    pub reinstall_packages: Vec<String>,
    /// Install no dependencies.
    pub no_deps: bool,
    /// Files of versions that every package must have, or an URL of one.
    pub constraints: Vec<String>,
    /// Accept pre-releases.
    pub prereleases: bool,
    /// The package index.
    pub index_url: Option<String>,
    /// Further package indexes.
    pub extra_index_urls: Vec<String>,
    /// Folders, files or URLs that have packages or links to them.
    pub find_links: Vec<String>,
    /// Use no index, only `find_links`.
    pub no_index: bool,
    /// Packages to build from source, or `:all:`.
    pub no_binary: Vec<String>,
    /// Packages never to build from source, or `:all:`.
    pub only_binary: Vec<String>,
    /// Build with what is installed, instead of in environments of their own.
    pub no_build_isolation: bool,
}

impl InstallOptions {
    /// Whether only the tool can tell if something is to be done.
    pub(super) fn needs_tool(&self) -> bool {
        let lists = [&self.upgrade_packages, &self.reinstall_packages, &self.constraints];
        self.upgrade || self.reinstall || lists.iter().any(|list| !list.is_empty())
    }

    /// The requirements that must be satisfied.
    pub(super) fn depth(&self) -> CheckDepth {
        if self.no_deps { CheckDepth::Direct } else { CheckDepth::Transitive }
    }

    /// Tells uv, or pip, which versions to choose, and where packages come from.
    pub(super) fn apply(&self, is_uv: bool, command: &mut Command) -> Result<(), PackageError> {
        let only_uv =
            [("--upgrade-package", &self.upgrade_packages), ("--reinstall-package", &self.reinstall_packages)];
        for (option, packages) in only_uv {
            if !packages.is_empty() && !is_uv {
                return Err(PackageError::OnlyUv { option });
            }
            command.args(packages.iter().flat_map(|package| [option, package]));
        }
        if self.upgrade {
            command.arg("--upgrade");
            // As uv upgrades: dependencies too.
            command.args(["--upgrade-strategy", "eager"].iter().filter(|_| !is_uv));
        }
        if self.no_deps {
            command.arg("--no-deps");
        }
        if self.prereleases {
            command.args(if is_uv { &["--prerelease", "allow"][..] } else { &["--pre"] });
        }
        self.apply_sources(is_uv, command)
    }

    /// Tells uv, or pip, what also a lock leaves open.
    pub(super) fn apply_sources(&self, is_uv: bool, command: &mut Command) -> Result<(), PackageError> {
        if self.reinstall {
            command.arg(if is_uv { "--reinstall" } else { "--force-reinstall" });
        }
        for file in &self.constraints {
            command.arg(if is_uv { "--constraints" } else { "--constraint" }).arg(absolute(file)?);
        }
        for (option, packages) in [("--no-binary", &self.no_binary), ("--only-binary", &self.only_binary)] {
            command.args(packages.iter().flat_map(|package| [option, package]));
        }
        if self.no_build_isolation {
            command.arg("--no-build-isolation");
        }
        // In variables, since URLs can hold passwords; under names that every version of the tool knows.
        if let Some(url) = &self.index_url {
            command
                .env(if is_uv { "UV_INDEX_URL" } else { "PIP_INDEX_URL" }, unnamed(url))
                .env_remove("UV_DEFAULT_INDEX");
        }
        if !self.extra_index_urls.is_empty() {
            let urls: Vec<&str> = self.extra_index_urls.iter().map(|url| unnamed(url)).collect();
            let name = if is_uv { "UV_EXTRA_INDEX_URL" } else { "PIP_EXTRA_INDEX_URL" };
            command.env(name, urls.join(" ")).env_remove("UV_INDEX");
        }
        if !self.find_links.is_empty() {
            let places = self.find_links.iter().map(|place| place_as_url(place)).collect::<Result<Vec<_>, _>>()?;
            command.env(
                if is_uv { "UV_FIND_LINKS" } else { "PIP_FIND_LINKS" },
                places.join(if is_uv { "," } else { " " }),
            );
        }
        // uv accepts it once only, and it can be set already.
        if self.no_index && !command.get_args().any(|argument| argument == "--no-index") {
            command.arg("--no-index");
        }
        Ok(())
    }
}

/// An index of uv can have a name: `name=URL`.
fn unnamed(url: &str) -> &str {
    match url.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url,
        _ => url,
    }
}

/// A file that the tool reads; checked here for a short message. An URL stays as it is.
fn absolute(file: &str) -> Result<PathBuf, PackageError> {
    let path = Path::new(file);
    if file.contains("://") {
        return Ok(path.into());
    }
    std::fs::File::open(path).map_err(failed_to("read", path))?;
    Ok(std::path::absolute(path).map_err(failed_to("find", path))?)
}

/// A place of packages as an URL: the variables that name them separate places by blanks or commas.
fn place_as_url(place: &str) -> Result<String, PackageError> {
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    let path = Path::new(place);
    std::fs::metadata(path).map_err(failed_to("read", path))?;
    let path = std::path::absolute(path).map_err(failed_to("find", path))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let escaped = path.as_os_str().as_encoded_bytes().iter().map(|byte| match is_plain(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    Ok(format!("file://{}", escaped.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_escaped_so_that_none_is_taken_for_two() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a b,ü%");
        std::fs::create_dir(&place).unwrap();
        let url = place_as_url(place.to_str().unwrap()).unwrap();
        assert_eq!(url, format!("file://{}/a%20b%2C%C3%BC%25", folder.path().display()));
        assert_eq!(place_as_url("https://host/a b").unwrap(), "https://host/a b");
        assert!(place_as_url("/nonexistent").is_err());
        assert_eq!(unnamed("mine=https://host/?a=b"), "https://host/?a=b");
        assert_eq!(unnamed("https://host/?a=b"), "https://host/?a=b");
    }
}
