//! Fetches each URL and prints the page: over https and http, through a proxy where the environment names
//! one. Ends with 1 where one of them cannot be had.

use std::process::ExitCode;
use std::sync::Arc;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

fn main() -> ExitCode {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder().tls_config(tls).build().into();
    let mut code = ExitCode::SUCCESS;
    for url in std::env::args().skip(1) {
        match agent.get(&url).call().and_then(|mut reply| reply.body_mut().read_to_string()) {
            Ok(page) => println!("{page}"),
            Err(error) => {
                eprintln!("{url}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
