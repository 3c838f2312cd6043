//! A prompt for Python. What is typed runs in a session, and the session itself decides how names go on and what a value looks
//! like. When a text is complete is told without it: it may be busy.

mod highlight;
mod remote;
pub(crate) mod repl;
mod screen;
pub(crate) mod session_output;
mod source;
mod traceback;
