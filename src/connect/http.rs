//! The HTTP client, what an address may look like, and what it means when one does not answer.
//!
//! Loopback never goes through a proxy; elsewhere the usual environment variables hold. TLS is rustls with ring.

use super::{Web, cause, root, roots};
use crate::domain::SourceError;
use reqwest::{Certificate, Client, Identity, NoProxy, Proxy, RequestBuilder, Url, redirect};
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer};
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Longest wait for a TCP and TLS connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Redirects followed: a service behind a proxy may need one, a login page is no answer.
const REDIRECTS: usize = 3;
/// Longest answer read, in bytes.
const LONGEST: usize = 64 << 20;

/// What a client believes beside the system's certificates, and whom it says to be.
#[derive(Default)]
pub struct Trust {
    /// Trusted authorities.
    pub authorities: Vec<Certificate>,
    /// Our own certificate, with its key.
    pub identity: Option<Identity>,
}

/// What becomes of a redirect, and where a client goes at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects<'a> {
    /// A few are followed.
    Follow,
    /// It is the answer.
    Never,
    /// It is the answer, and every request goes to this local socket.
    NeverThrough(&'a Path),
}

/// Makes the client that believes what the system believes. The system's certificates are read when the first one is to be judged.
///
/// # Errors
/// When a proxy that the environment names is no address, or TLS can't be set up.
pub fn client() -> Result<Client, SourceError> {
    client_that(Redirects::Follow)
}

/// The same, with a say in redirects.
///
/// # Errors
/// As [`client`].
pub fn client_that(redirects: Redirects<'_>) -> Result<Client, SourceError> {
    let proxies = proxies(|name| std::env::var(name).ok())?;
    let tls = roots::tls().map_err(|error| unmade(&error))?;
    builder(&proxies, redirects).tls_backend_preconfigured(tls).build().map_err(|error| unmade(&error))
}

/// Makes a client with a trust of its own. Blocks for some milliseconds while the system's certificates are read.
///
/// # Errors
/// When a proxy that the environment names is no address, or TLS can't be set up.
pub fn client_with(trust: Trust, redirects: Redirects<'_>) -> Result<Client, SourceError> {
    // Already installed by an earlier call: that one is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proxies = proxies(|name| std::env::var(name).ok())?;
    // A machine without certificates must still reach services over plain HTTP; HTTPS then fails where it is used.
    let Trust { authorities, identity } = trust;
    let builder = |proxies: &[Proxy]| {
        let builder = builder(proxies, redirects).tls_certs_merge(authorities.clone());
        identity.clone().into_iter().fold(builder, reqwest::ClientBuilder::identity)
    };
    let built = builder(&proxies).build();
    built.or_else(|_| builder(&proxies).tls_certs_only(authorities.clone()).build()).map_err(|error| unmade(&error))
}

fn unmade(error: &(dyn std::error::Error + 'static)) -> SourceError {
    let what = format!("the HTTP client can't be made: {}", root(error));
    SourceError::new(what, "install the system's certificates")
}

fn builder(proxies: &[Proxy], redirects: Redirects<'_>) -> reqwest::ClientBuilder {
    let policy = match redirects {
        Redirects::Follow => redirect::Policy::limited(REDIRECTS),
        Redirects::Never | Redirects::NeverThrough(_) => redirect::Policy::none(),
    };
    let builder = Client::builder()
        .user_agent(concat!("quarterdeck/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(policy)
        .pool_max_idle_per_host(2)
        .no_proxy();
    if let Redirects::NeverThrough(socket) = redirects {
        return builder.unix_socket(socket);
    }
    proxies.iter().cloned().fold(builder, reqwest::ClientBuilder::proxy)
}

type Maker = fn(String) -> reqwest::Result<Proxy>;

/// The proxies that the environment names, none of them for loopback. `HTTP_PROXY` in capitals is ignored, as curl does.
fn proxies(env: impl Fn(&str) -> Option<String>) -> Result<Vec<Proxy>, SourceError> {
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| env(name).filter(|value| !value.is_empty()).map(|value| ((*name).to_owned(), value)))
    };
    let except = first(&["no_proxy", "NO_PROXY"]).map_or_else(String::new, |(_, list)| list);
    let except = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{except}"));
    let makers: [(&[&str], Maker); 3] = [
        (&["http_proxy"], Proxy::http),
        (&["https_proxy", "HTTPS_PROXY"], Proxy::https),
        (&["all_proxy", "ALL_PROXY"], Proxy::all),
    ];
    let named = makers.iter().filter_map(|(names, make)| first(names).map(|(name, value)| (name, make(value))));
    named.map(|(name, made)| made.map(|proxy| proxy.no_proxy(except.clone())).map_err(|_| bad_proxy(&name))).collect()
}

// The value is not shown: it may hold a password.
fn bad_proxy(name: &str) -> SourceError {
    SourceError::new(
        format!("the environment variable {name} holds no proxy address"),
        format!("unset {name}, or set it as in http://proxy:3128"),
    )
}

/// Where a service is: `http://host:port`, with or without a path prefix.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct BaseUrl(#[schemars(with = "String")] Url);

impl BaseUrl {
    /// From text.
    ///
    /// # Errors
    /// One sentence, when it is no `http://` or `https://` address or has a query. The text is not repeated when it may
    /// hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = if text.contains('@') { "the address".to_owned() } else { format!("{text:?}") };
        let example = "write it with its scheme, as in \"http://prometheus:9090\"";
        let url = Url::parse(text).map_err(|_| format!("{shown} is no web address: {example}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("{shown} is no web address: {example}"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{shown} has a part after ? or #: write only the scheme, host, port and path prefix"));
        }
        Ok(Self(url))
    }

    /// Refuses a login inside the address.
    ///
    /// # Errors
    /// When there is one. It is asked for after the config was read, so that no message can quote the line.
    pub fn refuse_login(&self, table: &str) -> Result<(), SourceError> {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return Ok(());
        }
        Err(SourceError::new(
            format!("the address in [{table}] holds a login, and a config holds no secrets"),
            "take it out, and write access = { user = \"…\", password = { env = \"NAME\" } } beside it",
        ))
    }

    /// Host and port, as in `127.0.0.1:8080`.
    pub fn host_and_port(&self) -> String {
        let port = self.0.port_or_known_default().unwrap_or(80);
        format!("{}:{port}", self.0.host_str().unwrap_or_default())
    }

    /// The address of a path and query, with its leading slash, below the prefix. `None` when it would lead elsewhere.
    pub fn below(&self, target: &str) -> Option<Url> {
        let url = Url::parse(&format!("{self}{target}")).ok()?;
        (url.origin() == self.0.origin()).then_some(url)
    }

    /// The address of `path` (without a leading slash) below the prefix.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Asks once. `service` is its name for people ("Prometheus"), `base` where the config says it is.
///
/// # Errors
/// When no answer came, or one that is too long; an answer with an error status is a [`Reply`].
pub async fn get(
    web: &Web,
    service: &str,
    base: &BaseUrl,
    path: &str,
    timeout: Duration,
) -> Result<Reply, SourceError> {
    send(web, web.get(base.join(path)).timeout(timeout), service, base).await
}

/// Sends what was put together, as [`get`] does.
///
/// # Errors
/// When no answer came, or one that is too long; an answer with an error status is a [`Reply`].
pub async fn send(web: &Web, request: RequestBuilder, service: &str, base: &BaseUrl) -> Result<Reply, SourceError> {
    let request = web.sign(request).await?;
    let (client, request) = request.build_split();
    let limit = request.as_ref().ok().and_then(|request| request.timeout().copied());
    let failed = |error: reqwest::Error| explain(service, base, limit, &error);
    let mut response = client.execute(request.map_err(failed)?).await.map_err(failed)?;
    let status = response.status().as_u16();
    if status == 401 {
        web.refused();
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            let what = format!("{service} at {base} sent more than {} MiB", LONGEST >> 20);
            return Err(SourceError::new(what, "is it really that service which answers there?"));
        }
    }
    Ok(Reply { status, body })
}

/// What a status that is no success means, and how to mend it.
pub fn refused(service: &str, base: &BaseUrl, status: u16, said: &str) -> SourceError {
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let hint = match status {
        401 => {
            "it asks for a login, or refuses the one it got: write access = { user = …, password = … } or { bearer = … }"
        }
        403 => "the login may not ask this: give it the right, or write another one as access",
        404 | 405 => "check the port and the path prefix in the config: something answers there, but not this API",
        429 => "it is asked too often: raise `interval`",
        502..=504 => "it is starting, overloaded, or down behind its proxy: look at its log",
        _ => "look at its log",
    };
    SourceError::new(format!("{service} at {base} answers {status}{said}"), hint)
}

/// An answer that is not what the service's API sends.
pub fn not_the_api(service: &str, base: &BaseUrl, why: &str) -> SourceError {
    SourceError::new(
        format!("{base} does not answer as {service} does: {why}"),
        "check the port and the path prefix in the config; a login page may stand in front",
    )
}

/// Why a service gave no answer, and how to mend it.
pub fn explain(service: &str, base: &BaseUrl, limit: Option<Duration>, error: &reqwest::Error) -> SourceError {
    let limit = limit.filter(|limit| !error.is_connect() || *limit < CONNECT).unwrap_or(CONNECT);
    let late = || format!("it does not answer in time ({:.1} s)", limit.as_secs_f64());
    let start = || format!("start {service}, or write its address in the config");
    let io = cause::<std::io::Error>(error).map(std::io::Error::kind);
    let (why, hint) = match io {
        Some(ErrorKind::ConnectionRefused) => ("nothing listens there".to_owned(), start()),
        _ if error.is_timeout() => (late(), format!("see whether {service} hangs")),
        _ if error.is_dns() => ("the host name is not known".to_owned(), "check the name in the config".to_owned()),
        _ if error.is_redirect() => ("it redirects in circles".to_owned(), "check the scheme and the path".to_owned()),
        _ => (root(error), start()),
    };
    SourceError::new(format!("{service} at {base}: {why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_kept() {
        for text in ["http://h:1/prom", "http://h:1/prom/"] {
            assert_eq!(BaseUrl::parse(text).unwrap().join("api/v1/alerts").as_str(), "http://h:1/prom/api/v1/alerts");
        }
        assert_eq!(BaseUrl::parse("http://h:1").unwrap().join("api").as_str(), "http://h:1/api");
    }

    #[test]
    fn a_target_stays_with_its_service() {
        let base = BaseUrl::parse("http://h:1/api/").unwrap();
        assert_eq!(base.below("/a?b=c%2Fd").unwrap().as_str(), "http://h:1/api/a?b=c%2Fd");
        assert_eq!(base.host_and_port(), "h:1");
        assert_eq!(BaseUrl::parse("https://[::1]").unwrap().host_and_port(), "[::1]:443");
        assert_eq!(BaseUrl::parse("http://h:1").unwrap().below("@evil/"), None);
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        let message = BaseUrl::parse("prometheus:9090").unwrap_err();
        assert!(message.starts_with("\"prometheus:9090\" is no web address"), "{message}");
        assert!(BaseUrl::parse("http://h/?x=1").is_err());
        assert!(!BaseUrl::parse("htp://me:hunter2@h").unwrap_err().contains("hunter2"));
        let error = BaseUrl::parse("http://me:hunter2@h").unwrap().refuse_login("prometheus.a").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_proxy_never_stands_before_loopback_and_its_password_is_never_shown() {
        let env = |name: &str| (name == "http_proxy").then(|| "http://me:hunter2@".to_owned());
        let error = proxies(env).unwrap_err();
        assert_eq!(error.what, "the environment variable http_proxy holds no proxy address");
        let env = |name: &str| (name == "http_proxy").then(|| "http://proxy:3128".to_owned());
        assert_eq!(proxies(env).unwrap().len(), 1);
        assert_eq!(proxies(|_| None).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_closed_port_on_loopback_is_named_even_with_a_proxy() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A port that was free a moment ago.
        let port = |listener: std::net::TcpListener| listener.local_addr().unwrap().port();
        let free = port(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://127.0.0.1:{}", listening.local_addr().unwrap().port());
        let env = |name: &str| (name == "all_proxy").then(|| proxy.clone());
        let client = builder(&proxies(env).unwrap(), Redirects::Follow).build().unwrap();
        let base = BaseUrl::parse(&format!("http://127.0.0.1:{free}")).unwrap();
        let error = get(&Web::plain(client), "Prometheus", &base, "api", Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.what, format!("Prometheus at http://127.0.0.1:{free}: nothing listens there"));
    }

    #[tokio::test]
    async fn a_service_that_hangs_is_given_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = BaseUrl::parse(&format!("http://{}", listening.local_addr().unwrap())).unwrap();
        let client = client().unwrap();
        let error = get(&Web::plain(client), "Prometheus", &base, "api", Duration::from_millis(50)).await.unwrap_err();
        assert!(error.what.ends_with("it does not answer in time (0.1 s)"), "{}", error.what);
    }
}
