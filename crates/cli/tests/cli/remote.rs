//! Listening where other machines reach the server.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, UdpSocket};
use std::process::{Command, Stdio};

use serde_json::Value;

use rustix::process::Signal;

use super::curl::{self, bearer};
use super::test_home::{CommandOutput, Ended, TestHome, port_of, python, signal};

/// An address of this machine that is not of loopback; no packet is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    let found = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).ok().map(|address| address.ip());
    let found = found.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if found.is_none() {
        eprintln!("SKIPPED: this machine has no address but those of loopback");
    }
    found
}

/// The status of an answer, and its text.
fn ask(address: &str, path: &str, token: Option<&str>, body: Option<&str>) -> (String, String) {
    let token = token.map(bearer);
    curl::ask(&format!("{address}{path}"), token.as_deref().as_slice(), body)
}

fn token(home: &TestHome, name: &str) -> String {
    home.success(&["token", "create", name]).trim().to_owned()
}

#[test]
fn addresses_of_a_network_need_tls() {
    let home = TestHome::with_runtime();
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let refused = home.run(&["start", "http", "--port", "0", "--host", host]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        for said in ["without TLS an eavesdropper could run code", "--tls-self-signed", "--insecure-remote"] {
            assert!(refused.stderr.contains(said), "{refused:?}");
        }
    }
    let several = home.start(&["--host", "127.0.0.1", "--host", "127.0.0.2"]);
    for host in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(ask(&format!("http://{host}:{}", port_of(&several)), "/health", None, None).0, "200", "{host}");
    }
    let open = home.start(&["--host", "0.0.0.0", "--insecure-remote"]);
    assert_eq!(open["endpoints"][0]["url"], format!("http://127.0.0.1:{}", port_of(&open)), "what clients here use");
    assert_eq!(ask(&format!("http://127.0.0.1:{}", port_of(&open)), "/health", None, None).0, "200");
    let unknown = home.run(&["start", "http", "--port", "0", "--host", "no such name"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no address to listen at"), "{unknown:?}");
}

#[test]
fn remote_clients_need_a_token_and_name_no_paths() {
    let Some(ip) = own_address() else { return };
    let home = TestHome::with_runtime();
    let token = token(&home, "remote");
    let environment = home.root().join("environments/runtime-host").display().to_string();
    let session = |name: &str| format!(r#"{{"environment": "{name}"}}"#);
    for (more, by_path) in [(&[][..], "403"), (&["--allow-paths"], "200")] {
        let server = home.start(&[&["--tls-self-signed", "--host", "0.0.0.0"], more].concat());
        let address = format!("https://{ip}:{}", port_of(&server));
        assert_eq!(ask(&address, "/health", None, None).0, "401");
        assert_eq!(ask(&address, "/health", Some("wrong"), None).0, "401");
        assert_eq!(ask(&address, "/health", Some(&token), None).0, "200");
        assert_eq!(ask(&address, "/api/sessions", Some(&token), Some(&session("runtime-host"))).0, "200");
        let (status, text) = ask(&address, "/api/sessions", Some(&token), Some(&session(&environment)));
        assert_eq!(status, by_path, "{text}");
        if by_path == "403" {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "forbidden");
        }
        // On loopback the own user needs neither.
        let local = format!("https://127.0.0.1:{}", port_of(&server));
        assert_eq!(ask(&local, "/api/sessions", None, Some(&session(&environment))).0, "200");
        let pinned = format!("{address}?fingerprint={}", server["fingerprint"].as_str().unwrap());
        let elsewhere = TestHome::new();
        let mut eval = elsewhere.command(&["eval", "--server", &pinned, "6 * 7"]);
        eval.env("BEEP_PYTHON_TOKEN", &token);
        assert_eq!(CommandOutput::from(eval.output().unwrap()).stdout, "42\n");
        home.success(&["stop", "--all"]);
    }
}

#[test]
fn names_are_checked_without_tls_beyond_loopback() {
    let Some(ip) = own_address() else { return };
    let home = TestHome::with_runtime();
    let token = token(&home, "remote");
    let server = home.start(&["--insecure-remote", "--host", &ip.to_string()]);
    let address = format!("http://{ip}:{}", port_of(&server));
    assert_eq!(ask(&address, "/health", Some(&token), None).0, "200");
    assert_eq!(ask(&address, "/health", None, None).0, "401");
    let rebound = curl::ask(&format!("{address}/health"), &["Host: evil.example"], None);
    assert_eq!(rebound.0, "403");
    let log = home.success(&["logs"]);
    assert_eq!(log.lines().filter(|line| line.contains(&format!("client={ip}"))).count(), 2, "{log}");
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n", "its own user's commands have the token");
}

/// A server whose socket another starter has bound.
fn activated(home: &TestHome, address: &str, more: &[&str]) -> Command {
    let environment = home.json(&["venv", "status", "mine"])["path"].as_str().unwrap().to_owned();
    with_socket(home, address, None, &[&["serve", "--id", "a00001", "--environment", &environment], more].concat())
}

/// A command that is passed a listening socket, as systemd does it: by `name`, where there is one.
fn with_socket(home: &TestHome, address: &str, name: Option<&str>, command: &[&str]) -> Command {
    const STARTER: &str = "import os, socket, sys\n\
        listening = socket.socket(); listening.bind((sys.argv[1], 0)); listening.listen()\n\
        print(listening.getsockname()[1], flush=True)\n\
        os.dup2(listening.fileno(), 3); os.set_inheritable(3, True); os.environ['LISTEN_FDS'] = '1'\n\
        if sys.argv[2]: os.environ.update(LISTEN_FDNAMES=sys.argv[2], LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[3], sys.argv[3:])";
    let serve = home.command(command);
    let mut starter = Command::new(python());
    starter.args(["-c", STARTER, address, name.unwrap_or_default()]).arg(serve.get_program()).args(serve.get_args());
    starter.current_dir(home.directory()).stdin(Stdio::null());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => starter.env(name, value),
            None => starter.env_remove(name),
        };
    }
    starter
}

#[test]
fn sockets_of_a_network_that_another_starter_bound_need_tls() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let mut starter = activated(&home, "0.0.0.0", &[]);
    let mut refused = Ended(starter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let mut stdout = BufReader::new(refused.0.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.trim().parse::<u16>().is_ok(), "the starter's line: {line}");
    assert_eq!(std::io::read_to_string(stdout).unwrap(), "", "it is not ready");
    assert_eq!(refused.0.wait().unwrap().code(), Some(1));
    let stderr = std::io::read_to_string(refused.0.stderr.take().unwrap()).unwrap();
    for said in ["\"0.0.0.0\" is no loopback address", "--tls-self-signed", "--insecure-remote"] {
        assert!(stderr.contains(said), "{stderr}");
    }
    assert_eq!(home.json(&["status"]), serde_json::json!([]));
    for (address, more) in
        [("127.0.0.1", &[][..]), ("0.0.0.0", &["--insecure-remote"]), ("0.0.0.0", &["--tls-self-signed"])]
    {
        let mut server = Ended(activated(&home, address, more).stdout(Stdio::piped()).spawn().unwrap());
        let line = BufReader::new(server.0.stdout.take().unwrap()).lines().nth(1).unwrap().unwrap();
        assert!(line.contains("is ready"), "{address} {more:?}: {line}");
        signal(server.0.id().into(), Signal::TERM);
        assert_eq!(server.0.wait().unwrap().code(), Some(0));
    }
}

/// As the units of the package do it: the socket is the manager's, and other backends are bound beside it.
#[test]
fn server_in_the_foreground_may_end_with_its_starter() {
    let home = TestHome::with_runtime();
    let command = ["start", "pipe", "--foreground", "--stop-at-end-of-input"];
    let mut server = Ended(home.command(&command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("is ready at unix:"));
    drop(server.0.stdin.take());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn server_in_the_foreground_takes_the_sockets_of_its_service_manager() {
    let home = TestHome::with_runtime();
    let command = ["start", "http", "pipe", "--foreground"];
    let mut starter = with_socket(&home, "127.0.0.1", Some("http"), &command);
    let mut server = Ended(starter.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = lines.next().unwrap();
    assert!(lines.next().unwrap().contains(&format!("is ready at http://127.0.0.1:{port}")));
    assert!(lines.next().unwrap().contains("is ready at unix:"));
    assert_eq!(ask(&format!("http://127.0.0.1:{port}"), "/health", None, None).0, "200");
    signal(server.0.id().into(), Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    for (name, said) in
        [("rpc", "socket for 'rpc', which is not among the backends"), ("a.socket", "`http`, `pipe` or `rpc`")]
    {
        let refused = with_socket(&home, "127.0.0.1", Some(name), &command).output().unwrap();
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && stderr.contains(said), "{stderr}");
    }
}
