//! The receiving side: a server in this program, which runs when a launcher starts it.

use std::io::{Read, Write};
use std::net::TcpListener;

use beep_python_runtime::platform::Home;
use beep_python_server::launch::{
    ActivatedSockets, Endpoint, NewRecord, record_of_this_process, remove_record, write_record,
};

/// Answers every connection with what it sees of itself. Not a test of its own: without a launcher it does nothing.
#[test]
fn tiny_server() {
    let Ok(behaviour) = std::env::var("TINY_SERVER") else { return };
    let inherited = ActivatedSockets::from_env().unwrap();
    assert!(ActivatedSockets::from_env().is_err(), "taken once");
    let home = Home::from_env().unwrap();
    let endpoint = |backend: &str, listeners: &[TcpListener]| {
        let port = listeners.first()?.local_addr().unwrap().port();
        Some(Endpoint { backend: backend.into(), url: format!("http://127.0.0.1:{port}") })
    };
    let endpoints = [endpoint("http", &inherited.http), endpoint("rpc", &inherited.rpc)];
    let mut record = record_of_this_process(NewRecord {
        id: std::env::var("TINY_ID").unwrap(),
        endpoints: endpoints.into_iter().flatten().collect(),
        log: Some(std::env::var("TINY_LOG").unwrap().into()),
        ..NewRecord::default()
    })
    .unwrap();
    match behaviour.as_str() {
        "fails" => {
            let error = std::io::Error::other(Wrapped(std::io::Error::other("the disk is on fire")));
            inherited.ready.failed(&error);
            return;
        }
        "hangs-after-its-record" => {
            write_record(&home, &record).unwrap();
            println!("hanging");
            loop {
                std::thread::park();
            }
        }
        _ => {}
    }
    assert!(inherited.ready.is_awaited());
    let stops = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signal = stops.block_on(async { tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) });
    println!("ready");
    write_record(&home, &record).unwrap();
    inherited.ready.ready(&record);
    if let Some(pipe) = inherited.pipe {
        pipe.set_nonblocking(false).unwrap();
        std::thread::spawn(move || pipe.accept().unwrap().0.write_all(b"pipe\n"));
    }
    for listener in inherited.http.into_iter().chain(inherited.rpc) {
        std::thread::spawn(move || serve(&listener));
    }
    let mut signal = signal.unwrap();
    stops.block_on(signal.recv());
    record.stopping = true;
    write_record(&home, &record).unwrap();
    if behaviour == "never-stops" {
        loop {
            std::thread::park();
        }
    }
    remove_record(&home, &record).unwrap();
}

fn serve(listener: &TcpListener) {
    // It came non-blocking, as an asynchronous server needs it.
    let flags = rustix::fs::fcntl_getfl(listener).unwrap();
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
    listener.set_nonblocking(false).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let leaked = std::process::Command::new("ls").arg("/proc/self/fd").output().unwrap();
        let leaked = String::from_utf8(leaked.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(",");
        let stdin = std::fs::read_link("/proc/self/fd/0").unwrap();
        let session = rustix::process::getsid(None).unwrap().as_raw_pid();
        let own = std::process::id();
        writeln!(stream, "pid={own} session={session} stdin={} child-fds={leaked}", stdin.display()).unwrap();
    }
}

#[derive(Debug)]
struct Wrapped(std::io::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the environment cannot be read")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
