//! What `runbook plan` prints to run it unattended, pasted behind the command line into a real shell: it runs just that plan.

use crate::desk::Desk;
use std::process::Output;

/// A value with all that a shell takes apart.
const WORD: &str = r#"it's  "one" $HOME; rm *"#;

const STEPS: &str = r#"
## Write

### One

```bash run on=local timeout=5s undo=none ATTRS
set -eu
printf '%s|%s' "$word" "$count" > "$HOME/one"
```

```bash verify on=local timeout=5s
set -eu
test -s "$HOME/one"
```

### Two

```bash run on=local timeout=5s undo=none confirm=typed verb=copy
set -eu
cp "$HOME/one" "$HOME/two"
```

```bash verify on=local timeout=5s
set -eu
test -s "$HOME/two"
```
"#;

fn head(risk: &str) -> String {
    format!(
        "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: {risk}\nverb: write\nparams:\n  \
         - {{name: word, type: string, required: true}}\n  - {{name: count, type: int, default: 1}}\n---\n\nIt is mine.\n"
    )
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A desk with a page of this risk, whose first change has these attributes.
fn desk(risk: &str, attributes: &str, second: bool) -> Desk {
    let desk = Desk::with("environment = \"lab\"\n\n[runbooks]\npaths = [\"books\"]\n");
    std::fs::create_dir(desk.home().join("books")).unwrap();
    let steps = STEPS.replace(" ATTRS", attributes);
    let steps = if second { steps.as_str() } else { steps.split("### Two").next().unwrap() };
    desk.file("books/own.md", &(head(risk) + steps));
    desk
}

/// A line typed into a shell, as far as it stands behind the program's name.
fn typed(desk: &Desk, line: &str) -> Output {
    desk.run_under(&["/bin/bash".to_owned(), "-c".to_owned(), format!("\"$0\" \"$@\" {line}")], &[])
}

/// What is printed to run it unattended, and the words that say what.
fn printed(desk: &Desk) -> (String, String) {
    let vars = format!("own --var word='{}' --var count=7", WORD.replace('\'', r"'\''"));
    let plan = text(&typed(desk, &format!("runbook plan {vars}")));
    let line = plan.lines().find_map(|line| line.strip_prefix("to run it unattended: "));
    (line.unwrap_or_else(|| panic!("{plan}")).to_owned(), format!("runbook run {vars}"))
}

fn written(desk: &Desk, file: &str) -> Option<String> {
    std::fs::read_to_string(desk.home().join(file)).ok()
}

#[test]
fn a_plan_that_takes_a_yes_runs_with_what_it_printed() {
    let desk = desk("low", "", false);
    let (line, run) = printed(&desk);
    assert!(line.starts_with("--confirm 'y' --plan "), "{line}");
    let ran = typed(&desk, &format!("{run} {line}"));
    assert!(ran.status.success(), "{line}: {}", text(&ran));
    assert_eq!(written(&desk, "one"), Some(format!("{WORD}|7")));
}

#[test]
fn phrases_of_the_plan_and_of_a_later_step_are_printed_and_both_are_needed() {
    let desk = desk("high", "", true);
    let (line, run) = printed(&desk);
    assert_eq!(line.matches("--confirm ").count(), 2, "{line}");
    let (first, rest) = line.split_at(line.rfind("--confirm ").unwrap());
    let hash = rest.split_at(rest.find("--plan ").unwrap()).1;
    let half = typed(&desk, &format!("{run} {first}{hash}"));
    assert_eq!((half.status.code(), written(&desk, "one")), (Some(5), None), "{}", text(&half));
    let ran = typed(&desk, &format!("{run} {line}"));
    assert!(ran.status.success(), "{line}: {}", text(&ran));
    assert_eq!(written(&desk, "two"), Some(format!("{WORD}|7")));
}

#[test]
fn where_it_takes_two_the_reason_is_all_that_is_left_to_be_written() {
    let desk = desk("high", " confirm=two", false);
    let (line, run) = printed(&desk);
    assert!(line.starts_with("--break-glass REASON --confirm "), "{line}");
    let bare = typed(&desk, &format!("{run} {line}"));
    assert_eq!((bare.status.code(), written(&desk, "one")), (Some(5), None), "{}", text(&bare));
    let line = line.replace("REASON", "\"nobody else is awake\"");
    let ran = typed(&desk, &format!("{run} {line}"));
    assert!(ran.status.success(), "{line}: {}", text(&ran));
    assert_eq!(written(&desk, "one"), Some(format!("{WORD}|7")));
}
