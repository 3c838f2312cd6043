//! Tests of the transitions, without a Python, a task or a clock.

mod fixture;
mod histories;
mod transitions;
