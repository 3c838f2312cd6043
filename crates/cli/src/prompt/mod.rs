//! A prompt for Python. What is typed runs in a session, and the session itself decides when a text is complete, how
//! names go on and what a value looks like.

mod highlight;
mod remote;
pub(crate) mod repl;
mod screen;
pub(crate) mod session_output;
mod traceback;
