//! The home: the one folder that holds all state.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder that holds runtimes, environments, caches, server records, sockets and logs.
///
/// `$BEEP_PYTHON_HOME`, else `~/.beep-python`. Only the user can access it (mode 0700), since write access to it means
/// running code as the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `BEEP_PYTHON_HOME` nor `HOME` is set.
    #[error("neither BEEP_PYTHON_HOME nor HOME is set, so there is no folder to keep state in")]
    NotSet,
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
}

impl Home {
    /// The home that the environment variables name. Created when it is missing.
    pub fn from_env() -> Result<Home, HomeError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = match set("BEEP_PYTHON_HOME") {
            Some(root) => root,
            None => set("HOME").ok_or(HomeError::NotSet)?.join(".beep-python"),
        };
        Home::open(root)
    }

    /// The home at `root`. Created when it is missing. A relative path counts from the working directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Home, HomeError> {
        let root = root.as_ref();
        let root = std::path::absolute(root).map_err(|source| HomeError::Create { path: root.into(), source })?;
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
        let made = fs::DirBuilder::new().mode(0o700).create(path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if path.is_dir() => Ok(()),
            io::ErrorKind::NotFound => fs::DirBuilder::new().recursive(true).mode(0o700).create(path),
            _ => Err(error),
        });
        made.map_err(failed)?;
        let metadata = fs::metadata(path).map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(HomeError::ForeignOwner { path: path.into(), owner: metadata.uid(), user });
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(())
    }
}
