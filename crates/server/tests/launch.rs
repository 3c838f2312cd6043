//! Servers as processes: started, found, stopped, killed. What runs as a server here is a shell script, or this very
//! test program by way of one.

#[path = "support/port.rs"]
#[allow(unreachable_pub)]
mod port;

mod launch {
    mod records;
    mod starting;
    mod stopping;
    mod test_home;
    mod tiny_server;
}
