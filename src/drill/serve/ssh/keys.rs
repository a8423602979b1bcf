//! The keys of a drill, made for it alone, and what the ordinary `ssh` needs to know of them: files in the drill's private folder.

use crate::drill::folder::write_secret;
use crate::drill::machine::USER;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// All machines have one key, and one key opens them.
pub struct Keys {
    /// Of the machines.
    pub host: PrivateKey,
    /// Of who may log in.
    pub client: PublicKey,
}

impl Keys {
    /// Makes them, and writes down for `ssh` how to come to these machines (names and ports): the path of its config.
    ///
    /// # Errors
    /// When no key can be made, or a file can't be written.
    pub fn make(folder: &Path, machines: &[(String, u16)]) -> io::Result<(Self, PathBuf)> {
        let key = || PrivateKey::random(&mut UnwrapErr(SysRng), Algorithm::Ed25519).map_err(io::Error::other);
        let (host, client) = (key()?, key()?);
        let private = client.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let [id, known, config] = ["id_ed25519", "known_hosts", "ssh_config"].map(|name| folder.join(name));
        write_secret(&id, &private)?;
        let public = host.public_key().to_openssh().map_err(io::Error::other)?;
        let line = |(_, port): &(String, u16)| format!("[127.0.0.1]:{port} {public}\n");
        fs::write(&known, machines.iter().map(line).collect::<String>())?;
        fs::write(&config, text(machines, &id, &known))?;
        Ok((Self { host, client: client.public_key().clone() }, config))
    }
}

/// Nothing of the user's own config, agent and known hosts takes part.
fn text(machines: &[(String, u16)], id: &Path, known: &Path) -> String {
    let mut text = String::new();
    for (name, port) in machines {
        // A String takes everything.
        let _ = write!(text, "Host {name}\n  Port {port}\n");
    }
    let _ = write!(
        text,
        "Host *\n  HostName 127.0.0.1\n  User {USER}\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
         UserKnownHostsFile \"{}\"\n  GlobalKnownHostsFile /dev/null\n",
        id.display(),
        known.display()
    );
    text
}
