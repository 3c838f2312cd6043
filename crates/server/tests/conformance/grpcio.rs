//! A stock client of gRPC, where `BEEP_PYTHON_TEST_PACKAGES` has grpcio: its cancels and its deadlines interrupt the code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::gate::Gate;
use crate::host::pythons;
use crate::test_context::{Case, TestContext, Transport, cases};

pub const CASES: &[Case] = cases![over &[Transport::Rpc];
    a_cancel_interrupts_the_code,
    a_deadline_interrupts_the_code,
    a_cancel_leaves_code_alone_that_says_so,
    a_killed_client_is_lost_and_has_not_cancelled,
];

const PROGRAM: &str = include_str!("grpcio.py");

/// One call of a stock client, and its code.
struct StockCall {
    folder: PathBuf,
    gate: Gate,
    marks: tempfile::TempDir,
}

impl StockCall {
    /// `None`, and a line that says so, where grpcio is not there.
    fn new(context: &TestContext) -> Option<StockCall> {
        let (major, minor) = context.version;
        let folder = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(PathBuf::from);
        let folder = folder.map(|folder| folder.join(format!("grpcio/{major}.{minor}")));
        let Some(folder) = folder.filter(|folder| folder.join("grpc").is_dir()) else {
            eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no grpcio for Python {major}.{minor}");
            return None;
        };
        Some(StockCall { folder, gate: Gate::new(), marks: tempfile::tempdir().expect("a folder") })
    }

    fn interrupted(&self) -> PathBuf {
        self.marks.path().join("interrupted")
    }

    /// Makes the call, which ends as `how` says, or after `seconds`. Returns the status that the client printed.
    async fn end(&self, context: &TestContext, how: &str, seconds: u32, options: &[&str]) -> String {
        let same = |version: &(u8, u8)| *version == context.version;
        let python = pythons().iter().find(|python| same(&(python.version.major, python.version.minor)));
        let code = format!(
            "kept = 1\ntry:\n{}    undisturbed = True\nexcept KeyboardInterrupt:\n    open({:?}, 'w').close()\n    raise",
            self.gate.before("").lines().map(|line| format!("    {line}\n")).collect::<String>(),
            self.interrupted(),
        );
        let mut command = Command::new(&python.expect("the server's Python").path);
        command.env("PYTHONPATH", &self.folder).arg("-c").arg(PROGRAM);
        command.arg(context.server.rpc.to_string()).args([how, &seconds.to_string()]);
        command.arg(self.gate.file("begun")).arg(code).arg(format!("beep-session={}", context.session)).args(options);
        command.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("waited for").expect("it runs");
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(failed.is_empty() || how != "kill", "{how}: {failed}");
        said.trim().to_owned()
    }

    /// Checks that the code was interrupted, and that its session goes on.
    async fn is_interrupted(&self, context: &TestContext, how: &str) {
        wait_for(&self.interrupted()).await;
        assert_eq!(context.python.evaluate::<i64>("kept").await.expect("the session goes on"), 1, "{how}");
    }

    /// Checks that the code was not interrupted, and goes on to its end.
    async fn goes_on(&self, context: &TestContext, how: &str) {
        self.gate.open();
        assert!(context.python.evaluate::<bool>("undisturbed").await.expect("done"), "{how}");
        assert!(!self.interrupted().exists(), "{how}");
    }
}

async fn wait_for(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

async fn a_cancel_interrupts_the_code(context: &TestContext) {
    for how in ["cancel", "cancel events", "close"] {
        let Some(call) = StockCall::new(context) else { return };
        assert_eq!(call.end(context, how, 0, &[]).await, "CANCELLED", "{how}");
        call.is_interrupted(context, how).await;
    }
}

async fn a_deadline_interrupts_the_code(context: &TestContext) {
    for how in ["deadline", "deadline of with_call", "deadline of a future", "deadline of events"] {
        for seconds in [1, 4, 16] {
            let Some(call) = StockCall::new(context) else { return };
            assert_eq!(call.end(context, how, seconds, &[]).await, "DEADLINE_EXCEEDED", "{how}");
            // On a busy machine the code may not have begun by then.
            if call.gate.file("begun").exists() {
                call.is_interrupted(context, how).await;
                break;
            }
        }
    }
}

async fn a_cancel_leaves_code_alone_that_says_so(context: &TestContext) {
    for how in ["cancel", "cancel events", "close"] {
        let Some(call) = StockCall::new(context) else { return };
        assert_eq!(call.end(context, how, 0, &["beep-cancel-on-disconnect=false"]).await, "CANCELLED", "{how}");
        call.goes_on(context, how).await;
    }
}

async fn a_killed_client_is_lost_and_has_not_cancelled(context: &TestContext) {
    let Some(call) = StockCall::new(context) else { return };
    assert_eq!(call.end(context, "kill", 0, &[]).await, "");
    call.goes_on(context, "kill").await;
    let Some(call) = StockCall::new(context) else { return };
    assert_eq!(call.end(context, "kill", 0, &["beep-cancel-on-disconnect=true"]).await, "");
    call.is_interrupted(context, "kill").await;
}
