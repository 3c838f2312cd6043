//! The prompt for Python on a terminal.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::terminal::{COLUMNS, CTRL_C, CTRL_D, ENTER, TAB, Terminal, UP};
use super::test_home::{TestHome, signal, wait_until};

const PROMPT: &str = ">>> ";

fn prompt(home: &TestHome, arguments: &[&str]) -> Terminal {
    Terminal::run(home.command(&[&["python"], arguments].concat()))
}

/// The screen below the last line with this text.
fn below(terminal: &Terminal, text: &str) -> String {
    let screen = terminal.screen();
    let after = screen.rsplit_once(text).unwrap_or_else(|| panic!("no {text:?} in:\n{screen}")).1;
    after.split_once('\n').map_or(String::new(), |(_, below)| below.to_owned())
}

#[test]
fn prompt_reads_runs_and_shows() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.wait_for(&format!("in runtime-host, server {}", server["id"].as_str().unwrap()));
    terminal.command(PROMPT, "x = 20");
    assert_eq!(below(&terminal, "x = 20"), ">>> ");
    terminal.command(PROMPT, "x + 1");
    assert_eq!(below(&terminal, "x + 1"), "21\n>>> ");
    terminal.command(PROMPT, "_ * 2");
    assert_eq!(below(&terminal, "_ * 2"), "42\n>>> ");
    terminal.command(PROMPT, "None");
    assert_eq!(below(&terminal, "None"), ">>> ");
    terminal.command(PROMPT, "print('out'); 'text'");
    assert_eq!(below(&terminal, ">>> print("), "out\n'text'\n>>> ");
    terminal.command(PROMPT, "[n for n in range(3)], {'a': object}");
    assert_eq!(below(&terminal, "[n for"), "([0, 1, 2], {'a': <class 'object'>})\n>>> ");
    terminal.command(PROMPT, "import asyncio; await asyncio.sleep(0, 'awaited')");
    assert_eq!(below(&terminal, ">>> import asyncio"), "'awaited'\n>>> ");
    terminal.begin(PROMPT, "exit()");
    assert!(terminal.end().success());
    assert_eq!(home.json(&["eval", "--session", "default", "'x' in globals()"])["value"], false, "its own session");
}

#[test]
fn exceptions_are_tracebacks_in_color() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "print('before'); {}['missing']");
    let shown = below(&terminal, ">>> print(");
    assert!(shown.starts_with("before\nTraceback (most recent call last):\n  File \"<session "), "{shown}");
    assert!(shown.ends_with("KeyError: 'missing'\n>>> "), "{shown}");
    assert!(terminal.is_colored("KeyError") && terminal.is_colored("File \"<session "), "{}", terminal.screen());
    terminal.command(PROMPT, "1 +* 2");
    terminal.wait_for("SyntaxError: invalid syntax");
    terminal.command(PROMPT, "type('Bad', (), {'__repr__': lambda self: {}['shown']})()");
    terminal.wait_for("KeyError: 'shown'");
    terminal.command(PROMPT, "import sys; sys.last_value, _ if '_' in globals() else 0");
    assert!(below(&terminal, ">>> import sys; sys").starts_with("(KeyError('shown'), 0)\n"), "{}", terminal.screen());
    terminal.command(PROMPT, "10 ** 5000");
    let shown = below(&terminal, ">>> 10 **");
    // A Python from before there was a limit shows it.
    assert!(shown.contains("\nValueError: Exceeds the limit (4300") || shown.contains("0000"), "{shown}");
    terminal.command(PROMPT, "import os; os._exit(3)");
    terminal.wait_for("hint: the session continues, empty");
    terminal.command(PROMPT, "6 * 7");
    assert_eq!(below(&terminal, "6 * 7"), "42\n>>> ", "the session goes on");
}

#[test]
fn blocks_are_read_to_their_end_and_indented() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.begin(PROMPT, "def area(w, h):");
    terminal.wait_until("an indented line", |screen| screen.cursor_position() == (2, 8));
    terminal.keys("if w < 0:\r");
    terminal.wait_until("a line indented further", |screen| screen.cursor_position() == (3, 12));
    terminal.keys("return None\r");
    terminal.wait_until("a line indented less", |screen| screen.cursor_position() == (4, 8));
    terminal.keys("return w * h\r");
    terminal.wait_until("a line not indented", |screen| screen.cursor_position() == (5, 4));
    terminal.keys(ENTER);
    terminal.command(PROMPT, "area(6, 7)");
    assert_eq!(below(&terminal, "area(6, 7)"), "42\n>>> ");
    terminal.begin(PROMPT, "text = '''a");
    terminal.wait_for_line("... ");
    terminal.keys("b'''\r");
    terminal.command(PROMPT, "text");
    assert_eq!(below(&terminal, ">>> text\n"), ">>> ");
    terminal.wait_for("'a\\nb'");
    // The history has the whole block.
    terminal.keys(UP);
    terminal.keys(UP);
    terminal.keys(UP);
    terminal.keys(UP);
    terminal.wait_until("the function again", |screen| screen.contents().matches("return w * h").count() == 2);
    terminal.discard_line(PROMPT);
    // Pasted text is one block.
    terminal.keys("\x1b[200~for n in (1, 2):\n    print(n * 11)\n\x1b[201~");
    terminal.wait_for("print(n * 11)");
    terminal.keys(ENTER);
    terminal.wait_for("11\n22\n>>> ");
}

#[test]
fn prompt_completes_names_of_the_session() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "Thing = type('Thing', (), {'first_one': 1, 'second_one': 2})");
    terminal.command(PROMPT, "grandmother = Thing()");
    for (typed, completed) in [
        ("grandm", "grandmother"),
        ("print(grandmother.fir", "print(grandmother.first_one"),
        ("import functoo", "import functools"),
        ("", "    "),
    ] {
        terminal.keys(typed);
        terminal.wait_for_line(&format!("{PROMPT}{typed}"));
        terminal.keys(TAB);
        let column = u16::try_from(PROMPT.len() + completed.len()).unwrap();
        terminal.wait_until(completed, |screen| screen.cursor_position().1 == column);
        terminal.wait_for_line(&format!("{PROMPT}{completed}"));
        terminal.discard_line(PROMPT);
    }
    terminal.keys("grandmother.");
    terminal.keys(TAB);
    terminal.wait_for("second_one");
}

#[test]
fn ctrl_c_cancels_and_keeps_the_state() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "kept = 41");
    terminal.keys("half a li");
    terminal.wait_for_line(">>> half a li");
    terminal.discard_line(PROMPT);
    let began = home.directory().join("began");
    for long in
        ["import time; time.sleep(600)", "[None for n in iter(int, 1)]", "import asyncio; await asyncio.sleep(600)"]
    {
        let _ = fs::remove_file(&began);
        terminal.begin(PROMPT, &format!("open('began', 'w').close(); {long}"));
        wait_until("the code runs", || began.exists());
        terminal.keys(CTRL_C);
        terminal.wait_for_prompt(PROMPT);
        let shown = below(&terminal, long);
        assert!(shown.ends_with("KeyboardInterrupt\n>>> "), "{shown}");
    }
    terminal.command(PROMPT, "kept + 1");
    assert_eq!(below(&terminal, "kept + 1"), "42\n>>> ");
    // Also while the repr of a result is made.
    let _ = fs::remove_file(&began);
    terminal.command(PROMPT, "slow = lambda self: (open('began', 'w').close(), time.sleep(600))");
    terminal.begin(PROMPT, "type('Slow', (), {'__repr__': slow})()");
    wait_until("the result is shown", || began.exists());
    terminal.keys(CTRL_C);
    terminal.wait_for_prompt(PROMPT);
    terminal.command(PROMPT, "kept + 2");
    assert_eq!(below(&terminal, "kept + 2"), "43\n>>> ");
}

#[test]
fn prompt_streams_output() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.begin(PROMPT, "import time; print('first'); time.sleep(600)");
    terminal.wait_for("\nfirst");
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.command(PROMPT, "import sys; print('a'); print('b', file=sys.stderr); print('c'); 'd'");
    assert_eq!(below(&terminal, ">>> import sys"), "a\nb\nc\n'd'\n>>> ");
    terminal.command(PROMPT, "display([1]); display((2,)); {3}");
    assert_eq!(below(&terminal, ">>> display([1])"), "[1]\n(2,)\n{3}\n>>> ");
    terminal.command(PROMPT, "display([4])");
    assert_eq!(below(&terminal, ">>> display([4])"), "[4]\n>>> ");
    terminal.command(PROMPT, "_");
    assert_eq!(below(&terminal, ">>> _"), "{3}\n>>> ");
}

#[test]
fn what_threads_print_is_shown_above_the_line() {
    let home = TestHome::with_runtime();
    let folder = tempfile::tempdir().unwrap();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    let code = format!(
        "import atexit, os, sys, threading, time\n\
         atexit.register(print, 'the end')\n\
         def wait(name):\n    while not os.path.exists({:?} + name): time.sleep(0.01)\n\
         def work():\n    wait('1'); print('one'); print('t', end='')\n    wait('2'); print('wo', file=sys.stderr)\n    \
         wait('wide'); print('first\\nsecond\\n' + 'w' * {} + '\\nlast')\n    \
         wait('many'); print('\\n'.join(map(str, range(20000))))\n    wait('3'); print('3')",
        folder.path().join("go-"),
        COLUMNS + 2
    );
    let file = folder.path().join("code.py");
    fs::write(&file, code).unwrap();
    terminal.command(PROMPT, &format!("exec(open({file:?}).read())"));
    terminal.command(PROMPT, "threading.Thread(target=work).start()");
    let go = |name: &str| fs::write(folder.path().join(format!("go-{name}")), "").unwrap();
    terminal.keys("half a line");
    terminal.wait_for_line(">>> half a line");
    go("1");
    terminal.wait_for_lines("one\nt\n>>> half a line");
    terminal.wait_for_line(">>> half a line");
    go("2");
    terminal.wait_for_lines("one\nt\nwo\n>>> half a line");
    // Several at once, and one that is wider than the terminal.
    go("wide");
    let wide = "w".repeat(usize::from(COLUMNS));
    terminal.wait_for_lines(&format!("first\nsecond\n{wide}\nww\nlast\n>>> half a line"));
    terminal.wait_for_lines("one\nt\nwo\nfirst");
    // More than is shown one by one while this waits.
    go("many");
    terminal.wait_for_lines("19997\n19998\n19999\n>>> half a line");
    terminal.keys("\x15");
    // While other code runs, and while it asks.
    terminal.begin(PROMPT, "input('name? ')");
    terminal.wait_for_line("name? ");
    terminal.keys("abc");
    terminal.wait_for_line("name? abc");
    go("3");
    terminal.wait_for_lines("3\nname? abc");
    terminal.keys("\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(CTRL_D);
    terminal.wait_for("the end");
    assert!(terminal.end().success());
}

#[test]
fn restart_by_another_client_is_told() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let session = home.json(&["session", "create"])["sessionId"].as_str().unwrap().to_owned();
    let mut terminal = prompt(&home, &[&session]);
    terminal.command(PROMPT, "kept = 1");
    home.success(&["session", "restart", &session]);
    terminal.wait_for_lines("The session was restarted. It is empty now.\n>>>");
    home.command(&["eval", "--session", &session, "import os; os._exit(3)"]).output().unwrap();
    terminal.wait_for("exited with status 3");
    terminal.wait_for_prompt(PROMPT);
    // The prompt's own death is told once.
    terminal.command(PROMPT, "import os; os._exit(4)");
    terminal.command(PROMPT, "1 + 1");
    assert_eq!(terminal.screen().matches("The session was restarted").count(), 2, "{}", terminal.screen());
}

#[test]
fn end_of_the_prompts_own_server_is_heard() {
    let home = TestHome::with_runtime();
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "import atexit, time; atexit.register(lambda: (time.sleep(.2), print('the end')));");
    terminal.keys(CTRL_D);
    terminal.wait_for("the end");
    assert!(terminal.end().success());
    home.wait_until_no_process_is_left();
}

#[test]
fn semicolon_keeps_a_result_quiet() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "1");
    terminal.command(PROMPT, "print('out'); 2;");
    assert_eq!(below(&terminal, ">>> print("), "out\n>>> ");
    terminal.command(PROMPT, "_, ';'");
    assert_eq!(below(&terminal, ">>> _, ';'"), "(1, ';')\n>>> ");
}

#[test]
fn password_is_not_shown_at_the_prompt() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.begin(PROMPT, "import getpass; key = getpass.getpass('Key? ')");
    terminal.wait_for_line("Key?");
    terminal.keys("hidden\r");
    terminal.command(PROMPT, "len(key), key[::-1]");
    assert_eq!(below(&terminal, ">>> len("), "(6, 'neddih')\n>>> ");
    assert!(!terminal.screen().contains("hidden"), "{}", terminal.screen());
    for (key, ends) in [(CTRL_D, "EOFError"), (CTRL_C, "KeyboardInterrupt")] {
        terminal.begin(PROMPT, "getpass.getpass('Again? ')");
        terminal.wait_for_line("Again?");
        terminal.keys(key);
        terminal.wait_for(ends);
    }
    terminal.begin(PROMPT, "input('name? ')");
    terminal.wait_for_line("name?");
    terminal.keys("shown");
    terminal.wait_for_line("name? shown");
    terminal.keys(ENTER);
    terminal.wait_for("'shown'\n>>> ");
}

#[test]
fn cleared_line_is_gone_from_the_terminal() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "import beep_python");
    terminal.command(PROMPT, "print('go', 'ne', sep='', end=''); beep_python.clear_output(); print('stays')");
    assert_eq!(below(&terminal, ">>> print("), "stays\n>>> ");
}

#[test]
fn input_reads_a_line_at_the_prompt() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.begin(PROMPT, "name = input('Your name? ')");
    terminal.wait_for_line("Your name?");
    terminal.keys("Ada\r");
    terminal.command(PROMPT, "name");
    assert_eq!(below(&terminal, ">>> name\n"), ">>> ");
    terminal.wait_for("\n'Ada'\n");
    terminal.begin(PROMPT, "input('more? ')");
    terminal.wait_for_line("more?");
    terminal.keys(CTRL_D);
    terminal.wait_for("EOFError");
    terminal.begin(PROMPT, "input('again? ')");
    terminal.wait_for_line("again?");
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.command(PROMPT, "name + '!'");
    terminal.wait_for("'Ada!'");
}

#[test]
fn third_ctrl_c_kills_a_call_that_goes_on() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "import time; kept = 1");
    let stubborn = r"while True:\n try: print('waits'); time.sleep(600)\n except KeyboardInterrupt: print('no')";
    terminal.begin(PROMPT, &format!("exec(\"{stubborn}\")"));
    terminal.wait_for("\nwaits");
    terminal.keys(CTRL_C);
    terminal.wait_for("\nno\nwaits\nthe code goes on; Ctrl-C interrupts it again, the third one kills its worker");
    terminal.keys(CTRL_C);
    terminal.wait_for("loses its state\nno\nwaits");
    terminal.keys(CTRL_C);
    terminal.wait_for("the session is empty now");
    terminal.command(PROMPT, "'kept' in globals()");
    terminal.wait_for("\nFalse");
}

/// As under IPython.
#[test]
fn code_that_catches_ctrl_c_goes_on() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.begin(PROMPT, "import time");
    let caught = r"try: print('waits'); time.sleep(600)\nexcept KeyboardInterrupt: print('caught')";
    terminal.begin(PROMPT, &format!("exec(\"{caught}\"); 'went' + ' on'"));
    terminal.wait_for("\nwaits");
    terminal.keys(CTRL_C);
    terminal.wait_for("\ncaught\n'went on'");
    terminal.command(PROMPT, "1 + 1");
}

#[test]
fn prompt_opens_a_named_session() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    home.success(&["eval", "shared = 42", "--session", "default"]);
    let mut terminal = prompt(&home, &["default", "--server", server["id"].as_str().unwrap()]);
    terminal.command(PROMPT, "shared");
    assert_eq!(below(&terminal, ">>> shared"), "42\n>>> ");
    terminal.command(PROMPT, "more = 1");
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
    assert_eq!(home.success(&["eval", "more", "--session", "default"]), "1\n");
    let terminal = prompt(&home, &["nobody"]);
    terminal.wait_for("has no session \"nobody\"");
    assert_eq!(terminal.end().code(), Some(1));
}

#[test]
fn prompt_without_a_server_starts_one_and_leaves_nothing() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let mut terminal = prompt(&home, &["--venv", "mine"]);
    terminal.wait_for("in mine, a server of its own");
    terminal.command(PROMPT, "import sys; sys.prefix.rpartition('/')[2]");
    terminal.wait_for("\n'mine'");
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();

    // The terminal is closed, or the prompt is asked to end.
    for end in [Signal::HUP, Signal::TERM] {
        let mut terminal = prompt(&home, &[]);
        terminal.command(PROMPT, "1 + 1");
        signal(terminal.pid(), end);
        assert_eq!(terminal.end().code(), Some(1));
        assert_eq!(home.json(&["status"]), json!([]));
        home.wait_until_no_process_is_left();
    }
    // The prompt is killed, and can clean up nothing.
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "1 + 1");
    terminal.begin(PROMPT, "import time; time.sleep(600)");
    signal(terminal.pid(), Signal::KILL);
    terminal.end();
    home.wait_until_no_process_is_left();
    assert_eq!(home.json(&["status"]), json!([]));
}

#[test]
fn prompt_runs_inside_the_console() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::run(home.command(&[]));
    let console = "beep-python> ";
    terminal.begin(console, "python");
    terminal.begin(PROMPT, "open('began', 'w').close(); import time; time.sleep(600)");
    wait_until("the code runs", || home.directory().join("began").exists());
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.command(PROMPT, "1 + 1");
    terminal.begin(PROMPT, "exit()");
    terminal.command(console, "status");
    terminal.wait_for("running");
    assert!(fs::read_to_string(home.root().join("python-history")).unwrap().ends_with("1 + 1\nexit()\n"));
}

#[test]
fn ctrl_c_needs_no_enter_on_a_dumb_terminal() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut command = home.command(&["python"]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::run(command);
    terminal.begin(PROMPT, "input('name? ')");
    terminal.wait_for_line("name? ");
    terminal.keys("Ad");
    terminal.wait_for_line("name? Ad");
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.begin(PROMPT, "input('again? ')");
    terminal.wait_for_line("again? ");
    terminal.keys("Ada\r");
    terminal.wait_for("'Ada'");
    // At the prompt itself it discards the line.
    terminal.wait_for_prompt(PROMPT);
    terminal.keys("1 +");
    terminal.wait_for_line(">>> 1 +");
    terminal.keys(CTRL_C);
    terminal.command(PROMPT, "40 + 2");
    terminal.wait_for("\n42");
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn prompt_ends_with_the_status_of_sys_exit_and_its_session_with_an_idle_limit() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home, &[]);
    terminal.command(PROMPT, "import sys");
    let sessions = home.json(&["session", "list"]);
    let own = sessions.as_array().unwrap().iter().find(|session| session["sessionId"] != "default").unwrap();
    assert!(
        own["idleTimeoutMs"].as_u64().is_some_and(|idle| idle > 3_600_000),
        "a killed prompt cannot delete it: {own}"
    );
    terminal.begin(PROMPT, "sys.exit(3)");
    assert_eq!(terminal.end().code(), Some(3));
}
