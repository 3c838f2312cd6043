//! `session`: the sessions of a server.

use std::time::Duration;

use anyhow::Result;
use beep_python_client::protocol::message::{CancelOutcome, InterruptRequest, InterruptResponse};
use beep_python_client::protocol::{CallInfo, quoted};
use beep_python_client::{AnyBackend, Limits, SessionInfo, SessionInspection, SessionOptions};
use beep_python_runtime::interpreter::VersionRequest;
use serde_json::json;

use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::exit_status::ExitStatus;
use crate::printer::Printer;
use crate::server::lookup::find_address;
use crate::server::settings::{duration, memory_limit};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a session, and print its id
    Create(Create),
    /// List the sessions
    #[command(visible_alias = "ls")]
    List(Server),
    /// Show a session: its current call, the stacks of its threads, how its last worker ended
    Show(Named),
    /// List the objects that a session holds for its clients
    Handles(Named),
    /// Interrupt the running call of a session; the session keeps its state if the call stops in time
    Interrupt(Interrupt),
    /// Kill a session's worker, whatever it does; the session continues, empty
    Restart(Named),
    /// Delete a session
    #[command(visible_alias = "rm")]
    Delete(Named),
}

#[derive(clap::Args)]
pub(crate) struct Server {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    #[arg(long)]
    server: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Named {
    /// The session; `default` is the shared one
    session: String,
    #[command(flatten)]
    server: Server,
}

#[derive(clap::Args)]
pub(crate) struct Interrupt {
    #[command(flatten)]
    named: Named,
    /// Cancel the calls that wait behind it, too
    #[arg(long)]
    abort_queued: bool,
    /// Interrupt once, as Ctrl-C does: the call goes on if its code catches that
    #[arg(long, conflicts_with = "grace")]
    once: bool,
    /// How long the call may take to stop before its worker is killed [default: the call's own grace]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    grace: Option<Duration>,
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The environment, by name or path [default: the server's]
    #[arg(long, value_name = "NAME|PATH")]
    venv: Option<String>,
    /// The Python: 3.12, 3.12.7, ">=3.11", or a path; runs in an environment kept for it. With --venv, the Python which
    /// that environment must have
    #[arg(long, value_name = "VERSION")]
    python: Option<VersionRequest>,
    /// Import this module first; repeatable
    #[arg(long, value_name = "MODULE")]
    preload: Vec<String>,
    /// A variable of the session's environment, as NAME=TEXT; repeatable
    #[arg(long, value_name = "NAME=TEXT", value_parser = label)]
    env: Vec<(String, String)>,
    /// Code that runs before the first call, and again after each restart
    #[arg(long, value_name = "CODE")]
    setup: Option<String>,
    /// Delete the session after this time without a call, such as 30m [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle: Option<Duration>,
    /// How long the end of the session may take [default: the server's --drain]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    drain: Option<Duration>,
    /// Memory limit, such as 512M; at least 32M [default: the server's]
    #[arg(long, value_name = "SIZE", value_parser = memory_limit)]
    max_memory: Option<u64>,
    /// A label, as NAME=TEXT; repeatable
    #[arg(long, value_name = "NAME=TEXT", value_parser = label)]
    label: Vec<(String, String)>,
    #[command(flatten)]
    server: Server,
}

/// On the wire a time has at least one millisecond.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    let printer = &context.printer;
    match command {
        Command::Create(asked) => {
            // Without --python the server finds the environment.
            let environment = match asked.python {
                None => asked.venv,
                python => {
                    let environment = EnvironmentArgs { venv: asked.venv, python }.resolve(context)?;
                    Some(environment.path.to_string_lossy().into_owned())
                }
            };
            let options = SessionOptions {
                environment,
                python: None, // it is found here, so that an error names the Pythons that there are
                preload: (!asked.preload.is_empty()).then_some(asked.preload),
                env: asked.env.into_iter().map(|(name, value)| (name, Some(value))).collect(),
                setup: asked.setup,
                idle_timeout_ms: asked.idle.map(milliseconds),
                drain_ms: asked.drain.map(milliseconds),
                labels: asked.label.into_iter().collect(),
                limits: Limits { memory_bytes: asked.max_memory, ..Limits::default() },
            };
            let session = client(context, &asked.server)?.create_session_with(&options).await?;
            printer.result(json!({"sessionId": session}), || printer.line(&session));
        }
        Command::List(server) => {
            let sessions = client(context, &server)?.list_sessions().await?;
            printer.result(json!(sessions), || {
                let rows = sessions.iter().map(row).collect();
                printer.table(&["SESSION", "PYTHON", "PID", "CALLS", "MEMORY", "IDLE", "EPOCH", "ENVIRONMENT"], rows);
            });
        }
        Command::Show(Named { session, server }) => {
            let told = client(context, &server)?.inspect_session(&session).await?;
            printer.result(json!(told), || show(printer, &told));
        }
        Command::Handles(Named { session, server }) => {
            let held = client(context, &server)?.list_handles(&session).await?;
            printer.result(json!(held), || {
                let rows = held.iter().map(|held| {
                    let size = held.size.map_or_else(String::new, |size| size.to_string());
                    vec![
                        held.handle_id.clone(),
                        held.type_name.clone(),
                        size,
                        format!("{} s", held.age_ms / 1000),
                        held.repr.clone().unwrap_or_default(),
                    ]
                });
                printer.table(&["HANDLE", "TYPE", "BYTES", "AGE", "REPR"], rows.collect());
            });
        }
        Command::Interrupt(Interrupt { named: Named { session, server }, abort_queued, once, grace }) => {
            let grace_ms = grace.map(milliseconds);
            let asked = InterruptRequest { grace_ms, abort_queued, once };
            let InterruptResponse { outcome, aborted } =
                client(context, &server)?.interrupt_session(&session, &asked).await?;
            printer.result(json!({"sessionId": session, "outcome": outcome, "aborted": aborted}), || {
                let told = match outcome {
                    CancelOutcome::NotFound => "No call was running",
                    CancelOutcome::Finished => "The call had ended, or caught the interrupt and went on to its end",
                    CancelOutcome::NotStarted => "The call had not started, and will not",
                    CancelOutcome::Interrupted => "Interrupted the call; it goes on if its code caught that",
                    CancelOutcome::StateKept => "Interrupted the call; the session keeps its state",
                    CancelOutcome::StateLost => {
                        "The call did not stop: its worker was killed, and the session is empty now"
                    }
                };
                printer.line(told);
                if aborted > 0 {
                    printer.line(format_args!("Cancelled {aborted} that waited"));
                }
            });
        }
        Command::Restart(Named { session, server }) => {
            let epoch = client(context, &server)?.restart_session(&session).await?;
            printer.result(json!({"sessionId": session, "sessionEpoch": epoch}), || {
                printer.line(format_args!("Restarted the session {session}; it is empty now"));
            });
        }
        Command::Delete(Named { session, server }) => {
            client(context, &server)?.delete_session(&session).await?;
            printer
                .result(json!({"sessionId": session}), || printer.line(format_args!("Deleted the session {session}")));
        }
    }
    Ok(ExitStatus::Success)
}

/// Prints what a session does.
fn show(printer: &Printer, told: &SessionInspection) {
    let info = &told.session;
    printer.line(format_args!(
        "Session {}: Python {} in {}",
        info.session_id,
        info.python.as_deref().unwrap_or("?"),
        info.environment
    ));
    let running = match (&info.running, info.running_ms) {
        (Some(call), Some(ms)) => format!("{} has been running for {ms} ms", named(call)),
        (None, Some(ms)) => format!("a call has been running for {ms} ms"),
        (_, None) if info.stopped => "its worker is stopped".to_owned(),
        (_, None) => "idle".to_owned(),
    };
    printer.line(format_args!("  {running}, {} under way, memory {}", info.calls, memory(info)));
    if let (true, Some(pid)) = (info.stopped, info.pid) {
        printer.line(format_args!(
            "  process {pid} was stopped, by a signal or a debugger; `kill -CONT {pid}` continues it"
        ));
    }
    for call in &told.waiting {
        printer.line(format_args!("  {} has waited for {} ms", named(call), call.age_ms));
    }
    for thread in &told.threads {
        printer.line(format_args!(
            "  thread {}{}",
            thread.thread,
            if thread.main { ", which runs the calls" } else { "" }
        ));
        for frame in &thread.frames {
            printer.line(format_args!("    {}:{} in {}", frame.file, frame.line, frame.function));
        }
    }
    if let Some(death) = &info.last_death {
        printer.line(format_args!("  restarted: its last {death}"));
        for line in death.fault.as_deref().unwrap_or(&death.stderr_tail).lines() {
            printer.line(format_args!("  | {line}"));
        }
    }
}

fn client(context: &Context, server: &Server) -> Result<AnyBackend> {
    find_address(&context.home()?, server.server.as_deref())?.connect()
}

fn row(info: &SessionInfo) -> Vec<String> {
    vec![
        info.session_id.clone(),
        info.python.clone().unwrap_or_default(),
        info.pid.map_or_else(String::new, |pid| pid.to_string()),
        info.calls.to_string(),
        memory(info),
        match (info.stopped, info.idle_ms) {
            (true, _) => "stopped".to_owned(),
            (false, idle) => idle.map_or_else(String::new, |ms| format!("{} s", ms / 1000)),
        },
        info.session_epoch.to_string(),
        info.environment.clone(),
    ]
}

/// The call by its operation, its number, and the id that its client gave it.
fn named(call: &CallInfo) -> String {
    let request = call.request_id.as_ref().map_or_else(String::new, |id| format!(" {id:?}"));
    format!("call {} ({}{request})", call.call_id, call.operation)
}

pub(super) fn memory(info: &SessionInfo) -> String {
    info.memory_bytes.map_or_else(String::new, |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, text) = text.split_once('=').ok_or_else(|| format!("{} is not NAME=TEXT", quoted(text)))?;
    Ok((name.to_owned(), text.to_owned()))
}
