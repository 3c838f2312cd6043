//! Servers as commands see them: found by what people have at hand, started for one command, described.

pub(crate) mod default_token;
pub(crate) mod launch;
pub(crate) mod lookup;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod tls;
