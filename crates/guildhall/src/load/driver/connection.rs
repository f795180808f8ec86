//! One connection: sends a request, reads its answer, takes the next, and opens the connection again when it broke.
//! Refuses to repeat a request: one that failed is an error of the run.

use super::response::{Answer, parse};
use super::{Failure, Worker};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

pub(super) async fn drive(stream: TcpStream, worker: Arc<Worker>) {
    let alarm = Box::pin(tokio::time::sleep(worker.load.request_timeout));
    let mut connection = Connection { stream, incomplete: Vec::new(), alarm, worker };
    while let Some(index) = connection.worker.take() {
        let request = (connection.worker.load.requests)(index);
        let begun = connection.worker.due(index).await;
        let mut exchange = Exchange { index, request, sent: 0, begun };
        let answered = poll_fn(|cx| connection.poll(cx, &mut exchange)).await;
        let keep_alive = match answered {
            Ok((status, keep_alive)) => {
                connection.worker.tally().answered(status, exchange.begun);
                keep_alive
            }
            Err(failure) => {
                connection.worker.tally().errors.add(failure, 1);
                false
            }
        };
        if !keep_alive && !connection.reopen().await {
            return;
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// The part of an answer that has come, when it did not come at once.
    incomplete: Vec<u8>,
    /// Rings at the latest when the request under way is late. It is set anew only when it rings, not for each request.
    alarm: Pin<Box<Sleep>>,
    worker: Arc<Worker>,
}

/// A request under way.
struct Exchange {
    index: u64,
    request: Bytes,
    sent: usize,
    begun: Instant,
}

impl Connection {
    /// Opens the connection anew; false when there is no more to send or it cannot be opened.
    async fn reopen(&mut self) -> bool {
        self.incomplete.clear();
        if !self.worker.has_more() {
            return false;
        }
        match self.worker.opener.open().await {
            Ok(stream) => {
                self.stream = stream;
                self.worker.tally().reopened += 1;
                true
            }
            Err(error) => {
                let mut tally = self.worker.tally();
                tally.errors.add(Failure::Connect, 1);
                tally.refused = Some(error);
                false
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange) -> Poll<Result<(u16, bool), Failure>> {
        match self.poll_exchange(cx, exchange) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_alarm(cx, exchange.begun).map(Err),
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, begun: Instant) -> Poll<Failure> {
        let due = tokio::time::Instant::from_std(begun) + self.worker.load.request_timeout;
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if tokio::time::Instant::now() >= due {
                return Poll::Ready(Failure::Timeout);
            }
            self.alarm.as_mut().reset(due);
        }
    }

    /// Sends what is left of the request and reads until the answer is whole; gives its status and whether the connection stays.
    fn poll_exchange(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange) -> Poll<Result<(u16, bool), Failure>> {
        while exchange.sent < exchange.request.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &exchange.request[exchange.sent..])) {
                Ok(0) => return Poll::Ready(Err(Failure::Write)),
                Ok(count) => exchange.sent += count,
                Err(error) if is_closing(error.kind()) => return Poll::Ready(Err(Failure::Closed)),
                Err(_) => return Poll::Ready(Err(Failure::Write)),
            }
        }
        let worker = Arc::clone(&self.worker);
        let mut buffer = worker.buffer.lock();
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) => {}
                Err(error) if is_closing(error.kind()) => return Poll::Ready(Err(Failure::Closed)),
                Err(_) => return Poll::Ready(Err(Failure::Read)),
            }
            if let Some(end) = self.take_in(read.filled(), exchange.index).transpose() {
                return Poll::Ready(end);
            }
        }
    }

    /// Takes in the next bytes of an answer, none at the stream's end; gives the status and whether the connection stays when it is whole.
    fn take_in(&mut self, bytes: &[u8], index: u64) -> Result<Option<(u16, bool)>, Failure> {
        let has_ended = bytes.is_empty();
        let whole = if self.incomplete.is_empty() {
            bytes
        } else {
            self.incomplete.extend_from_slice(bytes);
            &self.incomplete
        };
        let on_response = self.worker.load.on_response.as_deref();
        match parse(whole, has_ended, on_response.is_some()) {
            Ok(Some(Answer { used, .. })) if used < whole.len() => Err(Failure::Malformed),
            Ok(Some(answer)) => {
                if let Some(on_response) = on_response {
                    on_response(index, answer.status, &answer.body);
                }
                let result = (answer.status, answer.keep_alive && !has_ended);
                self.incomplete.clear();
                Ok(Some(result))
            }
            Ok(None) if has_ended => Err(Failure::Closed),
            Ok(None) if self.incomplete.is_empty() => {
                self.incomplete.extend_from_slice(bytes);
                Ok(None)
            }
            Ok(None) => Ok(None),
            Err(_) => Err(Failure::Malformed),
        }
    }
}

fn is_closing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::NotConnected)
}
