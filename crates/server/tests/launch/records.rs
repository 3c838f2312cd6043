//! Finding servers by what people have at hand.

use std::fs;

use beep_python_client::{AnyTransport, Error, RunningServer, discover_in};
use beep_python_server::launch::{
    Endpoint, NewRecord, RecordError, ServerRecord, ServerState, find, record_of_this_process, records,
    unreadable_records, write_record,
};

use super::house::House;

/// A record that says that this very process is the server.
fn record(house: &House, id: &str, port: u16) -> ServerRecord {
    let endpoints = vec![Endpoint { backend: "http".into(), url: format!("http://127.0.0.1:{port}") }];
    let record = record_of_this_process(NewRecord { id: id.into(), endpoints, ..NewRecord::default() }).unwrap();
    write_record(&house.home, &record).unwrap();
    record
}

/// The same of a process that is gone.
fn dead_record(house: &House, id: &str, port: u16) -> ServerRecord {
    let mut record = record(house, id, port);
    record.start_time += 1;
    write_record(&house.home, &record).unwrap();
    record
}

/// Removes the records before the house is torn down, which would stop what they mean: this process.
struct Cleared<'a>(&'a House);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.home.root().join("servers"));
    }
}

#[test]
fn a_server_is_found_by_id_beginning_port_and_url() {
    let house = House::new();
    let _cleared = Cleared(&house);
    let one = record(&house, "a11111", 5678);
    let two = record(&house, "a22222", 5679);
    let found = |wanted: &str| find(&house.home, wanted).unwrap().0.id;
    for wanted in ["a11111", "a1", "5678", "http://127.0.0.1:5678", "http://127.0.0.1:5678/"] {
        assert_eq!(found(wanted), one.id, "{wanted}");
    }
    for wanted in ["a22222", "a22", "5679"] {
        assert_eq!(found(wanted), two.id, "{wanted}");
    }
    let error = find(&house.home, "a").unwrap_err();
    assert!(matches!(&error, RecordError::Ambiguous { ids, .. } if ids == &["a11111", "a22222"]), "{error:?}");
    for wanted in ["", "b", "1", "567", "127.0.0.1", "http://127.0.0.1", "../a11111"] {
        assert!(matches!(find(&house.home, wanted), Err(RecordError::NotFound { .. })), "{wanted}");
    }
}

#[test]
fn the_living_come_before_the_dead() {
    let house = House::new();
    let _cleared = Cleared(&house);
    dead_record(&house, "a11111", 5678);
    dead_record(&house, "a22222", 5678);
    let living = record(&house, "a33333", 5678);
    assert_eq!(find(&house.home, "5678").unwrap(), (living, ServerState::Running));
    assert_eq!(find(&house.home, "a1").unwrap().1, ServerState::PidReused);
    assert!(matches!(find(&house.home, "a2222"), Ok((_, ServerState::PidReused))));
}

#[test]
fn records_that_cannot_be_understood_are_told_and_do_not_hide_the_rest() {
    let house = House::new();
    let _cleared = Cleared(&house);
    let good = record(&house, "a11111", 5678);
    let servers = house.home.servers().unwrap();
    fs::write(servers.join("b22222.json"), "{\"id\":").unwrap();
    fs::write(servers.join(".half-written.json"), "{").unwrap();
    fs::write(servers.join("notes.txt"), "x").unwrap();
    assert_eq!(records(&house.home).unwrap(), [(good, ServerState::Running)]);
    let unreadable = unreadable_records(&house.home).unwrap();
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].to_string().contains("b22222.json"), "{}", unreadable[0]);
}

#[test]
fn a_record_of_a_later_version_is_still_understood() {
    let house = House::new();
    let _cleared = Cleared(&house);
    let record = record(&house, "a11111", 5678);
    let path = house.home.servers().unwrap().join("a11111.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["somethingNew"] = 1.into();
    fs::write(&path, value.to_string()).unwrap();
    assert_eq!(records(&house.home).unwrap()[0].0, record);
}

#[test]
fn a_client_finds_the_servers_that_run() {
    let house = House::new();
    let _cleared = Cleared(&house);
    assert_eq!(discover_in(house.home.root()).unwrap(), []);
    let mut later = record(&house, "aaaaaa", 1);
    let token_file = house.home.root().join("token");
    std::fs::write(&token_file, "secret\n").unwrap();
    let mut first = ServerRecord { token_file, started_at: later.started_at - 1, ..record(&house, "bbbbbb", 2) };
    write_record(&house.home, &first).unwrap();
    dead_record(&house, "cccccc", 3);
    let folder = house.home.servers().unwrap();
    std::fs::write(folder.join("dddddd.json"), "{").unwrap();
    std::fs::copy(folder.join("aaaaaa.json"), folder.join(".eeeeee.json")).unwrap();
    let found = discover_in(house.home.root()).unwrap();
    assert_eq!(found.iter().map(|server| &server.record).collect::<Vec<_>>(), [&first, &later]);
    assert_eq!(found[0].token().unwrap(), "secret");
    assert!(matches!(found[1].token(), Err(Error::File { .. })));
    assert!(
        matches!(found[0].connect(), Ok(python) if matches!(python.transport(), AnyTransport::Http(http) if http.endpoint().port() == 2))
    );
    later.endpoints.push(Endpoint { backend: "pipe".into(), url: "unix:/nowhere/x.sock".into() });
    later.pid = 1; // somebody else's
    first.stopping = true;
    write_record(&house.home, &later).unwrap();
    write_record(&house.home, &first).unwrap();
    assert_eq!(discover_in(house.home.root()).unwrap(), []);
    let pipe = RunningServer { record: later }.connect();
    assert!(
        matches!(&pipe, Ok(python) if matches!(python.transport(), AnyTransport::Pipe(_))),
        "the fastest of them: {pipe:?}"
    );
}
