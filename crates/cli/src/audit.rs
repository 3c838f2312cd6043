//! The audit of a server: one JSON object on a line for each call.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use beep_python_runtime::platform::{FileError, failed_to, file_identity};
use beep_python_server::{AUDIT_SPANS, AUDIT_TARGET};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::log_writer::{LogFormat, LogWriter, State, now};

static STATE: Mutex<State> = Mutex::new(State::NEW);

/// Where the audit goes, and whether code is in it as it is.
#[derive(Clone, Debug)]
pub(crate) struct AuditSettings {
    pub(crate) file: PathBuf,
    pub(crate) code: bool,
}

/// The layer that writes the audit.
pub(crate) fn layer<S>(settings: &AuditSettings) -> Result<Box<dyn Layer<S> + Send + Sync>, FileError>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let file: &AuditFile = Box::leak(Box::new(AuditFile::open(settings.file.clone())?));
    let detail = if settings.code { LevelFilter::TRACE } else { LevelFilter::DEBUG };
    let filter = Targets::new().with_target(AUDIT_TARGET, detail).with_target(AUDIT_SPANS, LevelFilter::DEBUG);
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(Line)
        .log_internal_errors(false)
        .with_writer(move || LogWriter::new(file.current(), LogFormat::Json, &STATE))
        .with_filter(filter);
    Ok(Box::new(layer))
}

/// The file, which is made anew where it was moved or removed: by what rotates it, say.
struct AuditFile {
    path: PathBuf,
    open: Mutex<Arc<File>>,
}

impl AuditFile {
    fn open(path: PathBuf) -> Result<AuditFile, FileError> {
        let file = append(&path).map_err(failed_to("write", &path))?;
        Ok(AuditFile { path, open: Mutex::new(Arc::new(file)) })
    }

    /// Fails where it can neither be found nor made anew: what is written to a file that was removed is lost.
    fn current(&self) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        let identity = |metadata: io::Result<Metadata>| metadata.ok().as_ref().map(file_identity);
        if identity(self.path.metadata()) != identity(open.metadata()) {
            *open = Arc::new(append(&self.path)?);
        }
        Ok(open.clone())
    }
}

/// A file for its owner alone.
fn append(path: &PathBuf) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// An event with the fields of its spans, as one JSON object.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::from_iter([("time".to_owned(), Value::from(now()))]);
        let mut add = |fields: &str| {
            if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
                line.extend(fields);
            }
        };
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                add(fields);
            }
        }
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        add(&fields);
        // The event has it as a text, which is no JSON where the client sent none.
        if let Some(request) = line.get("request").and_then(|request| serde_json::from_str(request.as_str()?).ok()) {
            line.insert("request".to_owned(), request);
        }
        writeln!(out, "{}", Value::Object(line))
    }
}
