//! `debug`: a debugger in a session, and how to attach to it.

use anyhow::Result;
use beep_python_client::{Debugger, PythonHostBackend};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::lookup::{connect, find_server};

#[derive(clap::Args)]
#[command(after_help = "\
debugpy listens on loopback and asks for no token: every user of this machine can attach, and whoever does runs code in
the session. Deadlines go on while it stands at a breakpoint.")]
pub(crate) struct Args {
    /// The session; `default` is the one that clients share
    session: String,
    /// Install debugpy into the session's environment, where it is not there
    #[arg(long)]
    install: bool,
    /// The server: its id or the beginning of it, its port, pipe name or URL; the only one that runs otherwise
    #[arg(long)]
    server: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { session, install, server } = args;
    let client = connect(&find_server(&context.home()?, server.as_deref())?.0)?;
    let debugger = client.debug_session(&session, install).await?;
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
            printer.line("  any other client of the debug adapter protocol: connect over TCP, and ask to `attach`");
            printer.line(format_args!("  from another machine: ssh -L {port}:{host}:{port} MACHINE, and attach there"));
            printer.line(format_args!(
                "  stop: at breakpoints, or where the session's code calls `breakpoint()` once somebody has attached:"
            ));
            printer.line(format_args!("    beep-python eval --session {session} 'breakpoint()'"));
            printer.line("  Whoever attaches runs code in the session. It ends with the session's worker.");
        },
    );
    Ok(ExitStatus::Success)
}

/// What Visual Studio Code attaches with.
fn launch(session: &str, host: &str, port: u16) -> serde_json::Value {
    json!({
        "name": format!("beep-python session {session}"),
        "type": "debugpy",
        "request": "attach",
        "connect": { "host": host, "port": port },
        // What a session is given to run is no file, and so not "my code" to debugpy; the worker's own frames are hidden.
        "justMyCode": false,
        "rules": [{ "module": "beep_python", "include": false }],
    })
}
