//! Getting the first runtime, whatever the machine has.

use std::fs;
use std::os::unix::fs::symlink;

use beep_python_runtime::interpreter::{
    InitOptions, Obtained, RuntimeError, RuntimeState, SearchPaths, Source, VersionRequest,
};

use crate::support::archive::packed;
use crate::support::port::Port;
use crate::support::pythons;
use crate::{Site, assert_whole, series, site};

/// A site without a mirror, whose catalogue names a server that is down.
fn site_without_downloads(nobody: &Port) -> Site {
    let mut site = site();
    site.settings.mirror = None;
    site.settings.catalogue =
        Some(packed().catalogue(site.folder.path(), &format!("http://127.0.0.1:{}", nobody.number)));
    site.settings.search = SearchPaths::from_env();
    site
}

#[test]
fn failed_download_adopts_a_python_of_the_machine_until_it_can_be_downloaded() {
    let nobody = Port::new();
    let mut site = site_without_downloads(&nobody);
    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(
        matches!(&outcome.obtained, Obtained::AdoptedInstead { reason: RuntimeError::Download { .. } }),
        "{outcome:?}"
    );
    assert!(!outcome.runtime.is_managed() && outcome.runtime.is_default);
    assert_eq!(outcome.runtime.version, pythons().iter().filter(|p| p.version.pre.is_none()).map(|p| p.version).max());

    // The default stays, unless another source is named.
    site.settings.mirror = Some(site.mirror.url());
    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(matches!(outcome.obtained, Obtained::AlreadyThere), "{outcome:?}");
    let named = InitOptions { source: Source::Mirror(site.mirror.url()), ..Default::default() };
    let outcome = site.init(&named).unwrap();
    assert!(matches!(outcome.obtained, Obtained::Installed { checked: true }), "{outcome:?}");
    assert_whole(&outcome.runtime, &site.home);
    assert!(outcome.runtime.is_default);
    assert_eq!(site.manager().list().unwrap().iter().filter(|runtime| runtime.is_default).count(), 1);
}

#[test]
fn unknown_version_is_neither_downloaded_nor_adopted() {
    let nobody = Port::new();
    let site = site_without_downloads(&nobody);
    let request = Some("3.99".parse().unwrap());
    let error = site.init(&InitOptions { request, ..Default::default() }).unwrap_err();
    assert!(error.to_string().starts_with("no Python could be downloaded, and no CPython 3.99 was found"), "{error}");
    assert!(
        matches!(error, RuntimeError::Nothing { source, .. } if matches!(*source, RuntimeError::NotInCatalogue { .. }))
    );
}

#[test]
fn failed_download_on_a_machine_without_python_is_an_error() {
    let nobody = Port::new();
    let mut site = site_without_downloads(&nobody);
    site.settings.search = SearchPaths::default();
    let error = site.init(&InitOptions { request: Some(series()), ..Default::default() }).unwrap_err();
    assert!(matches!(error, RuntimeError::Nothing { .. }), "{error}");
}

#[test]
fn init_prefers_the_requested_then_the_installed_runtime() {
    let mut site = site();
    site.settings.search = SearchPaths::from_env();
    let python = &pythons()[0];
    let adopted = site.init(&InitOptions { system: true, ..Default::default() }).unwrap();
    assert!(matches!(adopted.obtained, Obtained::Adopted));
    let path = VersionRequest::Path(python.path.clone());
    let outcome = site.init(&InitOptions { request: Some(path), ..Default::default() }).unwrap();
    assert_eq!(outcome.runtime.path, python.path);
    assert_eq!(site.mirror.requests(), [""; 0]);

    let outcome = site.init(&InitOptions::default()).unwrap();
    assert!(matches!(outcome.obtained, Obtained::AlreadyThere), "the default, wherever it is from");
    let installed = site.init(&InitOptions { request: Some(series()), ..Default::default() }).unwrap();
    assert!(matches!(installed.obtained, Obtained::Installed { .. }), "{installed:?}");
    for request in [None, Some(series()), Some(">=3.9".parse().unwrap())] {
        let outcome = site.init(&InitOptions { request, ..Default::default() }).unwrap();
        assert!(matches!(outcome.obtained, Obtained::AlreadyThere));
        assert_eq!(outcome.runtime.id, installed.runtime.id);
    }
    assert_eq!(site.mirror.requests().len(), 1);
}

#[test]
fn broken_runtime_is_listed_and_repaired_by_init() {
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
