//! Connections to one instance: kept while they are idle, the one used last first, so that what load no longer needs grows old and goes.
//! Refuses to wait for a connection: there is an idle one, or a new one is made.

use crate::wire::Wire;
use crate::workers;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

type Idle = Vec<(Wire, Instant)>;

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
    pub(crate) async fn idle(&self) -> Option<Wire> {
        loop {
            let (mut wire, _) = self.own().lock().pop()?;
            if wire.is_settled().await {
                return Some(wire);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// The instance does not take it within the limit.
    pub(crate) async fn connect(&self, limit: Duration) -> std::io::Result<Wire> {
        let connecting = async {
            match self.direct {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect(&*self.address).await,
            }
        };
        let stream = tokio::time::timeout(limit, connecting).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        Wire::over(stream).await
    }

    /// Puts a connection back whose answer is read. One that still sends its request is closed: nobody would give it turns.
    pub(crate) fn give_back(&self, wire: Wire) {
        if !wire.is_ready() {
            return;
        }
        let mut idle = self.own().lock();
        if idle.len() < self.idle_max {
            idle.push((wire, Instant::now()));
        }
    }

    /// Closes those that were idle for too long, or are known to be closed.
    pub(crate) fn sweep(&self, limit: Duration) {
        for idle in &self.idle {
            let old: Vec<_> = idle.lock().extract_if(.., |(wire, since)| wire.is_closed() || since.elapsed() > limit).collect();
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
