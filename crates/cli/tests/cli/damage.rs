//! Caches that a full disk, a crash of the machine or a cleaner damaged.

use std::fs;
use std::path::PathBuf;

use super::test_home::TestHome;

/// The unpacked Python side.
fn package(home: &TestHome) -> PathBuf {
    let cache = fs::read_dir(home.root().join("cache")).unwrap().flatten().map(|entry| entry.path());
    let mut found = cache.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("python-"));
    found.next().unwrap().join("beep_python")
}

#[test]
fn damaged_python_side_is_made_anew_by_the_next_start() {
    let home = TestHome::with_runtime();
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n");
    let package = package(&home);
    let source = package.join("_worker.py");
    let whole = fs::read(&source).unwrap();
    let compiled = || {
        let entries = fs::read_dir(package.join("__pycache__")).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("_worker.")).last().unwrap()
    };
    let damages: [&dyn Fn(); 6] = [
        &|| fs::remove_file(&source).unwrap(),
        &|| fs::write(&source, "").unwrap(),
        &|| fs::write(compiled(), "").unwrap(),
        // The head, by which Python knows that it fits its source, is whole.
        &|| fs::write(compiled(), &fs::read(compiled()).unwrap()[..60]).unwrap(),
        &|| {
            let mut bytes = fs::read(compiled()).unwrap();
            bytes[16..].fill(0);
            fs::write(compiled(), bytes).unwrap();
        },
        &|| fs::remove_dir_all(&package).unwrap(),
    ];
    for damage in damages {
        damage();
        assert_eq!(home.success(&["eval", "1 + 1"]), "2\n");
        assert_eq!(fs::read(&source).unwrap(), whole);
    }
}

#[test]
fn server_goes_on_when_the_cache_is_removed_under_it() {
    let home = TestHome::with_runtime();
    // A module that leaves a thread, so that workers are spawned, and read the Python side anew.
    let module = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n";
    fs::write(home.directory().join("threads.py"), module).unwrap();
    home.start(&["--python-path", "."]);
    home.success(&["eval", "--session", "default", "x = 1"]);
    let spawned = home.success(&["session", "create", "--preload", "threads"]).trim().to_owned();
    for session in ["default", &spawned] {
        fs::remove_dir_all(home.root().join("cache")).unwrap();
        assert_eq!(home.success(&["eval", "--session", session, "1 + 1"]), "2\n", "sessions go on");
        assert_eq!(home.success(&["eval", "1 + 1"]), "2\n", "a new one is made");
        let spawned = home.success(&["session", "create", "--preload", "threads"]).trim().to_owned();
        assert_eq!(home.success(&["eval", "--session", &spawned, "1 + 1"]), "2\n");
    }
    fs::remove_dir_all(home.root().join("cache")).unwrap();
    // Another zygote.
    let fresh = home.success(&["session", "create", "--preload", "decimal"]).trim().to_owned();
    assert_eq!(home.success(&["eval", "--session", &fresh, "1 + 1"]), "2\n");
}
