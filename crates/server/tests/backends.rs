//! What the backends of the client promise beside the operations: connections that are replaced, calls that are never
//! repeated, handles that are released in batches.

#[path = "support/host.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod host;
#[path = "support/port.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod port;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use beep_python_client::{
    AnyTransport, Call, Client, Error, ErrorCode, EventStream, Handle, LocalBackend, LocalOptions, LocalPython, Reply,
    Target, Transport, connect,
};
use beep_python_protocol::Operation;
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::Capacity;
use beep_python_server::auth::AccessConfig;
use beep_python_server::unix_socket::{Pipe, PipeName, bind_pipe};
use beep_python_server::{http, rpc, unix_socket};
use host::{Most, Running, newest};
use port::Port;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// Where a server is, before and after it was restarted.
struct Place {
    http: Port,
    rpc: Port,
    pipe: PipeName,
}

impl Place {
    fn new() -> Place {
        Place { http: Port::new(), rpc: Port::new(), pipe: PipeName::random().expect("a name") }
    }

    /// Starts a server with all backends, stopped and waited for when dropped.
    fn serve(&self) -> Running {
        self.serve_up_to(Capacity::default())
    }

    /// The same, with no more of everything than this.
    fn serve_up_to(&self, capacity: Capacity) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let (http_socket, rpc_socket) = (listen(&self.http), listen(&self.rpc));
        let bound = bind_pipe(&home, &self.pipe).expect("bound");
        let pipe = Pipe::open(bound.into_listener().expect("non-blocking")).expect("a link");
        let most = Most { capacity, ..Most::default() };
        Running::start_up_to(most, newest(), folder, AccessConfig::default(), async move |host, stop| {
            let http = tokio::spawn(http::serve(vec![http_socket], host.clone(), stop.clone()));
            let rpc = tokio::spawn(rpc::serve(vec![rpc_socket], host.clone(), stop.clone()));
            unix_socket::serve(pipe, host, stop).await?;
            http.await.expect("no panic")?;
            rpc.await.expect("no panic")
        })
    }

    fn link(&self) -> PathBuf {
        std::env::temp_dir().join(format!("CoreFxPipe_{}", self.pipe))
    }

    fn endpoints(&self) -> [String; 3] {
        let (http, rpc, pipe) = (self.http.number, self.rpc.number, &self.pipe);
        [format!("http://127.0.0.1:{http}"), format!("pipe:{pipe}"), format!("grpc://127.0.0.1:{rpc}")]
    }
}

fn listen(port: &Port) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port.number)).expect("the port");
    listener.set_nonblocking(true).expect("non-blocking");
    listener
}

/// A way to a server that can be cut.
struct Proxy {
    endpoint: String,
    cut: watch::Sender<usize>,
    open: watch::Sender<usize>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// To an endpoint of this place, by a socket of its own of the same kind.
    async fn to(place: &Place, endpoint: &str) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let (cut, open) = (watch::Sender::new(0), watch::Sender::new(0));
        let (cutting, counting) = (cut.clone(), open.clone());
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, address)) => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let own = listener.local_addr().expect("an address");
                let address = address.to_owned();
                tokio::spawn(async move {
                    while let Ok((near, _)) = listener.accept().await {
                        let far = TcpStream::connect(&address).await.expect("connected");
                        tokio::spawn(pass(near, far, told, cutting.subscribe(), counting.clone()));
                    }
                });
                format!("{scheme}://{own}")
            }
            None => {
                let path = folder.path().join("socket");
                let listener = UnixListener::bind(&path).expect("a socket");
                let link = place.link();
                tokio::spawn(async move {
                    while let Ok((near, _)) = listener.accept().await {
                        let far = UnixStream::connect(&link).await.expect("connected");
                        tokio::spawn(pass(near, far, async |_: &UnixStream| {}, cutting.subscribe(), counting.clone()));
                    }
                });
                format!("unix:{}", path.display())
            }
        };
        Proxy { endpoint, cut, open, _folder: folder }
    }

    /// Closes every connection, and returns when they are closed.
    async fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
        self.open.subscribe().wait_for(|open| *open == 0).await.expect("a count");
    }
}

async fn pass<S>(
    mut near: S,
    mut far: S,
    told: impl AsyncFnOnce(&S),
    mut cut: watch::Receiver<usize>,
    open: watch::Sender<usize>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    open.send_modify(|open| *open += 1);
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.changed() => {}
    }
    let _ = (near.shutdown().await, far.shutdown().await);
    told(&near).await;
    open.send_modify(|open| *open -= 1);
}

/// Returns when the client's system has been told of the end of a connection, which takes a moment.
async fn told(near: &TcpStream) {
    let ports = (near.local_addr().expect("ours").port(), near.peer_addr().map_or(0, |peer| peer.port()));
    while is_told(ports) == Some(false) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whether the other end has acknowledged that a connection was closed; none when there is no such connection any more.
fn is_told((own, peer): (u16, u16)) -> Option<bool> {
    const FIN_WAIT_1: &str = "04";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
    let (own, peer) = (format!(":{own:04X}"), format!(":{peer:04X}"));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let here = fields[1].ends_with(&own) && fields[2].ends_with(&peer);
        here.then(|| fields[3] != FIN_WAIT_1)
    })
}

/// These tests run one after the other: a process that one of them starts has a copy of every descriptor for a moment, so
/// that what another closes meanwhile is not closed at once.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Once with a runtime in which nothing happens while the test does not wait, once with threads of their own.
fn in_runtimes(test: impl AsyncFn()) {
    let _alone = alone();
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    current.block_on(test());
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    threads.expect("a runtime").block_on(test());
}

#[test]
fn a_backend_finds_its_server_again_after_a_restart() {
    in_runtimes(async || {
        let place = Place::new();
        let backends = place.endpoints().map(|endpoint| connect(&endpoint).expect("an endpoint"));
        for run in 0..3 {
            let server = place.serve();
            for backend in &backends {
                let one: i64 = backend.evaluate("runs = globals().get('runs', 0) + 1; runs").await.expect("found");
                assert!(one >= 1, "{run}");
            }
            let ran: i64 = backends[0].evaluate("runs").await.expect("found");
            assert_eq!(ran, 3, "nothing was sent twice, in run {run}");
            drop(server);
        }
        for backend in &backends {
            let error = backend.evaluate::<i64>("1").await.expect_err("nobody is there");
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_server_refuses_more_sessions_than_it_may_have_at_once() {
    in_runtimes(async || {
        let place = Place::new();
        let _server = place.serve_up_to(Capacity { sessions: 1, ..Capacity::default() });
        for endpoint in place.endpoints() {
            let backend = connect(&endpoint).expect("an endpoint");
            let session = backend.create_session().await.expect("one");
            let Err(Error::Host(problem)) = backend.create_session().await else { panic!("two, over {endpoint}") };
            assert_eq!((problem.code, problem.status), (ErrorCode::TooManySessions, 429));
            backend.delete_session(&session).await.expect("deleted");
        }
    });
}

#[test]
fn connections_that_were_closed_while_idle_are_replaced() {
    in_runtimes(async || {
        let place = Place::new();
        let _server = place.serve();
        for endpoint in place.endpoints() {
            let proxy = Proxy::to(&place, &endpoint).await;
            let backend = connect(&proxy.endpoint).expect("an endpoint");
            backend.evaluate::<()>("count = 0").await.expect("answered");
            for expected in 1..=8 {
                let count = backend.evaluate::<i64>("count += 1; count").await.expect("replaced");
                assert_eq!(count, expected, "{endpoint}");
                proxy.cut().await;
            }
        }
    });
}

#[test]
fn a_call_whose_connection_breaks_is_lost_and_not_repeated() {
    in_runtimes(async || {
        let place = Place::new();
        let server = place.serve();
        for (number, endpoint) in place.endpoints().into_iter().enumerate() {
            let proxy = Proxy::to(&place, &endpoint).await;
            let backend = connect(&proxy.endpoint).expect("an endpoint");
            backend.evaluate::<()>("ran = 0").await.expect("answered");
            let flag = server.folder.path().join(format!("ran-{number}"));
            let code =
                "import os, time\nran += 1\nopen(flag, 'w').close()\nwhile os.path.exists(flag): time.sleep(0.002)";
            // Without locals, so that what is counted stays.
            backend.evaluate::<()>(&format!("flag = {:?}", flag.display().to_string())).await.expect("answered");
            let call = tokio::spawn({
                let backend = backend.clone();
                async move { backend.evaluate::<()>(code).await }
            });
            while !flag.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            proxy.cut().await;
            let error = call.await.expect("no panic").expect_err("the connection is gone");
            assert!(matches!(error, Error::ConnectionLost { may_have_run: true, .. }), "{endpoint}: {error:?}");
            std::fs::remove_file(&flag).expect("the code goes on");
            assert_eq!(backend.evaluate::<i64>("ran").await.expect("on a new connection"), 1, "{endpoint}");
        }
    });
}

/// A transport that counts the requests which release handles.
#[derive(Clone)]
struct Counting {
    inner: AnyTransport,
    released: Arc<AtomicUsize>,
}

impl Transport for Counting {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        if call.target == Target::Session(Operation::Dispose) {
            self.released.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.call(call).await
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        self.inner.subscribe(call).await
    }
}

#[test]
fn dropped_handles_are_released_in_batches_on_every_backend() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(release_in_batches());
}

async fn release_in_batches() {
    let place = Place::new();
    let server = place.serve();
    let mut backends: Vec<_> = place.endpoints().iter().map(|to| connect(to).expect("an endpoint")).collect();
    backends.push(
        LocalBackend::new(LocalOptions::from(LocalPython::Path(newest().path.clone())).with_home(server.folder.path()))
            .into(),
    );
    for inner in backends {
        let released = Arc::<AtomicUsize>::default();
        let counting = Counting { inner: inner.transport().clone(), released: released.clone() };
        let backend = Client::from_transport(counting);
        let define = "import gc, weakref\nclass Thing: pass\nalive = weakref.WeakSet()\n\
            def make():\n    thing = Thing()\n    alive.add(thing)\n    return thing";
        backend.evaluate::<()>(define).await.expect("defined");
        let mut things = Vec::new();
        for _ in 0..100 {
            things.push(backend.evaluate::<Handle>("make()").await.expect("made"));
        }
        let kept = things.pop();
        let alive = async || backend.evaluate::<i64>("gc.collect(); len(alive)").await.expect("counted");
        assert_eq!((alive().await, released.load(Ordering::SeqCst)), (100, 0));
        drop(things);
        backend.release_dropped().await;
        assert_eq!((alive().await, released.load(Ordering::SeqCst)), (1, 1), "{inner:?}");
        drop(kept);
        backend.release_dropped().await;
        assert_eq!((alive().await, released.load(Ordering::SeqCst)), (0, 2), "{inner:?}");
    }
}
