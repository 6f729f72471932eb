//! TLS as a client makes it, and as one should not.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

/// Trusts whatever comes: what is looked at is where the bytes go.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A client that says `sni` in its hello, or nothing.
fn client(sni: Option<&str>) -> ClientConnection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.enable_sni = sni.is_some();
    let name = ServerName::try_from(sni.unwrap_or("nobody.test").to_owned()).expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

/// TLS over this stream.
pub fn over(stream: TcpStream, sni: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
    StreamOwned::new(client(sni), stream)
}

/// A request over TLS.
pub fn get(stream: TcpStream, sni: Option<&str>, host: &str) -> io::Result<Vec<u8>> {
    crate::client::exchange(over(stream, sni), &crate::client::get(host))
}

/// A ClientHello, alone.
pub fn hello(sni: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(sni).write_tls(&mut bytes).expect("a hello");
    bytes
}

/// The same with one more extension at its end.
pub fn hello_with(sni: Option<&str>, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut hello = hello(sni);
    let two = |bytes: &[u8], at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    // Record header, handshake header, version, random; then session, ciphers, compressions.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + two(&hello, at);
    at += 1 + usize::from(hello[at]);
    let length = u16::try_from(data.len()).expect("short");
    let extension = [&kind.to_be_bytes()[..], &length.to_be_bytes(), data].concat();
    for place in [3, 7, at] {
        let longer = u16::try_from(two(&hello, place) + extension.len()).expect("short");
        hello[place..place + 2].copy_from_slice(&longer.to_be_bytes());
    }
    hello.extend(extension);
    hello
}
