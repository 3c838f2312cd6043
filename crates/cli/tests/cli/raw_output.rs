//! Output that is no text: `eval`, `run` and the prompt write what python writes, byte by byte.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::terminal::Terminal;
use super::test_home::{TestHome, body_of, post, python};

/// All bytes, by every way that there is, longer than a pipe holds, with the ends of calls and of processes in between.
const CODE: &str = r#"import atexit, os, subprocess, sys, threading
def write(stream, data):
    stream.buffer.write(data)
    stream.flush()

write(sys.stdout, bytes(range(256)) * 1000)
write(sys.stderr, b"\xff\xfe")
# A character in pieces of its own.
for byte in "\N{EURO SIGN}".encode():
    done = os.write(1, bytes([byte])), os.write(2, bytes([byte]))

done = subprocess.run([sys.executable, "-c", r"import os; os.write(1, b'\x80child\n'), os.write(2, b'\xe2\x82')"])
thread = threading.Thread(target=write, args=(sys.stdout, b"\xe9thread"))
thread.start()
thread.join()
last = threading.Thread(target=lambda: (threading.main_thread().join(), write(sys.stdout, b"late\xe9\n")))
last.start()
done = atexit.register(write, sys.stderr, b"exit\x00\xc3")
print("text", end="")
sys.stdout.flush()
None
"#;

fn with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("PYTHONUNBUFFERED");
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn what_is_no_text_is_written_as_python_writes_it() {
    let home = TestHome::with_runtime();
    let file = home.directory().join("script.py");
    std::fs::write(&file, CODE).unwrap();
    let script = file.to_str().unwrap();
    let mut command = Command::new(python());
    command.arg(script);
    let expected = with_input(command, "");
    assert!(expected.status.success(), "{expected:?}");
    assert!(expected.stdout.len() > 256_000 && std::str::from_utf8(&expected.stdout).is_err());
    let check = |arguments: &[&str], input: &str| {
        let output = with_input(home.command(arguments), input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stdout == expected.stdout, "{arguments:?}");
        assert_eq!(output.stderr, expected.stderr, "{arguments:?}");
    };
    check(&["eval", CODE], "");
    check(&["eval", "-"], CODE);
    check(&["run", script], "");
    check(&["python"], CODE);
    home.start(&[]);
    check(&["eval", CODE], "");
    check(&["run", script], "");
}

#[test]
fn what_is_left_out_is_told() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let created = post(&server, "/api/sessions", &json!({"limits": {"outputBytes": 100}}));
    let created: serde_json::Value = serde_json::from_str(body_of(&created)).unwrap();
    let session = created["sessionId"].as_str().unwrap();
    let lost = "899 bytes of the output are left out";
    for (code, status, more) in [
        ("print('x' * 998)", 1, ""),
        ("print('x' * 998); 1 / 0", 1, "ZeroDivisionError"),
        ("print('x' * 998); raise SystemExit(7)", 7, ""),
    ] {
        let ended = home.run(&["eval", "--session", session, code]);
        assert_eq!((ended.code, ended.stdout.len()), (Some(status), 100), "{ended:?}");
        assert!(ended.stderr.contains(lost) && ended.stderr.contains(more), "{ended:?}");
    }
    let mut terminal = Terminal::run(home.command(&["python", session]));
    terminal.command(">>> ", "print('x' * 998)");
    terminal.wait_for("xxx\n[output cut here: 899 bytes left out]\nxxx");
    terminal.command(">>> ", "import threading; go = threading.Event()");
    terminal.command(">>> ", "threading.Thread(target=lambda: (go.wait(), print('x' * 1098))).start()");
    terminal.command(">>> ", "go.set()");
    terminal.wait_for("[output cut here: 999 bytes left out]");
}
