//! `eval`: code in, result out.

use std::io::Read;
use std::time::Duration;

use anyhow::Result;
use beep_python_client::protocol::{ErrorCode, Limits};
use beep_python_client::{AnyBackend, Error, Response, Returned, SessionOptions};
use serde_json::json;

use super::streaming::{self, WRITE_LIMIT};
use crate::async_runtime::{interrupted, unless_interrupted};
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::hints::hint_for;
use crate::server::launch::TemporaryServer;
use crate::server::lookup::{connect, server_for_code};
use crate::server::settings::seconds;

/// In place of the code: read it from standard input.
const FROM_INPUT: &str = "-";

/// The exit status of code that exceeded `--timeout`, as `timeout` of the coreutils has it.
const TIMED_OUT: u8 = 124;

/// How long to wait for the server to delete the session; it will in any case.
const DELETE_TIMEOUT: Duration = Duration::from_millis(500);

/// A session of this command that is unused for so many milliseconds was abandoned: the command was killed.
const ABANDONED_SESSION_TIMEOUT_MS: u64 = 10_000;

#[derive(clap::Args)]
#[command(after_help = "\
Prints a string as it is, None not at all, and any other value as its repr. The code's output appears as
it is printed, and input() reads standard input, unless the code itself came from there. With --json,
everything is printed as JSON at the end, and input() gets no line.

With --venv or --python the code runs in a server of its own. Otherwise it runs in the server of
--server, or in the only running one; if there is none, or more than one, in a server of its own.
Without --session the code runs in a new session, which ends with the command; `--session default` is
the session that clients share.")]
pub(crate) struct Args {
    /// An expression, or statements whose last expression is the result; `-` reads standard input
    #[arg(allow_negative_numbers = true)]
    code: String,
    /// Evaluate in this server: its id or a unique start of it, port, pipe name or URL
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    server: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Evaluate in this session of the server
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    session: Option<String>,
    /// Time limit, in seconds; code that exceeds it ends the command with status 124
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let code = code(&args.code)?;
    let home = context.home()?;
    let server = server_for_code(&home, &args.environment, args.server.as_deref(), args.session.as_deref())?;
    let mut interruption = std::pin::pin!(interrupted());
    match (server, &args.session) {
        (Some(record), Some(session)) => {
            let client = connect(&record)?.with_session(session);
            unless_interrupted(evaluate(context, client, &code, &args), interruption).await
        }
        (Some(record), None) => {
            // A session of its own, which ends with this command, whatever it is doing. The idle timeout ends it where the
            // command is killed.
            let client = connect(&record)?;
            let options = SessionOptions { idle_timeout_ms: Some(ABANDONED_SESSION_TIMEOUT_MS), ..streamed() };
            let session = client.create_session_with(&options).await?;
            let evaluated = evaluate(context, client.with_session(&session), &code, &args);
            let status = unless_interrupted(evaluated, interruption).await;
            let _ = tokio::time::timeout(DELETE_TIMEOUT, client.delete_session(&session)).await;
            status
        }
        (None, _) => {
            let environment = args.environment.resolve(context)?;
            let server = TemporaryServer::start(&home, &environment, false, interruption.as_mut()).await??;
            let client = connect(&server.record)?;
            let in_session = async {
                let client = client.with_session(&client.create_session_with(&streamed()).await?);
                evaluate(context, client, &code, &args).await
            };
            let status = unless_interrupted(in_session, interruption).await;
            // On a thread of its own, so that an interrupted call's connection is closed meanwhile, which cancels the call.
            let stopped = tokio::task::spawn_blocking(move || server.stop()).await?;
            let status = status?;
            stopped?;
            Ok(status)
        }
    }
}

/// Options of a session whose output is streamed, perhaps more slowly than the code prints.
fn streamed() -> SessionOptions {
    let limits = Limits { output_bytes: Some(WRITE_LIMIT as u64), ..Limits::default() };
    SessionOptions { limits, ..SessionOptions::default() }
}

async fn evaluate(context: &Context, client: AnyBackend, code: &str, args: &Args) -> Result<ExitStatus> {
    let mut client = client.with_cancel_on_disconnect();
    if let Some(timeout) = args.timeout {
        client = client.with_timeout(timeout);
    }
    let printer = &context.printer;
    // Whether anything still reads the output.
    let answered = if printer.is_json() {
        let answered = client.with_reprs().evaluate::<Response<Returned>>(code).await;
        answered.map(|answer| {
            print_json(context, answer);
            true
        })
    } else {
        let answered = streaming::run(printer, &client, code, args.code != FROM_INPUT).await;
        answered.map(|answer| {
            let is_read = answer.is_some();
            answer.into_iter().for_each(|answer| print_text(context, answer));
            is_read
        })
    };
    let ended = match answered {
        Ok(true) => ExitStatus::Success,
        Ok(false) => ExitStatus::Failure,
        Err(Error::Python(raised)) => {
            let exception = &raised.exception;
            let json = json!({"exception": exception, "stdout": raised.stdout, "stderr": raised.stderr});
            context.printer.result(json, || {
                context.printer.raw(&raised.stdout);
                context.printer.raw_note(&raised.stderr);
                match (exception.kind.as_str(), exception.exit_status) {
                    ("SystemExit", Some(_)) => {}
                    // As Python ends a program: with what the exception holds, and no traceback.
                    ("SystemExit", None) => context.printer.note(&exception.message),
                    _ => context.printer.note(format_args!("{exception:#}")),
                }
            });
            exception.exit_status.map_or(ExitStatus::Failure, ExitStatus::Code)
        }
        Err(error) => {
            let (stdout, stderr) = error.output().unwrap_or_default();
            context.printer.raw_note(stdout);
            context.printer.raw_note(stderr);
            if args.timeout.is_none() || error.code() != Some(ErrorCode::DeadlineExceeded) {
                return Err(error.into());
            }
            let error = error.into();
            context.printer.error(&error, hint_for(&error, context).as_deref());
            ExitStatus::Code(TIMED_OUT)
        }
    };
    // Also releases the handle of the response, which nothing uses any more.
    client.release_dropped().await;
    Ok(ended)
}

fn print_json(context: &Context, answer: Response<Returned>) {
    let Response { value, stdout, stderr, session_epoch } = answer;
    let mut json = match &value {
        Returned::Value(value) => json!({"value": value.to_plain()}),
        Returned::Handle(handle) => {
            json!({"typeName": handle.type_name(), "typeModule": handle.type_module(), "repr": handle.repr()})
        }
    };
    json["stdout"] = stdout.as_str().into();
    json["stderr"] = stderr.as_str().into();
    json["sessionEpoch"] = session_epoch.into();
    context.printer.result(json, || {});
}

fn print_text(context: &Context, answer: Response<Option<String>>) {
    let Response { value, stdout, stderr, .. } = answer;
    context.printer.raw(&stdout);
    context.printer.raw_note(&stderr);
    if let Some(text) = value {
        context.printer.line(text);
    }
}

fn code(argument: &str) -> Result<String> {
    if argument != FROM_INPUT {
        return Ok(argument.to_owned());
    }
    let mut code = String::new();
    std::io::stdin().read_to_string(&mut code).map_err(|error| CliError::UnreadableCode("standard input", error))?;
    Ok(code)
}
