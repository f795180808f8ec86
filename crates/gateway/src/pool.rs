//! Connections to one instance: kept while they are idle, the one used last first, so that what load no longer needs grows old and goes.
//! Refuses to wait for a connection: there is an idle one, or a new one is made.

use crate::body::Ingress;
use crate::workers;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Bytes of an answer's headers; more is a broken answer.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// A connection is ready this long after its last answer's end.
const SETTLES: Duration = Duration::from_millis(5);

/// What requests are sent with.
pub(crate) type Sender = SendRequest<Ingress>;

type Idle = Vec<(Sender, Instant)>;

/// The idle connections of one instance.
pub(crate) struct Pool {
    address: Arc<str>,
    /// The address, where it needs no name to be looked up.
    direct: Option<SocketAddr>,
    /// Those of each thread: a connection is used on the thread that made it.
    idle: Box<[Mutex<Idle>]>,
    idle_max: usize,
}

impl Pool {
    pub(crate) fn new(address: Arc<str>, idle_max: usize, threads: usize) -> Pool {
        let idle = (0..=threads).map(|_| Mutex::default()).collect();
        Pool { direct: address.parse().ok(), address, idle, idle_max }
    }

    fn own(&self) -> &Mutex<Idle> {
        &self.idle[workers::place() % self.idle.len()]
    }

    /// An idle connection that was not closed meanwhile, as far as can be seen.
    pub(crate) async fn idle(&self) -> Option<Sender> {
        loop {
            let (mut sender, _) = self.own().lock().pop()?;
            if sender.is_ready() {
                return Some(sender);
            }
            // One that was put back a moment ago may still have its last answer's end to look at; one that needs longer is not worth it.
            if matches!(tokio::time::timeout(SETTLES, sender.ready()).await, Ok(Ok(()))) {
                return Some(sender);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// The instance does not take it within the limit.
    pub(crate) async fn connect(&self, limit: Duration) -> std::io::Result<Sender> {
        let connecting = async {
            match self.direct {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect(&*self.address).await,
            }
        };
        let stream = tokio::time::timeout(limit, connecting).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEADER_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        // Its errors come back through the requests that meet them.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }

    /// Puts a connection back whose request is done.
    pub(crate) fn give_back(&self, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.own().lock();
        if idle.len() < self.idle_max {
            idle.push((sender, Instant::now()));
        }
    }

    /// Closes those that were idle for too long, or that the instance closed.
    pub(crate) fn sweep(&self, limit: Duration) {
        for idle in &self.idle {
            let old: Vec<_> = idle.lock().extract_if(.., |(sender, since)| sender.is_closed() || since.elapsed() > limit).collect();
            drop(old);
        }
    }

    /// Closes all, as when the instance is gone.
    pub(crate) fn clear(&self) {
        for idle in &self.idle {
            let old = std::mem::take(&mut *idle.lock());
            drop(old);
        }
    }
}
