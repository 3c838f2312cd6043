//! `debug`: starts a debugger in a session, and says how to attach to it.

use anyhow::Result;
use beep_python_client::{Debugger, ErrorCode};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::lookup::find_address;
use crate::terminal::shell_words::sh_quote;

#[derive(clap::Args)]
#[command(after_help = "\
Code that runs goes on; the client that attaches can pause it where it is, set breakpoints in it and look at its
variables. Where the session's main thread is in native code, the command waits until it runs Python again.

debugpy listens on loopback and asks for no token: every user of this machine can attach, and can then run code in the
session. No deadline of a call passes while it is stopped at a breakpoint; calls that wait keep theirs.")]
pub(crate) struct Args {
    /// The session; `default` is the shared one
    session: String,
    /// Install debugpy into the session's environment if it is missing
    #[arg(long)]
    install: bool,
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    #[arg(long)]
    server: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { session, install, server } = args;
    let client = find_address(&context.home()?, server.as_deref())?.connect()?;
    let at = server.map_or_else(String::new, |server| format!(" --server {}", sh_quote(&server)));
    let debugger = match client.debug_session(&session, install).await {
        Err(error) if error.code() == Some(ErrorCode::NoDebugger) && !install => {
            let hint = format!("`beep-python debug {}{at} --install` installs what is missing", sh_quote(&session));
            context.printer.error(&error.into(), Some(&hint));
            return Ok(ExitStatus::Failure);
        }
        debugger => debugger?,
    };
    let Debugger { host, port, debugpy } = &debugger;
    let launch = launch(&session, host, *port);
    let printer = &context.printer;
    printer.result(
        json!({ "sessionId": session, "host": host, "port": port, "debugpy": debugpy, "launch": launch }),
        || {
            let version = debugpy.as_ref().map_or_else(String::new, |version| format!(" {version}"));
            printer.line(format_args!("debugpy{version} listens for the session {session} at {host}:{port}"));
            printer.line("  Visual Studio Code, among the `configurations` of .vscode/launch.json:");
            for line in format!("{launch:#}").lines() {
                printer.line(format_args!("    {line}"));
            }
            printer.line("  any other client of the Debug Adapter Protocol: connect over TCP and send `attach`");
            printer.line(format_args!("  from another machine: ssh -L {port}:{host}:{port} MACHINE, and attach there"));
            printer.line("  stop: by the client's Pause, where the code that runs is; at breakpoints; or at a call of `breakpoint()`:");
            printer.line(format_args!("    beep-python eval{at} --session {} 'breakpoint()'", sh_quote(&session)));
            printer.line("  An attached debugger can run code in the session. debugpy ends with the session's worker.");
        },
    );
    Ok(ExitStatus::Success)
}

/// The launch configuration for Visual Studio Code.
fn launch(session: &str, host: &str, port: u16) -> serde_json::Value {
    json!({
        "name": format!("beep-python session {session}"),
        "type": "debugpy",
        "request": "attach",
        "connect": { "host": host, "port": port },
        // Code that a session runs comes from no file, so debugpy does not take it for "my code". The worker's own frames
        // are hidden.
        "justMyCode": false,
        "rules": [{ "module": "beep_python", "include": false }],
    })
}
