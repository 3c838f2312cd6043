//! The home: the one folder that holds all state.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder that holds runtimes, environments, caches, server records, sockets and logs.
///
/// `$BEEP_PYTHON_HOME`, else `~/.beep-python`. Only the user can access it (mode 0700), since write access to it means
/// running code as the user.
///
/// A home that was prepared for the user is taken as it is: it may belong to root, and group 0 may write, as for containers that
/// run under any user of that group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `BEEP_PYTHON_HOME` nor `HOME` is set, and the password database has no folder of the user.
    #[error("neither BEEP_PYTHON_HOME nor HOME is set, and this user has no home: there is no folder to keep state in")]
    NotSet,
    /// Environments cannot be made in a folder of this name.
    #[error("{path:?} cannot be the home: {reason}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A folder cannot be created.
    #[error("cannot create the folder {}", path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder belongs to another user.
    #[error("{} belongs to user {owner}, not to user {user}: refusing to use it", path.display())]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
        /// Our user id.
        user: u32,
    },
    /// Others may write to the folder.
    #[error("others may write to {} (mode {mode:03o}, group {group}): refusing to use it", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its group.
        group: u32,
    },
}

impl HomeError {
    /// Whether a folder is missing that cannot be made, since the home is read-only for this user: what it would hold is empty.
    pub fn is_missing_in_read_only(&self) -> bool {
        let kinds = [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied];
        matches!(self, HomeError::Create { path, source } if kinds.contains(&source.kind()) && !path.exists())
    }
}

/// The home folder of the user: `$HOME`, else what the password database has, where `HOME` is not set.
pub fn user_folder() -> Option<PathBuf> {
    std::env::home_dir().filter(|folder| !folder.as_os_str().is_empty())
}

impl Home {
    /// The home that the environment variables name. Created when it is missing.
    pub fn from_env() -> Result<Home, HomeError> {
        Home::open(Home::path_from_env()?)
    }

    /// The folder that the environment variables name, whether it is there or not.
    pub fn path_from_env() -> Result<PathBuf, HomeError> {
        match std::env::var_os("BEEP_PYTHON_HOME").filter(|value| !value.is_empty()) {
            Some(root) => Ok(root.into()),
            None => Ok(user_folder().ok_or(HomeError::NotSet)?.join(".beep-python")),
        }
    }

    /// The home at `root`. Created when it is missing. A relative path counts from the working directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Home, HomeError> {
        let root = root.as_ref();
        let root = std::path::absolute(root).map_err(|source| HomeError::Create { path: root.into(), source })?;
        if let Some(reason) = unusable(&root) {
            return Err(HomeError::Unusable { path: root, reason });
        }
        let home = Home { root };
        home.private_dir(&home.root)?;
        Ok(home)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Installed runtimes, one folder each.
    pub fn runtimes(&self) -> Result<PathBuf, HomeError> {
        self.folder("runtimes")
    }

    /// Virtual environments, one folder each.
    pub fn environments(&self) -> Result<PathBuf, HomeError> {
        self.folder("environments")
    }

    /// Caches, which can be rebuilt: queried interpreters, downloads, the unpacked Python package.
    pub fn cache(&self) -> Result<PathBuf, HomeError> {
        self.folder("cache")
    }

    /// Tools that beep-python installed for itself, one folder each.
    pub fn tools(&self) -> Result<PathBuf, HomeError> {
        self.folder("tools")
    }

    /// Records of running servers.
    pub fn servers(&self) -> Result<PathBuf, HomeError> {
        self.folder("servers")
    }

    /// Sockets.
    pub fn run(&self) -> Result<PathBuf, HomeError> {
        self.folder("run")
    }

    /// The certificate that the home made for itself.
    pub fn tls(&self) -> Result<PathBuf, HomeError> {
        self.folder("tls")
    }

    /// Logs of servers.
    pub fn logs(&self) -> Result<PathBuf, HomeError> {
        self.folder("logs")
    }

    fn folder(&self, name: &str) -> Result<PathBuf, HomeError> {
        let path = self.root.join(name);
        self.private_dir(&path)?;
        Ok(path)
    }

    fn private_dir(&self, path: &Path) -> Result<(), HomeError> {
        let failed = |source| HomeError::Create { path: path.into(), source };
        let metadata = match fs::metadata(path) {
            // Asked first: on some mounts making a folder that is there fails for another reason.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(path).and_then(|()| fs::metadata(path))
            }
            found => found,
        };
        let metadata = metadata.map_err(failed)?;
        if !metadata.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        check_access(path, &metadata)
    }
}

/// Why no environment can be made below a folder: `pyvenv.cfg` and scripts hold its path as text, on one line, and activation
/// puts it on PATH. `python -m venv` refuses a colon too.
fn unusable(root: &Path) -> Option<&'static str> {
    match root.to_str() {
        None => Some("its path is not UTF-8"),
        Some(text) if text.contains(['\n', '\r']) => Some("its path contains a line break"),
        Some(text) if text.contains(':') => Some("its path contains a colon, which separates the folders of PATH"),
        Some(_) => None,
    }
}

/// Takes the access of others away, and checks that none is left by which they could have this user run code.
fn check_access(path: &Path, metadata: &fs::Metadata) -> Result<(), HomeError> {
    const GROUP: u32 = 0o070;
    const GROUP_MAY_WRITE: u32 = 0o020;
    const OTHERS_MAY_WRITE: u32 = 0o002;
    let (owner, group, mut mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o777);
    let user = rustix::process::geteuid().as_raw();
    if owner != user && owner != 0 {
        return Err(HomeError::ForeignOwner { path: path.into(), owner, user });
    }
    // What group 0 may write was prepared for it: that is no group of people.
    let shared = if group == 0 && mode & GROUP_MAY_WRITE != 0 { GROUP } else { 0 };
    let private = mode & (0o700 | shared);
    if owner == user && mode != private {
        // Some mounts have one mode for all that cannot be changed, and say so or not.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(private));
        mode = fs::metadata(path).map_or(mode, |metadata| metadata.mode() & 0o777);
    }
    let exposed = mode & OTHERS_MAY_WRITE != 0 || (mode & GROUP_MAY_WRITE != 0 && group != 0);
    if exposed { Err(HomeError::Exposed { path: path.into(), mode, group }) } else { Ok(()) }
}
