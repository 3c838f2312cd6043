//! What commands say about a server: its JSON, its state, how to use it.

use beep_python_server::launch::{Endpoint, ServerRecord, ServerState, log_tail, state_of};
use beep_python_server::tls::fingerprint_of;
use beep_python_server::unix_socket::is_linked;
use serde_json::{Value, json};

use crate::context::Context;
use crate::server::settings::ServerSettings;
use crate::terminal::shell_words::sh_quote;

/// Reports that a server is ready, and how to use it.
pub(crate) fn announce(context: &Context, record: &ServerRecord) {
    let printer = &context.printer;
    printer.result(server_json(record, state_of(record)), || {
        let ServerRecord { id, python_version, environment, .. } = record;
        for endpoint in &record.endpoints {
            printer.line(format_args!("Server {id} is ready at {}", endpoint.url));
        }
        printer.line(format_args!("  Python {python_version} in the environment {environment}"));
        if let Some(fingerprint) = fingerprint(record) {
            printer.line(format_args!("  certificate: SHA-256 {fingerprint}"));
        }
        let authority = own_certificate(record);
        printer.line(format_args!("  use it:   beep-python eval --server {id} '1 + 1'"));
        if let Some(endpoint) = record.endpoint("http") {
            let body = r#"-H 'Content-Type: application/json' -d '{"expression": "1 + 1"}'"#;
            let known = authority.as_ref().map_or_else(String::new, |path| format!("--cacert {path} "));
            printer.line(format_args!("            curl {known}{}/api/eval {body}", endpoint.url));
        }
        if let Some(endpoint) = record.endpoint("pipe")
            && let (Some(name), Some(socket)) = (endpoint.pipe_name(), endpoint.socket())
        {
            // .NET takes a path for a name, too.
            let name = if is_linked(socket) { name.to_owned() } else { socket.display().to_string() };
            printer.line(format_args!("            .NET: new NamedPipeClientStream(\".\", \"{name}\")"));
        }
        if let Some(port) = record.endpoint("rpc").and_then(Endpoint::port) {
            let call = r#"-d '{"expression": "1 + 1"}'"#;
            let rpc = "beep.python.runtime.PythonService/Evaluate";
            let known = match (&authority, &record.certificate) {
                (Some(path), _) => format!("-cacert {path} "),
                (None, Some(_)) => String::new(),
                (None, None) => "-plaintext ".to_owned(),
            };
            printer.line(format_args!("            grpcurl {known}{call} localhost:{port} {rpc}"));
        }
        match record.log {
            Some(_) => printer.line(format_args!("  stop it:  beep-python stop {id}")),
            None => printer.line("  stop it:  Ctrl-C"),
        }
    });
}

pub(crate) fn server_json(record: &ServerRecord, state: ServerState) -> Value {
    let mut json = json!(record);
    // `state` says it better.
    if let Some(json) = json.as_object_mut() {
        json.remove("stopping");
    }
    json["state"] = state_name(state).into();
    if let Some(fingerprint) = fingerprint(record) {
        json["fingerprint"] = fingerprint.into();
    }
    if !state.is_alive() {
        json["explanation"] = explain_state(record, state).into();
        json["logTail"] = log_excerpt(record, 20).into();
    }
    json
}

/// The SHA-256 of the certificate that a server shows, by which clients know it that no authority signed.
fn fingerprint(record: &ServerRecord) -> Option<String> {
    fingerprint_of(record.certificate.as_ref()?).ok()
}

/// The certificate that a home made for itself, as a word for a shell.
fn own_certificate(record: &ServerRecord) -> Option<String> {
    let settings = ServerSettings::from_arguments(&record.arguments).ok()?;
    let path = record.certificate.as_ref().filter(|_| settings.args.tls_self_signed)?;
    Some(sh_quote(&path.to_string_lossy()))
}

/// The state of a server as a sentence.
pub(crate) fn explain_state(record: &ServerRecord, state: ServerState) -> String {
    let ServerRecord { id, pid, .. } = record;
    match state {
        ServerState::Running => format!("Server {id} is running."),
        ServerState::Stopping => format!("Server {id} is finishing its calls."),
        ServerState::Ended => {
            format!("Server {id} (process {pid}) ended without stopping: it was killed or crashed.")
        }
        ServerState::PidReused => {
            format!("Server {id} ended without stopping, and another process has its pid {pid} now.")
        }
        ServerState::Rebooted => format!("Server {id} ended when the machine restarted."),
        ServerState::Elsewhere => {
            let host = record.place.host.as_deref().map(|host| format!(" ({host})")).unwrap_or_default();
            format!(
                "Server {id} was started on another machine or in another container{host}: whether it runs cannot be told from here."
            )
        }
    }
}

pub(crate) fn log_excerpt(record: &ServerRecord, lines: usize) -> String {
    record.log.as_ref().map(|log| log_tail(log, lines)).unwrap_or_default()
}

pub(crate) fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Running => "running",
        ServerState::Stopping => "stopping",
        ServerState::Ended => "dead",
        ServerState::PidReused => "dead (pid reused)",
        ServerState::Rebooted => "dead (rebooted)",
        ServerState::Elsewhere => "elsewhere",
    }
}
