//! Using a socket once it is ready.
//!
//! As `UnixStream::async_io`, which puts a waiter into a list at every poll, and takes it out again: the loop of a connection
//! polls several times for each request. Here the socket keeps one waker for each direction, so only one task may wait.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Reads once there is something.
pub(super) async fn when_readable<T>(socket: &UnixStream, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    poll_fn(|cx| {
        loop {
            ready!(socket.poll_read_ready(cx))?;
            if let Some(result) = unless_blocked(socket.try_io(Interest::READABLE, &mut read)) {
                return Poll::Ready(result);
            }
        }
    })
    .await
}

/// Writes once the socket takes something.
pub(super) async fn when_writable<T>(socket: &UnixStream, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    poll_fn(|cx| {
        loop {
            ready!(socket.poll_write_ready(cx))?;
            if let Some(result) = unless_blocked(socket.try_io(Interest::WRITABLE, &mut write)) {
                return Poll::Ready(result);
            }
        }
    })
    .await
}

fn unless_blocked<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}
