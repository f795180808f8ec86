//! A proxy before Postgres that cuts connections when a transaction commits, before the server hears of it or after, or cuts all of them off.
//! Refuses nothing else: every other byte goes through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of the commit.
    BeforeCommit,
    /// The server commits; its answer never arrives.
    AfterCommit,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    cuts: Arc<AtomicI64>,
    is_open: watch::Sender<bool>,
}

impl Proxy {
    /// Starts a proxy before the server of a URL; answers it with the URL that leads through it.
    pub async fn start(url: &str, cut: Cut) -> (Proxy, String) {
        let (head, tail) = url.rsplit_once('@').expect("a test's URL names a user");
        let (host, name) = tail.split_once('/').expect("a test's URL names a database");
        let server = host.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let cuts = Arc::new(AtomicI64::new(0));
        let counter = cuts.clone();
        let (is_open, open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*open.borrow() {
                    continue;
                }
                let upstream = TcpStream::connect(&server).await.expect("Postgres answers");
                let (counter, mut open) = (counter.clone(), open.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = carry(client, upstream, cut, counter) => {}
                        // The sender goes with the test; then nobody is left to be cut off.
                        _ = open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        (Proxy { address, cuts, is_open }, format!("{head}@{address}/{name}"))
    }

    /// Cuts every connection and takes no new one, as a network does that is down.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Cuts the next `times` connections that commit.
    pub fn cut_next(&self, times: i64) {
        self.cuts.store(times, Ordering::SeqCst);
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> i64 {
        self.cuts.load(Ordering::SeqCst).max(0)
    }
}

async fn carry(mut client: TcpStream, mut upstream: TcpStream, cut: Cut, cuts: Arc<AtomicI64>) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &from_client[..count];
                if is_commit(bytes) && cuts.fetch_sub(1, Ordering::SeqCst) > 0 {
                    if cut == Cut::AfterCommit {
                        drop(upstream.write_all(bytes).await);
                        // The server's answer shows that it has committed; nobody gets it.
                        drop(upstream.read(&mut from_server).await);
                    }
                    return;
                }
                if upstream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = upstream.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A simple query of the wire protocol: `Q`, its length, the text, a zero byte.
fn is_commit(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'Q') && bytes[5..].eq_ignore_ascii_case(b"commit\0")
}
