//! What is typed at the prompt while code runs, faster than it is read, and on terminals that do not answer.

use super::terminal::{CTRL_C, CTRL_D, ENTER, Terminal};
use super::test_home::TestHome;

const PROMPT: &str = ">>> ";
const NO_ANSWER: &str = "the terminal does not say where its cursor is";

/// Has the session run code that says when it runs, and waits for this file.
fn wait_for_file(home: &TestHome, terminal: &mut Terminal, name: &str, then: &str) -> std::path::PathBuf {
    let file = home.root().join(name);
    terminal.command(PROMPT, "import os, time");
    terminal.command(PROMPT, &format!("gate = {file:?}"));
    let code = "[time.sleep(.01) for _ in iter(lambda: os.path.exists(gate), True)]";
    terminal.begin(PROMPT, &format!("print('{name}' + '!'); {code}; {then}"));
    terminal.wait_for(&format!("\n{name}!"));
    file
}

fn prompt(home: &TestHome) -> Terminal {
    Terminal::run(home.command(&["python"]))
}

#[test]
fn lines_typed_while_code_runs_are_all_run_afterwards() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home);
    let gate = wait_for_file(&home, &mut terminal, "first", "x = 1");
    terminal.keys("x = 20\rdef f():\r    return x + 1\r\rprint('f', f() * 2)\rprint('part' ");
    std::fs::write(&gate, "").unwrap();
    terminal.wait_for("\nf 42\n");
    terminal.wait_for_line(">>> print('part'");
    terminal.keys("'ly')\r");
    terminal.wait_for("\npartly\n");

    // What code reads comes first, and Ctrl-C discards what was typed, as in any terminal.
    let gate = wait_for_file(&home, &mut terminal, "second", "n = input()");
    terminal.keys("Ada\rprint('hello', n)\r");
    std::fs::write(&gate, "").unwrap();
    terminal.wait_for("\nhello Ada\n");
    wait_for_file(&home, &mut terminal, "third", "x = 1");
    terminal.keys("print('un' + 'wanted')\r");
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    terminal.command(PROMPT, "print('wan' + 'ted')");
    assert!(!terminal.screen().contains("\nunwanted"), "{}", terminal.screen());
}

#[test]
fn a_long_paste_without_brackets_is_run_line_by_line() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = prompt(&home);
    terminal.command(PROMPT, "lines = []");
    let mut pasted = String::new();
    for n in 0..45 {
        pasted += &format!("lines.append({n})  # {}\r", "x".repeat(44));
    }
    for n in 0..20 {
        pasted += &format!("def f{n}():\r    if True:\r        return {n}\r\r");
    }
    assert!(pasted.len() > 3700 && pasted.len() < 4096, "{}", pasted.len());
    terminal.keys(&pasted);
    terminal.keys("print('all', len(lines), lines == sorted(lines), sum(globals()[f'f{n}']() for n in range(20)))\r");
    terminal.wait_for("\nall 45 True 190");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn a_terminal_that_does_not_answer_keeps_its_prompt_and_its_session() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::silent(home.command(&["python"]));
    terminal.wait_for("Ctrl-D leaves");
    terminal.keys("x = 40\rdef f():\r    return x + 2\r\r");
    terminal.wait_for(NO_ANSWER);
    terminal.command(PROMPT, "print('f', f())");
    terminal.wait_for("\nf 42\n");
    terminal.begin(PROMPT, "input('name? ')");
    terminal.wait_for_line("name? ");
    terminal.keys("Ada");
    terminal.keys(ENTER);
    terminal.wait_for("'Ada'");
    terminal.wait_for_prompt(PROMPT);
    assert_eq!(terminal.screen().matches(NO_ANSWER).count(), 1);
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn a_late_answer_of_the_terminal_is_not_code() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let mut terminal = Terminal::silent(home.command(&["python"]));
    terminal.wait_for(NO_ANSWER);
    terminal.wait_for_prompt(PROMPT);
    terminal.answer();
    terminal.keys("print('st' + 'ill')\r");
    terminal.wait_for("\nstill\n");
    terminal.wait_for_prompt(PROMPT);
    terminal.keys(CTRL_D);
    assert!(terminal.end().success());
}

#[test]
fn blocks_are_complete_as_before_on_a_busy_session() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let code = format!(
        "import os, time\nprint('on', flush=True)\nwhile not os.path.exists({:?}): time.sleep(.01)",
        home.root().join("gate")
    );
    let mut busy = home.command(&["eval", "--session", "default", &code]);
    let mut busy = busy.stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(busy.stdout.as_mut().unwrap(), &mut [0; 3]).unwrap();

    let mut terminal = Terminal::run(home.command(&["python", "default"]));
    terminal.begin(PROMPT, "def f():");
    terminal.wait_until("the indentation", |screen| screen.cursor_position().1 == 8);
    terminal.keys("return 42\r");
    terminal.wait_until("the next line", |screen| screen.cursor_position().1 == 4);
    terminal.keys("\r");
    terminal.keys("print('f', f())\r");
    std::fs::write(home.root().join("gate"), "").unwrap();
    terminal.wait_for("\nf 42");
    assert!(busy.wait().unwrap().success());
}
