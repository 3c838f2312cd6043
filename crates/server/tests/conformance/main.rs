//! One suite for all backends: each case is written once, and runs through every backend against a server of each Python
//! of the machine. A test's name says which: `3.12::pipe::handles::an_empty_list_is_not_a_missing_handle`.
//!
//! To add a case, write an `async fn name(context: &TestContext)` in a file of its subject, and name it in that file's list. It
//! has a session and connections of its own, so that it can run beside all others.
//!
//! `cargo test -p beep-python-server --test conformance -- 3.9::http` runs a part; with `BEEP_PYTHON_REPEAT=50` each case
//! runs so often.

#![allow(unreachable_pub)] // as in any crate of tests

mod children;
mod clients;
mod data;
mod data_packages;
mod debugger;
mod ends;
mod events;
mod existing;
mod existing_client;
mod failures;
mod faults;
mod grpcio;
mod handles;
mod infrastructure;
mod kept_callbacks;
mod leases;
mod limits;
mod nested;
mod objects;
mod operations;
mod packages;
mod processes;
mod server;
mod session_events;
mod sessions;
mod shared;
mod stock_grpc;
mod stopping;
mod test_context;
mod traces;
mod values;

#[path = "../support/gate.rs"]
#[allow(dead_code)]
mod gate;
#[path = "../support/host.rs"]
#[allow(dead_code)]
mod host;
#[path = "../support/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../support/pipe.rs"]
#[allow(dead_code)]
mod pipe;
#[path = "../support/rpc.rs"]
#[allow(dead_code)]
mod rpc;
#[path = "../support/server.rs"]
#[allow(dead_code)]
mod whole;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use server::Python;
use test_context::{Subject, Transport};

/// Every subject with its cases.
const SUBJECTS: &[Subject] = &[
    Subject { name: "operations", cases: operations::CASES },
    Subject { name: "objects", cases: objects::CASES },
    Subject { name: "values", cases: values::CASES },
    Subject { name: "data", cases: data::CASES },
    Subject { name: "data_packages", cases: data_packages::CASES },
    Subject { name: "packages", cases: packages::CASES },
    Subject { name: "packages", cases: packages::EXISTING_CASES },
    Subject { name: "handles", cases: handles::CASES },
    Subject { name: "failures", cases: failures::CASES },
    Subject { name: "faults", cases: faults::CASES },
    Subject { name: "clients", cases: clients::CASES },
    Subject { name: "sessions", cases: sessions::CASES },
    Subject { name: "kept_callbacks", cases: kept_callbacks::CASES },
    Subject { name: "leases", cases: leases::CASES },
    Subject { name: "limits", cases: limits::CASES },
    Subject { name: "nested", cases: nested::CASES },
    Subject { name: "children", cases: children::CASES },
    Subject { name: "stopping", cases: stopping::CASES },
    Subject { name: "ends", cases: ends::CASES },
    Subject { name: "debugger", cases: debugger::CASES },
    Subject { name: "events", cases: events::CASES },
    Subject { name: "session_events", cases: session_events::CASES },
    Subject { name: "traces", cases: traces::CASES },
    Subject { name: "infrastructure", cases: infrastructure::CASES },
    Subject { name: "existing", cases: existing::CASES },
    Subject { name: "existing", cases: existing::HTTP_CASES },
    Subject { name: "existing", cases: existing::PIPE_CASES },
    Subject { name: "stock_grpc", cases: stock_grpc::CASES },
    Subject { name: "grpcio", cases: grpcio::CASES },
];

/// How many cases run at once: they wait for their servers most of the time.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    test_context::note_panics();
    let pythons = Python::all();
    let repeat: usize = std::env::var("BEEP_PYTHON_REPEAT").ok().and_then(|often| often.parse().ok()).unwrap_or(1);
    let shared = shared::cases();
    let mut trials = Vec::new();
    for python in (0..repeat).flat_map(|_| &pythons) {
        for (subject, case) in SUBJECTS.iter().flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)))
        {
            for transport in case.transports {
                let name = format!("{python}::{transport}::{}::{}", subject.name, case.name);
                let python = python.clone();
                trials.push(Trial::test(name, move || test_context::run(&python, *transport, case.run)));
            }
        }
        for (case, transport) in
            shared.iter().flat_map(|case| Transport::ALL.iter().map(move |transport| (case, transport)))
        {
            let name = format!("{python}::{transport}::shared::{}::{}", case.subject, case.name);
            let python = python.clone();
            trials.push(Trial::test(name, move || test_context::run(&python, *transport, shared::run(case))));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let processes = processes::descendants();
    let mut left: Vec<_> = pythons.iter().filter_map(|python| python.end().err()).collect();
    left.extend(processes::still_there(processes));
    for left in &left {
        eprintln!("left behind: {left}");
    }
    if left.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE }
}
