//! What a client may do that was let in.

use beep_python_protocol::{DebugRequest, ErrorCode, HostOperation, Problem, SessionOptions};
use beep_python_runtime::environment::check_environment_name;
use serde::Deserialize;

/// What the requests of a client may do. Code in sessions is always theirs to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Whether they may work on environments.
    pub environments: bool,
    /// Whether they may name paths of this machine.
    pub paths: bool,
}

const SESSIONS_ONLY: &str = "this token is for sessions only";
const NO_PATHS: &str = "clients of other machines name environments by their names, Pythons by their versions, and packages by name or URL: \
                        paths are of the server's machine";

impl Permissions {
    /// Those of the server's own user.
    pub const ALL: Permissions = Permissions { environments: true, paths: true };

    /// Whether a request to the host with this JSON may be carried out.
    pub(crate) fn check(self, operation: HostOperation, body: &[u8]) -> Result<(), Problem> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Named {
            name: Option<String>,
            packages: Option<Vec<String>>,
        }
        if self == Permissions::ALL {
            return Ok(());
        }
        self.check_operation(operation)?;
        // What cannot be read is refused where it is read, with its reason.
        match operation {
            HostOperation::CreateSession => self.check_session(body),
            HostOperation::DebugSession => {
                self.check_debugger(serde_json::from_slice(body).is_ok_and(|DebugRequest { install }| install))
            }
            HostOperation::EnvironmentStatus | HostOperation::DeleteEnvironment | HostOperation::InstallPackages => {
                let Named { name, packages } = serde_json::from_slice(body).unwrap_or_default();
                self.check_environment(name.as_deref(), &packages.unwrap_or_default())
            }
            _ => Ok(()),
        }
    }

    /// Whether such requests may be carried out at all.
    pub(crate) fn check_operation(self, operation: HostOperation) -> Result<(), Problem> {
        let of_environments = matches!(
            operation,
            HostOperation::CreateEnvironment
                | HostOperation::ListEnvironments
                | HostOperation::EnvironmentStatus
                | HostOperation::DeleteEnvironment
                | HostOperation::InstallPackages
        );
        if self.environments || !of_environments {
            return Ok(());
        }
        Err(forbidden(format!("{SESSIONS_ONLY}: it may do nothing with environments")))
    }

    /// Whether what concerns the whole server may be read.
    pub(crate) fn check_server(self) -> Result<(), Problem> {
        match self.environments {
            true => Ok(()),
            false => Err(forbidden(format!("{SESSIONS_ONLY}: it may not read what concerns the whole server"))),
        }
    }

    /// Whether a session may be created with these options, as JSON.
    pub(crate) fn check_session(self, options: &[u8]) -> Result<(), Problem> {
        let SessionOptions { environment, python, .. } = serde_json::from_slice(options).unwrap_or_default();
        self.check_environment(environment.as_deref(), &[])?;
        if !self.paths && python.as_deref().is_some_and(is_path) {
            return Err(forbidden(NO_PATHS));
        }
        if !self.environments && python.is_some() && environment.is_none() {
            let detail = "'python' without 'environment' creates an environment for that Python; name one that exists";
            return Err(forbidden(format!("{SESSIONS_ONLY}: {detail}")));
        }
        Ok(())
    }

    /// Whether debugpy may be installed, where that is asked for.
    pub(crate) fn check_debugger(self, install: bool) -> Result<(), Problem> {
        match install && !self.environments {
            true => Err(forbidden(format!("{SESSIONS_ONLY}: it may not install debugpy into the environment"))),
            false => Ok(()),
        }
    }

    /// Whether this environment and these packages may be named.
    pub(crate) fn check_environment(self, name: Option<&str>, packages: &[String]) -> Result<(), Problem> {
        // Anything but a name is taken for a folder.
        let named_by_path = name.is_some_and(|name| check_environment_name(name).is_err())
            || packages.iter().any(|package| !is_name_or_url(package));
        if self.paths || !named_by_path { Ok(()) } else { Err(forbidden(NO_PATHS)) }
    }
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Forbidden, detail)
}

fn is_path(text: &str) -> bool {
    text.contains(['/', '\\']) || text.trim().starts_with(['.', '~'])
}

/// Whether a requirement names a package of an index, or where it is in a network: what is neither may be a path.
fn is_name_or_url(requirement: &str) -> bool {
    let is_name = |text: &str| !text.contains([':', '/', '@']);
    let location = match requirement.split_once('@') {
        Some((name, location)) if is_name(name) => location.trim(),
        _ => requirement.trim(),
    };
    if let Some((scheme, _)) = location.split_once("://") {
        let well_formed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.');
        return scheme.chars().all(well_formed) && !scheme.to_ascii_lowercase().ends_with("file");
    }
    !names_archive(location) && !is_path(location) && !location.starts_with('-') && !location.contains(':')
}

/// Whether a word of it ends as the archives do that pip or uv installs; extras, a marker or a hash may follow.
fn names_archive(location: &str) -> bool {
    const ENDS: [&str; 13] =
        [".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".lz", ".tlz", ".lzma", ".zst"];
    let location = location.to_ascii_lowercase();
    let mut words = location.split(|char: char| !(char.is_alphanumeric() || matches!(char, '.' | '-' | '_')));
    words.any(|word| ENDS.iter().any(|end| word.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSIONS: Permissions = Permissions { environments: false, paths: true };
    const REMOTE: Permissions = Permissions { environments: true, paths: false };

    fn code(checked: Result<(), Problem>) -> Option<ErrorCode> {
        checked.err().map(|problem| problem.code)
    }

    #[test]
    fn sessions_only_is_everything_in_sessions_and_nothing_about_environments() {
        for operation in HostOperation::ALL {
            let refused = code(SESSIONS.check(operation, b"{}"));
            let expected = operation.http_path().starts_with("/api/venv/").then_some(ErrorCode::Forbidden);
            assert_eq!(refused, expected, "{operation:?}");
        }
        for (operation, body, allowed) in [
            (HostOperation::DebugSession, r#"{"install": true}"#, false),
            (HostOperation::DebugSession, r#"{"install": false}"#, true),
            (HostOperation::CreateSession, r#"{"environment": "mine"}"#, true),
            (HostOperation::CreateSession, r#"{"environment": "/a/path"}"#, true),
            (HostOperation::CreateSession, r#"{"environment": "mine", "python": "3.12"}"#, true),
            (HostOperation::CreateSession, r#"{"python": "3.12"}"#, false),
        ] {
            assert_eq!(SESSIONS.check(operation, body.as_bytes()).is_ok(), allowed, "{body}");
        }
    }

    #[test]
    fn remote_clients_name_no_paths() {
        for (operation, body, allowed) in [
            (HostOperation::CreateSession, r#"{"environment": "mine", "python": ">=3.11"}"#, true),
            (HostOperation::CreateSession, r#"{"environment": "/home/me/venv"}"#, false),
            (HostOperation::CreateSession, r#"{"environment": "../mine"}"#, false),
            (HostOperation::CreateSession, r#"{"environment": "."}"#, false),
            (HostOperation::CreateSession, r#"{"python": "/usr/bin/python3"}"#, false),
            (HostOperation::EnvironmentStatus, r#"{"name": "mine"}"#, true),
            (HostOperation::EnvironmentStatus, r#"{"name": "./mine"}"#, false),
            (HostOperation::DeleteEnvironment, r#"{"name": "/mine"}"#, false),
            (
                HostOperation::InstallPackages,
                r#"{"name": "mine", "packages": ["six", "requests[socks]>=2 ; python_version > '3'"]}"#,
                true,
            ),
            (
                HostOperation::InstallPackages,
                r#"{"name": "mine", "packages": ["six @ https://a.example/six.whl"]}"#,
                true,
            ),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["git+https://a.example/six"]}"#, true),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six", "./six"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six.whl"]}"#, false),
            (HostOperation::CreateSession, r#"{"environment": "_venv"}"#, false),
            (HostOperation::CreateSession, r#"{"environment": "a venv"}"#, false),
            (HostOperation::CreateSession, r#"{"environment": "é"}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six.target", "lz.four>=1"]}"#, true),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six.WHL"]}"#, false),
            (
                HostOperation::InstallPackages,
                r#"{"name": "mine", "packages": ["a six.whl[extra] ; python_version > '3'"]}"#,
                false,
            ),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six @ /tmp/six"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six @ file:///tmp/six"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["six @ file:/tmp/six"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["git+FILE:///tmp/six"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["/a://b"]}"#, false),
            (HostOperation::InstallPackages, r#"{"name": "mine", "packages": ["-r requirements.txt"]}"#, false),
        ] {
            assert_eq!(REMOTE.check(operation, body.as_bytes()).is_ok(), allowed, "{body}");
            assert!(Permissions::ALL.check(operation, body.as_bytes()).is_ok());
        }
        for end in "whl zip tar tar.gz tgz tar.bz2 tbz tar.xz txz tar.lz tlz tar.lzma tar.zst".split(' ') {
            let body = format!(r#"{{"name": "mine", "packages": ["six.{end}"]}}"#);
            assert!(REMOTE.check(HostOperation::InstallPackages, body.as_bytes()).is_err(), "{body}");
        }
    }
}
