//! Health, reflection, and the end of a server.

use std::os::unix::fs::symlink;
use std::time::Duration;

use beep_python_protocol::grpc::messages as m;
use beep_python_runtime::interpreter::Interpreter;
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::gate::Gate;
use crate::host::newest;
use crate::support::{Server, call};

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_covers_the_server_and_its_services() {
    let server = Server::start();
    let mut client = HealthClient::new(server.channel().await);
    for service in ["", "beep.python.runtime.PythonService", "beep.python.runtime.VenvService"] {
        let answer = client.check(HealthCheckRequest { service: service.into() }).await.expect("known").into_inner();
        assert_eq!(answer, HealthCheckResponse { status: SERVING }, "{service}");
    }
    let unknown = client.check(HealthCheckRequest { service: "other".into() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_tells_while_no_worker_can_be_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("python");
    let real = &newest().path;
    symlink(real, &link).expect("linked");
    let server = Server::with_python(&Interpreter { path: link.clone(), ..newest().clone() });
    let mut client = HealthClient::new(server.channel().await);
    let service = "beep.python.runtime.PythonService".to_owned();
    let mut watched =
        client.watch(HealthCheckRequest { service: service.clone() }).await.expect("watched").into_inner();
    assert_eq!(watched.message().await.expect("a message"), Some(HealthCheckResponse { status: SERVING }));

    std::fs::remove_file(&link).expect("removed");
    let code = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(1)";
    let request = m::EvaluateRequest { expression: code.into(), ..Default::default() };
    server
        .call::<_, m::EvaluateResponse>("/beep.python.runtime.PythonService/Evaluate", request)
        .await
        .expect_err("dead");
    assert_eq!(watched.message().await.expect("a message"), Some(HealthCheckResponse { status: NOT_SERVING }));

    // To be asked is enough for another attempt.
    symlink(real, &link).expect("linked");
    for service in [String::new(), service] {
        while client.check(HealthCheckRequest { service: service.clone() }).await.expect("known").into_inner().status
            != SERVING
        {}
    }
    assert_eq!(watched.message().await.expect("a message"), Some(HealthCheckResponse { status: SERVING }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_describes_the_services() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let server = Server::start();
    let mut client = ServerReflectionClient::new(server.channel().await);
    let ask = |message: MessageRequest| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests = vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("beep.python.runtime.EvaluateRequest".into())),
    ];
    let mut answers = client.server_reflection_info(tokio_stream::iter(requests)).await.expect("answered").into_inner();
    let first = answers.message().await.expect("a message").and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = first else { panic!("{first:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for service in ["PythonService", "SessionService", "VenvService"] {
        assert!(names.contains(&format!("beep.python.runtime.{service}").as_str()), "{names:?}");
    }
    let second = answers.message().await.expect("a message").and_then(|answer| answer.message_response);
    assert!(matches!(second, Some(MessageResponse::FileDescriptorResponse(_))), "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_finishes_calls_in_progress_and_ends_streams() {
    let server = Server::start();
    let mut watching = HealthClient::new(server.channel().await);
    let mut watched =
        watching.watch(HealthCheckRequest { service: String::new() }).await.expect("watched").into_inner();
    assert_eq!(watched.message().await.expect("a message"), Some(HealthCheckResponse { status: SERVING }));
    let channel = server.channel().await;
    let gate = Gate::new();
    let request = m::EvaluateRequest { expression: gate.before("'finished'"), ..Default::default() };
    let under_way = tokio::spawn(call::<_, m::EvaluateResponse>(
        channel,
        "/beep.python.runtime.PythonService/Evaluate",
        Request::new(request),
    ));
    gate.begun();
    server.tell_to_stop();
    let told = tokio::time::timeout(Duration::from_secs(30), watched.message()).await.expect("it is told");
    assert_eq!(told.expect("a message"), Some(HealthCheckResponse { status: NOT_SERVING }));
    gate.open();
    let answer = under_way.await.expect("no panic").expect("answered");
    assert_eq!(answer.result, Some(m::evaluate_response::Result::ValueJson("\"finished\"".into())));
    let ended = tokio::time::timeout(Duration::from_secs(30), watched.message()).await.expect("it ends");
    assert_eq!(ended.expect_err("with a status").code(), Code::Unavailable);
}
