//! `python`: opens a Python prompt on a session.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use beep_python_client::{AnyBackend, SessionOptions};
use beep_python_protocol::DEFAULT_SESSION;
use beep_python_server::launch::ServerRecord;

use super::code::{Code, hex_literal, source_text_call, standard_input};
use super::eval;
use super::streaming::Lines;
use crate::async_runtime::{block_on, interrupted, terminated};
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::prompt;
use crate::prompt::session_output::SessionOutput;
use crate::server::launch::TemporaryServer;
use crate::server::lookup::{ServerAddress, server_for_code};
use crate::terminal::detect::is_interactive;

/// A session that was created for a prompt ends when it was unused for so long: the prompt was killed. One that lives uses it from time to
/// time, however long its user thinks.
const ABANDONED_AFTER: Duration = Duration::from_secs(12 * 3600);
const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(3600);
/// How long to wait for the server to delete the session; it will in any case.
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the last output of a session that has ended.
const LAST_OUTPUT_TIME: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
#[command(after_help = "\
With --venv or --python the prompt has a server of its own. Otherwise it uses the server of --server, or
the only running one, or a server of its own if none is running. Without SESSION the prompt has a new
session, which ends with it; `default` is the session that clients share. A prompt that is killed leaves
its session on that server, which ends it after 12 hours without use: `session delete` does at once.

Where standard input is no terminal, it is run as a program: no prompt, and no results printed.

Tab completes, `_` is the last value, Ctrl-C interrupts the running code and keeps the session's state,
Ctrl-D leaves.")]
pub(crate) struct Args {
    /// The session, on a running server
    #[arg(conflicts_with_all = ["venv", "python"])]
    session: Option<String>,
    /// On this server: its id or a unique start of it, port, pipe name or URL
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    server: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    if !std::io::stdin().is_terminal() {
        return block_on(run_standard_input(context, args));
    }
    if !is_interactive() {
        return Err(CliError::NoTerminal("python").into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let place = runtime.block_on(open(context, &args))?;
    let (client, title) = (place.client()?, place.title());
    let session = place.session.clone().unwrap_or_else(|| DEFAULT_SESSION.to_owned());
    let output = SessionOutput::follow(place.server.connect()?, session)?;
    let ends_session = place.own_session || place.temporary.is_some();
    let place = Arc::new(Mutex::new(Some(place)));
    end_with_terminal(place.clone())?;
    // As Python does, but not in a session that is others' too.
    let startup = std::env::var_os("PYTHONSTARTUP").filter(|path| ends_session && !path.is_empty()).map(PathBuf::from);
    let ended = prompt::repl::run(context, runtime, client, &title, &output, startup.as_deref());
    leave(&place);
    if ends_session {
        output.wait_for_end(LAST_OUTPUT_TIME);
    }
    ended
}

/// Runs what comes on standard input as a program, as python does where that is no terminal.
async fn run_standard_input(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { session, server, environment } = args;
    let found = server_for_code(&context.home()?, &environment, server.as_deref(), session.as_deref())?;
    let code = Code::Text(source_text_call("run", &hex_literal(&standard_input()?)));
    let args = eval::Args { code: Vec::new(), server, environment, session, timeout: None };
    eval::run_in(context, found, &args, &code, Lines::Ended).await
}

/// The server and session of the prompt.
struct Place {
    server: ServerAddress,
    session: Option<String>,
    /// Whether the session was created for the prompt.
    own_session: bool,
    /// The server, if it was started for the prompt.
    temporary: Option<TemporaryServer>,
}

/// Finds a server and a session, or creates them. An interruption leaves nothing behind.
async fn open(context: &Context, args: &Args) -> Result<Place> {
    let mut interruption = std::pin::pin!(interrupted());
    let home = context.home()?;
    let chosen = server_for_code(&home, &args.environment, args.server.as_deref(), args.session.as_deref())?;
    if let Some(server) = chosen {
        if let Some(session) = &args.session {
            let known = server.connect()?.list_sessions().await?;
            if !known.iter().any(|known| known.session_id == *session) {
                return Err(CliError::NoSession { session: session.clone(), server: server.name().to_owned() }.into());
            }
            return Ok(Place { server, session: Some(session.clone()), own_session: false, temporary: None });
        }
        let idle = u64::try_from(ABANDONED_AFTER.as_millis()).unwrap_or(u64::MAX);
        let options = SessionOptions { idle_timeout_ms: Some(idle), ..SessionOptions::default() };
        let session = server.connect()?.create_session_with(&options).await?;
        keep_alive(server.connect()?.with_session(&session))?;
        return Ok(Place { server, session: Some(session), own_session: true, temporary: None });
    }
    let environment = args.environment.resolve(context)?;
    let server = TemporaryServer::start(&home, &environment, false, None, interruption.as_mut()).await??;
    let address = server.record.clone().into();
    Ok(Place { server: address, session: None, own_session: false, temporary: Some(server) })
}

impl Place {
    fn client(&self) -> Result<AnyBackend> {
        let client = self.server.connect()?;
        Ok(self.session.iter().fold(client, |client, session| client.with_session(session)))
    }

    fn title(&self) -> String {
        let session = self.session.iter().fold(String::new(), |_, session| format!(", session {session}"));
        match &self.server {
            ServerAddress::Url(url) => format!("Python at {url}{session}"),
            ServerAddress::Known(record) => {
                let ServerRecord { id, python_version, environment, .. } = &**record;
                let own = || "a server of its own".to_owned();
                let server = self.temporary.as_ref().map_or_else(|| format!("server {id}"), |_| own());
                format!("Python {python_version} in {environment}, {server}{session}")
            }
        }
    }
}

/// Uses the session of the prompt from time to time, as long as this process lives.
fn keep_alive(client: AnyBackend) -> Result<()> {
    std::thread::Builder::new().name("keep-alive".into()).spawn(move || {
        loop {
            std::thread::sleep(KEPT_ALIVE_EVERY);
            if block_on(async { Ok(client.evaluate::<()>("None").await?) }).is_err() {
                break; // the session has ended
            }
        }
    })?;
    Ok(())
}

/// Ends what was created for the prompt; once.
fn leave(place: &Mutex<Option<Place>>) {
    let Some(place) = place.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    if let (true, Some(session)) = (place.own_session, &place.session) {
        // With a client of its own: the prompt's client may belong to another thread.
        let _ = block_on(async {
            Ok(tokio::time::timeout(DELETE_TIMEOUT, place.server.connect()?.delete_session(session)).await??)
        });
    }
}

/// Leaves nothing behind when the terminal goes away or the prompt is asked to end.
fn end_with_terminal(place: Arc<Mutex<Option<Place>>>) -> Result<()> {
    std::thread::Builder::new().name("goodbye".into()).spawn(move || {
        let waited = block_on(terminated());
        if waited.is_ok() {
            leave(&place);
            let _ = crossterm::terminal::disable_raw_mode();
            std::process::exit(1);
        }
    })?;
    Ok(())
}
