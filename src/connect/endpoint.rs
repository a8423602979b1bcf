//! A whole web address, as a health check or an exporter has one: unlike a [`super::http::BaseUrl`] it may end in a query,
//! and nothing is appended to it.

use super::{Web, cause, root};
use crate::clock;
use crate::domain::SourceError;
use reqwest::Url;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer};
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// HTTP status.
    pub status: u16,
    /// Until the head of the answer came.
    pub took: Duration,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Why the body is not whole; empty when it is.
    pub broken: String,
}

/// `http://host:port/path?query`.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
pub struct Endpoint(#[schemars(with = "String")] Url);

impl Endpoint {
    /// From text.
    ///
    /// # Errors
    /// One sentence, when it is no `http://` or `https://` address. The text is not repeated when it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = if text.contains('@') { "the address".to_owned() } else { format!("{text:?}") };
        let wrong =
            || format!("{shown} is no web address: write it with its scheme, as in \"http://10.0.1.4:8080/health\"");
        let url = Url::parse(text).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong());
        }
        Ok(Self(url))
    }

    /// Refuses a login inside the address.
    ///
    /// # Errors
    /// When there is one. It is asked for after the config was read, so that no message can quote the line.
    pub fn refuse_login(&self, place: &str) -> Result<(), SourceError> {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return Ok(());
        }
        Err(SourceError::new(
            format!("an address of {place} holds a login, and a config holds no secrets"),
            "take it out, and write access = { user = \"…\", password = { env = \"NAME\" } } beside it",
        ))
    }

    /// Host name or address, without brackets and port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// Asks once, and reads at most `most` bytes of the body. A body that breaks off is no failure: the status is known.
    ///
    /// # Errors
    /// Why there is no answer, in a few words without the address: an endpoint that says nothing is a finding, not a fault.
    pub async fn ask(&self, web: &Web, timeout: Duration, most: usize) -> Result<Heard, String> {
        let asked = clock::now();
        let request = web.sign(web.get(self.0.clone()).timeout(timeout)).await.map_err(|error| error.to_string())?;
        let mut response = request.send().await.map_err(|error| why(&error, timeout))?;
        let (status, took) = (response.status().as_u16(), clock::now().since(asked));
        if status == 401 {
            web.refused();
        }
        let mut heard = Heard { status, took, body: Vec::new(), broken: String::new() };
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(heard),
                Ok(Some(chunk)) => heard.body.extend_from_slice(&chunk),
                Err(error) => heard.broken = why(&error, timeout),
            }
            if heard.body.len() > most {
                heard.body.truncate(most);
                heard.broken = format!("it is longer than {} KiB", most >> 10);
            }
            if !heard.broken.is_empty() {
                return Ok(heard);
            }
        }
    }

    /// For the HTTP client.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// What happened, without what it happened to.
fn why(error: &reqwest::Error, timeout: Duration) -> String {
    match cause::<std::io::Error>(error).map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "nothing listens there".to_owned(),
        _ if error.is_timeout() => format!("no answer within {:.1} s", timeout.as_secs_f64()),
        _ if error.is_dns() => "the host name is not known".to_owned(),
        _ if error.is_redirect() => "it redirects in circles".to_owned(),
        _ => root(error),
    }
}

/// Without its query and login: either may hold a token.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        let _ = (shown.set_username(""), shown.set_password(None));
        shown.set_query(None);
        shown.set_fragment(None);
        f.write_str(shown.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_kept_and_not_shown() {
        let endpoint = Endpoint::parse("http://[::1]:8080/health?token=hunter2#x").unwrap();
        assert_eq!(endpoint.url().query(), Some("token=hunter2"));
        assert_eq!((endpoint.to_string().as_str(), endpoint.host()), ("http://[::1]:8080/health", "::1"));
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_address_or_holds_a_login_is_refused_without_showing_a_secret() {
        assert!(Endpoint::parse("game-1/health").unwrap_err().starts_with("\"game-1/health\" is no web address"));
        assert!(!Endpoint::parse("ftp://me:hunter2@h").unwrap_err().contains("hunter2"));
        let endpoint = Endpoint::parse("http://me:hunter2@h/health").unwrap();
        assert!(!format!("{} {endpoint}", endpoint.refuse_login("[[server]] a").unwrap_err()).contains("hunter2"));
    }
}
