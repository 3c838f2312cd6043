//! `debug`: installs debugpy on request, and says how to attach.

use serde_json::json;

use super::index::{Index, from, tools};
use super::test_home::TestHome;

const STAND_IN: &str = "
import socket
__version__ = '1.0'
listener = socket.create_server(('127.0.0.1', 0))
def configure(**settings): pass
def listen(address): return listener.getsockname()
";

#[test]
fn debug_installs_debugpy_on_request_and_says_how_to_attach() {
    let (index, home) = (Index::of(&["debugpy"]), TestHome::with_runtime());
    let tool = tools()[0];
    for arguments in [&["venv", "create", "mine"][..], &["start", "http", "--port", "0", "--venv", "mine"]] {
        let done = from(&index, &home, tool, arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let session = home.success(&["session", "create"]).trim().to_owned();
    let missing = home.run(&["debug", &session]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("debugpy is not installed in "), "{missing:?}");
    assert!(missing.stderr.contains(&format!("hint: `beep-python debug {session} --install`")), "{missing:?}");
    let server = home.json(&["status"])[0]["id"].as_str().unwrap().to_owned();
    let missing = home.run(&["debug", &session, "--server", &server]);
    let hint = format!("hint: `beep-python debug {session} --server {server} --install`");
    assert!(missing.stderr.contains(&hint), "{missing:?}");

    // The index has a package of that name that does not listen.
    let installed = home.run(&["debug", &session, "--install"]);
    assert!(installed.stderr.contains("debugpy does not listen: AttributeError: "), "{installed:?}");
    let mine = home.root().join("environments/mine/lib");
    let python = std::fs::read_dir(mine).unwrap().next().unwrap().unwrap().path();
    let module = python.join("site-packages/debugpy.py");
    assert!(module.exists());
    std::fs::write(module, STAND_IN).unwrap();
    home.success(&["session", "restart", &session]);

    let told = home.json(&["debug", &session]);
    let (host, port) = (&told["host"], &told["port"]);
    assert_eq!((host, &told["debugpy"]), (&json!("127.0.0.1"), &json!("1.0")));
    assert_eq!(told["launch"]["connect"], json!({ "host": host, "port": port }));
    let output = home.success(&["debug", &session, "--install"]);
    assert!(
        output.starts_with(&format!("debugpy 1.0 listens for the session {session} at 127.0.0.1:{port}\n")),
        "{output}"
    );
    assert!(output.contains("\"request\": \"attach\""), "{output}");
    assert!(output.contains(&format!("    beep-python eval --session {session} 'breakpoint()'\n")), "{output}");
    let output = home.success(&["debug", &session, "--server", &server]);
    let stop = format!("    beep-python eval --server {server} --session {session} 'breakpoint()'\n");
    assert!(output.contains(&stop), "{output}");
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}
