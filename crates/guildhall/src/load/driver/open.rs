//! Opens connections, many at once but never more than the server's queue of unaccepted ones takes.
//! Refuses to begin where the system's limit on open files is too low.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// Connections being opened at once by a thread.
const OPENING_MAX: usize = 64;
/// Time each keeps its place after it is open: the system opens connections faster than a server accepts them. Opening 10,000, twelve
/// times each on two busy cores: without this wait the server's queue of unaccepted ones overflowed 132 to 960 times and it took
/// 1.0 to 4.0 s; with it never, and 1.3 to 1.7 s.
const ACCEPTING: Duration = Duration::from_millis(4);
/// Wait for an attempt before the next, doubled each time: the system itself would repeat a lost one after a second only.
const ATTEMPT: Duration = Duration::from_millis(250);
/// Wait before a refused connection is tried again.
const RETRY: Duration = Duration::from_millis(20);

pub(super) struct Opener {
    target: SocketAddr,
    timeout: Duration,
    permits: Semaphore,
}

impl Opener {
    pub(super) fn new(target: SocketAddr, timeout: Duration) -> Opener {
        Opener { target, timeout, permits: Semaphore::new(OPENING_MAX) }
    }

    /// Opens so many connections; each is open or has its error. When the first cannot be opened, none is tried further.
    pub(super) async fn open_all(self: &Arc<Self>, count: usize) -> Vec<io::Result<TcpStream>> {
        if count == 0 {
            return Vec::new();
        }
        // A server that is still starting is waited for once, not by every connection.
        let first = self.open().await;
        if let Err(error) = &first {
            let kind = error.kind();
            return std::iter::once(first).chain((1..count).map(|_| Err(kind.into()))).collect();
        }
        let open = |_| {
            let opener = Arc::clone(self);
            async move { opener.open().await }
        };
        let attempts: JoinSet<_> = (1..count).map(open).collect();
        std::iter::once(first).chain(attempts.join_all().await).collect()
    }

    /// Opens one connection; while the server refuses it or this machine has no free port, it is tried again until the time is over.
    pub(super) async fn open(&self) -> io::Result<TcpStream> {
        let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let deadline = Instant::now() + self.timeout;
        let mut attempt = ATTEMPT;
        loop {
            let error = match timeout_at(deadline.min(Instant::now() + attempt), TcpStream::connect(self.target)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    sleep(ACCEPTING).await;
                    return Ok(stream);
                }
                Ok(Err(error)) => error,
                Err(_) if Instant::now() >= deadline => return Err(ErrorKind::TimedOut.into()),
                Err(_) => {
                    attempt *= 2;
                    continue;
                }
            };
            let may_pass = matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::AddrNotAvailable
            );
            if !may_pass || Instant::now() + RETRY >= deadline {
                return Err(error);
            }
            sleep(RETRY).await;
        }
    }
}

/// The limit on open files is too low and cannot be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// Files needed.
    pub needed: u64,
    /// Files this process may open at most.
    pub allowed: u64,
}

impl fmt::Display for FileLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileLimit { needed, allowed } = self;
        write!(
            f,
            "{needed} open files are needed and {allowed} allowed; raise the hard limit with `ulimit -Hn {needed}` or use fewer connections"
        )
    }
}

impl std::error::Error for FileLimit {}

/// Raises this process's limit on open files as far as it may, and checks that it is enough. Returns the limit.
pub fn raise_file_limit(needed: u64) -> Result<u64, FileLimit> {
    let limit = getrlimit(Resource::Nofile);
    let [current, maximum] = [limit.current, limit.maximum].map(|limit| limit.unwrap_or(u64::MAX));
    if current >= needed {
        return Ok(current);
    }
    let wanted = [Rlimit { current: limit.maximum, maximum: limit.maximum }, Rlimit { current: Some(needed), maximum: Some(needed) }];
    // The second asks for more than the hard limit, which only root may do.
    let raised = wanted.into_iter().find(|new| new.current.unwrap_or(u64::MAX) >= needed && setrlimit(Resource::Nofile, *new).is_ok());
    raised.map(|new| new.current.unwrap_or(u64::MAX)).ok_or(FileLimit { needed, allowed: maximum })
}
