//! Several processes, and processes that are killed.

use std::fs;
use std::io::Write;
use std::process::{Child, Command};
use std::time::Duration;

use crate::support::archive::packed;
use crate::support::mirror::Fault;
use crate::support::{names, output};
use crate::{Site, assert_whole, install_command, site};

#[test]
fn concurrent_processes_download_once() {
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
fn kill_while_downloading_leaves_a_resumable_download() {
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
fn kill_while_unpacking_leaves_no_runtime() {
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

fn spawn_install(site: &Site, from: &str) -> Child {
    install_command(site, from).spawn().unwrap()
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
