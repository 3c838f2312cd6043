//! The settings of a server: as options of `start`, and as the command line of the server process.

use std::path::PathBuf;
use std::time::Duration;

use beep_python_protocol::quoted;
use beep_python_runtime::environment::Environment;
use beep_python_runtime::platform::{parse_duration, parse_size};
use beep_python_runtime::session::LEAST_MEMORY_BYTES;
use beep_python_server::auth::parse_origin;
use beep_python_server::launch::ServerRecord;
use clap::ValueEnum;

use crate::log_writer::LogFormat;

const LEAST_LOG_BYTES: u64 = 64 << 10;
/// How long running calls may take when a server stops.
pub(crate) const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

/// The settings of a server process. They can be written back as a command line, for a restart.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct ServerSettings {
    /// The environment's folder
    #[arg(long)]
    pub(crate) environment: PathBuf,
    #[command(flatten)]
    pub(crate) args: ServerArgs,
}

/// The options of a server.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct ServerArgs {
    /// Listen on this address, or name of one; repeatable. Other than loopback needs TLS [default: 127.0.0.1 and ::1]
    #[arg(long, help_heading = "Where it listens")]
    pub(crate) host: Vec<String>,
    /// Listen beyond loopback without TLS: an eavesdropper can take the token, and run code
    #[arg(long, help_heading = "Where it listens")]
    pub(crate) insecure_remote: bool,
    /// Time limit of a call that sets none itself [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Limits of calls and sessions")]
    pub(crate) timeout: Option<Duration>,
    /// How long running calls may take when the server stops, and the end of a session [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Limits of calls and sessions")]
    pub(crate) drain: Option<Duration>,
    /// How long an interrupted call may take to stop before its worker is killed [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Limits of calls and sessions")]
    pub(crate) grace: Option<Duration>,
    /// How many isolated calls run at once [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Capacity")]
    pub(crate) workers: Option<u16>,
    /// Maximum number of sessions [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Capacity")]
    pub(crate) max_sessions: Option<u32>,
    /// Memory limit of a session, such as 512M; at least 32M [default: none]
    #[arg(long, value_name = "SIZE", value_parser = memory_limit, help_heading = "Limits of calls and sessions")]
    pub(crate) max_memory: Option<u64>,
    /// Maximum number of processes of a session [default: any]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits of calls and sessions")]
    pub(crate) max_processes: Option<u64>,
    /// Processor time limit of a call [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Limits of calls and sessions")]
    pub(crate) max_cpu: Option<Duration>,
    /// Maximum number of calls that wait for a session [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Capacity")]
    pub(crate) max_waiting: Option<u64>,
    /// Maximum number of connections, of HTTP, RPC and pipe together [default: 4096, or a third of the descriptors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Capacity")]
    pub(crate) max_connections: Option<u32>,
    /// Maximum number of connections of one machine; loopback and the pipe are one each [default: half of all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Capacity")]
    pub(crate) max_peer_connections: Option<u32>,
    /// Maximum number of requests under way [default: 16384]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Capacity")]
    pub(crate) max_requests: Option<u32>,
    /// Import this module once, for all workers; repeatable
    #[arg(long, value_name = "MODULE", help_heading = "Python")]
    pub(crate) preload: Vec<String>,
    /// Import modules from this folder too, before the environment's; repeatable
    #[arg(long, value_name = "DIR", value_parser = import_folder, help_heading = "Python")]
    pub(crate) python_path: Vec<PathBuf>,
    /// A variable that sessions and tools do not get, as those with the server's tokens; repeatable
    #[arg(long, value_name = "NAME", value_parser = variable_name, help_heading = "Python")]
    pub(crate) hide_env: Vec<String>,
    /// Another name that the `Host` header may have; repeatable
    #[arg(long, value_name = "NAME", help_heading = "Who may come in")]
    pub(crate) allow_host: Vec<String>,
    /// An origin whose web pages may send requests, such as https://app.example; repeatable
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin, help_heading = "Who may come in")]
    pub(crate) allow_origin: Vec<String>,
    /// Admit every user of this machine without the token
    #[arg(long, help_heading = "Who may come in")]
    pub(crate) trust_loopback: bool,
    /// Let clients of other machines name paths of this one: environments, Pythons and packages by their paths
    #[arg(long, help_heading = "Who may come in")]
    pub(crate) allow_paths: bool,
    /// Want a token of every client, also of the server's own user
    #[arg(long, conflicts_with = "trust_loopback", help_heading = "Who may come in")]
    pub(crate) require_token: bool,
    /// The file of the default token; read again when it changes [default: BEEP_PYTHON_TOKEN, BEEP_PYTHON_TOKEN_FILE, or the file `token` in the home]
    #[arg(long, value_name = "FILE", value_parser = absolute_path, help_heading = "Who may come in")]
    pub(crate) token_file: Option<PathBuf>,
    /// Speak TLS over HTTP and RPC, with this certificate in PEM; read again when it changes
    #[arg(long, value_name = "FILE", value_parser = absolute_path, requires = "tls_key", help_heading = "TLS")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", value_parser = absolute_path, requires = "tls_cert", help_heading = "TLS")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak TLS over HTTP and RPC, with a certificate that the home makes; its fingerprint is printed
    #[arg(long, conflicts_with = "tls_cert", help_heading = "TLS")]
    pub(crate) tls_self_signed: bool,
    /// Want certificates of clients, by the authorities in this file in PEM
    #[arg(long, value_name = "FILE", value_parser = absolute_path, help_heading = "TLS")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// How the log is written
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Log")]
    pub(crate) log_format: Option<LogFormat>,
    /// Maximum size of a log file, of a server in the background; a full one makes room for a new one [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = log_size, help_heading = "Log")]
    pub(crate) max_log: Option<u64>,
    /// How many log files are kept, with the one that is written [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Log")]
    pub(crate) log_files: Option<u16>,
    /// Write who called what, when and with what outcome to this file, as JSON; code as its SHA-256
    #[arg(long, value_name = "FILE", value_parser = absolute_path, help_heading = "Log")]
    pub(crate) audit: Option<PathBuf>,
    /// Write the code itself, and whole requests, into the audit
    #[arg(long, requires = "audit", help_heading = "Log")]
    pub(crate) audit_code: bool,
    /// Maximum size of a request body [default: 64M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Capacity")]
    pub(crate) max_body: Option<u64>,
    /// Memory for the bodies of all requests together [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Capacity")]
    pub(crate) max_bodies: Option<u64>,
    /// Maximum size of the data of a request (arrays, tables, files) [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Capacity")]
    pub(crate) max_data: Option<u64>,
}

impl ServerArgs {
    /// Whether it may listen where other machines reach it: a token they need in any case.
    pub(crate) fn is_remote_allowed(&self) -> bool {
        self.tls_self_signed || self.tls_cert.is_some() || self.insecure_remote
    }
}

impl ServerSettings {
    pub(crate) fn in_environment(environment: &Environment) -> ServerSettings {
        ServerSettings { environment: environment.path.clone(), args: ServerArgs::default() }
    }

    /// The command line with these settings.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--environment".to_owned(), self.environment.display().to_string()];
        let mut say = |name: &str, value: &str| arguments.extend([format!("--{name}"), value.to_owned()]);
        let args = &self.args;
        let ServerArgs { host, timeout, drain, preload, allow_host, allow_origin, trust_loopback, max_body, .. } = args;
        host.iter().for_each(|host| say("host", host));
        args.grace.iter().for_each(|grace| say("grace", &grace.as_secs_f64().to_string()));
        args.workers.iter().for_each(|number| say("workers", &number.to_string()));
        args.max_sessions.iter().for_each(|number| say("max-sessions", &number.to_string()));
        args.max_memory.iter().for_each(|bytes| say("max-memory", &bytes.to_string()));
        args.max_processes.iter().for_each(|number| say("max-processes", &number.to_string()));
        args.max_cpu.iter().for_each(|time| say("max-cpu", &time.as_secs_f64().to_string()));
        args.max_waiting.iter().for_each(|number| say("max-waiting", &number.to_string()));
        args.max_connections.iter().for_each(|number| say("max-connections", &number.to_string()));
        args.max_peer_connections.iter().for_each(|number| say("max-peer-connections", &number.to_string()));
        args.max_requests.iter().for_each(|number| say("max-requests", &number.to_string()));
        timeout.iter().for_each(|timeout| say("timeout", &timeout.as_secs_f64().to_string()));
        drain.iter().for_each(|drain| say("drain", &drain.as_secs_f64().to_string()));
        preload.iter().for_each(|module| say("preload", module));
        args.python_path.iter().for_each(|folder| say("python-path", &folder.display().to_string()));
        args.hide_env.iter().for_each(|name| say("hide-env", name));
        allow_host.iter().for_each(|name| say("allow-host", name));
        allow_origin.iter().for_each(|origin| say("allow-origin", origin));
        for (name, path) in
            [("tls-cert", &args.tls_cert), ("tls-key", &args.tls_key), ("tls-client-ca", &args.tls_client_ca)]
        {
            path.iter().for_each(|path| say(name, &path.display().to_string()));
        }
        args.token_file.iter().for_each(|path| say("token-file", &path.display().to_string()));
        for format in args.log_format.iter().filter_map(ValueEnum::to_possible_value) {
            say("log-format", format.get_name());
        }
        args.audit.iter().for_each(|path| say("audit", &path.display().to_string()));
        args.max_log.iter().for_each(|bytes| say("max-log", &bytes.to_string()));
        args.log_files.iter().for_each(|number| say("log-files", &number.to_string()));
        max_body.iter().for_each(|bytes| say("max-body", &bytes.to_string()));
        args.max_bodies.iter().for_each(|bytes| say("max-bodies", &bytes.to_string()));
        args.max_data.iter().for_each(|bytes| say("max-data", &bytes.to_string()));
        arguments.extend(args.insecure_remote.then(|| "--insecure-remote".to_owned()));
        arguments.extend(args.allow_paths.then(|| "--allow-paths".to_owned()));
        arguments.extend(args.audit_code.then(|| "--audit-code".to_owned()));
        arguments.extend(args.tls_self_signed.then(|| "--tls-self-signed".to_owned()));
        arguments.extend(args.require_token.then(|| "--require-token".to_owned()));
        arguments.extend(trust_loopback.then(|| "--trust-loopback".to_owned()));
        arguments
    }

    /// Reads a command line that [`Self::arguments`] wrote.
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<ServerSettings, clap::Error> {
        use clap::{Args, FromArgMatches};
        let command = ServerSettings::augment_args(clap::Command::new("serve").no_binary_name(true));
        ServerSettings::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }
}

/// A duration above zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("it must be above zero".into()) } else { Ok(duration) }
}

/// A memory limit in bytes.
pub(crate) fn memory_limit(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    let least = LEAST_MEMORY_BYTES;
    if bytes < least { Err(format!("it must be at least {least} bytes (32M)")) } else { Ok(bytes) }
}

/// The size of a log file, which has room for the longest events.
fn log_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        bytes if bytes < LEAST_LOG_BYTES => Err(format!("it must be at least {LEAST_LOG_BYTES} bytes (64K)")),
        bytes => Ok(bytes),
    }
}

/// A path that means the same from every folder.
fn absolute_path(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}

/// A folder for `PYTHONPATH`.
fn import_folder(text: &str) -> Result<PathBuf, String> {
    if text.contains(':') {
        return Err(format!(
            "{} has a colon, which separates folders in PYTHONPATH; give the option once for each",
            quoted(text)
        ));
    }
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    // It is handed on as text.
    if path.to_str().is_none() {
        return Err(format!("{path:?} is not UTF-8"));
    }
    Ok(path)
}

/// The name of a variable.
fn variable_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('=') {
        return Err(format!("{} is no name of a variable", quoted(text)));
    }
    Ok(text.to_owned())
}

/// How long a server may take to stop: the time that it grants its calls, and a while to end.
pub(crate) fn stop_grace(record: &ServerRecord) -> Duration {
    const WHILE: Duration = Duration::from_secs(5);
    let settings = ServerSettings::from_arguments(&record.arguments).ok();
    settings.and_then(|settings| settings.args.drain).unwrap_or(DEFAULT_DRAIN).saturating_add(WHILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip_through_a_command_line() {
        let bare = ServerSettings { environment: "/envs/a b".into(), args: ServerArgs::default() };
        let full = ServerSettings {
            environment: "/envs/x".into(),
            args: ServerArgs {
                host: vec!["::1".into(), "192.0.2.1".into()],
                insecure_remote: true,
                allow_paths: true,
                timeout: Some(Duration::from_millis(1500)),
                drain: Some(Duration::from_secs(9)),
                preload: vec!["json".into(), "decimal".into()],
                python_path: vec!["/a b".into(), "/c".into()],
                hide_env: vec!["HF_TOKEN".into()],
                allow_host: vec!["a.example".into(), "b.example:80".into()],
                allow_origin: vec!["https://app.example".into()],
                trust_loopback: true,
                token_file: Some("/a b/token".into()),
                tls_cert: Some("/certificate".into()),
                tls_key: Some("/key".into()),
                tls_client_ca: Some("/authorities".into()),
                tls_self_signed: false,
                require_token: false,
                max_body: Some(1000),
                max_bodies: Some(3000),
                log_format: Some(LogFormat::Json),
                audit: Some("/a b/audit".into()),
                audit_code: true,
                max_log: Some(1 << 20),
                log_files: Some(2),
                max_data: Some(2000),
                grace: Some(Duration::from_millis(250)),
                workers: Some(3),
                max_sessions: Some(7),
                max_memory: Some(1 << 30),
                max_processes: Some(20),
                max_cpu: Some(Duration::from_secs(60)),
                max_waiting: Some(5),
                max_connections: Some(100),
                max_peer_connections: Some(30),
                max_requests: Some(200),
            },
        };
        let strict = ServerSettings {
            environment: "/envs/x".into(),
            args: ServerArgs { require_token: true, tls_self_signed: true, ..ServerArgs::default() },
        };
        for settings in [bare, full, strict] {
            assert_eq!(ServerSettings::from_arguments(&settings.arguments()).unwrap(), settings);
        }
    }

    #[test]
    fn limits_have_a_least_value() {
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(duration("0s").is_err());
        assert_eq!(memory_limit("32M"), Ok(LEAST_MEMORY_BYTES));
        assert!(memory_limit("31M").is_err());
    }
}
