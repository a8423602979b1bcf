//! The address of a container: a port that leads to the socket on which the container listens. The lab's engine has no network, so
//! nothing else leads there. While the container is down, whoever connects is hung up on, as by a machine where nothing listens.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A port of an address of loopback.
#[derive(Debug)]
pub struct Front {
    address: Ipv4Addr,
    port: u16,
    ends: Arc<AtomicBool>,
}

impl Front {
    /// Leads to the socket in `folder` that is called as the address and the port.
    pub fn start(address: Ipv4Addr, port: u16, folder: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((address, port))?;
        let (socket, ends) = (folder.join(format!("{address}:{port}")), Arc::new(AtomicBool::new(false)));
        let theirs = Arc::clone(&ends);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.load(Ordering::SeqCst) {
                    break;
                }
                let socket = socket.clone();
                // A connection that breaks is the business of its two ends.
                std::thread::spawn(move || drop(pass(&stream, &socket)));
            }
        });
        Ok(Self { address, port, ends })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((self.address, self.port)));
    }
}

/// Passes on what both sides say, until both have ended.
fn pass(client: &TcpStream, socket: &PathBuf) -> io::Result<()> {
    let service = UnixStream::connect(socket)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*client, &mut &service);
            let _ = service.shutdown(Shutdown::Write);
        });
        let said = io::copy(&mut &service, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
        said.map(drop)
    })
}
