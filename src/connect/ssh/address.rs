//! What one writes after `ssh`, checked: it becomes an argument of that program, and may reach a shell through somebody's
//! `ProxyCommand`.

use crate::domain::SourceError;
use std::fmt;

/// `[user@]host` or `ssh://[user@]host[:port]`. The host may be an alias of `~/.ssh/config`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// From text. `ssh://` without a port is left out, so that both ways of writing a host are one address.
    ///
    /// # Errors
    /// When it is none: a path, an option, a password, or a character that no host name has.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let bare = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
        let (user, rest) = bare.rsplit_once('@').map_or((None, bare), |(user, rest)| (Some(user), rest));
        let has_port = text.starts_with("ssh://") && has_port(rest);
        let host = if has_port { rest.rsplit_once(':').map_or(rest, |(host, _)| host) } else { rest };
        let fine = user.is_none_or(is_user) && is_host(host);
        match (fine, has_port) {
            (false, _) => Err(wrong(text, user.is_some_and(|user| user.contains(':')))),
            (true, true) => Ok(Self(format!("ssh://{bare}"))),
            (true, false) => Ok(Self(bare.to_owned())),
        }
    }

    /// As it is given to `ssh`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host alone, without user and port: an alias, a name or an address.
    pub fn host(&self) -> &str {
        let bare = self.0.strip_prefix("ssh://").unwrap_or(&self.0);
        let rest = bare.rsplit_once('@').map_or(bare, |(_, rest)| rest);
        let host = if bare.len() == self.0.len() { rest } else { rest.rsplit_once(':').map_or(rest, |(host, _)| host) };
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn has_port(rest: &str) -> bool {
    rest.rsplit_once(':')
        .is_some_and(|(host, port)| port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']')))
}

fn is_user(user: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'@');
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(plain)
}

fn is_host(host: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'%' | b'[' | b']');
    !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain)
}

fn wrong(text: &str, password: bool) -> SourceError {
    let hint = "write [user@]host or ssh://[user@]host:port, as after `ssh`; the host may be an alias of ~/.ssh/config";
    if password {
        // Not repeated: it may be a password.
        return SourceError::new("an address for SSH holds a password, which SSH takes from nobody", hint);
    }
    SourceError::new(format!("{text:?} is no address for SSH"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_takes_is_taken_and_written_in_one_way() {
        for (text, kept, host) in [
            ("game-1", "game-1", "game-1"),
            ("ops@game-1", "ops@game-1", "game-1"),
            ("ssh://ops@game-1", "ops@game-1", "game-1"),
            ("ssh://ops@game-1/", "ops@game-1", "game-1"),
            ("ssh://ops@game-1:2222", "ssh://ops@game-1:2222", "game-1"),
            ("ssh://[fe80::1%eth0]:22", "ssh://[fe80::1%eth0]:22", "fe80::1%eth0"),
            ("fe80::1", "fe80::1", "fe80::1"),
            ("me@corp.example@game-1", "me@corp.example@game-1", "game-1"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.as_str(), address.host()), (kept, host), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let bad = [
            "",
            "-oProxyCommand=x",
            "ops@-oX",
            "-l@h",
            "a b",
            "h;id",
            "$(id)",
            "h\n",
            "ssh://h/var/run/x.sock",
            "@h",
            "é",
        ];
        for text in bad {
            let error = Address::parse(text).unwrap_err();
            assert!(error.what.ends_with("is no address for SSH"), "{text}: {}", error.what);
        }
        let error = Address::parse("ssh://ops:hunter2@h").unwrap_err();
        assert!(!error.to_string().contains("hunter2") && error.what.contains("password"), "{error}");
    }
}
