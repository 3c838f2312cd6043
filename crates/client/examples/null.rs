//! A server that does nothing: whatever comes is answered with the same line, unread. What a call takes here of the
//! processors is taken by the kernel and the client, so that no server on the same machine can do more at once. (How long one call
//! takes alone depends on which CPUs sleep meanwhile, and may well be less elsewhere.)
//!
//! `null PATH` listens there, with one thread, until it is ended.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::epoll;

type Failure = Box<dyn std::error::Error>;

const ANSWER: &[u8] = b"{\"result\":{\"value\":2}}\n";
const LISTENER: u64 = 0;

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("usage: null PATH")?;
    let listener = UnixListener::bind(path)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let watch = |fd: &dyn std::os::fd::AsFd, number| {
        epoll::add(&poll, fd.as_fd(), epoll::EventData::new_u64(number), epoll::EventFlags::IN)
    };
    watch(&listener, LISTENER)?;
    let mut clients: HashMap<u64, UnixStream> = HashMap::new();
    let mut last = LISTENER;
    let (mut events, mut unread) = (Vec::with_capacity(64), [0; 65536]);
    loop {
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                last += 1;
                let (client, _) = listener.accept()?;
                watch(&client, last)?;
                clients.insert(last, client);
            } else if let Some(client) = clients.get_mut(&number)
                && !answered(client, &mut unread)
            {
                clients.remove(&number);
            }
        }
    }
}

/// False when the client is gone.
fn answered(client: &mut UnixStream, unread: &mut [u8]) -> bool {
    client.read(unread).is_ok_and(|read| read > 0) && client.write_all(ANSWER).is_ok()
}
