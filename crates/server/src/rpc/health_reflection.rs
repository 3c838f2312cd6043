//! The services that every gRPC server has: health and reflection.

use std::pin::Pin;

use beep_python_protocol::grpc::FILE_DESCRIPTOR_SET;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::ServingStatus;

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Service = Box<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// The services by the beginning of their routes.
pub(super) struct HealthReflection(Vec<(String, Service)>);

impl HealthReflection {
    pub(super) async fn new() -> HealthReflection {
        let (reporter, health) = tonic_health::server::health_reporter();
        for service in ["PythonService", "EventService", "SessionService", "VenvService"] {
            reporter.set_service_status(format!("beep.python.runtime.{service}"), ServingStatus::Serving).await;
        }
        let described = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut services = vec![named(health)];
        services.extend(described().build_v1().map(named));
        services.extend(described().build_v1alpha().map(named));
        HealthReflection(services)
    }

    /// The service that a route leads to.
    pub(super) fn find(&self, path: &str) -> Option<&Service> {
        let (name, _) = path.strip_prefix('/')?.split_once('/')?;
        self.0.iter().find(|(known, _)| known == name).map(|(_, service)| service)
    }
}

fn named<S>(service: S) -> (String, Service)
where
    S: tower_service::Service<Request<Incoming>, Response = Response<Body>, Error = std::convert::Infallible>,
    S: NamedService + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let call = move |request| -> Answer {
        let answer = service.clone().call(request);
        Box::pin(async move { answer.await.unwrap_or_else(|never| match never {}) })
    };
    (S::NAME.to_owned(), Box::new(call))
}
