//! Clients give nothing to strangers who hold a server's address.

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use beep_python_client::{AnyBackend, Error, connect};
use rustix::process::Uid;

const NOBODY: u32 = 65534;

/// Runs this on a thread of another user; `None` where that cannot be, or no user can be told from another.
fn as_another_user<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let another = std::thread::spawn(|| {
        let nobody = Uid::from_raw(NOBODY);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).ok()?;
        Some(run())
    });
    let made = another.join().expect("it runs").filter(|_| Uid::from_raw(NOBODY) != rustix::process::geteuid());
    if made.is_none() {
        eprintln!("SKIPPED: only root can listen as another user");
    }
    made
}

fn clients(listener: &TcpListener) -> Vec<AnyBackend> {
    let port = listener.local_addr().unwrap().port();
    let schemes = ["http", "grpc"].iter().map(|scheme| connect(&format!("{scheme}://127.0.0.1:{port}")).unwrap());
    schemes.map(|client| client.with_timeout(Duration::from_secs(60))).collect()
}

/// What comes over a connection until its first pause after the headers, or its end.
fn received(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    while let Ok(count @ 1..) = stream.read(&mut part) {
        all.extend_from_slice(&part[..count]);
        if all.windows(5).any(|bytes| bytes == b"1 + 1") {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&all).into_owned()
}

async fn refused(client: &AnyBackend) -> String {
    let error = client.evaluate::<u8>("1 + 1").await.expect_err("nobody answers");
    assert!(matches!(error, Error::UntrustedServer { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_server_gets_no_token() {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let Some(listener) = as_another_user(bind) else { return };
    for client in clients(&listener) {
        let told = refused(&client.clone().with_token("secret").unwrap()).await;
        let endpoint = listener.local_addr().unwrap();
        assert!(told.ends_with(&format!("{endpoint}: user {NOBODY} listens there, and not the own user")), "{told}");
        assert_eq!(received(listener.accept().unwrap().0), "");
        // It may have the code of those that say so, or have nothing to hide.
        for open in [client.clone(), client.with_token("secret").unwrap().allow_insecure_token()] {
            let call = tokio::spawn(async move { open.evaluate::<u8>("1 + 1").await });
            let stream = listener.accept().unwrap().0;
            // Over gRPC the client goes on when it has seen the server's part of the handshake.
            assert_ne!(received_something(stream), 0);
            call.abort();
        }
    }
}

fn received_something(mut stream: TcpStream) -> usize {
    stream.read(&mut [0; 4096]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_that_accepts_before_the_client_looks_gets_no_token() {
    let (send, accepted) = std::sync::mpsc::channel();
    let (told, port) = std::sync::mpsc::channel();
    let stranger = std::thread::spawn(move || {
        as_another_user(move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            told.send(listener.local_addr().unwrap().port()).unwrap();
            for stream in listener.incoming().take(20) {
                send.send(received(stream.unwrap())).unwrap();
            }
        })
    });
    if let Ok(port) = port.recv() {
        let client = connect(&format!("http://127.0.0.1:{port}")).unwrap().with_token("secret").unwrap();
        for _ in 0..20 {
            refused(&client).await;
            assert_eq!(accepted.recv().unwrap(), "");
        }
    }
    stranger.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn own_server_gets_the_token_though_it_accepts_late() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            eprintln!("SKIPPED: no {address}");
            continue;
        };
        let client = clients(&listener).remove(0).with_token("secret").unwrap();
        let call = tokio::spawn(async move { client.evaluate::<u8>("1 + 1").await });
        // The client has connected when there is something to accept, and asks before that is done.
        let stream = listener.accept().unwrap().0;
        assert!(received(stream).contains("authorization: Bearer secret"), "{address}");
        assert!(call.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn another_users_pipe_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let path = folder.path().join("pipe");
    let bound = path.clone();
    let Some(listener) = as_another_user(move || UnixListener::bind(bound).unwrap()) else { return };
    let client = connect(&format!("unix:{}", path.display())).unwrap();
    let told = refused(&client).await;
    assert!(told.ends_with(&format!("user {NOBODY} listens there, and not the own user")), "{told}");
    let mut got = String::new();
    listener.accept().unwrap().0.read_to_string(&mut got).unwrap();
    assert_eq!(got, "");
    let error = client.execute("print(1)").await.expect_err("with events too");
    assert!(matches!(error, Error::UntrustedServer { .. }), "{error:?}");
}
