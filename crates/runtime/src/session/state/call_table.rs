//! The calls of a session: queued, and in flight to its worker.

use std::collections::VecDeque;
use std::time::Instant;

use crate::session::call::CallId;
use crate::session::limits::{EffectiveLimits, needs_polling};
use crate::session::state::call_record::{InFlightCall, QueuedCall};
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{HostMessage, WireId};

/// The calls without an answer. As many as the shared page has slots are sent ahead, so that a worker never waits for the
/// host between two calls.
#[derive(Debug, Default)]
pub(crate) struct CallTable {
    last_call_id: u64,
    last_sequence: u64,
    queued: VecDeque<QueuedCall>,
    in_flight: [Option<InFlightCall>; SLOTS],
    in_flight_count: usize,
}

impl CallTable {
    pub(crate) fn next_call_id(&mut self) -> CallId {
        self.last_call_id += 1;
        CallId(self.last_call_id)
    }

    /// How many calls have no answer.
    pub(crate) fn len(&self) -> usize {
        self.queued.len() + self.in_flight_count
    }

    /// How many of them the worker has.
    pub(crate) fn in_flight_count(&self) -> usize {
        self.in_flight_count
    }

    /// How many of them have no answer that their caller knows. Those that will not start any more have one, though their worker
    /// has not passed them by.
    pub(crate) fn unanswered(&self) -> usize {
        self.queued.len() + self.in_flight().filter(|(_, call)| call.reply.is_some()).count()
    }

    pub(crate) fn push(&mut self, call: QueuedCall) {
        self.queued.push_back(call);
    }

    /// The request of the next queued call, which is in flight from now on; `None` while none waits, or no slot is free.
    pub(crate) fn send_next(&mut self, limits: EffectiveLimits, now: Instant) -> Option<HostMessage> {
        if self.in_flight_count == SLOTS {
            return None;
        }
        let call = self.queued.pop_front()?;
        let slot = self.in_flight.iter().position(Option::is_none)?;
        self.last_sequence += 1;
        let (request, in_flight) = call.sent(WireId::new(self.last_sequence, slot), limits, now);
        let (pipelined, events) = (self.in_flight_count > 0, in_flight.capabilities());
        self.in_flight[slot] = Some(in_flight);
        self.in_flight_count += 1;
        Some(HostMessage::Request { request, pipelined, events })
    }

    /// The call of this id, while it is in flight.
    pub(crate) fn get(&self, id: WireId) -> Option<&InFlightCall> {
        self.in_flight[id.slot()].as_ref().filter(|call| call.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: WireId) -> Option<&mut InFlightCall> {
        self.in_flight[id.slot()].as_mut().filter(|call| call.id == id)
    }

    /// Takes the call of this id, which has its answer.
    pub(crate) fn take(&mut self, id: WireId) -> Option<InFlightCall> {
        let call = self.in_flight[id.slot()].take_if(|call| call.id == id)?;
        self.in_flight_count -= 1;
        Some(call)
    }

    /// Takes the call out of the queue, if it still waits there.
    pub(crate) fn take_queued(&mut self, call_id: CallId) -> Option<QueuedCall> {
        let at = self.queued.iter().position(|call| call.call_id == call_id)?;
        self.queued.remove(at)
    }

    pub(crate) fn queued(&self) -> impl Iterator<Item = &QueuedCall> {
        self.queued.iter()
    }

    pub(crate) fn queued_mut(&mut self) -> impl Iterator<Item = &mut QueuedCall> {
        self.queued.iter_mut()
    }

    pub(crate) fn drain_queued(&mut self) -> impl Iterator<Item = QueuedCall> {
        self.queued.drain(..)
    }

    /// The calls in flight, each with its slot.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (usize, &InFlightCall)> {
        self.in_flight.iter().enumerate().filter_map(|(slot, call)| Some((slot, call.as_ref()?)))
    }

    pub(crate) fn in_flight_mut(&mut self) -> impl Iterator<Item = (usize, &mut InFlightCall)> {
        self.in_flight.iter_mut().enumerate().filter_map(|(slot, call)| Some((slot, call.as_mut()?)))
    }

    /// Takes all calls in flight, each with its slot: their worker is gone.
    pub(crate) fn take_in_flight(&mut self) -> Vec<(usize, InFlightCall)> {
        self.in_flight_count = 0;
        self.in_flight.iter_mut().enumerate().filter_map(|(slot, call)| Some((slot, call.take()?))).collect()
    }

    /// Whether any call has limits that only sampling shows to be exceeded.
    pub(crate) fn needs_polling(&self) -> bool {
        self.in_flight().any(|(_, call)| call.needs_polling)
            || self.queued.iter().any(|call| needs_polling(&call.request))
    }
}
