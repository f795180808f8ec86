//! One connection to an instance. It has no task of its own: whoever waits for something of it gives it its turns, so a request and its
//! answer are one task's work from the client's socket to the instance's and back.
//! Refuses to be waited on while nobody gives it turns: all waiting goes through here.

use crate::body::{Fault, HELD_BYTES, Ingress};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes of an answer's headers; more is a broken answer.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// A connection is ready for the next request this long after its last answer's end.
const SETTLES: Duration = Duration::from_millis(5);

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection, and what requests are sent on it by.
pub(crate) struct Wire {
    sender: SendRequest<Ingress>,
    /// None once it has ended: whatever still waits in it is given back when it is dropped.
    connection: Option<Connection>,
}

impl Wire {
    /// Speaks HTTP/1.1 over a stream.
    pub(crate) async fn over(stream: TcpStream) -> io::Result<Wire> {
        let mut builder = Builder::new();
        builder.max_header_size(HEADER_BYTES_MAX).writev(false).max_buf_size(HELD_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Wire { sender, connection: Some(Box::pin(connection.with_upgrades())) })
    }

    /// True once no request can be sent on it any more, as far as was seen at its last turn.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_none() || self.sender.is_closed()
    }

    /// True while it takes a request, as far as was seen at its last turn.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_closed() && self.sender.is_ready()
    }

    /// Whether it takes a request now: one that was put back a moment ago may still have its last answer's end to look at, and one that
    /// needs longer is not worth it.
    pub(crate) async fn is_settled(&mut self) -> bool {
        if poll_fn(|cx| Poll::Ready(self.settles(cx))).await == Poll::Ready(true) {
            return true;
        }
        matches!(Box::pin(tokio::time::timeout(SETTLES, poll_fn(|cx| self.settles(cx)))).await, Ok(true))
    }

    fn settles(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.turn(cx);
        if self.is_closed() {
            return Poll::Ready(false);
        }
        if self.is_ready() { Poll::Ready(true) } else { self.sender.poll_ready(cx).map(|ready| ready.is_ok()) }
    }

    /// Sends a request and waits for its answer's head. A request of which nothing was sent comes back with the error.
    pub(crate) async fn send(&mut self, request: Request<Ingress>) -> Result<Response<Incoming>, TrySendError<Request<Ingress>>> {
        // It becomes ready at our own turns alone, so it has nobody to wake, and no budget to run out of without waking.
        let mut answer = pin!(tokio::task::unconstrained(self.sender.try_send_request(request)));
        let connection = &mut self.connection;
        poll_fn(|cx| {
            turn(connection, cx);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// The next piece of the answer's body.
    pub(crate) fn poll_frame(&mut self, body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let quiet = &mut Context::from_waker(Waker::noop());
        let mut polled = Pin::new(&mut *body).poll_frame(quiet);
        if polled.is_pending() {
            // It was told that more is wanted.
            self.turn(cx);
            polled = Pin::new(body).poll_frame(quiet);
        }
        polled.map_err(|_| Fault::Broken)
    }

    /// Gives it turns until it has ended, as for a connection that becomes something else.
    pub(crate) async fn run(mut self) {
        if let Some(connection) = self.connection.take() {
            // Its errors come back through whoever uses what it became.
            drop(connection.await);
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
        turn(&mut self.connection, cx);
    }
}

/// Lets a connection do what there is to do.
fn turn(connection: &mut Option<Connection>, cx: &mut Context<'_>) {
    if connection.as_mut().is_some_and(|running| running.as_mut().poll(cx).is_ready()) {
        *connection = None;
    }
}
