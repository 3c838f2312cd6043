//! Downloads that are interrupted, resumed, retried or wrong.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use beep_python_runtime::interpreter::{InitOptions, Progress, RuntimeError, SearchPaths, Source};

use crate::support::archive::packed;
use crate::support::mirror::{Fault, Mirror};
use crate::support::tls::{TlsSite, authority};
use crate::{STALL_TIMEOUT, assert_whole, install_command, run, series, site, site_with};

#[test]
fn interrupted_download_resumes() {
    let site = site();
    site.mirror.fail([Fault::Truncate(200_000), Fault::Reset(500_000)]);
    assert_whole(&site.install().unwrap().runtime, &site.home);
    let requests = site.mirror.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[1].ends_with(" bytes=200000-"), "{requests:?}");
    assert!(requests[2].ends_with(" bytes=500000-"), "{requests:?}");
}

#[test]
fn next_run_resumes_the_download() {
    let mut site = site();
    site.settings.idle_timeout = STALL_TIMEOUT;
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
fn overloaded_server_is_retried_and_progress_resets_the_count() {
    let mut site = site();
    site.settings.idle_timeout = STALL_TIMEOUT;
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
}

#[test]
fn permanent_refusal_is_not_retried() {
    let site = site();
    site.mirror.fail([Fault::Status(403), Fault::Status(403)]);
    assert!(matches!(site.install().unwrap_err(), RuntimeError::DownloadRefused { .. }));
    assert_eq!(site.mirror.requests().len(), 2, "once at each place");
}

#[test]
fn proxy_of_the_system_is_used() {
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
fn certificates_of_the_system_are_used() {
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

#[test]
fn complete_download_is_reused() {
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
fn wrong_remains_are_discarded() {
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
fn wrong_hash_leaves_nothing() {
    let site = site();
    site.mirror.fail([Fault::Corrupt]);
    let error = site.install().unwrap_err();
    assert!(matches!(&error, RuntimeError::WrongHash { expected, .. } if *expected == packed().sha256), "{error}");
    assert!(error.to_string().contains(&site.mirror.url()));
    site.assert_nothing_installed();
    assert_eq!(site.downloads(), [""; 0]);
}

#[test]
fn wrong_hash_adopts_no_python_of_the_machine() {
    let mut site = site_with(&"0".repeat(64));
    site.settings.search = SearchPaths::from_env();
    assert!(matches!(site.init(&InitOptions::default()).unwrap_err(), RuntimeError::WrongHash { .. }));
    site.assert_nothing_installed();
}
