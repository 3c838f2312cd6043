//! What to do about an error. Only here: the libraries do not know that there is a command line.

use beep_python_client::Error as ClientError;
use beep_python_protocol::ErrorCode;
use beep_python_runtime::environment::{BundleError, EnvironmentError, PackageError};
use beep_python_runtime::interpreter::{Catalogue, Platform, RuntimeError};
use beep_python_runtime::platform::HomeError;
use beep_python_server::door::TokenError;
use beep_python_server::launch::{BindError, LaunchError, RecordError};
use beep_python_server::pipe::PipeError;

use crate::context::Context;
use crate::error::CliError;
use crate::server::lookup::running_servers;

/// A hint for the first error in the chain that has one.
pub(crate) fn hint_for(error: &anyhow::Error, context: &Context) -> Option<String> {
    error.chain().find_map(|error| {
        None.or_else(|| error.downcast_ref().and_then(complaint))
            .or_else(|| error.downcast_ref().and_then(runtime))
            .or_else(|| error.downcast_ref().and_then(environment))
            .or_else(|| error.downcast_ref().and_then(packages))
            .or_else(|| error.downcast_ref().and_then(bundle))
            .or_else(|| error.downcast_ref().and_then(home))
            .or_else(|| error.downcast_ref().and_then(record))
            .or_else(|| error.downcast_ref().and_then(|error| launch(error, context)))
            .or_else(|| error.downcast_ref().and_then(client))
            .or_else(|| error.downcast_ref().and_then(token))
    })
}

fn complaint(error: &CliError) -> Option<String> {
    Some(match error {
        CliError::NoRuntime => "run `beep-python init`".into(),
        CliError::NoSuchRuntime { request, .. } => match Catalogue::builtin().find(request, &Platform::host()) {
            Err(RuntimeError::NotInCatalogue { nearest: Some(nearest), .. }) => format!(
                "the nearest that can be downloaded is {nearest}: `beep-python runtime install {nearest}`; `beep-python \
                 runtime list` shows what there is"
            ),
            _ => {
                format!(
                    "`beep-python runtime install {request}` gets it, `beep-python runtime list` shows what there is"
                )
            }
        },
        CliError::OtherPython { name, request, .. } => format!(
            "leave --python out to take the environment as it is, or --venv to have one for that Python; `beep-python venv \
             repair {name} --python \"{request}\"` gives it the other Python"
        ),
        CliError::NoServer => "`beep-python start http` starts one".into(),
        CliError::WhichServer(_) => "name one of them; `beep-python status` shows more".into(),
        CliError::Unconfirmed(_) => "add --yes, or answer `y` on a terminal".into(),
        CliError::RuntimeInUse { .. } => "delete them first, or add --yes to remove it all the same".into(),
        CliError::NoSession { .. } => "without a session's name the prompt has one of its own".into(),
        CliError::NoTerminal(_) => "`beep-python help` lists the commands that need none".into(),
        CliError::NoEndpoint(_)
        | CliError::NoLog(_)
        | CliError::UnreadableCode(..)
        | CliError::ArgumentConflict(_)
        | CliError::Interrupted
        | CliError::Killed { .. } => return None,
    })
}

/// For a server whose certificate is of an authority that is not known here.
const CERTIFICATES: &str = "SSL_CERT_FILE names a file with the certificates of the authorities that are to be trusted";

/// Whether it says that a certificate was not accepted, in the words of whichever library looked at it.
fn is_of_certificate(text: &str) -> bool {
    let text = text.to_lowercase();
    ["invalid peer certificate", "certificate verify failed", "unknownissuer"].iter().any(|words| text.contains(words))
}

fn runtime(error: &RuntimeError) -> Option<String> {
    Some(match error {
        RuntimeError::Download { source, .. } if is_of_certificate(&format!("{source:?}")) => CERTIFICATES.into(),
        RuntimeError::Home(error) => return home(error),
        RuntimeError::Nothing { .. } | RuntimeError::Download { .. } | RuntimeError::DownloadRefused { .. } => {
            "name a mirror in BEEP_PYTHON_INSTALL_MIRROR, or an archive: `beep-python runtime install VERSION --archive FILE`; \
             `beep-python init --system` takes a Python of this machine"
                .into()
        }
        RuntimeError::DownloadIncomplete { .. } => "run it again: it goes on where it ended".into(),
        RuntimeError::NoneOnMachine { .. } => "`beep-python init` without --system downloads one".into(),
        RuntimeError::UnknownRuntime { .. } => "`beep-python runtime list` shows what there is".into(),
        RuntimeError::BrokenRuntime { id, .. } | RuntimeError::BrokenRecord { id, .. } => {
            format!("`beep-python runtime remove {id}`, then `beep-python init`")
        }
        RuntimeError::NotInCatalogue { nearest: Some(nearest), request, .. } => {
            let threads = if request.is_free_threaded() { "t" } else { "" };
            format!(
                "the nearest is {nearest}{threads}; `beep-python runtime list --all` shows every one, --python PATH takes \
                 one of this machine"
            )
        }
        RuntimeError::NotInCatalogue { nearest: None, .. } => {
            "`beep-python runtime list` shows what can be downloaded; --python PATH takes one of this machine".into()
        }
        _ => return None,
    })
}

fn environment(error: &EnvironmentError) -> Option<String> {
    Some(match error {
        EnvironmentError::Home(error) => return home(error),
        EnvironmentError::NotFound { name } => {
            format!("`beep-python venv create {name}` makes it, `beep-python venv list` shows what there is")
        }
        EnvironmentError::AlreadyExists { name, .. } => {
            format!("`beep-python venv status {name}` shows it, `beep-python venv delete {name}` deletes it")
        }
        EnvironmentError::NoRuntime { request: None, .. } => "run `beep-python init`".into(),
        EnvironmentError::NoRuntime { request: Some(request), .. } => {
            format!("`beep-python runtime install {request}` gets it")
        }
        EnvironmentError::OtherPython { name, .. } => {
            format!("`beep-python venv delete {name}` deletes it; it is made anew when it is next needed")
        }
        EnvironmentError::InUse { .. } => {
            "`beep-python status` shows the servers, `beep-python stop` stops them".into()
        }
        EnvironmentError::NotWhole { name, .. } => format!("`beep-python venv repair {name}` mends it"),
        EnvironmentError::NotAnEnvironment { .. } => "`beep-python venv list` shows the environments".into(),
        EnvironmentError::Unrunnable { .. } | EnvironmentError::NotIsolated { .. } => {
            "`beep-python config` says what is wrong and how to mend it, `beep-python venv repair` mends environments"
                .into()
        }
        _ => return None,
    })
}

fn packages(error: &PackageError) -> Option<String> {
    Some(match error {
        PackageError::Home(error) => return home(error),
        PackageError::NotALock { .. } => "`beep-python venv lock NAME` writes one".into(),
        PackageError::Refused { stderr_tail, .. } if is_of_certificate(stderr_tail) => CERTIFICATES.into(),
        PackageError::Refused { stderr_tail, .. } if stderr_tail.contains("No space left on device") => {
            "make room on the disk; `beep-python cache clean` and `beep-python venv prune` help".into()
        }
        PackageError::NoUvThere { .. } => {
            "set BEEP_PYTHON_UV to the path of uv, to `never` for pip, or not at all".into()
        }
        PackageError::NoTool { .. } => "BEEP_PYTHON_UV names a uv; a runtime of `beep-python init` has pip".into(),
        PackageError::NotARequirement { reason, .. } if reason.starts_with("options") => {
            "indexes and the like are set as for pip or uv, by their variables and files".into()
        }
        _ => return None,
    })
}

fn bundle(error: &BundleError) -> Option<String> {
    Some(match error {
        BundleError::NoRuntime { request: None } => {
            "`beep-python runtime install 3.13` installs one, and --python 3.13 takes it".into()
        }
        BundleError::NoRuntime { request: Some(request) } => {
            format!("`beep-python runtime install {request}` installs one")
        }
        BundleError::NotABundle { .. } | BundleError::WrongHash { .. } => {
            "copy it again from where it was made; `beep-python bundle show` reads what it says of itself".into()
        }
        BundleError::OtherPlatform { .. } => {
            "make a bundle on a machine like this one, or on any with `bundle create --platform`".into()
        }
        BundleError::NoWheels { .. } => {
            "make the bundle on a machine of that platform, where packages can be built".into()
        }
        BundleError::Runtime(error) => return runtime(error),
        BundleError::Environment(error) => return environment(error),
        BundleError::Home(error) => return home(error),
        _ => return None,
    })
}

fn home(error: &HomeError) -> Option<String> {
    Some(match error {
        HomeError::NotSet | HomeError::Create { .. } | HomeError::ForeignOwner { .. } => {
            "set BEEP_PYTHON_HOME to a folder of your own".into()
        }
    })
}

fn bind(error: &BindError, context: &Context) -> Option<String> {
    Some(match error {
        BindError::PortInUse { holder, address } => {
            let another = "--port, for RPC --rpc-port, takes another, and 0 a free one";
            let servers = context.home().ok().and_then(|home| running_servers(&home).ok()).unwrap_or_default();
            match servers.iter().find(|(record, _)| Some(record.pid) == holder.pid) {
                Some((record, _)) => {
                    format!("that is the server {0}: `beep-python stop {0}` stops it; {another}", record.id)
                }
                None if address.port() < 1024 => return None,
                None => another.into(),
            }
        }
        BindError::NotLoopback { .. } => "leave --host out to listen on 127.0.0.1 and ::1".into(),
        BindError::Refused { address, .. } if address.port() < 1024 => {
            "ports below 1024 need privileges; --port, for RPC --rpc-port, takes another, and 0 a free one".into()
        }
        BindError::Refused { .. } | BindError::NoFreePort => return None,
    })
}

fn pipe(error: &PipeError) -> Option<String> {
    Some(match error {
        PipeError::Home(error) => return home(error),
        PipeError::InUse { .. } | PipeError::Foreign { .. } => "--pipe-name takes another".into(),
        PipeError::PathTooLong { .. } => "take a shorter --pipe-name, or a home with a shorter path".into(),
        _ => return None,
    })
}

fn record(error: &RecordError) -> Option<String> {
    Some(match error {
        RecordError::Home(error) => return home(error),
        RecordError::NotFound { .. } | RecordError::Ambiguous { .. } => "`beep-python status` shows the servers".into(),
        RecordError::Malformed { .. } => "delete that file".into(),
        _ => return None,
    })
}

fn launch(error: &LaunchError, context: &Context) -> Option<String> {
    Some(match error {
        // Those that only pass on another do not show that one in the chain.
        LaunchError::Bind(error) => return bind(error, context),
        LaunchError::Pipe(error) => return pipe(error),
        LaunchError::Home(error) => return home(error),
        LaunchError::Record(error) => return record(error),
        LaunchError::Died { .. } | LaunchError::Failed(_) | LaunchError::TimedOut { .. } => {
            "`beep-python config` checks the environment and everything else that a server needs".into()
        }
        _ => return None,
    })
}

fn client(error: &ClientError) -> Option<String> {
    Some(match (error, error.code()) {
        (ClientError::Connect { .. } | ClientError::ConnectionLost { .. }, _) => {
            "`beep-python status` says what became of the server".into()
        }
        (_, Some(ErrorCode::WorkerDied)) => "the session goes on, empty; the server's log may say more".into(),
        (_, Some(ErrorCode::NoDebugger)) => "`beep-python debug SESSION --install` installs what is missing".into(),
        (_, Some(ErrorCode::DeadlineExceeded)) => "--timeout gives it longer".into(),
        _ => return None,
    })
}

fn token(error: &TokenError) -> Option<String> {
    Some(match error {
        TokenError::Exposed { path, .. } | TokenError::Malformed { path } => {
            format!("rm {}; the next server makes a new one", path.display())
        }
        _ => return None,
    })
}
