//! What is told of a loss that no call has met.
//!
//! A call that took too much memory and stopped waits until its session was measured again, a few milliseconds: then it is known
//! whether the session can keep its state. And where a worker is killed while no call is there to be told, the next one is.

use beep_python_protocol::{ErrorCode, Operation, WorkerDeath};

use crate::session::call::{CallResult, Request};
use crate::session::error::{KillReason, kept_for_now, worker_lost_error};
use crate::session::state::call_record::InFlightCall;
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::state::SessionState;
use crate::session::state::untold::{TooLarge, UntoldLoss};

impl SessionState {
    /// Answers a call, unless its session has to be measured before.
    pub(super) fn finish(&mut self, call: InFlightCall, result: CallResult, effects: &mut Effects) {
        if self.limits_memory && call.stopping == Some(ErrorCode::MemoryExceeded) {
            self.settling.0.push((call, result));
            effects.push(Effect::PollUsage);
        } else {
            call.finish(result, self.stats.epoch, effects);
        }
    }

    /// Whether a call waits for the memory to be measured.
    pub(crate) fn is_settling(&self) -> bool {
        !self.settling.0.is_empty()
    }

    /// Kills the worker of a session that was beyond a limit while no call ran. Where a call has just been stopped for that, the
    /// sample may be of the time before its end: it waits for another.
    pub(crate) fn kill_over_limit(&mut self, limit: ErrorCode, effects: &mut Effects) {
        if !self.is_settling() {
            self.kill(KillReason::LimitExceeded(limit), effects);
        }
    }

    /// The memory was measured: answers the calls.
    pub(crate) fn settle(&mut self, too_large: Option<TooLarge>, effects: &mut Effects) {
        for (call, mut result) in std::mem::take(&mut self.settling.0) {
            if let (CallResult::Problem(problem), Some(too_large)) = (&mut result, too_large) {
                problem.detail = kept_for_now(&problem.detail, too_large.held, too_large.limit, too_large.time);
            }
            call.finish(result, self.stats.epoch, effects);
        }
    }

    /// The worker is gone before it was measured.
    pub(super) fn settle_as_lost(&mut self, death: &WorkerDeath, why: Option<KillReason>, effects: &mut Effects) {
        for (call, _) in std::mem::take(&mut self.settling.0) {
            call.finish(worker_lost_error(death, true, why).into(), self.stats.epoch, effects);
        }
    }

    /// Notes that a worker has ended that calls had run in, unless a client asked for that.
    pub(super) fn note_untold_loss(&mut self, death: &WorkerDeath, why: Option<KillReason>) {
        let by_itself = matches!(why, None | Some(KillReason::LimitExceeded(_) | KillReason::WorkerStuck));
        if by_itself && self.stats.last_call_ended_at.is_some() {
            self.untold_loss = Some(UntoldLoss { death: death.clone(), why });
        }
    }

    /// What this call is told in place of its answer: the state that it counts on is lost. What only gives back handles does not ask.
    pub(super) fn tell_of_loss(&mut self, request: &Request) -> Option<CallResult> {
        if matches!(request.operation, Operation::Dispose | Operation::Renew) {
            return None;
        }
        let UntoldLoss { death, why } = self.untold_loss.take()?;
        Some(worker_lost_error(&death, false, why).into())
    }
}
