//! What a case stands on, and how it is run.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use beep_python_client::{AnyBackend, connect};
use beep_python_protocol::{Outcome, Problem};
use futures_util::FutureExt;
use libtest_mimic::Failed;

use crate::server::{Python, Server};

/// No case takes as long as this, unless something hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// How a client reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Http,
    Pipe,
    Rpc,
    /// Without a server: a core of its own in this process, in the same home.
    Local,
}

impl Transport {
    pub const ALL: &[Transport] = &[Transport::Http, Transport::Pipe, Transport::Rpc, Transport::Local];
    /// Those that lead to a server.
    pub const WIRES: &[Transport] = &[Transport::Http, Transport::Pipe, Transport::Rpc];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Http => "http",
            Transport::Pipe => "pipe",
            Transport::Rpc => "rpc",
            Transport::Local => "local",
        })
    }
}

/// A case that runs.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Cases that belong together.
pub struct Subject {
    pub name: &'static str,
    pub cases: &'static [Case],
}

/// One case.
pub struct Case {
    pub name: &'static str,
    /// The transports on which it must hold.
    pub transports: &'static [Transport],
    pub run: for<'a> fn(&'a TestContext) -> Running<'a>,
}

/// A list of cases, for every backend unless the transports are named: `cases![over &[Transport::Pipe]: first, second]`.
macro_rules! cases {
    (over $transports:expr; $($name:ident),* $(,)?) => {
        &[$($crate::test_context::Case { name: stringify!($name), transports: $transports, run: |context| Box::pin($name(context)) }),*]
    };
    ($($name:ident),* $(,)?) => { $crate::test_context::cases![over $crate::test_context::Transport::ALL; $($name),*] };
}
pub(crate) use cases;

/// What a case has for itself.
pub struct TestContext {
    /// A client with connections of its own. Its calls go to a session of its own, which ends with the case.
    pub python: AnyBackend,
    /// The session.
    pub session: String,
    pub server: Arc<Server>,
    /// Major and minor version of the server's Python.
    pub version: (u8, u8),
    pub transport: Transport,
}

impl TestContext {
    /// Another client of the same server, over the same backend, with connections of its own. Its calls go to the
    /// server's default session, which is everybody's.
    pub fn stranger(&self) -> AnyBackend {
        client(&self.server, self.transport)
    }

    /// A name for files and environments that no other case has. The session's alone would not do: the server and the core
    /// without one share a home, and the ids of their sessions are alike.
    pub fn name(&self) -> String {
        format!("{}-{}", self.transport, self.session)
    }

    /// Another client, in the same session.
    pub fn companion(&self) -> AnyBackend {
        self.stranger().with_session(&self.session)
    }
}

fn client(server: &Server, transport: Transport) -> AnyBackend {
    let endpoint = match transport {
        Transport::Http => format!("http://127.0.0.1:{}", server.http),
        Transport::Pipe => format!("unix:{}", server.socket.display()),
        Transport::Rpc => format!("grpc://127.0.0.1:{}", server.rpc),
        Transport::Local => return server.local().into(),
    };
    connect(&endpoint).expect("an endpoint")
}

/// Runs a case. A panic is its failure, with the place where it was.
pub fn run(
    python: &Python,
    transport: Transport,
    case: impl for<'a> Fn(&'a TestContext) -> Running<'a>,
) -> Result<(), Failed> {
    PANIC.set(Some(String::new()));
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let server = python.server();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = client(&server, transport);
            let session = client.create_session().await.expect("a session");
            let version = python.version();
            let python = client.with_session(&session);
            let context = TestContext { python, session, server: server.clone(), version, transport };
            let running = tokio::time::timeout(LONGEST, case(&context));
            let ended = AssertUnwindSafe(running).catch_unwind().await;
            client.delete_session(&context.session).await.expect("its session ends");
            ended.unwrap_or_else(|panic| resume_unwind(panic)).expect("the case ends");
        });
    }));
    let told = PANIC.take();
    ran.map_err(|_| Failed::from(told.unwrap_or_default()))
}

/// What a call is told whose time ends while it runs. How long a busy machine takes to begin it, nobody knows: a call that was
/// not begun in its time is made again, with twice as much.
pub async fn late(mut call: impl AsyncFnMut(Duration) -> Problem) -> Problem {
    let mut time = Duration::from_millis(100);
    loop {
        let told = call(time).await;
        if told.outcome != Some(Outcome::NotStarted) || time > LONGEST / 4 {
            return told;
        }
        time *= 2;
    }
}

thread_local! {
    /// What panicked first on this thread, while a case runs on it.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on a case's panic is kept, to be told with its name. Other threads are servers'.
pub fn note_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANIC.with_borrow_mut(|noted| match noted {
            Some(told) if told.is_empty() => *told = panic.to_string(),
            Some(_) => {}
            None => print(panic),
        });
    }));
}
