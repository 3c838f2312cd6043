//! Choosing uv, and installing it into the home.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::error::PackageError;
use super::pip;
use super::scratch::Scratch;
use super::settings::{PackageSettings, UvChoice};
use super::tool_error::reason;
use crate::environment::environment::Environment;
use crate::interpreter::Platform;
use crate::platform::{CommandError, Home, Staging, error_chain, failed_to, replace_file, run_command, run_tool};

/// The uv to install: its version, and the SHA-256 of its wheel for each platform.
const PINNED: &str = include_str!("../../../data/uv.json");
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);
/// After a failed installation of uv, how long pip is used without another attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Pinned {
    version: String,
    sha256: std::collections::BTreeMap<String, String>,
}

/// The uv to use. `Ok(Err(why))` when there is none, so that pip must do.
pub(super) fn find(
    home: &Home,
    settings: &PackageSettings,
    environment: &Environment,
    pip: Option<&Path>,
) -> Result<Result<PathBuf, String>, PackageError> {
    match &settings.uv {
        UvChoice::Never => Ok(Err("it is disabled".into())),
        UvChoice::At(path) => match check_cached(home, path) {
            Ok(()) => Ok(Ok(path.clone())),
            Err(reason) => Err(PackageError::NoUvThere { path: path.clone(), reason }),
        },
        UvChoice::Any => match on_path(home) {
            Some(path) => Ok(Ok(path)),
            // With a folder as the only source of packages, uv is not downloaded either.
            None => find_in_home(home, settings, environment, pip.filter(|_| settings.only_from.is_none())),
        },
    }
}

/// The first uv on PATH that works: it can be a shim that leads nowhere.
fn on_path(home: &Home) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join("uv"));
    found.filter(|path| is_executable(path)).find(|path| check_cached(home, path).is_ok())
}

/// Checks that it is uv and runs. The result is remembered for a binary, until its file changes.
fn check_cached(home: &Home, path: &Path) -> Result<(), String> {
    let Some(stamp) = stamp(path) else { return check(path) };
    let remembered = home.cache().map_err(|error| error_chain(&error))?.join("uv.known");
    if fs::read_to_string(&remembered).is_ok_and(|known| known == stamp) {
        return Ok(());
    }
    check(path)?;
    // If it cannot be remembered, the next call checks again.
    let _ = replace_file(remembered, stamp.as_bytes());
    Ok(())
}

/// Identifies one state of a binary; `None` for a script, which can lead anywhere.
fn stamp(path: &Path) -> Option<String> {
    let mut magic = [0; 4];
    let mut file = fs::File::open(path).ok()?;
    file.read_exact(&mut magic).ok()?;
    let metadata = file.metadata().ok()?;
    let (s, ns, size, inode) = (metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino());
    (magic == *b"\x7fELF").then(|| format!("{} {s}.{ns} {size} {inode}", path.display()))
}

fn check(path: &Path) -> Result<(), String> {
    match run_command(Command::new(path).arg("--version"), Duration::from_secs(20)) {
        Ok(said) if said.starts_with(b"uv ") => Ok(()),
        Ok(_) => Err("it is not uv".into()),
        Err(error) => Err(error_chain(&error)),
    }
}

fn find_in_home(
    home: &Home,
    settings: &PackageSettings,
    environment: &Environment,
    pip: Option<&Path>,
) -> Result<Result<PathBuf, String>, PackageError> {
    let pinned: Pinned = serde_json::from_str(PINNED).expect("the built-in file is tested");
    let tools = home.tools()?;
    let name = format!("uv-{}", pinned.version);
    let uv = tools.join(&name).join("bin/uv");
    if is_executable(&uv) {
        return Ok(Ok(uv));
    }
    let Some(sha256) = pinned.sha256.get(&Platform::host().to_string()) else {
        return Ok(Err(format!("there is no build for {}", Platform::host())));
    };
    let Some(pip) = pip else { return Ok(Err("there is no pip to install it with".into())) };
    let failure = tools.join(format!("{name}.failed"));
    if let Some(reason) = recent(&failure) {
        return Ok(Err(reason));
    }
    let staging = Staging::begin(&tools, &name)?;
    // Another process may have done it while this one waited.
    if is_executable(&uv) {
        return Ok(Ok(uv));
    }
    if let Some(reason) = recent(&failure) {
        return Ok(Err(reason));
    }
    match install_pinned(&staging, &pinned.version, sha256, settings, environment, pip) {
        Ok(()) => {
            staging.commit(&staging.staged_path())?;
            let _ = fs::remove_file(&failure);
            Ok(Ok(uv))
        }
        Err(reason) => {
            tracing::warn!("cannot install uv, using pip instead: {reason}");
            fs::write(&failure, &reason).map_err(failed_to("write", &failure))?;
            Ok(Err(reason))
        }
    }
}

/// Lets pip install the pinned wheel into the staged folder. pip accepts only the file with that hash.
fn install_pinned(
    staging: &Staging,
    version: &str,
    sha256: &str,
    settings: &PackageSettings,
    environment: &Environment,
    pip: &Path,
) -> Result<(), String> {
    let folder = staging.staged_path();
    let work = || {
        fs::create_dir(&folder)?;
        let list = folder.join("requirements.txt");
        fs::write(&list, format!("uv=={version} --hash=sha256:{sha256}\n"))?;
        std::io::Result::Ok(list)
    };
    let list = work().map_err(|error| error.to_string())?;
    let mut install = pip::install(environment, pip);
    // One retry: an unreachable index must be reported soon, since pip can do the work.
    install.args(["--retries", "1", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--target"]);
    install.arg(&folder).arg("-r").arg(&list).env_remove("PIP_NO_BINARY").env_remove("PIP_CONSTRAINT");
    let scratch = Scratch::begin(&folder).map_err(|error| error_chain(&error))?;
    scratch.lend(&mut install);
    install.envs(settings.caches.iter().map(|(name, folder)| (name, folder)));
    run_tool(None, &mut install, INSTALL_TIMEOUT, &mut |_| ()).map_err(|error| match error {
        CommandError::Failed { stderr_tail, .. } => reason("pip", &stderr_tail),
        error => error_chain(&error),
    })?;
    check(&folder.join("bin/uv"))
}

fn recent(failure: &Path) -> Option<String> {
    let age = SystemTime::now().duration_since(fs::metadata(failure).ok()?.modified().ok()?).ok()?;
    fs::read_to_string(failure).ok().filter(|_| age < RETRY_INTERVAL)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_pinned_for_every_platform_of_the_runtimes() {
        let pinned: Pinned = serde_json::from_str(PINNED).unwrap();
        for platform in ["linux-x86_64-gnu", "linux-x86_64-musl", "linux-aarch64-gnu", "linux-aarch64-musl"] {
            let hash = &pinned.sha256[platform];
            assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{platform}");
        }
    }
}
