//! `eval`: code in, result out.

use std::io::Read;
use std::time::Duration;

use anyhow::Result;
use beep_python_client::protocol::Limits;
use beep_python_client::{AnyBackend, Error, PythonHostBackend, Response, Returned, SessionOptions, Value};
use serde_json::json;

use super::streaming::{self, WRITE_LIMIT};
use crate::async_runtime::interrupted;
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::launch::TemporaryServer;
use crate::server::lookup::{connect, find_server, running_servers};
use crate::server::settings::seconds;

/// In place of the code: standard input has it.
const FROM_INPUT: &str = "-";

/// How long to wait until the server has ended the session: it does so in any case.
const DELETE_TIMEOUT: Duration = Duration::from_millis(500);

/// After so many milliseconds without a call a session of this command has been left behind.
const ABANDONED_SESSION_TIMEOUT_MS: u64 = 10_000;

#[derive(clap::Args)]
#[command(after_help = "\
Text is printed as it is, None not at all, and anything else as Python shows it. What the code prints
is printed as it comes, and its input() reads standard input, unless the code was read from there.
--json prints all of it as plain JSON, at the end, and leaves input() without a line.

With --venv or --python the code runs in a server of its own. Without them and --server the only
server that runs is used; where there is none, or more than one, one is started for this call.
Without --session the code has a session of its own, which ends with the command; the session that
clients share is `--session default`.")]
pub(crate) struct Args {
    /// An expression, or statements whose last expression is the result; `-` reads them from standard input
    #[arg(allow_negative_numbers = true)]
    code: String,
    /// Evaluate in this server: its id or the beginning of it, its port, pipe name or URL
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    server: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Evaluate in this session of the server
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    session: Option<String>,
    /// How long it may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let code = code(&args.code)?;
    let home = context.home()?;
    let chosen = match &args.server {
        Some(wanted) => Some(find_server(&home, Some(wanted))?.0),
        None if args.environment.is_named() => None,
        None if args.session.is_some() => Some(find_server(&home, None)?.0),
        None => match running_servers(&home)?.as_slice() {
            [(record, _)] => Some(record.clone()),
            _ => None,
        },
    };
    let mut interruption = std::pin::pin!(interrupted());
    if let Some(record) = chosen {
        let client = connect(&record)?;
        let Some(session) = &args.session else {
            // In a session of its own, which ends with this command, whatever it is still doing; also where nothing is left
            // of the command to say so.
            let options = SessionOptions { idle_timeout_ms: Some(ABANDONED_SESSION_TIMEOUT_MS), ..watched() };
            let session = client.create_session_with(&options).await?;
            let ended = tokio::select! {
                ended = evaluate(context, client.with_session(&session), &code, &args) => ended,
                interruption = &mut interruption => Err(interruption?.into()),
            };
            let _ = tokio::time::timeout(DELETE_TIMEOUT, client.delete_session(&session)).await;
            return ended;
        };
        return tokio::select! {
            ended = evaluate(context, client.with_session(session), &code, &args) => ended,
            interruption = &mut interruption => Err(interruption?.into()),
        };
    }
    let environment = args.environment.resolve(context)?;
    let mut starting = std::pin::pin!(TemporaryServer::start(&home, &environment, false));
    let server = tokio::select! {
        server = &mut starting => server?,
        interruption = &mut interruption => {
            drop(starting.await);
            return Err(interruption?.into());
        }
    };
    let client = connect(&server.record)?;
    let in_session = async {
        let client = client.with_session(&client.create_session_with(&watched()).await?);
        evaluate(context, client, &code, &args).await
    };
    let ended = tokio::select! {
        ended = in_session => ended?,
        interruption = &mut interruption => return Err(interruption?.into()),
    };
    server.stop()?;
    Ok(ended)
}

/// A session whose output somebody watches, though not always as fast as it comes.
fn watched() -> SessionOptions {
    let limits = Limits { output_bytes: Some(WRITE_LIMIT as u64), ..Limits::default() };
    SessionOptions { limits, ..SessionOptions::default() }
}

async fn evaluate(context: &Context, client: AnyBackend, code: &str, args: &Args) -> Result<ExitStatus> {
    let mut client = client.with_cancel_on_disconnect();
    if let Some(timeout) = args.timeout {
        client = client.with_timeout(timeout);
    }
    let answered = match context.printer.is_json() {
        true => client.evaluate::<Response<Returned>>(code).await.map(Some),
        false => streaming::run(&context.printer, &client, code, args.code != FROM_INPUT).await,
    };
    let ended = match answered {
        Ok(Some(answer)) => {
            print_answer(context, answer);
            ExitStatus::Success
        }
        Ok(None) => ExitStatus::Failure,
        Err(Error::Python(raised)) => {
            let exception = &raised.exception;
            let json = json!({"exception": exception, "stdout": raised.stdout, "stderr": raised.stderr});
            context.printer.result(json, || {
                context.printer.raw(&raised.stdout);
                context.printer.raw_note(&raised.stderr);
                context.printer.note(format_args!("{exception:#}"));
            });
            ExitStatus::Failure
        }
        Err(error) => {
            let (stdout, stderr) = error.output().unwrap_or_default();
            context.printer.raw_note(stdout);
            context.printer.raw_note(stderr);
            return Err(error.into());
        }
    };
    // Also the handle of the answer, which nobody could use after this.
    client.release_dropped().await;
    Ok(ended)
}

fn print_answer(context: &Context, answer: Response<Returned>) {
    let Response { value, stdout, stderr, session_epoch } = answer;
    let printer = &context.printer;
    let mut json = match &value {
        Returned::Value(value) => json!({"value": value.to_plain()}),
        Returned::Handle(handle) => json!({"typeName": handle.type_name(), "repr": handle.repr()}),
    };
    json["stdout"] = stdout.as_str().into();
    json["stderr"] = stderr.as_str().into();
    json["sessionEpoch"] = session_epoch.into();
    printer.result(json, || {
        printer.raw(&stdout);
        printer.raw_note(&stderr);
        match &value {
            Returned::Value(Value::None) => {}
            Returned::Value(Value::Str(text)) => printer.line(text),
            Returned::Value(value) => printer.line(value),
            Returned::Handle(handle) => printer.line(handle),
        }
    });
}

fn code(argument: &str) -> Result<String> {
    if argument != FROM_INPUT {
        return Ok(argument.to_owned());
    }
    let mut code = String::new();
    std::io::stdin().read_to_string(&mut code).map_err(|error| CliError::UnreadableCode("standard input", error))?;
    Ok(code)
}
