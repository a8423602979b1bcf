//! Text that nobody meant, into what reads runbooks: pages, info strings, conditions. Nothing panics, nothing takes long, what is read is
//! what is printed, and a role that only reads stays one.
//!
//! The inputs are mutations of the corpora. Those whose outcome is of a kind not seen before (other problems, or none) are kept and mutated
//! further, so that a run digs where something new was found. Some hundred in the normal suite; `tests/run --long` takes
//! `QUARTERDECK_FUZZ_SECONDS` (900) for each of the three, and prints how many there were. The input at work stands in `fuzz-NAME.txt`
//! of cargo's folder for tests, should one end the process.

use quarterdeck::runbook::expr::{Condition, Known, Names};
use quarterdeck::runbook::model::Runbook;
use quarterdeck::runbook::parse::{Problems, is_runbook, links, parse};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No input of this size takes so long, on a machine under load and in a development build.
const PATIENCE: Duration = Duration::from_secs(10);
/// Inputs larger than this are cut: what is slow because it is large proves nothing.
const PAGE: usize = 16 << 10;
/// A condition takes up to 1,000 bytes.
const CONDITION: usize = 1_010;
/// Inputs of the normal suite, for each of the three.
const FEW: u64 = 400;

/// Words that mean something to somebody on the way.
const WORDS: &[&str] = &[
    "```",
    "~~~",
    "\n",
    "\r\n",
    "\r",
    "---\n",
    "## ",
    "### ",
    "# ",
    "> ",
    "- ",
    "- [ ] ",
    "- [x] ",
    "1. ",
    "    ",
    "\t",
    "**Choose:**",
    "**Run:**",
    "[a](b.md)",
    "<!--",
    "-->",
    "<script>",
    "&amp;",
    "&#0;",
    "\\",
    "\"",
    "'",
    "`",
    "$",
    "{{ ",
    " }}",
    "{%",
    "{{ secret.token }}",
    "check",
    "plan",
    "run",
    "wait",
    "verify",
    "undo",
    "rollout",
    "bash",
    "sql",
    "http",
    "docker",
    "promql",
    "yaml",
    "on=",
    "timeout=",
    "every=",
    "until=(",
    "expect=(",
    "if=(",
    "show=(",
    "key=(",
    "vars=(",
    "max=",
    "out=",
    "retry=",
    "confirm=two",
    "sudo",
    "dir=",
    "idempotent",
    "undo=none",
    "for=",
    "nodata=fail",
    "via=ssh",
    "on=role:game",
    "on=host",
    "on=local",
    "on=$x",
    "9999999999999999999999",
    "-1",
    "0",
    "0x1",
    "1e999",
    "NaN",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "*",
    "&a",
    "*a",
    "!!binary ",
    "|",
    ">",
    ": ",
    "- {",
    "? ",
    "%YAML 1.2\n",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "\u{200d}",
    "é",
    "日本",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "a\u{301}",
    "set -eu\n",
    "$(",
    "<<EOF",
    "'$(",
    "\"${x:-",
    "&&",
    "||",
    "|&",
    ">&2",
    ";;",
    "GET /",
    "POST /",
    "HTTP/1.1\r\n",
    "SELECT ",
    "$$",
    "$1",
    ":name",
    "::text",
    "--",
    "/*",
    "*/",
    "E'\\'",
    "BEGIN",
    "docker restart ",
    "docker inspect $x",
    "=~\"",
    "{a=\"",
    "bool",
    "rows",
    "rows.all(r, ",
    "rows.map(r, ",
    "has(",
    "size(",
    "params.x",
    "run.id",
    "step.id",
    "timestamp(",
    "int(",
    "string(",
    " == ",
    " in ",
    " ? ",
    " : ",
    " && ",
    " || ",
    "!",
    "-",
    "b'",
    "r'",
    "'''",
    "matches('(a*)*$')",
];

/// Chance that can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Below `end`; 0 when there is nothing below it.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// A place in a text between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Two of them, in order, seldom far apart.
    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let from = self.place(text);
        let far = [1, 2, 8, 40, 400][self.below(5)];
        let mut to = text.len().min(from + 1 + self.below(far));
        while !text.is_char_boundary(to) {
            to += 1;
        }
        from..to
    }

    fn line(&mut self, text: &str) -> std::ops::Range<usize> {
        let at = self.place(text);
        let from = text[..at].rfind('\n').map_or(0, |at| at + 1);
        from..text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
    }
}

/// A target, its corpus, and what came of it.
struct Fuzz {
    name: &'static str,
    dice: Dice,
    /// Inputs are cut to it, in bytes.
    largest: usize,
    corpus: Vec<String>,
    seen: HashSet<u64>,
    runs: u64,
    slowest: Duration,
}

impl Fuzz {
    fn new(name: &'static str, largest: usize, corpus: Vec<String>) -> Self {
        let seed = std::env::var("QUARTERDECK_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed);
        assert!(corpus.len() > 10, "{name} has something to begin with");
        Self { name, dice: Dice(seed), largest, corpus, seen: HashSet::new(), runs: 0, slowest: Duration::ZERO }
    }

    fn mutant(&mut self) -> String {
        let dice = &mut self.dice;
        let mut text = dice.of(&self.corpus).clone();
        for _ in 0..=dice.below(4) {
            match dice.below(9) {
                0 => text.replace_range(dice.range(&text), ""),
                1 => text.insert_str(dice.place(&text), dice.word()),
                2 => text.replace_range(dice.range(&text), dice.word()),
                3 => {
                    let copy = text[dice.range(&text)].to_owned();
                    text.insert_str(dice.place(&text), &copy);
                }
                4 => {
                    let other = dice.of(&self.corpus);
                    let piece = other[dice.range(other)].to_owned();
                    text.insert_str(dice.place(&text), &piece);
                }
                5 => {
                    let other = dice.of(&self.corpus);
                    let piece = other[dice.line(other)].to_owned();
                    text.insert_str(dice.line(&text).start, &piece);
                }
                6 => text.replace_range(dice.line(&text), ""),
                7 => text.truncate(dice.place(&text)),
                _ => {
                    let many = [2, 10, 300, 4000][dice.below(4)];
                    text.insert_str(dice.place(&text), &dice.word().repeat(many));
                }
            }
        }
        while text.len() > self.largest {
            text.pop();
        }
        text
    }

    /// Gives inputs to `target` until `end` says so; `target` says what kind of outcome it was.
    fn run(mut self, mut goes_on: impl FnMut(u64) -> bool, target: impl Fn(&str) -> u64) -> Self {
        let at_work = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.txt", self.name));
        let first = self.corpus.clone();
        let mut first = first.into_iter();
        while goes_on(self.runs) {
            let input = first.next().unwrap_or_else(|| self.mutant());
            fs::write(&at_work, &input).unwrap();
            let before = Instant::now();
            let outcome = target(&input);
            let took = before.elapsed();
            assert!(took < PATIENCE, "{took:?} for {input:?}");
            self.slowest = self.slowest.max(took);
            self.runs += 1;
            if self.seen.insert(outcome) && self.corpus.len() < 20_000 {
                self.corpus.push(input);
            }
        }
        fs::remove_file(at_work).unwrap();
        self
    }

    /// On a stack as small as the program's threads have it.
    fn few(self, target: impl Fn(&str) -> u64 + Send + 'static) {
        let few = FEW + u64::try_from(self.corpus.len()).unwrap();
        small_stack(move || self.run(move |runs| runs < few, target));
    }

    fn long(self, target: impl Fn(&str) -> u64 + Send + 'static) {
        let seconds = std::env::var("QUARTERDECK_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(900);
        let end = Instant::now() + Duration::from_secs(seconds);
        let done = small_stack(move || self.run(move |_| Instant::now() < end, target));
        let Self { name, runs, corpus, seen, slowest, .. } = done;
        println!(
            "{name}: {runs} inputs in {seconds} s, {} kept, {} kinds of outcome, the slowest took {slowest:?}",
            corpus.len(),
            seen.len()
        );
    }
}

fn small_stack(work: impl FnOnce() -> Fuzz + Send + 'static) -> Fuzz {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn corpus(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
}

fn pages() -> Vec<String> {
    let folders =
        ["assets/runbooks", "tests/corpora/runbooks/valid", "tests/corpora/runbooks/invalid", "tests/corpora/prose"];
    folders.iter().flat_map(|folder| corpus(folder)).collect()
}

/// What stands behind the backticks of all pages.
fn infos() -> Vec<String> {
    let pages = pages();
    let lines = pages.iter().flat_map(|page| page.lines());
    let infos = lines.filter_map(|line| line.strip_prefix("```").or_else(|| line.strip_prefix("~~~")));
    let infos: BTreeSet<&str> = infos.filter(|info| info.contains(' ')).collect();
    infos.into_iter().map(str::to_owned).collect()
}

/// What stands in the parentheses of conditions.
fn conditions() -> Vec<String> {
    let infos = infos();
    let keys = ["until=(", "expect=(", "if=(", "show=("];
    let found =
        infos.iter().flat_map(|info| keys.iter().filter_map(move |key| info.split_once(*key)).map(|(_, rest)| rest));
    let mut found: Vec<String> =
        found.filter_map(|rest| rest.rsplit_once(')')).map(|(inside, _)| inside.to_owned()).collect();
    found.extend(
        ["rows.all(r, r.ok)", "has(json.a)", "rows[0].pid == 7", "size(rows) in [1, 2]", "[1, 2].map(x, x * 2)"]
            .map(str::to_owned),
    );
    found
}

/// The kind of an outcome: its problems without what differs from text to text.
fn kind(problems: &Problems) -> u64 {
    let plain = |what: &str| {
        let outside = what.split('`').step_by(2).collect::<String>();
        let outside = outside.split('"').step_by(2).collect::<String>();
        outside.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').collect::<String>()
    };
    let kinds: BTreeSet<String> = problems.list.iter().map(|problem| plain(&problem.what)).collect();
    hash(&kinds)
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn read_page(source: &str) -> u64 {
    let _ = links(source);
    match parse("page.md", source) {
        Ok(runbook) => {
            assert!(is_runbook(source), "prose was read as a runbook: {source:?}");
            keeps_its_promises(&runbook, source);
            hash(
                &runbook
                    .steps
                    .iter()
                    .flat_map(|step| &step.fences)
                    .map(|f| (f.language.name, f.role.word()))
                    .collect::<Vec<_>>(),
            )
        }
        Err(problems) => {
            assert!(!problems.list.is_empty(), "nothing is wrong, and it is not read: {source:?}");
            let lines = u32::try_from(source.split('\n').count()).unwrap();
            for problem in &problems.list {
                assert!((1..=lines + 1).contains(&problem.line) && problem.column >= 1, "{problem:?} in {source:?}");
                assert!(!problem.what.is_empty() && !problem.mend.is_empty(), "{problem:?}");
            }
            // Whoever tells it must be able to.
            assert!(!problems.to_string().is_empty());
            kind(&problems)
        }
    }
}

/// What is read runs as it is printed, and only a role that changes things can change some.
fn keeps_its_promises(runbook: &Runbook, source: &str) {
    assert_eq!(runbook.source, source);
    let mut ids = HashSet::new();
    for step in &runbook.steps {
        assert!(ids.insert(&step.id), "{} twice in {source:?}", step.id);
        assert!(step.fences.iter().filter(|fence| fence.role.word() == "run").count() <= 1, "two runs in {source:?}");
        for fence in &step.fences {
            let body = fence.body.trim_end_matches('\n');
            let printed = source.replace("\r\n", "\n").replace('\r', "\n");
            assert!(printed.contains(body), "{body:?} is not printed in {source:?}");
            let word = body.split_whitespace().next().unwrap_or_default();
            let reads = match fence.language.name {
                "http" => matches!(word, "GET" | "HEAD"),
                "sql" => matches!(sql_verb(body).as_str(), "select" | "with" | "values" | "show"),
                "docker" => matches!(body.split_whitespace().nth(1), Some("inspect" | "ps" | "logs" | "stats")),
                _ => true,
            };
            assert!(reads || fence.role.changes(), "{} changes something in {source:?}", fence.role.word());
        }
    }
}

/// The first word that is no comment.
fn sql_verb(body: &str) -> String {
    let mut rest = body.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    loop {
        let (begin, end) = if rest.starts_with("--") { ("--", "\n") } else { ("/*", "*/") };
        let Some(inside) = rest.strip_prefix(begin) else { break };
        if begin == "/*" && inside.contains("/*") {
            // Nested: what is behind it is not looked for here.
            return "select".to_owned();
        }
        rest = inside.split_once(end).map_or("", |(_, rest)| rest);
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    }
    rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase()
}

fn read_info(info: &str) -> u64 {
    const BODIES: [&str; 6] = [
        "set -eu\ntrue",
        "SELECT 1 AS n",
        "GET /a/{{ word }}",
        "docker inspect $thing",
        "up{job=\"{{ word }}\"} == bool 1",
        "over: role:web\n",
    ];
    let info = info.replace(['\n', '\r'], " ");
    let mut outcome = Vec::new();
    for body in BODIES {
        let page = format!(
            "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: high\nverb: go\nparams:\n  \
             - {{name: word, type: string}}\n  - {{name: thing, type: container}}\nsecrets: [token]\n---\n\n## Do\n\n### It\n\n```{info}\n{body}\n```\n"
        );
        outcome.push(read_page(&page));
    }
    hash(&outcome)
}

fn read_condition(text: &str) -> u64 {
    let Ok(condition) = Condition::compile(text) else { return 0 };
    let names = (condition.names().len(), condition.params().len(), condition.fields_of("run").len());
    let doubts = condition.doubts(true, &|name, _| if name == "rows" { Known::List } else { Known::Any }).len();
    let outcome = match condition.value(&answer()) {
        Ok(Value::Bool(truth)) => u64::from(truth),
        Ok(other) => 2 + hash(&std::mem::discriminant(&other)),
        Err(why) => hash(
            &why.rsplit(':').next().unwrap_or_default().chars().filter(char::is_ascii_alphabetic).collect::<String>(),
        ),
    };
    let _ = condition.holds(&Names::new());
    hash(&(names, doubts, outcome))
}

fn answer() -> Names {
    Names::from([
        ("rc".to_owned(), json!(0)),
        ("stdout".to_owned(), json!("a\nb")),
        ("status".to_owned(), json!(200)),
        ("json".to_owned(), json!({"a": [1, 2.5, "x", null, true, {"b": -1}]})),
        ("rows".to_owned(), json!([{"pid": 7, "ok": true, "at": "2026-11-20T01:02:03Z"}, {"pid": 8, "ok": false}])),
        ("value".to_owned(), json!(1.0)),
        ("params".to_owned(), json!({"x": "a", "n": 5})),
        ("run".to_owned(), json!({"id": "r"})),
    ])
}

#[test]
fn some_pages_that_nobody_meant() {
    Fuzz::new("pages", PAGE, pages()).few(read_page);
}

#[test]
fn some_info_strings_that_nobody_meant() {
    Fuzz::new("infos", 2 * CONDITION, infos()).few(read_info);
}

#[test]
fn some_conditions_that_nobody_meant() {
    Fuzz::new("conditions", CONDITION, conditions()).few(read_condition);
}

#[test]
fn a_condition_as_deep_as_its_length_allows_is_survived() {
    let deep =
        ["a/", "a+", "-", "!", "a.", "a?a:", "[", "(", "{1:", "a[", "a.f(", "a&&", "a||", "a==", "has(", "a in "];
    small_stack(move || {
        for piece in deep {
            let text = piece.repeat(1_000 / piece.len());
            read_condition(&text);
            read_condition(&format!("{}a", &text[piece.len()..]));
            let closed = text[..text.len() / 2 / piece.len() * piece.len()].to_owned() + "a";
            let ends = closed
                .matches('(')
                .map(|_| ')')
                .chain(closed.matches('[').map(|_| ']'))
                .chain(closed.matches('{').map(|_| '}'));
            read_condition(&(closed.clone() + &ends.collect::<String>()));
        }
        Fuzz::new("deep", CONDITION, conditions())
    });
    assert!(Condition::compile(&"a+".repeat(600)).unwrap_err().contains("1000 are the most"));
}

#[test]
#[ignore = "a long trial: 15 minutes"]
fn long_fuzz_of_pages() {
    Fuzz::new("pages-long", PAGE, pages()).long(read_page);
}

#[test]
#[ignore = "a long trial: 15 minutes"]
fn long_fuzz_of_info_strings() {
    Fuzz::new("infos-long", 2 * CONDITION, infos()).long(read_info);
}

#[test]
#[ignore = "a long trial: 15 minutes"]
fn long_fuzz_of_conditions() {
    Fuzz::new("conditions-long", CONDITION, conditions()).long(read_condition);
}

/// All pages below cargo's sources: readmes, changelogs, books, by hundreds of authors.
fn found_pages() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let (mut open, mut found) = (vec![home.unwrap_or_default().join("registry/src")], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn pages_of_prose_from_elsewhere_are_no_runbooks_and_nobodys_mistake() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/prose");
    let mut pages: Vec<PathBuf> = fs::read_dir(own).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() >= 8);
    pages.extend(found_pages());
    for page in &pages {
        let source = String::from_utf8_lossy(&fs::read(page).unwrap()).into_owned();
        assert!(!is_runbook(&source), "{}", page.display());
        let _ = links(&source);
        let read = std::panic::catch_unwind(|| parse("page.md", &source).is_ok());
        assert!(!read.unwrap_or_else(|_| panic!("{} is not survived", page.display())), "{}", page.display());
    }
    for some in pages.chunks(400) {
        let told = assert_cmd::Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(["runbook", "lint"])
            .args(some)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
        assert!(text.contains("0 runbooks: 0 errors"), "{text}");
    }
}
