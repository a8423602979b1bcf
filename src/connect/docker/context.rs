//! Contexts of the `docker` command: a name for an engine's address and its certificates, kept under `~/.docker`.

use super::place::Env;
use super::tls::Files;
use crate::domain::SourceError;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// What a context says.
#[derive(Debug)]
pub(super) struct Context {
    /// The engine's address, not checked yet.
    pub(super) host: String,
    pub(super) tls: Option<Files>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    current_context: Option<String>,
}

/// Where the `docker` command keeps its things: `DOCKER_CONFIG`, else `~/.docker`.
pub(super) fn folder(env: &Env<'_>) -> PathBuf {
    env("DOCKER_CONFIG").map_or_else(|| PathBuf::from(env("HOME").unwrap_or_default()).join(".docker"), PathBuf::from)
}

/// The context in force, by `DOCKER_CONTEXT` or Docker's config; `None` when that is the built-in one.
pub(super) fn current(env: &Env<'_>) -> Option<String> {
    let configured = || {
        // A config that is absent or broken names no context: the `docker` command then goes on too.
        let text = std::fs::read(folder(env).join("config.json")).ok()?;
        serde_json::from_slice::<Config>(&text).ok()?.current_context
    };
    env("DOCKER_CONTEXT").or_else(configured).filter(|name| !name.is_empty() && name != "default")
}

/// Reads a context by its name.
///
/// # Errors
/// When there is none, or it names no engine, or asks for TLS that proves nothing.
pub(super) fn read(name: &str, env: &Env<'_>) -> Result<Context, SourceError> {
    let folder = folder(env);
    // Docker names the folder of a context by the hash of its name.
    let hash: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("contexts/meta").join(&hash).join("meta.json");
    let bad = |why: &str| {
        let what = format!("the Docker context {name:?} {why} ({})", path.display());
        SourceError::new(what, "`docker context ls` lists those that there are; or name a host in the config")
    };
    let text = std::fs::read(&path).map_err(|why| bad(&format!("can't be read: {why}")))?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|why| bad(&format!("is damaged: {why}")))?;
    let endpoint = meta.endpoints.docker.ok_or_else(|| bad("names no engine"))?;
    let host = endpoint.host.filter(|host| !host.is_empty()).ok_or_else(|| bad("names no engine"))?;
    if endpoint.skip_tls_verify {
        return Err(bad("says not to verify who answers, which is refused here"));
    }
    let certificates = folder.join("contexts/tls").join(&hash).join("docker");
    let tls = certificates.join("ca.pem").exists().then(|| Files::in_folder(&certificates));
    Ok(Context { host, tls })
}

#[cfg(test)]
mod tests {
    use super::super::place::{Place, Wanted, resolve};
    use super::*;
    use std::fs;
    use std::path::Path;

    fn context(folder: &Path, name: &str, meta: &str) -> PathBuf {
        let hash: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let meta_folder = folder.join("contexts/meta").join(&hash);
        fs::create_dir_all(&meta_folder).unwrap();
        fs::write(meta_folder.join("meta.json"), meta).unwrap();
        folder.join("contexts/tls").join(&hash).join("docker")
    }

    fn named(name: &str) -> Wanted {
        Wanted { context: Some(name.to_owned()), ..Wanted::default() }
    }

    #[test]
    fn a_context_is_found_by_its_name_with_its_certificates() {
        let home = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "DOCKER_CONFIG").then(|| home.path().display().to_string());
        let meta = r#"{"Name":"game","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://game-1:2376","SkipTLSVerify":false}}}"#;
        let tls = context(home.path(), "game", meta);
        assert_eq!(resolve("a", &named("game"), &env).unwrap(), Place::Tcp("game-1:2376".into()));
        fs::create_dir_all(&tls).unwrap();
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            fs::write(tls.join(file), "").unwrap();
        }
        let Place::Tls(address, files) = resolve("a", &named("game"), &env).unwrap() else { panic!("plain") };
        assert_eq!((address.as_str(), files.cert), ("game-1:2376", Some(tls.join("cert.pem"))));
    }

    #[test]
    fn the_current_context_counts_when_nothing_else_is_said() {
        let home = tempfile::tempdir().unwrap();
        context(home.path(), "far", r#"{"Endpoints":{"docker":{"Host":"ssh://ops@far"}}}"#);
        fs::write(home.path().join("config.json"), r#"{"auths":{},"currentContext":"far"}"#).unwrap();
        let place = |host: Option<&'static str>| {
            let env = |name: &str| match name {
                "DOCKER_CONFIG" => Some(home.path().display().to_string()),
                "DOCKER_HOST" => host.map(str::to_owned),
                _ => None,
            };
            resolve("a", &Wanted::default(), &env).unwrap().to_string()
        };
        assert_eq!(place(None), "ssh://ops@far");
        assert_eq!(place(Some("tcp://h:1")), "tcp://h:1", "DOCKER_HOST comes first, as with the docker command");
    }

    #[test]
    fn a_context_that_is_none_is_told() {
        let home = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "DOCKER_CONFIG").then(|| home.path().display().to_string());
        let told = |name: &str| resolve("a", &named(name), &env).unwrap_err().what;
        assert!(told("gone").contains("\"gone\" can't be read"), "{}", told("gone"));
        context(home.path(), "odd", "{");
        assert!(told("odd").contains("is damaged"));
        context(home.path(), "k8s", r#"{"Endpoints":{}}"#);
        assert!(told("k8s").contains("names no engine"));
        context(home.path(), "lax", r#"{"Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":true}}}"#);
        assert!(told("lax").contains("not to verify"));
        assert_eq!(resolve("a", &named("default"), &env).unwrap(), Place::Unix("/var/run/docker.sock".into()));
    }
}
