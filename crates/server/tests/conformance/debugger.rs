//! A debugger in a session. The package here stands in for debugpy: it listens in a process that leaves the worker's
//! process session, as debugpy's adapter does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use beep_python_client::{Error, ErrorCode};

use crate::processes::gone;
use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] =
    cases![a_debugger_listens_until_the_session_ends, ended_debugger_is_not_reported, debugger_failure_is_reported,];

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
