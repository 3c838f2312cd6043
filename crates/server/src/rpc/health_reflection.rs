//! The services that every gRPC server has: health and reflection.

use std::pin::Pin;

use beep_python_protocol::grpc::FILE_DESCRIPTOR_SET;
use beep_python_runtime::session::SessionManager;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Service = Box<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// The services that health is told of: this server as a whole, and each of its own.
const SERVICES: [&str; 5] = ["", "PythonService", "EventService", "SessionService", "VenvService"];

/// The services by the beginning of their routes.
pub(super) struct HealthReflection {
    services: Vec<(String, Service)>,
    reporter: HealthReporter,
    /// The last status: watchers hear of changes only.
    told_ready: Mutex<bool>,
}

impl HealthReflection {
    pub(super) async fn new() -> HealthReflection {
        let (reporter, health) = tonic_health::server::health_reporter();
        let described = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut services = vec![named(health)];
        services.extend(described().build_v1().map(named));
        services.extend(described().build_v1alpha().map(named));
        let standard = HealthReflection { services, reporter, told_ready: Mutex::new(true) };
        standard.report(ServingStatus::Serving).await;
        standard
    }

    /// Tells of each service whether calls can be served; never returns.
    pub(super) async fn follow(&self, sessions: &SessionManager) {
        let mut ready = true;
        loop {
            ready = sessions.readiness_after(ready).await;
            self.tell(ready).await;
        }
    }

    /// Tells, before health is asked for at this path, what is known now.
    pub(super) async fn refresh(&self, path: &str, sessions: &SessionManager) {
        if path.starts_with("/grpc.health.") {
            self.tell(sessions.not_ready().is_none()).await;
        }
    }

    async fn tell(&self, ready: bool) {
        let mut told = self.told_ready.lock().await;
        if *told != ready {
            self.report(if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            *told = ready;
        }
    }

    async fn report(&self, status: ServingStatus) {
        for service in SERVICES {
            let package = if service.is_empty() { "" } else { "beep.python.runtime." };
            self.reporter.set_service_status(format!("{package}{service}"), status).await;
        }
    }

    /// The service that a route leads to.
    pub(super) fn find(&self, path: &str) -> Option<&Service> {
        let (name, _) = path.strip_prefix('/')?.split_once('/')?;
        self.services.iter().find(|(known, _)| known == name).map(|(_, service)| service)
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
