//! A debugger in a session. The package here stands in for debugpy: it listens in a process that leaves the worker's
//! process session, as debugpy's adapter does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use beep_python_client::{AnyBackend, Error, ErrorCode, Execution, ExecutionEvent, InputRequest, Returned, Value};
use beep_python_protocol::Outcome;
use futures_util::StreamExt;

use crate::processes::gone;
use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    a_debugger_listens_until_the_session_ends,
    a_debugger_listens_while_a_call_runs,
    a_failure_is_told_while_a_call_runs,
    ended_debugger_is_not_reported,
    debugger_failure_is_reported,
    no_deadline_passes_while_a_debugger_asks,
    no_deadline_passes_while_debugpy_holds_a_thread,
];

const STAND_IN: &str = r#"
import os, socket, subprocess, sys

__version__ = "1.2.3"
settings = {}
ADAPTER = """
import os, socket, sys
os.setsid()
if os.fork(): os._exit(0)
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    client = listener.accept()[0]
    said = client.recv(100)
    if said == b"die": os._exit(1)
    if said == b"who": said = str(os.getpid()).encode()
    client.sendall(said.upper())
    client.close()
"""


def configure(**more):
    settings.update(more)


def listen(address):
    with socket.create_server(address) as listener:
        fd = listener.fileno()
        subprocess.Popen([sys.executable, "-c", ADAPTER, str(fd)], pass_fds=[fd]).wait()
        return listener.getsockname()
"#;

async fn use_stand_in(context: &TestContext, folder: &Path, text: &str) {
    std::fs::write(folder.join("debugpy.py"), text).expect("written");
    let code = format!("import sys\nsys.path.insert(0, {:?})", folder.to_str().expect("UTF-8"));
    context.python.evaluate::<()>(&code).await.expect("done");
}

async fn a_debugger_listens_until_the_session_ends(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    use_stand_in(context, folder.path(), STAND_IN).await;
    let debugger = context.stranger().debug_session(&context.session, false).await.expect("it listens");
    assert_eq!((debugger.host.as_str(), debugger.debugpy.as_deref()), ("127.0.0.1", Some("1.2.3")));

    let address = (debugger.host.as_str(), debugger.port);
    let say = |text: &str| {
        let mut attached = TcpStream::connect(address).expect("the debugger listens");
        attached.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        attached.write_all(text.as_bytes()).expect("sent");
        let mut told = String::new();
        attached.read_to_string(&mut told).expect("answered");
        told
    };
    assert_eq!(say("attach"), "ATTACH");

    // With or without `install`: it is there. The session goes on, and its children are not debugged.
    assert_eq!(context.python.debug_session(&context.session, true).await.expect("as before"), debugger);
    assert!(!context.python.evaluate::<bool>("import debugpy\ndebugpy.settings['subProcess']").await.expect("a value"));

    // Not by its port, which may be another's by then.
    let listens = say("who").parse().expect("a process");
    context.python.restart_session(&context.session).await.expect("restarted");
    gone(listens).await;
}

/// What a main thread does until it is told.
const BUSY: &[&str] = &[
    "while not told: pass",
    "import os\nr, w = os.pipe()\nclass Told(list):\n    def append(self, one): os.write(w, b'x')\ntold = Told()\nos.read(r, 1)",
    "import threading\nwhile not threading.Event().wait(0.01) and not told: pass",
    "import asyncio\nwhile not told: await asyncio.sleep(0.01)",
    "try:\n    while not told: print('x' * 1000)\nfinally: None",
];

async fn a_debugger_listens_while_a_call_runs(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    // The stand-in tells the code that it listens; debugpy is imported once in each worker.
    let told = format!(
        "{STAND_IN}\nfirst = listen\ndef listen(address):\n    sys.modules['__main__'].told.append(1)\n    return first(address)\n"
    );
    for code in BUSY {
        use_stand_in(context, folder.path(), &told).await;
        let code = format!("told = []\nprint('runs', flush=True)\n{code}\n'goes on'");
        let mut execution = context.python.execute(&code).await.expect("started");
        assert!(
            matches!(execution.next().await, Some(ExecutionEvent::Stdout(text)) if text.starts_with("runs\n")),
            "{code}"
        );
        let (first, second) = tokio::join!(
            async { context.companion().debug_session(&context.session, false).await.expect("it listens") },
            async { execution.result::<String>().await.expect("the call goes on") }
        );
        assert_eq!(second, "goes on", "{code}");
        // It is the one that a later call finds.
        assert_eq!(context.python.debug_session(&context.session, false).await.expect("as before"), first);
        TcpStream::connect((first.host.as_str(), first.port)).expect("the debugger listens");
        context.python.restart_session(&context.session).await.expect("restarted");
    }
}

async fn a_failure_is_told_while_a_call_runs(context: &TestContext) {
    let waits = "print('runs', flush=True)\nimport time\nwhile True: time.sleep(0.01)";
    // The wires of one server run this side by side, and a request id is good for all of them.
    let id = context.name();
    let mut execution = context.python.with_request_id(&id).execute(waits).await.expect("started");
    assert!(matches!(execution.next().await, Some(ExecutionEvent::Stdout(_))));
    let Err(Error::Host(problem)) = context.companion().debug_session(&context.session, false).await else {
        panic!("there is no debugpy")
    };
    assert_eq!(problem.code, ErrorCode::NoDebugger);
    assert!(problem.detail.starts_with("debugpy is not installed in "), "{}", problem.detail);
    context.companion().cancel(&id).await.expect("cancelled");
    assert_eq!(execution.result::<Returned>().await.expect_err("cancelled").code(), Some(ErrorCode::Cancelled));
}

async fn ended_debugger_is_not_reported(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    use_stand_in(context, folder.path(), STAND_IN).await;
    let debugger = context.python.debug_session(&context.session, false).await.expect("it listens");
    let mut attached = TcpStream::connect((debugger.host.as_str(), debugger.port)).expect("the debugger listens");
    attached.write_all(b"die").expect("sent");
    let problem = loop {
        match context.python.debug_session(&context.session, false).await {
            Ok(still) => assert_eq!(still, debugger),
            Err(Error::Host(problem)) => break *problem,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(problem.code, ErrorCode::NoDebugger);
    assert!(problem.detail.contains("restart the session"), "{problem:?}");
}

async fn debugger_failure_is_reported(context: &TestContext) {
    let problem = async || match context.python.debug_session(&context.session, false).await {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    };
    let missing = problem().await;
    assert_eq!(missing.code, ErrorCode::NoDebugger);
    assert!(missing.detail.starts_with("debugpy is not installed in "), "{}", missing.detail);

    let folder = tempfile::tempdir().expect("a folder");
    use_stand_in(context, folder.path(), "def configure(**more): raise OSError('no room')").await;
    let failed = problem().await;
    assert_eq!((failed.code, &*failed.detail), (ErrorCode::NoDebugger, "debugpy does not listen: OSError: no room"));

    context.python.evaluate::<()>("del sys.modules['debugpy']").await.expect("done");
    use_stand_in(context, folder.path(), "import no_such_module").await;
    assert!(problem().await.detail.contains("No module named 'no_such_module'"));

    let gone = context.python.debug_session("no-such-session", false).await;
    assert!(matches!(gone, Err(Error::Host(problem)) if problem.code == ErrorCode::UnknownSession));
}

const DEADLINE: Duration = Duration::from_millis(400);

async fn next_question(execution: &mut Execution<impl beep_python_client::Transport>) -> Option<InputRequest> {
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(input) = shown {
            return Some(input);
        }
    }
    None
}

/// Returns when a call with this deadline, which waits for its turn, has heard that it has passed.
async fn a_waiting_call_ends(python: &AnyBackend) {
    let waiting = python.evaluate::<Value>("1").await;
    assert!(
        matches!(&waiting, Err(Error::Host(problem)) if problem.code == ErrorCode::DeadlineExceeded
            && problem.outcome == Some(Outcome::NotStarted)),
        "{waiting:?}"
    );
}

async fn no_deadline_passes_while_a_debugger_asks(context: &TestContext) {
    let python = context.python.with_timeout(DEADLINE);
    let stepped = |code: &'static str| {
        let python = python.clone();
        async move {
            let mut execution = python.execute(code).await.expect("started");
            for line in ["p 1", "c"] {
                let asked = next_question(&mut execution).await.expect("the debugger asks");
                a_waiting_call_ends(&python).await;
                execution.send_input(&asked, Some(line)).await.expect("it waits");
            }
            assert!(next_question(&mut execution).await.is_none());
            execution.result::<Returned>().await
        }
    };
    assert!(stepped("import pdb\npdb.set_trace()\nkept = 1").await.is_ok());
    for code in ["import pdb\npdb.set_trace()\nwhile True: pass", "import pdb\npdb.run('while True: pass')"] {
        let endless = stepped(code).await;
        assert!(
            matches!(&endless, Err(Error::Host(problem)) if problem.code == ErrorCode::DeadlineExceeded),
            "{endless:?}"
        );
    }
    // A question of the code itself does not stop the time.
    let mut execution = python.execute("input()").await.expect("started");
    assert!(next_question(&mut execution).await.is_some());
    assert!(next_question(&mut execution).await.is_none());
    let asked = execution.result::<Returned>().await;
    assert!(matches!(&asked, Err(Error::Host(problem)) if problem.code == ErrorCode::DeadlineExceeded), "{asked:?}");
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("the state is kept"), 1);
}

/// The module of debugpy that stops threads.
const PYDEVD: &str = "class PyDB:
    def do_wait_suspend(self, thread, frame, event, arg, exception_type=None):
        print('stopped', flush=True)
        open(thread).read()
";

async fn no_deadline_passes_while_debugpy_holds_a_thread(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pydevd.py"), PYDEVD).expect("written");
    let lets_go = folder.path().join("lets-go");
    rustix::fs::mknodat(rustix::fs::CWD, &lets_go, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let code = format!(
        "import sys\nsys.path.insert(0, {:?})\nimport pydevd\npydevd.PyDB().do_wait_suspend({lets_go:?}, None, 'line', None)\n\
         sys.path.pop(0)\n7",
        folder.path()
    );
    let python = context.python.with_timeout(DEADLINE);
    let mut execution = python.execute(&code).await.expect("started");
    let stopped = execution.next().await;
    assert!(matches!(&stopped, Some(ExecutionEvent::Stdout(text)) if text == "stopped\n"), "{stopped:?}");
    a_waiting_call_ends(&python).await;
    std::fs::write(&lets_go, "").expect("it is read");
    assert_eq!(execution.result::<i64>().await.expect("in time"), 7);
}
