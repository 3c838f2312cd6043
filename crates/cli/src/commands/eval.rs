//! `eval`: code in, result out.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Result;
use beep_python_client::protocol::{ErrorCode, Limits};
use beep_python_client::{
    AnyBackend, Error, InterruptRequest, PythonError, Response, Returned, SessionEvents, SessionOptions,
};
use serde_json::json;
use signal_hook::consts::SIGINT;

use super::code::{Code, FROM_INPUT};
use super::streaming::{self, Lines, WRITE_LIMIT, is_unread_for};
use crate::context::Context;
use crate::ctrl_c::{CtrlC, INTERRUPTS};
use crate::environment::EnvironmentArgs;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::hints::hint_for;
use crate::import_hint::import_hint;
use crate::server::launch::TemporaryServer;
use crate::server::lookup::{ServerAddress, connect, server_for_code};
use crate::server::settings::duration;
use crate::signals::{Received, Signals};
use crate::terminal::shell_words::sh_quote;

/// The exit status of code that exceeded `--timeout`, as `timeout` of the coreutils has it.
pub(super) const TIMED_OUT: u8 = 124;

/// How long the end of a session has in any case; where a signal or the time limit has ended the command, the server goes on with it.
const LEAST_END_TIMEOUT: Duration = Duration::from_millis(500);
const AT_END: &str = "threads are joined, and functions of `atexit` run, before the session ends";

/// How long after its time limit a call may be told to have ended: its interrupt has a grace, and what it printed comes first.
const LATEST_ANSWER: Duration = Duration::from_secs(15);

/// How long the end of a session may take in a server of this command's own: as under Python, as long as its threads do.
const END_TIMEOUT_MS: u64 = 365 * 24 * 3600 * 1000;

/// A session of this command that is unused for so many milliseconds was abandoned: the command was killed.
const ABANDONED_SESSION_TIMEOUT_MS: u64 = 10_000;

#[derive(clap::Args)]
#[command(after_help = "\
Prints a string as it is, None not at all, and any other value as its repr; nothing where a semicolon ends
the code. The code's output appears as it is printed. input() and sys.stdin read standard input, unless
the code itself came from there; in a server of its own so do open(0) and the processes that the code
starts. With --json, everything is printed as JSON at the end, and another server's code gets no line.

With --venv or --python the code runs in a server of its own. Otherwise it runs in the server of
--server, or in the only running one; if there is none, or more than one, in a server of its own.
Without --session the code runs in a new session, which ends with the command: threads are joined, and
`atexit` functions run; in another server, for as long as its --drain. `--session default` is the session
that clients share. A server of its own runs in this folder, another one where it was started.

The time limit covers the end of the session too.

Ctrl-C is the code's, as under python: it may catch KeyboardInterrupt and go on. The third one kills the
code's worker.")]
pub(crate) struct Args {
    /// An expression, or statements whose last expression is the result; several words are one text. `-` reads standard input, and
    /// what follows it is in sys.argv
    #[arg(allow_negative_numbers = true, required = true, value_name = "CODE")]
    pub(super) code: Vec<String>,
    /// Evaluate in this server: its id or a unique start of it, port, pipe name or URL
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    pub(super) server: Option<String>,
    #[command(flatten)]
    pub(super) environment: EnvironmentArgs,
    /// Evaluate in this session of the server
    #[arg(long, conflicts_with_all = ["venv", "python"])]
    pub(super) session: Option<String>,
    /// Time limit, such as 30s; code that exceeds it ends the command with status 124 [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let code = Code::of(&args.code)?;
    let lines = if args.code[0] == FROM_INPUT { Lines::Ended } else { Lines::Input };
    let server = server_for_code(&context.home()?, &args.environment, args.server.as_deref(), args.session.as_deref())?;
    run_in(context, server, &args, &code, lines).await
}

/// Runs code in a session of the server, or in a server of its own. `lines` are those that another server's code gets.
pub(super) async fn run_in(
    context: &Context,
    server: Option<ServerAddress>,
    args: &Args,
    code: &Code,
    lines: Lines,
) -> Result<ExitStatus> {
    let ended = run_to_end(context, server, args, code, lines).await;
    let omitted = context.printer.take_omitted();
    if omitted == 0 {
        return ended;
    }
    let lost = CliError::OutputLost(omitted).into();
    if !matches!(ended, Ok(ExitStatus::Success)) {
        context.printer.error(&lost, hint_for(&lost, context).as_deref());
        return ended;
    }
    Err(lost)
}

/// The same, but tells of no output that is lost.
async fn run_to_end(
    context: &Context,
    server: Option<ServerAddress>,
    args: &Args,
    code: &Code,
    lines: Lines,
) -> Result<ExitStatus> {
    match (server, &args.session) {
        (Some(server), Some(session)) => {
            let client = server.connect()?.with_session(session);
            evaluate(context, client, None, code, args, lines, &Cell::default()).await
        }
        (Some(server), None) => {
            // The idle timeout ends the session where the command is killed.
            let options = SessionOptions { idle_timeout_ms: Some(ABANDONED_SESSION_TIMEOUT_MS), ..streamed() };
            evaluate_in_new_session(context, &server.connect()?, &options, code, args, lines).await
        }
        (None, _) => {
            let environment = args.environment.resolve(context)?;
            // A signal ends this command at once until the code runs, and again after it: its server then ends by itself.
            let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
            let never = pin!(std::future::pending());
            let server = TemporaryServer::start(&context.home()?, &environment, false, Some(stdin), never).await??;
            let client = connect(&server.record)?;
            let options = SessionOptions { drain_ms: Some(END_TIMEOUT_MS), ..streamed() };
            let status = evaluate_in_new_session(context, &client, &options, code, args, Lines::OfCode).await;
            // On a thread of its own, so that an interrupted call's connection is closed meanwhile, which cancels the call.
            let stopped = tokio::task::spawn_blocking(move || server.stop()).await?;
            let status = status?;
            stopped?;
            Ok(status)
        }
    }
}

/// Evaluates in a session that ends with this command, whatever it is doing. What its threads and children print, and what it
/// prints at its end, is part of the output.
async fn evaluate_in_new_session(
    context: &Context,
    client: &AnyBackend,
    options: &SessionOptions,
    code: &Code,
    args: &Args,
    lines: Lines,
) -> Result<ExitStatus> {
    let session = client.create_session_with(options).await?;
    let mut events = match context.printer.is_json() {
        true => None,
        false => client.with_raw_output().session_events(&session).await.ok(),
    };
    let (begun, ended) = (Instant::now(), Cell::new(None));
    let status = evaluate(context, client.with_session(&session), events.as_mut(), code, args, lines, &ended).await;
    let end = async { tokio::join!(client.delete_session(&session), streaming::follow(&context.printer, events)) };
    // A reader of the output may be slow: that is not the code's time.
    let took = ended.get().unwrap_or_else(Instant::now).duration_since(begun);
    let is_over = match &status {
        Ok(ExitStatus::Signal(signal)) => *signal != SIGINT,
        Ok(ExitStatus::Code(TIMED_OUT)) => args.timeout.is_some_and(|timeout| took >= timeout),
        _ => false,
    };
    if is_over {
        let _ = tokio::time::timeout(LEAST_END_TIMEOUT, end).await;
        return status;
    }
    // The session's or the server's `--drain` bounds it, and the time limit.
    let left = args.timeout.map(|timeout| timeout.saturating_sub(took).max(LEAST_END_TIMEOUT));
    let ended = end_with_ctrl_c(client, &session, end);
    match (tokio::time::timeout(left.unwrap_or(Duration::MAX), ended).await, status) {
        (Ok(ended), status) => ended?.map_or(status, |signal| Ok(ExitStatus::Signal(signal))),
        (Err(_), status @ (Err(_) | Ok(ExitStatus::Signal(_)))) => status,
        (Err(_), Ok(_)) => Ok(exceeded(context, args, Some(AT_END))),
    }
}

/// Says that the time limit was exceeded.
fn exceeded(context: &Context, args: &Args, hint: Option<&str>) -> ExitStatus {
    context.printer.error(&CliError::TimeLimit(args.timeout.unwrap_or_default()).into(), hint);
    ExitStatus::Code(TIMED_OUT)
}

/// Waits for the end of a session. Ctrl-C reaches what that waits for, as under Python; the third one ends the command. Returns the
/// signal that does.
async fn end_with_ctrl_c(client: &AnyBackend, session: &str, end: impl Future) -> Result<Option<i32>> {
    let (mut signals, mut presses) = (Signals::listen()?, 0);
    let once = InterruptRequest { once: true, ..InterruptRequest::default() };
    let mut end = pin!(end);
    loop {
        tokio::select! {
            biased;
            _ = &mut end => return Ok(None),
            received = signals.next() => match received {
                Received::CtrlC if presses < INTERRUPTS => {
                    presses += 1;
                    let _ = client.interrupt_session(session, &once).await; // it may have ended
                }
                Received::CtrlC => return Ok(Some(SIGINT)),
                Received::End(number) => return Ok(Some(number)),
            },
        }
    }
}

/// Options of a session whose output is streamed, perhaps more slowly than the code prints.
fn streamed() -> SessionOptions {
    let limits = Limits { output_bytes: Some(WRITE_LIMIT as u64), ..Limits::default() };
    SessionOptions { limits, ..SessionOptions::default() }
}

/// Evaluates, and prints the result. Meanwhile Ctrl-C is the code's. Notes when the code has `ended`.
async fn evaluate(
    context: &Context,
    client: AnyBackend,
    events: Option<&mut SessionEvents>,
    code: &Code,
    args: &Args,
    lines: Lines,
    ended: &Cell<Option<Instant>>,
) -> Result<ExitStatus> {
    let signals = Signals::listen()?;
    let ctrl_c = CtrlC::new(&client);
    let mut client = client.with_request_id(&ctrl_c.request_id).with_cancel_on_disconnect().with_raw_output();
    if let Some(timeout) = args.timeout {
        client = client.with_timeout(timeout);
    }
    let let_go = signals.let_go();
    let has_ended = || {
        ended.set(Some(Instant::now()));
        let_go();
    };
    let run = run_code(context, &client, events, code, lines, &ctrl_c, has_ended);
    let passed_on = tokio::select! {
        biased;
        passed_on = ctrl_c.pass_on(signals, run) => passed_on,
        () = no_answer_comes(&client, args.timeout) => return Ok(exceeded(context, args, None)),
    };
    let ended = match passed_on {
        Ok(answered) => {
            let hint = match context.printer.is_json() {
                true => None,
                false => match script_hint(&args.code).filter(|_| answered.is_err()) {
                    None => import_hint(context, &client, answered.as_ref().err()).await,
                    hint => hint,
                },
            };
            let ended = print(context, answered, args, ctrl_c.presses.get() > 0);
            hint.iter().for_each(|hint| context.printer.hint(hint));
            ended
        }
        Err(signal) => Ok(ExitStatus::Signal(signal)),
    };
    // Also releases the handle of the response, which nothing uses any more.
    client.release_dropped().await;
    ended
}

/// Returns once no answer will come in time. The host keeps the time, in which a debugger may hold the code; but it may have stopped, and its
/// answer is not seen where nothing reads what was printed before.
async fn no_answer_comes(client: &AnyBackend, timeout: Option<Duration>) {
    let Some(timeout) = timeout else { return std::future::pending().await };
    tokio::time::sleep(timeout.saturating_add(LATEST_ANSWER)).await;
    while !is_unread_for(LATEST_ANSWER)
        && tokio::time::timeout(LATEST_ANSWER, client.health()).await.is_ok_and(|health| health.is_ok())
    {
        tokio::time::sleep(LATEST_ANSWER).await;
    }
}

/// What running code came to.
enum Answer {
    Json(Response<Returned>),
    Text(Response<Option<String>>),
    /// Nothing reads its output any more.
    Unread,
}

/// Runs the code to its end, and then lets go of the signals.
async fn run_code(
    context: &Context,
    client: &AnyBackend,
    events: Option<&mut SessionEvents>,
    code: &Code,
    lines: Lines,
    ctrl_c: &CtrlC,
    let_go: impl Fn(),
) -> Result<Answer, Error> {
    let code = &*code.text(client).await?;
    if context.printer.is_json() {
        let answered = client.with_reprs().evaluate::<Response<Returned>>(code).await;
        let_go();
        return answered.map(Answer::Json);
    }
    let answered = streaming::run(&context.printer, client, events, code, lines, &ctrl_c.presses, let_go).await?;
    Ok(answered.map_or(Answer::Unread, Answer::Text))
}

/// Prints what the code came to. `pressed`: whether the user has pressed Ctrl-C.
fn print(context: &Context, answered: Result<Answer, Error>, args: &Args, pressed: bool) -> Result<ExitStatus> {
    match answered {
        Ok(Answer::Json(answer)) => print_json(context, answer),
        Ok(Answer::Text(answer)) => print_text(context, answer),
        Ok(Answer::Unread) => return Ok(ExitStatus::Failure),
        Err(Error::Python(raised)) => return Ok(print_exception(context, &raised)),
        Err(error) => {
            let (stdout, stderr) = error.output().unwrap_or_default();
            context.printer.raw_note(stdout);
            context.printer.raw_note(stderr);
            if let Error::Host(problem) = &error
                && let Some(place) = problem.place()
            {
                context.printer.note(place);
            }
            let status = match error.code() {
                Some(ErrorCode::DeadlineExceeded) if args.timeout.is_some() => ExitStatus::Code(TIMED_OUT),
                // It died where code had given SIGINT its default action.
                Some(ErrorCode::Cancelled | ErrorCode::WorkerDied) if pressed => ExitStatus::Signal(SIGINT),
                _ => match status_of_death(&error) {
                    Some(status) => status,
                    None => return Err(error.into()),
                },
            };
            // A session of this command's own does not go on.
            let has_hint = args.session.is_some() || error.code() != Some(ErrorCode::WorkerDied);
            let error = error.into();
            context.printer.error(&error, hint_for(&error, context).filter(|_| has_hint).as_deref());
            return Ok(status);
        }
    }
    Ok(ExitStatus::Success)
}

/// The status of code that ended its process without an exception, as a shell tells it: `os._exit`, a signal, a crash.
fn status_of_death(error: &Error) -> Option<ExitStatus> {
    let Error::Host(problem) = error else { return None };
    let death = problem.death.as_ref().filter(|_| problem.code == ErrorCode::WorkerDied)?;
    let status = death.exit_code.or_else(|| death.signal.map(|signal| 128 + signal))?;
    Some(ExitStatus::Code(u8::try_from(status & 0xff).unwrap_or(1)))
}

/// Prints an exception as Python does that ends a program. Returns the status that it ends with.
fn print_exception(context: &Context, raised: &PythonError) -> ExitStatus {
    let exception = &raised.exception;
    let json = json!({"exception": exception, "stdout": raised.stdout, "stderr": raised.stderr});
    context.printer.result(json, || {
        context.printer.raw(&raised.stdout);
        context.printer.raw_note(&raised.stderr);
        // As Python ends a program: with what a SystemExit holds, and no traceback.
        match (exception.exit_status, &exception.exit_message) {
            (Some(_), None) => {}
            (Some(_), Some(message)) => context.printer.note(message),
            (None, _) => context.printer.note(format_args!("{exception:#}")),
        }
    });
    match exception.kind.as_str() {
        "KeyboardInterrupt" => ExitStatus::Signal(SIGINT),
        _ => exception.exit_status.map_or(ExitStatus::Failure, ExitStatus::Code),
    }
}

fn print_json(context: &Context, answer: Response<Returned>) {
    let Response { value, stdout, stderr, omitted_output_bytes, session_epoch } = answer;
    let mut json = match &value {
        Returned::Value(value) => json!({"value": value.to_plain()}),
        Returned::Handle(handle) => {
            json!({"typeName": handle.type_name(), "typeModule": handle.type_module(), "repr": handle.repr()})
        }
    };
    json["stdout"] = stdout.as_str().into();
    json["stderr"] = stderr.as_str().into();
    if omitted_output_bytes > 0 {
        json["omittedOutputBytes"] = omitted_output_bytes.into();
    }
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

/// The name of a file in place of code: how to run it.
fn script_hint(words: &[String]) -> Option<String> {
    let [word] = words else { return None };
    Path::new(word).is_file().then(|| format!("`beep-python run {}` runs that file", sh_quote(word)))
}
