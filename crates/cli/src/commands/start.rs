//! `start`: starts a server, in the background or in the foreground.

use std::sync::Arc;

use anyhow::Result;
use beep_python_server::launch::{LaunchPlan, NamedSockets, sockets_of_manager};
use beep_python_server::unix_socket::PipeName;
use clap::ValueEnum;

use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::default_token::take_from_env;
use crate::server::launch::launcher;
use crate::server::report::announce;
use crate::server::settings::{ServerArgs, ServerSettings};
use crate::server::tls::tls_files;

const DEFAULT_PORT: u16 = 5678;
const DEFAULT_RPC_PORT: u16 = 50051;

#[derive(clap::Args)]
#[command(after_help = "\
The server's address is printed; programs find it by `beep-python status --json`, in `endpoints`.
There, `tokenFile` names the file whose text other users send as `Authorization: Bearer …`; the
server's own user needs none.
Durations and sizes are written as 90, 1500ms, 1h30m, and as 512M, 2GiB.")]
pub(crate) struct Args {
    /// The backends; they share the sessions
    #[arg(required = true)]
    backends: Vec<Backend>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// The port of HTTP, or of RPC without HTTP; 0 takes a free one [default: 5678 for HTTP]
    #[arg(long, help_heading = "Where it listens")]
    port: Option<u16>,
    /// The port of RPC; 0 takes a free one [default: 50051]
    #[arg(long, value_name = "PORT", help_heading = "Where it listens")]
    rpc_port: Option<u16>,
    /// The name of the pipe [default: a random one]
    #[arg(long, value_name = "NAME", help_heading = "Where it listens")]
    pipe_name: Option<PipeName>,
    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,
    /// Stop when standard input ends, as it does when the program that started it is gone. Clients that look for a server do
    /// not find this one
    #[arg(long, requires = "foreground")]
    stop_at_end_of_input: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// HTTP with JSON
    Http,
    /// One JSON object per line over a Unix socket
    Pipe,
    /// gRPC, and JSON over HTTP/1.1 on the same port
    Rpc,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let wanted = |backend| args.backends.contains(&backend);
    // First, since then no program that makes the environment gets them too.
    let passed = if args.foreground { sockets_of_manager()? } else { NamedSockets::new() };
    let names: Vec<_> = args.backends.iter().filter_map(ValueEnum::to_possible_value).collect();
    if let Some((other, _)) = passed.iter().find(|(passed, _)| !names.iter().any(|name| name.matches(passed, false))) {
        let message =
            format!("the service manager passes a socket for '{other}', which is not among the backends to start");
        return Err(CliError::ArgumentConflict(message).into());
    }
    // The port of the only backend that has one.
    let (port, rpc_port) = match (wanted(Backend::Http), wanted(Backend::Rpc), args.rpc_port) {
        (false, true, None) => (None, args.port),
        _ => (args.port, args.rpc_port),
    };
    for (option, given, backend, name) in [
        ("--port", port.is_some(), Backend::Http, "http"),
        ("--rpc-port", rpc_port.is_some(), Backend::Rpc, "rpc"),
        ("--pipe-name", args.pipe_name.is_some(), Backend::Pipe, "pipe"),
    ] {
        if given && !wanted(backend) {
            // Ignoring it would put the server elsewhere than the user expects.
            let message = format!("{option} needs the backend '{name}', which is not among those to start");
            return Err(CliError::ArgumentConflict(message).into());
        }
    }
    let http = wanted(Backend::Http).then(|| port.unwrap_or(DEFAULT_PORT));
    let rpc = wanted(Backend::Rpc).then(|| rpc_port.unwrap_or(DEFAULT_RPC_PORT));
    let pipe = match args.pipe_name {
        _ if !wanted(Backend::Pipe) => None,
        Some(name) => Some(name),
        None => Some(PipeName::random()?),
    };
    let environment = args.environment.resolve(context)?;
    let mut server = args.server;
    let token = take_from_env(&mut server)?;
    tls_files(&context.home()?, &server)?; // what is wrong with the options is said here
    let settings = ServerSettings { args: server, ..ServerSettings::in_environment(&environment) };
    let mut plan = LaunchPlan {
        id: None,
        hosts: settings.args.host.clone(),
        remote: settings.args.is_remote_allowed(),
        http,
        pipe,
        rpc,
        directory: std::env::current_dir().ok(),
        variables: None,
        arguments: settings.arguments(),
        sockets: Some(Arc::new(passed)),
        lifeline: None,
        stdin: None,
        token,
    };
    let launcher = launcher(&context.home()?)?;
    if args.foreground {
        plan.arguments.extend(context.printer.is_json().then(|| "--json".to_owned()));
        plan.arguments.extend(args.stop_at_end_of_input.then(|| "--stop-at-end-of-input".to_owned()));
        return Err(launcher.exec_server(&plan).into());
    }
    let record = launcher.launch(&plan)?;
    announce(context, &record);
    Ok(ExitStatus::Success)
}
