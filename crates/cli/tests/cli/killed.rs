//! A server that is killed while many clients use it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use beep_python_client::{AnyBackend, Error, Returned, connect};
use futures_util::StreamExt;
use rustix::process::Signal;

use super::test_home::{TestHome, signal, wait_until};
use crate::support::port::Port;

const CLIENTS: usize = 64;

/// Code that starts a child, reports its pid, and hangs.
const HANGS: &str = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\n\
    with open(told + '.new', 'w') as file: n = file.write(str(child.pid))\nos.rename(told + '.new', told)\ntime.sleep(1000)";

/// Uses the server until it is gone.
async fn used(client: AnyBackend, n: usize, told: &Path) -> Error {
    match n {
        0 => {
            let session = client.create_session().await.unwrap();
            let there = client.with_session(&session);
            there.evaluate_with::<()>(HANGS, [("told", told)]).await.unwrap_err()
        }
        1 => client.with_isolation().evaluate_with::<()>(HANGS, [("told", told)]).await.unwrap_err(),
        2 => {
            let session = client.create_session().await.unwrap();
            let there = client.with_session(&session);
            let code = format!("def g():\n    open({told:?}, 'w').write('-')\n    while True: yield 'x' * 1000\ng()");
            // The code tells before the client knows of the stream.
            let mut stream = match there.stream::<String>(&code).await {
                Ok(stream) => stream,
                Err(error) => return error,
            };
            loop {
                if let Err(error) = stream.next().await.unwrap() {
                    return error;
                }
            }
        }
        _ => loop {
            if let Err(error) = client.evaluate::<Returned>("1 + 1").await {
                return error;
            }
        },
    }
}

#[test]
fn killed_server_takes_its_processes_along_and_clients_notice() {
    let home = TestHome::with_runtime();
    let ports = [Port::new(), Port::new()];
    let [http, rpc] = [0, 1].map(|at: usize| ports[at].number.to_string());
    let start = ["start", "http", "pipe", "rpc", "--port", &http, "--rpc-port", &rpc, "--workers", "3"];
    let server = home.json(&start);
    let told = home.directory().join("told");
    fs::create_dir(&told).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut clients = Vec::new();
    for (wire, endpoint) in server["endpoints"].as_array().unwrap().iter().enumerate() {
        let url = endpoint["url"].as_str().unwrap();
        for n in 0..CLIENTS {
            let (client, told) = (connect(url).unwrap(), told.join(format!("{wire}-{n}")));
            clients.push((n, runtime.spawn(async move { used(client, n, &told).await })));
        }
    }
    // Wait until all of them are at work.
    let files = || fs::read_dir(&told).unwrap().flatten().map(|file| file.path()).collect::<Vec<_>>();
    runtime.block_on(async {
        while files().iter().filter(|file| file.extension().is_none()).count() < 9 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let children: Vec<u32> = files().iter().filter_map(|file| fs::read_to_string(file).unwrap().parse().ok()).collect();
    assert_eq!(children.len(), 6);

    signal(server["pid"].as_u64().unwrap(), Signal::KILL);
    for (n, client) in clients {
        match runtime.block_on(client).unwrap() {
            Error::ConnectionLost { may_have_run: true, .. } => {}
            // Between two calls.
            Error::ConnectionLost { .. } | Error::Connect { .. } if n > 2 => {}
            other => panic!("client {n} was told {other:?}"),
        }
    }
    home.wait_until_no_process_is_left();
    for pid in children {
        wait_until("what workers started is gone", || {
            fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        });
    }
    home.success(&["restart", server["id"].as_str().unwrap()]);
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n");
    home.success(&["stop", "--all"]);
    home.wait_until_no_process_is_left();
    assert_eq!(["servers", "run"].map(|folder| fs::read_dir(home.root().join(folder)).unwrap().count()), [0, 0]);
}
