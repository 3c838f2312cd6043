//! Finding and querying the Pythons of the machine.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use beep_python_runtime::interpreter::{
    InstallSettings, Interpreter, PythonRuntimeManager, RuntimeError, SearchPaths, Version, discover, query,
};
use beep_python_runtime::platform::Home;
use support::{home, names, one_of_each_series, output, pythons};

/// A copy of the machine's executable, which may be modified and finds its library by itself.
fn own_copy(folder: &Path) -> PathBuf {
    let original = &pythons()[0];
    let bin = folder.join("copy/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy(&original.path, bin.join("python3")).unwrap();
    fs::write(folder.join("copy/pyvenv.cfg"), format!("home = {}\n", original.path.parent().unwrap().display()))
        .unwrap();
    bin.join("python3")
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn answers(path: &Path, implementation: &str, version: &str) {
    let json = format!(
        r#"{{"path":"{}","version":"{version}","implementation":"{implementation}","prefix":"/","stdlib":"/","platform":"linux-x86_64-gnu","free_threaded":false,"pointer_bits":64}}"#,
        path.display()
    );
    script(path, &format!("echo '{json}'"));
}

fn cache(home: &Home) -> PathBuf {
    home.cache().unwrap().join("interpreters.json")
}

/// Changes the cache, so that a later result shows whether it was used.
fn forge_cache(home: &Home) {
    let text = fs::read_to_string(cache(home)).unwrap();
    let version = format!("\"version\": \"{}\"", pythons()[0].version);
    assert!(text.contains(&version));
    fs::write(cache(home), text.replace(&version, "\"version\": \"3.9.99\"")).unwrap();
}

#[test]
fn query_reports_what_the_python_itself_reports() {
    let (_folder, home) = home();
    for python in one_of_each_series() {
        let asked = |expression: &str| {
            output(Command::new(&python.path).args([
                "-I",
                "-c",
                &format!("import sys, os, sysconfig; print({expression})"),
            ]))
        };
        assert_eq!(&query(&home, &python.path).unwrap(), python);
        assert_eq!(python.version.to_string(), asked("sys.version.split()[0]"));
        assert_eq!(python.prefix.to_str().unwrap(), asked("sys.base_prefix"));
        assert_eq!(python.stdlib.to_str().unwrap(), asked("sysconfig.get_path('stdlib')"));
        assert_eq!(python.platform.arch, asked("os.uname().machine"));
        assert_eq!(python.pointer_bits, 64);
        assert!(python.path.is_absolute() && python.path == python.path.canonicalize().unwrap());
    }
}

#[test]
fn discovery_finds_each_supported_python_once_newest_first() {
    let found = pythons();
    assert!(found.is_sorted_by_key(|python| std::cmp::Reverse(python.version)));
    let mut paths: Vec<_> = found.iter().map(|python| &python.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), found.len());
    assert!(found.iter().all(|python| python.version >= Version::new(3, 9, 0) && python.implementation == "cpython"));
}

#[test]
fn discovery_ignores_a_shim_and_query_resolves_it() {
    let (folder, home) = home();
    let real = &pythons()[0];
    let shims = folder.path().join("shims");
    fs::create_dir(&shims).unwrap();
    script(&shims.join("python3"), &format!("exec '{}' \"$@\"", real.path.display()));
    script(&shims.join("python3.9"), "echo this shim must not be run >&2; exit 1");

    let only_shims = SearchPaths { folders: vec![shims.clone()], collections: vec![] };
    assert_eq!(discover(&home, &only_shims).unwrap(), []);

    let asked = query(&home, shims.join("python3")).unwrap();
    assert_eq!((&asked.path, asked.version), (&real.path, real.version));
    // A shim can lead elsewhere tomorrow.
    assert!(!cache(&home).exists());
}

#[test]
fn links_and_collections_resolve_to_the_real_executable() {
    let (folder, home) = home();
    let real = &pythons()[0];
    for place in ["bin", "versions/3.x/bin", "versions/broken/bin"] {
        fs::create_dir_all(folder.path().join(place)).unwrap();
    }
    symlink(&real.path, folder.path().join("bin/python3")).unwrap();
    symlink(&real.path, folder.path().join("versions/3.x/bin/python3")).unwrap();
    symlink("/nonexistent", folder.path().join("versions/broken/bin/python3")).unwrap();
    fs::copy("/bin/true", folder.path().join("bin/python3.12")).unwrap();

    let search =
        SearchPaths { folders: vec![folder.path().join("bin")], collections: vec![folder.path().join("versions")] };
    let found = discover(&home, &search).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, real.path);
}

#[test]
fn python_is_queried_again_only_after_its_file_changed() {
    let (folder, home) = home();
    let copy = own_copy(folder.path());
    let first = query(&home, &copy).unwrap();
    assert_eq!(first.version, pythons()[0].version);

    forge_cache(&home);
    assert_eq!(query(&home, &copy).unwrap().version, Version::new(3, 9, 99), "the cache is used");
    let search = SearchPaths { folders: vec![copy.parent().unwrap().into()], collections: vec![] };
    assert_eq!(discover(&home, &search).unwrap()[0].version, Version::new(3, 9, 99), "discovery uses it too");

    let later = SystemTime::now() + Duration::from_secs(10);
    fs::File::options().write(true).open(&copy).unwrap().set_modified(later).unwrap();
    assert_eq!(query(&home, &copy).unwrap(), first, "another time of modification is another file");
}

#[test]
fn broken_cache_is_rebuilt() {
    let (_folder, home) = home();
    let python = &pythons()[0];
    query(&home, &python.path).unwrap();
    for broken in ["", "{\"format\":1,\"interpreters\":{", "[]", "{\"format\":999,\"interpreters\":{}}", "\0\0\0"] {
        fs::write(cache(&home), broken).unwrap();
        assert_eq!(&query(&home, &python.path).unwrap(), python);
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(cache(&home)).unwrap()).unwrap();
        assert_eq!(kept["interpreters"].as_object().unwrap().len(), 1);
    }
    assert_eq!(names(&home.cache().unwrap()), ["interpreters.json"]);
}

#[test]
fn concurrent_queries_are_all_cached() {
    let (folder, home) = home();
    let (home, links): (_, Vec<PathBuf>) = (&home, (0..8).map(|n| folder.path().join(format!("python-{n}"))).collect());
    std::thread::scope(|scope| {
        for link in &links {
            symlink(&pythons()[0].path, link).unwrap();
            scope.spawn(move || query(home, link).unwrap());
        }
    });
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(cache(home)).unwrap()).unwrap();
    assert_eq!(kept["interpreters"].as_object().unwrap().len(), links.len());
}

#[test]
fn python_of_an_environment_resolves_to_its_base() {
    for python in one_of_each_series() {
        for kind in ["--symlinks", "--copies"] {
            let (folder, home) = home();
            let venv = folder.path().join("venv");
            let make = ["-I", "-m", "venv", "--without-pip", kind];
            if !Command::new(&python.path).args(make).arg(&venv).output().unwrap().status.success() {
                // Some distributions leave the module out.
                continue;
            }
            let Interpreter { path, version, prefix, .. } = query(&home, venv.join("bin/python3")).unwrap();
            assert_eq!((path, version, prefix), (python.path.clone(), python.version, python.prefix.clone()), "{kind}");
            assert_eq!(query(&home, &venv).unwrap(), *python, "{kind}: by its folder");
        }
    }
}

#[test]
fn unsupported_interpreter_is_refused_with_the_reason() {
    let (folder, home) = home();
    let path = folder.path().join("python3");

    let error = query(&home, &path).unwrap_err();
    assert!(matches!(error, RuntimeError::NoPythonThere { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()));

    fs::write(&path, "").unwrap();
    assert!(matches!(query(&home, &path).unwrap_err(), RuntimeError::NotExecutable { .. }));

    answers(&path, "pypy", "3.11.4");
    assert_eq!(
        query(&home, &path).unwrap_err().to_string(),
        format!("{} is pypy, but only CPython is supported", path.display())
    );

    answers(&path, "cpython", "3.8.18");
    let error = query(&home, &path).unwrap_err().to_string();
    assert_eq!(error, format!("{} is Python 3.8.18, but the oldest supported version is 3.9", path.display()));

    script(&path, "echo hello");
    let error = query(&home, &path).unwrap_err();
    assert!(matches!(&error, RuntimeError::ProbeUnreadable { output, .. } if output == "hello"), "{error}");

    script(&path, "echo the library is missing >&2; exit 127");
    let error = query(&home, &path).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("exit status: 127") && cause.ends_with("the library is missing"), "{cause}");
}

#[test]
fn runtime_is_adopted_once_listed_made_default_and_removed() {
    let (_folder, home) = home();
    let settings = InstallSettings { catalogue: None, mirror: None, ..InstallSettings::from_env() };
    let manager = PythonRuntimeManager::with_settings(home.clone(), settings);
    assert!(manager.list().unwrap().is_empty() && manager.default_runtime().unwrap().is_none());
    assert!(manager.interpreter(None).unwrap().is_none());

    let adopted: Vec<_> = pythons().iter().map(|python| manager.adopt(python).unwrap()).collect();
    assert_eq!(manager.adopt(&pythons()[0]).unwrap().id, adopted[0].id);
    assert_eq!(manager.list().unwrap().len(), pythons().len());
    assert_eq!(manager.default_runtime().unwrap().unwrap().id, adopted[0].id, "the first is the default");
    assert_eq!(manager.interpreter(None).unwrap().unwrap(), pythons()[0]);
    assert!(adopted[0].id.starts_with(&format!("system-{}", pythons()[0].version)));

    let last = adopted.last().unwrap();
    manager.set_default(&last.id).unwrap();
    assert_eq!(manager.default_runtime().unwrap().unwrap().id, last.id);
    manager.remove(&last.id).unwrap();
    assert!(manager.default_runtime().unwrap().is_none());
    assert!(last.path.exists(), "the machine's Python stays");
    let error = manager.remove("../environments").unwrap_err();
    assert!(matches!(error, RuntimeError::UnknownRuntime { .. }));

    // A folder that is no runtime does not make the list fail.
    fs::create_dir(home.runtimes().unwrap().join("odd")).unwrap();
    let odd = manager.get("odd").unwrap();
    assert!(odd.interpreter.is_none() && odd.version.is_none());
    manager.remove("odd").unwrap();
    assert!(!names(&home.runtimes().unwrap()).iter().any(|name| name.starts_with('.') || name == "odd"));
}
