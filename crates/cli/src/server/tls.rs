//! The TLS that the options of a server ask for.

use anyhow::Result;
use beep_python_runtime::platform::Home;
use beep_python_server::tls::{TlsFiles, self_signed};

use crate::error::CliError;
use crate::server::settings::ServerArgs;

/// What clients call the server, beside loopback.
fn names(args: &ServerArgs) -> Vec<String> {
    let hosts = args.host.iter().filter(|host| !["0.0.0.0", "::"].contains(&host.trim_matches(['[', ']'])));
    hosts.chain(&args.allow_host).map(|name| name.trim_matches(['[', ']']).to_owned()).collect()
}

/// Where certificate and key are; nothing where no TLS is asked for.
pub(crate) fn tls_files(home: &Home, args: &ServerArgs) -> Result<Option<TlsFiles>> {
    let files = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            TlsFiles { certificate: certificate.clone(), key: key.clone(), client_authorities: None }
        }
        _ if args.tls_self_signed => self_signed(home, &names(args))?,
        _ if args.tls_client_ca.is_some() => {
            let message = "--tls-client-ca needs TLS: --tls-cert and --tls-key, or --tls-self-signed";
            return Err(CliError::ArgumentConflict(message.to_owned()).into());
        }
        _ => return Ok(None),
    };
    Ok(Some(TlsFiles { client_authorities: args.tls_client_ca.clone(), ..files }))
}
