//! The files of a pipe: its socket in the home, and the link by which .NET clients find it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use beep_python_runtime::platform::Home;
use beep_python_server::unix_socket::{Pipe, PipeError, PipeName, bind_pipe, remove_left_over};

struct TestHome {
    home: Home,
    name: PipeName,
    folder: tempfile::TempDir,
}

impl TestHome {
    fn new() -> TestHome {
        let folder = tempfile::tempdir().unwrap();
        TestHome { home: Home::open(folder.path()).unwrap(), name: PipeName::random().unwrap(), folder }
    }

    /// A home of its own for the same name.
    fn other(&self) -> TestHome {
        let mut other = TestHome::new();
        other.name = self.name.clone();
        other
    }

    fn open(&self) -> Result<Pipe, PipeError> {
        Pipe::open(bind_pipe(&self.home, &self.name)?.into_listener().unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("run/{}.sock", self.name))
    }

    fn link(&self) -> PathBuf {
        std::env::temp_dir().join(format!("CoreFxPipe_{}", self.name))
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path().join("run")).unwrap().count()
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.link());
        let _ = fs::remove_dir(self.link());
    }
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

#[test]
fn socket_is_private_and_both_files_are_removed_with_it() {
    let test_home = TestHome::new();
    let pipe = test_home.open().unwrap();
    assert_eq!(pipe.socket(), test_home.socket());
    assert_eq!(pipe.url(), format!("unix:{}", test_home.socket().display()));
    assert_eq!(fs::metadata(test_home.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(test_home.folder.path().join("run")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_link(test_home.link()).unwrap(), test_home.socket());
    UnixStream::connect(test_home.link()).unwrap();
    drop(pipe);
    assert!(is_gone(&test_home.link()) && test_home.files() == 0, "no lock is left either");
}

#[test]
fn unserved_socket_is_removed_too() {
    let test_home = TestHome::new();
    drop(bind_pipe(&test_home.home, &test_home.name).unwrap());
    assert_eq!(test_home.files(), 0);
}

#[test]
fn path_of_a_running_server_is_refused() {
    let test_home = TestHome::new();
    let pipe = test_home.open().unwrap();
    assert!(matches!(test_home.open(), Err(PipeError::InUse { path }) if path == test_home.socket()));
    let other = test_home.other();
    let error = other.open().unwrap_err();
    assert!(matches!(&error, PipeError::Foreign { path, .. } if *path == test_home.link()), "{error}");
    assert!(error.to_string().contains("the link of the server at"), "{error}");
    assert_eq!(fs::read_link(test_home.link()).unwrap(), pipe.socket(), "it was left as it is");
    assert_eq!(other.files(), 0, "nothing is left of the attempt");
    UnixStream::connect(test_home.link()).unwrap();
}

#[test]
fn files_of_a_dead_server_are_replaced() {
    let test_home = TestHome::new();
    let leave = || {
        drop(UnixListener::bind(test_home.socket()).unwrap());
        symlink(test_home.socket(), test_home.link()).unwrap();
    };
    test_home.home.run().unwrap();
    leave();
    drop(test_home.open().unwrap());
    leave();
    // Of another home, first with its socket, then with that home gone.
    let other = test_home.other();
    drop(other.open().unwrap());
    fs::remove_file(test_home.socket()).unwrap();
    symlink(test_home.socket(), test_home.link()).unwrap();
    let pipe = other.open().unwrap();
    assert_eq!(fs::read_link(test_home.link()).unwrap(), pipe.socket());
    UnixStream::connect(test_home.link()).unwrap();
}

#[test]
fn only_files_of_dead_servers_are_removed() {
    let test_home = TestHome::new();
    let pipe = test_home.open().unwrap();
    remove_left_over(pipe.socket());
    UnixStream::connect(test_home.link()).unwrap();
    drop(pipe);
    drop(UnixListener::bind(test_home.socket()).unwrap());
    symlink(test_home.socket(), test_home.link()).unwrap();
    remove_left_over(&test_home.socket());
    assert!(is_gone(&test_home.link()) && test_home.files() == 0);
}

#[test]
fn foreign_files_are_left_alone_and_reported() {
    let test_home = TestHome::new();
    let elsewhere = test_home.folder.path().join("elsewhere");
    let same_name = test_home.folder.path().join(test_home.socket().file_name().unwrap());
    fs::write(&same_name, "a file").unwrap();
    type Place<'a> = (&'a str, &'a dyn Fn(&Path));
    let places: [Place<'_>; 5] = [
        ("no link", &|link| fs::write(link, "mine").unwrap()),
        ("no link", &|link| fs::create_dir(link).unwrap()),
        ("no link", &|link| drop(UnixListener::bind(link).unwrap())),
        ("a link to", &|link| symlink(&elsewhere, link).unwrap()),
        ("a link to a file", &|link| symlink(&same_name, link).unwrap()),
    ];
    for (said, place) in places {
        place(&test_home.link());
        let before = test_home.link().symlink_metadata().unwrap().ino();
        let error = test_home.open().unwrap_err();
        assert!(matches!(&error, PipeError::Foreign { path, .. } if *path == test_home.link()), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(test_home.link().symlink_metadata().unwrap().ino(), before);
        assert_eq!(test_home.files(), 0, "nothing is left of the attempt");
        let _ = fs::remove_file(test_home.link()).or_else(|_| fs::remove_dir(test_home.link()));
    }
    fs::create_dir_all(test_home.socket()).unwrap();
    let error = test_home.open().unwrap_err();
    assert!(error.to_string().ends_with("is a folder, which is not ours to replace"), "{error}");
}

#[test]
fn path_too_long_for_a_socket_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(100));
    let error = bind_pipe(&Home::open(&long).unwrap(), &"name".parse().unwrap()).unwrap_err();
    assert!(matches!(error, PipeError::PathTooLong { .. }));
    assert!(error.to_string().ends_with("that of a Unix socket has at most 107"), "{error}");
}

#[test]
fn only_one_of_many_that_start_at_once_gets_the_name() {
    let test_home = TestHome::new();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| test_home.open())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
    UnixStream::connect(test_home.link()).unwrap();
}
