//! Kafka's protocol on a TCP port: connections, frames, and answers in the order of their requests.
//! Refuses frames and crowds beyond the limits; a frame that does not parse costs its sender the connection and nobody else anything.

use crate::wire::{self, Bad, Client, Reply, Waiting};
use crate::{Broker, Error, broker};
use bytes::{Bytes, BytesMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A frame whose first bytes have come must be whole within this time, because it holds its share of memory.
const FRAME_TIME_MAX: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 64 << 10;

/// A log that listens for Kafka's clients.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    broker: Broker,
}

impl Server {
    /// Listens on `HOST:PORT`; there is no password, so anything but loopback is for networks that are trusted whole.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the address is taken or not this machine's.
    pub async fn bind(broker: Broker, address: &str) -> Result<Server, Error> {
        let failed = |error: std::io::Error| Error::Io { what: format!("listening on {address}"), reason: error.to_string() };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the log listens beyond this machine, and it asks nobody for a password");
        }
        Ok(Server { listener, address, broker })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` comes; then every connection is closed. What was appended stays and is answered to nobody.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.broker.inner.options.limits.connections_max));
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                    Ok(place) => _ = connections.spawn(connection(self.broker.clone(), stream, peer, place)),
                    Err(_) => tracing::warn!(%peer, "a connection was closed at once: connections_max is reached"),
                },
                Err(error) => {
                    // Out of file descriptors: others must end first, and asking again at once would only spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn connection(broker: Broker, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
    let Ok(local) = stream.local_addr() else { return };
    // Small answers must not wait for the next.
    _ = stream.set_nodelay(true);
    let limits = &broker.inner.options.limits;
    let (reader, writer) = stream.into_split();
    let (send, waiting) = mpsc::channel(limits.pipeline_max);
    let client = Client { broker: broker.clone(), local, peer: peer.ip() };
    let ended = tokio::select! {
        ended = take(client, reader, send) => ended,
        ended = answer(writer, waiting, Duration::from_millis(limits.idle_max_ms)) => ended,
    };
    if let Err(bad) = ended {
        tracing::warn!(%peer, reason = %bad, "a connection of the log was closed");
    }
}

/// Reads requests and hands over what will become their answers. A produce is under way when the next request is read.
async fn take(client: Client, mut reader: OwnedReadHalf, send: mpsc::Sender<Waiting>) -> Result<(), Bad> {
    let inner = client.broker.inner.clone();
    let idle = Duration::from_millis(inner.options.limits.idle_max_ms);
    loop {
        let mut length = [0; 4];
        match timeout(idle, reader.read_exact(&mut length)).await {
            Ok(Ok(_)) => (),
            // The other side has ended, or said nothing for long: nothing is lost.
            Ok(Err(_)) | Err(_) => return Ok(()),
        }
        let frame_max = inner.options.limits.frame_max;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > frame_max {
            return Err(Bad::new(format!("a frame says {length} bytes, and frame_max is {frame_max}")));
        }
        let share = broker::share(&inner.inflight, length).await.map_err(|error| Bad::new(error.to_string()))?;
        let frame = match timeout(FRAME_TIME_MAX, read_frame(&mut reader, length)).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(Bad::new(format!("a frame of {length} bytes did not come within {} s", FRAME_TIME_MAX.as_secs()))),
        };
        let waiting = wire::take(&client, frame, share).await?;
        if send.send(waiting).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads so many bytes; memory grows as they come, not as they are announced.
async fn read_frame(reader: &mut (impl AsyncRead + Unpin), length: usize) -> std::io::Result<Bytes> {
    let mut frame = BytesMut::with_capacity(length.min(READ_BYTES));
    let mut reader = reader.take(length as u64);
    while frame.len() < length {
        // A large frame is known to be large once its first part is here.
        if frame.len() == frame.capacity() {
            frame.reserve((length - frame.len()).min(frame.len().max(READ_BYTES)));
        }
        if reader.read_buf(&mut frame).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

async fn answer(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Waiting>, idle: Duration) -> Result<(), Bad> {
    while let Some(waiting) = waiting.recv().await {
        let Some(Reply { bytes, .. }) = &waiting.await? else { continue };
        match timeout(idle, writer.write_all(bytes)).await {
            Ok(Ok(())) => (),
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(Bad::new(format!("it took none of its answer for {} s", idle.as_secs()))),
        }
    }
    Ok(())
}
