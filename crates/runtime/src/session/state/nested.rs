//! Calls that are carried out while Python waits for the answer to a callback: each ends, and can be stopped, by itself.

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm};
use bytes::{Buf, BufMut, BytesMut};

use crate::session::call::CallResult;
use crate::session::effective_limits::{EffectiveLimits, RequestLimits};
use crate::session::error::stopped;
use crate::session::state::call_record::{InFlightCall, QueuedCall};
use crate::session::state::client_requests::Way;
use crate::worker::frame::{Body, encode as encode_frames, kind};
use crate::worker::shared_page::{SLOTS, SharedPage};

/// The nested calls of a session that have no answer yet. Their slots on the page follow those of the other calls.
#[derive(Debug, Default)]
pub(crate) struct NestedCalls {
    last_sequence: u64,
    calls: [Option<Nested>; SLOTS],
}

#[derive(Debug)]
struct Nested {
    /// The id of the call that waits for the callback.
    around: u64,
    in_flight: InFlightCall,
}

impl NestedCalls {
    /// Sends one to the thread that waits, for a call of the id `around`; `caps` are those of the session. The call
    /// itself where there is no room for it.
    pub(crate) fn send(
        &mut self,
        pending: QueuedCall,
        way: &Way,
        around: u64,
        caps: EffectiveLimits,
        slots: &SharedPage,
    ) -> Result<(), QueuedCall> {
        let Some(place) = self.calls.iter().position(Option::is_none) else { return Err(pending) };
        slots.clear(SLOTS + place);
        self.last_sequence += 1;
        let id = self.last_sequence * SLOTS as u64 + place as u64;
        let request = &pending.request;
        let terms = RequestLimits::of(request).written().unwrap_or_default();
        let mut body = BytesMut::with_capacity(14 + terms.len() + request.body.len());
        body.put_u8(request.operation.number());
        body.put_u8(u8::from(request.form == ValueForm::Exact));
        body.put_u64_le(id);
        body.put_u32_le(terms.len() as u32);
        body.put_slice(&terms);
        body.put_slice(&request.body);
        way.outbox.push(|out| encode_frames(out, kind::NESTED, 0, way.host_call, &body));
        self.calls[place] = Some(Nested { around, in_flight: pending.sent(id, caps) });
        Ok(())
    }

    /// Takes the call that an answer belongs to, with the kind and the body of that: u64 id, u8 kind, the body.
    pub(crate) fn answered(&mut self, answer: Body) -> Option<(InFlightCall, u8, Body)> {
        let mut body = answer.contiguous();
        let (id, kind) = (body.try_get_u64_le().ok()?, body.try_get_u8().ok()?);
        let place = &mut self.calls[(id % SLOTS as u64) as usize];
        let nested = place.take_if(|nested| nested.in_flight.id == id)?;
        Some((nested.in_flight, kind, Body::from(body)))
    }

    /// Those that the caller has no answer to, each with its slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut InFlightCall)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(place, nested)| Some((SLOTS + place, &mut nested.as_mut()?.in_flight)))
    }

    /// All of them, each with its slot; the worker is gone.
    pub(crate) fn take(&mut self) -> Vec<(usize, InFlightCall)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(place, nested)| Some((SLOTS + place, nested.take()?.in_flight))).collect()
    }

    /// The call of this id has ended: what is left of those within it will not be carried out.
    pub(crate) fn end_within(&mut self, around: u64, slots: Option<&SharedPage>, epoch: u64) {
        for (place, nested) in self.calls.iter_mut().enumerate() {
            let Some(Nested { in_flight, .. }) = nested.take_if(|nested| nested.around == around) else { continue };
            let started = slots.is_some_and(|slots| slots.started(SLOTS + place));
            in_flight.finish(
                |stopping| {
                    CallResult::Problem(Box::new(if started {
                        stopped(stopping.unwrap_or(ErrorCode::Cancelled), Outcome::StateKept)
                    } else {
                        let detail = "the callback was answered, or its call ended, before this call was carried out";
                        Problem { started: Some(false), ..Problem::new(ErrorCode::UnknownQuestion, detail) }
                    }))
                },
                epoch,
            );
        }
    }
}
