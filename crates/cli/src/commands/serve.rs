//! `serve`: the server process itself. `start` runs it, with the sockets that it has bound.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use beep_python_protocol::Limits;
use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::session::Capacity;
use beep_python_server::auth::AccessConfig;
use beep_python_server::launch::{ActivatedSockets, ReadyNotifier};
use beep_python_server::serve::{self, ServeOptions};
use beep_python_server::{BodyBudget, BoundsConfig, TraceSettings};
use signal_hook::consts::SIGHUP;

use crate::async_runtime::block_on;
use crate::audit::AuditSettings;
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::hidden_variables::hide;
use crate::log_file::{self, LogFile};
use crate::log_writer::LogFormat;
use crate::server::report::announce;
use crate::server::settings::{DEFAULT_DRAIN, ServerArgs, ServerSettings};
use crate::server::tls::tls_files;
use crate::signals;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server's id
    #[arg(long)]
    id: String,
    /// The file that its output goes to
    #[arg(long)]
    log: Option<PathBuf>,
    /// Stop when standard input, a pipe, ends
    #[arg(long)]
    stop_at_end_of_input: bool,
    #[command(flatten)]
    settings: ServerSettings,
}

impl Args {
    pub(crate) fn log_format(&self) -> LogFormat {
        self.settings.args.log_format.unwrap_or_default()
    }

    pub(crate) fn audit(&self) -> Option<AuditSettings> {
        let args = &self.settings.args;
        args.audit.clone().map(|file| AuditSettings { file, code: args.audit_code })
    }

    pub(crate) fn log_file(&self) -> Option<LogFile> {
        let args = &self.settings.args;
        Some(LogFile {
            path: self.log.clone()?,
            max_bytes: args.max_log.unwrap_or(log_file::DEFAULT_MAX_BYTES),
            files: args.log_files.map_or(log_file::DEFAULT_FILES, usize::from),
        })
    }
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    // What is hidden from sessions and tools may be for the server itself.
    let traces = TraceSettings::from_environment();
    // First of all, while there is only one thread.
    // SAFETY: there is only one.
    unsafe { hide(&args.settings.args.hide_env) };
    let mut inherited = ActivatedSockets::from_env()?;
    // In the foreground it may have been started with `nohup`.
    let keep: &[i32] = if inherited.ready.is_awaited() { &[] } else { &[SIGHUP] };
    signals::set_anew(keep);
    let options = match options(context, args, traces) {
        Ok(options) => options,
        Err(error) => {
            inherited.ready.failed(error.as_ref());
            return Err(error);
        }
    };
    if !inherited.ready.is_awaited() {
        let announcing = Context::new(context.printer.is_json(), context.printer.colors, context.tree);
        inherited.ready = ReadyNotifier::call(move |record| announce(&announcing, record));
    }
    block_on(async {
        serve::run(options, inherited).await?;
        Ok(ExitStatus::Success)
    })
}

fn options(context: &Context, args: Args, traces: TraceSettings) -> Result<ServeOptions> {
    let home = context.home()?;
    let environment = VenvManager::new(home.clone()).open_path(&args.settings.environment)?;
    let arguments = args.settings.arguments();
    let server = args.settings.args;
    let tls = tls_files(&home, &server)?;
    let access = AccessConfig::default();
    Ok(ServeOptions {
        home,
        id: args.id,
        environment: environment.name,
        environment_path: environment.path,
        python: environment.python,
        limits: limits(&server),
        capacity: capacity(&server),
        bounds: bounds(&server),
        preload: server.preload,
        python_path: server.python_path,
        access: AccessConfig {
            hosts: server.host.into_iter().chain(server.allow_host).collect(),
            allow_paths: server.allow_paths,
            origins: server.allow_origin,
            trust_loopback: server.trust_loopback,
            require_token: server.require_token,
            max_body_bytes: server.max_body.unwrap_or(access.max_body_bytes),
            max_data_bytes: server.max_data.unwrap_or(access.max_data_bytes),
            ..access
        },
        tls,
        insecure_remote: server.insecure_remote,
        token_file: server.token_file,
        max_bodies_bytes: server.max_bodies.unwrap_or(BodyBudget::DEFAULT_BYTES),
        traces,
        log: args.log,
        arguments,
        drain: server.drain.unwrap_or(DEFAULT_DRAIN),
        stop_at_end_of_input: args.stop_at_end_of_input,
    })
}

/// The limits of calls.
fn limits(args: &ServerArgs) -> Limits {
    let milliseconds = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    Limits {
        timeout_ms: milliseconds(args.timeout),
        grace_ms: milliseconds(args.grace),
        cpu_ms: milliseconds(args.max_cpu),
        memory_bytes: args.max_memory,
        processes: args.max_processes,
        waiting: args.max_waiting,
        ..Limits::default()
    }
}

fn capacity(args: &ServerArgs) -> Capacity {
    let most = Capacity::default();
    Capacity {
        sessions: args.max_sessions.map_or(most.sessions, |number| number as usize),
        workers: args.workers.map_or(most.workers, usize::from),
    }
}

fn bounds(args: &ServerArgs) -> BoundsConfig {
    let number = |number: Option<u32>| number.map(|number| number as usize);
    BoundsConfig {
        max_connections: number(args.max_connections),
        max_peer_connections: number(args.max_peer_connections),
        max_requests: number(args.max_requests),
    }
}
