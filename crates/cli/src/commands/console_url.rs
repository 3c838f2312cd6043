//! `console-url`: an address that lets one browser in.

use anyhow::Result;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::lookup::{ServerAddress, connect_to, find_address};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    server: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<ExitStatus> {
    let client = match find_address(&context.home()?, args.server.as_deref())? {
        ServerAddress::Known(record) => {
            let endpoint = record.endpoint("http").ok_or_else(|| CliError::NoHttp(record.id.clone()))?;
            connect_to(&record, endpoint)?
        }
        other => other.connect()?,
    };
    let login = client.create_login().await?;
    let printer = &context.printer;
    let lifetime = u64::try_from(login.expires_in.as_millis()).unwrap_or(u64::MAX);
    printer.result(json!({"url": login.url, "expiresInMs": lifetime}), || {
        printer.line(&login.url);
        let seconds = login.expires_in.as_secs();
        printer.note(format_args!(
            "It is good once, for {seconds} seconds: the browser that opens it may do what you may"
        ));
    });
    Ok(ExitStatus::Success)
}
