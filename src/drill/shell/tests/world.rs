//! What no bash can be asked: the world outside, users, time, signals, limits, and the pages that are shipped.

use super::super::files::{Access, Who};
use super::super::{Ended, Files, Job, parse, run};
use super::{Alone, files, here, job};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::Mutex;

fn said(script: &str) -> String {
    let (out, err, code) = here(script);
    assert_eq!((code, err.as_str()), (0, ""), "{script}: {out}");
    out
}

#[test]
fn the_world_is_asked_for_what_the_shell_does_not_have() {
    let mut alone = Alone::default();
    let script = "export TAG=v2\ncd /tmp\nprintf 'one\\ntwo\\n' | while read -r line; do docker ps \"$line\" 'a b'; done\n/usr/bin/docker images\n\
                  docker inspect x | tr a-z A-Z\ncommand -v docker\nsudo -u postgres psql -c x <<< 'select'\nnothing here; echo $?";
    let code = run(&job(script), &files(), &mut alone);
    let out = String::from_utf8_lossy(&alone.out);
    assert_eq!(out, "ps one a b\nps two a b\nimages\nINSPECT X\n/usr/bin/docker\nselect\n127\n");
    assert_eq!(code, 0);
    assert_eq!(String::from_utf8_lossy(&alone.err), "bash: line 8: nothing: command not found\n");
    let call = &alone.calls[0];
    assert_eq!((call.folder.as_str(), call.user.as_str(), call.env["TAG"].as_str()), ("/tmp", "me", "v2"));
    assert_eq!(call.stdin, b"two\n", "a command sees the rest of what a loop reads, and does not take it away");
    assert_eq!(alone.calls[4].user, "postgres");
}

#[test]
fn what_takes_time_is_waited_for_without_a_lock() {
    let mut alone = Alone::default();
    assert_eq!(
        run(&job("slow; sleep 1m; date -u +%s; timeout 5 sleep 100; echo $? $EPOCHSECONDS"), &files(), &mut alone),
        0
    );
    assert_eq!(String::from_utf8_lossy(&alone.out), "late\n1700000090\n124 1700000095\n");
}

#[test]
fn who_ends_a_script_is_heard_by_its_traps() {
    let ended = |script: &str, ended| {
        let mut alone = Alone { end: Some((10.0, ended)), ..Alone::default() };
        let code = run(&job(script), &files(), &mut alone);
        (String::from_utf8_lossy(&alone.out).into_owned(), code)
    };
    let script = "trap 'echo bye' EXIT; echo hi; sleep 20; echo never";
    assert_eq!(ended(script, Ended::Term), ("hi\nbye\n".to_owned(), 143));
    assert_eq!(ended(script, Ended::Kill), ("hi\n".to_owned(), 137));
    assert_eq!(ended("trap 'echo term' TERM; sleep 20; echo $?", Ended::Term), ("term\n143\n".to_owned(), 0));
    assert_eq!(ended("x=$(sleep 20; echo never); echo never", Ended::Term), (String::new(), 143));
}

#[test]
fn files_are_whose_they_are() {
    let all = files();
    let root = Who::root(1.0);
    {
        let mut files = all.lock().expect("free");
        files.put("/srv/secret", "x", 0o600, "root", 5.0);
        files.put_folder("/var/backups", 0o700, "postgres", 5.0);
    }
    let mut alone = Alone::default();
    let script = "cat /srv/secret; echo x > /srv/new; test -w /var/backups || echo no; sudo cat /srv/secret; echo\n\
                  sudo -u postgres bash -c 'umask 077; cd /; echo dump > /var/backups/d; id -un; test -w /var/backups && echo yes'\n\
                  sudo stat -c '%U %a' /var/backups/d; sudo install -o postgres -m 0640 /srv/secret /srv/copy; stat -c '%U %a' /srv/copy; cat /var/backups/d; sudo chown me /srv/secret; cat /srv/secret";
    assert_eq!(run(&job(script), &all, &mut alone), 0);
    assert_eq!(String::from_utf8_lossy(&alone.out), "no\nx\npostgres\nyes\npostgres 600\npostgres 640\nx");
    let err = String::from_utf8_lossy(&alone.err).into_owned();
    assert_eq!(err.matches("Permission denied").count(), 3, "{err}");
    let files = all.lock().expect("free");
    assert_eq!(files.read(&root, "/srv/copy"), Ok(&b"x"[..]));
    assert!(!files.may("me", "/srv/copy", Access::Write));
}

#[test]
fn a_coprocess_answers_what_it_was_told() {
    let script = "coproc DB { psql -q; }\necho begin >&\"${DB[1]}\"\nread -r -t 30 line <&\"${DB[0]}\"\necho \"got $line\"\n\
                  printf 'a\\nb\\ndone\\n' >&\"${DB[1]}\"\nwhile read -r line <&\"${DB[0]}\" && [ \"$line\" != done ]; do echo \"<$line>\"; done\necho \"$line\"";
    assert_eq!(said(script), "got begin\n<a>\n<b>\ndone\n");
}

#[test]
fn made_up_files_are_read_as_others() {
    assert_eq!(
        said(
            "awk '$1 == \"MemTotal:\" { print $2 }' /proc/meminfo; grep -c kB < /proc/meminfo; test -r /proc/meminfo && echo there; [ -e /proc/none ] || echo none"
        ),
        "16384000\n2\nthere\nnone\n"
    );
}

#[test]
fn jq_as_runbooks_use_it() {
    let ips = r#"ips='{"a": "10.0.0.1", "b": "10.0.0.2"}'; "#;
    let plan = r#"plan='{"resource_changes": [{"mode": "managed", "address": "x[1]", "index": 1, "change": {"actions": ["delete"]}}, {"mode": "managed", "address": "y", "change": {"actions": ["no-op"]}}]}'; "#;
    for (script, out) in [
        (format!("{ips}jq length <<< \"$ips\""), "2\n"),
        (format!("{ips}jq -r '[.[]] | join(\", \")' <<< \"$ips\""), "10.0.0.1, 10.0.0.2\n"),
        (format!("{ips}jq -e --arg gone 10.0.0.9 --argjson count 2 'length == $count and all(. != $gone)' <<< \"$ips\""), "true\n"),
        (format!("{ips}jq . <<< \"$ips\""), "{\n  \"a\": \"10.0.0.1\",\n  \"b\": \"10.0.0.2\"\n}\n"),
        (format!(r#"{plan}jq -r '.resource_changes[] | select(.mode == "managed" and .change.actions != ["no-op"]) | "\(.change.actions | join(" and ")): \(.address)"' <<< "$plan""#), "delete: x[1]\n"),
        (format!(r#"{plan}jq -c '[.resource_changes[] | select(.change.actions == ["delete"]) | .index] | unique' <<< "$plan""#), "[1]\n"),
        (format!(r#"{plan}jq '[.resource_changes[] | select(.change.actions | any(. == "delete" or . == "forget"))] | length' <<< "$plan""#), "1\n"),
        ("echo '[\"a\"]' > before; jq -r --slurpfile before before '[.[]] - [$before[0][]] | .[]' <<< '[\"a\", \"b\"]'".to_owned(), "b\n"),
        ("printf '{\"t\":1}\\n{\"t\":2}\\n' | jq -rs '[.[] | select(.t == 2)] | length'; jq -n '{a: 1}' | jq .a".to_owned(), "1\n1\n"),
    ] {
        assert_eq!(said(&script), out, "{script}");
    }
    assert_eq!(
        here("jq -e 'length == 3' <<< '[]' > /dev/null; echo $?; jq . <<< '{'; echo $?; jq 'range(9)' <<< 1; echo $?")
            .0,
        "1\n2\n3\n"
    );
}

#[test]
fn a_machine_is_drained_as_its_runbook_says() {
    let page = include_str!("../../../../assets/runbooks/server-drain.md");
    let blocks = blocks(page);
    let all = files();
    all.lock().expect("free").put(
        "/etc/nginx/nginx.conf",
        "http {\n  upstream game {\n    server 10.0.0.1:8080;\n    server 10.0.0.2:8080;\n  }\n}\n",
        0o644,
        "root",
        0.0,
    );
    let env = [
        ("conf", "/etc/nginx/nginx.conf"),
        ("upstream", "game"),
        ("server", "game-1"),
        ("server_addr", "10.0.0.1"),
        ("port", "8080"),
    ];
    let mut job = Job { user: "root".to_owned(), folder: "/".to_owned(), ..Job::default() };
    job.env.extend(env.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let mut alone = Alone::default();
    job.script.clone_from(&blocks[0]);
    assert_eq!(run(&job, &all, &mut alone), 0, "{}", String::from_utf8_lossy(&alone.err));
    assert_eq!(String::from_utf8_lossy(&alone.out), "game has 2 servers\n");
    // Up to where nginx is asked, which is not there: the file is as it was.
    job.script.clone_from(&blocks[2]);
    assert_eq!(run(&job, &all, &mut alone), 1);
    assert!(!text(&all, "/etc/nginx/nginx.conf").contains("drained"));
    job.script = format!("nginx() {{ :; }}\npgrep() {{ echo $EPOCHREALTIME; sleep 1; }}\n{}", blocks[2]);
    all.lock().expect("free").put("/run/nginx.pid", "1\n", 0o644, "root", 0.0);
    assert_eq!(run(&job, &all, &mut alone), 0, "{}", String::from_utf8_lossy(&alone.err));
    assert_eq!(text(&all, "/etc/nginx/nginx.conf").lines().nth(2), Some("    # drained: server 10.0.0.1:8080;"));
}

fn text(files: &Mutex<Files>, path: &str) -> String {
    let files = files.lock().expect("free");
    let bytes = files.read(&Who::root(0.0), path).expect("it is there");
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bash blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut now: Option<String> = None;
    for line in page.lines() {
        match &mut now {
            None if line.starts_with("```bash") => now = Some(String::new()),
            Some(_) if line == "```" => out.extend(now.take()),
            Some(block) => drop(writeln!(block, "{line}")),
            None => {}
        }
    }
    out
}

#[test]
fn every_block_of_the_shipped_pages_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/runbooks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the pages") {
        let path = entry.expect("a page").path();
        for block in blocks(&std::fs::read_to_string(&path).expect("a page")) {
            if let Err(why) = parse::program(&block) {
                panic!("{}: {why}\n{block}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn nothing_goes_on_for_ever() {
    for script in [
        "while :; do :; done",
        "f() { f; }; f",
        "f() { f | f; }; f",
        "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done > f",
        "x=a; while :; do x=$x$x; done",
        "x=a; while :; do x=\"$x$x\"; echo \"$x\" > $RANDOM; done",
        "echo {1..100000}{1..100000}",
        "printf '%99999999999s' x",
        "awk 'BEGIN { while (1) x = x \"a\" }'",
        "sed ':a;s/^/x/;ba' <<< x",
        "seq 1 100000000000",
        "eval 'eval \"eval x\"'; bash -c 'bash -c \"bash -c :\"'; s='eval \"$s\"'; eval \"$s\"",
        "while :; do sleep 0; done",
        "head -c 99999999999999999999 /dev/zero; yes | head -n 1",
        "echo 'bash $0' > s; bash s",
        "trap 'kill $$' TERM; kill $$",
        "a=a; echo $((a))",
        &format!("f() {{ {} f; {} }}; f", "{ if :; then ".repeat(28), "fi; }; ".repeat(28)),
        &format!("f() {{ {} f {}; }}; f", "echo \"$(".repeat(28), ")\"".repeat(28)),
    ] {
        let (out, _, _) = here(script);
        assert!(out.len() <= super::super::state::OUTPUT, "{script}");
    }
}

#[test]
fn what_lies_too_deep_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("$(", ")"),
        ("if ", ""),
        ("{ ", "}"),
        ("${a:-", "}"),
        ("$((", "))"),
        ("case x in x) ", " esac"),
        ("\"$(echo ", ")\""),
        ("[[ ( ", ""),
        ("`", "`"),
        ("((", "))"),
        ("! ", ""),
        ("a[", "]"),
        ("<(", ")"),
        ("while ", ""),
        ("f() ", ""),
        ("'", ""),
        ("{a,", "}"),
        ("@(", ")"),
        ("- ", ""),
    ] {
        for count in [5, 12, 40, 2000] {
            let word = format!("{}x{}", open.repeat(count), close.repeat(count));
            for script in [
                word.clone(),
                format!("echo {word}"),
                format!("[[ x == {word} ]]"),
                format!("x=\"{word}\""),
                format!("echo $(({word}))"),
                format!("awk '{word}'"),
                format!("find . {word}"),
                format!("jq '{word}' <<< 1"),
            ] {
                let begun = std::time::Instant::now();
                here(&script);
                assert!(begun.elapsed().as_secs() < 5, "{script}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever is sent: it ends, and nothing panics (its own fault is 70).
    #[test]
    fn no_input_makes_it_panic(script in "[ -~\n]{0,60}") {
        prop_assert_ne!(here(&script).2, super::super::FAULT, "{}", script);
    }

    #[test]
    fn no_combination_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..14)) {
        let script = words.join(" ");
        prop_assert_ne!(here(&script).2, super::super::FAULT, "{}", script);
    }
}

const WORDS: &[&str] = &[
    "if",
    "then",
    "fi",
    "while",
    "do",
    "done",
    "for",
    "x",
    "in",
    "case",
    "esac",
    ";;",
    ";",
    "|",
    "&&",
    "||",
    "&",
    "(",
    ")",
    "{",
    "}",
    "[[",
    "]]",
    "[",
    "]",
    "echo",
    "$x",
    "\"$@\"",
    "${x:-y}",
    "${x#*}",
    "${x%%?}",
    "${x/a/b}",
    "${x:1:2}",
    "${#x}",
    "${!x}",
    "$((1+x))",
    "$(echo a)",
    "`b`",
    "<<E\na\nE\n",
    "<<<",
    "> f",
    "< f",
    "2>&1",
    ">&-",
    "x=1",
    "x=(a b)",
    "x[1]=2",
    "\n",
    "*",
    "?",
    "[a-",
    "a{b,c}",
    "{1..3}",
    "~",
    "!",
    "=~",
    "==",
    "-eq",
    "set -euo pipefail",
    "trap",
    "'echo t'",
    "EXIT",
    "local",
    "f()",
    "f",
    "return",
    "break",
    "exit",
    "read",
    "printf",
    "%s",
    "%d%",
    "sed",
    "s/a/b/",
    "awk",
    "{print $1}",
    "grep",
    "-E",
    "find",
    ".",
    "-name",
    "date",
    "-d",
    "sort",
    "-k2",
    "cut",
    "-f1-",
    "tr",
    "a-z",
    "head",
    "-n",
    "-1",
    "tail",
    "+0",
    "jq",
    ".[]",
    "xargs",
    "eval",
    "test",
    "cd",
    "shift",
    "99",
    "getopts",
    "a:",
    "mapfile",
    "declare",
    "-A",
    "m",
    "tar",
    "-czf",
    "gzip",
    "coproc",
    "time",
    "wait",
    "kill",
    "$$",
    "exec",
    "seq",
    "sleep",
    "bash",
    "-c",
];

#[test]
fn what_a_tool_says_may_go_to_a_file() {
    let tools = "mv no x; cp no x; rm no; rmdir no; mkdir /no/no; mkdir .; ln -s a .; touch /no/x; chmod 1 no; chown me no; find no; find . -exec ls {} +; tar -tf no; tar -cf t no; gzip no; gunzip f; \
                 stat no; stat f; ls no; ls -l; readlink f; realpath /no/no; sed p no; sed -i s/x/y/ f; grep x no; grep -r x .; sort no; sort -o f f; cat no f; install no x; cmp no f; date -r no; date -r f; cd no; \
                 . no; ./f; bash no; flock l echo x; tee g <<< x; mktemp; mapfile x <<< y; jq . no; awk '{ print > \"f\" }' no; awk 1 f; xargs ls <<< no; [ -s f ] && echo full; command -v ls; sudo ls no; echo $(< f) | wc -c";
    let (_, err, code) = here(&format!("{{ {tools}; }} > f 2>&1; wc -l < f"));
    assert_eq!((err.as_str(), code), ("", 0));
}
