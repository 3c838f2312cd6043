//! What orchestrators ask a server, and whether it tells the truth.

use std::fs;

use rustix::process::Signal;

use super::test_home::{TestHome, body_of, get, signal, wait_until};

#[test]
fn a_server_is_ready_only_while_it_can_serve_calls() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0"]);
    let ports = [port(&server, 0), port(&server, 1)];
    let asked = |path: &str| ports.map(|port| get(port, path));
    for (path, said) in [("/livez", r#"{"status":"live"}"#), ("/readyz", r#"{"status":"ready"}"#)] {
        for answer in asked(path) {
            assert!(answer.starts_with("HTTP/1.1 200") && body_of(&answer) == said, "{path}: {answer}");
        }
    }

    // No worker can be started: the zygote is gone, and so is the interpreter.
    let environment = home.root().join("environments/runtime-host");
    let aside = home.directory().join("aside");
    let zygote = home.success(&["eval", "--session", "default", "import os; os.getppid()"]).trim().parse().unwrap();
    fs::rename(environment.join("bin"), &aside).unwrap();
    signal(zygote, Signal::KILL);
    let call = |code: &str| home.run(&["eval", "--session", "default", code]).stdout;
    wait_until("it is not ready: no further session can be made", || {
        asked("/readyz").iter().all(|answer| answer.starts_with("HTTP/1.1 503"))
    });
    let [answer, _] = asked("/readyz");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(body_of(&answer).contains("no worker could be started"), "{answer}");
    for answer in asked("/health") {
        assert!(answer.starts_with("HTTP/1.1 200") && body_of(&answer).contains(r#""status":"not_ready""#), "{answer}");
    }
    assert_eq!(call("6 * 7"), "42\n", "what there is goes on");
    call("import os; os._exit(1)");
    assert!(asked("/readyz").iter().all(|answer| answer.starts_with("HTTP/1.1 503")), "nor can the default one");
    assert!(asked("/livez").iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "it lives all the same");

    // Nobody calls: to be asked is enough for another attempt.
    fs::rename(&aside, environment.join("bin")).unwrap();
    wait_until("it is ready", || asked("/readyz").iter().all(|answer| answer.starts_with("HTTP/1.1 200")));
    assert!(body_of(&get(ports[0], "/health")).contains(r#""status":"ok""#));
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_no_reason_not_to_serve() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let port = port(&server, 0);
    assert!(!body_of(&get(port, "/health")).contains("lostLogEvents"));
    // A stranger's request is logged, where the log takes it.
    let log = server["log"].as_str().expect("a log");
    let writes = rustix::process::prlimit(
        rustix::process::Pid::from_raw(i32::try_from(server["pid"].as_u64().unwrap()).unwrap()),
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: Some(fs::metadata(log).unwrap().len()), maximum: None },
    );
    writes.expect("its limit is set");
    assert!(get(port, "/nowhere").starts_with("HTTP/1.1 404"));
    let health = get(port, "/health");
    assert!(body_of(&health).contains(r#""lostLogEvents":"#), "{health}");
    assert!(body_of(&health).contains(r#""status":"ok""#), "{health}");
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200"));
}

fn port(server: &serde_json::Value, at: usize) -> u16 {
    let url = server["endpoints"][at]["url"].as_str().expect("an endpoint");
    url.rsplit(':').next().unwrap().parse().expect("a port")
}
