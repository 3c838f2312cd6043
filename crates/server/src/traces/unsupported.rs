//! A build without the feature `otel`, which exports nothing.

use beep_python_protocol::{CallOptions, HostOperation, Operation};

use crate::metrics::method::Method;
use crate::metrics::outcome::Outcome;
use crate::traces::variables::{asked_for, variable};
use crate::transport::Transport;

/// Whether spans were asked for.
#[derive(Clone, Debug, Default)]
pub struct TraceSettings {
    is_asked_for: bool,
}

impl TraceSettings {
    /// What the variables of this process say.
    pub fn from_environment() -> TraceSettings {
        TraceSettings { is_asked_for: asked_for(variable, &mut Vec::new()) }
    }
}

/// Tells who asked for spans that there will be none.
pub(crate) fn start(settings: &TraceSettings, _server: &str) {
    if settings.is_asked_for {
        tracing::warn!(
            "variables of OpenTelemetry ask for spans, which this build does not export: it was made without its feature `otel`"
        );
    }
}

pub(crate) async fn stop() {}

/// No span.
#[derive(Debug)]
pub(crate) struct CallTrace;

impl CallTrace {
    pub(crate) fn begin(_operation: Operation, _options: &mut CallOptions) -> CallTrace {
        CallTrace
    }

    pub(crate) fn of_host(_operation: HostOperation, _options: &CallOptions) -> CallTrace {
        CallTrace
    }

    pub(crate) fn end(&mut self, _transport: Transport, _method: Method, _outcome: Outcome) {}
}
