//! Calls that are carried out while Python waits for the answer to a callback: each ends, and can be stopped, by itself.

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm};
use bytes::{Buf, BufMut, BytesMut};

use super::Answer;
use super::caps::{Caps, Terms};
use super::questions::Way;
use super::unanswered::stopped;
use super::under_way::{Flying, Pending};
use crate::worker::{Body, SLOTS, Slots, encode_frames, kind};

/// The nested calls of a session that have no answer yet. Their slots on the page follow those of the other calls.
#[derive(Debug, Default)]
pub(super) struct NestedCalls {
    last_sequence: u64,
    calls: [Option<Nested>; SLOTS],
}

#[derive(Debug)]
struct Nested {
    /// The id of the call that waits for the callback.
    around: u64,
    flying: Flying,
}

impl NestedCalls {
    /// Sends one to the thread that waits, for a call of the id `around`; `caps` are those of the session. The call
    /// itself where there is no room for it.
    pub(super) fn send(
        &mut self,
        pending: Pending,
        way: &Way,
        around: u64,
        caps: Caps,
        slots: &Slots,
    ) -> Result<(), Pending> {
        let Some(place) = self.calls.iter().position(Option::is_none) else { return Err(pending) };
        slots.clear(SLOTS + place);
        self.last_sequence += 1;
        let id = self.last_sequence * SLOTS as u64 + place as u64;
        let request = &pending.request;
        let terms = Terms::of(request).written().unwrap_or_default();
        let mut body = BytesMut::with_capacity(14 + terms.len() + request.body.len());
        body.put_u8(request.operation.number());
        body.put_u8(u8::from(request.form == ValueForm::Exact));
        body.put_u64_le(id);
        body.put_u32_le(terms.len() as u32);
        body.put_slice(&terms);
        body.put_slice(&request.body);
        way.outbox.put(|out| encode_frames(out, kind::NESTED, 0, way.host_call, &body));
        self.calls[place] = Some(Nested { around, flying: pending.sent(id, caps) });
        Ok(())
    }

    /// Takes the call that an answer belongs to, with the kind and the body of that: u64 id, u8 kind, the body.
    pub(super) fn answered(&mut self, answer: Body) -> Option<(Flying, u8, Body)> {
        let mut body = answer.contiguous();
        let (id, kind) = (body.try_get_u64_le().ok()?, body.try_get_u8().ok()?);
        let place = &mut self.calls[(id % SLOTS as u64) as usize];
        let nested = place.take_if(|nested| nested.flying.id == id)?;
        Some((nested.flying, kind, Body::from(body)))
    }

    /// Those that the caller has no answer to, each with its slot.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Flying)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(place, nested)| Some((SLOTS + place, &mut nested.as_mut()?.flying)))
    }

    /// All of them, each with its slot; the worker is gone.
    pub(super) fn take(&mut self) -> Vec<(usize, Flying)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(place, nested)| Some((SLOTS + place, nested.take()?.flying))).collect()
    }

    /// The call of this id has ended: what is left of those within it will not be carried out.
    pub(super) fn end_within(&mut self, around: u64, slots: Option<&Slots>, epoch: u64) {
        for (place, nested) in self.calls.iter_mut().enumerate() {
            let Some(Nested { flying, .. }) = nested.take_if(|nested| nested.around == around) else { continue };
            let started = slots.is_some_and(|slots| slots.started(SLOTS + place));
            flying.finish(
                |stopping| {
                    Answer::Problem(Box::new(if started {
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
