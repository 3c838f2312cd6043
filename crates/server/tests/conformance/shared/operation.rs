//! Carries out the operation of a step, through the interface that programs have.

use std::time::Duration;

use beep_python_client::protocol::Value;
use beep_python_client::{
    AnyBackend, Args, Array, Batch, Bytes, DataDescriptor, DataKind, Datum, ExecutionEvent, Handle, InterruptRequest,
    Locals, Response, Returned, Step as BatchStep,
};
use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::case::Step;
use super::done::{Done, Got, Saved, answered, exact, nothing, nothing_of, plain};
use super::value::Reader;

pub fn text<'a>(step: &'a Step, key: &str) -> Result<&'a str, String> {
    step.get(key).and_then(Json::as_str).ok_or_else(|| format!("the step has no text `{key}`"))
}

/// The client with the options of a step.
fn configured(python: AnyBackend, step: &Step, saved: &Saved) -> Result<AnyBackend, String> {
    let mut python = python;
    for (key, value) in step {
        let time = || value.as_u64().map(Duration::from_millis).ok_or_else(|| format!("`{key}` is a number"));
        python = match key.as_str() {
            "session" if text(step, "do")?.ends_with("_session") => python,
            "session" => {
                let name = value.as_str().unwrap_or_default();
                python.with_session(saved.sessions.get(name).ok_or_else(|| format!("no step has saved {name}"))?)
            }
            "timeoutMs" => python.with_timeout(time()?),
            "graceMs" => python.with_grace(time()?),
            "leaseMs" => python.with_lease(time()?),
            "limits" => python.with_limits(&serde_json::from_value(value.clone()).map_err(|error| error.to_string())?),
            "requestId" if text(step, "do")? != "cancel" => python.with_request_id(&request_id(step, saved)?),
            "isolated" => python.with_isolation(),
            "tracebackLocals" => python.with_traceback_locals(),
            _ => python,
        };
    }
    Ok(python)
}

pub async fn perform(
    python: AnyBackend,
    step: &Step,
    saved: &Saved,
    printed: Option<watch::Sender<String>>,
) -> Result<Done, String> {
    let null = Json::Null;
    let field = |key: &str| step.get(key).unwrap_or(&null);
    let mut reader = Reader::new(saved, configured(python, step, saved)?);
    let object = || saved.handle(field("handle"));
    let is_handle = field("returnHandle") == &json!(true);
    let mut locals = Locals::new();
    for (name, value) in field("locals").as_object().into_iter().flatten() {
        locals = locals.local(name, reader.read(value)?);
    }
    let args = args(step, &mut reader)?;
    let value = reader.read(field("value"))?;
    let key = match step.get("key") {
        Some(key) => reader.read(key)?,
        None => Value::None,
    };
    let item = reader.read(field("item"))?;
    let python = reader.python.clone();
    // The result of a call that returns an object or a value, and what it printed.
    macro_rules! called {
        ($operation:ident $(, $argument:expr)*) => {
            if is_handle {
                answered(python.$operation::<Response<Handle>>($($argument),*).await, Got::Handle)
            } else {
                answered(python.$operation::<Response<Returned>>($($argument),*).await, Got::from)
            }
        };
    }
    Ok(match text(step, "do")? {
        "eval" if step.contains_key("outputs") => {
            let names: Vec<&str> = field("outputs").as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            match python.evaluate_outputs::<Response<Returned>>(text(step, "expression")?, locals, &names).await {
                Ok((response, outputs)) => {
                    let outputs = outputs.into_iter().map(|(name, object)| (name, object.into())).collect();
                    Done { outputs, ..answered(Ok(response), Got::from) }
                }
                Err(error) => answered(Err::<Response<Returned>, _>(error), Got::from),
            }
        }
        "eval" => called!(evaluate_with, text(step, "expression")?, locals),
        "call" => called!(call_method, object()?, text(step, "methodName")?, args),
        "getattr" => called!(get_attribute, object()?, text(step, "attributeName")?),
        "getitem" => called!(get_item, object()?, key),
        "invoke" => called!(call_object, object()?, args),
        "await" => called!(await_object, object()?),
        "value" => plain(python.value::<Value>(object()?).await, |value| exact(&value)),
        "import" => plain(python.import_module(text(step, "moduleName")?).await, Got::Handle),
        "create" => plain(python.create_object(object()?, text(step, "className")?, args).await, Got::Handle),
        "wrap" => plain(python.wrap_value(value).await, Got::Handle),
        "setattr" => plain(python.set_attribute(object()?, text(step, "attributeName")?, value).await, nothing),
        "setitem" => plain(python.set_item(object()?, key, value).await, nothing),
        "delitem" => plain(python.delete_item(object()?, key).await, nothing),
        "len" => plain(python.length(object()?).await, |length| Got::Value(length.into())),
        "contains" => plain(python.contains(object()?, item).await, |is| Got::Value(is.into())),
        "dir" => plain(python.attribute_names(object()?).await, |names| Got::Value(names.into())),
        "describe" => plain(python.describe(object()?).await, Got::Value),
        "module_available" => {
            plain(python.is_module_available(text(step, "moduleName")?).await, |is| Got::Value(is.into()))
        }
        "tofloatarray" => plain(python.to_float_array(object()?).await, |floats| floats_as_value(&floats)),
        "tofloatarray2d" => plain(python.to_float_array_2d(object()?).await, |rows| {
            let rows = rows.iter().map(|row| match floats_as_value(row) {
                Got::Value(row) => row,
                _ => unreachable!("floats are a value"),
            });
            Got::Value(rows.collect())
        }),
        "dispose" => plain(python.dispose_handle(object()?.clone()).await, nothing),
        "renew" => plain(python.renew_handle(object()?).await, nothing),
        "batch" => batch(&python, step, &mut reader).await?,
        "execute" => execute(&python, step, locals, printed).await?,
        "stream" => {
            let opened = match step.contains_key("handle") {
                true => python.iterate::<Returned>(object()?).await,
                false => python.stream_with::<Returned>(text(step, "expression")?, locals).await,
            };
            let mut done = Done::default();
            match opened {
                Ok(mut items) => {
                    while let Some(item) = items.next().await {
                        match item {
                            Ok(item) => done.items.push(item.into()),
                            Err(error) => done.result = Some(Err(error)),
                        }
                    }
                }
                Err(error) => done.result = Some(Err(error)),
            }
            done.result.get_or_insert(Ok(Got::Nothing));
            done
        }
        "create_session" => {
            let options = match step.get("options") {
                Some(options) => serde_json::from_value(options.clone()).map_err(|error| error.to_string())?,
                None => Default::default(),
            };
            plain(python.create_session_with(&options).await, Got::Session)
        }
        "list_sessions" => plain(python.list_sessions().await, |sessions| {
            Got::Value(sessions.into_iter().map(|session| Json::from(session.session_id)).collect())
        }),
        "delete_session" => plain(python.delete_session(session(step, saved)?).await, nothing),
        "restart_session" => plain(python.restart_session(session(step, saved)?).await, nothing_of),
        "interrupt_session" => {
            let request = InterruptRequest { abort_queued: field("abortQueued") == &json!(true), ..Default::default() };
            let answer = python.interrupt_session(session(step, saved)?, &request).await;
            plain(answer, |answer| Got::Outcome(answer.outcome.as_str().to_owned()))
        }
        "cancel" => {
            plain(python.cancel(&request_id(step, saved)?).await, |outcome| Got::Outcome(outcome.as_str().to_owned()))
        }
        "put" => {
            let datum = datum(field("datum"))?;
            match field("name").as_str() {
                Some(name) => plain(python.put_as(name, datum).await, nothing),
                None => plain(python.put(datum).await, Got::Handle),
            }
        }
        "fetch" if field("kind") == &json!("bytes") => match step.contains_key("handle") {
            true => plain(python.fetch::<Bytes>(object()?).await, of_bytes),
            false => plain(python.evaluate_with::<Bytes>(text(step, "expression")?, locals).await, of_bytes),
        },
        "fetch" => match step.contains_key("handle") {
            true => plain(python.fetch::<Array>(object()?).await, of_array),
            false => plain(python.evaluate_with::<Array>(text(step, "expression")?, locals).await, of_array),
        },
        "health" => plain(python.health().await, |health| Got::Value(json!({"status": health.status}))),
        other => return Err(format!("`{other}` is no operation")),
    })
}

/// Cases run beside each other on one server, so each has ids of its own.
fn request_id(step: &Step, saved: &Saved) -> Result<String, String> {
    Ok(format!("{}-{}", saved.sessions["own"], text(step, "requestId")?))
}

fn session<'a>(step: &Step, saved: &'a Saved) -> Result<&'a str, String> {
    let name = step.get("session").and_then(Json::as_str).unwrap_or("own");
    saved.sessions.get(name).map(String::as_str).ok_or_else(|| format!("no step has saved {name}"))
}

fn args(step: &Step, reader: &mut Reader<'_>) -> Result<Args, String> {
    let mut args = Args::new();
    for value in step.get("args").and_then(Json::as_array).into_iter().flatten() {
        args = args.arg(reader.read(value)?);
    }
    for (name, value) in step.get("kwargs").and_then(Json::as_object).into_iter().flatten() {
        args = args.kwarg(name, reader.read(value)?);
    }
    Ok(args)
}

fn floats_as_value(floats: &[f32]) -> Got {
    exact(&Value::List(floats.iter().map(|float| Value::Float(f64::from(*float))).collect()))
}

fn datum(json: &Json) -> Result<Datum, String> {
    let bytes = match serde_json::from_value(json!({"$bytes": json["bytes"]})) {
        Ok(Value::Bytes(bytes)) => bytes,
        _ => return Err("a datum has `bytes` in base64".into()),
    };
    if json["kind"] == json!("bytes") {
        return Ok(Bytes::from(bytes).into());
    }
    let shape = json["shape"].as_array().into_iter().flatten().filter_map(Json::as_u64).collect();
    let descriptor = DataDescriptor {
        kind: DataKind::Array,
        dtype: json["dtype"].as_str().map(str::to_owned),
        shape: Some(shape),
        byte_length: bytes.len() as u64,
        ..DataDescriptor::default()
    };
    Ok(Datum { descriptor, buffer: bytes.into() })
}

fn of_bytes(bytes: Bytes) -> Got {
    let content = Value::Bytes(bytes.to_bytes().expect("readable").to_vec());
    Got::Datum(json!({"kind": "bytes", "bytes": serde_json::to_value(content).expect("a value")["$bytes"]}))
}

fn of_array(array: Array) -> Got {
    let content = Value::Bytes(array.buffer().to_bytes().expect("readable").to_vec());
    let bytes = &serde_json::to_value(content).expect("a value")["$bytes"];
    Got::Datum(json!({"kind": "array", "dtype": array.dtype(), "shape": array.shape(), "bytes": bytes}))
}

/// Events as the wire has them, texts of one stream that follow each other as one.
async fn execute(
    python: &AnyBackend,
    step: &Step,
    locals: Locals,
    printed: Option<watch::Sender<String>>,
) -> Result<Done, String> {
    let mut done = Done::default();
    let mut lines = step.get("stdin").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let python = python.with_progress().with_log_records();
    let mut execution = match python.execute_with(text(step, "expression")?, locals).await {
        Ok(execution) => execution,
        Err(error) => return Ok(Done { result: Some(Err(error)), ..done }),
    };
    let mut add = |event: &str, mut object: Json| {
        object["event"] = event.into();
        match done.events.last_mut().filter(|last| last["event"] == event && object.get("text").is_some()) {
            Some(last) => {
                let joined =
                    format!("{}{}", last["text"].as_str().unwrap_or(""), object["text"].as_str().unwrap_or(""));
                last["text"] = joined.into();
            }
            None => done.events.push(object),
        }
    };
    while let Some(event) = execution.next().await {
        match event {
            ExecutionEvent::Stdout(text) => {
                done.stdout.push_str(&text);
                if let Some(printed) = &printed {
                    printed.send_replace(done.stdout.clone());
                }
                add("stdout", json!({"text": text}));
            }
            ExecutionEvent::Stderr(text) => {
                done.stderr.push_str(&text);
                add("stderr", json!({"text": text}));
            }
            ExecutionEvent::Display(display) => {
                let mut object = json!({"data": display.data});
                if let Some(id) = display.display_id {
                    object["displayId"] = id.into();
                }
                for (key, is) in [("isUpdate", display.is_update), ("isResult", display.is_result)] {
                    if is {
                        object[key] = true.into();
                    }
                }
                add("display", object);
            }
            ExecutionEvent::Log(record) => {
                add("log", json!({"level": record.level, "logger": record.logger, "message": record.message}));
            }
            ExecutionEvent::Progress(progress) => {
                add("progress", json!({"done": progress.done, "total": progress.total, "message": progress.message}))
            }
            ExecutionEvent::ClearOutput { wait } => add("clear_output", json!({"wait": wait})),
            ExecutionEvent::InputRequest(request) => {
                add("input_request", json!({"prompt": request.prompt, "password": request.password}));
                execution.send_input(&request, lines.next()).await.map_err(|error| error.to_string())?;
            }
            other => return Err(format!("an event that the format does not have: {other:?}")),
        }
    }
    done.result = Some(execution.result::<Returned>().await.map(Got::from));
    Ok(done)
}

/// A batch: in its steps a number stands for the result of an earlier one.
async fn batch(python: &AnyBackend, step: &Step, reader: &mut Reader<'_>) -> Result<Done, String> {
    let mut batch = Batch::new();
    let mut steps: Vec<BatchStep> = Vec::new();
    for step in step.get("steps").and_then(Json::as_array).into_iter().flatten() {
        let step = step.as_object().ok_or("a step is an object")?;
        let object = || -> Result<beep_python_client::Object, String> {
            let named = step.get("handle").ok_or("the step has no `handle`")?;
            match named.as_u64() {
                Some(at) => {
                    steps.get(at as usize).copied().map(Into::into).ok_or_else(|| format!("there is no step {at}"))
                }
                None => reader.saved.handle(named).map(Into::into),
            }
        };
        let null = Json::Null;
        let field = |key: &str| step.get(key).unwrap_or(&null);
        let args = args(step, &mut Reader::new(reader.saved, python.clone()))?;
        let read = |key: &str| Reader::new(reader.saved, python.clone()).read(field(key));
        let added = match text(step, "do")? {
            "eval" => {
                let mut locals = Locals::new();
                for (name, value) in field("locals").as_object().into_iter().flatten() {
                    locals = locals.local(name, Reader::new(reader.saved, python.clone()).read(value)?);
                }
                batch.evaluate_with(text(step, "expression")?, locals)
            }
            "import" => batch.import_module(text(step, "moduleName")?),
            "create" => batch.create_object(object()?, text(step, "className")?, args),
            "call" => batch.call_method(object()?, text(step, "methodName")?, args),
            "invoke" => batch.call_object(object()?, args),
            "getattr" => batch.get_attribute(object()?, text(step, "attributeName")?),
            "setattr" => batch.set_attribute(object()?, text(step, "attributeName")?, read("value")?),
            "getitem" => batch.get_item(object()?, read("key")?),
            "setitem" => batch.set_item(object()?, read("key")?, read("value")?),
            "len" => batch.length(object()?),
            "value" => batch.value(object()?),
            "await" => batch.await_object(object()?),
            other => return Err(format!("`{other}` is no step of a batch")),
        };
        if field("keep") == &json!(true) {
            batch.keep(added);
        }
        steps.push(added);
    }
    if step.get("stopOnError") == Some(&json!(false)) {
        batch.continue_on_error();
    }
    let ran = python.run_batch(&batch).await;
    Ok(plain(ran, |results| {
        Got::Results(steps.iter().map(|step| results.get::<Returned>(*step).map(Got::from)).collect())
    }))
}
