//! Forwards, to what the machines of this production answer and to nothing else.

use super::Host;
use crate::drill::machine::Target;
use crate::drill::serve::wire;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use russh::Channel;
use russh::server::Msg;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tower_service::Service as _;

/// Where one leads.
pub(super) enum Way {
    /// To pages: the place as it was asked for, `127.0.0.1:8080`.
    Pages(String),
    /// To a PostgreSQL: its port on loopback.
    Database(u16),
}

/// Where a forward leads.
///
/// # Errors
/// Why it leads nowhere.
pub(super) fn to(host: &Host, name: &str, port: u32) -> Result<Way, String> {
    let place = format!("{name}:{port}");
    if port == 5_432 {
        let which =
            host.machine.database(name).ok_or_else(|| format!("no PostgreSQL of this drill answers at {place}"))?;
        return Ok(Way::Database(host.databases[which]));
    }
    match host.machine.route(&format!("http://{place}/")) {
        // The load balancer has nobody to send it to: it says so itself.
        Ok(_) | Err((22, _)) => Ok(Way::Pages(place)),
        Err((_, why)) => Err(format!("a drill forwards to its own services alone: {why}")),
    }
}

/// Carries what is said, until one side hangs up.
pub(super) async fn carry(host: Arc<Host>, channel: Channel<Msg>, way: Way) {
    let mut stream = channel.into_stream();
    match way {
        Way::Pages(place) => wire::speak(stream, pages(host, place)).await,
        Way::Database(port) => {
            if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await {
                let _ = copy_bidirectional(&mut stream, &mut to).await;
            }
        }
    }
}

/// The pages of whoever listens there, each under the path that it has there.
fn pages(host: Arc<Host>, place: String) -> Router {
    Router::new().fallback(move |request: Request| {
        let (host, place) = (Arc::clone(&host), place.clone());
        async move {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
            let Ok(Target { name, path }) = host.machine.route(&format!("http://{place}{path}")) else {
                return StatusCode::BAD_GATEWAY.into_response();
            };
            let mut request = request;
            match format!("/{name}{path}").parse::<Uri>() {
                Ok(uri) => *request.uri_mut() = uri,
                Err(_) => return StatusCode::BAD_REQUEST.into_response(),
            }
            host.machine.pages().call(request).await.unwrap_or_else(|never| match never {})
        }
    })
}
