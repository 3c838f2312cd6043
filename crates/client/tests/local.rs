//! Calls without a socket, in Pythons of this machine.
#![cfg(feature = "local")]

use std::path::PathBuf;
use std::time::Duration;

use beep_python_client::{AnyTransport, Error, ErrorCode, Handle, LocalBackend, LocalOptions, LocalPython, connect};
use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{Interpreter, SearchPaths, discover};
use beep_python_runtime::platform::Home;

/// A home of its own, with the newest Python of the machine.
struct House {
    folder: tempfile::TempDir,
    interpreter: Interpreter,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let found = discover(&Home::open(folder.path()).unwrap(), &SearchPaths::from_env()).unwrap();
        let interpreter = found.into_iter().next().expect("these tests need a CPython of 3.9 or later");
        House { folder, interpreter }
    }

    fn backend(&self, python: LocalPython) -> LocalBackend {
        LocalBackend::new(LocalOptions::from(python).with_home(self.folder.path()))
    }

    /// In the Python itself, without an environment.
    fn bare(&self) -> LocalBackend {
        self.backend(LocalPython::Path(self.interpreter.path.clone()))
    }

    fn environments(&self) -> VenvManager {
        VenvManager::new(Home::open(self.folder.path()).unwrap())
    }
}

/// The processes that have this one for their parent, those included that ended and were not waited for.
fn children() -> Vec<u32> {
    let task = std::fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children"));
    task.flatten()
        .filter_map(|thread| of_thread(thread).ok())
        .flat_map(|pids| pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>())
        .collect()
}

fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn an_environment_is_chosen_by_name_by_folder_or_by_its_python() {
    let house = House::new();
    let made = house.environments().create("mine", &house.interpreter).unwrap();
    let prefix = made.path.to_str().unwrap();
    for python in [
        LocalPython::Named("mine".into()),
        LocalPython::Path(made.path.clone()),
        LocalPython::Path(made.python.clone()),
    ] {
        let backend = house.backend(python);
        assert_eq!(backend.evaluate::<String>("import sys; sys.prefix").await.unwrap(), prefix);
        assert_eq!(backend.health().await.unwrap().details["environment"], prefix);
    }
    let bare = house.bare();
    let prefix: String = bare.evaluate("import sys; sys.prefix").await.unwrap();
    assert_eq!(prefix, house.interpreter.prefix.to_str().unwrap());
}

#[tokio::test]
async fn what_cannot_start_says_why_and_is_tried_again() {
    let house = House::new();
    let missing = house.backend(LocalPython::Named("later".into()));
    let error = missing.evaluate::<i64>("1").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to local:later");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("\"later\""), "{cause}");
    house.environments().create("later", &house.interpreter).unwrap();
    assert_eq!(missing.evaluate::<i64>("1").await.unwrap(), 1);
    let none = house.backend(LocalPython::RuntimeHost).health().await.unwrap_err();
    let cause = std::error::Error::source(&none).unwrap().to_string();
    assert!(cause.contains("no Python runtime"), "{cause}");
}

#[tokio::test]
async fn dropping_the_last_clone_ends_every_process_and_handles_do_not_keep_them() {
    let house = House::new();
    let backend = house.bare();
    let handle: Handle = backend.evaluate("object()").await.unwrap();
    let session = backend.create_session().await.unwrap();
    let in_session = backend.with_session(&session);
    let code = "import os, subprocess, sys\n\
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n\
        [os.getpid(), os.getppid(), child.pid]";
    let mut pids: Vec<u32> = in_session.evaluate(code).await.unwrap();
    pids.push(backend.evaluate("import os; os.getpid()").await.unwrap());
    assert!(children().contains(&pids[1]), "the zygote is a child of ours");
    drop(backend);
    assert!(pids.iter().all(|&pid| exists(pid)), "a clone is left");
    drop(in_session);
    let left: Vec<_> = pids.iter().filter(|&&pid| exists(pid)).collect();
    assert!(left.is_empty(), "{left:?} of {pids:?}");
    assert!(!children().contains(&pids[1]), "it was waited for");
    drop(handle);
}

#[tokio::test]
async fn busy_code_does_not_hold_up_the_end() {
    let house = House::new();
    let backend = house.bare();
    let began = house.folder.path().join("began");
    let code = format!("open({:?}, 'w').close()\nwhile True: pass", began.display().to_string());
    let busy = tokio::spawn({
        let backend = backend.clone();
        async move { backend.evaluate::<i64>(&code).await }
    });
    while !began.exists() {
        tokio::task::yield_now().await;
    }
    backend.shut_down(Duration::ZERO).await;
    let error = busy.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Host(_)), "{error:?}");
}

#[tokio::test]
async fn shutting_down_finishes_calls_and_refuses_new_ones() {
    let house = House::new();
    let backend = house.bare();
    let other = backend.clone();
    backend.health().await.unwrap();
    backend.shut_down(Duration::from_secs(5)).await;
    let error = other.evaluate::<i64>("1").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ShuttingDown), "{error:?}");
}

#[test]
fn it_does_not_matter_which_tokio_runtime_calls() {
    let house = House::new();
    let backend = house.bare();
    for number in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap(); // not even with I/O
        let handle: Handle = runtime.block_on(backend.wrap_value([number])).unwrap();
        assert_eq!(runtime.block_on(backend.evaluate_with::<i64>("x[0]", [("x", &handle)])).unwrap(), number);
    }
}

#[tokio::test]
async fn dropped_handles_are_released() {
    let house = House::new();
    let backend = house.bare();
    backend.evaluate::<()>("import weakref, gc\nclass Thing: pass\nalive = weakref.WeakSet()").await.unwrap();
    let make = "def make():\n    thing = Thing()\n    alive.add(thing)\n    return thing\nmake()";
    for _ in 0..10 {
        drop(backend.evaluate::<Handle>(make).await.unwrap());
    }
    backend.release_dropped().await;
    let kept: Handle = backend.evaluate(make).await.unwrap();
    assert_eq!(backend.evaluate::<i64>("gc.collect(); len(alive)").await.unwrap(), 1);
    backend.dispose_handle(kept).await.unwrap();
    assert_eq!(backend.evaluate::<i64>("gc.collect(); len(alive)").await.unwrap(), 0);
}

#[test]
fn the_scheme_picks_it() {
    for (endpoint, python) in
        [("local:", LocalPython::RuntimeHost), (" local:./mine ", LocalPython::Path("./mine".into()))]
    {
        let client = connect(endpoint).unwrap();
        let AnyTransport::Local(local) = client.transport() else { panic!("{client:?}") };
        assert_eq!(local.options().python, python);
    }
    assert!(matches!(LocalBackend::connect("http://x"), Err(Error::Endpoint { .. })));
}
