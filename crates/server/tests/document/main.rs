//! PROTOCOL.md is carried out: each of its examples against a server, in their order, and each row of its table of
//! values. `example.rs` says how examples are written. What goes over HTTP and the pipe is held against `/openapi.json`, too.

#![allow(unreachable_pub)] // as in any crate of tests

mod example;
mod matching;
mod values;
mod wires;

#[path = "../support/described.rs"]
mod described;
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
mod server;

use beep_python_protocol::{HostOperation, Operation};
use beep_python_server::auth::AccessConfig;
use beep_python_server::rpc::Rpc;
use example::{Example, Wire};
use host::pythons;
use server::Server;

const DOCUMENT: &str = include_str!("../../../protocol/PROTOCOL.md");

#[test]
fn every_example_does_what_it_says() {
    let examples = example::read(DOCUMENT);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let on = |python| {
            let examples = &examples;
            scope.spawn(move || {
                let failures = wires::carry_out_all(&Server::start(python, AccessConfig::default()), examples);
                let with = |told| format!("with Python {}: {told}", python.version.series());
                failures.into_iter().map(with).collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = pythons().iter().map(on).collect();
        running.into_iter().flat_map(|running| running.join().expect("no panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_operation_has_an_example_on_every_wire() {
    let examples = example::read(DOCUMENT);
    let shown = |wire, wanted: &str| {
        let of_wire = examples.iter().filter(|example: &&Example| example.wire == wire);
        of_wire.filter(|example| example.asks_for(wanted)).count() > 0
    };
    let mut missing = Vec::new();
    let mut want = |wire, wanted: String| {
        if !shown(wire, &wanted) {
            missing.push(format!("{wire:?} {wanted}"));
        }
    };
    for operation in Operation::ALL {
        want(Wire::Http, format!("POST {}", operation.http_path()));
        want(Wire::Pipe, operation.pipe_command().to_owned());
    }
    for operation in HostOperation::ALL {
        want(Wire::Http, format!("{} {}", operation.http_method(), operation.http_path()));
        want(Wire::Pipe, operation.pipe_command().to_owned());
    }
    for rpc in Rpc::all() {
        let path = rpc.path();
        want(Wire::Grpc, path.trim_start_matches("/beep.python.runtime.").to_owned());
        if let Some(path) = rpc.json_path() {
            want(Wire::Http, format!("POST {path}"));
        }
    }
    assert!(missing.is_empty(), "PROTOCOL.md shows nothing for: {}", missing.join(", "));
}

#[test]
fn every_row_of_the_table_of_values_is_true() {
    values::check(DOCUMENT, &Server::start(host::newest(), AccessConfig::default()));
}
