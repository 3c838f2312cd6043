//! A home in a temporary folder, and servers in it that are scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use beep_python_runtime::platform::Home;
use beep_python_server::launch::{LaunchError, LaunchPlan, ServerLauncher, ServerRecord, records, stop};

pub(crate) struct TestHome {
    pub(crate) home: Home,
    folder: tempfile::TempDir,
}

impl TestHome {
    pub(crate) fn new() -> TestHome {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("home")).unwrap();
        TestHome { home, folder }
    }

    pub(crate) fn launcher(&self) -> ServerLauncher {
        // `sh serve --id …` runs the script named `serve` in the folder that it starts in.
        ServerLauncher::new("/bin/sh", &self.home)
    }

    /// A plan whose server is this shell script; in it `$2` is the id.
    pub(crate) fn script(&self, script: &str) -> LaunchPlan {
        let directory = tempfile::Builder::new().tempdir_in(self.folder.path()).unwrap().keep();
        fs::write(directory.join("serve"), script).unwrap();
        LaunchPlan { http: Some(0), directory: Some(directory), ..LaunchPlan::default() }
    }

    /// A plan whose server is `tiny_server` in this program, with `behaviour`.
    pub(crate) fn tiny(&self, behaviour: &str) -> LaunchPlan {
        let program = std::env::current_exe().unwrap();
        self.script(&format!(
            "export TINY_SERVER={behaviour} TINY_ID=$2 TINY_LOG=$4\nexec '{}' --exact launch::tiny_server::tiny_server --nocapture",
            program.display()
        ))
    }

    pub(crate) fn launch(&self, plan: &LaunchPlan) -> Result<ServerRecord, LaunchError> {
        self.launcher().launch(plan)
    }

    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.root().join(folder)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        for (record, _) in records(&self.home).unwrap_or_default() {
            let _ = stop(&self.home, &record, Duration::ZERO);
        }
    }
}

/// Kills a process and waits until it is gone.
pub(crate) fn kill_and_wait(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until("it is gone", || !Path::new(&format!("/proc/{}", pid.as_raw_pid())).exists());
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited a minute in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
