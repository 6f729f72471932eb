//! Certificates, for the only TLS that is the proxy's own: to hosts whose rule injects a header.

use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Which certificates are believed where the proxy speaks TLS itself.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Those of the Web PKI and those of this machine. Reads files: to be called before the process is
    /// confined. Also says which of the machine's certificates could not be read; they are not trusted.
    pub fn load() -> Result<(Self, Vec<String>), rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let native = rustls_native_certs::load_native_certs();
        let mut problems: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
        for certificate in native.certs {
            if let Err(error) = roots.add(certificate) {
                problems.push(error.to_string());
            }
        }
        Ok((Self::new(roots)?, problems))
    }

    /// TLS 1.2 and 1.3, HTTP/1.1 alone.
    pub fn new(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}
