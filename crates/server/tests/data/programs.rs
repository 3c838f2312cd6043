//! The programs of the documents that need packages.

use std::process::Command;

use crate::host::newest;
use crate::http::Server;

const PAGE: &str = include_str!("../../../../docs/data.md");

#[test]
fn a_program_with_the_standard_library_alone_changes_a_table() {
    let python = newest();
    let version = format!("{}.{}", python.version.major, python.version.minor);
    let folder =
        std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(|folder| std::path::Path::new(&folder).join(&version));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no pandas for Python {version}");
        return;
    };
    let server = Server::start();
    server.eval(&format!("import sys; sys.path.insert(0, {:?})", folder.display().to_string()));
    let program = PAGE.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
    let program = program.replace("5678", &server.port.to_string());
    let output = Command::new(&python.path).arg("-c").arg(program).output().expect("it runs");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "[1.5, 2.0, 4.0]\n{\"value\":15.0,\"sessionEpoch\":1}\n", "{failed}");
}
