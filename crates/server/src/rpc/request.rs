//! Requests: from a message to the JSON body of the session core.

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{FrameError, decode};
use beep_python_protocol::{ErrorCode, Operation, Problem};
use bytes::Bytes;
use prost::Message;
use serde_json::value::RawValue;

/// The JSON body for the message of an operation. JSON in the message goes to the session as it came.
pub(super) fn json_body(operation: Operation, body: &Bytes) -> Result<Bytes, Problem> {
    let object = match operation {
        Operation::Evaluate => {
            let m::EvaluateRequest { expression, locals_json, return_type, repr, outputs } = message(body)?;
            let object = Object::with("expression", &expression).json("locals", "locals_json", &locals_json)?;
            object.hint(&return_type, repr).names("outputs", &outputs)
        }
        Operation::Import => Object::with("moduleName", &message::<m::ImportModuleRequest>(body)?.module_name),
        Operation::Create => {
            let m::CreateObjectRequest { module_handle_id, class_name, args_json, kwargs_json } = message(body)?;
            Object::with("moduleHandleId", &module_handle_id)
                .text("className", &class_name)
                .arguments(&args_json, &kwargs_json)?
        }
        Operation::Call => {
            let m::CallMethodRequest { handle_id, method_name, args_json, kwargs_json, return_type, repr } =
                message(body)?;
            let object = Object::with("handleId", &handle_id).text("methodName", &method_name);
            object.arguments(&args_json, &kwargs_json)?.hint(&return_type, repr)
        }
        Operation::GetAttribute => {
            let m::GetAttributeRequest { handle_id, attribute_name, return_type, repr } = message(body)?;
            Object::with("handleId", &handle_id).text("attributeName", &attribute_name).hint(&return_type, repr)
        }
        Operation::SetAttribute => {
            let m::SetAttributeRequest { handle_id, attribute_name, value_json } = message(body)?;
            let object = Object::with("handleId", &handle_id).text("attributeName", &attribute_name);
            object.json("value", "value_json", &value_json)?
        }
        Operation::Dispose => {
            let m::DisposeHandleRequest { handle_id, handle_ids } = message(body)?;
            match handle_ids.is_empty() {
                true => Object::with("handleId", &handle_id),
                false => Object::new().raw("handleIds", &serde_json::to_vec(&handle_ids).unwrap_or_default()),
            }
        }
        Operation::Renew => {
            let m::RenewHandleRequest { handle_id, handle_ids } = message(body)?;
            match handle_ids.is_empty() {
                true => Object::with("handleId", &handle_id),
                false => Object::new().raw("handleIds", &serde_json::to_vec(&handle_ids).unwrap_or_default()),
            }
        }
        Operation::ToFloatArray => Object::with("handleId", &message::<m::ToFloatArrayRequest>(body)?.handle_id),
        Operation::ToFloatArray2D => Object::with("handleId", &message::<m::ToFloatArray2DRequest>(body)?.handle_id),
        Operation::ModuleAvailable => {
            Object::with("moduleName", &message::<m::IsModuleAvailableRequest>(body)?.module_name)
        }
        Operation::Execute => {
            let m::EvaluateRequest { expression, locals_json, return_type, repr, outputs } = message(body)?;
            let object = Object::with("expression", &expression).json("locals", "locals_json", &locals_json)?;
            object.hint(&return_type, repr).names("outputs", &outputs)
        }
        Operation::Stream => {
            let request: m::StreamRequest = message(body)?;
            let m::StreamRequest { expression, locals_json, handle_id, method_name, args_json, kwargs_json, .. } =
                request;
            let object = match &handle_id {
                None => Object::with("expression", &expression).json("locals", "locals_json", &locals_json)?,
                Some(handle_id) => Object::with("handleId", handle_id),
            };
            let object = match method_name {
                None => object,
                Some(name) => object.text("methodName", &name).arguments(&args_json, &kwargs_json)?,
            };
            let object = if request.keep { object.raw("keep", b"true") } else { object };
            object.credit(request.credit)
        }
        Operation::Next => {
            let m::NextRequest { handle_id, credit } = message(body)?;
            Object::with("handleId", &handle_id).credit(credit)
        }
        Operation::Answer => {
            let m::AnswerRequest { question_id, value_json, error, eof } = message(body)?;
            let object = Object::with("questionId", &question_id).json("value", "value_json", &value_json)?;
            let object = if eof { object.raw("eof", b"true") } else { object };
            error.into_iter().fold(object, |object, error| object.text("error", &error))
        }
        Operation::GetItem => {
            let m::GetItemRequest { handle_id, key_json, return_type, repr } = message(body)?;
            Object::with("handleId", &handle_id).json("key", "key_json", &key_json)?.hint(&return_type, repr)
        }
        Operation::SetItem => {
            let m::SetItemRequest { handle_id, key_json, value_json } = message(body)?;
            let object = Object::with("handleId", &handle_id).json("key", "key_json", &key_json)?;
            object.json("value", "value_json", &value_json)?
        }
        Operation::DeleteItem => {
            let m::DeleteItemRequest { handle_id, key_json } = message(body)?;
            Object::with("handleId", &handle_id).json("key", "key_json", &key_json)?
        }
        Operation::Contains => {
            let m::ContainsRequest { handle_id, item_json } = message(body)?;
            Object::with("handleId", &handle_id).json("item", "item_json", &item_json)?
        }
        Operation::Invoke => {
            let m::InvokeRequest { handle_id, args_json, kwargs_json, return_type, repr } = message(body)?;
            let object = Object::with("handleId", &handle_id).arguments(&args_json, &kwargs_json)?;
            object.hint(&return_type, repr)
        }
        Operation::Length => Object::with("handleId", &message::<m::GetLengthRequest>(body)?.handle_id),
        Operation::Dir => Object::with("handleId", &message::<m::ListAttributesRequest>(body)?.handle_id),
        Operation::Describe => Object::with("handleId", &message::<m::DescribeRequest>(body)?.handle_id),
        Operation::Value => {
            let m::GetValueRequest { handle_id, return_type } = message(body)?;
            Object::with("handleId", &handle_id).hint(&return_type, false)
        }
        Operation::Await => {
            let m::AwaitRequest { handle_id, return_type, repr } = message(body)?;
            Object::with("handleId", &handle_id).hint(&return_type, repr)
        }
        Operation::Batch => {
            let m::BatchRequest { steps_json, stop_on_error } = message(body)?;
            let object = Object::new().json("steps", "steps_json", &steps_json)?;
            match stop_on_error {
                None => object,
                Some(stop) => object.raw("stopOnError", if stop { b"true" } else { b"false" }),
            }
        }
        Operation::Fetch => {
            let request: m::FetchRequest = message(body)?;
            let m::FetchRequest { expression, locals_json, handle_id, method_name, attribute_name, .. } = request;
            let object = match &handle_id {
                None => Object::with("expression", &expression).json("locals", "locals_json", &locals_json)?,
                Some(handle_id) => Object::with("handleId", handle_id),
            };
            let object = match (&method_name, &attribute_name) {
                (Some(name), _) => {
                    object.text("methodName", name).arguments(&request.args_json, &request.kwargs_json)?
                }
                (None, Some(name)) => object.text("attributeName", name),
                (None, None) => object,
            };
            let given = [("kind", &request.kind), ("format", &request.format)];
            given
                .into_iter()
                .filter(|(_, word)| !word.is_empty())
                .fold(object, |object, (key, word)| object.text(key, word))
        }
        Operation::Put => Object::new(),
        Operation::Wrap => {
            Object::new().json("value", "value_json", &message::<m::WrapValueRequest>(body)?.value_json)?
        }
    };
    Ok(object.end())
}

/// The message in a body.
pub(super) fn message<M: Message + Default>(body: &Bytes) -> Result<M, Problem> {
    decode(body).map_err(|error| unreadable(&error))
}

/// The problem of a body that is not one message.
pub(super) fn unreadable(error: &FrameError) -> Problem {
    let code = match error {
        FrameError::Compressed => ErrorCode::UnsupportedMediaType,
        FrameError::Length { .. } | FrameError::Message(_) => ErrorCode::InvalidRequest,
    };
    Problem::new(code, error.to_string())
}

/// A JSON object in the making.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Object {
        Object(b"{".to_vec())
    }

    fn with(name: &str, value: &str) -> Object {
        Object::new().text(name, value)
    }

    fn text(mut self, name: &str, value: &str) -> Object {
        self.key(name);
        let _ = serde_json::to_writer(&mut self.0, value); // into memory: it cannot fail
        self
    }

    fn raw(mut self, name: &str, json: &[u8]) -> Object {
        self.key(name);
        self.0.extend_from_slice(json);
        self
    }

    /// JSON that the client wrote; it must be no more and no less than one value.
    fn json(self, name: &str, field: &str, json: &str) -> Result<Object, Problem> {
        if json.trim_ascii().is_empty() {
            return Ok(self);
        }
        match serde_json::from_str::<&RawValue>(json) {
            Ok(value) => Ok(self.raw(name, value.get().as_bytes())),
            Err(error) => {
                let detail = format!("'{field}' is not valid JSON: {error}");
                Err(Problem::new(ErrorCode::InvalidRequest, detail))
            }
        }
    }

    fn arguments(self, args: &str, kwargs: &str) -> Result<Object, Problem> {
        self.json("args", "args_json", args)?.json("kwargs", "kwargs_json", kwargs)
    }

    fn credit(self, credit: Option<u64>) -> Object {
        credit.into_iter().fold(self, |object, credit| object.raw("credit", credit.to_string().as_bytes()))
    }

    /// A list of names, if there are any.
    fn names(self, name: &str, names: &[String]) -> Object {
        if names.is_empty() { self } else { self.raw(name, &serde_json::to_vec(names).unwrap_or_default()) }
    }

    /// How the result should be.
    fn hint(self, return_type: &str, repr: bool) -> Object {
        let object = if return_type.is_empty() { self } else { self.text("returnType", return_type) };
        if repr { object.raw("repr", b"true") } else { object }
    }

    fn key(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn end(mut self) -> Bytes {
        self.0.push(b'}');
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use beep_python_protocol::grpc::encode;

    use super::*;

    fn evaluate(expression: &str, locals: &str) -> Result<String, String> {
        let request =
            m::EvaluateRequest { expression: expression.into(), locals_json: locals.into(), ..Default::default() };
        let body = json_body(Operation::Evaluate, &encode(&request)).map_err(|problem| problem.detail)?;
        Ok(String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn bodies_are_those_of_http() {
        assert_eq!(evaluate("'\"'\n", " ").as_deref(), Ok(r#"{"expression":"'\"'\n"}"#));
        assert_eq!(evaluate("x", r#" {"x": 1.0} "#).as_deref(), Ok(r#"{"expression":"x","locals":{"x": 1.0}}"#));
    }

    #[test]
    fn nothing_can_be_added_to_a_body() {
        for wrong in [r#"{},"expression":"y""#, "{", "1 2", "NaN", "}"] {
            assert!(evaluate("x", wrong).is_err_and(|detail| detail.contains("'locals_json' is not valid JSON")));
        }
    }
}
