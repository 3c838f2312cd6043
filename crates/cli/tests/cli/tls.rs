//! TLS: the server's certificate and clients that know it, or do not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::test_home::{CommandOutput, TestHome, python};

fn run(mut command: Command) -> CommandOutput {
    CommandOutput::from(command.output().unwrap())
}

fn url(server: &Value, backend: usize) -> &str {
    server["endpoints"][backend]["url"].as_str().unwrap()
}

fn port(server: &Value, backend: usize) -> &str {
    url(server, backend).rsplit_once(':').unwrap().1
}

/// A certificate and its key, as a home makes them for itself.
fn pair() -> (TestHome, PathBuf, PathBuf) {
    let home = TestHome::with_runtime();
    home.start(&["--tls-self-signed"]);
    home.success(&["stop"]);
    let folder = home.root().join("tls");
    (home, folder.join("certificate.pem"), folder.join("key.pem"))
}

/// What a client of Python's `ssl` sees: the protocol that was agreed on, and the fingerprint.
fn seen(port: &str, protocols: &str, more: &[&str]) -> CommandOutput {
    const CODE: &str = "import hashlib, socket, ssl, sys\n\
        context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE\n\
        context.set_alpn_protocols([name for name in sys.argv[2].split(',') if name])\n\
        if sys.argv[3:]: context.load_cert_chain(*sys.argv[3:])\n\
        stream = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))))\n\
        print(stream.selected_alpn_protocol(), hashlib.sha256(stream.getpeercert(True)).hexdigest())\n\
        if 'h2' not in sys.argv[2]:\n\
        \x20 stream.sendall(b'GET /health HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n'); print(stream.recv(100)[:15])";
    let mut command = Command::new(python());
    command.args(["-c", CODE, port, protocols]).args(more);
    run(command)
}

#[test]
fn every_wire_speaks_tls_and_commands_of_the_home_know_the_certificate() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "pipe", "--port", "0", "--rpc-port", "0", "--tls-self-signed"]);
    assert!(url(&server, 0).starts_with("https://") && url(&server, 2).starts_with("grpcs://"), "{server}");
    for backend in 0..3 {
        assert_eq!(home.success(&["eval", "--server", url(&server, backend), "6 * 7"]), "42\n");
    }
    let fingerprint = server["fingerprint"].as_str().unwrap();
    let hex = fingerprint.replace(':', "").to_lowercase();
    for backend in [0, 2] {
        let agreed = |protocols: &str| seen(port(&server, backend), protocols, &[]).stdout;
        assert_eq!(agreed("h2,http/1.1"), format!("h2 {hex}\n"));
        assert_eq!(agreed("http/1.1"), format!("http/1.1 {hex}\nb'HTTP/1.1 200 OK'\n"));
        assert_eq!(agreed(""), format!("None {hex}\nb'HTTP/1.1 200 OK'\n"));
        let plain = run({
            let mut curl = Command::new("curl");
            curl.args(["-s", &format!("http://127.0.0.1:{}/health", port(&server, backend))]);
            curl
        });
        assert!(plain.stdout.contains("this server speaks TLS"), "{plain:?}");
    }
    let again = home.json(&["restart"]);
    assert_eq!(again["fingerprint"], fingerprint, "it is made once");
    let shown = home.success(&["stop"]) + &home.success(&["start", "http", "--port", "0", "--tls-self-signed"]);
    assert!(
        shown.contains(&format!("certificate: SHA-256 {fingerprint}")) && shown.contains("curl --cacert"),
        "{shown}"
    );
    for file in ["certificate.pem", "key.pem"] {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(home.root().join("tls").join(file)).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn http_2_serves_all_routes_at_the_port_of_http() {
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(arguments);
        run(command).stdout
    };
    if !curl(&["--version"]).contains("HTTP2") {
        return eprintln!("SKIPPED: curl has no HTTP/2");
    }
    let home = TestHome::with_runtime();
    let server = home.start(&["--tls-self-signed"]);
    let authority = home.root().join("tls/certificate.pem").display().to_string();
    let ask = |path: &str, more: &[&str]| {
        let address = format!("{}{path}", url(&server, 0));
        curl(
            &[&["-s", "--http2", "--cacert", &authority, "-w", " %{http_version} %{http_code}", &address], more]
                .concat(),
        )
    };
    let json = ["-H", "Content-Type: application/json", "-d"];
    let eval = ask("/api/eval", &[&json[..], &[r#"{"expression": "6 * 7"}"#]].concat());
    assert_eq!(eval, r#"{"value":42,"sessionEpoch":1} 2 200"#);
    let events = ask("/api/execute", &[&json[..], &[r#"{"expression": "print('hi')"}"#]].concat());
    assert!(events.contains("event: stdout") && events.ends_with(" 2 200"), "{events}");
    let large = ask("/api/eval", &[&json[..], &[r#"{"expression": "'x' * 3000000"}"#]].concat());
    assert!(large.len() > 3_000_000 && large.ends_with(" 2 200"), "{}", large.len());
    assert!(ask("/nowhere", &[]).ends_with(" 2 404"));
    assert!(ask("/api/eval", &[]).ends_with(" 2 405"));
    assert!(ask("/health", &["-H", "Origin: https://evil.example"]).ends_with(" 2 403"));
}

#[test]
fn other_homes_know_a_server_by_its_fingerprint_or_its_authority_and_give_it_their_token() {
    let home = TestHome::with_runtime();
    let server =
        home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0", "--tls-self-signed", "--require-token"]);
    let token = fs::read_to_string(home.root().join("token")).unwrap();
    let fingerprint = server["fingerprint"].as_str().unwrap();
    let authority = home.root().join("tls/certificate.pem");
    let elsewhere = TestHome::new();
    let eval = |address: &str, variables: &[(&str, &str)]| {
        let mut command = elsewhere.command(&["eval", "--server", address, "6 * 7"]);
        command.envs(variables.iter().copied());
        run(command)
    };
    let token = ("BEEP_PYTHON_TOKEN", token.trim());
    for backend in 0..2 {
        let address = url(&server, backend);
        let pinned = format!("{address}?fingerprint={fingerprint}");
        assert_eq!(eval(&pinned, &[token]).stdout, "42\n");
        let plain = format!("{address}/?fingerprint={}", fingerprint.replace(':', "").to_lowercase());
        assert_eq!(eval(&plain, &[token]).stdout, "42\n");
        assert_eq!(eval(address, &[token, ("BEEP_PYTHON_CA_FILE", authority.to_str().unwrap())]).stdout, "42\n");
        let unknown = eval(address, &[token]);
        assert!(
            unknown.stderr.contains("UnknownIssuer") && unknown.stderr.contains("BEEP_PYTHON_CA_FILE"),
            "{unknown:?}"
        );
        let other = eval(&format!("{address}?fingerprint={}", "AB".repeat(32)), &[token]);
        assert!(other.stderr.contains("its fingerprint is") && other.stderr.contains(fingerprint), "{other:?}");
        let without = eval(&pinned, &[]);
        assert!(without.code == Some(1) && without.stderr.contains("a token of every client"), "{without:?}");
        let nonsense = eval(&format!("{address}?fingerprint=AB"), &[token]);
        assert!(nonsense.stderr.contains("64 hexadecimal digits"), "{nonsense:?}");
        let no_tls = eval(&address.replace("s://", "://"), &[token]);
        assert_eq!(no_tls.code, Some(1), "{no_tls:?}");
    }
    let address = format!("{}?fingerprint={fingerprint}", url(&server, 0));
    let mut list = elsewhere.command(&["session", "list", "--server", &address]);
    list.env(token.0, token.1);
    assert!(run(list).stdout.contains("default"));
}

#[test]
fn certificate_is_read_again_when_its_files_change() {
    let (first, second) = (pair(), pair());
    let home = TestHome::with_runtime();
    let (certificate, key) = (home.directory().join("c.pem"), home.directory().join("k.pem"));
    let put = |from: &PathBuf, to: &PathBuf| {
        fs::copy(from, to.with_extension("new")).unwrap();
        fs::rename(to.with_extension("new"), to).unwrap();
    };
    put(&first.1, &certificate);
    put(&first.2, &key);
    let server = home.start(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]);
    let shown = || seen(port(&server, 0), "http/1.1", &[]).stdout;
    let fingerprint = |of: &TestHome| {
        of.start(&["--tls-self-signed"])["fingerprint"].as_str().unwrap().replace(':', "").to_lowercase()
    };
    let (old, new) = (fingerprint(&first.0), fingerprint(&second.0));
    assert!(shown().contains(&old));
    put(&second.1, &certificate);
    assert!(shown().contains(&old), "the key is that of the old one still");
    put(&second.2, &key);
    assert!(shown().contains(&new));
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n", "commands know the new one");
    fs::remove_file(&key).unwrap();
    assert!(shown().contains(&new), "what it has serves on");
}

#[test]
fn certificates_of_clients_are_wanted_where_that_is_asked_for() {
    let (_known, authority, key) = pair();
    let (_stranger, other, other_key) = pair();
    let home = TestHome::with_runtime();
    let authority = authority.to_str().unwrap();
    let server = home.start(&["--tls-self-signed", "--tls-client-ca", authority]);
    let port = port(&server, 0);
    let good = seen(port, "http/1.1", &[authority, key.to_str().unwrap()]);
    assert!(good.stdout.contains("HTTP/1.1 200"), "{good:?}");
    for more in [&[][..], &[other.to_str().unwrap(), other_key.to_str().unwrap()]] {
        let bad = seen(port, "http/1.1", more);
        assert!(bad.code == Some(1) && !bad.stdout.contains("HTTP/1.1 200"), "{bad:?}");
    }
    assert_eq!(home.run(&["eval", "1"]).code, Some(1));
    let mut eval = home.command(&["eval", "6 * 7"]);
    eval.env("BEEP_PYTHON_CERT_FILE", authority).env("BEEP_PYTHON_KEY_FILE", &key);
    assert_eq!(run(eval).stdout, "42\n");
}

#[test]
fn files_that_cannot_be_used_are_named_when_the_server_is_started() {
    let (first, second) = (pair(), pair());
    let home = TestHome::with_runtime();
    let empty = home.directory().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let start = |certificate: &PathBuf, key: &PathBuf| {
        home.run(&[
            "start",
            "http",
            "--port",
            "0",
            "--tls-cert",
            certificate.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ])
    };
    for (certificate, key, said) in [
        (&first.1, &second.2, "cannot be used with the key"),
        (&empty, &first.2, "holds no certificate in PEM"),
        (&first.1, &empty, "empty.pem as PEM"),
        (&home.directory().join("none.pem"), &first.2, "none.pem as PEM"),
    ] {
        let refused = start(certificate, key);
        assert!(refused.code == Some(1) && refused.stderr.contains(said), "{refused:?}");
    }
    assert_eq!(home.run(&["start", "http", "--tls-cert", "x"]).code, Some(2));
    assert_eq!(home.run(&["start", "http", "--tls-client-ca", "x"]).code, Some(2));
    assert_eq!(home.run(&["start", "http", "--tls-self-signed", "--tls-cert", "x", "--tls-key", "y"]).code, Some(2));
}

#[test]
fn refusals_over_http2_are_read_by_a_client_that_still_sends() {
    let home = TestHome::with_runtime();
    let start = ["start", "http", "rpc", "--port", "0", "--rpc-port", "0", "--tls-self-signed", "--max-body", "4M"];
    let server = home.json(&start);
    let large = home.directory().join("large.json");
    fs::write(&large, vec![b' '; 6 << 20]).unwrap();
    for (backend, path) in [(0, "/api/eval"), (1, "/rpc/PythonService/Evaluate")] {
        let url = format!("https://127.0.0.1:{}{path}", port(&server, backend));
        for (host, expected) in [("127.0.0.1", "413 2"), ("evil.example", "403 2")] {
            let mut curl = Command::new("curl");
            curl.args(["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", &url]);
            curl.args(["-H", &format!("Host: {host}"), "-H", "Content-Type: application/json"]);
            curl.arg("--data-binary").arg(format!("@{}", large.display()));
            assert_eq!(run(curl).stdout, expected, "{url} {host}");
        }
    }
}
