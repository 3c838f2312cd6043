//! Servers whose log cannot be written: they go on.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::test_home::{Ended, TestHome, signal};

/// The largest file that the server may write, where that is limited.
const LARGEST: u64 = 4 << 20;

/// A server in the foreground with this standard error.
fn start(home: &TestHome, stderr: impl Into<Stdio>, limited: bool) -> Ended {
    let mut command = home.command(&["start", "http", "--port", "0", "--foreground"]);
    command.stdout(Stdio::piped()).stderr(stderr);
    let limit = move || {
        if limited {
            setrlimit(Resource::Fsize, Rlimit { current: Some(LARGEST), maximum: Some(LARGEST) })?;
        }
        Ok(())
    };
    // SAFETY: one plain system call, which neither allocates nor locks.
    unsafe { command.pre_exec(limit) };
    let mut server = Ended(command.spawn().unwrap());
    let first = BufReader::new(server.0.stdout.take().unwrap()).lines().next();
    assert!(first.as_ref().is_some_and(|line| line.as_ref().unwrap().contains("is ready")), "{first:?}");
    server
}

/// Has the server log at the default level several times, and asks it in between.
fn goes_on(home: &TestHome) {
    let default = |code: &str| home.run(&["eval", "--session", "default", "--timeout", "60", code]);
    assert_eq!(default("x = 1").code, Some(0));
    for _ in 0..2 {
        // A crash is logged.
        assert!(default("import os; os._exit(3)").stderr.contains("exited with status 3"));
        assert_eq!(default("1 + 1").stdout, "2\n");
        assert_eq!(home.success(&["eval", "6 * 7"]), "42\n", "in a session of its own");
    }
}

fn stop(mut server: Ended) {
    signal(server.0.id().into(), Signal::INT);
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn on_a_full_disk() {
    let home = TestHome::with_runtime();
    let server = start(&home, File::options().write(true).open("/dev/full").unwrap(), false);
    goes_on(&home);
    stop(server);
}

#[test]
fn in_a_pipe_whose_reader_is_gone() {
    let home = TestHome::with_runtime();
    let (reader, writer) = io::pipe().unwrap();
    let server = start(&home, writer, false);
    drop(reader);
    goes_on(&home);
    stop(server);
}

#[test]
fn in_a_pipe_that_nobody_reads_and_those_left_out_are_counted_once_it_is_read() {
    let home = TestHome::with_runtime();
    let (mut reader, mut writer) = io::pipe().unwrap();
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    writer.write_all(&vec![b'.'; size]).unwrap();
    let server = start(&home, writer, false);
    goes_on(&home);
    reader.read_exact(&mut vec![0; size]).unwrap();
    stop(server);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    let first = log.lines().next().unwrap_or_default();
    assert!(first.starts_with('(') && first.ends_with(" events could not be written here)"), "{log}");
    assert!(log.contains("stopping"), "{log}");
}

#[test]
fn in_a_file_as_large_as_files_may_be() {
    let home = TestHome::with_runtime();
    let path = home.directory().join("log");
    let mut log = File::create(&path).unwrap();
    log.write_all(&vec![b'.'; LARGEST as usize - 10]).unwrap();
    let server = start(&home, log, true);
    goes_on(&home);
    let ignored = "import signal, subprocess\n\
        print(signal.getsignal(signal.SIGXFSZ).name, signal.getsignal(signal.SIGPIPE).name)\n\
        lines = subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout.splitlines()\n\
        mask = [int(line.split()[1], 16) for line in lines if line.startswith('SigIgn')][0]\n\
        print([name for name in ('SIGPIPE', 'SIGXFSZ') if mask >> getattr(signal, name) - 1 & 1])\n\
        try:\n    open('large', 'wb').write(bytes(8 << 20))\nexcept OSError as error:\n    print(type(error).__name__, error.errno)";
    let found = home.success(&["eval", "--session", "default", ignored]);
    assert_eq!(found, "SIG_IGN SIG_IGN\n[]\nOSError 27\n", "as in any Python");
    stop(server);
    assert_eq!(fs::metadata(&path).unwrap().len(), LARGEST);
}
