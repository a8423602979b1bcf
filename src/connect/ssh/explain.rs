//! What `ssh` says when it fails, in words that somebody can act on. Pure: logs in, errors out.

use super::Address;
use crate::domain::SourceError;
use sha2::{Digest, Sha256};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Where to, and by which config.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) config: Option<PathBuf>,
}

impl Place {
    /// What to type in a shell to try the same.
    fn command(&self) -> String {
        match &self.config {
            Some(config) => format!("ssh -F {} {}", config.display(), self.address),
            None => format!("ssh {}", self.address),
        }
    }

    /// A short word for the names of files: other places have others.
    pub(super) fn tag(&self) -> String {
        let digest = Sha256::digest(format!("{:?}{}", self.config, self.address));
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    fn error(&self, why: &str, hint: impl Into<String>) -> SourceError {
        SourceError::new(format!("SSH to {}: {why}", self.address), hint)
    }
}

/// No connection came about, says the log of `ssh`. `said` is what a jump host's `ssh` said on the way.
pub(super) fn connect(place: &Place, log: &str, said: &str) -> SourceError {
    let verbose = || format!("`{} -v`", place.command());
    if is_proxy_failure(log) {
        // What our own ssh says of it is that the way ended.
        let own = |line: &&str| line.contains("UNKNOWN port") || line.contains("kex_exchange_identification");
        let said: Vec<&str> = said.lines().filter(|line| !own(line)).collect();
        let said = said.join("\n");
        let broken = "the way there is broken (ProxyJump, ProxyCommand)";
        return match reason(place, &said) {
            Some((why, hint)) => place.error(&format!("{broken}: {why}"), hint),
            None => place
                .error(&format!("{broken}{}", quote(last(&said))), format!("see which jump host it is: {}", verbose())),
        };
    }
    match reason(place, log) {
        Some((why, hint)) => place.error(&why, hint),
        None => {
            place.error(last(log).unwrap_or("ssh failed without a word"), format!("try it in a shell: {}", verbose()))
        }
    }
}

/// Whether the log only says that a program in between ended: then that one's words are needed.
pub(super) fn is_proxy_failure(log: &str) -> bool {
    log.contains("UNKNOWN port 65535")
}

/// What happened, and the mend.
type Reason = (String, String);

/// The reason in a log, where it is one that is known. What comes first is the more telling.
fn reason(place: &Place, log: &str) -> Option<Reason> {
    let command = place.command();
    host_key(log, &command).or_else(|| login(log, &command)).or_else(|| network(log)).or_else(|| settings(log))
}

fn host_key(log: &str, command: &str) -> Option<Reason> {
    if log.contains("IDENTIFICATION HAS CHANGED") || log.contains("REVOKED HOST KEY") {
        return Some(changed_key(log, command));
    }
    if let Some(line) = line_with(log, "host key is known for ") {
        return Some(unknown_key(line, command));
    }
    log.contains("Host key verification failed").then(|| {
        let hint = format!("run `{command}` in a shell once, and compare the fingerprint before you say yes");
        ("the host key on the way is not known".to_owned(), hint)
    })
}

fn login(log: &str, command: &str) -> Option<Reason> {
    if log.contains("Too many authentication failures") {
        let hint = "name the key for this host in ~/.ssh/config: IdentityFile and `IdentitiesOnly yes`";
        return Some(("too many keys were tried before the right one".to_owned(), hint.to_owned()));
    }
    let line = line_with(log, "Permission denied (")?;
    if log.contains("UNPROTECTED PRIVATE KEY") {
        let key = between(log, "Load key \"", "\"").unwrap_or("the private key");
        return Some((format!("others can read {key}, so ssh does not use it"), format!("chmod 600 {key}")));
    }
    Some(denied(line, command))
}

fn changed_key(log: &str, command: &str) -> Reason {
    if log.contains("REVOKED HOST KEY") {
        return (
            "its host key is revoked".to_owned(),
            "the host is not to be trusted: ask who revoked its key".to_owned(),
        );
    }
    let host = between(log, "Host key for ", " has changed").unwrap_or("HOST");
    let place =
        log.lines().find_map(|line| line.strip_prefix("Offending ")?.split_once(" in ").map(|(_, place)| place));
    let place = place.unwrap_or("known_hosts");
    let (file, why) = (place.rsplit_once(':').map_or(place, |(file, _)| file), "its host key is not the known one");
    (
        format!("{why} ({place}): it was made anew, or somebody stands between"),
        format!(
            "find out which; if it was made anew: ssh-keygen -R '{host}' -f '{file}', then `{command}` once in a shell"
        ),
    )
}

fn unknown_key(line: &str, command: &str) -> Reason {
    let host = between(line, "is known for ", " and you").unwrap_or("HOST");
    let scan = match host.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((host, port)) => format!("ssh-keyscan -p {port} {host}"),
        None => format!("ssh-keyscan {host}"),
    };
    let hint = format!(
        "run `{command}` in a shell once and compare the fingerprint; or add the line of `{scan}` to known_hosts, \
         compared with /etc/ssh/*.pub over there"
    );
    (format!("the host key of {host} is not in known_hosts"), hint)
}

fn denied(line: &str, command: &str) -> Reason {
    let line = line.trim();
    let user = line.split_once(": Permission denied").map_or("", |(user, _)| user);
    let methods = between(line, "Permission denied (", ")").unwrap_or("publickey");
    let who = if user.is_empty() { "the login was refused".to_owned() } else { format!("{user} was refused") };
    let hint = if methods.contains("publickey") {
        "see that `ssh-add -l` lists the key (a passphrase is never asked here), that IdentityFile in ~/.ssh/config names it, \
         and that it is in authorized_keys over there"
            .to_owned()
    } else {
        format!(
            "the host takes no keys ({methods}), and nobody is asked for a password here: allow keys there; try `{command}`"
        )
    };
    (format!("{who} ({methods})"), hint)
}

/// Words of `ssh` about the network, what they mean, and the mend; the first that occurs counts.
const NETWORK: [(&[&str], &str, &str); 7] = [
    (
        &["stdio forwarding failed", "open failed"],
        "the jump host can't reach it",
        "is it up, and does the jump host allow forwarding (AllowTcpForwarding)?",
    ),
    (
        &["Connection refused"],
        "nothing listens on its SSH port",
        "is the machine on? start sshd there, or correct the port (Port in ~/.ssh/config, ssh://host:port)",
    ),
    (
        &["Could not resolve hostname"],
        "the host name is not known",
        "check the name; a short one may need HostName in ~/.ssh/config",
    ),
    (
        &["timed out during banner exchange"],
        "it takes connections and does not greet in time",
        "sshd hangs, or the machine does: look at its console",
    ),
    (&["timed out"], "it does not answer in time", "it is down, or a firewall drops what is sent to its SSH port"),
    (
        &["No route to host", "Network is unreachable"],
        "there is no way to it",
        "is the VPN up? does the address hold? is the machine on?",
    ),
    (
        &["kex_exchange_identification", "Connection closed by", "Connection reset by"],
        "it closed the connection before anybody logged in",
        "something else than sshd answers there, or it turns you away: MaxStartups, fail2ban, AllowUsers, a full disk",
    ),
];

fn network(log: &str) -> Option<Reason> {
    let occurs = |needles: &[&str]| needles.iter().any(|needle| log.contains(needle));
    let (_, why, hint) = NETWORK.iter().find(|(needles, ..)| occurs(needles))?;
    Some(((*why).to_owned(), (*hint).to_owned()))
}

fn settings(log: &str) -> Option<Reason> {
    let line = |needle: &str| line_with(log, needle).map(str::trim);
    if let Some(line) = line("Unable to negotiate") {
        let about = between(line, "no matching ", " found").unwrap_or("method");
        let offer = between(&format!("{line}\n"), "Their offer: ", "\n").unwrap_or("?").to_owned();
        return Some((
            format!("no {about} in common; it offers {offer}"),
            "an old server: bring it up to date, or allow its algorithm for this host in ~/.ssh/config".to_owned(),
        ));
    }
    if let Some(line) = line("Can't open user config file") {
        return Some((line.to_owned(), "correct `config` in quarterdeck's config".to_owned()));
    }
    let bad = line("Bad configuration option").or_else(|| line("Bad owner or permissions"))?;
    Some((format!("the config of ssh can't be used: {bad}"), "mend that line of ~/.ssh/config".to_owned()))
}

/// A channel of a connection failed.
pub(super) fn lost(place: &Place, alive: bool, why: &str, log: &str) -> SourceError {
    if !alive {
        let why = match last(log) {
            Some(line) if line.contains("not responding") => {
                "it gave no sign of life, and the connection was given up".to_owned()
            }
            line => format!("the connection was lost{}", quote(line)),
        };
        return place.error(&why, "it is made again at the next try; the network or the machine is in trouble");
    }
    if why.contains("refused by peer") {
        return place.error(
            "it refuses another command on this connection",
            "MaxSessions in its sshd_config is low, or commands hang over there: look for old `sh -s` processes",
        );
    }
    place.error(&format!("the connection does not work: {why}"), "it is made again at the next try")
}

/// Why a forwarded socket closes at once, if the log says so.
pub(super) fn forward(place: &Place, remote: &str, log: &str) -> Option<SourceError> {
    log.lines().rev().find(|line| line.contains("open failed"))?;
    Some(place.error(
        &format!("the socket {remote} over there does not answer: it is not there, closed to this login, or forwarding is forbidden"),
        "see there that the service runs, that this login may open its socket (for Docker: the group docker), and that sshd_config \
         has AllowStreamLocalForwarding yes",
    ))
}

/// It took too long.
pub(super) fn slow(place: &Place, limit: Duration) -> SourceError {
    let why = format!("no connection within {:.1} s", limit.as_secs_f64());
    place.error(&why, format!("the network is cut, or logging in hangs: try `{}` in a shell", place.command()))
}

/// There is no `ssh` to start.
pub(super) fn no_ssh(why: &io::Error) -> SourceError {
    let hint = "install OpenSSH's client (openssh-client), so that `ssh` is on the PATH";
    match why.kind() {
        io::ErrorKind::NotFound => SourceError::new("the program `ssh` is not on this machine", hint),
        _ => SourceError::new(format!("the program `ssh` can't be started: {why}"), hint),
    }
}

/// There is no place for the control socket.
pub(super) fn no_folder(why: &io::Error) -> SourceError {
    SourceError::new(
        format!("there is no private folder for SSH connections: {why}"),
        "see that XDG_RUNTIME_DIR, or else TMPDIR, names a folder that you may write to",
    )
}

/// quarterdeck ends.
pub(super) fn leaving(place: &Place) -> SourceError {
    place.error("quarterdeck is leaving", "start it again")
}

/// The last line that holds some words.
fn line_with<'a>(log: &'a str, needle: &str) -> Option<&'a str> {
    log.lines().rev().find(|line| line.contains(needle))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    rest.split_once(after).map(|(found, _)| found)
}

/// The last line that says something.
fn last(log: &str) -> Option<&str> {
    log.lines().map(str::trim).rfind(|line| !line.is_empty())
}

fn quote(line: Option<&str>) -> String {
    line.map_or_else(String::new, |line| format!(": {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> Place {
        Place { address: Address::parse("ops@game-1").unwrap(), config: None }
    }

    fn told(log: &str) -> SourceError {
        connect(&place(), log, "")
    }

    #[test]
    fn the_reason_is_told_and_not_what_stands_around_it() {
        let cases = [
            (
                "No ED25519 host key is known for game-1 and you have requested strict checking.\nHost key verification failed.",
                "the host key of game-1 is not in known_hosts",
                "`ssh-keyscan game-1`",
            ),
            (
                "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nOffending ED25519 key in /home/me/.ssh/known_hosts:7\n\
              Host key for game-1 has changed and you have requested strict checking.\nHost key verification failed.",
                "its host key is not the known one (/home/me/.ssh/known_hosts:7)",
                "ssh-keygen -R 'game-1' -f '/home/me/.ssh/known_hosts'",
            ),
            (
                "ops@game-1: Permission denied (publickey,password).",
                "ops@game-1 was refused (publickey,password)",
                "ssh-add -l",
            ),
            (
                "ops@game-1: Permission denied (keyboard-interactive).",
                "ops@game-1 was refused (keyboard-interactive)",
                "takes no keys",
            ),
            (
                "@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nLoad key \"/home/me/id\": bad permissions\nops@game-1: Permission denied (publickey).",
                "others can read /home/me/id",
                "chmod 600 /home/me/id",
            ),
            (
                "Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures",
                "too many keys",
                "IdentitiesOnly yes",
            ),
            ("ssh: connect to host game-1 port 22: Connection timed out", "it does not answer in time", "firewall"),
            ("ssh: connect to host game-1 port 22: No route to host", "there is no way to it", "VPN"),
            (
                "kex_exchange_identification: read: Connection reset by peer",
                "closed the connection before anybody logged in",
                "MaxStartups",
            ),
            (
                "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa,ssh-dss",
                "no host key type in common; it offers ssh-rsa,ssh-dss",
                "old server",
            ),
            (
                "Can't open user config file /x: No such file or directory",
                "Can't open user config file /x",
                "quarterdeck's config",
            ),
            ("something new", "something new", "`ssh ops@game-1 -v`"),
            ("", "ssh failed without a word", "`ssh ops@game-1 -v`"),
        ];
        for (log, what, hint) in cases {
            let error = told(log);
            assert!(error.what.starts_with("SSH to ops@game-1: ") && error.what.contains(what), "{}", error.what);
            assert!(error.hint.contains(hint), "{}", error.hint);
        }
    }

    #[test]
    fn what_lies_on_the_way_is_told_from_the_host_itself() {
        let log =
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535";
        assert!(is_proxy_failure(log));
        let error = connect(&place(), log, "ssh: Could not resolve hostname jump: Name or service not known\n");
        assert!(
            error.what.ends_with("the way there is broken (ProxyJump, ProxyCommand): the host name is not known"),
            "{error}"
        );
        let error = connect(
            &place(),
            log,
            "channel 0: open failed: connect failed: Connection timed out\nstdio forwarding failed\n",
        );
        assert!(error.what.contains("the way there is broken"), "{error}");
        let error = connect(&place(), log, "gate: go away\n");
        assert!(error.what.ends_with("the way there is broken (ProxyJump, ProxyCommand): gate: go away"), "{error}");
    }

    #[test]
    fn without_the_program_it_is_told_what_to_install() {
        let error = no_ssh(&io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.what, "the program `ssh` is not on this machine");
        assert!(error.hint.contains("openssh-client"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(log in "(Permission denied \\(|: |Offending | in |Load key \"|is known for |no matching |has changed|\n|\\PC{0,9})*") {
            let _ = (told(&log), connect(&place(), "UNKNOWN port 65535", &log), lost(&place(), false, "", &log));
        }
    }
}
