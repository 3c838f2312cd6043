//! Output that is no text: `eval`, `run` and the prompt write what python writes, byte by byte.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::test_home::{TestHome, python};

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
