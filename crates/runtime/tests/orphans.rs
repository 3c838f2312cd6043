//! What the processes of a session leave behind: who reaps it, what counts, and that nothing stays when the session ends.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Limits, SessionOptions};
use beep_python_runtime::session::{Session, SessionManager};
use serde_json::json;
use support::{eval, gone, is_there, kill, on_every_python, on_one_python};

/// Functions that start a process which loses its parent: `daemon()` leaves its process session and environment too, as a daemon
/// does; both return its pid.
const ORPHANS: &str = r#"
import os, signal, subprocess, sys

def orphan(start):
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        start()
        pid = os.fork()
        if pid == 0:
            os.close(told); os.close(tells); os.close(1); os.close(2)
            os.execve('/bin/sh', ['sh', '-c', 'while :; do sleep 1000; done'], {})
        os.write(tells, b'%d' % pid)
        os._exit(0)
    os.waitpid(pid, 0)
    pid = int(os.read(told, 20))
    os.close(told); os.close(tells)
    return pid

def background(): return orphan(lambda: None)
def daemon(): return orphan(os.setsid)
"#;

async fn limited(sessions: &SessionManager, limits: Limits) -> Session {
    let session = sessions.create(SessionOptions { limits, ..SessionOptions::default() }).await.expect("a session");
    eval(&session, ORPHANS).await.value();
    session
}

async fn pids(session: &Session, code: &str) -> Vec<u32> {
    let pids = eval(session, code).await.value().clone();
    serde_json::from_value(pids).expect("process ids")
}

#[test]
fn processes_that_ended_do_not_count() {
    on_every_python(async |sessions| {
        let session = limited(sessions, Limits { processes: Some(6), ..Limits::default() }).await;
        for code in [
            // Each is read to its end: the next one begins when the last has ended.
            "for i in range(12): subprocess.run(['sh', '-c', 'true & exit 0'], capture_output=True)",
            "for i in range(12): subprocess.run(['sh', '-c', 'setsid true & exit 0'], capture_output=True)",
            // Nobody waits for these, as in any Python: the worker's own, and those of an orphan.
            "kept = []\nfor i in range(12):\n    kept.append(subprocess.Popen(['true'], stdout=-1))\n    kept[-1].stdout.read()",
            "told, tells = os.pipe()\nif os.fork() == 0:\n    if os.fork() == 0:\n        for i in range(12):\n            \
             pid = os.fork()\n            if pid == 0: os._exit(0)\n            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n        \
             os.write(tells, b'x')\n        signal.pause()\n    os._exit(0)\nos.read(told, 1)",
        ] {
            eval(&session, code).await.value();
            eval(&session, "import time; time.sleep(0.15)").await.value(); // it is looked at every 50 ms
        }
        assert_eq!(eval(&session, "1").await.reply.epoch, 1);
    });
}

#[test]
fn code_sees_no_children_but_its_own() {
    on_every_python(async |sessions| {
        let session = limited(sessions, Limits::default()).await;
        let wait = "def wait(how=0):\n    try: return os.waitpid(-1, how)\n    except ChildProcessError: return 'none'\n\
                    subprocess.run(['sh', '-c', 'true & exit 0'])\nbackground(); daemon()\n[wait(), wait(os.WNOHANG)]";
        assert_eq!(eval(&session, wait).await.value(), &json!(["none", "none"]));
        let own = "pid = os.fork()\nif pid == 0: os._exit(3)\ndaemon()\nos.wait() == (pid, 3 << 8)";
        assert_eq!(eval(&session, own).await.value(), &json!(true));
        assert_eq!(eval(&session, "wait()").await.value(), "none");
    });
}

#[test]
fn what_lost_its_parent_counts_while_it_lives() {
    on_one_python(async |sessions| {
        for start in ["background()", "daemon()"] {
            let session = limited(sessions, Limits { processes: Some(8), ..Limits::default() }).await;
            let kept = pids(&session, &format!("[{start} for i in range(3)]")).await;
            let told = eval(&session, &format!("import time\n[{start} for i in range(6)]\ntime.sleep(60)")).await;
            assert_eq!(told.problem().code, ErrorCode::TooManyProcesses, "{start}");
            for pid in kept {
                gone(pid).await;
            }
        }
    });
}

#[test]
fn the_processor_time_of_orphans_counts_when_they_have_ended() {
    on_one_python(async |sessions| {
        let session = limited(sessions, Limits { cpu_ms: Some(800), ..Limits::default() }).await;
        let burn = "import time\ndef burn():\n    os.setpgid(0, 0)\n    while time.process_time() < 0.25: pass\n\
                    while True:\n    told, tells = os.pipe()\n    pid = os.fork()\n    if pid == 0:\n        \
                    if os.fork() == 0: burn()\n        os._exit(0)\n    os.waitpid(pid, 0)\n    os.close(tells)\n    os.read(told, 1)";
        assert_eq!(eval(&session, burn).await.problem().code, ErrorCode::CpuTimeExceeded);
    });
}

#[test]
fn nothing_stays_however_the_session_ends() {
    on_every_python(async |sessions| {
        for end in ["delete", "restart", "exit", "kill", "kill the zygote, then delete", "kill the zygote, then kill"] {
            let session = limited(sessions, Limits::default()).await;
            let left = pids(&session, "[background(), daemon(), subprocess.Popen(['sleep', '1000']).pid]").await;
            let ids = pids(&session, "[os.getpid(), os.getppid()]").await;
            if end.contains("zygote") {
                kill(ids[1].into());
                gone(ids[1]).await;
                assert!(left.iter().all(|&pid| is_there(pid)), "the session goes on");
            }
            match end.rsplit(' ').next() {
                Some("delete") => sessions.delete(session.id()).await.expect("deleted"),
                Some("restart") => drop(session.restart().await.expect("restarted")),
                Some("exit") => drop(eval(&session, "os._exit(0)").await),
                _ => kill(ids[0].into()),
            }
            for pid in left {
                gone(pid).await;
            }
        }
    });
}

#[test]
fn a_session_that_ends_leaves_the_daemons_of_others() {
    on_one_python(async |sessions| {
        let [one, two] = [limited(sessions, Limits::default()).await, limited(sessions, Limits::default()).await];
        let ended = pids(&one, "[background(), daemon()]").await;
        let live = pids(&two, "[background(), daemon()]").await;
        kill(one.info().pid.expect("a worker").into());
        for pid in ended {
            gone(pid).await;
        }
        assert!(live.iter().all(|&pid| is_there(pid)), "those of the other session live");
        sessions.delete(two.id()).await.expect("deleted");
        for pid in live {
            gone(pid).await;
        }
    });
}

#[test]
fn an_orphan_that_forks_for_ever_ends() {
    on_one_python(async |sessions| {
        let session = limited(sessions, Limits::default()).await;
        // Each lives for a moment, and its child goes on: there is always one, never the same.
        let relay = "import time\nif os.fork() == 0:\n    os.setsid()\n    while True:\n        \
                     if os.fork(): os._exit(0)\n        os.open('alive', os.O_CREAT)\n        time.sleep(0.001)";
        let folder = tempfile::tempdir().expect("a folder");
        eval(&session, &format!("os.chdir({:?})", folder.path())).await.value();
        eval(&session, relay).await.value();
        let alive = folder.path().join("alive");
        until("it runs", || alive.exists()).await;
        kill(session.info().pid.expect("a worker").into());
        until("it ends", || !is_running_in(folder.path())).await;
    });
}

/// A program whose processes live for less than a look at all processes takes: each has a successor, and ends.
const CHAINS: &str = r#"
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **arguments) {
    for (int chain = 0; chain < atoi(arguments[1]); chain++)
        if (fork() == 0)
            for (;;) {
                if (count > 2) setsid();
                if (fork()) _exit(0);
            }
}
"#;

#[test]
fn chains_of_processes_that_fork_faster_than_they_are_looked_for_end_with_a_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program) = (folder.path().join("chains.c"), folder.path().join("chains"));
    std::fs::write(&source, CHAINS).expect("written");
    let compiled = Command::new("cc").arg("-O2").arg("-o").args([&program, &source]).status();
    if !compiled.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: there is no C compiler");
    }
    on_one_python(async |sessions| {
        for (chains, more) in [("1", ""), ("6", ""), ("1", ", 'setsid'"), ("6", ", 'setsid'")] {
            for end in ["delete", "kill", "kill the zygote, then delete"] {
                let session = limited(sessions, Limits::default()).await;
                let run =
                    format!("os.chdir({:?})\nsubprocess.run([{program:?}, '{chains}'{more}])\nNone", folder.path());
                eval(&session, &run).await.value();
                assert!(is_alive(&program), "they go on");
                let ids = pids(&session, "[os.getpid(), os.getppid()]").await;
                if end.contains("zygote") {
                    kill(ids[1].into());
                    gone(ids[1]).await;
                }
                match end.rsplit(' ').next() {
                    Some("delete") => sessions.delete(session.id()).await.expect("deleted"),
                    _ => kill(ids[0].into()),
                }
                until(&format!("{chains} chains{more} end: {end}"), || !is_alive(&program)).await;
                sessions.delete(session.id()).await.ok();
            }
        }
    });
}

/// Whether a process of this program lives. Each lives for so short a time that one look may miss all of them, but none can write where
/// another reads: a program that runs cannot be opened for writing.
fn is_alive(program: &Path) -> bool {
    std::fs::File::options()
        .append(true)
        .open(program)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy)
}

/// Returns when that is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process has this folder as its own.
fn is_running_in(folder: &Path) -> bool {
    let of = |entry: std::fs::DirEntry| std::fs::read_link(entry.path().join("cwd")).ok();
    std::fs::read_dir("/proc").expect("/proc").flatten().filter_map(of).any(|cwd| cwd == folder)
}

#[test]
fn shared_memory_goes_with_a_worker_that_is_killed() {
    on_one_python(async |sessions| {
        for end in ["restart", "kill", "exit", "kill the zygote, then kill"] {
            let session = limited(sessions, Limits::default()).await;
            // Its tracker needs a moment to be one.
            let made = "from multiprocessing.shared_memory import SharedMemory\nfrom multiprocessing import resource_tracker\n\
                        made = SharedMemory(create=True, size=4096)\ntracker = resource_tracker._resource_tracker._pid\n\
                        def ignored(): return int(open(f'/proc/{tracker}/status').read().split('SigIgn:')[1].split()[0], 16)\n\
                        while not ignored() & 1 << 14: pass\nmade.name";
            let name = eval(&session, made).await.value().as_str().expect("a name").to_owned();
            let ids = pids(&session, "[os.getpid(), os.getppid()]").await;
            let file = Path::new("/dev/shm").join(name.trim_start_matches('/'));
            assert!(file.exists());
            if end.contains("zygote") {
                kill(ids[1].into());
                gone(ids[1]).await;
            }
            match end.rsplit(' ').next() {
                Some("restart") => {
                    let busy = {
                        let session = session.clone();
                        tokio::spawn(async move {
                            eval(
                                &session,
                                "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
                            )
                            .await
                        })
                    };
                    tokio::task::yield_now().await;
                    session.restart().await.expect("restarted");
                    busy.await.expect("answered");
                }
                Some("exit") => drop(eval(&session, "os._exit(0)").await),
                _ => kill(ids[0].into()),
            }
            until(&format!("{end}: the memory is removed"), || !file.exists()).await;
            sessions.delete(session.id()).await.expect("deleted");
        }
    });
}
