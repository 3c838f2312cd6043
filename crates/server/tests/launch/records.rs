//! Finding servers by what people have at hand.

use std::fs;

use beep_python_client::{AnyTransport, Error, RunningServer, discover_in};
use beep_python_server::launch::{
    Endpoint, NewRecord, RecordError, ServerRecord, ServerState, find, record_of_this_process, records,
    unreadable_records, write_record,
};

use super::test_home::TestHome;

/// A record that says that this very process is the server.
fn record(test_home: &TestHome, id: &str, port: u16) -> ServerRecord {
    let endpoints = vec![Endpoint { backend: "http".into(), url: format!("http://127.0.0.1:{port}") }];
    let record = record_of_this_process(NewRecord { id: id.into(), endpoints, ..NewRecord::default() }).unwrap();
    write_record(&test_home.home, &record).unwrap();
    record
}

/// The same of a process that is gone.
fn dead_record(test_home: &TestHome, id: &str, port: u16) -> ServerRecord {
    let mut record = record(test_home, id, port);
    record.start_time += 1;
    write_record(&test_home.home, &record).unwrap();
    record
}

/// Removes the records before the test_home is torn down, which would stop what they mean: this process.
struct Cleared<'a>(&'a TestHome);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.home.root().join("servers"));
    }
}

#[test]
fn a_server_is_found_by_id_beginning_port_and_url() {
    let test_home = TestHome::new();
    let _cleared = Cleared(&test_home);
    let one = record(&test_home, "a11111", 5678);
    let two = record(&test_home, "a22222", 5679);
    let found = |wanted: &str| find(&test_home.home, wanted).unwrap().0.id;
    for wanted in ["a11111", "a1", "5678", "http://127.0.0.1:5678", "http://127.0.0.1:5678/"] {
        assert_eq!(found(wanted), one.id, "{wanted}");
    }
    for wanted in ["a22222", "a22", "5679"] {
        assert_eq!(found(wanted), two.id, "{wanted}");
    }
    let error = find(&test_home.home, "a").unwrap_err();
    assert!(matches!(&error, RecordError::Ambiguous { ids, .. } if ids == &["a11111", "a22222"]), "{error:?}");
    for wanted in ["", "b", "1", "567", "127.0.0.1", "http://127.0.0.1", "../a11111"] {
        assert!(matches!(find(&test_home.home, wanted), Err(RecordError::NotFound { .. })), "{wanted}");
    }
}

#[test]
fn running_servers_are_found_before_dead_ones() {
    let test_home = TestHome::new();
    let _cleared = Cleared(&test_home);
    dead_record(&test_home, "a11111", 5678);
    dead_record(&test_home, "a22222", 5678);
    let living = record(&test_home, "a33333", 5678);
    assert_eq!(find(&test_home.home, "5678").unwrap(), (living, ServerState::Running));
    assert_eq!(find(&test_home.home, "a1").unwrap().1, ServerState::PidReused);
    assert!(matches!(find(&test_home.home, "a2222"), Ok((_, ServerState::PidReused))));
}

#[test]
fn unreadable_records_are_reported_and_do_not_hide_the_rest() {
    let test_home = TestHome::new();
    let _cleared = Cleared(&test_home);
    let good = record(&test_home, "a11111", 5678);
    let servers = test_home.home.servers().unwrap();
    fs::write(servers.join("b22222.json"), "{\"id\":").unwrap();
    fs::write(servers.join(".half-written.json"), "{").unwrap();
    fs::write(servers.join("notes.txt"), "x").unwrap();
    assert_eq!(records(&test_home.home).unwrap(), [(good, ServerState::Running)]);
    let unreadable = unreadable_records(&test_home.home).unwrap();
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].to_string().contains("b22222.json"), "{}", unreadable[0]);
}

#[test]
fn a_record_of_a_later_version_is_still_understood() {
    let test_home = TestHome::new();
    let _cleared = Cleared(&test_home);
    let record = record(&test_home, "a11111", 5678);
    let path = test_home.home.servers().unwrap().join("a11111.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["somethingNew"] = 1.into();
    fs::write(&path, value.to_string()).unwrap();
    assert_eq!(records(&test_home.home).unwrap()[0].0, record);
}

#[test]
fn a_client_finds_the_servers_that_run() {
    let test_home = TestHome::new();
    let _cleared = Cleared(&test_home);
    assert_eq!(discover_in(test_home.home.root()).unwrap(), []);
    let mut later = record(&test_home, "aaaaaa", 1);
    let token_file = test_home.home.root().join("token");
    std::fs::write(&token_file, "secret\n").unwrap();
    let mut first = ServerRecord {
        token_file: Some(token_file),
        started_at: later.started_at - 1,
        ..record(&test_home, "bbbbbb", 2)
    };
    write_record(&test_home.home, &first).unwrap();
    dead_record(&test_home, "cccccc", 3);
    let folder = test_home.home.servers().unwrap();
    std::fs::write(folder.join("dddddd.json"), "{").unwrap();
    std::fs::copy(folder.join("aaaaaa.json"), folder.join(".eeeeee.json")).unwrap();
    let found = discover_in(test_home.home.root()).unwrap();
    assert_eq!(found.iter().map(|server| &server.record).collect::<Vec<_>>(), [&first, &later]);
    assert_eq!(found[0].token().unwrap(), "secret");
    assert!(matches!(found[1].token(), Err(Error::File { .. })));
    assert!(
        matches!(found[0].connect(), Ok(python) if matches!(python.transport(), AnyTransport::Http(http) if http.endpoint().port() == 2))
    );
    later.endpoints.push(Endpoint { backend: "pipe".into(), url: "unix:/nowhere/x.sock".into() });
    later.pid = 1; // of another process
    first.stopping = true;
    write_record(&test_home.home, &later).unwrap();
    write_record(&test_home.home, &first).unwrap();
    assert_eq!(discover_in(test_home.home.root()).unwrap(), []);
    let pipe = RunningServer { record: later }.connect();
    assert!(
        matches!(&pipe, Ok(python) if matches!(python.transport(), AnyTransport::Pipe(_))),
        "the fastest of them: {pipe:?}"
    );
}
