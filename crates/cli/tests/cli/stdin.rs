//! Standard input of code that `eval` and the prompt run.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::terminal::{CTRL_C, CTRL_D, Terminal};
use super::test_home::{CommandOutput, TestHome, python};

const LINES: &str = "one\ntwo\nthree";

/// What code can read of it, and how.
const FORMS: &[&str] = &[
    "import sys; print(repr(sys.stdin.read()))",
    "import sys; print([sys.stdin.readline(), input('next? '), sys.stdin.readline()])",
    "import sys; print(list(sys.stdin))",
    "import sys; print(sys.stdin.buffer.read(), repr(sys.stdin.read()))",
    "import sys\ntry:\n    while True: print(input())\nexcept EOFError as error: print(error)",
    "import fileinput; print(list(fileinput.input()))",
    "import io, sys; sys.stdin = io.StringIO('mine'); print(input())",
    "import sys, warnings; warnings.simplefilter('ignore'); import getpass; print(getpass.getpass(''))",
];

/// What only a descriptor gives.
const FORMS_OF_DESCRIPTORS: &[&str] = &[
    "print(list(open(0)))",
    "import os; print(os.read(0, 5))",
    "import subprocess; done = subprocess.run(['head', '-n', '2'])",
    "import subprocess, sys; done = subprocess.run([sys.executable, '-c', 'print(input())'])",
    "import os\nif os.fork() == 0: print(input(), flush=True); os._exit(0)\nos.wait(); None",
];

/// Runs it with these lines, and without a terminal.
fn with_lines(mut command: Command) -> CommandOutput {
    // SAFETY: it is a system call that may be made between fork and exec, and nothing else is done.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::setsid().map(|_| ())?));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Code that reads nothing may have ended.
    let written = child.stdin.take().unwrap().write_all(LINES.as_bytes());
    assert!(written.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::BrokenPipe), "{written:?}");
    CommandOutput::from(child.wait_with_output().unwrap())
}

fn under_python(code: &str) -> CommandOutput {
    let mut command = Command::new(python());
    command.args(["-c", code]);
    with_lines(command)
}

#[test]
fn eval_with_a_server_of_its_own_reads_what_python_reads() {
    let home = TestHome::with_runtime();
    for code in [FORMS, FORMS_OF_DESCRIPTORS].concat() {
        let expected = under_python(code);
        assert_eq!(expected.code, Some(0), "{expected:?}");
        let output = with_lines(home.command(&["eval", code]));
        assert_eq!((output.code, output.stdout), (expected.code, expected.stdout), "{code}: {}", output.stderr);
    }
    let output = with_lines(home.command(&["eval", "--json", "open(0).read()"]));
    assert!(output.stdout.contains(r#""value": "one\ntwo\nthree""#), "{output:?}");
    let output = home.run_with_input(&["eval", "-"], "import sys; print('read', repr(sys.stdin.read()))");
    assert_eq!(output.stdout, "read ''\n", "the code was all of it: {output:?}");
    home.wait_until_no_process_is_left();
}

#[test]
fn eval_on_another_server_reads_its_standard_input_line_by_line() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for code in FORMS {
        let output = with_lines(home.command(&["eval", code]));
        // What asks for lines cannot tell whether the last one has an end.
        let expected = under_python(code).stdout.replace(r"three'", r"three\n'").replace("EOF when reading a line", "");
        let told = output.stdout.replace("the client's standard input has ended", "");
        assert_eq!((output.code, told), (Some(0), expected), "{code}: {}", output.stderr);
    }
    let code =
        "import subprocess, sys\n[list(open(0)), subprocess.run(['cat'], stdout=-1).stdout, sys.stdin.readline()]";
    assert_eq!(with_lines(home.command(&["eval", code])).stdout, "[[], b'', 'one\\n']\n");
    let output = home.run_with_input(&["eval", "-"], "import sys; [sys.stdin.read(), sys.stdin.readline()]");
    assert_eq!(output.stdout, "['', '']\n", "{output:?}");
}

#[test]
fn eval_with_a_server_of_its_own_reads_the_terminal() {
    let home = TestHome::with_runtime();
    let code = "import sys\nname = input('Name? ')\nprint('name', name)\nprint('line', sys.stdin.readline())\n\
                try: input('Stop? ')\nexcept KeyboardInterrupt: print('stopped')\ninput('End? ')";
    let mut terminal = Terminal::run(home.command(&["eval", code]));
    terminal.wait_for_line("Name?");
    terminal.keys("Ada\r");
    terminal.wait_for("name Ada");
    terminal.keys("a line\r");
    terminal.wait_for("line a line");
    terminal.wait_for_line("Stop?");
    terminal.keys(CTRL_C);
    terminal.wait_for("stopped");
    terminal.wait_for_line("End?");
    terminal.keys(CTRL_D);
    terminal.wait_for("EOFError: EOF when reading a line");
    assert_eq!(terminal.end().code(), Some(1));
    let code = "import getpass; key = getpass.getpass('Key? '); print(len(key), input())";
    let mut terminal = Terminal::run(home.command(&["eval", code]));
    terminal.wait_for_line("Key?");
    terminal.keys("hidden\r");
    terminal.keys("shown\r");
    terminal.wait_for("6 shown");
    assert!(!terminal.screen().contains("hidden"), "{}", terminal.screen());
    assert!(terminal.end().success());
    home.wait_until_no_process_is_left();
}

#[test]
fn time_at_the_prompt_of_pdb_does_not_count_against_the_timeout() {
    let home = TestHome::with_runtime();
    let code = "keep = 41\nbreakpoint()\nprint('kept', keep + 1)";
    let mut terminal = Terminal::run(home.command(&["eval", "--timeout", "1s", code]));
    terminal.wait_for_line("(Pdb)");
    terminal.keys("import time; time.sleep(17)\r"); // longer than the command waits for a host that has stopped
    terminal.keys("c\r");
    terminal.wait_for("kept 42");
    assert!(terminal.end().success());
    home.wait_until_no_process_is_left();
}

#[test]
fn prompt_reads_standard_input_in_all_its_forms() {
    const PROMPT: &str = ">>> ";
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::run(home.command(&["python"]));
    terminal.command(PROMPT, "import io, pdb, sys");
    terminal.begin(PROMPT, "print('rea' 'dy'); [sys.stdin.readline(), input('more? '), next(sys.stdin)]");
    terminal.wait_for("\nready");
    terminal.keys("one\r");
    terminal.wait_for_line("more?");
    terminal.keys("two\r");
    terminal.keys("three\r");
    terminal.wait_for("['one\\n', 'two', 'three\\n']\n>>> ");
    terminal.begin(PROMPT, "pdb.run('x = 5')");
    terminal.wait_for_line("(Pdb)");
    terminal.keys("c\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.command(PROMPT, "sys.stdin = io.StringIO('mine'); input()");
    terminal.wait_for("\n'mine'\n>>> ");
}
