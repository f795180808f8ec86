//! Accepts connections and serves the application over HTTP, until it is told to stop.
//! Refuses more connections than configured, and clients that never finish their headers.

use crate::App;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;
/// A client has this long to send its headers.
const HEADERS_MAX: Duration = Duration::from_secs(30);
/// The accept loop waits this long after the system refused a connection, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the address.
///
/// # Errors
/// The address is in use or not ours.
pub fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Whether a process is about to leave: it still takes requests, but tells each connection that this answer was its last one, so that
/// callers go elsewhere before it closes.
#[derive(Debug, Clone, Default)]
pub struct Leaving(Arc<AtomicBool>);

impl Leaving {
    /// It is about to leave.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves until `stop` is ready; then finishes what was taken, for at most the configured grace.
pub async fn serve(app: &App, listener: TcpListener, stop: impl Future<Output = ()>) {
    serve_leaving(app, listener, Leaving::default(), stop).await;
}

/// The same for a process that callers have to be told about before it stops.
pub async fn serve_leaving(app: &App, listener: TcpListener, leaving: Leaving, stop: impl Future<Output = ()>) {
    let router = app.router();
    let free = Arc::new(Semaphore::new(app.config.server.connections_max));
    let graceful = GracefulShutdown::new();
    let open = metrics::gauge!("guildhall_connections");
    tokio::pin!(stop);
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
                let connection = graceful.watch(connection(stream, peer, router.clone(), leaving.clone()));
                open.increment(1.0);
                let open = open.clone();
                tokio::spawn(async move {
                    // A client that breaks off is no event.
                    drop(connection.await);
                    open.decrement(1.0);
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                metrics::counter!("guildhall_accepts_failed_total").increment(1);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let grace = Duration::from_millis(app.config.server.shutdown_grace_ms);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(grace_ms = app.config.server.shutdown_grace_ms, "connections were still busy at the end of the grace");
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    leaving: Leaving,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and written whole: waiting for more to send would only delay them.
    drop(stream.set_nodelay(true));
    let service = router.map_request(move |mut request: axum::http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let service = service.map_response(move |mut response: axum::response::Response| {
        if leaving.has_begun() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .max_headers(64)
        // One write for head and body. Answers are not held back for requests that came along (`pipeline_flush`): one that closes
        // its connection would be lost with them.
        .writev(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn the_answer_that_closes_a_connection_arrives_although_more_was_asked_behind_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let router = Router::new().route("/{name}", axum::routing::get(|name: axum::extract::Path<String>| async move { name.0 }));
        let served = tokio::spawn(connection(stream, peer, router, Leaving::default()));
        let asked =
            "GET /first HTTP/1.1\r\nhost: h\r\n\r\nGET /last HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\nGET /more HTTP/1.1\r\n\r\n";
        client.write_all(asked.as_bytes()).await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        drop(served.await);
        assert!(told.contains("\r\n\r\nfirst") && told.ends_with("\r\n\r\nlast"), "{told}");
    }
}
