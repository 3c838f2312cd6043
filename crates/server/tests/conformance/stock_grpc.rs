//! A gRPC client that never saw our definition: its messages are written by hand from the field numbers that existing
//! clients use.

use prost::Message;
use tonic::Request;

use crate::rpc;
use crate::test_context::{Case, TestContext, Transport, cases};

pub const CASES: &[Case] = cases![over &[Transport::Rpc];
    every_rpc_has_the_fields_of_existing_clients,
    failures_are_statuses,
];

macro_rules! messages {
    ($($name:ident { $($field:ident: $kind:ty = [$($how:tt)*]),* })*) => {$(
        #[derive(Clone, PartialEq, Message)]
        struct $name { $(#[prost($($how)*)] $field: $kind),* }
    )*};
}

messages! {
    HealthRequest {}
    HealthResponse { status: String = [string, tag = "1"] }
    ImportModuleRequest { module_name: String = [string, tag = "1"] }
    ImportModuleResponse { handle_id: String = [string, tag = "1"] }
    CreateObjectRequest {
        module_handle_id: String = [string, tag = "1"],
        class_name: String = [string, tag = "2"],
        args_json: String = [string, tag = "3"],
        kwargs_json: String = [string, tag = "4"]
    }
    CreateObjectResponse { handle_id: String = [string, tag = "1"], type_name: String = [string, tag = "2"] }
    HandleResult { handle_id: String = [string, tag = "1"], type_name: String = [string, tag = "2"] }
    CallMethodRequest {
        handle_id: String = [string, tag = "1"],
        method_name: String = [string, tag = "2"],
        args_json: String = [string, tag = "3"],
        kwargs_json: String = [string, tag = "4"]
    }
    // A oneof of `value_json = 1` and `handle = 2`, as these fields stand on the wire.
    CallMethodResponse {
        value_json: Option<String> = [string, optional, tag = "1"],
        handle: Option<HandleResult> = [message, optional, tag = "2"]
    }
    GetAttributeRequest { handle_id: String = [string, tag = "1"], attribute_name: String = [string, tag = "2"] }
    GetAttributeResponse {
        value_json: Option<String> = [string, optional, tag = "1"],
        handle: Option<HandleResult> = [message, optional, tag = "2"]
    }
    SetAttributeRequest {
        handle_id: String = [string, tag = "1"],
        attribute_name: String = [string, tag = "2"],
        value_json: String = [string, tag = "3"]
    }
    SetAttributeResponse { success: bool = [bool, tag = "1"] }
    EvaluateRequest { expression: String = [string, tag = "1"], locals_json: String = [string, tag = "2"] }
    EvaluateResponse { value_json: String = [string, tag = "1"] }
    DisposeHandleRequest { handle_id: String = [string, tag = "1"] }
    DisposeHandleResponse { success: bool = [bool, tag = "1"] }
    ToFloatArrayRequest { handle_id: String = [string, tag = "1"] }
    ToFloatArrayResponse { data: Vec<f32> = [float, repeated, tag = "1"] }
    ToFloatArray2DRequest { handle_id: String = [string, tag = "1"] }
    FloatArray { values: Vec<f32> = [float, repeated, tag = "1"] }
    ToFloatArray2DResponse { data: Vec<FloatArray> = [message, repeated, tag = "1"] }
    IsModuleAvailableRequest { module_name: String = [string, tag = "1"] }
    IsModuleAvailableResponse { available: bool = [bool, tag = "1"] }
    WrapValueRequest { value_json: String = [string, tag = "1"] }
    WrapValueResponse { handle_id: String = [string, tag = "1"], type_name: String = [string, tag = "2"] }
}

macro_rules! ask {
    ($channel:expr, $rpc:literal, $request:expr) => {
        rpc::call($channel.clone(), concat!("/beep.python.runtime.PythonService/", $rpc), Request::new($request)).await
    };
}

async fn every_rpc_has_the_fields_of_existing_clients(context: &TestContext) {
    let channel = rpc::channel(context.server.rpc).await;
    let health: HealthResponse = ask!(channel, "Health", HealthRequest {}).expect("there");
    assert_eq!(health.status, "ok");
    let import = ImportModuleRequest { module_name: "collections".into() };
    let module: ImportModuleResponse = ask!(channel, "ImportModule", import).expect("imported");
    let create = CreateObjectRequest {
        module_handle_id: module.handle_id,
        class_name: "Counter".into(),
        args_json: "[\"aab\"]".into(),
        kwargs_json: "{\"z\": 5}".into(),
    };
    let made: CreateObjectResponse = ask!(channel, "CreateObject", create).expect("made");
    assert_eq!(made.type_name, "Counter");
    let handle_id = made.handle_id;
    let call = |method: &str, args: &str| CallMethodRequest {
        handle_id: handle_id.clone(),
        method_name: method.into(),
        args_json: args.into(),
        kwargs_json: String::new(),
    };
    let called: CallMethodResponse = ask!(channel, "CallMethod", call("most_common", "[1]")).expect("called");
    assert_eq!((called.value_json.as_deref(), called.handle), (Some("[[\"z\",5]]"), None));
    let held: CallMethodResponse = ask!(channel, "CallMethod", call("elements", "")).expect("called");
    let elements = held.handle.expect("a handle");
    assert_eq!((held.value_json, elements.type_name.as_str()), (None, "chain"));
    let nothing: CallMethodResponse = ask!(channel, "CallMethod", call("clear", "[]")).expect("called");
    assert_eq!((nothing.value_json.as_deref(), nothing.handle), (Some("null"), None));
    let attribute_name = "label".to_owned();
    for (given, got) in [("\"x\"", "\"x\""), ("", "null"), ("[1, {\"a\": null}]", "[1,{\"a\":null}]")] {
        let set = SetAttributeRequest {
            handle_id: handle_id.clone(),
            attribute_name: attribute_name.clone(),
            value_json: given.into(),
        };
        assert!(ask!(channel, "SetAttribute", set).map(|set: SetAttributeResponse| set.success).expect("set"));
        let get = GetAttributeRequest { handle_id: handle_id.clone(), attribute_name: attribute_name.clone() };
        let read: GetAttributeResponse = ask!(channel, "GetAttribute", get).expect("read");
        assert_eq!((read.value_json.as_deref(), read.handle), (Some(got), None));
    }
    let class = GetAttributeRequest { handle_id: handle_id.clone(), attribute_name: "__class__".into() };
    let class: GetAttributeResponse = ask!(channel, "GetAttribute", class).expect("read");
    assert_eq!(class.handle.map(|handle| handle.type_name).as_deref(), Some("type"));
    let eval = EvaluateRequest { expression: "a + 1".into(), locals_json: "{\"a\": 1}".into() };
    let two: EvaluateResponse = ask!(channel, "Evaluate", eval).expect("evaluated");
    assert_eq!(two.value_json, "2");
    for (module, expected) in [("json", true), ("no_such_module", false)] {
        let asked = IsModuleAvailableRequest { module_name: module.into() };
        let told: IsModuleAvailableResponse = ask!(channel, "IsModuleAvailable", asked).expect("known");
        assert_eq!(told.available, expected);
    }
    let wrapped: WrapValueResponse =
        ask!(channel, "WrapValue", WrapValueRequest { value_json: "[[1.5], [2, 3]]".into() }).expect("wrapped");
    assert_eq!(wrapped.type_name, "list");
    let rows = ToFloatArray2DRequest { handle_id: wrapped.handle_id.clone() };
    let rows: ToFloatArray2DResponse = ask!(channel, "ToFloatArray2D", rows).expect("rows");
    let rows: Vec<_> = rows.data.into_iter().map(|row| row.values).collect();
    assert_eq!(rows, [vec![1.5], vec![2.0, 3.0]]);
    let flat: WrapValueResponse =
        ask!(channel, "WrapValue", WrapValueRequest { value_json: "[0.5, -2, 1e999]".into() }).expect("wrapped");
    let row: ToFloatArrayResponse =
        ask!(channel, "ToFloatArray", ToFloatArrayRequest { handle_id: flat.handle_id }).expect("a row");
    assert_eq!(row.data, [0.5, -2.0, f32::INFINITY]);
    let dispose = DisposeHandleRequest { handle_id: wrapped.handle_id };
    assert!(ask!(channel, "DisposeHandle", dispose).map(|done: DisposeHandleResponse| done.success).expect("disposed"));
}

async fn failures_are_statuses(context: &TestContext) {
    let channel = rpc::channel(context.server.rpc).await;
    for (code, status) in [("1/0", tonic::Code::Unknown), ("if", tonic::Code::Unknown)] {
        let eval = EvaluateRequest { expression: code.into(), locals_json: String::new() };
        let told: Result<EvaluateResponse, _> = ask!(channel, "Evaluate", eval);
        let told = told.expect_err("raises");
        assert!(told.code() == status && !told.message().is_empty(), "{told:?}");
    }
    let gone = ToFloatArrayRequest { handle_id: "no such handle".into() };
    let told: Result<ToFloatArrayResponse, _> = ask!(channel, "ToFloatArray", gone);
    assert_eq!(told.expect_err("unknown").code(), tonic::Code::NotFound);
}
