//! Installing runtimes: from a mirror on loopback that can fail, from archives, and in spite of all.

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{
    InitOptions, InitOutcome, InstallSettings, Installed, Obtained, Progress, PythonRuntimeManager, Runtime,
    RuntimeError, RuntimeState, SearchPaths, Source, VersionRequest,
};
use beep_python_runtime::platform::Home;
use support::archive::{packed, packed_elsewhere};
use support::mirror::{Fault, Mirror};
use support::port::Port;
use support::tls::{TlsSite, authority};
use support::{home, names, output, pythons};
use tempfile::TempDir;

/// Where nothing more is to come: longer than anybody is held up on a busy machine in the middle of what does come.
const PATIENCE: Duration = Duration::from_secs(2);

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

#[test]
fn a_runtime_is_installed_from_a_mirror() {
    let site = site();
    let mut events = Vec::new();
    let installed = run(site.manager().install(&series(), &Source::Default, &mut |event| events.push(event))).unwrap();
    assert!(installed.new && installed.checked);
    assert_whole(&installed.runtime, &site.home);
    assert!(installed.runtime.is_default, "the first is the default");

    let size = packed().bytes.len() as u64;
    assert!(matches!(&events[0], Progress::Resolved { version, from }
        if *version == Some(packed().version) && from.starts_with(&site.mirror.url())));
    let received: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Progress::Downloading { received, total } => {
                assert_eq!(*total, Some(size));
                Some(*received)
            }
            _ => None,
        })
        .collect();
    assert!(received.is_sorted() && received.first() == Some(&0) && received.last() == Some(&size));
    assert_eq!(events.last(), Some(&Progress::Unpacking));

    assert_eq!(site.downloads(), [""; 0]);
    assert_eq!(names(&site.home.runtimes().unwrap()), [packed().id(), "default".into()]);
    let again = site.install().unwrap();
    assert!(!again.new);
    assert_eq!(site.mirror.requests().len(), 1, "what is there is not downloaded again");

    site.manager().remove(&installed.runtime.id).unwrap();
    site.assert_nothing_installed();
}

#[test]
fn a_mirror_may_hold_all_in_one_folder() {
    let mut site = site();
    site.mirror = Mirror::serve([(format!("/some/where/{}", packed().url_name()), Arc::clone(&packed().bytes))]);
    let installed = site.install_from(&Source::Mirror(format!("{}/some/where", site.mirror.url()))).unwrap();
    assert_whole(&installed.runtime, &site.home);
}

#[test]
fn a_mirror_may_be_a_folder() {
    for (below, scheme) in [("20260101/", ""), ("", "file://")] {
        let site = site();
        let folder = site.folder.path().join("mirror with spaces");
        fs::create_dir_all(folder.join(below)).unwrap();
        packed().write(&folder.join(below));
        let installed = site.install_from(&Source::Mirror(format!("{scheme}{}", folder.display()))).unwrap();
        assert_whole(&installed.runtime, &site.home);
        assert!(folder.join(below).join(packed().file_name()).exists(), "the mirror's file stays");
        assert_eq!(site.mirror.requests(), [""; 0]);
    }
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_was_cut() {
    let site = site();
    site.mirror.fail([Fault::Truncate(200_000), Fault::Reset(500_000)]);
    assert_whole(&site.install().unwrap().runtime, &site.home);
    let requests = site.mirror.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[1].ends_with(" bytes=200000-"), "{requests:?}");
    assert!(requests[2].ends_with(" bytes=500000-"), "{requests:?}");
}

#[test]
fn a_download_goes_on_in_the_next_run() {
    let mut site = site();
    site.settings.idle_timeout = PATIENCE;
    site.settings.retries = 0;
    site.mirror.fail([Fault::Stall(300_000)]);
    let error = site.install().unwrap_err();
    assert!(matches!(&error, RuntimeError::Download { source, .. } if source.is_timeout()), "{error:?}");
    site.assert_nothing_installed();
    assert_eq!(site.downloads().len(), 1);

    site.settings.idle_timeout = Duration::from_secs(20);
    assert_whole(&site.install().unwrap().runtime, &site.home);
    assert!(site.mirror.requests()[1].ends_with(" bytes=300000-"), "{:?}", site.mirror.requests());
    assert_eq!(site.downloads(), [""; 0]);
}

#[test]
fn a_server_that_is_overloaded_is_asked_again() {
    let mut site = site();
    site.settings.idle_timeout = PATIENCE;
    // Each time that something arrives, patience begins anew.
    let faults = [503, 429, 500].map(Fault::Status);
    site.mirror.fail(faults.into_iter().chain([Fault::Stall(100_000)]).chain(faults[..2].to_vec()));
    let mut tries = Vec::new();
    let installed = run(site.manager().install(&series(), &Source::Default, &mut |event| {
        if let Progress::Retrying { attempt, reason, .. } = event {
            tries.push((attempt, reason));
        }
    }));
    assert_whole(&installed.unwrap().runtime, &site.home);
    let numbers: Vec<u32> = tries.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(numbers, [1, 2, 3, 1, 2, 3], "{tries:?}");
    assert!(tries[0].1.contains("503 Service Unavailable"), "{tries:?}");
    assert_eq!(site.mirror.requests().len(), 7);
    // What will not pass is not tried again.
    let site = site_with(&packed().sha256);
    site.mirror.fail([Fault::Status(403), Fault::Status(403)]);
    assert!(matches!(site.install().unwrap_err(), RuntimeError::DownloadRefused { .. }));
    assert_eq!(site.mirror.requests().len(), 2, "once at each place");
}

#[test]
fn the_proxy_of_the_system_is_used() {
    let mut site = site();
    let path = format!("/20260101/{}", packed().url_name());
    site.mirror = Mirror::serve([(format!("http://upstream.invalid{path}"), Arc::clone(&packed().bytes))]);
    let mut child = install_command(&site, "http://upstream.invalid");
    let output = child.env("http_proxy", site.mirror.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_whole(&site.manager().get(&packed().id()).unwrap(), &site.home);
    assert_eq!(site.mirror.requests().len(), 1);
}

/// A server with a certificate of an authority that only `SSL_CERT_FILE` makes known.
#[test]
fn the_certificates_of_the_system_are_used() {
    let site = site();
    packed().write(site.folder.path());
    let server = TlsSite::serve(site.folder.path());
    let url = server.url();
    let install =
        |certificates: &Path| install_command(&site, &url).env("SSL_CERT_FILE", certificates).output().unwrap();
    let stranger = install(Path::new("/nonexistent.pem"));
    let known = install(&authority());
    assert!(!stranger.status.success());
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stdout));
    assert_whole(&site.manager().get(&packed().id()).unwrap(), &site.home);
}

/// What the installation tells of itself is true of its place, and its compiler one that is there: packages with C
/// sources build, in an environment made with it.
#[test]
fn an_installed_runtime_builds_packages_with_c_sources() {
    let Some(packed) = packed_elsewhere() else {
        return eprintln!("SKIPPED: there is no Python with its headers and setuptools here, or no C compiler");
    };
    for name in ["plain", "höme with spaces"] {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join(name)).unwrap();
        let manager = PythonRuntimeManager::with_settings(home.clone(), site().settings);
        let source = Source::Archive { path: packed.write(folder.path()), sha256: Some(packed.sha256.clone()) };
        let request = packed.version.series().parse().unwrap();
        let runtime = run(manager.install(&request, &source, &mut |_| {})).unwrap().runtime;
        let place = home.runtimes().unwrap().join(&runtime.id);
        let told = output(Command::new(&runtime.path).args([
            "-I",
            "-c",
            "import sysconfig as s; v = s.get_config_vars(); \
             print(v['prefix'], v['INCLUDEPY'], v['CC'].split()[0], any('/install/' in str(x) for x in v.values()), sep='\\n')",
        ]));
        let include = place.join("include").join(runtime.interpreter.unwrap().name());
        assert_eq!(told, format!("{}\n{}\ncc\nFalse", place.display(), include.display()));

        let python = manager.interpreter(None).unwrap().unwrap();
        let environment = VenvManager::new(home.clone()).create("building", &python).unwrap();
        let inside = |words: &[&str]| {
            let mut command = Command::new(&environment.python);
            command.arg("-I").args(words).current_dir(folder.path());
            output(command.env("PIP_NO_INDEX", "1").env("TMPDIR", folder.path())) // some pips leave their certificates there
        };
        inside(&["-m", "ensurepip"]);
        let source = folder.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(
            source.join("setup.py"),
            "from setuptools import setup, Extension\n\
             setup(name='tiny', version='1.0', ext_modules=[Extension('tiny', ['tiny.c'])])\n",
        )
        .unwrap();
        fs::write(
            source.join("tiny.c"),
            "#include <Python.h>\n\
             static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }\n\
             static PyMethodDef methods[] = {{\"answer\", answer, METH_NOARGS, 0}, {0, 0, 0, 0}};\n\
             static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"tiny\", 0, -1, methods};\n\
             PyMODINIT_FUNC PyInit_tiny(void) { return PyModule_Create(&module); }\n",
        )
        .unwrap();
        inside(&["-m", "pip", "install", "--no-build-isolation", "--disable-pip-version-check", "./source"]);
        assert_eq!(inside(&["-c", "import tiny; print(tiny.answer())"]), "42");
    }
}

#[test]
fn a_complete_download_is_used_without_another() {
    let site = site();
    let downloads = site.home.cache().unwrap().join("downloads");
    fs::create_dir(&downloads).unwrap();
    let part = downloads.join(format!("{}-{}.part", packed().id(), &packed().sha256[..16]));
    fs::write(&part, &*packed().bytes).unwrap();
    assert_whole(&site.install().unwrap().runtime, &site.home);
    assert_eq!(site.mirror.requests(), [""; 0]);
    assert_eq!(site.downloads(), [""; 0]);
}

#[test]
fn remains_that_are_wrong_are_thrown_away() {
    for (remains, faults) in [
        (vec![7; 1000], vec![]),
        // Longer than the file: the server cannot go on from there.
        (vec![7; packed().bytes.len() + 10], vec![]),
        (packed().bytes[..1000].to_vec(), vec![Fault::IgnoreRange]),
    ] {
        let site = site();
        let downloads = site.home.cache().unwrap().join("downloads");
        fs::create_dir(&downloads).unwrap();
        let part = downloads.join(format!("{}-{}.part", packed().id(), &packed().sha256[..16]));
        fs::write(&part, remains).unwrap();
        site.mirror.fail(faults);
        assert_whole(&site.install().unwrap().runtime, &site.home);
        assert_eq!(site.downloads(), [""; 0]);
    }
}

#[test]
fn a_wrong_hash_leaves_nothing() {
    let site = site();
    site.mirror.fail([Fault::Corrupt]);
    let error = site.install().unwrap_err();
    assert!(matches!(&error, RuntimeError::WrongHash { expected, .. } if *expected == packed().sha256), "{error}");
    assert!(error.to_string().contains(&site.mirror.url()));
    site.assert_nothing_installed();
    assert_eq!(site.downloads(), [""; 0]);
    // And it is no reason to take whatever Python the machine has.
    let mut site = site_with(&"0".repeat(64));
    site.settings.search = SearchPaths::from_env();
    assert!(matches!(site.init(&InitOptions::default()).unwrap_err(), RuntimeError::WrongHash { .. }));
    site.assert_nothing_installed();
}

#[test]
fn a_mirror_that_fails_gives_one_clear_error() {
    let mut site = site();
    site.settings.idle_timeout = PATIENCE;
    site.settings.retries = 1;
    site.settings.search = SearchPaths::from_env();
    let nobody = Port::new();
    let down = format!("http://127.0.0.1:{}", nobody.number);
    for (mirror, faults, expected) in [
        (down.clone(), vec![], "cannot download http://127.0.0.1"),
        (site.mirror.url(), vec![Fault::Silence; 2], "cannot download http://127.0.0.1"),
        (site.mirror.url(), vec![Fault::Truncate(0); 2], "cannot download http://127.0.0.1"),
        (site.mirror.url(), vec![Fault::Status(503); 2], "the server answered 503 Service Unavailable"),
        (format!("{}/elsewhere", site.mirror.url()), vec![], "the server answered 404 Not Found"),
        ("/nonexistent/mirror".into(), vec![], "cannot read /nonexistent/mirror"),
        ("ftp://127.0.0.1/".into(), vec![], "is not an address to download from"),
    ] {
        site.mirror.fail(faults);
        // A mirror was named, so that no Python of the machine is taken instead.
        let error =
            site.init(&InitOptions { source: Source::Mirror(mirror.clone()), ..Default::default() }).unwrap_err();
        assert!(error.to_string().contains(expected), "{mirror}: {error}");
        site.assert_nothing_installed();
        assert_eq!(site.downloads(), [""; 0]);
        assert!(site.mirror.has_done_its_worst(), "{mirror}");
    }
    // The same when the settings name it.
    site.settings.mirror = Some(down);
    assert!(matches!(site.init(&InitOptions::default()).unwrap_err(), RuntimeError::Download { .. }));
    site.assert_nothing_installed();
}

#[test]
fn without_a_mirror_a_python_of_the_machine_is_adopted() {
    let mut site = site();
    site.settings.mirror = None;
    let nobody = Port::new();
    let down = format!("http://127.0.0.1:{}", nobody.number);
    site.settings.catalogue = Some(packed().catalogue(site.folder.path(), &down));
    site.settings.search = SearchPaths::from_env();

    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(
        matches!(&outcome.obtained, Obtained::AdoptedInstead { reason: RuntimeError::Download { .. } }),
        "{outcome:?}"
    );
    assert!(!outcome.runtime.is_managed() && outcome.runtime.is_default);
    assert_eq!(outcome.runtime.version, pythons().iter().filter(|p| p.version.pre.is_none()).map(|p| p.version).max());

    // A version that nobody has.
    let request = Some("3.99".parse().unwrap());
    let error = site.init(&InitOptions { request, ..Default::default() }).unwrap_err();
    assert!(error.to_string().starts_with("no Python could be downloaded, and no CPython 3.99 was found"), "{error}");
    assert!(
        matches!(error, RuntimeError::Nothing { source, .. } if matches!(*source, RuntimeError::NotInCatalogue { .. }))
    );

    // A machine that has none.
    site.settings.search = SearchPaths::default();
    let error = site.init(&InitOptions { request: Some(series()), ..Default::default() }).unwrap_err();
    assert!(matches!(error, RuntimeError::Nothing { .. }), "{error}");

    // When it can be downloaded later, it is.
    site.settings.mirror = Some(site.mirror.url());
    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(matches!(outcome.obtained, Obtained::Installed { checked: true }));
    assert_whole(&outcome.runtime, &site.home);
    assert!(outcome.runtime.is_default);
    assert_eq!(site.manager().list().unwrap().iter().filter(|runtime| runtime.is_default).count(), 1);
}

#[test]
fn init_takes_what_is_there_or_what_is_asked_for() {
    let mut site = site();
    site.settings.search = SearchPaths::from_env();
    let python = &pythons()[0];
    let adopted = site.init(&InitOptions { system: true, ..Default::default() }).unwrap();
    assert!(matches!(adopted.obtained, Obtained::Adopted));
    let path = VersionRequest::Path(python.path.clone());
    let outcome = site.init(&InitOptions { request: Some(path), ..Default::default() }).unwrap();
    assert_eq!(outcome.runtime.path, python.path);
    assert_eq!(site.mirror.requests(), [""; 0]);

    let installed = site.init(&InitOptions::default()).unwrap();
    assert!(matches!(installed.obtained, Obtained::Installed { .. }));
    for request in [None, Some(series()), Some(">=3.9".parse().unwrap())] {
        let outcome = site.init(&InitOptions { request, ..Default::default() }).unwrap();
        assert!(matches!(outcome.obtained, Obtained::AlreadyThere));
        assert_eq!(outcome.runtime.id, installed.runtime.id);
    }
    assert_eq!(site.mirror.requests().len(), 1);
}

#[test]
fn an_archive_is_installed_without_a_network() {
    for with_hash in [true, false] {
        let mut site = site();
        site.settings.catalogue = None;
        let path = packed().write(site.folder.path());
        if with_hash {
            fs::write(format!("{}.sha256", path.display()), format!("{}  archive\n", packed().sha256)).unwrap();
        }
        let source = Source::Archive { path: path.clone(), sha256: None };
        let outcome = site.init(&InitOptions { source: source.clone(), ..Default::default() }).unwrap();
        assert!(matches!(outcome.obtained, Obtained::Installed { checked } if checked == with_hash));
        assert_whole(&outcome.runtime, &site.home);
        assert!(path.exists());
        let again = site.init(&InitOptions { source, ..Default::default() }).unwrap();
        assert!(matches!(again.obtained, Obtained::AlreadyThere));
        assert_eq!(names(&site.home.runtimes().unwrap()), [packed().id(), "default".into()]);
    }
}

#[test]
fn an_archive_that_is_not_what_it_should_be_is_refused() {
    let site = site();
    let path = packed().write(site.folder.path());
    let install = |path: &Path, sha256: Option<String>, request: &str| {
        let source = Source::Archive { path: path.to_owned(), sha256 };
        run(site.manager().install(&request.parse().unwrap(), &source, &mut |_| {})).unwrap_err()
    };
    assert!(matches!(install(&path, Some("0".repeat(64)), "3"), RuntimeError::WrongHash { .. }));
    // It is in the catalogue by its name, so that its hash is known.
    fs::File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    assert!(matches!(install(&path, None, "3"), RuntimeError::WrongHash { .. }));
    let other = site.folder.path().join("cpython-3.9.99+1-install_only.tar.gz");
    fs::write(&other, &*packed().bytes).unwrap();
    let error = install(&other, None, "3").to_string();
    assert!(error.ends_with(&format!("holds Python {}, and should hold 3.9.99", packed().version)), "{error}");
    let unknown = site.folder.path().join("unknown.tar.gz");
    fs::rename(&other, &unknown).unwrap();
    assert!(matches!(install(&unknown, None, "3.99"), RuntimeError::WrongVersion { .. }));
    assert!(matches!(install(Path::new("/nonexistent.tar.gz"), None, "3"), RuntimeError::File(_)));
    site.assert_nothing_installed();
}

/// A runtime whose Python leads to another one would pass every test until that other one is gone.
#[test]
fn an_archive_whose_python_is_elsewhere_is_refused() {
    let site = site();
    let path = site.folder.path().join("shim.tar.gz");
    let file = fs::File::create(&path).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", pythons()[0].path.display());
    let mut header = tar::Header::new_gnu();
    header.set_size(script.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "python/bin/python3", script.as_bytes()).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let error =
        run(site.manager().install(&"3".parse().unwrap(), &Source::Archive { path, sha256: None }, &mut |_| {}));
    assert!(matches!(error.unwrap_err(), RuntimeError::WrongVersion { .. }));
    site.assert_nothing_installed();
}

#[test]
fn a_broken_runtime_is_listed_so_and_mended_by_installing_it() {
    let site = site();
    let runtime = site.install().unwrap().runtime;
    let python = site.home.runtimes().unwrap().join(&runtime.id).join("bin/python3");
    fs::remove_file(&python).unwrap();
    symlink("/nonexistent", &python).unwrap();

    let listed = site.manager().get(&runtime.id).unwrap();
    assert!(matches!(&listed.state, RuntimeState::Broken { reason } if reason.contains("there is no Python at")));
    assert!(matches!(site.manager().interpreter(None).unwrap_err(), RuntimeError::BrokenRuntime { .. }));
    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(matches!(outcome.obtained, Obtained::Installed { .. }));
    assert_whole(&outcome.runtime, &site.home);
}

#[test]
fn two_processes_at_once_download_once() {
    let site = site();
    let children: Vec<Child> = (0..2).map(|_| spawn_install(&site, &site.mirror.url())).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(site.mirror.requests().len(), 1);
    assert_whole(&site.manager().get(&packed().id()).unwrap(), &site.home);
    assert_eq!(names(&site.home.runtimes().unwrap()), [packed().id(), "default".into()]);
}

#[test]
fn killed_while_downloading_it_leaves_only_what_can_be_gone_on_with() {
    let site = site();
    site.mirror.fail([Fault::Stall(400_000)]);
    let mut child = spawn_install(&site, &site.mirror.url());
    site.mirror.wait_for_stall();
    let part = wait_for(|| {
        let part = fs::read_dir(site.home.cache().unwrap().join("downloads")).ok()?.next()?.unwrap().path();
        (fs::metadata(&part).unwrap().len() == 400_000).then_some(part)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(site.manager().list().unwrap(), []);
    assert!(part.exists());
    assert_whole(&site.install().unwrap().runtime, &site.home);
    assert!(site.mirror.requests()[1].ends_with(" bytes=400000-"), "{:?}", site.mirror.requests());
    assert_eq!(names(&site.home.runtimes().unwrap()), [packed().id(), "default".into()]);
}

#[test]
fn killed_while_unpacking_it_leaves_nothing_that_passes_for_whole() {
    let site = site();
    // From a pipe that does not end, the archive is unpacked to half of it and no further.
    let path = site.folder.path().join("archive.tar.gz");
    output(Command::new("mkfifo").arg(&path));
    let mut child = spawn_install(&site, path.to_str().unwrap());
    let mut pipe = fs::File::options().write(true).open(&path).unwrap();
    pipe.write_all(&packed().bytes[..packed().bytes.len() / 2]).unwrap();
    let runtimes = site.home.runtimes().unwrap();
    let library = || fs::read_dir(runtimes.join(".new-archive/python/lib")).ok()?.next();
    wait_for(|| library()?.ok());
    assert_eq!(site.manager().list().unwrap(), []);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert_eq!(site.manager().list().unwrap(), []);
    assert!(library().is_some(), "the half of it is still there");
    assert_whole(&site.install().unwrap().runtime, &site.home);
    assert_eq!(names(&runtimes), [packed().id(), "default".into()], "and is cleared away by the next install");
}

#[test]
fn another_catalogue_can_be_had_from_a_server() {
    let mut site = site();
    let json = fs::read(site.settings.catalogue.take().unwrap()).unwrap();
    site.mirror = Mirror::serve([
        ("/catalogue.json".to_owned(), Arc::new(json)),
        ("/broken.json".to_owned(), Arc::new(b"{}".to_vec())),
    ]);
    site.settings.catalogue = Some(format!("{}/catalogue.json", site.mirror.url()));
    assert_eq!(run(site.manager().catalogue()).unwrap().releases[0].version, packed().version);
    site.settings.catalogue = Some(format!("{}/broken.json", site.mirror.url()));
    assert!(matches!(run(site.manager().catalogue()).unwrap_err(), RuntimeError::CatalogueInvalid { .. }));
    site.settings.catalogue = Some(format!("{}/missing.json", site.mirror.url()));
    assert!(matches!(run(site.manager().catalogue()).unwrap_err(), RuntimeError::CatalogueUnreachable { .. }));
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

fn spawn_install(site: &Site, from: &str) -> Child {
    install_command(site, from).spawn().unwrap()
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

fn wait_for<T>(mut there: impl FnMut() -> Option<T>) -> T {
    let until = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(std::time::Instant::now() < until, "it should be there by now");
        std::thread::sleep(Duration::from_millis(5));
    }
}
