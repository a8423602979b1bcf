//! What the config names for runbooks beside the sources: servers with their endpoints, web services, secrets.

use super::http::{self, BaseUrl, Redirects};
use super::secret::Keeper;
use super::{Access, Connections, Web, missing};
use crate::domain::SourceError;
use crate::domain::nearest::nearest;
use crate::domain::secret::{Secret, SecretRef};
use crate::redact::Redactor;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// `[http.NAME]`: a web service that runbooks ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "url = \"http://…\" under [http.NAME]")]
pub struct SiteSettings {
    /// Scheme, host, port and perhaps a path that all requests begin with.
    pub url: BaseUrl,
    /// How it wants to be asked.
    #[serde(default)]
    pub access: Access,
}

/// A `[[server]]`, as far as runbooks reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The config's name.
    pub name: String,
    /// Host name or address, without a port.
    pub address: Option<String>,
    /// What it is for.
    pub roles: Vec<String>,
    /// The engine of its containers, where it is not named like the server.
    pub engine: Option<String>,
    /// Addresses by name.
    pub endpoints: BTreeMap<String, BaseUrl>,
    /// How they want to be asked.
    pub access: Access,
}

/// A web service that can be asked.
pub struct Site {
    /// What it is called in the config: `http.shop`, or `server web-1, endpoint admin`.
    name: String,
    settings: SiteSettings,
    redactor: Redactor,
    web: OnceLock<Result<Web, SourceError>>,
}

impl Site {
    fn new(name: String, settings: SiteSettings, redactor: &Redactor) -> Self {
        Self { name, settings, redactor: redactor.clone(), web: OnceLock::new() }
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub const fn base(&self) -> &BaseUrl {
        &self.settings.url
    }

    /// The client, which follows no redirect by itself.
    ///
    /// # Errors
    /// When its settings contradict each other, or a file that they name can't be used.
    pub fn web(&self) -> Result<Web, SourceError> {
        self.web.get_or_init(|| self.make(None)).clone()
    }

    /// A client that reaches it through a local socket, whatever its address says.
    ///
    /// # Errors
    /// As [`Self::web`].
    pub fn web_through(&self, socket: &Path) -> Result<Web, SourceError> {
        self.make(Some(socket))
    }

    fn make(&self, socket: Option<&Path>) -> Result<Web, SourceError> {
        let SiteSettings { url, access } = &self.settings;
        url.refuse_login(&self.name)?;
        let redirects = socket.map_or(Redirects::Never, Redirects::NeverThrough);
        Web::new(access, &self.name, http::client_that(redirects)?, &self.redactor, redirects)
    }
}

/// All that the config names for runbooks.
#[derive(Clone, Default)]
pub(super) struct Named {
    servers: Vec<Server>,
    sites: BTreeMap<String, Arc<Site>>,
    endpoints: BTreeMap<(String, String), Arc<Site>>,
    secrets: BTreeMap<String, (SecretRef, Arc<Keeper>)>,
}

impl Connections {
    /// Says what the config names for runbooks, in its order. What says the same as before keeps its login and what was found.
    pub fn name_all(
        &mut self,
        servers: Vec<Server>,
        sites: &BTreeMap<String, SiteSettings>,
        secrets: &BTreeMap<String, SecretRef>,
    ) {
        let (before, mut named) = (std::mem::take(&mut self.named), Named::default());
        for (name, reference) in secrets {
            let kept = before.secrets.get(name).filter(|(known, _)| known == reference).cloned();
            let secret = kept.unwrap_or_else(|| {
                let mut keeper = Keeper::new(reference.clone());
                keeper.hide_with(&self.redactor);
                (reference.clone(), Arc::new(keeper))
            });
            named.secrets.insert(name.clone(), secret);
        }
        let site = |kept: Option<&Arc<Site>>, name: String, settings: &SiteSettings| {
            let kept = kept.filter(|site| site.settings == *settings).cloned();
            kept.unwrap_or_else(|| Arc::new(Site::new(name, settings.clone(), &self.redactor)))
        };
        for (name, settings) in sites {
            let made = site(before.sites.get(name), format!("http.{name}"), settings);
            named.sites.insert(name.clone(), made);
        }
        for server in &servers {
            for (endpoint, url) in &server.endpoints {
                let key = (server.name.clone(), endpoint.clone());
                let settings = SiteSettings { url: url.clone(), access: server.access.clone() };
                let made = site(before.endpoints.get(&key), format!("server {}, {endpoint}", server.name), &settings);
                named.endpoints.insert(key, made);
            }
        }
        named.servers = servers;
        self.named = Arc::new(named);
    }

    /// The `[[server]]` of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers().find(|server| server.name == name)
    }

    /// All servers that the config names, in its order.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.named.servers.iter()
    }

    /// Those of a role, in the config's order.
    pub fn servers_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Server> {
        self.servers().filter(move |server| server.roles.iter().any(|known| known == role))
    }

    /// Like [`Self::server`]; the error lists the names that there are.
    pub fn need_server(&self, name: &str) -> Result<&Server, SourceError> {
        self.server(name).ok_or_else(|| {
            let known: Vec<&str> = self.servers().map(|server| server.name.as_str()).collect();
            let hint = if known.is_empty() {
                "add one: there is no [[server]] at all".to_owned()
            } else {
                format!("there are: {}", known.join(", "))
            };
            SourceError::new(format!("there is no [[server]] {name:?} in the config"), hint)
        })
    }

    /// The service of `[http.NAME]`; the error lists the names that there are.
    pub fn need_site(&self, name: &str) -> Result<&Arc<Site>, SourceError> {
        let names = self.named.sites.keys().map(String::as_str);
        self.named.sites.get(name).ok_or_else(|| missing("http", name, names))
    }

    /// An endpoint of a `[[server]]`; the error lists those that it has.
    pub fn need_endpoint(&self, server: &str, endpoint: &str) -> Result<&Arc<Site>, SourceError> {
        let known = self.need_server(server)?;
        self.named.endpoints.get(&(server.to_owned(), endpoint.to_owned())).ok_or_else(|| {
            let names: Vec<&str> = known.endpoints.keys().map(String::as_str).collect();
            let hint =
                format!("write endpoints = {{ {endpoint} = \"http://…\" }} below it; it has: {}", names.join(", "));
            SourceError::new(format!("the server {server:?} has no endpoint {endpoint:?}"), hint)
        })
    }

    /// Says whether a secret is defined, without finding it.
    ///
    /// # Errors
    /// When there is none; it lists the names that there are.
    pub fn knows_secret(&self, name: &str) -> Result<(), SourceError> {
        self.keeper(name).map(drop)
    }

    /// Finds secrets.
    ///
    /// # Errors
    /// When one is not defined, or not to be found.
    pub async fn secrets(&self, names: &[String]) -> Result<BTreeMap<String, Secret>, SourceError> {
        let mut found = BTreeMap::new();
        for name in names {
            let keeper = Arc::clone(self.keeper(name)?);
            let secret = keeper.get().await;
            // Which of several it is, is told by its name: how it is looked for may be the same.
            let named = |error: SourceError| SourceError::new(format!("[secret.{name}]: {}", error.what), error.hint);
            found.insert(name.clone(), secret.map_err(named)?);
        }
        Ok(found)
    }

    fn keeper(&self, name: &str) -> Result<&Arc<Keeper>, SourceError> {
        self.named.secrets.get(name).map(|(_, keeper)| keeper).ok_or_else(|| {
            let near = nearest(name, self.named.secrets.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("did you mean {near:?}? else "));
            let hint = format!("{near}write [secret.{name}] there, and below it one of env, command or file");
            SourceError::new(format!("there is no [secret.{name}] in the config"), hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> SiteSettings {
        SiteSettings { url: BaseUrl::parse(url).unwrap(), access: Access::default() }
    }

    fn server(name: &str, roles: &[&str]) -> Server {
        let endpoints = BTreeMap::from([("admin".to_owned(), BaseUrl::parse("http://127.0.0.1:9").unwrap())]);
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Server { name: name.to_owned(), roles, endpoints, ..Server::default() }
    }

    #[test]
    fn servers_are_found_by_name_and_by_role_in_the_order_of_the_config() {
        let mut connections = Connections::default();
        let error = connections.need_server("a").unwrap_err();
        assert_eq!(error.hint, "add one: there is no [[server]] at all");
        let servers = vec![server("b", &["game"]), server("a", &["game", "web"])];
        connections.name_all(servers, &BTreeMap::new(), &BTreeMap::new());
        let names: Vec<&str> = connections.servers_of("game").map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(connections.need_server("c").unwrap_err().hint, "there are: b, a");
        assert_eq!(connections.need_endpoint("a", "admin").unwrap().name(), "server a, admin");
        let error = connections.need_endpoint("a", "none").err().unwrap();
        assert!(error.hint.ends_with("it has: admin"), "{error}");
    }

    #[tokio::test]
    async fn what_is_said_again_keeps_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let command = SecretRef::Command(format!("echo x >> {0}/n; wc -l < {0}/n", dir.path().display()));
        let mut secrets = BTreeMap::from([("token".to_owned(), command)]);
        let sites = BTreeMap::from([("shop".to_owned(), settings("http://h:1"))]);
        let mut connections = Connections::default();
        connections.name_all(Vec::new(), &sites, &secrets);
        let names = ["token".to_owned()];
        connections.secrets(&names).await.unwrap();
        let (before, site) = (connections.clone(), Arc::clone(connections.need_site("shop").unwrap()));
        connections.name_all(Vec::new(), &sites, &secrets);
        connections.secrets(&names).await.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("n")).unwrap(), "x\n", "the command was asked once");
        assert!(Arc::ptr_eq(&site, connections.need_site("shop").unwrap()));
        secrets.clear();
        connections.name_all(Vec::new(), &BTreeMap::from([("shop".to_owned(), settings("http://h:2"))]), &secrets);
        assert_eq!(connections.knows_secret("token").unwrap_err().what, "there is no [secret.token] in the config");
        assert!(!Arc::ptr_eq(&site, connections.need_site("shop").unwrap()));
        assert!(before.knows_secret("token").is_ok());
    }
}
