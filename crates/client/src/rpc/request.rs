//! Requests: from the JSON that all transports get to messages.

use std::borrow::Cow;

use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::{DataFormat, DataKind, HostOperation, Operation, ValueError};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::data::put_messages;
use crate::call::{Call, Target};
use crate::error::Error;

/// The keys of all requests; each request has some of them.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    expression: Cow<'a, str>,
    #[serde(borrow)]
    locals: Option<&'a RawValue>,
    return_type: String,
    repr: bool,
    outputs: Vec<String>,
    module_name: String,
    module_handle_id: String,
    class_name: String,
    handle_id: String,
    handle_ids: Vec<String>,
    method_name: String,
    attribute_name: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    kwargs: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    provider_name: Option<String>,
    model_id: Option<String>,
    name: Option<String>,
    kind: Option<DataKind>,
    format: Option<DataFormat>,
    packages: Vec<String>,
    request_id: String,
    grace_ms: Option<u64>,
    abort_queued: bool,
    once: bool,
    credit: Option<u64>,
    question_id: String,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    steps: Option<&'a RawValue>,
    stop_on_error: Option<bool>,
    keep: bool,
    error: Option<String>,
    eof: bool,
    install: bool,
}

/// The framed message of a call.
pub(super) fn message(call: &Call) -> Result<Bytes, Error> {
    let request = match &call.body[..] {
        [] => Request::default(),
        body => serde_json::from_slice(body).map_err(|error| Error::Encode {
            what: "the request".to_owned(),
            source: ValueError::Mismatch(error.to_string()),
        })?,
    };
    if call.target == Target::Session(Operation::Put) {
        return put_messages(call, request.name.map(Cow::Owned));
    }
    Ok(match call.target {
        Target::Session(operation) => session_message(operation, request),
        Target::Host(operation) => host_message(operation, request, call),
    })
}

fn session_message(operation: Operation, request: Request<'_>) -> Bytes {
    let Request { return_type, repr, module_name, handle_id, attribute_name, handle_ids, .. } = request;
    match operation {
        Operation::Evaluate | Operation::Execute => encode(&m::EvaluateRequest {
            expression: request.expression.into_owned(),
            locals_json: text(request.locals),
            return_type,
            repr,
            outputs: request.outputs,
        }),
        Operation::Stream => {
            let object = (!handle_id.is_empty()).then_some(handle_id);
            encode(&m::StreamRequest {
                expression: request.expression.into_owned(),
                locals_json: text(request.locals),
                method_name: object.as_ref().and(Some(request.method_name)).filter(|name| !name.is_empty()),
                handle_id: object,
                args_json: text(request.args),
                kwargs_json: text(request.kwargs),
                credit: request.credit,
                keep: request.keep,
            })
        }
        Operation::Next => encode(&m::NextRequest { handle_id, credit: request.credit }),
        Operation::Answer => encode(&m::AnswerRequest {
            question_id: request.question_id,
            value_json: text(request.value),
            error: request.error,
            eof: request.eof,
        }),
        Operation::Import => encode(&m::ImportModuleRequest { module_name }),
        Operation::Create => encode(&m::CreateObjectRequest {
            module_handle_id: request.module_handle_id,
            class_name: request.class_name,
            args_json: text(request.args),
            kwargs_json: text(request.kwargs),
        }),
        Operation::Call => encode(&m::CallMethodRequest {
            handle_id,
            method_name: request.method_name,
            args_json: text(request.args),
            kwargs_json: text(request.kwargs),
            return_type,
            repr,
        }),
        Operation::GetAttribute => encode(&m::GetAttributeRequest { handle_id, attribute_name, return_type, repr }),
        Operation::SetAttribute => {
            encode(&m::SetAttributeRequest { handle_id, attribute_name, value_json: text(request.value) })
        }
        Operation::Dispose => encode(&m::DisposeHandleRequest { handle_id, handle_ids }),
        Operation::Renew => encode(&m::RenewHandleRequest { handle_id, handle_ids }),
        Operation::ToFloatArray => encode(&m::ToFloatArrayRequest { handle_id }),
        Operation::ToFloatArray2D => encode(&m::ToFloatArray2DRequest { handle_id }),
        Operation::ModuleAvailable => encode(&m::IsModuleAvailableRequest { module_name }),
        Operation::GetItem => encode(&m::GetItemRequest { handle_id, key_json: text(request.key), return_type, repr }),
        Operation::SetItem => {
            encode(&m::SetItemRequest { handle_id, key_json: text(request.key), value_json: text(request.value) })
        }
        Operation::DeleteItem => encode(&m::DeleteItemRequest { handle_id, key_json: text(request.key) }),
        Operation::Length => encode(&m::GetLengthRequest { handle_id }),
        Operation::Contains => encode(&m::ContainsRequest { handle_id, item_json: text(request.item) }),
        Operation::Invoke => encode(&m::InvokeRequest {
            handle_id,
            args_json: text(request.args),
            kwargs_json: text(request.kwargs),
            return_type,
            repr,
        }),
        Operation::Dir => encode(&m::ListAttributesRequest { handle_id }),
        Operation::Describe => encode(&m::DescribeRequest { handle_id }),
        Operation::Value => encode(&m::GetValueRequest { handle_id, return_type }),
        Operation::Await => encode(&m::AwaitRequest { handle_id, return_type, repr }),
        Operation::Batch => {
            encode(&m::BatchRequest { steps_json: text(request.steps), stop_on_error: request.stop_on_error })
        }
        Operation::Fetch => {
            let object = (!handle_id.is_empty()).then_some(handle_id);
            let given = |name: String| Some(name).filter(|name| !name.is_empty());
            let kind = request.kind.map_or(return_type, |kind| kind.return_type().to_owned());
            encode(&m::FetchRequest {
                expression: request.expression.into_owned(),
                locals_json: text(request.locals),
                handle_id: object,
                method_name: given(request.method_name),
                args_json: text(request.args),
                kwargs_json: text(request.kwargs),
                attribute_name: given(attribute_name),
                kind,
                format: request.format.map(|format| format.as_str().to_owned()).unwrap_or_default(),
            })
        }
        Operation::Put => Bytes::new(), // in several messages
        Operation::Wrap => encode(&m::WrapValueRequest { value_json: text(request.value) }),
    }
}

fn host_message(operation: HostOperation, request: Request<'_>, call: &Call) -> Bytes {
    let Request { name, provider_name, model_id, .. } = request;
    let session_id = || call.options.session.as_deref().unwrap_or_default().to_owned();
    match operation {
        HostOperation::Health => encode(&m::HealthRequest {}),
        HostOperation::Cancel => {
            let Request { request_id, grace_ms, once, .. } = request;
            encode(&m::CancelRequest { request_id, grace_ms, once })
        }
        HostOperation::CreateSession => {
            encode(&m::CreateSessionRequest { options_json: String::from_utf8_lossy(&call.body).into_owned() })
        }
        HostOperation::DebugSession => {
            encode(&m::DebugSessionRequest { session_id: session_id(), install: request.install })
        }
        HostOperation::InterruptSession => encode(&m::InterruptSessionRequest {
            session_id: session_id(),
            grace_ms: request.grace_ms,
            abort_queued: request.abort_queued,
            once: request.once,
        }),
        HostOperation::RestartSession => encode(&m::RestartSessionRequest { session_id: session_id() }),
        HostOperation::ListSessions => encode(&m::ListSessionsRequest {}),
        HostOperation::GetSession
        | HostOperation::InspectSession
        | HostOperation::SessionEvents
        | HostOperation::ListHandles => encode(&m::GetSessionRequest { session_id: session_id() }),
        HostOperation::DeleteSession => encode(&m::DeleteSessionRequest { session_id: session_id() }),
        HostOperation::CreateEnvironment => {
            encode(&m::CreateEnvironmentRequest { provider_name: provider_name.unwrap_or_default(), model_id })
        }
        HostOperation::ListEnvironments => encode(&m::ListEnvironmentsRequest {}),
        HostOperation::EnvironmentStatus | HostOperation::DeleteEnvironment => {
            encode(&m::EnvironmentRequest { name, provider_name, model_id })
        }
        HostOperation::InstallPackages => {
            encode(&m::InstallPackagesRequest { name, provider_name, model_id, packages: request.packages })
        }
    }
}

fn text(json: Option<&RawValue>) -> String {
    json.map(|json| json.get().to_owned()).unwrap_or_default()
}
