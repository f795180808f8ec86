//! A connection that changed its protocol, as to WebSocket: bytes both ways, until one side ends or nothing came for long.
//! Refuses other protocols than WebSocket: a change to HTTP/2 in clear text would pass everything that is checked here.

use crate::cluster::Lease;
use hyper::header::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

/// Bytes read at once.
const PIECE: usize = 16 << 10;

/// True for a protocol that is passed through.
pub(crate) fn is_known(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// Joins both sides. Ends with the gateway's grace, which is why it holds `stop`.
pub(crate) async fn join(client: OnUpgrade, instance: OnUpgrade, lease: Lease, idle: Duration, mut stop: watch::Receiver<bool>) {
    let joined = async {
        let (client, instance) = tokio::try_join!(client, instance).ok()?;
        let (client_read, client_write) = tokio::io::split(TokioIo::new(client));
        let (instance_read, instance_write) = tokio::io::split(TokioIo::new(instance));
        let moved = Arc::new(AtomicU64::new(0));
        let there = copy(client_read, instance_write, moved.clone());
        let back = copy(instance_read, client_write, moved.clone());
        tokio::select! {
            // Either side's end is passed on; the other may still have something to say.
            _ = async { tokio::join!(there, back) } => {}
            () = nothing_moves(&moved, idle) => {}
        }
        Some(())
    };
    tokio::select! {
        _ = joined => {}
        // A tunnel never ends by itself: it is cut when the gateway is told to hurry.
        _ = stop.wait_for(|hurry| *hurry) => {}
    }
    drop(lease);
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, moved: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
        to.flush().await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

async fn nothing_moves(moved: &AtomicU64, idle: Duration) {
    let mut seen = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(idle).await;
        let now = moved.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
    }
}
