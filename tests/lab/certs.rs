//! Certificates made for one test: an authority, and what it signs, as PEM files in the lab's folder.

use super::service::folder;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::path::PathBuf;

/// Somebody who signs.
pub struct Authority {
    /// Its own certificate.
    pub ca: PathBuf,
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, that nobody trusts yet.
    pub fn new() -> Self {
        let folder = folder("certs");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let ca = folder.join("ca.pem");
        fs::write(&ca, params.self_signed(&key).expect("a certificate").pem()).expect("a file in the lab's folder");
        Self { ca, folder, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server or client of these names and addresses.
    pub fn sign(&self, names: &[&str]) -> Pair {
        self.write(names, |_| {})
    }

    /// One that was valid in a year long gone.
    pub fn sign_expired(&self, names: &[&str]) -> Pair {
        self.write(names, |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
    }

    fn write(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let first = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let number = fs::read_dir(&self.folder).map_or(0, Iterator::count);
        let at = |end: &str| self.folder.join(format!("{first}-{number}.{end}.pem"));
        let pair = Pair { cert: at("cert"), key: at("key") };
        fs::write(&pair.cert, signed.pem()).expect("a file in the lab's folder");
        fs::write(&pair.key, key.serialize_pem()).expect("a file in the lab's folder");
        pair
    }
}
