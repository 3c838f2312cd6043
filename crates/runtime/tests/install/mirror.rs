//! Mirrors and catalogues.

use std::fs;
use std::sync::Arc;

use beep_python_runtime::interpreter::{InitOptions, Progress, RuntimeError, SearchPaths, Source};

use crate::support::archive::packed;
use crate::support::mirror::{Fault, Mirror};
use crate::support::names;
use crate::support::port::Port;
use crate::{STALL_TIMEOUT, assert_whole, run, series, site};

#[test]
fn mirror_installs_a_runtime_once() {
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
fn mirror_may_be_flat() {
    let mut site = site();
    site.mirror = Mirror::serve([(format!("/some/where/{}", packed().url_name()), Arc::clone(&packed().bytes))]);
    let installed = site.install_from(&Source::Mirror(format!("{}/some/where", site.mirror.url()))).unwrap();
    assert_whole(&installed.runtime, &site.home);
}

#[test]
fn mirror_may_be_a_folder() {
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
fn failing_mirror_gives_one_clear_error_and_no_fallback() {
    let mut site = site();
    site.settings.idle_timeout = STALL_TIMEOUT;
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
fn catalogue_comes_from_a_server() {
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
