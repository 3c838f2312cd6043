//! The console on a terminal.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use super::terminal::{CTRL_C, CTRL_D, CTRL_R, DOWN, ENTER, ESCAPE, RIGHT, TAB, Terminal, UP};
use super::test_home::{TestHome, python, version, wait_until};

const PROMPT: &str = "beep-python> ";

fn console(home: &TestHome, options: &[&str]) -> Terminal {
    Terminal::run(home.command(options))
}

#[test]
fn console_runs_commands_and_survives_their_errors() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.command(PROMPT, "venv create mine");
    terminal.wait_for("Created the environment mine");
    terminal.command(PROMPT, "beep-python venv list");
    terminal.wait_for("healthy");
    terminal.command(PROMPT, "venv status nobody");
    terminal.wait_for("error: there is no environment \"nobody\"");
    terminal.wait_for("hint: `beep-python venv create nobody` creates it");
    assert!(terminal.is_colored("error:"), "{}", terminal.screen());
    terminal.command(PROMPT, "nonsense");
    terminal.wait_for("unrecognized subcommand 'nonsense'");
    terminal.command(PROMPT, "eval \"'a b'.split()\"");
    terminal.wait_for("['a', 'b']");
    terminal.begin(PROMPT, "exit");
    assert!(terminal.end().success());
    assert_eq!(home.json(&["venv", "list"])[0]["name"], "mine");
}

#[test]
fn console_has_help_and_ctrl_d_leaves() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.command(PROMPT, "help venv create");
    terminal.wait_for("Usage: beep-python venv create");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn console_history_is_private_to_its_owner() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.command(PROMPT, "venv list");
    terminal.command(PROMPT, "status");
    terminal.command(PROMPT, " runtime list");
    terminal.keys(CTRL_D);
    terminal.end();
    let history = home.root().join("history");
    assert_eq!(fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&history).unwrap(), "venv list\nstatus\n", "what begins with a blank is not kept");

    let mut terminal = console(&home, &[]);
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(UP);
    terminal.wait_for_line("beep-python> status");
    terminal.keys(UP);
    terminal.wait_for_line("beep-python> venv list");
    terminal.discard_line(PROMPT);
    terminal.keys(CTRL_R);
    terminal.keys("ven");
    terminal.wait_for_line("beep-python> (history: ven) venv list");
    terminal.discard_line(PROMPT);
    // The right arrow accepts the hint from the history.
    terminal.keys("venv l");
    terminal.wait_for_line("beep-python> venv list");
    terminal.keys(RIGHT);
    terminal.keys(ENTER);
    terminal.wait_for("There are no environments.");
}

#[test]
fn console_completes_commands_options_and_names() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "alpha"]);
    home.success(&["venv", "create", "alphabet"]);
    let server = home.start(&["--venv", "alpha"]);
    let id = server["id"].as_str().unwrap();
    let mut terminal = console(&home, &[]);
    terminal.wait_for_prompt(PROMPT);
    terminal.keys("ven\t");
    terminal.wait_for_line("beep-python> venv ");
    terminal.keys("pack\t");
    terminal.wait_for_line("beep-python> venv packages");
    terminal.keys("al\t");
    terminal.wait_for_line("beep-python> venv packages alpha");
    terminal.wait_for("alphabet");
    terminal.discard_line(PROMPT);
    for (typed, completed) in [
        ("stop ", format!("stop {id}")),
        ("eval 1 --serv", "eval 1 --server".to_owned()),
        ("runtime use ", format!("runtime use system-{}", version())),
        ("start ht", "start http".to_owned()),
    ] {
        terminal.keys(typed);
        terminal.wait_for_line(&format!("{PROMPT}{typed}"));
        terminal.keys(TAB);
        terminal.wait_for_line(&format!("{PROMPT}{completed}"));
        terminal.discard_line(PROMPT);
    }
    terminal.keys("venv create --python ");
    terminal.keys(TAB);
    terminal.wait_for("installed");
    terminal.wait_for("to download");
}

#[test]
fn ctrl_c_discards_the_line_or_ends_the_command_but_not_the_console() {
    let home = TestHome::with_runtime();
    let began = home.directory().join("began");
    let mut terminal = console(&home, &[]);
    terminal.wait_for_prompt(PROMPT);
    terminal.keys("venv delete everything");
    terminal.wait_for_line("beep-python> venv delete everything");
    terminal.discard_line(PROMPT);
    terminal.discard_line(PROMPT);

    // A long call, in a server of its own.
    terminal.begin(PROMPT, "eval \"open('began', 'w'); import time; time.sleep(600)\"");
    wait_until("the code runs", || began.exists());
    terminal.keys(CTRL_C);
    terminal.wait_for("error: interrupted");
    terminal.wait_for_prompt(PROMPT);

    // A command that does not handle signals.
    home.start(&[]);
    terminal.begin(PROMPT, "logs -f");
    terminal.wait_for("ready");
    terminal.keys(CTRL_C);
    terminal.wait_until("interrupted", |screen| screen.contents().matches("error: interrupted").count() == 2);
    terminal.command(PROMPT, "status");
    terminal.wait_for("running");
    terminal.begin(PROMPT, "exit");
    assert!(terminal.end().success());
}

/// An address where every download begins and none ends; reports when one has begun.
fn endless_downloads() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (began, begun) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 50000000\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&[b' '; 100_000]));
                if began.send(()).is_err() {
                    return;
                }
            }
            open.push(stream);
        }
    });
    (address, begun)
}

#[test]
fn downloads_and_installations_show_progress_and_can_be_interrupted() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let (address, begun) = endless_downloads();
    let mut command = home.command(&[]);
    command.env("BEEP_PYTHON_UV", "never").env("PIP_INDEX_URL", format!("{address}/simple"));
    command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let mut terminal = Terminal::run(command);
    for (line, progress) in [
        (format!("runtime install 3.12 --mirror {address}"), "97.66 KiB"),
        ("venv install mine six".to_owned(), "resolving"),
    ] {
        terminal.begin(PROMPT, &line);
        begun.recv_timeout(Duration::from_secs(60)).unwrap();
        terminal.wait_for(progress);
        terminal.keys(CTRL_C);
        terminal.wait_for_prompt(PROMPT);
        terminal.wait_for("error: interrupted");
        wait_until("nothing of it runs", || home.processes().is_empty());
    }
    terminal.command(PROMPT, "venv packages mine");
    terminal.wait_for("mine has no packages.");
    assert_eq!(home.json(&["runtime", "list"])["runtimes"].as_array().unwrap().len(), 1);
}

#[test]
fn type_ahead_is_kept() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    let code = "open('began', 'w').close(); p = __import__('pathlib').Path('go on')\n\
                while not p.exists(): pass";
    fs::write(home.directory().join("code"), code).unwrap();
    terminal.begin(PROMPT, "eval \"exec(open('code').read())\"");
    wait_until("the code runs", || home.directory().join("began").exists());
    terminal.keys("venv list\r");
    fs::write(home.directory().join("go on"), "").unwrap();
    terminal.wait_for("runtime-host  ");
    terminal.wait_for_prompt(PROMPT);
}

#[test]
fn open_quote_continues_on_the_next_line() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.begin(PROMPT, "eval 'x = 40");
    terminal.wait_for_line("         ... ");
    terminal.keys("x + 2'\r");
    terminal.wait_for("\n42");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(UP);
    terminal.wait_until("both lines again", |screen| screen.contents().matches("... x + 2'").count() == 2);
}

#[test]
fn first_start_offers_to_install_a_runtime() {
    let home = TestHome::new();
    let mut terminal = Terminal::run({
        let mut command = home.command(&[]);
        // Nothing is downloaded: the mirror is an empty folder.
        command.env("BEEP_PYTHON_INSTALL_MIRROR", home.directory());
        command
    });
    terminal.wait_for("Install one now?");
    terminal.keys("n");
    terminal.wait_for("`init` installs one at any time.");
    terminal.command(PROMPT, &format!("init --python {}", python()));
    terminal.wait_for("of this machine is adopted");
    terminal.keys(CTRL_D);
    terminal.end();
    assert_eq!(home.json(&["runtime", "list"])["runtimes"][0]["version"], version());

    let home = TestHome::new();
    let mut command = home.command(&[]);
    command.env("BEEP_PYTHON_CATALOGUE", home.directory().join("none.json"));
    let mut terminal = Terminal::run(command);
    terminal.wait_for("Install one now?");
    terminal.keys(ENTER);
    terminal.wait_for_prompt(PROMPT);
    terminal.wait_for("of this machine is adopted");
}

#[test]
fn colors_can_be_turned_off() {
    let home = TestHome::with_runtime();
    for (options, variable, colored) in
        [(&[][..], None, true), (&["--color", "never"], None, false), (&[], Some("1"), false)]
    {
        let mut command = home.command(options);
        variable.map(|value| command.env("NO_COLOR", value));
        let mut terminal = Terminal::run(command);
        terminal.command(PROMPT, "venv status nobody");
        terminal.wait_for("error:");
        for text in ["error:", "`help` shows", "status nobody"] {
            assert_eq!(terminal.is_colored(text), colored, "{text} {options:?} {variable:?}: {}", terminal.screen());
        }
    }
    let output = home.run(&["--color", "always", "venv", "status", "nobody"]);
    assert!(output.stderr.starts_with("\x1b[1;31merror:\x1b[0m "), "{output:?}");
    assert!(home.run(&["--color=always", "help"]).stdout.contains("\x1b["));
}

#[test]
fn console_works_on_a_dumb_terminal() {
    let home = TestHome::with_runtime();
    let mut command = home.command(&[]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::run(command);
    terminal.wait_for_prompt(PROMPT);
    terminal.keys("eval 'sum(range(10))\r");
    terminal.wait_for_line("         ... ");
    terminal.keys("'\r");
    terminal.wait_for("\n45");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn menu_leads_to_commands() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.begin(PROMPT, "menu");
    terminal.wait_for("What would you like to do?");
    // By arrows: the third.
    terminal.keys(DOWN);
    terminal.keys(DOWN);
    terminal.wait_for(">  3  Environments");
    terminal.keys(ENTER);
    terminal.wait_for("1  Make one");
    terminal.keys("1");
    terminal.wait_for("With which Python?");
    terminal.keys("1");
    terminal.wait_for_line("Its name: ");
    terminal.keys("mine\r");
    terminal.wait_for("Created the environment mine");
    terminal.wait_for("beep-python venv create mine");
    // Back to the list, which now has it.
    terminal.wait_for("With which Python?");
    terminal.keys(ESCAPE);
    terminal.wait_for("1  mine");
    terminal.keys("1");
    terminal.wait_for("Environment mine");
    // There are more than nine: another digit could follow.
    terminal.keys("1");
    terminal.keys(ENTER);
    terminal.wait_for("healthy");
    terminal.wait_for("Environment mine");
    terminal.keys("5");
    terminal.wait_for_line("Code: ");
    terminal.keys("6 * 7\r");
    terminal.wait_for("\n42");
    // Delete asks first; a deleted environment has no page.
    terminal.wait_for("Environment mine");
    terminal.keys("12");
    terminal.wait_for("[y/N]");
    terminal.keys("y\r");
    terminal.wait_for("Deleted the environment mine");
    terminal.wait_until("the list without it", |screen| {
        let contents = screen.contents();
        contents.rsplit("Deleted the environment mine").next().is_some_and(|after| after.contains("1  Make one"))
    });
    terminal.keys(CTRL_C);
    terminal.wait_for_prompt(PROMPT);
    terminal.begin(PROMPT, "exit");
    assert!(terminal.end().success());
    assert_eq!(home.json(&["venv", "list"]), json!([]));
}

#[test]
fn without_a_terminal_help_is_printed_and_menu_refused() {
    let home = TestHome::new();
    assert!(home.success(&[]).contains("Usage: beep-python"));
    let output = home.run(&["menu"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("error: `menu` needs a terminal\nhint: "), "{output:?}");
}

#[test]
fn console_takes_code_and_paths_as_they_are_typed() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.command(PROMPT, r#"eval print("hi  there", r'C:\x', sep="|")"#);
    terminal.wait_for("hi  there|C:\\x");
    terminal.command(PROMPT, r#"eval x = "a  b"; len(x) * 111"#);
    terminal.wait_for("\n444");
    terminal.command(PROMPT, r"venv status C:\x");
    terminal.wait_for(r#"error: "C:\x" cannot name"#);
    terminal.begin(PROMPT, "exit");
    assert!(terminal.end().success());
}

#[test]
fn console_says_how_to_evaluate_and_takes_words_in_any_case() {
    let home = TestHome::with_runtime();
    let mut terminal = console(&home, &[]);
    terminal.command(PROMPT, "1 + 1");
    terminal.wait_for("to evaluate Python code: `beep-python eval '1 + 1'`");
    terminal.command(PROMPT, "VERSION");
    terminal.wait_for(&format!("beep-python {}", env!("CARGO_PKG_VERSION")));
    terminal.command(PROMPT, "? VENV");
    terminal.wait_for("Usage: beep-python venv");
    for clear in ["clear", "CLS"] {
        terminal.command(PROMPT, "venv list");
        terminal.wait_for("There are no environments.");
        terminal.command(PROMPT, clear);
        terminal.wait_until("it is clear", |screen| !screen.contents().contains("There are no environments."));
    }
    terminal.begin(PROMPT, "EXIT");
    assert!(terminal.end().success());
}
