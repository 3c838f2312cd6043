//! Completion in shells: the scripts, and the candidates.

use std::io::ErrorKind;
use std::process::Command;

use super::terminal::{CTRL_U, Terminal};
use super::test_home::{CommandOutput, TestHome};

/// A PATH where shells find the program.
fn path() -> String {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_beep-python")).parent().unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// The candidates that a shell gets for a line; none if the shell is not installed.
fn complete_in(home: &TestHome, shell: &str, program: &str) -> Option<String> {
    let mut command = Command::new(shell);
    command
        .args(["-c", program])
        .env("PATH", path())
        .env("BEEP_PYTHON_HOME", home.root())
        .current_dir(home.directory());
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => {
            let output = CommandOutput::from(output.unwrap());
            assert_eq!(output.stderr, "", "{output:?}");
            Some(output.stdout)
        }
    }
}

fn home() -> TestHome {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "alpha"]);
    home.success(&["venv", "create", "beta"]);
    home
}

#[test]
fn every_shell_has_a_completion_script() {
    let home = TestHome::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.success(&["completions", shell]);
        assert!(script.contains("BEEP_PYTHON_COMPLETE") && script.contains("beep-python"), "{shell}: {script}");
    }
    assert!(!home.root().exists(), "nothing is made");
}

#[test]
fn bash_completes_commands_and_names() {
    let home = home();
    let typed = |words: &str, at: usize| {
        let program = format!(
            "source <(beep-python completions bash)
             COMP_WORDS=({words}) COMP_CWORD={at} COMP_TYPE=9 COMP_LINE='' COMP_POINT=0
             function=$(complete -p beep-python | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
             $function beep-python \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        complete_in(&home, "bash", &program).expect("bash")
    };
    assert_eq!(typed("beep-python sta", 1), "start\nstatus\n");
    assert_eq!(typed("beep-python venv status ''", 3).lines().take(2).collect::<Vec<_>>(), ["alpha", "beta"]);
    assert_eq!(typed("beep-python start http --venv b", 4), "beta\n");
}

#[test]
fn fish_shows_descriptions_of_names() {
    let home = home();
    let fish = "beep-python completions fish | source; complete -C 'beep-python venv status a'";
    if let Some(output) = complete_in(&home, "fish", fish) {
        assert!(output.starts_with("alpha\tPython 3."), "{output}");
    }
}

#[test]
fn tab_in_an_interactive_shell_completes_the_name() {
    let home = home();
    for (shell, options, before) in [
        ("bash", &["--norc", "--noprofile", "-i"][..], ""),
        ("zsh", &["-f", "-i"], "autoload -U compinit; compinit -u -D; "),
    ] {
        if Command::new(shell).arg("-c").arg("true").status().is_err() {
            continue; // not on this machine
        }
        let mut command = Command::new(shell);
        command.args(options).env("PATH", path()).env("BEEP_PYTHON_HOME", home.root()).env("PS1", "$ ");
        // A history of its own: zsh replaces the file HISTFILE names.
        command.env("HISTFILE", home.directory().join("history")).current_dir(home.directory());
        let mut terminal = Terminal::run(command);
        terminal.command("$ ", &format!("{before}source <(beep-python completions {shell})"));
        terminal.keys("beep-python venv status b\t");
        terminal.wait_for_line("$ beep-python venv status beta");
        terminal.keys(CTRL_U);
        terminal.wait_for_prompt("$ ");
        terminal.keys("beep-python quick\t");
        terminal.wait_for_line("$ beep-python quickstart");
    }
}
