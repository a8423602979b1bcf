//! Where a machine is come to: a port or a socket of its own, that is listened on only while the machine would. Who comes meanwhile is
//! refused, as by any machine on which nothing listens, and who was there is cut off.

use crate::drill::stage::Shared;
use crate::drill::world::World;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;

/// Callers that may wait until they are let in.
const WAITING: u32 = 1_024;

/// It, open at first, so that nobody comes too early.
pub struct Door<L> {
    first: L,
    /// Listens once more, at the same place.
    again: Box<dyn Fn() -> io::Result<L> + Send>,
}

impl Door<TcpListener> {
    /// At a port of loopback that nobody uses; and that port.
    ///
    /// # Errors
    /// When there is none.
    pub fn port() -> io::Result<(Self, u16)> {
        // Bound and never listened on: while it is shut the port is given to nobody who asks for any.
        let kept = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let at = kept.local_addr()?;
        let first = bound(at)?.listen(WAITING)?;
        let again = move || bound(kept.local_addr()?)?.listen(WAITING);
        Ok((Self { first, again: Box::new(again) }, at.port()))
    }
}

fn bound(at: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    Ok(socket)
}

impl Door<UnixListener> {
    /// At a path where nothing is yet.
    ///
    /// # Errors
    /// When nothing can be listened on there.
    pub fn socket(path: PathBuf) -> io::Result<Self> {
        let first = UnixListener::bind(&path)?;
        let again = move || {
            // Who listened there left its name behind.
            std::fs::remove_file(&path)?;
            UnixListener::bind(&path)
        };
        Ok(Self { first, again: Box::new(again) })
    }
}

impl<L> Door<L> {
    /// Has callers served, for as long as the future is polled, whenever the world is so that somebody listens there.
    pub async fn keep<F: Future<Output = ()>>(
        self,
        stage: Shared,
        is_open: impl Fn(&World) -> bool,
        serve: impl Fn(L) -> F,
    ) {
        let mut changes = stage.lock().changes();
        let is_open = || is_open(&stage.lock().world);
        let mut listener = self.first;
        loop {
            tokio::select! {
                biased;
                () = until(&mut changes, || !is_open()) => {}
                () = serve(listener) => return,
            }
            until(&mut changes, &is_open).await;
            match (self.again)() {
                Ok(again) => listener = again,
                // Whoever took its place has to be told: nobody else will.
                Err(why) => return tracing::error!("a drill can't listen again: {why}"),
            }
        }
    }
}

/// Returns when that holds, at whatever change of the world.
pub async fn until(changes: &mut watch::Receiver<()>, holds: impl Fn() -> bool) {
    loop {
        changes.mark_unchanged();
        if holds() {
            return;
        }
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::scenario::Scenario;
    use crate::drill::stage::Stage;
    use crate::drill::world::{Order, Size};
    use std::io::ErrorKind;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpStream, UnixStream};

    fn stage() -> Shared {
        let scenario = Scenario::built_in("steady").unwrap();
        Shared::new(Stage::new(1, Size::default(), scenario, jiff::Timestamp::UNIX_EPOCH, 1.0).unwrap())
    }

    /// Returns when the other side has hung up.
    async fn cut_off(mut stream: impl AsyncReadExt + Unpin) {
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }

    async fn let_in(listener: TcpListener) {
        let mut guests = Vec::new();
        while let Ok((guest, _)) = listener.accept().await {
            guests.push(guest);
        }
    }

    #[tokio::test]
    async fn a_port_is_refused_while_the_machine_is_off_and_is_there_again_with_it() {
        let (stage, (door, port)) = (stage(), Door::port().unwrap());
        let kept = tokio::spawn(door.keep(stage.clone(), |world| world.servers[1].up, let_in));
        for _ in 0..2 {
            let guest = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stage.lock().order(&Order::Power(1, false)).unwrap();
            cut_off(guest).await;
            let refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            stage.lock().order(&Order::Power(1, true)).unwrap();
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
        kept.abort();
    }

    #[tokio::test]
    async fn a_socket_is_refused_while_the_machine_is_off_and_is_there_again_with_it() {
        let (stage, folder) = (stage(), tempfile::tempdir().unwrap());
        let path = folder.path().join("a.sock");
        let door = Door::socket(path.clone()).unwrap();
        let serve = |listener: UnixListener| async move {
            let guest = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
            drop(guest);
        };
        let kept = tokio::spawn(door.keep(stage.clone(), |world| world.servers[1].up, serve));
        let guest = UnixStream::connect(&path).await.unwrap();
        stage.lock().order(&Order::Power(1, false)).unwrap();
        cut_off(guest).await;
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        stage.lock().order(&Order::Power(1, true)).unwrap();
        while UnixStream::connect(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
        kept.abort();
    }
}
