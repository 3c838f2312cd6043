//! Tests of the transitions, without a Python, a task or a clock.

mod calls;
mod events;
mod fixture;
mod histories;
mod kept_callbacks;
mod lifecycle;
mod running;
