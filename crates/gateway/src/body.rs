//! Bodies on their way through, piece by piece: within limits of size and pace, without being kept.
//! Refuses a client that sends too much or too slowly, and an instance that stops in the middle of its answer.

use crate::cluster::Lease;
use crate::finish::Finish;
use crate::policy::Timeouts;
use crate::wire::Wire;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Bytes that one side of a connection holds on their way through, about: a connection keeps the room for them for as long as it lives.
pub(crate) const HELD_BYTES: usize = 64 << 10;

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// More bytes than the route takes.
    #[error("the body is too large")]
    TooLarge,
    /// Nothing came for too long, or too little.
    #[error("the body came too slowly")]
    TooSlow,
    /// The other end broke off.
    #[error("the body broke off")]
    Broken,
}

/// Where a request's body leaves word of why it ended, for who waits for the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note(Arc<AtomicU8>);

impl Note {
    fn leave(&self, fault: Fault) -> Fault {
        self.0.store(fault as u8 + 1, Ordering::Relaxed);
        fault
    }

    pub(crate) fn read(&self) -> Option<Fault> {
        [Fault::TooLarge, Fault::TooSlow, Fault::Broken].into_iter().find(|fault| *fault as u8 + 1 == self.0.load(Ordering::Relaxed))
    }
}

/// A request's body on its way to an instance.
pub(crate) enum Ingress {
    Empty,
    Whole(Option<Bytes>),
    Stream(Box<Guarded>),
}

/// A refusal would be lost if the connection were closed while its client still sends: so much more is read, for so long.
const LINGER_BYTES: u64 = 4 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A client's body under guard. What is left of it when it is dropped is read and thrown away, within bounds.
pub(crate) struct Guarded {
    body: Option<Incoming>,
    left: u64,
    note: Note,
    idle: Duration,
    bytes_per_s_min: u64,
    received: u64,
    /// Time spent waiting for the client, without the piece that is waited for now.
    waited: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub(crate) fn new(body: Incoming, timeouts: &Timeouts) -> Guarded {
        Guarded {
            body: Some(body),
            left: 0,
            note: Note::default(),
            idle: timeouts.body_idle,
            bytes_per_s_min: timeouts.body_bytes_per_s_min,
            received: 0,
            waited: Duration::ZERO,
            since: None,
            timer: None,
        }
    }

    /// Sets how many bytes it may have. False when it says itself that it has more.
    pub(crate) fn limit(&mut self, bytes: u64) -> bool {
        self.left = bytes;
        self.size_hint().lower() <= bytes
    }

    /// Where it leaves word of why it ended.
    pub(crate) fn note(&self) -> Note {
        self.note.clone()
    }

    /// Reads all of it.
    pub(crate) async fn whole(self) -> Result<Bytes, Fault> {
        Ok(self.collect().await?.to_bytes())
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Fault> {
        self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(tokio::time::Instant::now() + self.idle);
        }
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.note.leave(Fault::TooLarge))?;
        self.received += bytes;
        let beyond = self.waited.saturating_sub(self.idle);
        if self.received < beyond.as_secs() * self.bytes_per_s_min {
            return Err(self.note.leave(Fault::TooSlow));
        }
        Ok(frame)
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(this.take(frame))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(this.note.leave(Fault::Broken)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                this.since.get_or_insert_with(Instant::now);
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.idle)));
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(this.note.leave(Fault::TooSlow))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Who sends too slowly is not waited for, and who broke off is gone.
        let goes_on = !self.is_end_stream() && !matches!(self.note.read(), Some(Fault::TooSlow | Fault::Broken));
        if let (Some(body), true, Ok(runtime)) = (self.body.take(), goes_on, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(LINGER, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

impl Body for Ingress {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.get_mut() {
            Ingress::Empty => Poll::Ready(None),
            Ingress::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Ingress::Stream(guarded) => Pin::new(guarded).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Ingress::Empty | Ingress::Whole(None) => true,
            Ingress::Whole(Some(_)) => false,
            Ingress::Stream(guarded) => guarded.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Ingress::Empty | Ingress::Whole(None) => SizeHint::with_exact(0),
            Ingress::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Ingress::Stream(guarded) => guarded.size_hint(),
        }
    }
}

/// An answer's body on its way to the client.
#[derive(Default)]
pub(crate) struct Egress {
    from: From,
    finish: Option<Box<Finish>>,
}

#[derive(Default)]
enum From {
    #[default]
    Nothing,
    Ours(axum::body::Body),
    Instance(Box<Passing>),
}

/// An instance's answer under way: the connection goes back when it is done, and is closed when it is given up.
pub(crate) struct Passing {
    body: Incoming,
    lease: Lease,
    wire: Option<Wire>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Passing {
    pub(crate) fn new(body: Incoming, lease: Lease, wire: Wire, idle: Duration) -> Passing {
        let mut passing = Passing { body, lease, wire: Some(wire), idle, timer: None };
        passing.give_back_at_end();
        passing
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(wire) = self.wire.take()
        {
            self.lease.peer.pool.give_back(wire);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(wire) = &mut self.wire else { return Poll::Ready(None) };
        match wire.poll_frame(&mut self.body, cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(timer) = &mut self.timer {
                    timer.as_mut().reset(tokio::time::Instant::now() + self.idle);
                }
                self.give_back_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(fault))) => {
                self.lease.failed();
                Poll::Ready(Some(Err(fault)))
            }
            Poll::Ready(None) => {
                if let Some(wire) = self.wire.take() {
                    self.lease.peer.pool.give_back(wire);
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.idle)));
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(Fault::TooSlow)));
                }
                Poll::Pending
            }
        }
    }
}

impl Egress {
    pub(crate) fn ours(body: axum::body::Body) -> Egress {
        Egress { from: From::Ours(body), finish: None }
    }

    pub(crate) fn passing(passing: Passing) -> Egress {
        Egress { from: From::Instance(Box::new(passing)), finish: None }
    }

    /// Has the request noted as done when its answer is.
    pub(crate) fn finished_by(self, finish: Box<Finish>) -> Egress {
        Egress { finish: Some(finish), ..self }
    }
}

impl Body for Egress {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        let polled = match &mut this.from {
            From::Nothing => Poll::Ready(None),
            From::Ours(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            From::Instance(passing) => passing.poll(cx).map_err(Into::into),
        };
        if let (Poll::Ready(Some(frame)), Some(finish)) = (&polled, &mut this.finish) {
            match frame {
                Ok(frame) => finish.sent(frame.data_ref().map_or(0, Bytes::len)),
                Err(_) => finish.broke(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Nothing => true,
            From::Ours(body) => body.is_end_stream(),
            From::Instance(passing) => passing.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Nothing => SizeHint::with_exact(0),
            From::Ours(body) => body.size_hint(),
            From::Instance(passing) => passing.body.size_hint(),
        }
    }
}
