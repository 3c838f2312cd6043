//! The encoding of code that comes from a file (PEP 263).

use std::io::Write;
use std::process::{Command, Stdio};

use super::test_home::{CommandOutput, TestHome, python};

fn with_input(mut command: Command, input: &[u8]) -> CommandOutput {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("PYTHONIOENCODING", "utf-8");
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    CommandOutput::from(child.wait_with_output().unwrap())
}

fn under_python(home: &TestHome, input: &[u8]) -> CommandOutput {
    let file = home.directory().join("source.py");
    std::fs::write(&file, input).unwrap();
    let mut command = Command::new(python());
    command.arg(file);
    with_input(command, b"")
}

#[test]
fn code_from_standard_input_is_decoded_as_python_decodes_files() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for source in [
        &b"print('\xc3\xa9')"[..],
        b"\xef\xbb\xbfprint('\xc3\xa9')",
        b"# coding: latin-1\nprint('\xe9')",
        b"#!/usr/bin/python\n# -*- coding: cp1252 -*-\nprint('\x80')",
        b"# vim: set fileencoding=utf-8 :\r\nprint('\xc3\xa9')\r\n",
        b"\xef\xbb\xbf# coding: utf-8\nprint('\xc3\xa9')",
        b"text = 'coding'\nprint('\xc3\xa9', text)",
        b"text = 'a'\n\n# coding: latin-1\nprint('\xc3\xa9')",
        b"# coding: shift_jis\nprint('\x83\x65')",
    ] {
        let expected = under_python(&home, source);
        assert_eq!(expected.code, Some(0), "{expected:?}");
        let output = with_input(home.command(&["eval", "-"]), source);
        assert_eq!((output.code, output.stdout), (expected.code, expected.stdout), "{}", output.stderr);
    }
    for source in [
        &b"# coding: nosuch\n1"[..],
        b"\xef\xbb\xbf# coding: latin-1\n1",
        b"print('\xe9')",
        b"# coding: utf-8\nprint('\xe9')",
    ] {
        assert!(under_python(&home, source).stderr.contains("SyntaxError"));
        let output = with_input(home.command(&["eval", "-"]), source);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains("SyntaxError: "), "{output:?}");
    }
    let output = with_input(home.command(&["eval", "-", "--json"]), b"# coding: latin-1\n'\xe9'");
    assert!(output.stdout.contains("\"value\": \"\u{e9}\""), "{output:?}");
    assert_eq!(home.success(&["eval", "\u{feff}1 + 1"]), "2\n");
    assert_eq!(home.success(&["eval", "\u{feff}x = 1\nx + 1"]), "2\n");
}
