//! Reads every runbook of `tests/corpora/runbooks`: each valid one without a problem, each invalid one with exactly the
//! problems in the `.txt` beside it.

use super::parse;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_valid_runbook_is_read() {
    let files = files("valid");
    assert!(files.len() >= 3);
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        if let Err(problems) = parse(&name(&path), &source) {
            panic!("{problems}");
        }
    }
}

#[test]
fn every_invalid_runbook_has_its_whole_message() {
    let files = files("invalid");
    assert!(files.len() >= 150);
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let problems = parse(&name(&path), &source).expect_err(&name(&path)).to_string();
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            fs::write(path.with_extension("txt"), format!("{problems}\n")).unwrap();
        }
        let wanted = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        assert_eq!(problems, wanted.trim_end(), "\n{problems}\n");
    }
}

/// The two runbooks that use the whole format, each with one rule broken: that one is told, and where.
#[test]
fn each_rule_is_told_by_itself() {
    let drain = "drain-game-server.md";
    let close = "close-idle-and-restart-api.md";
    let broken: [(&str, &str, &str, &str); 22] = [
        (drain, "nodata=fail\n", "\n", "32:11: check must have `nodata`"),
        (drain, ">= bool 2", ">= 2", "33:47: without `bool`"),
        (
            drain,
            "instance!=\"{{ server }}\"",
            "instance!={{ server }}",
            "33:33: `server` stands outside a label's value",
        ),
        (drain, "set -eu\ntest -e", "test -e", "39:1: the script goes on after an error"),
        (drain, "{{ secret.admin_token }}", "{{ secret.admin }}", "`admin` is no secret"),
        (drain, "verb: drain\n", "", "a risk of high takes a verb for the phrase"),
        (drain, "GET /admin/status", "POST /admin/status", "POST may change something, and plan may not"),
        (drain, "status in [200, 202]", "status in ['200', 202]", "it compares a number with text"),
        (drain, "json.draining", "jsn.draining", "`jsn` is not known here: did you mean \"json\"?"),
        (drain, "/admin/drain?reason", "http://game/drain?reason", "this is no path"),
        (drain, "confirm=typed idempotent retry=2", "confirm=typed retry=2", "what is not idempotent is sent once"),
        (drain, "every=1s timeout=30m", "timeout=30m", "wait must have `every`"),
        (drain, "over: role:lb", "over: $server", "`$server` is no list of servers"),
        (drain, "vars=(server, server_addr)", "vars=(server)", "`server_addr` is not among the `vars`"),
        (drain, "open=$(ss", "rm -f x; open=$(ss", "`rm` changes something, and verify may not"),
        (close, " undo=none\nSELECT", "\nSELECT", "nothing says how this run is undone"),
        (close, "key=(pid, backend_start) ", "", "plan must have `key`"),
        (close, ":app", ":ap", "`ap` is no parameter: did you mean \"app\"?"),
        (close, "SELECT count(*) AS n FROM", "DELETE FROM", "verify may not change anything"),
        (close, "docker restart -t 30 api", "docker restrt -t 30 api", "did you mean \"restart\"?"),
        (close, "on=host/api via=ssh", "on=host via=ssh", "a http fence does not go to `host`"),
        (close, "- [ ] the status page", "- [x] the status page", "this item is ticked already"),
    ];
    for (file, from, to, wanted) in broken {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks/valid").join(file);
        let source = fs::read_to_string(path).unwrap();
        assert!(source.contains(from), "{file} has no {from}");
        let problems = parse(file, &source.replacen(from, to, 1)).expect_err(from).to_string();
        assert!(problems.contains(wanted), "{from}\n{problems}");
    }
}

/// Every page of this repository, and what people put into their own.
#[test]
fn a_page_of_prose_is_no_runbook_and_harms_nobody() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.to_owned(), root.join("docs"), root.join("docs/panes"), root.join("docs/sources")];
    folders.push(root.join("tests"));
    let mut pages: Vec<String> = Vec::new();
    for folder in folders {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        pages.extend(files.map(|path| fs::read_to_string(path).unwrap()));
    }
    assert!(pages.len() > 20);
    let odd = [
        "",
        "---",
        "---\n",
        "---\ntitle: a page\n---\n# A\n",
        "\u{feff}# A",
        "# A\r\n\r\n- [ ] b\r\n",
        "```sh\nls\n```",
        "    code\n",
        "| a |\n|---|\n",
        "<b>x</b>",
        "[a]: b\n[a]",
        "---\ntitle: x\nrunbooks: 3\n---\n",
    ];
    pages.extend(odd.map(str::to_owned));
    for page in &pages {
        assert!(!super::is_runbook(page), "{page}");
        super::links(page);
        assert!(parse("page.md", page).is_err());
    }
    assert!(super::is_runbook("---\ntitle: x\nrunbook: 1\n---\n"));
}

mod any {
    use super::super::{is_runbook, links, parse};
    use proptest::prelude::*;

    /// Pieces that a page is made of, so that chance comes upon what is nearly right.
    const PIECES: [&str; 40] = [
        "---\n",
        "runbook: 1\n",
        "id: a\n",
        "title: A\n",
        "owner: o\n",
        "reviewed: 2026-01-01\n",
        "risk: low\n",
        "params:\n",
        "  - {name: x, type: int}\n",
        "params: [",
        "lock: [a/$x]\n",
        "secrets: [t]\n",
        "limits: {rows: 1}\n",
        "# T\n",
        "## S\n",
        "### U\n",
        "\n",
        "```\n",
        "```bash check on=host timeout=5s\n",
        "```yaml rollout\n",
        "over: role:x\n",
        "serial: [1, 20%]\n",
        "```http run on=a/b timeout=5s undo=none\n",
        "POST /{{ x }}?a={{ secret.t }}\n",
        "set -eu\n",
        "echo \"$x $(ls | wc)\"\n",
        "```promql wait on=m every=1s timeout=5s\n",
        "up{a=\"{{ x }}\"} > 1\n",
        "**Choose:**\n",
        "**Run:** [a](b.md)\n",
        "- [ ] a\n",
        "- b\n",
        "> ```sql run\n",
        "expect=(rc == '0')",
        "\r\n",
        "é日本",
        "```docker run on=$x timeout=1s if=(u == 1)\n",
        "docker pull $x\n",
        "\t",
        "~~~\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_page_is_read_without_a_panic(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..30)) {
            let page = pieces.concat();
            let _ = parse("page.md", &page);
            is_runbook(&page);
            links(&page);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let front = "---\nrunbook: 1\nid: a\ntitle: A\nowner: o\nreviewed: 2026-01-01\nrisk: low\n---\n";
            let _ = parse("page.md", &text);
            let _ = parse("page.md", &[front, &text].concat());
            let _ = parse("page.md", &["---\n", &text, "\n---\n## S\n### T\n"].concat());
        }
    }
}
