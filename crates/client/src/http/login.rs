//! Letting a browser in.

use std::fmt;
use std::time::Duration;

/// An address that logs one browser in, see [`HttpBackend::create_login`](crate::HttpBackend::create_login).
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserLogin {
    /// The address, which is good once.
    pub url: String,
    /// For how long it is good.
    pub expires_in: Duration,
}

impl fmt::Debug for BrowserLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserLogin").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}
