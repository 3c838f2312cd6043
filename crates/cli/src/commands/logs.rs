//! `logs`: the log of a server, also of one that has ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::platform::{Home, failed_to};
use beep_python_server::launch::{RecordError, ServerRecord, log_tail, state_of};

use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::lookup::find_server;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    server: Option<String>,
    /// Keep showing new output until the server ends
    #[arg(short, long)]
    follow: bool,
    /// Show only the last lines
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitStatus> {
    let home = context.home()?;
    let (path, record) = log_of(&home, args.server.as_deref())?;
    let mut file = File::open(&path).map_err(failed_to("read", &path))?;
    if let Some(lines) = args.lines {
        match log_tail(&path, lines) {
            tail if tail.is_empty() => {}
            tail => context.printer.line(tail),
        }
        file.seek(SeekFrom::End(0))?;
    }
    loop {
        // Checked before reading, so that the last output of a server that ends meanwhile is still read.
        let lives = record.as_ref().is_some_and(|record| state_of(record).is_alive());
        if !copy(&mut file).map_err(failed_to("read", &path))? || !args.follow || !lives {
            return Ok(ExitStatus::Success);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The log of a server. A stopped one has no record any more, but its log is still there under its id.
fn log_of(home: &Home, wanted: Option<&str>) -> Result<(PathBuf, Option<ServerRecord>)> {
    match find_server(home, wanted) {
        Ok((record, _)) => match record.log.clone() {
            Some(log) => Ok((log, Some(record))),
            None => Err(CliError::NoLog(record.id).into()),
        },
        Err(error) => match (error.downcast_ref(), wanted) {
            (Some(RecordError::NotFound { .. }), Some(id)) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let log = home.logs()?.join(format!("{id}.log"));
                if log.is_file() { Ok((log, None)) } else { Err(error) }
            }
            _ => Err(error),
        },
    }
}

/// Copies new output; false when nothing reads standard output any more.
fn copy(file: &mut File) -> std::io::Result<bool> {
    let mut new = Vec::new();
    file.read_to_end(&mut new)?;
    let mut stdout = std::io::stdout().lock();
    Ok(stdout.write_all(&new).and_then(|()| stdout.flush()).is_ok())
}
