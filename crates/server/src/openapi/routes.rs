//! The table of the routes that concern the server, its sessions and its environments; [`operations`] has the others.

use beep_python_protocol::message::{
    CancelRequest, CancelResponse, EnvironmentCreated, EnvironmentInfo, EnvironmentList, InterruptRequest,
    InterruptResponse, PackagesInstalled, SessionCreated, SessionInfo, SessionList, SessionRestarted,
};
use beep_python_protocol::schema::{
    CreateEnvironmentBody, EnvironmentBody, HealthAnswer, InstallBody, LoginAnswer, ProbeAnswer, SubscriptionAnswer,
    SuccessAnswer,
};
use beep_python_protocol::{
    DebugRequest, Debugger, HandleList, HostOperation, Operation, SessionInspection, SessionOptions,
};

use crate::openapi::described::{Described, Gives, Takes};
use crate::openapi::errors::Errors;
use crate::openapi::operations;
use crate::openapi::schemas::of;

/// Every method of every route, in the order of the document.
pub(super) fn all() -> Vec<Described> {
    let operations = Operation::ALL.map(operations::described);
    let of_host = HostOperation::ALL.map(|operation| host(operation, operation.http_path(), ""));
    let aliases = HostOperation::ALL.into_iter().filter_map(|operation| {
        let alias = operation.http_path().strip_prefix("/api").filter(|path| path.starts_with("/venv/"))?;
        Some(host(operation, alias, "Alias"))
    });
    operations.into_iter().chain(of_host).chain(aliases).chain(of_server()).collect()
}

fn host(operation: HostOperation, path: &'static str, suffix: &str) -> Described {
    let (summary, takes, gives, errors, example) = row(operation);
    let rpc = operation.rpc_name().rsplit('/').next().unwrap_or_default();
    let tag = match errors {
        Errors::Environment => "Environments",
        Errors::Server => "The server",
        _ => "Sessions",
    };
    let id = rpc[..1].to_ascii_lowercase() + &rpc[1..] + suffix;
    Described { method: operation.http_method(), path, id, tag, summary, takes, gives, errors, example }
}

type Row = (&'static str, Takes, Gives, Errors, &'static str);

#[rustfmt::skip] // a table
fn row(operation: HostOperation) -> Row {
    use Gives::Json as Gives;
    use Takes::{Nothing, Options, Plain};
    use Errors::{Environment, Session};
    match operation {
        HostOperation::Health => ("Ask whether the server accepts calls, and what it is.", Nothing, Gives(of::<HealthAnswer>), Errors::Server, ""),
        HostOperation::Cancel => ("Cancel calls in progress by their request id.", Plain(of::<CancelRequest>), Gives(of::<CancelResponse>), Errors::Host, r#"{"requestId": "mine-7"}"#),
        HostOperation::CreateSession => ("Create a session.", Options(of::<SessionOptions>), Gives(of::<SessionCreated>), Session, "{}"),
        HostOperation::ListSessions => ("List the sessions, the default one first.", Nothing, Gives(of::<SessionList>), Errors::Host, ""),
        HostOperation::GetSession => ("Describe a session.", Nothing, Gives(of::<SessionInfo>), Session, ""),
        HostOperation::InspectSession => ("Describe a session, which may be busy, with its calls and the stacks of its threads.", Nothing, Gives(of::<SessionInspection>), Session, ""),
        HostOperation::SessionEvents => ("Follow what happens in a session and belongs to no call that runs.", Nothing, self::Gives::SessionEvents(of::<SubscriptionAnswer>), Session, ""),
        HostOperation::ListHandles => ("List the handles of a session. Waits for its turn.", Nothing, Gives(of::<HandleList>), Session, ""),
        HostOperation::DebugSession => ("Start a debugger in a session.", Options(of::<DebugRequest>), Gives(of::<Debugger>), Session, "{}"),
        HostOperation::InterruptSession => ("Interrupt the running call of a session.", Options(of::<InterruptRequest>), Gives(of::<InterruptResponse>), Session, "{}"),
        HostOperation::RestartSession => ("Replace a session's worker with an empty one.", Nothing, Gives(of::<SessionRestarted>), Session, "{}"),
        HostOperation::DeleteSession => ("End a session and release all that it keeps. The default one cannot be deleted.", Nothing, Gives(of::<SuccessAnswer>), Session, ""),
        HostOperation::CreateEnvironment => ("Create a provider's environment with all that it requires, unless it exists.", Plain(of::<CreateEnvironmentBody<'_>>), Gives(of::<EnvironmentCreated>), Environment, r#"{"providerName": "huggingface"}"#),
        HostOperation::ListEnvironments => ("List the environments.", Nothing, Gives(of::<EnvironmentList>), Environment, ""),
        HostOperation::EnvironmentStatus => ("Check an environment by running its Python.", Plain(of::<EnvironmentBody<'_>>), Gives(of::<EnvironmentInfo>), Environment, r#"{"name": "huggingface"}"#),
        HostOperation::DeleteEnvironment => ("Delete an environment.", Plain(of::<EnvironmentBody<'_>>), Gives(of::<SuccessAnswer>), Environment, r#"{"name": "huggingface"}"#),
        HostOperation::InstallPackages => ("Install packages into an environment.", Plain(of::<InstallBody<'_>>), Gives(of::<PackagesInstalled>), Environment, r#"{"name": "huggingface", "packages": ["numpy>=2"]}"#),
    }
}

#[rustfmt::skip] // a table
fn of_server() -> impl Iterator<Item = Described> {
    let rows = [
        ("POST", "/api/login", "createLogin", "Make a login for a browser: an address that works once. Opened there, it sets a cookie and leads to `/`.", Gives::Json(of::<LoginAnswer>), Errors::Host),
        ("GET", "/livez", "getLiveness", "Ask whether the server answers.", Gives::Json(of::<ProbeAnswer>), Errors::Server),
        ("GET", "/readyz", "getReadiness", "Ask whether calls can be served.", Gives::Json(of::<ProbeAnswer>), Errors::Ready),
        ("GET", "/metrics", "getMetrics", "Read the server's metrics. Not with a token that is for sessions only.", Gives::Text(&["text/plain", "application/openmetrics-text"]), Errors::Server),
        ("GET", "/", "getHome", "Learn what this server is: a page for people, JSON for clients that do not accept text/html.", Gives::Home, Errors::Server),
        ("GET", "/docs", "getDocs", "Read this document as a page.", Gives::Text(&["text/html"]), Errors::Server),
        ("GET", "/openapi.json", "getOpenApi", "Get this document.", Gives::Document, Errors::Server),
    ];
    rows.into_iter().map(|(method, path, id, summary, gives, errors)| Described {
        method, path, id: id.to_owned(), tag: "The server", summary, takes: Takes::Nothing, gives, errors, example: "",
    })
}
