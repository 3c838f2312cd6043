//! From the lines that have come to requests, and to calls.

use std::io;
use std::os::fd::AsFd;

use beep_python_protocol::{DataDescriptor, ErrorCode, HostOperation, Problem};
use beep_python_runtime::session::service::attach::MAX_ATTACHED;
use futures_util::StreamExt;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Connection;
use crate::auth::{AccessDenied, PendingConnection};
use crate::bounds::RequestPlace;
use crate::metrics::observed::Observed;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::unix_socket::incoming::watch_hangup;
use crate::unix_socket::line_decoder::{LINE_TIMEOUT, TooLong};
use crate::unix_socket::receiving::Receiving;
use crate::unix_socket::refusals::{still_in_progress, too_long, too_much_data};
use crate::unix_socket::reply;
use crate::unix_socket::request::{self, Command, LineData, Read, Request, RequestError};
use crate::unix_socket::respond::{Response, subscribe};

impl<R, F> Connection<R, F>
where
    R: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    /// Accepts whole lines while there is room for their requests. Returns whether whole lines may be left.
    pub(super) fn accept_lines(&mut self, socket: &UnixStream, pending: &PendingConnection) -> io::Result<bool> {
        while self.last_words.is_none() && !self.stopped && self.has_room() {
            if let Some(mut receiving) = self.receiving.take() {
                let taken = receiving.take(self.lines.rest());
                self.lines.skip(taken);
                match receiving.complete() {
                    Ok(request) => self.take(request, socket)?,
                    Err(incomplete) => {
                        self.receiving = Some(incomplete);
                        return Ok(false);
                    }
                }
                continue;
            }
            match self.lines.next() {
                Ok(Some(line)) => {
                    self.has_asked = true;
                    tracing::trace!(bytes = line.len(), "line received");
                    let Read { request, data, token } = request::read(&line);
                    if self.permissions.is_none() {
                        match self.server.access.authorize_pipe(pending, token.as_deref()) {
                            Ok(permissions) => self.permissions = Some(permissions),
                            Err(denied) => {
                                self.refuse(denied);
                                continue;
                            }
                        }
                    }
                    match data {
                        LineData::None => self.take(request, socket)?,
                        LineData::Inline(data) => self.receive(request, data),
                        LineData::Descriptors(data) => {
                            let request = request.and_then(|request| self.claim_descriptors(request, data));
                            self.take(request, socket)?;
                        }
                        LineData::Unknown => {
                            self.take(request, socket)?;
                            let detail = "the line before names data that follow it, and cannot be read: \
                                nothing tells where the next line begins; the connection ends";
                            self.last_words = Some(Problem::new(ErrorCode::InvalidRequest, detail));
                        }
                    }
                }
                Ok(None) => return Ok(false),
                Err(TooLong) => self.last_words = Some(too_long(self.longest)),
            }
        }
        Ok(true)
    }

    fn take(&mut self, request: Result<Request, RequestError>, socket: &UnixStream) -> io::Result<()> {
        match request {
            Ok(request) => self.accept(request, socket),
            Err(error) => {
                self.reject(error);
                Ok(())
            }
        }
    }

    /// Ends the connection, whose first line showed no good token.
    fn refuse(&mut self, denied: AccessDenied) {
        self.last_words = Some(Problem::from(denied));
    }

    /// Data follow the line of this request.
    fn receive(&mut self, request: Result<Request, RequestError>, data: Vec<DataDescriptor>) {
        let limit = self.server.access.max_data_bytes();
        let bytes = data.iter().fold(0_u64, |sum, one| sum.saturating_add(one.byte_length));
        if bytes > limit || data.len() > MAX_ATTACHED {
            self.last_words = Some(too_much_data(data.len(), bytes, limit));
        } else {
            self.receiving = Some(Receiving::new(request, data));
        }
    }

    /// The request with the memory whose descriptors came with its line.
    fn claim_descriptors(&mut self, request: Request, data: Vec<DataDescriptor>) -> Result<Request, RequestError> {
        match self.descriptors.claim(data, self.server.access.max_data_bytes()) {
            Ok(attached) => Ok(Request { attached, ..request }),
            Err(problem) => Err(RequestError { id: request.id, problem: Box::new(problem) }),
        }
    }

    /// When more of a line, or of data, must have come.
    pub(super) fn read_deadline(&self) -> Option<Instant> {
        match &self.receiving {
            Some(receiving) => Some(receiving.since + LINE_TIMEOUT),
            None => self.lines.deadline(),
        }
    }

    fn accept(&mut self, mut request: Request, socket: &UnixStream) -> io::Result<()> {
        if let Command::Host(what) = request.command
            && let Some(Err(problem)) = self.permissions.map(|may| may.check(what, &request.payload))
        {
            let trace = CallTrace::of_host(what, &request.options);
            let observe = || Observed::begin(Transport::Pipe, what, &request.payload, trace);
            spans::host_request(what, None).in_scope(observe).end::<Vec<u8>>(Err(&problem));
            self.reject(RequestError { id: request.id, problem: Box::new(problem) });
            return Ok(());
        }
        match self.place_of(request.command) {
            Ok(place) => request.place = place,
            Err(problem) => {
                self.reject(RequestError { id: request.id, problem: Box::new(problem) });
                return Ok(());
            }
        }
        if let Some(id) = &request.id
            && !self.ids.insert(id.clone())
        {
            self.out.push(reply::error(Some(id), &still_in_progress(id)));
            return Ok(());
        }
        match request.command {
            _ if request.command.has_events(&request.options) => {
                if self.hangup.is_none() {
                    self.hangup = Some(watch_hangup(socket.as_fd().try_clone_to_owned()?)?);
                }
                self.subscriptions.push(subscribe(&self.server, &self.client, request).boxed());
            }
            _ if request.id.is_some() => self.calls.push((self.respond)(request)),
            _ if self.ordered_busy => self.ordered_queue.push_back(Ok(request)),
            _ => {
                self.ordered_busy = true;
                self.calls.push((self.respond)(request));
            }
        }
        Ok(())
    }

    /// The place of a request among all of the server; health needs none. A connection in a place that is kept back has one request.
    fn place_of(&mut self, command: Command) -> Result<Option<RequestPlace>, Problem> {
        let refusal = self.place.refusal();
        self.stopped |= refusal.is_some();
        match (command, refusal) {
            (Command::Host(HostOperation::Health), _) => Ok(None),
            (_, Some(refusal)) => Err(refusal.clone()),
            (_, None) => self.server.bounds.begin_request().map(Some),
        }
    }

    fn reject(&mut self, error: RequestError) {
        match error {
            RequestError { id: None, problem } if self.ordered_busy => self.ordered_queue.push_back(Err(problem)),
            RequestError { id, problem } => self.out.push(reply::error(id.as_ref(), &problem)),
        }
    }
}
