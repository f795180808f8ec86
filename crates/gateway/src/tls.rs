//! TLS at the edge: rustls with the certificate and the key from files, read again when they change.
//! Refuses to go on without a certificate because a new one cannot be read: the one before stays until a right one is there.

use crate::Mistake;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate with its key. Cheap to clone; while a clone serves, changed files are noticed within two seconds.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Files>,
    current: Arc<ArcSwap<ServerConfig>>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// Reads a chain of certificates and a key, both in PEM.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not belong together.
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Tls, Mistake> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let config = files.read()?;
        Ok(Tls { files: Arc::new(files), current: Arc::new(ArcSwap::from_pointee(config)) })
    }

    /// Reads the files again, and serves further connections with what they hold.
    ///
    /// # Errors
    /// What they hold is not right; then nothing changes.
    pub fn reload(&self) -> Result<(), Mistake> {
        self.current.store(Arc::new(self.files.read()?));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reloads whenever the files change, until it is dropped.
    pub(crate) async fn follow(self) {
        let mut seen = self.files.stamps();
        loop {
            tokio::time::sleep(LOOK).await;
            let stamps = self.files.stamps();
            if stamps == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again"),
                Err(mistake) => tracing::error!(%mistake, "the certificate was not read again: the one before stays"),
            }
            seen = stamps;
        }
    }
}

impl Files {
    fn read(&self) -> Result<ServerConfig, Mistake> {
        let told = |path: &Path, error: &dyn std::fmt::Display| Mistake(format!("{}: {error}", path.display()));
        let chain = CertificateDer::pem_file_iter(&self.certificate).map_err(|error| told(&self.certificate, &error))?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| told(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(Mistake(format!("{}: no certificate: one in PEM would be right", self.certificate.display())));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| told(&self.key, &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| Mistake(error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|error| told(&self.certificate, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn stamps(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|about| about.modified()).ok())
    }
}
