//! Installing runtimes: from a mirror on loopback that can fail, and from archives.

mod archive;
mod download;
mod init;
mod mirror;
mod processes;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use beep_python_runtime::interpreter::{
    InitOptions, InitOutcome, InstallSettings, Installed, PythonRuntimeManager, Runtime, RuntimeError, RuntimeState,
    SearchPaths, Source, VersionRequest,
};
use beep_python_runtime::platform::Home;
use support::archive::packed;
use support::mirror::Mirror;
use support::{home, names, output};
use tempfile::TempDir;

/// Where nothing more is to come: longer than anybody is held up on a busy machine in the middle of what does come.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// A home whose catalogue has the packed Python, and a mirror that serves it.
struct Site {
    folder: TempDir,
    home: Home,
    mirror: Mirror,
    settings: InstallSettings,
}

fn site() -> Site {
    site_with(&packed().sha256)
}

fn site_with(sha256: &str) -> Site {
    let (folder, home) = home();
    let mirror = Mirror::serve([(format!("/20260101/{}", packed().url_name()), Arc::clone(&packed().bytes))]);
    let settings = InstallSettings {
        catalogue: Some(packed().catalogue_with(folder.path(), "https://upstream.invalid", sha256)),
        mirror: Some(mirror.url()),
        connect_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(20),
        retries: 3,
        backoff: Duration::from_millis(1),
        search: SearchPaths::default(),
    };
    Site { folder, home, mirror, settings }
}

impl Site {
    fn manager(&self) -> PythonRuntimeManager {
        PythonRuntimeManager::with_settings(self.home.clone(), self.settings.clone())
    }

    fn install(&self) -> Result<Installed, RuntimeError> {
        self.install_from(&Source::Default)
    }

    fn install_from(&self, source: &Source) -> Result<Installed, RuntimeError> {
        run(self.manager().install(&series(), source, &mut |_| {}))
    }

    fn init(&self, options: &InitOptions) -> Result<InitOutcome, RuntimeError> {
        run(self.manager().init(options, &mut |_| {}))
    }

    /// Nothing is there, and nothing that a later run could take for whole.
    fn assert_nothing_installed(&self) {
        assert_eq!(self.manager().list().unwrap(), []);
        assert_eq!(names(&self.home.runtimes().unwrap()), [""; 0]);
    }

    fn downloads(&self) -> Vec<String> {
        let folder = self.home.cache().unwrap().join("downloads");
        if folder.exists() { names(&folder) } else { vec![] }
    }
}

fn series() -> VersionRequest {
    packed().version.series().parse().unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// It is the very Python that was packed, and runs from its own folder with its own library.
fn assert_whole(runtime: &Runtime, home: &Home) {
    assert_eq!(
        (&runtime.id, runtime.version, &runtime.state),
        (&packed().id(), Some(packed().version), &RuntimeState::Ready)
    );
    let place = home.runtimes().unwrap().join(&runtime.id).canonicalize().unwrap();
    assert!(runtime.path.starts_with(&place), "{}", runtime.path.display());
    let said = output(Command::new(&runtime.path).args([
        "-I",
        "-c",
        "import sys, json, ssl, sqlite3; print('%d.%d.%d' % sys.version_info[:3], sys.prefix, sep='\\n'); print(open('/proc/self/maps').read())",
    ]));
    let mut lines = said.lines();
    assert_eq!(lines.next().unwrap(), packed().version.to_string());
    assert_eq!(Path::new(lines.next().unwrap()), place);
    let libraries: Vec<&str> = lines.filter(|line| line.contains("/libpython")).collect();
    assert_eq!(!libraries.is_empty(), packed().shared);
    for library in libraries {
        assert!(library.contains(place.to_str().unwrap()), "a foreign libpython is loaded: {library}");
    }
}

/// Not a test by itself: the process that the tests above start, and kill.
#[test]
fn child_process() {
    let Ok(home) = std::env::var("TEST_INSTALL_HOME") else { return };
    let from = std::env::var("TEST_INSTALL_FROM").unwrap();
    let manager = PythonRuntimeManager::new(Home::open(home).unwrap());
    let source = match from.strip_prefix('/') {
        Some(_) => Source::Archive { path: PathBuf::from(from), sha256: None },
        None => Source::Mirror(from),
    };
    let request = std::env::var("TEST_INSTALL_REQUEST").unwrap().parse().unwrap();
    run(manager.install(&request, &source, &mut |_| {})).unwrap();
}

fn install_command(site: &Site, from: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_process", "--nocapture"])
        .env("TEST_INSTALL_HOME", site.home.root())
        .env("TEST_INSTALL_FROM", from)
        .env("TEST_INSTALL_REQUEST", series().to_string())
        .env("BEEP_PYTHON_CATALOGUE", site.settings.catalogue.as_ref().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
