//! A collector of OpenTelemetry on loopback, as good or as bad as a test wants it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

/// How it answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Taken,
    /// With this status, and these lines of the head.
    Refused(u16, String),
    /// It reads, and says nothing.
    Nothing,
    /// A body without an end.
    Endless,
}

/// A span as it came, with ids in hexadecimal.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) state: String,
    pub(super) is_of_server: bool,
    pub(super) is_error: bool,
    pub(super) attributes: BTreeMap<String, String>,
    /// What it says of the server.
    pub(super) resource: BTreeMap<String, String>,
}

pub(super) struct Collector {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<(String, Vec<Span>)>>,
    came: Condvar,
}

impl Collector {
    pub(super) fn serve(answer: Answer) -> Collector {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answer: Mutex::new(answer), requests: Mutex::default(), came: Condvar::new() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                // The other side may go away at any time.
                std::thread::spawn(move || drop(serving.serve(stream)));
            }
        });
        Collector { shared, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it answers from now on.
    pub(super) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// The heads of all requests that came.
    pub(super) fn heads(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// All spans that came.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.shared.requests.lock().unwrap().iter().flat_map(|(_, spans)| spans.clone()).collect()
    }

    /// Waits until so many requests came.
    pub(super) fn wait_for_requests(&self, count: usize) {
        let requests = self.shared.requests.lock().unwrap();
        let limit = Duration::from_secs(60);
        let waited = self.shared.came.wait_timeout_while(requests, limit, |requests| requests.len() < count).unwrap();
        assert!(!waited.1.timed_out(), "{} of {count} requests came", waited.0.len());
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body)?;
            self.requests.lock().unwrap().push((head, read(&body)));
            self.came.notify_all();
            let answer = self.answer.lock().unwrap().clone();
            match answer {
                Answer::Taken => writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
                Answer::Refused(status, lines) => {
                    write!(writer, "HTTP/1.1 {status} Refused\r\n{lines}Content-Length: 0\r\n\r\n")?;
                }
                Answer::Nothing => drop(reader.read(&mut [0])?),
                Answer::Endless => {
                    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")?;
                    loop {
                        writer.write_all(&[b'x'; 64 << 10])?;
                    }
                }
            }
        }
    }
}

fn read(body: &[u8]) -> Vec<Span> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let all = request.resource_spans.into_iter().flat_map(|part| {
        let resource = named(part.resource.unwrap_or_default().attributes);
        let spans = part.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Span {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            is_of_server: span.kind() == SpanKind::Server,
            is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
            name: span.name,
            state: span.trace_state,
            attributes: named(span.attributes),
            resource: resource.clone(),
        })
    });
    all.collect()
}

fn named(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        any_value::Value::StringValue(text) => Some((attribute.key, text)),
        other => Some((attribute.key, format!("{other:?}"))),
    };
    attributes.into_iter().filter_map(text).collect()
}
