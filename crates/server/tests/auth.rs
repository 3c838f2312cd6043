//! Authorization from outside: which requests pass, and whether the kernel names the right peer.

mod auth {
    mod authorize;
    mod peer;
}
