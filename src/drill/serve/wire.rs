//! Listening, on loopback and on sockets in a private folder, and speaking HTTP there.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::serve::{Listener, ListenerExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tower_service::Service as _;

/// An answer that is none: the connection is closed in its place.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

impl IntoResponse for HangUp {
    fn into_response(self) -> Response<Body> {
        let mut response = StatusCode::BAD_GATEWAY.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A port of loopback that nobody uses, listened on.
///
/// # Errors
/// When there is none.
pub async fn port() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Serves HTTP on a port for as long as the future is polled.
pub async fn on_port(listener: TcpListener, router: Router) {
    // Small answers, and somebody waits for each.
    on(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await;
}

/// Serves HTTP on a socket for as long as the future is polled.
pub async fn on_socket(listener: UnixListener, router: Router) {
    on(listener, router).await;
}

async fn on(mut listener: impl Listener, router: Router) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            (stream, _) = listener.accept() => drop(open.spawn(speak(stream, router.clone()))),
            Some(_) = open.join_next() => {}
        }
    }
}

/// Speaks HTTP with whoever is at the other end, until they hang up.
pub async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let response = router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
            match response.extensions().get::<HangUp>() {
                Some(_) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                None => Ok(response),
            }
        }
    });
    // Whoever asked has gone, or sent something else than HTTP: nobody is left to be told.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
