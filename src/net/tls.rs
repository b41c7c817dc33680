//! TLS towards clients, operators and servers: rustls with aws-lc-rs, TLS 1.2 and 1.3.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{ClientCertificates, ClientTrust, TlsFiles, UpstreamTls};
use crate::fault::Fault;

/// HTTP/2 in ALPN (RFC 9113 3.2).
pub const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301 6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The server side of a certificate: offers HTTP/2 and HTTP/1.1, resumes sessions by
/// stateless tickets whose keys rotate every six hours.
///
/// # Errors
/// A [`Fault`] names the file that is missing, unreadable or does not fit.
pub fn server(files: &TlsFiles) -> Result<Arc<ServerConfig>, Fault> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.private_key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Fault::new(&files.certificate, e.to_string()))?
        .with_client_cert_verifier(match &files.clients {
            Some(trust) => clients(trust)?,
            None => WebPkiClientVerifier::no_client_auth(),
        })
        .with_single_cert(chain, key)
        .map_err(|e| Fault::new(&files.certificate, format!("cannot be used: {e}")))?;
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    // The strongest that both have, as scanners want it (testssl.sh: cipher_order).
    config.ignore_client_order = true;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()
        .map_err(|e| Fault::new(&files.certificate, e.to_string()))?;
    Ok(Arc::new(config))
}

/// The client side towards one upstream.
///
/// # Errors
/// A [`Fault`] names the file that is missing, unreadable or does not fit.
pub fn client(tls: &UpstreamTls, http2: bool) -> Result<Arc<ClientConfig>, Fault> {
    let (roots, source) = if let Some(ca) = &tls.ca {
        (authorities(ca)?, ca.as_path())
    } else {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        (roots, Path::new("system roots"))
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Fault::new(source, e.to_string()))?
        .with_root_certificates(roots);
    let mut config = match &tls.client {
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|e| Fault::new(certificate, format!("cannot be used: {e}")))?,
        None => builder.with_no_client_auth(),
    };
    let protocol = if http2 { ALPN_H2 } else { ALPN_HTTP1 };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// Whether a handshake failed for the client's certificate, or for want of one.
#[must_use]
pub fn is_certificate_refused(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))
    )
}

/// Verifies the chain of a client's certificate (RFC 5280 6), its time, and that it is
/// meant for clients.
fn clients(trust: &ClientTrust) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
    let roots = Arc::new(authorities(&trust.ca)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let verifier = match trust.certificates {
        ClientCertificates::Required => verifier,
        ClientCertificates::Optional => verifier.allow_unauthenticated(),
    };
    verifier
        .build()
        .map_err(|e| Fault::new(&trust.ca, format!("cannot be used: {e}")))
}

fn authorities(ca: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|e| Fault::new(ca, format!("is no CA certificate: {e}")))?;
    }
    Ok(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| Fault::new(path, format!("cannot be read as PEM certificates: {e}")))?;
    if chain.is_empty() {
        return Err(Fault::new(path, "holds no PEM certificate"));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|e| Fault::new(path, format!("cannot be read as a PEM private key: {e}")))
}
