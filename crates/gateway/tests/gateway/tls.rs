//! TLS at the edge: HTTP/1.1 and HTTP/2 by ALPN, and certificates that change while it serves.

use crate::ground::{Ground, instance, policy};
use crate::upstream::Upstream;
use gateway::{Route, Tls};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/tls").join(name)
}

fn copied(folder: &Path, which: &str) -> Tls {
    copy(folder, which);
    Tls::from_files(folder.join("cert.pem"), folder.join("key.pem")).unwrap()
}

fn copy(folder: &Path, which: &str) {
    std::fs::copy(file(&format!("{which}.pem")), folder.join("cert.pem")).unwrap();
    std::fs::copy(file(&format!("{which}.key.pem")), folder.join("key.pem")).unwrap();
}

async fn connect(address: SocketAddr, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for which in ["first", "second"] {
        roots.add(CertificateDer::from_pem_file(file(&format!("{which}.pem"))).unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

async fn ground(tls: Tls, upstream: &Upstream) -> Ground {
    Ground::with(policy(), vec![Route::to("/", "app")], vec![instance("app", "a", upstream.address)], Some(tls)).await
}

#[tokio::test]
async fn both_protocols_are_spoken_and_the_service_learns_that_it_was_tls() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let ground = ground(copied(folder.path(), "first"), &upstream).await;
    let stream = connect(ground.address, &[b"h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("https://localhost/x?a=b").header("cookie", "a=1").header("cookie", "b=2");
    let answer = sender.send_request(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = upstream.headers();
    assert_eq!(
        (&headers["host"], &headers["x-forwarded-proto"], &headers["cookie"]),
        (&"localhost".parse().unwrap(), &"https".parse().unwrap(), &"a=1; b=2".parse().unwrap())
    );

    let io = hyper_util::rt::TokioIo::new(connect(ground.address, &[b"http/1.1"]).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/x").header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_new_certificate_is_served_and_a_broken_one_is_not() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let tls = copied(folder.path(), "first");
    let ground = ground(tls, &upstream).await;
    let served = async || connect(ground.address, &[b"http/1.1"]).await.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let of = |which: &str| CertificateDer::from_pem_file(file(&format!("{which}.pem"))).unwrap().to_vec();
    assert_eq!(served().await, of("first"));
    copy(folder.path(), "second");
    while served().await != of("second") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    let broken = Tls::from_files(folder.path().join("cert.pem"), folder.path().join("key.pem"));
    assert!(broken.is_err_and(|mistake| mistake.0.contains("cert.pem")));
    assert_eq!(served().await, of("second"), "the one before stays");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_start() {
    assert!(Tls::from_files(file("first.pem"), file("second.key.pem")).is_err());
    assert!(PrivateKeyDer::from_pem_file(file("second.key.pem")).is_ok());
}
