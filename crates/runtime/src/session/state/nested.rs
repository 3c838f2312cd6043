//! Nested calls: they run on the thread that waits for the answer to a callback. Each ends, and can be stopped, by itself.

use std::time::Instant;

use beep_python_protocol::{ErrorCode, Outcome, Problem};

use crate::session::call::CallId;
use crate::session::error::cancelled_error;
use crate::session::limits::EffectiveLimits;
use crate::session::state::call_record::{InFlightCall, QueuedCall};
use crate::session::state::client_requests::NestedRoute;
use crate::session::state::effect::Effects;
use crate::worker::process_group::ProcessMark;
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{HostMessage, WireId};

/// The nested calls of a session. Their slots on the shared page follow those of the other calls.
#[derive(Debug, Default)]
pub(crate) struct NestedCalls {
    last_sequence: u64,
    calls: [Option<NestedCall>; SLOTS],
}

#[derive(Debug)]
struct NestedCall {
    /// The call whose callback waits.
    around: WireId,
    call: InFlightCall,
    began: ProcessMark,
}

impl NestedCalls {
    /// The request for a nested call, which is in flight from now on; the call itself where all slots are taken.
    pub(crate) fn send(
        &mut self,
        call: QueuedCall,
        route: NestedRoute,
        limits: EffectiveLimits,
        (now, began): (Instant, ProcessMark),
    ) -> Result<HostMessage, QueuedCall> {
        let Some(slot) = self.calls.iter().position(Option::is_none) else { return Err(call) };
        self.last_sequence += 1;
        let (request, call) = call.sent(WireId::new(self.last_sequence, slot), limits, now);
        self.calls[slot] = Some(NestedCall { around: route.call, call, began });
        Ok(HostMessage::Nested { host_call: route.host_call, request })
    }

    /// Takes the nested call of this id, which has its answer.
    pub(crate) fn take(&mut self, id: WireId) -> Option<InFlightCall> {
        self.calls[id.slot()].take_if(|nested| nested.call.id == id).map(|nested| nested.call)
    }

    /// When a nested call began, if this is one.
    pub(crate) fn began(&self, call_id: CallId) -> Option<ProcessMark> {
        self.calls.iter().flatten().find(|nested| nested.call.call_id == call_id).map(|nested| nested.began)
    }

    /// The nested calls, each with its slot on the page.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut InFlightCall)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(slot, nested)| Some((SLOTS + slot, &mut nested.as_mut()?.call)))
    }

    /// Those within this call.
    pub(crate) fn within(&self, around: WireId) -> impl Iterator<Item = &InFlightCall> {
        self.calls.iter().flatten().filter(move |nested| nested.around == around).map(|nested| &nested.call)
    }

    /// Takes all of them, each with its slot on the page: their worker is gone.
    pub(crate) fn take_all(&mut self) -> Vec<(usize, InFlightCall)> {
        let all = self.calls.iter_mut().enumerate();
        all.filter_map(|(slot, nested)| Some((SLOTS + slot, nested.take()?.call))).collect()
    }

    /// Ends what is left of the calls within a call that has ended: the worker will not answer them.
    pub(crate) fn end_within(
        &mut self,
        around: WireId,
        started: impl Fn(usize) -> bool,
        epoch: u64,
        effects: &mut Effects,
    ) {
        for (slot, nested) in self.calls.iter_mut().enumerate() {
            let Some(NestedCall { call, .. }) = nested.take_if(|nested| nested.around == around) else { continue };
            let problem = if started(SLOTS + slot) {
                cancelled_error(call.stopping.unwrap_or(ErrorCode::Cancelled), Outcome::StateKept)
            } else {
                let detail = "the callback was answered, or its call ended, before this call was carried out";
                Problem { started: Some(false), ..Problem::new(ErrorCode::UnknownQuestion, detail) }
            };
            call.finish(problem.into(), epoch, effects);
        }
    }
}
