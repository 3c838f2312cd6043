//! Operations on environments, packages, providers and runtimes, as clients and Python code call them: async, with
//! [`Problem`](beep_python_protocol::Problem)s for errors.

mod packages;
mod providers;
pub(crate) mod service;
