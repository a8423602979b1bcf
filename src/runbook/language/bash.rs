//! The `bash` language: a script for a host's shell, or for this machine's. It is sent as it stands; parameters and rows come to it
//! as variables of its environment, on the standard input and never on a command line.
//!
//! What a read-only role may run is held by reading the script, which helps an honest author and stops nobody else.

use super::shell::{self, Command, Script};
use super::{Fault, Language, NameType, Reading, Scope, Secrets, Targets, Types};
use crate::runbook::expr::{Gives, Known};
use crate::runbook::model::{ParamType, Role};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "bash",
    doc: "a script for a host's shell; parameters and rows are variables of its environment",
    on: Targets {
        name: "a server",
        params: &[ParamType::Server, ParamType::Address],
        part: None,
        hosts: true,
        local: true,
    },
    holds: |_| Some("rc == 0"),
    keyed: false,
    filled: None,
    read,
};

const GIVES: Gives = &[("rc", Known::Number), ("stdout", Known::Text), ("stderr", Known::Text)];

/// Commands that change something whatever stands behind them.
const CHANGE: [&str; 62] = [
    "rm",
    "rmdir",
    "unlink",
    "shred",
    "mv",
    "cp",
    "ln",
    "install",
    "dd",
    "truncate",
    "touch",
    "mkdir",
    "tee",
    "patch",
    "chmod",
    "chown",
    "chgrp",
    "chattr",
    "setfacl",
    "rsync",
    "scp",
    "sftp",
    "kill",
    "killall",
    "pkill",
    "reboot",
    "shutdown",
    "halt",
    "poweroff",
    "mount",
    "umount",
    "swapon",
    "swapoff",
    "mkswap",
    "mkfs",
    "fdisk",
    "parted",
    "wipefs",
    "modprobe",
    "insmod",
    "rmmod",
    "useradd",
    "userdel",
    "usermod",
    "groupadd",
    "groupdel",
    "passwd",
    "chpasswd",
    "apt",
    "apt-get",
    "yum",
    "dnf",
    "apk",
    "pip",
    "npm",
    "dropdb",
    "createdb",
    "dropuser",
    "createuser",
    "pg_restore",
    "vacuumdb",
    "reindexdb",
];

/// Commands that change something when one of these words stands behind them.
const CHANGE_WITH: [(&str, &[&str]); 22] = [
    (
        "systemctl",
        &[
            "start",
            "stop",
            "restart",
            "reload",
            "try-restart",
            "reload-or-restart",
            "try-reload-or-restart",
            "enable",
            "disable",
            "mask",
            "unmask",
            "kill",
            "isolate",
            "daemon-reload",
            "daemon-reexec",
            "set-property",
            "edit",
            "revert",
            "reset-failed",
            "reboot",
            "poweroff",
            "halt",
        ],
    ),
    ("service", &["start", "stop", "restart", "reload", "force-reload", "try-restart"]),
    ("rc-service", &["start", "stop", "restart", "reload"]),
    ("nginx", &["-s"]),
    ("apachectl", &["start", "stop", "restart", "graceful", "graceful-stop"]),
    ("haproxy", &["-sf", "-st"]),
    ("pg_ctl", &["start", "stop", "restart", "reload", "promote", "kill", "initdb"]),
    ("pg_ctlcluster", &["start", "stop", "restart", "reload", "promote"]),
    (
        "docker",
        &[
            "restart", "stop", "start", "kill", "pause", "unpause", "rm", "rmi", "pull", "push", "run", "exec",
            "create", "update", "rename", "prune", "load", "import", "commit", "tag", "build", "up", "down", "cp",
        ],
    ),
    (
        "podman",
        &[
            "restart", "stop", "start", "kill", "pause", "unpause", "rm", "rmi", "pull", "run", "exec", "create",
            "prune",
        ],
    ),
    (
        "kubectl",
        &[
            "apply",
            "delete",
            "scale",
            "autoscale",
            "patch",
            "edit",
            "replace",
            "create",
            "annotate",
            "label",
            "restart",
            "undo",
            "drain",
            "cordon",
            "uncordon",
            "taint",
            "exec",
            "set",
            "run",
            "expose",
            "cp",
        ],
    ),
    ("helm", &["install", "upgrade", "uninstall", "rollback"]),
    (
        "git",
        &[
            "push", "commit", "reset", "checkout", "switch", "clean", "pull", "merge", "rebase", "stash", "rm", "mv",
            "add", "apply",
        ],
    ),
    ("sed", &["-i", "--in-place"]),
    ("perl", &["-i", "-pi"]),
    ("find", &["-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint"]),
    ("ip", &["add", "del", "delete", "set", "flush", "change", "replace", "append"]),
    ("tc", &["add", "del", "delete", "change", "replace"]),
    ("iptables", &["-A", "-D", "-I", "-F", "-P", "-X", "-N", "-R", "-Z"]),
    ("ip6tables", &["-A", "-D", "-I", "-F", "-P", "-X", "-N", "-R", "-Z"]),
    ("nft", &["add", "delete", "flush", "insert", "replace", "-f"]),
    ("crontab", &["-e", "-r", "-"]),
];

/// Commands that run a text that is not read here.
const UNSEEN: [&str; 6] = ["eval", "sh", "bash", "dash", "zsh", "ssh"];

/// Commands of the shell itself: what they are given is on no command line.
const BUILTIN: [&str; 14] =
    ["echo", "printf", "test", "[", "[[", "read", "export", "local", "readonly", ":", "cd", "set", "unset", "return"];

/// The variables that a script sees, in the order of their names. `vars` of the fence: `None` for all parameters and rows so far, and
/// no secret. A list is one value a line, rows are JSON, a parameter without a value is empty.
pub fn variables(vars: Option<&[String]>, types: &Types, scope: &Scope<'_>) -> Result<Vec<(String, String)>, String> {
    let mut names: Vec<&String> = match vars {
        Some(vars) => vars.iter().collect(),
        None => types.iter().filter(|(_, kind)| kind.is_given()).map(|(name, _)| name).collect(),
    };
    names.sort();
    let mut variables = Vec::new();
    for name in names {
        let value = match types.get(name) {
            Some(NameType::Secret) => scope.text(&format!("secret.{name}"))?,
            _ => match scope.values.get(name).or_else(|| scope.outs.get(name)) {
                Some(value) => text(value),
                // What a later step captures is not there yet.
                None if vars.is_none() => continue,
                None => return Err(format!("`{name}` has no value here")),
            },
        };
        if value.contains('\0') {
            return Err(format!("`{name}` holds a zero byte, which no variable can"));
        }
        variables.push((name.clone(), value));
    }
    Ok(variables)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// What goes to a host's shell on its standard input: a line of `NAME base64` for each variable, a blank line, the script.
pub fn input(variables: &[(String, String)], body: &str) -> SecretString {
    let mut out = String::new();
    for (name, value) in variables {
        out.push_str(&[name, " ", &STANDARD.encode(value), "\n"].concat());
    }
    out.push('\n');
    out.push_str(body);
    SecretString::from(out)
}

/// What people are shown of the variables, each as a shell would set it: `server='game-1'`. Secrets stand there as their names, however
/// `scope` has them.
pub fn shown(vars: Option<&[String]>, types: &Types, scope: &Scope<'_>) -> Result<Vec<String>, String> {
    let scope = Scope { secrets: Secrets::Named, ..*scope };
    let line = |(name, value): (String, String)| [&name, "='", &value.replace('\'', "'\\''"), "'"].concat();
    Ok(variables(vars, types, &scope)?.into_iter().map(line).collect())
}

/// The input's length in bytes: for limits and for messages, without showing it.
pub fn length(input: &SecretString) -> usize {
    input.expose_secret().len()
}

fn read(role: Role, body: &str, types: &Types) -> Reading {
    let script = shell::read(body);
    let mut reading = Reading { gives: GIVES, mentions: script.names.clone(), ..Reading::default() };
    let faults = &mut reading.faults;
    if let Some(at) = script.open {
        faults.push(Fault::new(at, "a quote or a bracket is not closed", "close it, and try `bash -n`"));
    }
    if !script.commands.first().is_some_and(sets_eu) {
        let at = script.commands.first().map_or(0, |first| first.at);
        faults.push(Fault::new(at, "the script goes on after an error", "make `set -eu` its first line"));
    }
    if !role.changes() {
        read_only(role, &script, faults);
    }
    for command in &script.commands {
        exposes(command, types, faults);
    }
    reading
}

/// `set -eu`, however its letters are written.
fn sets_eu(command: &Command) -> bool {
    let Some(("set", words)) = command.verb() else { return false };
    let flags: String = words.iter().filter_map(|word| word.strip_prefix('-')).collect();
    flags.contains('e') && flags.contains('u')
}

fn read_only(role: Role, script: &Script, faults: &mut Vec<Fault>) {
    let word = role.word();
    for command in &script.commands {
        if let Some(what) = changes(command) {
            let mend = "a change belongs into a run fence; what only looks like one, write otherwise";
            faults.push(Fault::new(command.at, format!("{what}, and {word} may not"), mend));
        }
        for (file, at) in &command.writes {
            let mend = "keep it in a variable, or send it to /dev/null";
            faults.push(Fault::new(*at, format!("this writes the file {file}, and {word} may not"), mend));
        }
        if command.negated && matches!(role, Role::Verify | Role::Wait) {
            let mend = "keep the answer in a variable first and test that: `found=$(…)`, then `[ -z \"$found\" ]`";
            faults.push(Fault::new(command.at, "with `!` this also passes when the command is missing or fails", mend));
        }
    }
    if matches!(role, Role::Verify | Role::Wait) {
        for at in &script.inner_pipes {
            let mend = "run the first command by itself into a variable, then go on with that";
            let what = "inside `$(…)` only the last command of a pipeline counts: this also passes when the first is missing or fails";
            faults.push(Fault::new(*at, what, mend));
        }
    }
}

/// What a command changes, in a few words.
fn changes(command: &Command) -> Option<String> {
    let (verb, words) = command.verb()?;
    let has = |word: &&str| words.iter().any(|known| known == word);
    if CHANGE.contains(&verb) || verb.starts_with("mkfs.") {
        return Some(format!("`{verb}` changes something"));
    }
    let shell = words.is_empty() || command.fed || words.iter().any(|word| word == "-c" || word == "-s");
    if UNSEEN.contains(&verb) && (verb == "eval" || verb == "ssh" || shell) {
        return Some(format!("what `{verb}` runs cannot be seen here"));
    }
    if let Some((_, with)) = CHANGE_WITH.iter().find(|(name, _)| *name == verb) {
        let joined = verb == "sed" || verb == "perl";
        let option = |word: &&String| joined && with.iter().any(|with| word.starts_with(with));
        let found = with.iter().copied().find(has).or_else(|| words.iter().find(option).map(String::as_str));
        return found.map(|found| format!("`{verb} {found}` changes something"));
    }
    match verb {
        "sysctl" if has(&"-w") || words.iter().any(|word| word.contains('=')) => {
            Some("`sysctl` sets something".to_owned())
        }
        "journalctl" if words.iter().any(|word| word.starts_with("--vacuum") || word == "--rotate") => {
            Some("`journalctl` removes something".to_owned())
        }
        "curl" | "wget" => sends(words).map(|word| format!("`{verb} {word}` changes something")),
        _ => None,
    }
}

/// The word by which `curl` or `wget` sends something or writes a file.
fn sends(words: &[String]) -> Option<&str> {
    let with = |word: &&String| {
        ["-d", "--data", "-F", "--form", "-T", "--upload", "-o", "-O", "--output", "--remote-name", "--post", "--json"]
            .iter()
            .any(|option| word.starts_with(option))
    };
    let method = words.iter().zip(words.iter().skip(1)).find(|(option, method)| {
        matches!(option.as_str(), "-X" | "--request" | "--method") && !matches!(method.as_str(), "GET" | "HEAD")
    });
    let joined = |word: &&String| {
        word.strip_prefix("-X")
            .or(word.strip_prefix("--request="))
            .is_some_and(|method| !matches!(method, "" | "GET" | "HEAD"))
    };
    // To /dev/null and to the standard output is no file.
    let output = |word: &str| {
        let behind = words.iter().skip_while(|known| *known != word).nth(1);
        matches!(word, "-o" | "--output" | "-O")
            && behind.is_some_and(|file| matches!(file.as_str(), "/dev/null" | "-"))
    };
    let found = words.iter().find(with).map(String::as_str).filter(|word| !output(word));
    found.or(method.map(|(option, _)| option.as_str())).or(words.iter().find(joined).map(String::as_str))
}

/// A secret on a command line is readable by everybody on that host.
fn exposes(command: &Command, types: &Types, faults: &mut Vec<Fault>) {
    let Some((verb, _)) = command.verb() else { return };
    if BUILTIN.contains(&verb) {
        return;
    }
    for (name, at) in &command.names {
        if types.get(name) == Some(&NameType::Secret) {
            let what = format!(
                "the secret `{name}` would stand on the command line of `{verb}`, where everybody on the host can read it"
            );
            faults.push(Fault::new(*at, what, "hand it over on the standard input: `printf … | command`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fill::tests::with;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn types() -> Types {
        [("x".to_owned(), NameType::Param(ParamType::String)), ("token".to_owned(), NameType::Secret)].into()
    }

    fn faults(role: Role, script: &str) -> Vec<String> {
        let body = format!("set -eu\n{script}\n");
        read(role, &body, &types()).faults.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn scripts_must_stop_at_an_error() {
        for fine in ["set -eu", "# why\nset -euo pipefail", "#!/bin/sh\nset -e -u\nls", "set -ux -e"] {
            assert_eq!(read(Role::Run, fine, &types()).faults, [], "{fine}");
        }
        for wrong in ["", "ls", "set -e", "ls\nset -eu", "set +eu"] {
            assert_eq!(read(Role::Run, wrong, &types()).faults.len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn what_changes_something_is_found_in_read_only_roles() {
        for change in [
            "rm -f x",
            "sudo /usr/bin/rm x",
            "ls | xargs rm",
            "if true; then systemctl restart api; fi",
            "x=$(kill 1)",
            "echo x > /etc/passwd",
            "echo x >> y",
            "nginx -t && nginx -s reload",
            "sed -i.bak s/a/b/ f",
            "find / -delete",
            "curl -X POST http://h",
            "curl -d a=1 http://h",
            "curl -XDELETE http://h",
            "docker compose up -d",
            "kubectl -n a rollout restart deploy/b",
            "eval \"$x\"",
            "bash -c 'ls'",
            "sysctl vm.swappiness=1",
            "mkfs.ext4 /dev/x",
            "cat > x <<EOF\na\nEOF",
            "cat <<EOF\nnow: $(rm x)\nEOF",
            "cat <<-EOF\n\tnow: `rm x`\n\tEOF",
            "cat <<EOF\na\nEOF\nrm x",
            "bash <<EOF\nls\nEOF",
            "sudo sh -s <<'EOF'\nls\nEOF",
            "echo ls | sh",
            "bash <<< ls",
        ] {
            assert_eq!(faults(Role::Check, change).len(), 1, "{change}: {:?}", faults(Role::Check, change));
            assert_eq!(faults(Role::Run, change), [""; 0], "{change}");
        }
        for fine in [
            "test -e \"/etc/nginx/upstreams/game/$x.conf\" || { echo \"not in the upstream\"; exit 1; }",
            "[ \"$(ls /etc/nginx/upstreams/game/*.conf | wc -l)\" -ge 2 ]",
            "systemctl show --property=ActiveState --value game.service",
            "docker ps; docker inspect stop_me",
            "curl -fsS -o /dev/null http://h",
            "echo 'rm -rf /' 2>&1 >/dev/null",
            "cat <<EOF\nrm -rf / # it's $HOME, \\$(rm x)\nEOF",
            "cat <<'EOF'\n$(rm x) `rm x`\nEOF",
            "wc -l <<'A' <<B\nrm x\nA\nrm y\nB\nls",
            "grep -c x <<< 'rm x'",
            "bash /opt/look.sh",
            "git status; ip addr show; find /tmp -name x",
        ] {
            assert_eq!(faults(Role::Check, fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_verify_does_not_pass_because_a_tool_is_missing() {
        for wrong in ["! pgrep x", "[ -z \"$(ss -Hn | grep x)\" ]"] {
            assert_eq!(faults(Role::Verify, wrong).len(), 1, "{wrong}");
            assert_eq!(faults(Role::Check, wrong), [""; 0], "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_on_no_command_line() {
        assert_eq!(faults(Role::Run, "curl -H \"Authorization: Bearer $token\" http://h").len(), 1);
        assert_eq!(faults(Role::Run, "printf 'Authorization: Bearer %s' \"$token\" | curl -H @- http://h"), [""; 0]);
        assert_eq!(faults(Role::Run, "TOKEN=\"$token\"; export TOKEN"), [""; 0]);
    }

    #[test]
    fn variables_are_what_was_asked_for() {
        with(json!(["a", "b"]), |scope| {
            let all = variables(None, &types(), &scope).unwrap();
            assert_eq!(all, [("x".to_owned(), "a\nb".to_owned())]);
            let listed = ["token".to_owned(), "x".to_owned()];
            let listed = variables(Some(&listed), &types(), &scope).unwrap();
            assert_eq!(listed[0], ("token".to_owned(), "s3cr3t".to_owned()));
            assert!(variables(Some(&["other".to_owned()]), &types(), &scope).is_err());
            let mut types = types();
            types.insert("before".to_owned(), NameType::Rows);
            let rows = variables(None, &types, &scope).unwrap();
            assert_eq!(rows[0].1, r#"[{"id":7,"tags":["a","b"]}]"#);
        });
        with(json!("it's"), |scope| {
            let vars = ["token".to_owned(), "x".to_owned()];
            let lines = shown(Some(&vars), &types(), &scope).unwrap();
            assert_eq!(lines, ["token='‹secret token›'", "x='it'\\''s'"]);
        });
    }

    /// What the other side reads: the variables, and the script.
    fn read_back(input: &str) -> (BTreeMap<String, String>, String) {
        let (head, body) =
            if let Some(body) = input.strip_prefix('\n') { ("", body) } else { input.split_once("\n\n").unwrap() };
        let variable = |line: &str| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
        };
        (head.lines().map(variable).collect(), body.to_owned())
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_variable(value in "[\\x01-\\x7f]{0,20}|\\PC{0,20}", body in "[a-z$\n ]*") {
            let variables = with(json!(value), |scope| variables(None, &types(), &scope)).unwrap();
            let (found, script) = read_back(input(&variables, &body).expose_secret());
            prop_assert_eq!(found, BTreeMap::from([("x".to_owned(), value.clone())]));
            prop_assert_eq!(script, body.clone());
            // And what is shown is read by a shell as the same.
            let text = with(json!(value), |scope| shown(None, &types(), &scope)).unwrap();
            let inner = text[0].strip_prefix("x='").and_then(|text| text.strip_suffix('\'')).unwrap();
            prop_assert_eq!(inner.split("'\\''").collect::<Vec<_>>().join("'"), value);
            prop_assert!(inner.split("'\\''").all(|part| !part.contains('\'')));
        }
    }
}
