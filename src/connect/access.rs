//! How a web service wants to be asked: who logs in, which headers it takes, whom it is believed to be.

use super::http::{self, Redirects};
use super::secret::Keeper;
use crate::domain::SourceError;
use crate::domain::secret::SecretRef;
use crate::redact::Redactor;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, Url};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// `access = { … }` of a source that asks over HTTP. Without it: no login, the system's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Basic authentication: who.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretRef>,
    /// A token, sent as `Authorization: Bearer`.
    pub bearer: Option<SecretRef>,
    /// Headers sent with every question, as `X-Scope-OrgID` of a Mimir. Never a secret.
    pub headers: BTreeMap<String, String>,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub ca: Option<String>,
    /// A file of our own certificate (PEM), for services that ask for one.
    pub cert: Option<String>,
    /// The file of its key (PEM).
    pub key: Option<String>,
}

/// A client with all that belongs to it. A clone shares connections and login.
#[derive(Clone)]
pub struct Web {
    client: Client,
    headers: HeaderMap,
    login: Option<Arc<Login>>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("login", &self.login.is_some()).finish_non_exhaustive()
    }
}

enum Login {
    Basic(String, Keeper),
    Bearer(Keeper),
}

impl Web {
    /// As `access` of `[table]` says; `shared` is the client of all that need none of their own, `redirects` what holds for one of
    /// its own.
    ///
    /// # Errors
    /// When the settings contradict each other, or a file can't be read or holds no certificate.
    pub fn new(
        access: &Access,
        table: &str,
        shared: Client,
        redactor: &Redactor,
        redirects: Redirects<'_>,
    ) -> Result<Self, SourceError> {
        let wrong = |what: &str, hint: &str| SourceError::new(format!("access in [{table}] {what}"), hint);
        let login = login(access, redactor).map_err(|(what, hint)| wrong(what, hint))?;
        let headers = headers(&access.headers).map_err(|what| wrong(&what, "write { Name = \"value\" }"))?;
        let own = access.ca.is_some() || access.cert.is_some() || access.key.is_some();
        let client = if own { client(access, table, redirects)? } else { shared };
        Ok(Self { client, headers, login: login.map(Arc::new) })
    }

    /// With nothing of its own: no login, no headers.
    pub fn plain(client: Client) -> Self {
        Self { client, headers: HeaderMap::new(), login: None }
    }

    /// A question, to be sent by [`http::send`].
    pub fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url).headers(self.headers.clone())
    }

    /// The same with a body.
    pub fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url).headers(self.headers.clone())
    }

    /// A request of any method.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).headers(self.headers.clone())
    }

    /// The question with the login, if there is one.
    ///
    /// # Errors
    /// When the secret can't be found.
    pub async fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, SourceError> {
        Ok(match self.login.as_deref() {
            None => request,
            Some(Login::Basic(user, password)) => request.basic_auth(user, Some(password.get().await?.expose_secret())),
            Some(Login::Bearer(token)) => request.bearer_auth(token.get().await?.expose_secret()),
        })
    }

    /// The login was refused: it is found anew for the next question.
    pub fn refused(&self) {
        if let Some(Login::Basic(_, secret) | Login::Bearer(secret)) = self.login.as_deref() {
            secret.forget();
        }
    }
}

fn login(access: &Access, redactor: &Redactor) -> Result<Option<Login>, (&'static str, &'static str)> {
    let keeper = |reference: &SecretRef| {
        let mut keeper = Keeper::new(reference.clone());
        keeper.hide_with(redactor);
        keeper
    };
    match (&access.user, &access.password, &access.bearer) {
        (None, None, None) => Ok(None),
        (Some(user), Some(password), None) => Ok(Some(Login::Basic(user.clone(), keeper(password)))),
        (None, None, Some(token)) => Ok(Some(Login::Bearer(keeper(token)))),
        (_, _, Some(_)) => Err(("has two logins", "keep either bearer, or user and password")),
        (Some(_), None, None) => Err(("has a user and no password", "write password = { env = \"NAME\" } beside it")),
        (None, Some(_), None) => Err(("has a password and no user", "write user = \"…\" beside it")),
    }
}

fn headers(written: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let wrong = || format!("has a header {name:?} that can't be sent");
        if ["authorization", "cookie", "proxy-authorization"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("has a header {name:?}, and a config holds no secrets: use user or bearer"));
        }
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

fn client(access: &Access, table: &str, redirects: Redirects<'_>) -> Result<Client, SourceError> {
    let bad = |path: &str, why: &str| {
        let what = format!("{path}, named in access of [{table}], {why}");
        SourceError::new(what, "name a file in PEM format that you may read")
    };
    let read = |path: &String| std::fs::read(path).map_err(|error| bad(path, &format!("can't be read: {error}")));
    let mut extra = http::Trust::default();
    if let Some(path) = &access.ca {
        extra.authorities =
            Certificate::from_pem_bundle(&read(path)?).map_err(|_| bad(path, "holds no certificates"))?;
    }
    match (&access.cert, &access.key) {
        (None, None) => {}
        (Some(cert), Some(key)) => {
            let pem = [read(key)?, read(cert)?].concat();
            extra.identity = Some(Identity::from_pem(&pem).map_err(|_| bad(cert, "or its key, is none"))?);
        }
        _ => {
            let what = format!("access in [{table}] has only one of cert and key");
            return Err(SourceError::new(what, "write both, or none"));
        }
    }
    http::client_with(extra, redirects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(access: &str) -> Result<Web, SourceError> {
        let access: Access = toml::from_str(access).unwrap();
        Web::new(&access, "prometheus.a", http::client().unwrap(), &Redactor::default(), Redirects::Follow)
    }

    fn what(access: &str) -> String {
        web(access).err().unwrap().what
    }

    #[test]
    fn settings_that_contradict_each_other_are_told_apart() {
        assert!(what("user = 'q'").ends_with("has a user and no password"));
        assert!(what("password = { env = 'X' }").ends_with("has a password and no user"));
        assert!(what("bearer = { env = 'X' }\nuser = 'q'").ends_with("has two logins"));
        assert!(what("cert = '/nowhere'").ends_with("has only one of cert and key"));
        assert!(what("ca = '/nowhere'").starts_with("/nowhere, named in access of [prometheus.a], can't be read"));
        assert!(what("headers = { Authorization = 'Basic aHVudGVyMg==' }").contains("holds no secrets"));
        assert!(what("headers = { 'a b' = 'c' }").contains("can't be sent"));
        assert!(web("").is_ok() && web("headers = { X-Scope-OrgID = 'team' }").is_ok());
    }

    #[tokio::test]
    async fn a_login_goes_with_the_question_and_is_found_anew_when_it_was_refused() {
        let dir = tempfile::tempdir().unwrap();
        let command = format!("echo x >> {0}/n; wc -l < {0}/n", dir.path().display());
        let web = web(&format!("user = 'q'\npassword = {{ command = '{command}' }}")).unwrap();
        let sent = async || {
            let request = web.get("http://h/".parse().unwrap());
            let request = web.sign(request).await.unwrap().build().unwrap();
            request.headers()["authorization"].to_str().unwrap().to_owned()
        };
        let first = sent().await;
        assert!(first.starts_with("Basic ") && first == sent().await);
        web.refused();
        assert_ne!(first, sent().await, "the command was asked again");
    }
}
