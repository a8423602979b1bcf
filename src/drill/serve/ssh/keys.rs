//! The keys of a drill, made for it alone, and what the ordinary `ssh` needs to know of them: files in the drill's private folder.

use super::user_of;
use crate::drill::folder::write_secret;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a machine is come to.
pub struct Reached {
    /// `game-1`
    pub name: String,
    /// `10.0.1.4`
    pub address: String,
    /// On loopback.
    pub port: u16,
}

/// All machines have one key, and one key opens them.
pub struct Keys {
    /// Of the machines.
    pub host: PrivateKey,
    /// Of who may log in.
    pub client: PublicKey,
}

impl Keys {
    /// Makes them, and writes down for `ssh` how to come to these machines, by name and by address: the path of its config.
    ///
    /// # Errors
    /// When no key can be made, or a file can't be written.
    pub fn make(folder: &Path, machines: &[Reached]) -> io::Result<(Self, PathBuf)> {
        let key = || PrivateKey::random(&mut UnwrapErr(SysRng), Algorithm::Ed25519).map_err(io::Error::other);
        let (host, client) = (key()?, key()?);
        let private = client.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let [id, known, config] = ["id_ed25519", "known_hosts", "ssh_config"].map(|name| folder.join(name));
        write_secret(&id, &private)?;
        let public = host.public_key().to_openssh().map_err(io::Error::other)?;
        let ports: BTreeSet<u16> = machines.iter().map(|machine| machine.port).collect();
        let lines: String = ports.iter().map(|port| format!("[127.0.0.1]:{port} {public}\n")).collect();
        fs::write(&known, lines)?;
        fs::write(&config, text(machines, &id, &known))?;
        Ok((Self { host, client: client.public_key().clone() }, config))
    }
}

/// Nothing of the user's own config, agent and known hosts takes part.
fn text(machines: &[Reached], id: &Path, known: &Path) -> String {
    let mut text = String::new();
    for Reached { name, address, port } in machines {
        // A String takes everything.
        let _ = write!(text, "Host {name} {address}\n  User {}\n  Port {port}\n", user_of(name));
    }
    let _ = write!(
        text,
        "Host *\n  HostName 127.0.0.1\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
         UserKnownHostsFile \"{}\"\n  GlobalKnownHostsFile /dev/null\n",
        id.display(),
        known.display()
    );
    text
}
