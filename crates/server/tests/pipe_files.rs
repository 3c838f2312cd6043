//! The files of a pipe: its socket in the home, and the link by which .NET clients find it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use beep_python_runtime::platform::Home;
use beep_python_server::pipe::{Pipe, PipeError, PipeName, bind_pipe, remove_left_over};

struct House {
    home: Home,
    name: PipeName,
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        House { home: Home::open(folder.path()).unwrap(), name: PipeName::random().unwrap(), folder }
    }

    /// A home of its own for the same name.
    fn other(&self) -> House {
        let mut other = House::new();
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

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.link());
        let _ = fs::remove_dir(self.link());
    }
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

#[test]
fn the_socket_is_private_and_both_files_go_with_it() {
    let house = House::new();
    let pipe = house.open().unwrap();
    assert_eq!(pipe.socket(), house.socket());
    assert_eq!(pipe.url(), format!("unix:{}", house.socket().display()));
    assert_eq!(fs::metadata(house.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(house.folder.path().join("run")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_link(house.link()).unwrap(), house.socket());
    UnixStream::connect(house.link()).unwrap();
    drop(pipe);
    assert!(is_gone(&house.link()) && house.files() == 0, "no lock is left either");
}

#[test]
fn a_socket_that_nobody_serves_goes_too() {
    let house = House::new();
    drop(bind_pipe(&house.home, &house.name).unwrap());
    assert_eq!(house.files(), 0);
}

#[test]
fn the_place_of_a_living_server_is_refused() {
    let house = House::new();
    let pipe = house.open().unwrap();
    assert!(matches!(house.open(), Err(PipeError::InUse { path }) if path == house.socket()));
    let other = house.other();
    let error = other.open().unwrap_err();
    assert!(matches!(&error, PipeError::Foreign { path, .. } if *path == house.link()), "{error}");
    assert!(error.to_string().contains("the link of the server at"), "{error}");
    assert_eq!(fs::read_link(house.link()).unwrap(), pipe.socket(), "it was left as it is");
    assert_eq!(other.files(), 0, "nothing is left of the attempt");
    UnixStream::connect(house.link()).unwrap();
}

#[test]
fn what_a_dead_server_left_is_replaced() {
    let house = House::new();
    let leave = || {
        drop(UnixListener::bind(house.socket()).unwrap());
        symlink(house.socket(), house.link()).unwrap();
    };
    house.home.run().unwrap();
    leave();
    drop(house.open().unwrap());
    leave();
    // Of another home, first with its socket, then with that home gone.
    let other = house.other();
    drop(other.open().unwrap());
    fs::remove_file(house.socket()).unwrap();
    symlink(house.socket(), house.link()).unwrap();
    let pipe = other.open().unwrap();
    assert_eq!(fs::read_link(house.link()).unwrap(), pipe.socket());
    UnixStream::connect(house.link()).unwrap();
}

#[test]
fn left_overs_are_removed_only_of_the_dead() {
    let house = House::new();
    let pipe = house.open().unwrap();
    remove_left_over(pipe.socket());
    UnixStream::connect(house.link()).unwrap();
    drop(pipe);
    drop(UnixListener::bind(house.socket()).unwrap());
    symlink(house.socket(), house.link()).unwrap();
    remove_left_over(&house.socket());
    assert!(is_gone(&house.link()) && house.files() == 0);
}

#[test]
fn what_is_not_ours_is_left_alone_and_told() {
    let house = House::new();
    let elsewhere = house.folder.path().join("elsewhere");
    let same_name = house.folder.path().join(house.socket().file_name().unwrap());
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
        place(&house.link());
        let before = house.link().symlink_metadata().unwrap().ino();
        let error = house.open().unwrap_err();
        assert!(matches!(&error, PipeError::Foreign { path, .. } if *path == house.link()), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(house.link().symlink_metadata().unwrap().ino(), before);
        assert_eq!(house.files(), 0, "nothing is left of the attempt");
        let _ = fs::remove_file(house.link()).or_else(|_| fs::remove_dir(house.link()));
    }
    fs::create_dir_all(house.socket()).unwrap();
    let error = house.open().unwrap_err();
    assert!(error.to_string().ends_with("is a folder, which is not ours to replace"), "{error}");
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(100));
    let error = bind_pipe(&Home::open(&long).unwrap(), &"name".parse().unwrap()).unwrap_err();
    assert!(matches!(error, PipeError::PathTooLong { .. }));
    assert!(error.to_string().ends_with("that of a Unix socket has at most 107"), "{error}");
}

#[test]
fn only_one_of_many_that_start_at_once_gets_the_name() {
    let house = House::new();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| house.open())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
    UnixStream::connect(house.link()).unwrap();
}
