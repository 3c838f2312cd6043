//! The published clients, as far as their bytes go: what they write, and what they can read.

use serde_json::{Map, Value};

use crate::test_context::{TestContext, Transport};
use crate::{http, pipe};

/// One of them, on a connection of its own, in the server's default session: they know no other.
pub struct Existing {
    transport: Transport,
    wire: Wire,
    port: u16,
}

enum Wire {
    Http(http::Connection),
    Pipe(pipe::Connection),
}

impl Existing {
    pub fn connect(context: &TestContext) -> Existing {
        let (wire, port) = match context.transport {
            Transport::Http => (Wire::Http(http::Connection::open(context.server.http)), context.server.http),
            Transport::Rpc => (Wire::Http(http::Connection::open(context.server.rpc)), context.server.rpc),
            Transport::Pipe => {
                let mut connection = pipe::Connection::open(&context.server.link);
                connection.send(b"\xef\xbb\xbf");
                (Wire::Pipe(connection), 0)
            }
            Transport::Local => unreachable!("there are no existing clients without a wire"),
        };
        Existing { transport: context.transport, wire, port }
    }

    /// The answer to an operation, by the command that it has on the pipe. It must succeed. Keys of the answer itself are
    /// given in camelCase, whatever the wire.
    pub fn ask(&mut self, operation: &str, body: Value) -> Value {
        let (success, answer) = self.ask_raw(operation, &body);
        assert!(success, "{operation} {body}: {answer}");
        answer
    }

    /// Whether it succeeded, and the answer.
    pub fn ask_raw(&mut self, operation: &str, body: &Value) -> (bool, Value) {
        let written = match self.transport {
            // Every property is written, null or not.
            Transport::Rpc => escaped(&pascal(&with_all_properties(operation, body))),
            _ => escaped(&without_nulls(body)),
        };
        self.send(operation, &written)
    }

    /// The same, of a body that is sent as it is; over RPC its keys are put into their case.
    pub fn send(&mut self, operation: &str, body: &str) -> (bool, Value) {
        match &mut self.wire {
            Wire::Pipe(connection) => {
                connection.send(format!("{{\"command\":\"{operation}\",\"payload\":{body}}}\n"));
                let mut answer = strict(&connection.receive_text());
                match answer.get("error") {
                    None => (true, answer["result"].take()),
                    Some(_) => (false, answer["errorInfo"].take()),
                }
            }
            Wire::Http(connection) => {
                let rpc = self.transport == Transport::Rpc;
                let body = if rpc {
                    body.replace("\"expression\":", "\"Expression\":").replace("\"locals\":", "\"Locals\":")
                } else {
                    body.to_owned()
                };
                let head =
                    format!("Host: localhost:{}\r\nContent-Type: application/json; charset=utf-8\r\n", self.port);
                let path = if rpc { rpc_path(operation) } else { http_path(operation) };
                let request = match rpc {
                    true => format!("POST {path} HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()),
                    false => format!(
                        "POST {path} HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n{:X}\r\n{body}\r\n0\r\n\r\n",
                        body.len()
                    ),
                };
                connection.send(request.as_bytes());
                let answer = connection.receive();
                let success = (200..300).contains(&answer.status);
                let value = strict(std::str::from_utf8(&answer.body).expect("UTF-8"));
                (success, if rpc && success { camel(&value) } else { value })
            }
        }
    }

    /// What it looks at first.
    pub fn health(&mut self) -> Value {
        match &mut self.wire {
            Wire::Pipe(connection) => connection.ask("ping", Value::Object(Map::new())),
            Wire::Http(connection) => {
                connection.send(format!("GET /health HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", self.port).as_bytes());
                connection.receive().json()
            }
        }
    }
}

fn http_path(operation: &str) -> String {
    match operation {
        "module_available" => "/api/module-available".to_owned(),
        "venv_create" => "/venv/create".to_owned(),
        word => format!("/api/{word}"),
    }
}

fn rpc_path(operation: &str) -> String {
    let operation = beep_python_protocol::Operation::from_pipe_command(operation).expect("an operation");
    format!("/rpc/PythonService/{}", operation.rpc_name())
}

/// The properties that a request has over RPC, given or not.
fn with_all_properties(operation: &str, body: &Value) -> Value {
    let names: &[&str] = match operation {
        "create" => &["moduleHandleId", "className", "args", "kwargs"],
        "call" => &["handleId", "methodName", "args", "kwargs", "returnType"],
        "getattr" => &["handleId", "attributeName", "returnType"],
        "setattr" => &["handleId", "attributeName", "value"],
        "eval" => &["expression", "locals", "returnType"],
        "wrap" => &["value"],
        _ => &[],
    };
    let mut whole = body.as_object().expect("an object").clone();
    for name in names {
        whole.entry(*name).or_insert(Value::Null);
    }
    Value::Object(whole)
}

fn without_nulls(body: &Value) -> Value {
    let properties = body.as_object().expect("an object").iter();
    Value::Object(properties.filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// An object whose own keys are in PascalCase.
pub fn pascal(object: &Value) -> Value {
    with_first_letters(object, |letter| letter.to_ascii_uppercase())
}

fn camel(object: &Value) -> Value {
    with_first_letters(object, |letter| letter.to_ascii_lowercase())
}

fn with_first_letters(object: &Value, change: impl Fn(char) -> char) -> Value {
    let Some(properties) = object.as_object() else { return object.clone() };
    let renamed = |key: &str| key.chars().enumerate().map(|(at, c)| if at == 0 { change(c) } else { c }).collect();
    Value::Object(properties.iter().map(|(key, value)| (renamed(key), value.clone())).collect())
}

/// JSON as they write it: non-ASCII and `< > & ' " +` and the backtick as `\uXXXX`.
fn escaped(value: &Value) -> String {
    let mut out = String::new();
    let json = value.to_string();
    let mut letters = json.chars();
    let mut inside = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                inside = !inside;
                out.push('"');
            }
            '\\' => match letters.next().expect("an escape") {
                '"' => out.push_str("\\u0022"),
                next => out.extend(['\\', next]),
            },
            '<' | '>' | '&' | '\'' | '+' | '`' | '\u{7f}'.. if inside => {
                letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
            }
            plain => out.push(plain),
        }
    }
    out
}

/// Reads an answer as strictly as they do: no `NaN`, comment, trailing comma or lone surrogate (which the reader here
/// refuses as well), and a depth of at most 64.
pub fn strict(text: &str) -> Value {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(items) => 1 + items.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:.300}"));
    assert!(depth(&value) <= 64, "{} levels: {text:.300}", depth(&value));
    value
}
