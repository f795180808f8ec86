//! Receivers with certificates: one that a known authority signed is sent to, one that nobody vouches for is not.

use crate::ground::{Hook, drain, fulfil};
use crate::receiver::Receiver;
use axum::Router;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testkit::World;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhooks/tls").join(name)
}

/// Serves a router over TLS, with the certificate of the folder `tls`: for `localhost` and 127.0.0.1.
async fn serve(router: Router) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(file("receiver.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("receiver.key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up here.
                if let Ok(stream) = acceptor.accept(stream).await {
                    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    assert!(served.is_ok(), "{served:?}");
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_receiver_is_sent_to_when_a_known_authority_vouches_for_it() {
    let world = World::start(|config| config.webhooks.ca_file = file("authority.pem"), None).await;
    let receiver = Receiver::start().await;
    let address = serve(receiver.router()).await;
    let by_address = Hook::with(&world, &format!("https://{address}/a"), json!({})).await;
    let by_name = Hook::with(&world, &format!("https://localhost:{}/b", address.port()), json!({})).await;
    fulfil(&world, &[("f/1", 1)]).await;
    assert_eq!(drain(&world).await, 2, "{:?} {:?}", by_address.deliveries("").await, by_name.deliveries("").await);
    for got in receiver.got() {
        got.verify(if got.path == "/a" { &by_address.secret } else { &by_name.secret });
    }
    assert_eq!(receiver.got().iter().find(|got| got.path == "/b").unwrap().header("host"), format!("localhost:{}", address.port()));
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
    let world = World::start(|_| {}, None).await;
    let receiver = Receiver::start().await;
    let address = serve(receiver.router()).await;
    let hook = Hook::with(&world, &format!("https://{address}/"), json!({})).await;
    fulfil(&world, &[("f/1", 1)]).await;
    assert_eq!(drain(&world).await, 0);
    assert_eq!(receiver.got().len(), 0);
    let told = hook.deliveries("").await[0]["told"].as_str().unwrap().to_owned();
    assert!(told.contains("no TLS connection"), "{told}");
    world.stop().await;
}
