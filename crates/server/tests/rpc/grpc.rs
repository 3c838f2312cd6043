//! gRPC: every rpc, errors, metadata.

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::{ErrorCode, Outcome};
use tonic::{Code, Request};

use crate::support::{Server, call, problem};

macro_rules! path {
    ($rpc:literal) => {
        concat!("/beep.python.runtime.PythonService/", $rpc)
    };
}

async fn evaluate(server: &Server, expression: &str) -> Result<m::EvaluateResponse, tonic::Status> {
    let request = m::EvaluateRequest { expression: expression.into(), ..Default::default() };
    server.call(path!("Evaluate"), request).await
}

async fn value(server: &Server, expression: &str) -> String {
    match evaluate(server, expression).await.expect(expression).result {
        Some(m::evaluate_response::Result::ValueJson(json)) => json,
        other => panic!("{expression}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_answers() {
    let server = Server::start();
    let health: m::HealthResponse = server.call(path!("Health"), m::HealthRequest {}).await.expect("health");
    assert_eq!((health.status.as_str(), health.pid), ("ok", std::process::id()));
    let import = m::ImportModuleRequest { module_name: "fractions".into() };
    let module: m::ImportModuleResponse = server.call(path!("ImportModule"), import).await.expect("imported");
    assert_eq!((module.type_name.as_str(), module.session_epoch), ("module", 1));
    let create = m::CreateObjectRequest {
        module_handle_id: module.handle_id,
        class_name: "Fraction".into(),
        args_json: "[3, 4]".into(),
        kwargs_json: String::new(),
    };
    let made: m::CreateObjectResponse = server.call(path!("CreateObject"), create).await.expect("made");
    assert_eq!(made.type_name, "Fraction");
    let numerator = m::GetAttributeRequest {
        handle_id: made.handle_id.clone(),
        attribute_name: "numerator".into(),
        ..Default::default()
    };
    let numerator: m::GetAttributeResponse = server.call(path!("GetAttribute"), numerator).await.expect("read");
    assert_eq!(numerator.result, Some(m::get_attribute_response::Result::ValueJson("3".into())));
    let limit = m::CallMethodRequest {
        handle_id: made.handle_id,
        method_name: "limit_denominator".into(),
        args_json: "[]".into(),
        kwargs_json: r#"{"max_denominator": 2}"#.into(),
        return_type: "handle".into(),
        repr: true,
    };
    let limited: m::CallMethodResponse = server.call(path!("CallMethod"), limit).await.expect("called");
    let Some(m::call_method_response::Result::Handle(limited)) = limited.result else { panic!("{limited:?}") };
    assert_eq!((limited.type_name.as_str(), limited.type_module.as_deref()), ("Fraction", Some("fractions")));
    assert_eq!(limited.repr.as_deref(), Some("Fraction(1, 1)"));

    let available = m::IsModuleAvailableRequest { module_name: "json".into() };
    let available: m::IsModuleAvailableResponse =
        server.call(path!("IsModuleAvailable"), available).await.expect("known");
    assert!(available.available);
    let owner = evaluate(&server, "class Owner: pass\nOwner()").await.expect("made");
    let Some(m::evaluate_response::Result::Handle(owner)) = owner.result else { panic!("{owner:?}") };
    for (json, expected) in [(r#"{"a": [1, 2.5]}"#, r#"{"a":[1,2.5]}"#), ("", "null")] {
        let (handle_id, attribute_name) = (owner.handle_id.clone(), "name".to_owned());
        let set = m::SetAttributeRequest { handle_id: handle_id.clone(), attribute_name, value_json: json.into() };
        let set: m::SetAttributeResponse = server.call(path!("SetAttribute"), set).await.expect("set");
        assert!(set.success);
        let get = m::GetAttributeRequest { handle_id, attribute_name: "name".into(), ..Default::default() };
        let got: m::GetAttributeResponse = server.call(path!("GetAttribute"), get).await.expect("read");
        assert_eq!(got.result, Some(m::get_attribute_response::Result::ValueJson(expected.into())));
    }
    let dispose = |handle_id: &str, handle_ids: Vec<String>| {
        server.call::<_, m::DisposeHandleResponse>(
            path!("DisposeHandle"),
            m::DisposeHandleRequest { handle_id: handle_id.into(), handle_ids },
        )
    };
    assert!(dispose(&owner.handle_id, Vec::new()).await.expect("disposed").success);
    let both = dispose("", vec![limited.handle_id, owner.handle_id]).await.expect("disposed");
    assert_eq!(both.disposed, 1, "what is gone is passed over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn float_arrays_are_packed_floats() {
    let server = Server::start();
    let wrap = async |json: &str| -> String {
        let request = m::WrapValueRequest { value_json: json.into() };
        let wrapped: m::WrapValueResponse = server.call(path!("WrapValue"), request).await.expect("wrapped");
        assert_eq!(wrapped.type_name, "list");
        wrapped.handle_id
    };
    let row = async |handle_id: String| -> Vec<f32> {
        let request = m::ToFloatArrayRequest { handle_id };
        server.call::<_, m::ToFloatArrayResponse>(path!("ToFloatArray"), request).await.expect("an array").data
    };
    let rows = async |handle_id: String| -> Vec<Vec<f32>> {
        let request = m::ToFloatArray2DRequest { handle_id };
        let answer: m::ToFloatArray2DResponse = server.call(path!("ToFloatArray2D"), request).await.expect("rows");
        answer.data.into_iter().map(|row| row.values).collect()
    };
    assert_eq!(row(wrap("[1.5, -0.25, 1e999]").await).await, [1.5, -0.25, f32::INFINITY]);
    assert_eq!(row(wrap("[]").await).await, [0f32; 0]);
    assert_eq!(rows(wrap("[[1, 2], [], [3]]").await).await, [vec![1.0, 2.0], vec![], vec![3.0]]);
    let made = m::EvaluateRequest {
        expression: "import array, math; array.array('f', [math.nan] + [0.5] * 300_000)".into(),
        return_type: "handle".into(),
        ..Default::default()
    };
    let made: m::EvaluateResponse = server.call(path!("Evaluate"), made).await.expect("made");
    let Some(m::evaluate_response::Result::Handle(many)) = made.result else { panic!("no handle") };
    let many = row(many.handle_id).await;
    assert!(many.len() == 300_001 && many[0].is_nan() && many[300_000] == 0.5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_comes_with_the_response_and_names_persist() {
    let server = Server::start();
    let request = m::EvaluateRequest {
        expression: "import sys; print('out', file=sys.stderr); print('é'); n + 1".into(),
        locals_json: r#"{"n": 1}"#.into(),
        ..Default::default()
    };
    let answer: m::EvaluateResponse = server.call(path!("Evaluate"), request).await.expect("answered");
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str(), answer.session_epoch), ("é\n", "out\n", 1));
    evaluate(&server, "kept = [1, 2]").await.expect("done");
    assert_eq!(value(&server, "kept").await, "[1,2]");
    assert_eq!(value(&server, "'x' * 300_000").await.len(), 300_002);
    assert_eq!(value(&server, "").await, "null");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_statuses_with_the_exception_in_the_details() {
    let server = Server::start();
    let raised = evaluate(&server, "print('before'); {}['ä']").await.expect_err("it raises");
    assert_eq!((raised.code(), raised.message()), (Code::Unknown, "KeyError: 'ä'"));
    let told = problem(&raised);
    assert_eq!(
        (told.code, told.stdout.as_str(), told.session_epoch),
        (ErrorCode::PythonException, "before\n", Some(1))
    );
    let exception = told.exception.expect("an exception");
    assert_eq!((exception.kind.as_str(), exception.message.as_str()), ("KeyError", "'ä'"));
    assert_eq!(exception.traceback.len(), 1);

    let long =
        evaluate(&server, "print('x' * 500_000); raise ValueError('\\n' * 100_000)").await.expect_err("it raises");
    assert_eq!((long.code(), problem(&long).exception.expect("one").kind.as_str()), (Code::Unknown, "ValueError"));
    let request = m::ToFloatArrayRequest { handle_id: "d.1.77".into() };
    let unknown = server.call::<_, m::ToFloatArrayResponse>(path!("ToFloatArray"), request).await.expect_err("unknown");
    assert_eq!((unknown.code(), problem(&unknown).code), (Code::NotFound, ErrorCode::UnknownHandle));
    let died = evaluate(&server, "import os; os._exit(3)").await.expect_err("it dies");
    assert_eq!((died.code(), problem(&died).death.and_then(|death| death.exit_code)), (Code::Internal, Some(3)));
    assert_eq!(evaluate(&server, "1").await.expect("a new worker").session_epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_have_the_whole_problem_as_a_message() {
    use beep_python_protocol::grpc::{decode, encode};

    let server = Server::start();
    let request = m::EvaluateRequest { expression: "print('x' * 500_000); 1/0".into(), ..Default::default() };
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("beep-errors", "message")];
    let answer = server.raw(path!("Evaluate"), &headers, encode(&request)).await;
    assert_eq!(answer.grpc_status(), Some("2"));
    let details: m::ErrorDetails = decode(&answer.body).expect("a message");
    assert_eq!((details.code.as_str(), details.exception_type.as_str()), ("python_exception", "ZeroDivisionError"));
    let told: beep_python_protocol::Problem = serde_json::from_str(&details.problem_json).expect("a problem");
    assert_eq!(told.stdout.len(), 500_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_sets_call_options() {
    let server = Server::start();
    let session: m::CreateSessionResponse = server
        .call("/beep.python.runtime.SessionService/CreateSession", m::CreateSessionRequest::default())
        .await
        .expect("a session");
    let ask = async |expression: &str, metadata: &[(&'static str, &str)]| -> Result<String, tonic::Status> {
        let mut request = Request::new(m::EvaluateRequest { expression: expression.into(), ..Default::default() });
        for (name, value) in metadata {
            request.metadata_mut().insert(*name, value.parse().expect("a value"));
        }
        let answer: m::EvaluateResponse = call(server.channel().await, path!("Evaluate"), request).await?;
        match answer.result {
            Some(m::evaluate_response::Result::ValueJson(json)) => Ok(json),
            other => panic!("{other:?}"),
        }
    };
    let there = [("beep-session", session.session_id.as_str()), ("beep-request", "r1")];
    assert_eq!(ask("mine = (1,); mine", &there).await.expect("done"), "[1]");
    assert_eq!(ask("mine", &[there[0], ("beep-values", "exact")]).await.expect("done"), r#"{"$tuple":[1]}"#);
    assert_eq!(ask("'mine' in globals()", &[]).await.expect("done"), "false");
    let unknown = ask("1", &[("beep-session", "nowhere")]).await.expect_err("unknown");
    assert_eq!((unknown.code(), problem(&unknown).code), (Code::NotFound, ErrorCode::UnknownSession));
    for wrong in [("beep-values", "other"), ("grpc-timeout", "soon")] {
        assert_eq!(ask("1", &[wrong]).await.expect_err("wrong").code(), Code::InvalidArgument, "{wrong:?}");
    }

    let list: m::ListSessionsResponse = server
        .call("/beep.python.runtime.SessionService/ListSessions", m::ListSessionsRequest {})
        .await
        .expect("sessions");
    assert_eq!(list.sessions.len(), 2);
    let delete = m::DeleteSessionRequest { session_id: session.session_id.clone() };
    let path = "/beep.python.runtime.SessionService/DeleteSession";
    assert!(server.call::<_, m::DeleteSessionResponse>(path, delete.clone()).await.expect("deleted").success);
    let gone = server.call::<_, m::DeleteSessionResponse>(path, delete).await.expect_err("gone");
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_call_at_the_host() {
    use beep_python_protocol::grpc::encode;

    let server = Server::start();
    let request = m::EvaluateRequest { expression: "import time; time.sleep(60)".into(), ..Default::default() };
    // A client that goes on listening, to hear what became of the call; and time enough for the call to begin.
    let headers = [("content-type", "application/grpc"), ("grpc-timeout", "2S"), ("beep-errors", "message")];
    let answer = server.raw(path!("Evaluate"), &headers, encode(&request)).await;
    assert_eq!(answer.grpc_status(), Some("4"));
    let details: m::ErrorDetails = beep_python_protocol::grpc::decode(&answer.body).expect("a message");
    let told: beep_python_protocol::Problem = serde_json::from_str(&details.problem_json).expect("a problem");
    assert_eq!((told.code, told.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_are_made_listed_and_deleted() {
    let server = Server::start();
    let create = m::CreateEnvironmentRequest { provider_name: "hugging".into(), model_id: None };
    let service = "/beep.python.runtime.VenvService/CreateEnvironment";
    let made: m::CreateEnvironmentResponse = server.call(service, create).await.expect("made");
    assert!(made.success && std::path::Path::new(&made.path).join("bin/python").exists());
    let list: m::ListEnvironmentsResponse = server
        .call("/beep.python.runtime.VenvService/ListEnvironments", m::ListEnvironmentsRequest {})
        .await
        .expect("listed");
    assert_eq!((list.environments.len(), list.environments[0].path.as_str()), (1, made.path.as_str()));
    let named = m::EnvironmentRequest { name: Some(list.environments[0].name.clone()), ..Default::default() };
    let status = "/beep.python.runtime.VenvService/EnvironmentStatus";
    let told: m::Environment = server.call(status, named.clone()).await.expect("known");
    assert_eq!((told.state.as_str(), told.record.is_some(), told.size_bytes.is_some()), ("healthy", true, true));
    let delete = "/beep.python.runtime.VenvService/DeleteEnvironment";
    assert!(server.call::<_, m::DeleteEnvironmentResponse>(delete, named.clone()).await.expect("deleted").success);
    let gone = server.call::<_, m::Environment>(status, named).await.expect_err("gone");
    assert_eq!((gone.code(), problem(&gone).code), (Code::NotFound, ErrorCode::UnknownEnvironment));
    let nameless = server.call::<_, m::Environment>(status, m::EnvironmentRequest::default()).await;
    assert_eq!(nameless.expect_err("nameless").code(), Code::InvalidArgument);
}

/// Bytes written by hand from the table of field numbers: what a client sends that never saw our definition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_field_numbers_are_those_of_existing_clients() {
    let server = Server::start();
    let ask = async |rpc: &str, fields: &[(u8, &str)]| -> Vec<u8> {
        let mut message = Vec::new();
        for (number, text) in fields {
            message.extend_from_slice(&[number << 3 | 2, text.len() as u8]);
            message.extend_from_slice(text.as_bytes());
        }
        let frame = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
        let headers = [("content-type", "application/grpc+proto"), ("te", "trailers")];
        let path = format!("/beep.python.runtime.PythonService/{rpc}");
        let answer = server.raw(&path, &headers, frame).await;
        assert_eq!(answer.grpc_status(), Some("0"), "{rpc}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/grpc");
        assert_eq!(answer.body[0], 0);
        assert_eq!(answer.body[1..5], (answer.body.len() as u32 - 5).to_be_bytes());
        answer.body[5..].to_vec()
    };
    // What stands in one of the first fields of an answer.
    fn field(message: &[u8], number: u8) -> &[u8] {
        let mut rest = message;
        while let [tag, length, after @ ..] = rest {
            assert_eq!(tag & 7, 2, "{message:?}");
            let (field, next) = after.split_at(usize::from(*length));
            if tag >> 3 == number {
                return field;
            }
            rest = next;
        }
        panic!("no field {number} in {message:?}")
    }
    let text = |message: &[u8], number| String::from_utf8(field(message, number).to_vec()).expect("text");
    assert_eq!(text(&ask("Health", &[]).await, 1), "ok");
    let module = ask("ImportModule", &[(1, "collections")]).await;
    let module = &text(&module, 1);
    let made = ask("CreateObject", &[(1, module), (2, "Counter"), (3, "[\"aab\"]"), (4, "{\"z\": 5}")]).await;
    assert_eq!(text(&made, 2), "Counter");
    let id = &text(&made, 1);
    let called = ask("CallMethod", &[(1, id), (2, "most_common"), (3, "[1]"), (4, "")]).await;
    assert_eq!(text(&called, 1), "[[\"z\",5]]");
    let held = ask("CallMethod", &[(1, id), (2, "elements")]).await;
    let handle = field(&held, 2);
    assert_eq!(text(handle, 2), "chain");
    assert!(!text(handle, 1).is_empty());
    assert_eq!(ask("SetAttribute", &[(1, id), (2, "label"), (3, "\"x\"")]).await[..2], [1 << 3, 1]);
    assert_eq!(text(&ask("GetAttribute", &[(1, id), (2, "label")]).await, 1), "\"x\"");
    assert_eq!(text(&ask("Evaluate", &[(1, "a + 1"), (2, "{\"a\": 1}")]).await, 1), "2");
    assert_eq!(ask("IsModuleAvailable", &[(1, "json")]).await[..2], [1 << 3, 1]);
    let wrapped = ask("WrapValue", &[(1, "[[1.5], [2]]")]).await;
    assert_eq!(text(&wrapped, 2), "list");
    let wrapped = &text(&wrapped, 1);
    let rows = ask("ToFloatArray2D", &[(1, wrapped)]).await;
    assert_eq!(rows, b"\x0a\x06\x0a\x04\0\0\xc0\x3f\x0a\x06\x0a\x04\0\0\0\x40");
    let flat = ask("WrapValue", &[(1, "[1.5, 2]")]).await;
    assert_eq!(ask("ToFloatArray", &[(1, &text(&flat, 1))]).await, b"\x0a\x08\0\0\xc0\x3f\0\0\0\x40");
    assert_eq!(ask("DisposeHandle", &[(1, wrapped)]).await[..2], [1 << 3, 1]);
}
