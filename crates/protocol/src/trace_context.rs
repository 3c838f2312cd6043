//! The trace that a call is part of, as W3C's Trace Context names it.

use std::sync::Arc;

use crate::CallOptions;

/// How long a `tracestate` may be: more than everyone has to pass on.
const LONGEST_STATE: usize = 4096;

/// The trace that a call is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Its id and that of the caller's span: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    pub traceparent: Arc<str>,
    /// What tracing systems note beside it: `vendor=value,other=value`.
    pub tracestate: Option<Arc<str>>,
}

impl CallOptions {
    /// The trace that the call is part of. As the standard says, one whose `traceparent` cannot be read is none, and no error.
    pub fn trace_context(&self) -> Option<TraceContext> {
        let traceparent = self.traceparent.clone().filter(|text| is_traceparent(text))?;
        let is_state =
            |state: &Arc<str>| !state.is_empty() && state.len() <= LONGEST_STATE && state.bytes().all(is_printable);
        Some(TraceContext { traceparent, tracestate: self.tracestate.clone().filter(is_state) })
    }
}

/// Version, trace, span and flags. Later versions may have more behind them.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length: usize| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (version, trace, span, flags) = (part(), part(), part(), part());
    let rest = parts.next();
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
        && text.len() <= LONGEST_STATE
        && rest.is_none_or(|rest| version != "00" && rest.bytes().all(is_printable))
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_context_is_none() {
        for (text, is_one) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", false),
            ("", false),
        ] {
            let options = CallOptions { traceparent: Some(text.into()), ..CallOptions::default() };
            assert_eq!(options.trace_context().is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn state_that_cannot_be_passed_on_is_left_out() {
        let state = |text: &str| {
            let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
            let options = CallOptions { traceparent, tracestate: Some(text.into()), ..CallOptions::default() };
            options.trace_context().unwrap().tracestate
        };
        assert_eq!(state("a=1,b=2").as_deref(), Some("a=1,b=2"));
        assert_eq!([state(""), state("a=ä"), state("a=\n"), state(&"x".repeat(5000))], [None, None, None, None]);
    }
}
