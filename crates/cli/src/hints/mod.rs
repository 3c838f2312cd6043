//! Hints: what to do about an error. They are all here, since the libraries know nothing of a command line.

mod environment;
mod full;
mod home;

use beep_python_client::Error as ClientError;
use beep_python_protocol::ErrorCode;
use beep_python_runtime::environment::{BundleError, PackageError};
use beep_python_runtime::interpreter::{Catalogue, Platform, RuntimeError};
use beep_python_runtime::platform::{NoLocks, NoPidfd, error_chain};
use beep_python_server::auth::TokenError;
use beep_python_server::launch::{BindError, LaunchError, RecordError};
use beep_python_server::serve::ServeError;
use beep_python_server::unix_socket::PipeError;

use self::environment::environment;
use self::full::full;
use self::home::home;
use crate::context::Context;
use crate::error::CliError;
use crate::server::lookup::running_servers;
use crate::terminal::shell_words::sh_quote;

/// A hint for the first error in the chain that has one.
pub(crate) fn hint_for(error: &anyhow::Error, context: &Context) -> Option<String> {
    error.chain().find_map(|error| {
        None.or_else(|| error.downcast_ref().and_then(cli))
            .or_else(|| error.downcast_ref().and_then(runtime))
            .or_else(|| error.downcast_ref().and_then(environment))
            .or_else(|| error.downcast_ref().and_then(packages))
            .or_else(|| error.downcast_ref().and_then(bundle))
            .or_else(|| error.downcast_ref().and_then(home))
            .or_else(|| error.downcast_ref().and_then(record))
            .or_else(|| error.downcast_ref().and_then(|error| launch(error, context)))
            .or_else(|| error.downcast_ref().and_then(serve))
            .or_else(|| error.downcast_ref().and_then(client))
            .or_else(|| error.downcast_ref().and_then(token))
            .or_else(|| error.downcast_ref().and_then(system))
    })
}

fn cli(error: &CliError) -> Option<String> {
    Some(match error {
        CliError::NoRuntime => "run `beep-python init`".into(),
        CliError::NoSuchRuntime { request, .. } => match Catalogue::builtin().find(request, &Platform::host()) {
            Err(RuntimeError::NotInCatalogue { nearest: Some(nearest), .. }) => format!(
                "the nearest available is {nearest}: `beep-python runtime install {nearest}`; `beep-python runtime list` shows \
                 all"
            ),
            _ => {
                format!("`beep-python runtime install {request}` installs it, `beep-python runtime list` shows all")
            }
        },
        CliError::OtherPython { name, request, .. } => format!(
            "omit --python to use the environment as it is, or --venv to use one for that Python; `beep-python venv repair \
             {name} --python \"{request}\"` changes its Python"
        ),
        CliError::OutsideHome { .. } => "`beep-python venv list` shows the environments of the home".into(),
        CliError::NoServer => "`beep-python start http` starts one".into(),
        CliError::WhichServer(_) => "name one of them; `beep-python status` shows more".into(),
        CliError::Unconfirmed(_) => "add --yes, or answer `y` on a terminal".into(),
        CliError::RuntimeInUse { .. } => "delete them first, or add --yes to remove the runtime anyway".into(),
        CliError::NoSession { .. } => "omit the session to get a new one".into(),
        CliError::TokenNotHere(_) => "set BEEP_PYTHON_TOKEN to the token that the server shall take".into(),
        CliError::NoTerminal(_) => "`beep-python help` lists commands that need no terminal".into(),
        CliError::OutputLost(_) => "let the code write to a file what is printed faster than it is read".into(),
        CliError::NoHttp(_) => "start one with `beep-python start http`".into(),
        CliError::NoEndpoint(_)
        | CliError::NoLog(_)
        | CliError::UnreadableCode(..)
        | CliError::ArgumentConflict(_)
        | CliError::WrongVariable(_)
        | CliError::Interrupted
        | CliError::Killed { .. }
        | CliError::TimeLimit(_) => return None,
    })
}

/// For a certificate of an unknown authority.
const CERTIFICATES: &str = "set SSL_CERT_FILE to a file with the certificates of the authorities to trust";

/// Whether the text says that a certificate was rejected, in the words of any of the libraries.
fn is_certificate_error(text: &str) -> bool {
    let text = text.to_lowercase();
    ["invalid peer certificate", "certificate verify failed", "unknownissuer"].iter().any(|words| text.contains(words))
}

fn runtime(error: &RuntimeError) -> Option<String> {
    Some(match error {
        RuntimeError::Download { source, .. } if is_certificate_error(&format!("{source:?}")) => CERTIFICATES.into(),
        RuntimeError::Home(error) => return home(error),
        RuntimeError::Nothing { .. } | RuntimeError::Download { .. } | RuntimeError::DownloadRefused { .. } => {
            "set BEEP_PYTHON_INSTALL_MIRROR to a mirror, or use an archive: `beep-python runtime install VERSION --archive \
             FILE`; `beep-python init --system` uses a Python of this machine"
                .into()
        }
        RuntimeError::DownloadIncomplete { .. } => "run the command again: the download continues where it stopped".into(),
        RuntimeError::NoneOnMachine { .. } => "`beep-python init` without --system downloads one".into(),
        RuntimeError::UnknownRuntime { .. } => "`beep-python runtime list` shows all runtimes".into(),
        RuntimeError::BrokenRuntime { id, .. } | RuntimeError::BrokenRecord { id, .. } => {
            format!("`beep-python runtime remove {id}`, then `beep-python init`")
        }
        RuntimeError::NotInCatalogue { nearest: Some(nearest), request, .. } => {
            let threads = if request.is_free_threaded() { "t" } else { "" };
            format!(
                "the nearest is {nearest}{threads}; `beep-python runtime list --all` shows all, --python PATH uses a Python of \
                 this machine"
            )
        }
        RuntimeError::NotInCatalogue { nearest: None, .. } => {
            "`beep-python runtime list` shows what is available; --python PATH uses a Python of this machine".into()
        }
        _ => return None,
    })
}

fn packages(error: &PackageError) -> Option<String> {
    Some(match error {
        PackageError::Home(error) => return home(error),
        PackageError::Unavailable { .. } => {
            "`beep-python venv uninstall NAME PACKAGE` gives it up; `beep-python venv repair NAME` tries again".into()
        }
        PackageError::NotRemovable { environment, repairable: true, .. } => format!(
            "`beep-python venv repair {environment}` installs it again, then it can be removed; without it, remove its files \
             by hand"
        ),
        PackageError::NotRemovable { folder, .. } => format!(
            "install it again with --reinstall, or remove its files beside {} by hand",
            sh_quote(&folder.to_string_lossy())
        ),
        PackageError::NotALock { .. } => "`beep-python venv lock NAME` writes one".into(),
        PackageError::Refused { stderr_tail, .. } if is_certificate_error(stderr_tail) => CERTIFICATES.into(),
        PackageError::Refused { stderr_tail, .. } if full(stderr_tail).is_some() => return full(stderr_tail),
        PackageError::Refused { source, .. } => return refused(&error_chain(source)),
        PackageError::OnlyUv { .. } => {
            "install uv or unset BEEP_PYTHON_UV; `venv uninstall`, then `venv install` does it with pip".into()
        }
        PackageError::NoUvThere { .. } => {
            "set BEEP_PYTHON_UV to the path of uv, set it to `never` to use pip, or unset it".into()
        }
        PackageError::NoTool { .. } => {
            "set BEEP_PYTHON_UV to the path of uv; a runtime from `beep-python init` has pip".into()
        }
        PackageError::NotARequirement { reason, .. } if reason.starts_with("options") => {
            "give options such as --pre to the command itself; for providers.toml, set them in the variables and files of pip or uv".into()
        }
        _ => return None,
    })
}

/// For a package index that gave nothing.
fn refused(reason: &str) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    Some(if says(&["Distribution not found at: file:"]) && says(&["#"]) {
        "uv misreads a `#` in the path of a folder; say which package it is, as NAME @ PATH".into()
    } else if says(&["401 ", "403 "]) {
        "check the address of the index, and the user and password in it or in ~/.netrc".into()
    } else if says(&["not reached", "Failed to fetch", "error sending request"]) {
        "check the network and the proxy; --no-index --find-links FOLDER installs from a folder".into()
    } else {
        return None;
    })
}

fn bundle(error: &BundleError) -> Option<String> {
    Some(match error {
        BundleError::NoRuntime { request: None } => {
            "`beep-python runtime install 3.13` installs one, and --python 3.13 uses it".into()
        }
        BundleError::NoRuntime { request: Some(request) } => {
            format!("`beep-python runtime install {request}` installs one")
        }
        BundleError::NotABundle { .. } | BundleError::WrongHash { .. } => {
            "copy the bundle again from its source; `beep-python bundle show` shows its contents".into()
        }
        BundleError::OtherPlatform { .. } => {
            "create the bundle on a machine of this platform, or with `bundle create --platform`".into()
        }
        BundleError::NoWheels { .. } => {
            "create the bundle on a machine of that platform, where packages can be built".into()
        }
        BundleError::Runtime(error) => return runtime(error),
        BundleError::Environment(error) => return environment(error),
        BundleError::Home(error) => return home(error),
        _ => return None,
    })
}

fn bind(error: &BindError, context: &Context) -> Option<String> {
    Some(match error {
        BindError::PortInUse { owner, address } => {
            let another = "choose another port with --port or, for RPC, --rpc-port; 0 takes a free one";
            let servers = context.home().ok().and_then(|home| running_servers(&home).ok()).unwrap_or_default();
            match servers.iter().find(|(record, _)| Some(record.pid) == owner.pid) {
                Some((record, _)) => {
                    format!("it is the server {0}: `beep-python stop {0}` stops it; {another}", record.id)
                }
                None if address.port() < 1024 => return None,
                None => another.into(),
            }
        }
        BindError::NeedsTls { .. } => {
            "add --tls-self-signed, or --tls-cert and --tls-key; --insecure-remote listens there without TLS; omit --host to listen on \
             127.0.0.1 and ::1"
                .into()
        }
        BindError::NoAddress { .. } => "omit --host to listen on 127.0.0.1 and ::1".into(),
        BindError::Refused { address, .. } if address.port() < 1024 => {
            "ports below 1024 need privileges; choose another with --port or, for RPC, --rpc-port; 0 takes a free one"
                .into()
        }
        BindError::NoIp { .. } => "`beep-python start pipe` needs none".into(),
        BindError::Refused { .. } | BindError::NoFreePort => return None,
    })
}

fn serve(error: &ServeError) -> Option<String> {
    match error {
        ServeError::Listen(BindError::NeedsTls { .. }) => Some(
            "let the socket listen on 127.0.0.1 or ::1, or add --tls-self-signed, or --tls-cert and --tls-key; --insecure-remote takes it \
             without TLS"
                .into(),
        ),
        _ => None,
    }
}

fn pipe(error: &PipeError) -> Option<String> {
    Some(match error {
        PipeError::Home(error) => return home(error),
        PipeError::InUse { .. } | PipeError::Foreign { .. } => "choose another name with --pipe-name".into(),
        PipeError::PathTooLong { .. } => "choose a shorter --pipe-name, or a home with a shorter path".into(),
        _ => return None,
    })
}

fn record(error: &RecordError) -> Option<String> {
    Some(match error {
        RecordError::Home(error) => return home(error),
        RecordError::NotFound { .. } | RecordError::Ambiguous { .. } => "`beep-python status` shows the servers".into(),
        RecordError::Malformed { .. } => "delete that file".into(),
        RecordError::Elsewhere { id, .. } => {
            format!("once it is gone there, `beep-python stop --forget {id}` removes its record")
        }
        _ => return None,
    })
}

fn launch(error: &LaunchError, context: &Context) -> Option<String> {
    Some(match error {
        // These wrap another error, which does not appear in the chain.
        LaunchError::Bind(error) => return bind(error, context),
        LaunchError::Pipe(error) => return pipe(error),
        LaunchError::Home(error) => return home(error),
        LaunchError::Record(error) => return record(error),
        LaunchError::Died { .. } | LaunchError::Failed(_) if full(&error_chain(error)).is_some() => {
            return full(&error_chain(error));
        }
        LaunchError::Died { .. } | LaunchError::Failed(_) | LaunchError::TimedOut { .. } => {
            "`beep-python config` checks everything that a server needs".into()
        }
        _ => return None,
    })
}

fn client(error: &ClientError) -> Option<String> {
    Some(match (error, error.code()) {
        (ClientError::Connect { source, .. }, _) if is_certificate_error(&source.to_string()) => {
            "set BEEP_PYTHON_CA_FILE to the certificate of its authority, or add ?fingerprint= and what the server printed when it was \
             started, if that is its address"
                .into()
        }
        (ClientError::Connect { .. } | ClientError::ConnectionLost { .. }, _) => {
            "`beep-python status` shows what became of the server".into()
        }
        (ClientError::UntrustedServer { .. }, _) => {
            "`beep-python status` shows which servers run: one that has ended may have left its address to another user"
                .into()
        }
        (_, Some(ErrorCode::WorkerDied)) => "the session continues, empty; the server's log may say more".into(),
        (_, Some(ErrorCode::DeadlineExceeded)) => "--timeout sets a longer limit".into(),
        _ => return None,
    })
}

fn system(error: &std::io::Error) -> Option<String> {
    if let Some(hint) = full(&error.to_string()) {
        return Some(hint);
    }
    if NoPidfd::is_cause_of(error) {
        return Some("it takes a Linux kernel from 5.3 up, and a sandbox or container that allows the call".into());
    }
    NoLocks::is_cause_of(error).then(|| {
        "set BEEP_PYTHON_HOME to a folder on a file system with locks, such as a local disk: without them commands and servers \
         cannot know of each other"
            .to_owned()
    })
}

fn token(error: &TokenError) -> Option<String> {
    Some(match error {
        TokenError::Exposed { path, .. } if path.ends_with("token") => {
            format!("`rm {}`; the next server creates a new one", sh_quote(&path.to_string_lossy()))
        }
        TokenError::Exposed { path, .. } => {
            format!("`chmod 600 {}`, if its tokens are still secret", sh_quote(&path.to_string_lossy()))
        }
        TokenError::Malformed { .. } => "`beep-python token rotate default` writes a new token into the home".into(),
        TokenError::List { path, .. } => format!(
            "a newer version may have written it; without any token: `rm {}`",
            sh_quote(&path.to_string_lossy())
        ),
        TokenError::Exists { name } => format!("`beep-python token rotate {name}` gives it a new text"),
        TokenError::Unknown { .. } => "`beep-python token list` shows all tokens".into(),
        TokenError::Default => "`beep-python token rotate default` gives it a new text".into(),
        _ => return None,
    })
}
