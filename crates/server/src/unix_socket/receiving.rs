//! A request whose data come after its line.

use std::collections::VecDeque;
use std::io::{self, Write};

use beep_python_memory::MemoryWriter;
use beep_python_protocol::{DataDescriptor, ErrorCode, Problem};
use beep_python_runtime::session::service::attach::Attachment;
use tokio::time::Instant;

use crate::unix_socket::data::Attached;
use crate::unix_socket::request::{Request, RequestError};

/// A request, or what is wrong with it, until its data are complete: they are read in any case.
pub(super) struct Receiving {
    request: Result<Request, RequestError>,
    /// The datum that comes now, and what is missing of it.
    current: Option<(DataDescriptor, u64, io::Result<MemoryWriter>)>,
    waiting: VecDeque<DataDescriptor>,
    done: Vec<Attached>,
    /// When bytes came last.
    pub(super) since: Instant,
}

impl Receiving {
    pub(super) fn new(request: Result<Request, RequestError>, data: Vec<DataDescriptor>) -> Receiving {
        let mut receiving =
            Receiving { request, current: None, waiting: data.into(), done: Vec::new(), since: Instant::now() };
        receiving.advance();
        receiving
    }

    /// Takes what belongs to the data. Returns how many bytes that were.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some((_, left, writer)) = &mut self.current
            && taken < bytes.len()
        {
            let part = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - taken);
            if let Ok(open) = writer
                && let Err(error) = open.write_all(&bytes[taken..taken + part])
            {
                *writer = Err(error); // the rest is read all the same, so that the next line is found
            }
            (taken, *left) = (taken + part, *left - part as u64);
            self.advance();
        }
        self.since = Instant::now();
        taken
    }

    /// Goes on to the next datum that is not complete.
    fn advance(&mut self) {
        loop {
            match self.current.take() {
                Some((descriptor, 0, writer)) => self.finish(descriptor, writer),
                Some(unfinished) => {
                    self.current = Some(unfinished);
                    return;
                }
                None => {}
            }
            let Some(next) = self.waiting.pop_front() else { return };
            self.current = Some((next.clone(), next.byte_length, MemoryWriter::create()));
        }
    }

    fn finish(&mut self, descriptor: DataDescriptor, writer: io::Result<MemoryWriter>) {
        let memory = writer.and_then(|writer| writer.finish().map_err(io::Error::other));
        match memory {
            // What lies in memory of its own begins at its beginning.
            Ok(memory) => {
                let descriptor = DataDescriptor { offset: 0, shared: false, ..descriptor };
                self.done.push(Attached::Memory(Attachment { descriptor, memory }));
            }
            Err(error) => {
                let id = match &self.request {
                    Ok(request) => request.id.clone(),
                    Err(error) => error.id.clone(),
                };
                let problem = Problem::new(ErrorCode::Internal, format!("the data cannot be kept: {error}"));
                self.request = Err(RequestError { id, problem: Box::new(problem) });
            }
        }
    }

    /// The request with its data, once they are complete.
    pub(super) fn complete(self) -> Result<Result<Request, RequestError>, Receiving> {
        if self.current.is_some() {
            return Err(self);
        }
        Ok(self.request.map(|request| Request { attached: self.done, ..request }))
    }
}
