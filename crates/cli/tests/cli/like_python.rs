//! The prompt beside Python's own, on two terminals.

use std::fs;
use std::process::Command;

use super::index::{Wheel, make};
use super::terminal::{CTRL_C, CTRL_D, CTRL_Z, ENTER, Terminal};
use super::test_home::{TestHome, python, wait_until};

const PROMPT: &str = ">>> ";

/// Ours and Python's.
struct Both {
    ours: Terminal,
    theirs: Terminal,
}

impl Both {
    /// Both with this startup file.
    fn start(home: &TestHome, startup: &str) -> Both {
        let file = home.directory().join("startup.py");
        fs::write(&file, startup).unwrap();
        let on_terminal = |mut command: Command| {
            command.env("PYTHONSTARTUP", &file).env("NO_COLOR", "1").env("PYTHON_HISTORY", "/dev/null");
            Terminal::run(command)
        };
        let mut theirs = Command::new(python());
        theirs.arg("-q").current_dir(home.directory());
        Both { ours: on_terminal(home.command(&["python"])), theirs: on_terminal(theirs) }
    }

    /// Types a text at both; returns what both show, which must be the same.
    fn command(&mut self, prompt: &str, more: &str, text: &str) -> String {
        let shown = [&mut self.ours, &mut self.theirs].map(|terminal| {
            let mut lines = text.split('\n');
            terminal.begin(prompt, lines.next().unwrap());
            for line in lines {
                terminal.wait_for_line(more);
                terminal.keys(line);
                terminal.keys(ENTER);
            }
            terminal.wait_for_prompt(prompt);
            let screen = terminal.screen();
            let lines: Vec<_> = screen.trim_end().lines().map(str::trim_end).collect();
            let (_, lines) = lines.split_last().expect("the prompt");
            let typed = lines.iter().rposition(|line| line.starts_with(prompt.trim_end())).expect("what was typed");
            let shown: Vec<_> = lines[typed + 1..].iter().filter(|line| !line.starts_with(more.trim_end())).collect();
            shown.iter().map(|line| format!("{line}\n")).collect::<String>().trim_end().to_owned()
        });
        assert_eq!(shown[0], shown[1], "{text}");
        let [ours, _] = shown;
        ours
    }
}

#[test]
fn results_are_shown_as_python_shows_them() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut both = Both::start(&home, "started = 1");
    for (text, shown) in [
        ("started", Some("1")),
        ("1; 2", None), // not the same in all versions
        ("for i in range(3): i\n", Some("0\n1\n2")),
        ("if started: 'x'\n", Some("'x'")),
        ("R = type('R', (), {'__repr__': lambda self: print('once') or 'R'})", Some("")),
        ("R()", Some("once\nR")),
        ("x = 5; x", Some("5")),
        ("[None, x][0]", Some("")),
        ("_ is None", Some("False")),
        ("def f(): 7\n", Some("")),
        ("f()", Some("")),
    ] {
        let same = both.command(PROMPT, "... ", text);
        assert!(shown.is_none_or(|shown| shown == same), "{text}: {same}");
    }
}

#[test]
fn what_a_startup_file_sets_is_honoured() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let startup = "import sys\nsys.ps1, sys.ps2 = 'in> ', 'more> '\n\
                   sys.displayhook = lambda value: print('shown', value)\n\
                   sys.excepthook = lambda kind, error, traceback: print('raised', kind.__name__, error)";
    let mut both = Both::start(&home, startup);
    for (text, shown) in [
        ("5", "shown 5"),
        ("None", "shown None"),
        ("for i in range(2): i\n", "shown 0\nshown 1"),
        ("1 / 0", "raised ZeroDivisionError division by zero"),
        ("sys.excepthook = lambda *raised: sys.exit(7) or raised", ""),
        ("sys.displayhook = sys.__displayhook__", ""),
        ("6", "6"),
    ] {
        assert_eq!(both.command("in> ", "more> ", text), shown, "{text}");
    }
    both.ours.begin("in> ", "1 / 0");
    assert_eq!(both.ours.end().code(), Some(7));
}

#[test]
fn prompts_are_asked_for_behind_an_error_too() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::run(home.command(&["python"]));
    terminal.begin(PROMPT, "import os, sys; sys.ps1 = 'one> '; 1 / 0");
    terminal.wait_for_prompt("one> ");
    terminal.begin("one> ", "sys.ps1 = 'two> '; raise KeyboardInterrupt");
    terminal.wait_for_prompt("two> ");
    terminal.begin("two> ", "os._exit(3)");
    terminal.wait_for_prompt(PROMPT);
}

#[test]
fn one_mistake_gives_one_error() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::run(home.command(&["python"]));
    for text in ["for n in [1] print(n)", "if 1", "def f()", "print('a' 'b' c)", "%nothing", "x = = 1", "1 / 0"] {
        let before = terminal.screen().matches("Error").count();
        terminal.command(PROMPT, text);
        assert_eq!(terminal.screen().matches("Error: ").count(), before + 1, "{text}: {}", terminal.screen());
    }
}

#[test]
fn ctrl_z_suspends_and_fg_comes_back() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut shell = home.command(&["python"]);
    let program = shell.get_program().to_owned();
    shell = {
        let mut outer = Command::new("sh");
        outer.arg("-i").env("PS1", "shell$ ").env("BEEP_PYTHON_HOME", home.root()).current_dir(home.directory());
        outer
    };
    let mut terminal = Terminal::run(shell);
    terminal.wait_for_line("shell$");
    terminal.keys(&format!("{} python\r", program.display()));
    terminal.command(PROMPT, "kept = 41");
    terminal.keys("kept +");
    terminal.wait_for_line(">>> kept +");
    for _ in 0..2 {
        terminal.keys(CTRL_Z);
        terminal.wait_for_line("shell$");
        terminal.keys("fg\r");
        terminal.wait_for_line(">>> kept +");
    }
    terminal.keys(" 1\r");
    terminal.wait_for("\n42\n");
    // While code runs, the terminal itself makes the signal.
    let began = home.directory().join("began");
    terminal.begin(PROMPT, "open('began', 'w').close(); import time; time.sleep(600)");
    wait_until("the code runs", || began.exists());
    terminal.keys(CTRL_Z);
    terminal.wait_for_line("shell$");
    terminal.keys("fg\r");
    terminal.wait_until("the prompt in the foreground", |screen| screen.contents().trim_end().ends_with(" python"));
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.command(PROMPT, "kept + 2");
    terminal.wait_for("\n43\n");
}

#[test]
fn ctrl_z_suspends_menus_and_hidden_input() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let program = home.command(&[]).get_program().to_owned();
    let program = program.display();
    let mut shell = Command::new("sh");
    shell.arg("-i").env("PS1", "shell$ ").env("BEEP_PYTHON_HOME", home.root()).current_dir(home.directory());
    let mut terminal = Terminal::run(shell);
    terminal.wait_for_line("shell$");
    terminal.keys(&format!("{program} menu\r"));
    terminal.wait_for("What would you like to do?");
    terminal.keys(CTRL_Z);
    terminal.wait_for_line("shell$");
    terminal.keys("echo me''anwhile\r");
    terminal.wait_for("\nmeanwhile\n");
    terminal.keys("fg\r");
    terminal.wait_for("What would you like to do?");
    assert!(terminal.screen().contains("\nmeanwhile\n"), "{}", terminal.screen());
    terminal.keys(CTRL_C);
    terminal.wait_for_line("shell$");
    terminal.keys(&format!("clear; {program} python\r"));
    terminal.wait_for_prompt(PROMPT);
    terminal.begin(PROMPT, "import getpass; key = getpass.getpass('Key? ')");
    terminal.wait_for_line("Key?");
    terminal.keys("wrong");
    terminal.keys(CTRL_Z);
    terminal.wait_for_line("shell$");
    terminal.keys("fg\r");
    terminal.wait_until("the prompt in the foreground", |screen| screen.contents().trim_end().ends_with(" python"));
    terminal.keys("right\r");
    terminal.command(PROMPT, "'got ' + key");
    terminal.wait_for("'got right'");
    assert!(!terminal.screen().contains("wrong"), "{}", terminal.screen());
}

#[test]
fn ctrl_z_suspends_the_script_that_runs_the_prompt_too() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let program = home.command(&[]).get_program().to_owned();
    let script = home.directory().join("script.sh");
    fs::write(&script, format!("{} python\necho 'ended'\n", program.display())).unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-i").env("PS1", "shell$ ").env("BEEP_PYTHON_HOME", home.root()).current_dir(home.directory());
    let mut terminal = Terminal::run(shell);
    terminal.wait_for_line("shell$");
    terminal.keys("sh script.sh\r");
    terminal.command(PROMPT, "kept = 41");
    terminal.keys(CTRL_Z);
    terminal.wait_for_line("shell$");
    terminal.keys("fg\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.command(PROMPT, "kept + 1");
    terminal.wait_for("\n42\n");
    terminal.keys(CTRL_D);
    terminal.wait_for("\nended\n");
}

#[test]
fn magics_of_every_day_work() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::run(home.command(&["python"]));
    terminal.command(PROMPT, "!echo sh; exit 3");
    terminal.wait_for("\nsh\n");
    terminal.command(PROMPT, "_exit_code");
    terminal.wait_for("\n3\n");
    terminal.command(PROMPT, "%timeit -n 5 -r 2 sum([1])");
    terminal.wait_for(" per loop (mean ± std. dev. of 2 runs, 5 loops each)");
    terminal.command(PROMPT, "len?");
    terminal.wait_for("Docstring: Return the number of items in a container.");
    terminal.begin(PROMPT, "%%time");
    terminal.wait_for_line("... ");
    terminal.keys("6 * 7\r");
    terminal.wait_until("the next line", |screen| screen.contents().trim_end().ends_with("6 * 7\n..."));
    terminal.keys(ENTER);
    terminal.wait_for("\n42\n");
    terminal.command(PROMPT, "%pip list");
    terminal.wait_for("\nPackage Version\n");
    make(&home.directory().join("wheels"), Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
    terminal.command(PROMPT, "%pip install ./wheels/alpha-1.0-py3-none-any.whl");
    terminal.wait_for("\nInstalled: alpha 1.0\n");
    terminal.command(PROMPT, "%pip uninstall -y alpha");
    terminal.wait_for("\nRemoved: alpha 1.0\n");
    terminal.command(PROMPT, "%who");
    terminal.wait_for("UsageError: %who is not known here. Write instead: dir()");
    terminal.command(PROMPT, "%matplotlib qt");
    terminal.wait_for("Write instead: %matplotlib inline");
}
