//! `token`, and the variables and options that say which one is the default.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::curl::{ask, bearer};
use super::test_home::{CommandOutput, TestHome};

const TEXT: &str = "a-token-from-a-variable";

fn run(mut command: Command) -> CommandOutput {
    CommandOutput::from(command.output().unwrap())
}

fn with_variable(home: &TestHome, arguments: &[&str]) -> CommandOutput {
    let mut command = home.command(arguments);
    command.env("BEEP_PYTHON_TOKEN", TEXT);
    run(command)
}

#[test]
fn tokens_are_created_shown_once_listed_renewed_and_revoked() {
    let home = TestHome::new();
    assert_eq!(home.success(&["token", "list"]), "There are no tokens but the default one\n");
    let made = home.run(&["token", "create", "ci", "--expires", "30d", "--sessions-only"]);
    let text = made.stdout.trim_end();
    assert!(text.len() == 43 && !text.contains(char::is_whitespace), "{made:?}");
    assert_eq!(made.stderr, "The token ci is good for 30 days, and its text is not shown again\n");
    assert!(!fs::read_to_string(home.root().join("tokens.json")).unwrap().contains(text));
    let listed = home.success(&["token", "list"]);
    assert!(listed.contains("sessions only") && listed.contains("in 30 days") && !listed.contains(text), "{listed}");
    let json = home.json(&["token", "list"]);
    assert_eq!(
        (&json[0]["name"], &json[0]["sessionsOnly"], &json[0]["expired"]),
        (&"ci".into(), &true.into(), &false.into())
    );
    let renewed = home.json(&["token", "rotate", "ci"]);
    assert_eq!(renewed["name"], "ci");
    assert!(renewed["token"].as_str().is_some_and(|new| new.len() == 43 && new != text), "{renewed}");
    assert!(renewed["expires"].as_u64() >= json[0]["expires"].as_u64(), "{renewed}");
    let forever = home.json(&["token", "create", "forever"]);
    assert_eq!(forever["expires"], Value::Null);
    let again = home.run(&["token", "create", "ci"]);
    assert_eq!(
        again.stderr,
        "error: there is a token \"ci\" already\nhint: `beep-python token rotate ci` gives it a new text\n"
    );
    assert_eq!(home.success(&["token", "revoke", "ci"]), "Revoked the token ci\n");
    let unknown = home.run(&["token", "revoke", "ci"]);
    assert_eq!(
        (unknown.code, &unknown.stderr[..]),
        (Some(1), "error: there is no token \"ci\"\nhint: `beep-python token list` shows all tokens\n")
    );
    assert_eq!(home.run(&["token", "create", "a b"]).code, Some(1));
    assert_eq!(home.run(&["token", "revoke", "default"]).code, Some(1));
    let default = home.json(&["token", "rotate", "default"]);
    assert_eq!(fs::read_to_string(home.root().join("token")).unwrap().trim(), default["token"].as_str().unwrap());
}

#[test]
fn commands_show_the_token_of_a_server_that_wants_one() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "pipe", "--port", "0", "--rpc-port", "0", "--require-token"]);
    for endpoint in server["endpoints"].as_array().unwrap() {
        let url = endpoint["url"].as_str().unwrap();
        assert_eq!(home.success(&["eval", "--server", url, "6 * 7"]), "42\n", "{url}");
    }
    home.success(&["token", "rotate", "default"]);
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
    home.success(&["restart"]);
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
    let both = home.run(&["start", "http", "--require-token", "--trust-loopback"]);
    assert!(both.code == Some(2) && both.stderr.contains("cannot be used with"), "{both:?}");
}

#[test]
fn token_in_a_variable_is_the_servers_and_no_code_sees_it() {
    let home = TestHome::with_runtime();
    let started = with_variable(&home, &["start", "http", "--port", "0", "--require-token", "--json"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let server: Value = serde_json::from_str(&started.stdout).unwrap();
    assert_eq!(server.get("tokenFile"), None, "{server}");
    assert_eq!(with_variable(&home, &["eval", "6 * 7"]).stdout, "42\n");
    let code = "import os\n\
                everything = [open(f'/proc/{pid}/{name}').read() for pid in (os.getpid(), os.getppid(), SERVER) for name in ('environ', 'cmdline')]\n\
                [text for text in everything + [str(dict(os.environ))] if 'BEEP_PYTHON_TOKEN' in text or 'a-token-from' in text]";
    let code = code.replace("SERVER", &server["pid"].to_string());
    assert_eq!(with_variable(&home, &["eval", &code]).stdout, "[]\n");
    let record =
        fs::read_to_string(home.root().join(format!("servers/{}.json", server["id"].as_str().unwrap()))).unwrap();
    assert!(!record.contains(TEXT), "{record}");
    assert!(!home.root().join("token").exists(), "nothing wants the home's");
    let without = home.run(&["eval", "6 * 7"]);
    assert!(without.code == Some(1) && without.stderr.contains("a token of every client"), "{without:?}");
    let restarted = home.run(&["restart"]);
    assert!(
        restarted.code == Some(1) && restarted.stderr.contains("given its token by BEEP_PYTHON_TOKEN"),
        "{restarted:?}"
    );
    assert_eq!(with_variable(&home, &["restart"]).code, Some(0));
    assert_eq!(with_variable(&home, &["eval", "6 * 7"]).stdout, "42\n");
    let mut short = home.command(&["start", "http", "--port", "0"]);
    short.env("BEEP_PYTHON_TOKEN", "short");
    let short = run(short);
    assert!(short.code == Some(1) && short.stderr.contains("16 to 512 visible characters"), "{short:?}");
}

#[test]
fn token_file_comes_from_the_option_before_the_variables() {
    let home = TestHome::with_runtime();
    for (name, text) in [("one", "the-token-of-the-option"), ("two", "the-token-of-the-variable")] {
        fs::write(home.directory().join(name), text).unwrap();
        fs::set_permissions(home.directory().join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let start = |more: &[&str]| {
        let arguments = [&["start", "http", "--port", "0", "--require-token", "--json"], more].concat();
        let mut command = home.command(&arguments);
        command.env("BEEP_PYTHON_TOKEN_FILE", "two");
        let started = run(command);
        serde_json::from_str::<Value>(&started.stdout).unwrap_or_else(|_| panic!("{started:?}"))
    };
    let asked = |server: &Value, token: &str| {
        let url = format!("{}/health", server["endpoints"][0]["url"].as_str().unwrap());
        ask(&url, &[&bearer(token)], None).0
    };
    let (of_option, of_variable) = (start(&["--token-file", "one"]), start(&[]));
    assert_eq!(of_option["tokenFile"], home.directory().join("one").display().to_string());
    assert_eq!(asked(&of_option, "the-token-of-the-option"), "200");
    assert_eq!(asked(&of_option, "the-token-of-the-variable"), "401");
    assert_eq!(asked(&of_variable, "the-token-of-the-variable"), "200");
    // It is read again when it changes.
    fs::write(home.directory().join("one"), "another-token-of-the-option").unwrap();
    assert_eq!(asked(&of_option, "the-token-of-the-option"), "401");
    assert_eq!(asked(&of_option, "another-token-of-the-option"), "200");
    fs::set_permissions(home.directory().join("two"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let exposed = home.run(&["start", "http", "--port", "0", "--token-file", "two"]);
    assert!(exposed.code == Some(1) && exposed.stderr.contains("is open to others"), "{exposed:?}");
}

#[test]
fn rotating_the_default_token_names_the_servers_that_do_not_take_it() {
    let home = TestHome::with_runtime();
    fs::write(home.directory().join("other"), "the-token-of-the-option").unwrap();
    fs::set_permissions(home.directory().join("other"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let start = ["start", "http", "--port", "0", "--json"];
    let id = |started: &str| serde_json::from_str::<Value>(started).unwrap()["id"].as_str().unwrap().to_owned();
    let own = id(&home.success(&start));
    assert!(!home.run(&["token", "rotate", "default"]).stderr.contains("warning"));
    let of_file = id(&home.success(&[&start[..], &["--token-file", "other"]].concat()));
    let of_variable = id(&with_variable(&home, &start).stdout);
    let rotated = home.run(&["token", "rotate", "default"]);
    let warned = |id: &str, text: &str| {
        rotated
            .stderr
            .lines()
            .any(|line| line.starts_with(&format!("warning: the server {id} ")) && line.contains(text))
    };
    let other = home.directory().join("other").display().to_string();
    assert!(rotated.code == Some(0) && !rotated.stderr.contains(&own), "{rotated:?}");
    assert!(
        warned(&of_file, &other) && warned(&of_variable, &format!("`beep-python restart {of_variable}`")),
        "{rotated:?}"
    );
    home.success(&["token", "create", "ci"]);
    assert!(!home.run(&["token", "rotate", "ci"]).stderr.contains("warning"), "all servers take the named ones");
}

#[test]
fn logs_name_a_token_and_never_show_it() {
    let home = TestHome::with_runtime();
    let text = home.success(&["token", "create", "named-in-logs"]).trim().to_owned();
    let mut start = home.command(&["start", "http", "--port", "0", "--require-token", "--json"]);
    start.env("BEEP_PYTHON_LOG", "trace");
    let server: Value = serde_json::from_str(&run(start).stdout).unwrap();
    let url = format!("{}/health", server["endpoints"][0]["url"].as_str().unwrap());
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-H", &format!("Authorization: Bearer {text}"), &url]);
    run(curl);
    let log = home.success(&["logs"]);
    assert!(log.contains("named-in-logs") && !log.contains(&text), "{log}");
}

#[test]
fn pipe_refuses_a_peer_in_another_user_namespace() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "pipe"]);
    let socket = server["endpoints"][0]["url"].as_str().unwrap().trim_start_matches("unix:").to_owned();
    let code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                s.sendall(b'{\"command\": \"ping\"}\\n'); print(s.makefile().readline())";
    let ask = |place: &[&str]| {
        let mut words = place.to_vec();
        words.extend([super::test_home::python(), "-c", code, &socket]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        run(command)
    };
    assert!(ask(&["env"]).stdout.contains(r#""status":"ok""#));
    let inside = ask(&["unshare", "--user", "--map-current-user"]);
    if inside.stderr.contains("unshare:") {
        return eprintln!("SKIPPED: no user namespaces here: {}", inside.stderr);
    }
    assert!(inside.stdout.contains("unauthorized") && inside.stdout.contains("another user namespace"), "{inside:?}");
}

#[test]
fn console_url_lets_one_browser_in() {
    let home = TestHome::with_runtime();
    assert!(home.run(&["console-url"]).stderr.contains("start http"));
    home.start(&[]);
    let printed = home.run(&["console-url"]);
    assert!(printed.stderr.contains("good once, for 60 seconds"), "{printed:?}");
    let url = printed.stdout.trim_end();
    let status = |url: &str| {
        let mut curl = Command::new("curl");
        String::from_utf8(curl.args(["-so", "/dev/null", "-w", "%{http_code}", url]).output().unwrap().stdout).unwrap()
    };
    assert_eq!((status(url), status(url)), ("303".into(), "401".into()), "{url}");
    let json = home.json(&["console-url"]);
    assert_eq!((status(json["url"].as_str().unwrap()), &json["expiresInMs"]), ("303".into(), &60_000.into()));
    home.success(&["stop"]);
    home.success(&["start", "pipe"]);
    let piped = home.run(&["console-url"]);
    assert!(piped.stderr.contains("speaks no HTTP"), "{piped:?}");
}
