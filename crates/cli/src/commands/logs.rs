//! `logs`: the log of a server, also of one that has ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::platform::{Home, failed_to, file_identity};
use beep_python_server::launch::{RecordError, ServerRecord, log_files, log_tail, state_of};

use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::lookup::find_server;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one, or else the last that ran]
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
    let read = |source| failed_to("read", &path)(source);
    // The newest there is: while a full one makes room, none has the name.
    let mut file = File::open(log_files(&path).last().unwrap_or(&path)).map_err(read)?;
    if let Some(lines) = args.lines {
        match log_tail(&path, lines) {
            tail if tail.is_empty() => {}
            tail => context.printer.line(tail),
        }
        file.seek(SeekFrom::End(0))?;
    } else {
        // Where it has just become full it is one of these.
        for full in log_files(&path).iter().filter_map(|full| File::open(full).ok()) {
            if !is_same(&full, &file) && !copy(&full).map_err(read)? {
                return Ok(ExitStatus::Success);
            }
        }
    }
    loop {
        // Both are checked before reading, so that the last output of a server that ends meanwhile is still read, and of a full file.
        let lives = record.as_ref().is_some_and(|record| state_of(record).is_alive());
        let next = File::open(&path).ok().filter(|next| !is_same(next, &file));
        if !copy(&file).map_err(read)? || !args.follow {
            return Ok(ExitStatus::Success);
        }
        match next {
            Some(next) => file = next,
            None if !lives => return Ok(ExitStatus::Success),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn is_same(one: &File, other: &File) -> bool {
    let identity = |file: &File| file.metadata().ok().as_ref().map(file_identity);
    identity(one) == identity(other)
}

/// The log of a server. A stopped one has no record any more, but its log is still there under its id.
fn log_of(home: &Home, wanted: Option<&str>) -> Result<(PathBuf, Option<ServerRecord>)> {
    match find_server(home, wanted) {
        Ok((record, _)) => match record.log.clone() {
            Some(log) => Ok((log, Some(record))),
            None => Err(CliError::NoLog(record.id).into()),
        },
        // The one that did not start, or has just ended, is what is looked for.
        Err(error) if matches!(error.downcast_ref(), Some(CliError::NoServer)) => {
            newest(&home.logs()?).map(|log| (log, None)).ok_or(error)
        }
        Err(error) => match (error.downcast_ref(), wanted) {
            (Some(RecordError::NotFound { .. }), Some(id)) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let log = home.logs()?.join(format!("{id}.log"));
                if log.is_file() { Ok((log, None)) } else { Err(error) }
            }
            _ => Err(error),
        },
    }
}

fn newest(logs: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(logs).ok()?.flatten().map(|entry| entry.path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok())
}

/// Copies new output; false when nothing reads standard output any more.
fn copy(mut file: &File) -> std::io::Result<bool> {
    let mut new = Vec::new();
    file.read_to_end(&mut new)?;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&new).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}
