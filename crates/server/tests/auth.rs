//! The door from outside: which requests pass, and whether the kernel's answer about a peer can be relied on.

mod door {
    mod authorize;
    mod peer;
}
