//! The span of a call.

use beep_python_protocol::{CallOptions, DEFAULT_SESSION, GrpcCode, HostOperation, Operation, TraceContext};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::metrics::method::Method;
use crate::metrics::outcome::Outcome;
use crate::traces::export::tracer;
use crate::transport::Transport;

/// The span of a call that is under way; none where spans are not exported.
#[derive(Debug)]
pub(crate) struct CallTrace(Option<Box<Span>>);

impl CallTrace {
    /// That of a call with these options, which get it in place of the client's, for the call's code.
    ///
    /// A call within a callback that names no trace, and the answer to a question, are part of the call around them, whose span their
    /// code has.
    pub(crate) fn begin(operation: Operation, options: &mut CallOptions) -> CallTrace {
        let Some(tracer) = tracer() else { return CallTrace(None) };
        let parent = options.trace_context();
        if parent.is_none() && (options.callback.is_some() || operation == Operation::Answer) {
            return CallTrace(None);
        }
        let mut span = start(tracer, parent.as_ref());
        options.traceparent = Some(traceparent(span.span_context()).into());
        // Without a parent it is the state of nothing.
        options.tracestate = parent.and_then(|parent| parent.tracestate);
        let own = || (!options.is_isolated()).then(|| DEFAULT_SESSION.into());
        if let Some(session) = options.session.clone().or_else(own) {
            span.set_attribute(KeyValue::new("beep.session.id", session));
        }
        if let Some(request) = options.request_id.clone() {
            span.set_attribute(KeyValue::new("beep.request.id", request));
        }
        CallTrace(Some(Box::new(span)))
    }

    /// That of a request to the server itself. Questions for its health, which are many and tell nothing, have one only where their
    /// client has.
    pub(crate) fn of_host(operation: HostOperation, options: &CallOptions) -> CallTrace {
        let Some(tracer) = tracer() else { return CallTrace(None) };
        let parent = options.trace_context();
        let is_told = parent.is_some() || operation != HostOperation::Health;
        CallTrace(is_told.then(|| Box::new(start(tracer, parent.as_ref()))))
    }

    /// The call has ended so.
    pub(crate) fn end(&mut self, transport: Transport, method: Method, outcome: Outcome) {
        let Some(mut span) = self.0.take().filter(|span| span.is_recording()) else { return };
        let name = method.to_string();
        span.update_name(name.clone());
        span.set_attribute(KeyValue::new("rpc.system.name", transport.name()));
        span.set_attribute(KeyValue::new("rpc.method", name));
        let status = outcome.grpc_code();
        if transport == Transport::Grpc {
            span.set_attribute(KeyValue::new("rpc.response.status_code", status.as_str()));
        }
        if outcome != Outcome::Success {
            span.set_attribute(KeyValue::new("error.type", outcome.error_type()));
        }
        if is_error(status) {
            span.set_status(Status::error(outcome.error_type()));
        }
        span.end();
    }
}

fn start(tracer: &SdkTracer, parent: Option<&TraceContext>) -> Span {
    let around = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(remote(parent)));
    tracer.build_with_context(SpanBuilder::from_name("call").with_kind(SpanKind::Server), &around)
}

/// The client's span.
fn remote(TraceContext { traceparent, tracestate }: &TraceContext) -> SpanContext {
    let mut parts = traceparent.split('-').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let trace = TraceId::from_hex(part()).unwrap_or(TraceId::INVALID);
    let span = SpanId::from_hex(part()).unwrap_or(SpanId::INVALID);
    let flags = TraceFlags::new(u8::from_str_radix(part(), 16).unwrap_or_default());
    let state = tracestate.as_ref().and_then(|state| state.parse().ok()).unwrap_or_default();
    SpanContext::new(trace, span, flags, true, state)
}

fn traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Whether a call that ended so is the server's error, or that of its code: not where the client alone is at fault.
fn is_error(status: GrpcCode) -> bool {
    matches!(
        status,
        GrpcCode::Unknown
            | GrpcCode::DeadlineExceeded
            | GrpcCode::Unimplemented
            | GrpcCode::Internal
            | GrpcCode::Unavailable
            | GrpcCode::DataLoss
    )
}
