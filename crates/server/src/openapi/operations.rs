//! The table of the operations of a session: what each takes and gives.

use beep_python_protocol::Operation;
use beep_python_protocol::message::{
    CallRequest, ContainsRequest, CreateRequest, EvaluateRequest, FetchRequest, GetAttributeRequest, HandleRequest,
    InvokeRequest, ItemRequest, ModuleRequest, SetAttributeRequest, SetItemRequest, ValueRequest, WrapRequest,
};
use beep_python_protocol::schema::{
    AnswerBody, BatchAnswer, BatchBody, CallAnswer, ContainsAnswer, DescribeAnswer, DirAnswer, DisposeAnswer,
    HandleAnswer, HandlesBody, ImportAnswer, LengthAnswer, ModuleAnswer, NextBody, PutAnswer, RenewAnswer,
    StreamAnswer, StreamBody, SuccessAnswer,
};

use crate::openapi::described::{Described, Gives, Takes};
use crate::openapi::errors::Errors;
use crate::openapi::schemas::of;

/// The description of an operation.
pub(super) fn described(operation: Operation) -> Described {
    let (summary, takes, gives, example) = row(operation);
    let rpc = operation.rpc_name();
    Described {
        method: "POST",
        path: operation.http_path(),
        id: rpc[..1].to_ascii_lowercase() + &rpc[1..],
        tag: "Operations of a session",
        summary,
        takes,
        gives,
        errors: Errors::Call,
        example,
    }
}

type Row = (&'static str, Takes, Gives, &'static str);

#[rustfmt::skip] // a table
fn row(operation: Operation) -> Row {
    use Takes::Json;
    let calls = Gives::Answer(of::<CallAnswer>);
    let done = Gives::Answer(of::<SuccessAnswer>);
    match operation {
        Operation::Evaluate => ("Evaluate an expression, or statements whose last expression is the value.", Json(of::<EvaluateRequest<'_>>), calls, r#"{"expression": "1 + 1"}"#),
        Operation::Import => ("Import a module and get its handle.", Json(of::<ModuleRequest<'_>>), Gives::Answer(of::<ImportAnswer>), r#"{"moduleName": "math"}"#),
        Operation::Create => ("Call a callable of a module, and keep the result.", Json(of::<CreateRequest<'_>>), Gives::Answer(of::<HandleAnswer>), r#"{"moduleHandleId": "a1.1.1", "className": "Counter", "args": ["text"]}"#),
        Operation::Call => ("Call a method of an object.", Json(of::<CallRequest<'_>>), calls, r#"{"handleId": "a1.1.2", "methodName": "most_common", "args": [1]}"#),
        Operation::GetAttribute => ("Read an attribute of an object.", Json(of::<GetAttributeRequest<'_>>), calls, r#"{"handleId": "a1.1.2", "attributeName": "maxlen"}"#),
        Operation::SetAttribute => ("Set an attribute of an object.", Json(of::<SetAttributeRequest<'_>>), done, r#"{"handleId": "a1.1.2", "attributeName": "name", "value": 1}"#),
        Operation::Dispose => ("Release one handle, or several.", Json(of::<HandlesBody<'_>>), Gives::Answer(of::<DisposeAnswer>), r#"{"handleId": "a1.1.2"}"#),
        Operation::ToFloatArray => ("Read an object as one row of 32-bit floats.", Json(of::<HandleRequest<'_>>), Gives::Floats { rows: false }, r#"{"handleId": "a1.1.2"}"#),
        Operation::ToFloatArray2D => ("Read an object as rows of 32-bit floats.", Json(of::<HandleRequest<'_>>), Gives::Floats { rows: true }, r#"{"handleId": "a1.1.2"}"#),
        Operation::ModuleAvailable => ("Find out whether a module can be found.", Json(of::<ModuleRequest<'_>>), Gives::Answer(of::<ModuleAnswer>), r#"{"moduleName": "numpy"}"#),
        Operation::Wrap => ("Keep a value of the client and get its handle.", Json(of::<WrapRequest<'_>>), Gives::Answer(of::<HandleAnswer>), r#"{"value": [1, 2]}"#),
        Operation::Execute => ("Evaluate, with events for output, displays and the value.", Json(of::<EvaluateRequest<'_>>), Gives::Events(of::<CallAnswer>), r#"{"expression": "print('a')\n1 + 1"}"#),
        Operation::Stream => ("Iterate over the value of an expression, over an object, or over what its method returns.", Json(of::<StreamBody<'_>>), Gives::Events(of::<StreamAnswer>), r#"{"expression": "range(3)"}"#),
        Operation::Next => ("Get further items of a stream.", Json(of::<NextBody<'_>>), Gives::Events(of::<StreamAnswer>), r#"{"handleId": "a1.1.7", "credit": 10}"#),
        Operation::Answer => ("Answer a question of the code: a line for `input()`, or the result of a callback.", Json(of::<AnswerBody<'_>>), done, r#"{"questionId": "q1", "value": "Ada"}"#),
        Operation::Renew => ("Renew the lease of one handle, or of several.", Json(of::<HandlesBody<'_>>), Gives::Answer(of::<RenewAnswer>), r#"{"handleId": "a1.1.2"}"#),
        Operation::GetItem => ("Read an item of an object by its key.", Json(of::<ItemRequest<'_>>), calls, r#"{"handleId": "a1.1.2", "key": "t"}"#),
        Operation::SetItem => ("Set an item of an object.", Json(of::<SetItemRequest<'_>>), done, r#"{"handleId": "a1.1.2", "key": "t", "value": 1}"#),
        Operation::DeleteItem => ("Delete an item of an object.", Json(of::<ItemRequest<'_>>), done, r#"{"handleId": "a1.1.2", "key": "t"}"#),
        Operation::Length => ("Get the length of an object.", Json(of::<HandleRequest<'_>>), Gives::Answer(of::<LengthAnswer>), r#"{"handleId": "a1.1.2"}"#),
        Operation::Contains => ("Find out whether an object contains an item.", Json(of::<ContainsRequest<'_>>), Gives::Answer(of::<ContainsAnswer>), r#"{"handleId": "a1.1.2", "item": "t"}"#),
        Operation::Invoke => ("Call an object itself.", Json(of::<InvokeRequest<'_>>), calls, r#"{"handleId": "a1.1.6", "args": [1]}"#),
        Operation::Dir => ("List the names of an object's attributes.", Json(of::<HandleRequest<'_>>), Gives::Answer(of::<DirAnswer>), r#"{"handleId": "a1.1.2"}"#),
        Operation::Describe => ("Learn what can be known of an object without calling it.", Json(of::<HandleRequest<'_>>), Gives::Answer(of::<DescribeAnswer>), r#"{"handleId": "a1.1.6"}"#),
        Operation::Value => ("Get an object as a value.", Json(of::<ValueRequest<'_>>), calls, r#"{"handleId": "a1.1.2"}"#),
        Operation::Await => ("Await an object and get its result.", Json(of::<ValueRequest<'_>>), calls, r#"{"handleId": "a1.1.8"}"#),
        Operation::Batch => ("Run operations one after the other in one request.", Json(of::<BatchBody>), Gives::Answer(of::<BatchAnswer>), r#"{"steps": [{"operation": "eval", "expression": "1"}]}"#),
        Operation::Fetch => ("Get an object as bytes, an array or a table: in the best of the formats that `Accept` names.", Json(of::<FetchRequest<'_>>), Gives::Datum, r#"{"expression": "b'abc'"}"#),
        Operation::Put => ("Keep bytes, an array or a table: the body, as `Content-Type` says.", Takes::Datum, Gives::Json(of::<PutAnswer>), "abc"),
    }
}
