//! Installing from archives on this machine.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{InitOptions, Obtained, PythonRuntimeManager, RuntimeError, Source};
use beep_python_runtime::platform::Home;

use crate::support::archive::{packed, packed_elsewhere};
use crate::support::{names, output, pythons};
use crate::{assert_whole, run, site};

/// What the installation tells of itself is true of its place, and its compiler one that is there: packages with C
/// sources build, in an environment made with it.
#[test]
fn installed_runtime_builds_packages_with_c_sources() {
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
fn archive_installs_without_a_network() {
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
fn archive_with_wrong_hash_or_version_is_refused() {
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
    assert!(error.ends_with(&format!("holds Python {} instead of 3.9.99", packed().version)), "{error}");
    let unknown = site.folder.path().join("unknown.tar.gz");
    fs::rename(&other, &unknown).unwrap();
    assert!(matches!(install(&unknown, None, "3.99"), RuntimeError::WrongVersion { .. }));
    assert!(matches!(install(Path::new("/nonexistent.tar.gz"), None, "3"), RuntimeError::File(_)));
    site.assert_nothing_installed();
}

/// A runtime whose Python leads to another one would pass every test until that other one is gone.
#[test]
fn archive_whose_python_is_elsewhere_is_refused() {
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
