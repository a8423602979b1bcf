//! `nginx`: its config is read from the machine's files, and what it says becomes true of the world at a reload.

use super::files::{ACTIVE, CONF, NGINX_PID};
use super::{Machine, root};
use crate::drill::shell::{Call, Done, Files, Kind, Node};
use crate::drill::world::{Colour, Order, Refused, Role};
use std::sync::atomic::Ordering;

/// Workers of a running nginx.
const WORKERS: u32 = 4;

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    if call.user != "root" && words != ["-v"] {
        return Done::failed(
            1,
            "nginx: [alert] could not open error log file: open() \"/var/log/nginx/error.log\" failed (13: Permission denied)\n",
        );
    }
    match words.as_slice() {
        ["-v"] => Done { err: b"nginx version: nginx/1.27.0\n".to_vec(), ..Done::default() },
        ["-t"] => match problem(files) {
            None => Done {
                err: b"nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test is successful\n".to_vec(),
                ..Done::default()
            },
            Some(why) => Done::failed(1, format!("nginx: [emerg] {why}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n")),
        },
        ["-s", "reload"] => reload(machine, files),
        _ => Done::failed(1, "nginx: a drill's nginx takes -t, -v and -s reload\n"),
    }
}

fn text(files: &Files) -> Option<String> {
    files.get(CONF).and_then(Node::bytes).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn problem(files: &Files) -> Option<String> {
    if files.look(ACTIVE).is_some() && !files.get(ACTIVE).is_some_and(Node::is_folder) {
        return Some(format!("open() \"{ACTIVE}\" failed (2: No such file or directory)"));
    }
    let text = text(files)?;
    let bare: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).collect();
    let count = |letter: char| bare.iter().flat_map(|line| line.chars()).filter(|one| *one == letter).count();
    if count('{') != count('}') {
        return Some(format!("unexpected end of file, expecting \"}}\" in {CONF}:{}", bare.len()));
    }
    let open = bare.iter().position(|line| !line.is_empty() && !line.ends_with([';', '{', '}']));
    if let Some(at) = open {
        return Some(format!("directive is not terminated by \";\" in {CONF}:{}", at + 1));
    }
    places(&text).is_empty().then(|| format!("no servers are inside upstream in {CONF}:1"))
}

/// What stands in the upstream, without what is commented out: `10.0.1.4:8081`.
fn places(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.skip_while(|line| !line.starts_with("upstream")).take_while(|line| !line.starts_with('}'));
    let place = |line: &str| Some(line.strip_prefix("server ")?.split([' ', ';']).next()?.to_owned());
    lines.filter_map(place).collect()
}

fn reload(machine: &Machine, files: &mut Files) -> Done {
    if let Some(why) = problem(files) {
        return Done::failed(1, format!("nginx: [emerg] {why}\n"));
    }
    machine.reload();
    let mut stage = machine.stage.lock();
    if let Some(Kind::Link(to)) = files.look(ACTIVE).map(|node| &node.kind)
        && let Some(colour) = Colour::of(to.rsplit('/').next().unwrap_or_default())
        && colour != stage.world.edge.active
        && let Err(Refused(why)) = stage.order(&Order::Switch(colour))
    {
        return Done::failed(1, format!("nginx: [emerg] {why}\n"));
    }
    if let Some(text) = text(files) {
        let places = places(&text);
        for at in 0..stage.world.servers.len() {
            let server = &stage.world.servers[at];
            let there = places.iter().any(|place| place.split(':').next() == Some(&server.address));
            if server.role == Role::Game && !server.gone && server.upstream != there {
                let _ = stage.order(&Order::Upstream(at, there));
            }
        }
    }
    Done { seconds: 0.2, ..Done::default() }
}

/// `pgrep`, of nginx' workers: each reload has others.
pub(super) fn pgrep(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let master = files.read(&root(), NGINX_PID).map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let all: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let of_nginx =
        all.iter().any(|word| word.contains("nginx")) || all.iter().any(|word| master.as_deref() == Ok(*word));
    if !of_nginx {
        return Done::failed(1, "");
    }
    let first = 900 + machine.reloads.load(Ordering::Relaxed) * WORKERS;
    Done::said((first..first + WORKERS).map(|pid| format!("{pid}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_commented_out_takes_no_requests() {
        let text = "upstream a {\n  least_conn;\n  server 10.0.1.4:8081 max_fails=2;\n  # drained: server 10.0.1.5:8081;\n}\nserver {\n  listen 80;\n}\n";
        assert_eq!(places(text), ["10.0.1.4:8081"]);
        let mut files = Files::new();
        for (text, why) in [
            (text.to_owned(), None),
            (text.replace("80;", "80"), Some("not terminated")),
            (text.replacen('}', "", 1), Some("unexpected end of file")),
            (text.replace("server 10.0.1.4", "# server 10.0.1.4"), Some("no servers")),
        ] {
            files.put(CONF, text.as_str(), 0o644, "root", 0.0);
            assert_eq!(problem(&files).is_some(), why.is_some(), "{text}");
            assert!(problem(&files).unwrap_or_default().contains(why.unwrap_or_default()), "{text}");
        }
    }
}
