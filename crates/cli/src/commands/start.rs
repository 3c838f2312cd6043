//! `start`: a server in the background, or in the foreground.

use anyhow::Result;
use beep_python_server::launch::{Endpoint, LaunchPlan, ServerRecord, state_of};
use beep_python_server::pipe::PipeName;
use clap::CommandFactory;
use clap::error::ErrorKind;

use super::serve::{ServerArgs, ServerSettings};
use super::status::server_json;
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::server::lookup::launcher;
use crate::{Cli, ExitStatus};

const DEFAULT_PORT: u16 = 5678;
const DEFAULT_RPC_PORT: u16 = 50051;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backends; all of them lead to the same sessions
    #[arg(required = true)]
    backends: Vec<Backend>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// The port of HTTP, 5678 otherwise; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// The port of RPC, 50051 otherwise; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    rpc_port: Option<u16>,
    /// The name of the pipe; one that nobody else has otherwise
    #[arg(long, value_name = "NAME")]
    pipe_name: Option<PipeName>,
    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// HTTP with JSON
    Http,
    /// One JSON object a line over a Unix socket
    Pipe,
    /// gRPC, and JSON over HTTP/1.1 on the same port
    Rpc,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let wanted = |backend| args.backends.contains(&backend);
    for (option, given, backend, name) in [
        ("--port", args.port.is_some(), Backend::Http, "http"),
        ("--rpc-port", args.rpc_port.is_some(), Backend::Rpc, "rpc"),
        ("--pipe-name", args.pipe_name.is_some(), Backend::Pipe, "pipe"),
    ] {
        if given && !wanted(backend) {
            // Left unsaid, a server would be somewhere else than where its user looks for it.
            let said = format!("{option} is for the backend '{name}', which is not among those to start\n");
            Cli::command().error(ErrorKind::ArgumentConflict, said).exit();
        }
    }
    let http = wanted(Backend::Http).then(|| args.port.unwrap_or(DEFAULT_PORT));
    let rpc = wanted(Backend::Rpc).then(|| args.rpc_port.unwrap_or(DEFAULT_RPC_PORT));
    let pipe = match args.pipe_name {
        _ if !wanted(Backend::Pipe) => None,
        Some(name) => Some(name),
        None => Some(PipeName::random()?),
    };
    let environment = args.environment.resolve(context)?;
    let settings = ServerSettings { args: args.server, ..ServerSettings::in_environment(&environment) };
    let mut plan = LaunchPlan {
        id: None,
        host: settings.args.host.clone(),
        http,
        pipe,
        rpc,
        directory: std::env::current_dir().ok(),
        arguments: settings.arguments(),
        lifeline: None,
    };
    let launcher = launcher(&context.home()?)?;
    if args.foreground {
        plan.arguments.extend(context.printer.is_json().then(|| "--json".to_owned()));
        return Err(launcher.become_server(&plan).into());
    }
    let record = launcher.launch(&plan)?;
    announce(context, &record);
    Ok(ExitStatus::Success)
}

/// Says that a server is ready, and what can be done with it.
pub(crate) fn announce(context: &Context, record: &ServerRecord) {
    let printer = &context.printer;
    printer.result(server_json(record, state_of(record)), || {
        let ServerRecord { id, python_version, environment, .. } = record;
        for endpoint in &record.endpoints {
            printer.line(format_args!("Server {id} is ready at {}", endpoint.url));
        }
        printer.line(format_args!("  Python {python_version} in the environment {environment}"));
        printer.line(format_args!("  use it:   beep-python eval --server {id} '1 + 1'"));
        if let Some(endpoint) = record.endpoint("http") {
            let body = r#"-H 'Content-Type: application/json' -d '{"expression": "1 + 1"}'"#;
            printer.line(format_args!("            curl {}/api/eval {body}", endpoint.url));
        }
        if let Some(name) = record.endpoint("pipe").and_then(Endpoint::pipe_name) {
            printer.line(format_args!("            .NET: new NamedPipeClientStream(\".\", \"{name}\")"));
        }
        if let Some(port) = record.endpoint("rpc").and_then(Endpoint::port) {
            let call = r#"-d '{"expression": "1 + 1"}'"#;
            let rpc = "beep.python.runtime.PythonService/Evaluate";
            printer.line(format_args!("            grpcurl -plaintext {call} localhost:{port} {rpc}"));
        }
        match record.log {
            Some(_) => printer.line(format_args!("  stop it:  beep-python stop {id}")),
            None => printer.line("  stop it:  Ctrl-C"),
        }
    });
}
