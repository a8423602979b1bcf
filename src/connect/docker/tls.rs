//! TLS to an engine: its certificates from files, and what a failed handshake means in plain words.
//!
//! Only the given authority is trusted, not the system's: whoever answers for an engine gets to start containers.

use super::super::root;
use crate::domain::SourceError;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for the TCP connection.
const CONNECT: Duration = Duration::from_secs(3);

/// The certificates of an engine, as `tls = { … }` of the config names them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The authority that signed the engine's certificate, PEM.
    pub ca: PathBuf,
    /// The certificate that we show, PEM; absent: none.
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
}

impl Files {
    /// `ca.pem`, `cert.pem` and `key.pem` of a folder, as `docker` keeps them; the last two where they are.
    pub(super) fn in_folder(folder: &Path) -> Self {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        let (cert, key) = (there("cert.pem"), there("key.pem"));
        Self { ca: folder.join("ca.pem"), cert, key }
    }

    /// What is wrong with them without opening one, and the mend.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.cert.is_some() != self.key.is_some() {
            return Err(("tls has a cert without its key, or a key without its cert".into(), "write both".into()));
        }
        let named = [Some(&self.ca), self.cert.as_ref(), self.key.as_ref()];
        match named.into_iter().flatten().find(|path| path.is_relative()) {
            Some(path) => {
                Err((format!("tls names {:?}, no path from the root", path.display()), "write it whole".into()))
            }
            None => Ok(()),
        }
    }
}

/// A client for an engine behind TLS. Like the others it takes a connection of its own for every request.
///
/// # Errors
/// When a certificate can't be read, or does not fit its key.
pub(super) fn client(address: &str, files: &Files, timeout: u64) -> Result<Docker, SourceError> {
    let config = config(files)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    let connector = HttpsConnector::from((tcp, config));
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let send = move |request: BollardRequest| {
        let client = client.clone();
        async move { client.request(request).await.map_err(Error::from) }
    };
    let docker =
        Docker::connect_with_custom_transport(send, Some(format!("https://{address}")), timeout, API_DEFAULT_VERSION);
    docker
        .map_err(|error| SourceError::new(format!("tcp://{address}: {}", root(&error)), "check the host in the config"))
}

pub(super) fn config(files: &Files) -> Result<ClientConfig, SourceError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots.add(certificate).map_err(|why| damaged(&files.ca, &why.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| SourceError::new(format!("TLS can't be set up: {why}"), "this is a defect: please report it"))?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else { return Ok(builder.with_no_client_auth()) };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|why| damaged(key, &why.to_string()))?;
    builder.with_client_auth_cert(certificates(cert)?, private).map_err(|why| {
        let what = format!("{} and {} do not belong together: {why}", cert.display(), key.display());
        SourceError::new(what, "name the certificate and the key that were made for each other")
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|why| damaged(path, &why.to_string()))?;
    if read.is_empty() { Err(damaged(path, "it holds no certificate")) } else { Ok(read) }
}

fn damaged(path: &Path, why: &str) -> SourceError {
    SourceError::new(
        format!("{} can't be used for TLS: {why}", path.display()),
        "see that it is there, readable, and a PEM file (it begins with -----BEGIN)",
    )
}

/// What a failed handshake means; `None` when it was something else that failed.
pub(super) fn explain(host: &str, files: &Files, error: &(dyn std::error::Error + 'static)) -> Option<SourceError> {
    let (why, mend) = match rustls_error(error)? {
        rustls::Error::InvalidCertificate(bad) => certificate(bad, files),
        rustls::Error::AlertReceived(alert) => refusal(*alert, files),
        rustls::Error::InvalidMessage(_) => (
            "what answers does not speak TLS".to_owned(),
            "take tls out if the engine is meant to be plain, or name its TLS port (usually 2376)".to_owned(),
        ),
        other => (format!("TLS failed: {other}"), "look at the engine's log (journalctl -u docker)".to_owned()),
    };
    Some(SourceError::new(format!("the Docker engine at {host} can't be trusted or does not trust us: {why}"), mend))
}

fn certificate(bad: &CertificateError, files: &Files) -> (String, String) {
    let ca = files.ca.display();
    match bad {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            format!("its certificate is not signed by {ca}"),
            "name the authority that signed it as ca in tls; if it was right before, somebody else may be answering"
                .into(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired".into(),
            "renew the engine's certificate, and see that this clock is right".into(),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("its certificate is not valid yet".into(), "see that the clocks here and there are right".into())
        }
        CertificateError::NotValidForName => (
            "its certificate is for another name".into(),
            "write the host in the config as the certificate names it".into(),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => (
            format!("its certificate is not for {} but for {}", expected.to_str(), presented.join(", ")),
            "write the host in the config as the certificate names it".into(),
        ),
        CertificateError::Revoked => ("its certificate was revoked".into(), "renew the engine's certificate".into()),
        other => (format!("its certificate is no good: {other}"), "make the engine's certificate anew".into()),
    }
}

fn refusal(alert: AlertDescription, files: &Files) -> (String, String) {
    let shown = files.cert.as_ref().map(|path| path.display().to_string());
    let mend = "write cert and key in tls: a client certificate that the engine's --tlscacert has signed".to_owned();
    match (alert, shown) {
        (AlertDescription::CertificateRequired, _) | (_, None) => ("it asks for a client certificate".to_owned(), mend),
        (AlertDescription::CertificateExpired, Some(cert)) => {
            (format!("it refuses {cert}, which has expired"), "renew the client certificate".into())
        }
        (alert, Some(cert)) => (format!("it refuses {cert} ({alert:?})"), mend),
    }
}

/// The handshake's error: an `io::Error` hides what it wraps from the chain of causes.
fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inside.map(|inside| inside as _).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let files = Files { ca: ca.clone(), cert: None, key: None };
        assert!(config(&files).unwrap_err().what.starts_with(&ca.display().to_string()));
        std::fs::write(&ca, "nothing").unwrap();
        assert!(config(&files).unwrap_err().what.contains("it holds no certificate"));
        let half = Files { cert: Some("/c.pem".into()), ..files.clone() };
        assert!(half.check().unwrap_err().0.contains("without its key"));
        assert!(Files { ca: "ca.pem".into(), ..files }.check().unwrap_err().0.contains("no path from the root"));
    }

    #[test]
    fn a_handshake_that_failed_is_explained() {
        let files = Files { ca: "/c/ca.pem".into(), cert: Some("/c/cert.pem".into()), key: Some("/c/key.pem".into()) };
        let told = |error: rustls::Error| {
            let wrapped = std::io::Error::other(error);
            explain("tcp://h:2376", &files, &wrapped).unwrap()
        };
        let told_of = |bad| told(rustls::Error::InvalidCertificate(bad));
        assert!(told_of(CertificateError::UnknownIssuer).what.ends_with("not signed by /c/ca.pem"));
        assert!(told_of(CertificateError::Expired).hint.contains("renew"));
        assert!(told_of(CertificateError::NotValidForName).what.ends_with("for another name"));
        let refused = told(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert!(refused.what.contains("it refuses /c/cert.pem"), "{refused}");
        let asked = told(rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(asked.what.ends_with("it asks for a client certificate"), "{asked}");
        assert!(explain("h", &files, &std::io::Error::other("else")).is_none());
    }
}
