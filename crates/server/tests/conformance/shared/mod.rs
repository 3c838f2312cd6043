//! The cases that every client is held to, in any language: `clients/conformance/cases.json`, which says what they look like.

mod case;
mod done;
mod expectation;
mod operation;
mod runner;
mod value;

use case::{Case, Cases};

use crate::test_context::{Running, TestContext};

/// The file's cases. They live as long as the tests.
pub fn cases() -> &'static [Case] {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/conformance/cases.json");
    let text = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    let cases: Cases = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    cases.cases.leak()
}

/// What carries out a case.
pub fn run(case: &'static Case) -> impl for<'a> Fn(&'a TestContext) -> Running<'a> {
    move |context| {
        // Steps that are started run on this thread, beside the others.
        Box::pin(async move { tokio::task::LocalSet::new().run_until(carry_out(context, case)).await })
    }
}

async fn carry_out(context: &TestContext, case: &Case) {
    if case.python.as_deref().is_some_and(|oldest| context.version < version(oldest)) {
        return;
    }
    let mut runner = runner::Runner::new(context);
    for (at, step) in case.steps.iter().enumerate() {
        if let Err(wrong) = runner.step(step).await {
            panic!("step {at}, {}: {wrong}", serde_json::Value::from(step.clone()));
        }
    }
}

fn version(text: &str) -> (u8, u8) {
    let (major, minor) = text.split_once('.').expect("a version");
    (major.parse().expect("a number"), minor.parse().expect("a number"))
}
