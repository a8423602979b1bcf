//! TLS before a service that speaks none: a gate that asks for a client's certificate, and a server that only greets.
//!
//! Made for HTTP with one request a connection, so that a thread and blocking sockets are enough.

use super::certs::{Authority, Pair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

/// A gate before a Unix socket: TLS on a port of loopback, for clients that its authority has signed.
pub struct Gate {
    /// Its port.
    pub port: u16,
    /// Who signed its certificate, which is for 127.0.0.1 alone, and signs its clients'.
    pub authority: Authority,
    /// A client's certificate that it takes.
    pub client: Pair,
}

impl Gate {
    /// Opens one. It stays as long as the process.
    pub fn before(socket: &Path) -> Self {
        let authority = Authority::new();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&authority.ca)).expect("an authority of the lab");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier.build().expect("one authority");
        let config = config(&authority.sign(&["127.0.0.1"]), |builder| builder.with_client_cert_verifier(verifier));
        let socket = socket.to_owned();
        let port = listen(config, move |stream| {
            // Whoever hangs up early is gone, and so is the engine's answer.
            let _ = relay(stream, &socket);
        });
        let client = authority.sign(&["client"]);
        Self { port, authority, client }
    }
}

/// A port on loopback that greets with this certificate and then hangs up: enough to see who is trusted.
pub fn greets_with(pair: &Pair) -> u16 {
    listen(config(pair, Wants::with_no_client_auth), |mut stream| {
        // The client ends it when it does not like what it sees.
        let _ = stream.read(&mut [0; 1024]);
    })
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

fn listen(config: ServerConfig, serve: impl Fn(Stream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    let (config, serve) = (Arc::new(config), Arc::new(serve));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (config, serve) = (Arc::clone(&config), Arc::clone(&serve));
            let connection = ServerConnection::new(config).expect("a server's side of TLS");
            std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
        }
    });
    port
}

/// One request and its answer.
fn relay(mut client: Stream, socket: &Path) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let length =
        text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body)?;
    let mut engine = UnixStream::connect(socket)?;
    // So the engine ends the connection after its answer, and this thread with it.
    engine.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    engine.write_all(&body)?;
    io::copy(&mut engine, &mut client)?;
    client.conn.send_close_notify();
    client.flush()
}

type Wants = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;
type Has = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn config(pair: &Pair, clients: impl FnOnce(Wants) -> Has) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    let key = PrivateKeyDer::from_pem_slice(&read(&pair.key)).expect("a key of the lab");
    clients(builder).with_single_cert(vec![certificate(&pair.cert)], key).expect("a certificate with its key")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&read(path)).expect("a certificate of the lab")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file of the lab")
}
