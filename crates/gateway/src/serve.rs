//! Connections of clients: accepted within limits, served, and ended gracefully.
//! Refuses one address more connections than its share, and anyone more time than their headers need.

use crate::address::{self, Origin};
use crate::body::HELD_BYTES;
use crate::forward::{self, Connection};
use crate::gateway::{Gateway, Inner};
use crate::reply::Reply;
use crate::tls::Tls;
use crate::workers::Workers;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::{Request, StatusCode, Version, service};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::CorsLayer;

/// The accept loop waits this long after the system refused a connection, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Headers of a request that hyper takes by itself.
const HEADERS_OF_HYPER: usize = 100;
/// Requests that one connection of HTTP/2 may have under way.
const STREAMS_MAX: u32 = 128;

/// Connections per address.
#[derive(Default)]
struct Doors(Mutex<HashMap<IpAddr, u32>>);

/// One connection's place, given back when it ends.
struct Place {
    doors: Arc<Doors>,
    address: IpAddr,
}

impl Doors {
    fn enter(self: &Arc<Self>, address: IpAddr, max: u32) -> Option<Place> {
        let address = address::counted(address);
        let mut doors = self.0.lock();
        let open = doors.entry(address).or_default();
        if *open >= max {
            return None;
        }
        *open += 1;
        Some(Place { doors: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut doors = self.doors.0.lock();
        if let Some(open) = doors.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                doors.remove(&self.address);
            }
        }
    }
}

impl Gateway {
    /// Serves until `stop` is ready; then takes no more connections, finishes what was taken within the policy's grace, and returns.
    pub async fn serve(&self, listener: TcpListener, tls: Option<Tls>, stop: impl Future<Output = ()>) {
        let workers = match Workers::start(self.inner.policy.threads()) {
            Ok(workers) => workers,
            Err(error) => return tracing::error!(%error, "the gateway's threads could not be started"),
        };
        self.start_probing();
        let follow = tls.clone().map(|tls| tokio::spawn(tls.follow()));
        let inner = &self.inner;
        let free = Arc::new(Semaphore::new(inner.policy.connections_max));
        let doors = Arc::new(Doors::default());
        let (stopping, stopped) = watch::channel(false);
        let (hurrying, hurry) = watch::channel(false);
        let mut stop = pin!(stop);
        loop {
            let permit = tokio::select! {
                permit = free.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
                () = &mut stop => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = doors.enter(peer.ip(), inner.policy.connections_per_address_max) else {
                        inner.measure.by_connections.increment(1);
                        continue;
                    };
                    let client = Client { inner: inner.clone(), stopped: stopped.clone(), hurry: hurry.clone() };
                    let tls = tls.clone();
                    workers.spawn(async move {
                        client.inner.measure.connections.increment(1.0);
                        client.move_in(stream, peer, tls).await;
                        client.inner.measure.connections.decrement(1.0);
                        drop((permit, place));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        inner.draining.store(true, Ordering::Relaxed);
        drop((listener, stopped, hurry));
        stopping.send_replace(true);
        if tokio::time::timeout(inner.policy.timeouts.grace, stopping.closed()).await.is_err() {
            tracing::warn!("connections were still busy at the end of the grace");
        }
        hurrying.send_replace(true);
        if let Some(follow) = follow {
            follow.abort();
        }
    }
}

/// One client's connection.
struct Client {
    inner: Arc<Inner>,
    stopped: watch::Receiver<bool>,
    hurry: watch::Receiver<bool>,
}

impl Client {
    /// Serves a connection on this thread's runtime, which is another one than it was accepted on.
    async fn move_in(&self, stream: TcpStream, peer: SocketAddr, tls: Option<Tls>) {
        if let Ok(stream) = stream.into_std().and_then(TcpStream::from_std) {
            self.serve(stream, peer, tls).await;
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, tls: Option<Tls>) {
        let timeouts = &self.inner.policy.timeouts;
        // Answers are small and written whole. A client that takes nothing for too long is given up by the system.
        drop(stream.set_nodelay(true));
        drop(SockRef::from(&stream).set_tcp_user_timeout(Some(timeouts.client_write)));
        let Some(tls) = tls else {
            let origin = Origin::new(peer, false, &self.inner.policy.trusted_proxies);
            return self.http1(stream, origin).await;
        };
        let origin = Origin::new(peer, true, &self.inner.policy.trusted_proxies);
        // Who cannot agree on TLS within the time is no event.
        if let Ok(Ok(stream)) = tokio::time::timeout(timeouts.handshake, tls.acceptor().accept(stream)).await {
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => self.http2(stream, origin).await,
                _ => self.http1(stream, origin).await,
            }
        }
    }

    async fn http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, origin: Origin) {
        let policy = &self.inner.policy;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(policy.timeouts.headers)
            // Answers are not held back for those of requests that came along (`pipeline_flush`): the last one before a close would be lost.
            .max_header_size(policy.header_bytes_max)
            // Head and body go out in one piece: to copy a small body costs less than to send it in two.
            .writev(false)
            .max_buf_size(HELD_BYTES.max(policy.header_bytes_max));
        // As many as hyper has room for without being asked: room that is asked for is made anew for every request.
        if policy.headers_max != HEADERS_OF_HYPER {
            builder.max_headers(policy.headers_max);
        }
        let service = self.service(origin);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let mut stopped = self.stopped.clone();
        tokio::select! {
            // A client that breaks off is no event.
            _ = connection.as_mut() => return,
            _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
        }
        self.until_hurried(connection).await;
    }

    async fn http2(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, origin: Origin) {
        let policy = &self.inner.policy;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(policy.header_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(policy.timeouts.headers)
            .keep_alive_timeout(policy.timeouts.client_write);
        let service = self.service(origin);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut stopped = self.stopped.clone();
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
        }
        self.until_hurried(connection).await;
    }

    /// What was taken is finished, but not for longer than the grace.
    async fn until_hurried<T>(&self, connection: impl Future<Output = T>) {
        let mut hurry = self.hurry.clone();
        tokio::select! {
            _ = connection => {}
            _ = hurry.wait_for(|hurry| *hurry) => {}
        }
    }

    fn service(
        &self,
        origin: Origin,
    ) -> impl service::HttpService<Incoming, ResBody = crate::body::Egress, Error = Infallible, Future: Send> + use<> {
        let connection = Arc::new(Connection { gateway: self.inner.clone(), origin, hurry: self.hurry.clone() });
        service::service_fn(move |request| answer(connection.clone(), request))
    }
}

async fn answer(connection: Arc<Connection>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let closes = request.version() <= Version::HTTP_11;
    let mut reply = match &connection.gateway.cors {
        None => forward::answer(&connection, request).await,
        // Apart, so that the room it needs is not carried along where there are no origins.
        Some(cors) => Box::pin(answer_with_cors(cors, &connection, request)).await?,
    };
    // An upgraded connection is its own; every other one of HTTP/1 ends with the answer, and HTTP/2 has a word of its own for that.
    if closes && connection.gateway.draining.load(Ordering::Relaxed) && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(reply)
}

async fn answer_with_cors(cors: &CorsLayer, connection: &Arc<Connection>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let plain = tower::service_fn(|request| async move { Ok(forward::answer(connection, request).await) });
    cors.layer(plain).oneshot(request).await
}
