//! What counts as a session's memory: what it made or wrote, once; not what the zygote made, nor the files that it maps.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use std::time::{Duration, Instant};

use beep_python_protocol::{CallLimits, ErrorCode, Limits, Operation, Outcome, SessionOptions};
use beep_python_runtime::session::{Request, Session, SessionManager};
use serde_json::json;
use support::{Told, eval, gone, kill, on_one_python, send, with_options};

/// Functions of each session. `stay` is long enough to be looked at several times.
const HELPERS: &str = r#"
import mmap, os, subprocess, sys, time

def stay(): time.sleep(0.25)

def touch(memory):
    for at in range(0, len(memory), 4096): memory[at]

def write(memory):
    for at in range(0, len(memory), 4096): memory[at] = 1
    return memory

def taken(megabytes): return bytearray(b'x') * (megabytes << 20)

held = False  # how long children stay

def children(number, work):
    """Forks so many, which work, keep what that returns, and stay until all have."""
    done, does = os.pipe()
    stays, leaves = os.pipe()
    pids = []
    for i in range(number):
        pid = os.fork()
        if pid == 0:
            os.close(leaves)
            kept = work()
            os.write(does, b'x')
            os.read(stays, 1)
            os._exit(0)
        pids.append(pid)
    told = 0
    while told < number: told += len(os.read(done, 100))
    time.sleep(60 if held else 0.25)
    os.close(leaves)
    for pid in pids: os.waitpid(pid, 0)

def child(megabytes):
    code = f'x = bytearray(b"x") * ({megabytes} << 20); import time; time.sleep(60)'
    return subprocess.Popen([sys.executable, '-c', code])

def file(megabytes):
    path = 'mapped'
    with open(path, 'wb') as made: made.truncate(megabytes << 20)
    return os.open(path, os.O_RDWR)
"#;

const MIB: u64 = 1 << 20;

async fn limited(sessions: &SessionManager, megabytes: u64) -> Session {
    let limits = Limits { memory_bytes: Some(megabytes * MIB), ..Limits::default() };
    let session = sessions.create(SessionOptions { limits, ..SessionOptions::default() }).await.expect("a session");
    eval(&session, HELPERS).await.value();
    session
}

async fn is_within(session: &Session, code: &str) {
    let told = eval(session, &format!("{code}\nstay()\n'within'")).await;
    assert_eq!(told.value(), "within", "{code}");
}

async fn is_beyond(session: &Session, code: &str) {
    let told = eval(session, &format!("held = True\n{code}\ntime.sleep(60)")).await;
    eval(session, HELPERS).await.value();
    assert_eq!(told.problem().code, ErrorCode::MemoryExceeded, "{code}");
}

/// Sessions in which a module was preloaded that holds this.
fn with_preload(module: &str, test: impl AsyncFn(&SessionManager)) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("preloaded.py"), module).expect("written");
    with_options(
        |options| {
            options.preload = vec!["preloaded".to_owned()];
            options.directory = Some(folder.path().to_owned());
        },
        test,
    );
}

/// Sessions whose folder is their own.
fn in_a_folder(test: impl AsyncFn(&SessionManager)) {
    let folder = tempfile::tempdir().expect("a folder");
    with_options(|options| options.directory = Some(folder.path().to_owned()), test);
}

const MODEL: &str = "weights = bytearray(b'x') * (200 << 20)";

#[test]
fn what_was_preloaded_is_no_sessions() {
    with_preload(MODEL, async |sessions| {
        let one = limited(sessions, 100).await;
        is_within(&one, "import preloaded; touch(preloaded.weights)").await;
        let two = limited(sessions, 100).await;
        for session in [&one, &two] {
            is_within(session, "import preloaded; touch(preloaded.weights)").await;
            is_within(session, "kept = taken(60)").await;
        }
        is_within(&one, "children(4, lambda: touch(preloaded.weights))").await;
        is_within(&two, "children(3, lambda: touch(kept))").await;
        is_beyond(&one, "more = taken(60)").await;
        is_beyond(&two, "children(2, lambda: write(taken(40)))").await;
    });
}

#[test]
fn pages_of_a_preload_that_are_written_are_the_sessions() {
    with_preload(MODEL, async |sessions| {
        let (one, two) = (limited(sessions, 100).await, limited(sessions, 100).await);
        is_within(&two, "import preloaded; touch(preloaded.weights)").await;
        is_within(&one, "import preloaded; write(memoryview(preloaded.weights)[:50 << 20])").await;
        is_beyond(&one, "import preloaded; write(preloaded.weights)").await;
        is_within(&two, "touch(preloaded.weights)").await;
        is_beyond(&two, "children(1, lambda: write(preloaded.weights))").await;
    });
}

#[test]
fn sessions_whose_zygote_is_gone_are_charged_no_more() {
    with_preload(MODEL, async |sessions| {
        let session = limited(sessions, 100).await;
        is_within(&session, "import preloaded; kept = taken(50)").await;
        let zygote = eval(&session, "os.getppid()").await.value().as_i64().expect("a pid");
        kill(zygote);
        gone(zygote as u32).await;
        is_within(&session, "touch(preloaded.weights)").await;
        is_within(&session, "children(3, lambda: touch(preloaded.weights))").await;
        is_beyond(&session, "more = taken(70)").await;
    });
}

#[test]
fn shared_memory_of_a_preload_is_no_sessions() {
    let module = "import mmap, os\nheld = mmap.mmap(-1, 200 << 20)\nfor at in range(0, len(held), 4096): held[at] = 1\n\
                  fd = os.open('/dev/shm', os.O_TMPFILE | os.O_RDWR)\n[os.write(fd, bytes(4 << 20)) for i in range(30)]";
    with_preload(module, async |sessions| {
        let session = limited(sessions, 100).await;
        is_within(&session, "import preloaded; touch(preloaded.held)").await;
        is_within(&session, "children(2, lambda: touch(preloaded.held))").await;
        is_beyond(&session, "more = taken(120)").await;
    });
}

#[test]
fn what_children_share_counts_once() {
    on_one_python(async |sessions| {
        let session = limited(sessions, 200).await;
        is_within(&session, "kept = taken(100)\nchildren(4, lambda: touch(kept))").await;
        is_within(&session, "for i in range(100): subprocess.run(['true'])").await;
        is_within(&session, "def nested(): children(2, lambda: touch(kept))\nchildren(2, nested)").await;
        is_beyond(&session, "children(3, lambda: write(kept))").await;
    });
}

#[test]
fn a_pool_reads_what_its_parent_holds() {
    on_one_python(async |sessions| {
        let session = limited(sessions, 250).await;
        let pool = "import multiprocessing\nkept = taken(100)\ndef read(number):\n    touch(kept); time.sleep(0.1)\n    return number\n\
                    with multiprocessing.get_context('fork').Pool(4) as pool: found = pool.map(read, range(8), 1)";
        is_within(&session, pool).await;
        assert_eq!(eval(&session, "found").await.value(), &json!([0, 1, 2, 3, 4, 5, 6, 7]));
    });
}

#[test]
fn files_that_are_mapped_do_not_count() {
    in_a_folder(async |sessions| {
        let session = limited(sessions, 100).await;
        is_within(&session, "read = mmap.mmap(file(200), 0, access=mmap.ACCESS_READ); touch(read)").await;
        is_within(&session, "copy = mmap.mmap(file(200), 0, access=mmap.ACCESS_COPY); touch(copy)").await;
        is_within(&session, "children(2, lambda: touch(copy))").await;
        is_within(&session, "both = mmap.mmap(file(200), 0); write(both)").await;
        is_within(&session, "large = mmap.mmap(file(3000), 0, access=mmap.ACCESS_COPY)").await;
        is_beyond(&session, "write(copy)").await;
    });
}

#[test]
fn what_children_take_counts() {
    on_one_python(async |sessions| {
        let session = limited(sessions, 200).await;
        is_within(&session, "one = child(100)\nstay()\none.kill(); one.wait()").await;
        is_beyond(&session, "one = child(240)").await;
        is_beyond(&session, "many = [child(40) for i in range(6)]").await;
        let session = limited(sessions, 200).await;
        is_beyond(&session, "children(6, lambda: taken(40))").await;
    });
}

#[test]
fn shared_memory_counts_once() {
    on_one_python(async |sessions| {
        let session = limited(sessions, 200).await;
        let made = "shared = mmap.mmap(-1, 120 << 20); write(shared)\nchildren(3, lambda: touch(shared))";
        is_within(&session, made).await;
        is_within(&session, "del shared").await;
        let file = "def shm(megabytes):\n    fd = os.open('/dev/shm', os.O_TMPFILE | os.O_RDWR)\n    os.truncate(fd, megabytes << 20)\n    return fd";
        eval(&session, file).await.value();
        let mapped = "fd = shm(120)\nshared = mmap.mmap(fd, 0); write(shared)\nchildren(3, lambda: touch(shared))";
        is_within(&session, mapped).await;
        // What is closed counts as long as it is mapped, and what is not mapped as long as it is open.
        is_within(&session, "os.close(fd)").await;
        is_beyond(&session, "fd = shm(120)\n[os.write(fd, bytes(4 << 20)) for i in range(30)]").await;
    });
}

#[test]
fn growth_counts_what_the_call_made() {
    with_preload(MODEL, async |sessions| {
        let session = sessions.default_session();
        eval(session, HELPERS).await.value();
        eval(session, "import preloaded; kept = taken(60)").await.value();
        let growing = async |code: &str| {
            let limits = CallLimits { memory_growth_bytes: Some(50 * MIB), ..CallLimits::default() };
            let body = json!({ "expression": format!("stay()\n{code}\nstay()\n'within'") }).to_string();
            let mut request = Request::new(Operation::Evaluate, body);
            request.limits = Some(Box::new(limits));
            Told::from(session.call(request).await)
        };
        for code in [
            "children(3, lambda: touch(kept))",
            "children(3, lambda: touch(preloaded.weights))",
            "x = taken(30)",
            "y = taken(30)",
        ] {
            assert_eq!(growing(code).await.value(), "within", "{code}");
        }
        for code in ["z = taken(80)", "write(preloaded.weights)", "children(2, lambda: write(kept))"] {
            assert_eq!(
                growing(&format!("held = True\n{code}\ntime.sleep(60)")).await.problem().code,
                ErrorCode::MemoryExceeded,
                "{code}"
            );
        }
    });
}

#[test]
fn a_session_that_is_still_too_large_may_free_that_or_loses_it_and_is_told() {
    on_one_python(async |sessions| {
        let limits = Limits { memory_bytes: Some(100 * MIB), grace_ms: Some(1000), ..Limits::default() };
        let options = SessionOptions { limits, ..SessionOptions::default() };
        let session = sessions.create(options).await.expect("a session");
        eval(&session, HELPERS).await.value();
        let too_much = async || {
            let told = eval(&session, "kept = [taken(5) for i in range(28)]\ntime.sleep(60)").await;
            assert_eq!(
                (told.problem().code, told.problem().outcome),
                (ErrorCode::MemoryExceeded, Some(Outcome::StateKept))
            );
            told.problem().detail.clone()
        };
        // It may be interrupted before it is done, and then what it had is free.
        let detail = loop {
            let detail = too_much().await;
            if eval(&session, "'kept' in globals()").await.value() == &json!(true) {
                break detail;
            }
        };
        assert!(detail.contains("for now, but it holds 1") && detail.contains("100.0 MiB"), "{detail}");
        assert_eq!(eval(&session, "len(kept)").await.value(), &json!(28), "it has its state");
        eval(&session, "del kept").await.value();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(eval(&session, "'taken' in globals()").await.value(), &json!(true), "it freed that in time");
        while session.epoch() == 1 {
            too_much().await;
            let ended = until_epoch(&session, 2, Duration::from_secs(5)).await;
            assert!(ended || eval(&session, "'kept' in globals()").await.value() == &json!(false));
        }
        is_told_once(&session, "memory_exceeded").await;
    });
}

#[test]
fn a_session_that_is_too_large_while_idle_ends_and_the_next_call_is_told() {
    on_one_python(async |sessions| {
        let session = limited(sessions, 100).await;
        // The call ends at once, and what it started grows then.
        let later = "import threading\ngo = threading.Event()\ndef grow():\n    global kept\n    time.sleep(0.1); kept = taken(150)\n\
                     threading.Thread(target=grow, daemon=True).start()";
        eval(&session, later).await.value();
        assert!(until_epoch(&session, 2, Duration::from_secs(60)).await);
        // What only gives handles back does not ask for the state.
        send(&session, Operation::Dispose, json!({ "handleId": "s1.1.1" })).await;
        is_told_once(&session, "memory_exceeded").await;
    });
}

async fn is_told_once(session: &Session, why: &str) {
    let told = eval(session, "1").await;
    assert_eq!((told.problem().code, told.problem().started), (ErrorCode::SessionRestarted, Some(false)));
    assert!(told.problem().detail.contains(why), "{}", told.problem().detail);
    assert_eq!(eval(session, "2").await.value(), &json!(2));
}

async fn until_epoch(session: &Session, epoch: u64, time: Duration) -> bool {
    let began = Instant::now();
    while session.epoch() < epoch && began.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    session.epoch() == epoch
}
