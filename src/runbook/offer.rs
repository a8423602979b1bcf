//! Which runbooks are offered for what, and what is known of one before it is planned: whether it can be run here, and how it went
//! last time. Pure.

use super::foreseen::foresee;
use super::library::REVIEW_DAYS;
use super::{Library, RunView, Runbook, Runs};
use crate::domain::risk::Risk;
use crate::domain::{Alert, Severity, time};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Those that name this alert, in the order of the library.
pub fn for_alert<'a>(library: &'a Library, alert: &str) -> impl Iterator<Item = &'a Arc<Runbook>> {
    library.iter().filter(move |runbook| runbook.alerts.iter().any(|glob| glob.matches(alert)))
}

/// Those that do this to things of a pane: the pane's own with this verb; where there are none, those that say no pane and name no alerts, and
/// take a parameter that such a thing gives (its name, by `given`).
pub fn for_verb<'a>(
    library: &'a Library,
    verb: &str,
    pane: &str,
    given: &dyn Fn(&str) -> bool,
) -> Vec<&'a Arc<Runbook>> {
    let with = || library.iter().filter(|runbook| runbook.verb.as_deref() == Some(verb));
    let own = |runbook: &Runbook| runbook.pane.is_some_and(|of| of.word() == pane);
    if with().any(|runbook| own(runbook)) {
        return with().filter(|runbook| own(runbook)).collect();
    }
    let takes =
        |runbook: &Runbook| runbook.params.iter().any(|param| param.name == param.kind.word() && given(&param.name));
    with().filter(|runbook| runbook.alerts.is_empty() && takes(runbook)).collect()
}

/// How much of what a runbook does stays, by itself and by those that it calls. In this order it stands in menus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stays {
    /// It changes nothing by itself.
    Nothing,
    /// Each change has an undo.
    None,
    /// Some have one.
    Some,
    /// No change has one.
    All,
    /// Its author says so (`risk: irreversible`), whatever its undos take back.
    Forever,
}

impl Stays {
    fn of(library: &Library, runbook: &Runbook) -> Self {
        if runbook.risk == Risk::Irreversible {
            return Self::Forever;
        }
        let changes = foresee(runbook, &BTreeMap::new(), &|from, call| library.called(from, call).ok()).changes;
        let stay = changes.iter().filter(|change| change.undo.is_none()).count();
        match (changes.len(), stay) {
            (0, _) => Self::Nothing,
            (_, 0) => Self::None,
            (all, stay) if all == stay => Self::All,
            _ => Self::Some,
        }
    }

    /// Behind the risk, where there is something to say.
    const fn words(self) -> &'static str {
        match self {
            Self::Nothing | Self::None => "",
            Self::Some => ", not all of it can be undone",
            Self::All | Self::Forever => ", cannot be undone",
        }
    }
}

/// The order of every list of runbooks of which one is chosen for a thing: what the alert's own rule names (annotation `runbook`), what only
/// looks, what can be undone, what can't, and at last what is irreversible. What is the same stays as it was.
pub fn in_order<'a>(
    library: &Library,
    runbooks: impl IntoIterator<Item = &'a Arc<Runbook>>,
    alert: Option<&Alert>,
) -> Vec<&'a Arc<Runbook>> {
    let own = alert.and_then(|alert| alert.annotation(&["runbook"]));
    let mut ordered: Vec<&Arc<Runbook>> = runbooks.into_iter().collect();
    ordered.sort_by_cached_key(|runbook| (own != Some(runbook.id.as_str()), Stays::of(library, runbook)));
    ordered
}

/// That no runbook has a verb for a thing, and how one gets it.
pub fn none_that(verb: &str, thing: &str, pane: &str) -> String {
    format!("no runbook says `verb: {verb}` for {thing}: one that does, with `pane: {pane}`, is planned by this key")
}

/// Why it can't be run here and now, in a sentence; `None` when it can.
pub fn refusal(library: &Library, runbook: &Runbook, environment: &str) -> Option<String> {
    elsewhere(runbook, environment).or_else(|| library.hindrance(runbook))
}

/// That it is for other environments than this one.
pub fn elsewhere(runbook: &Runbook, environment: &str) -> Option<String> {
    let elsewhere = !runbook.environments.is_empty() && !runbook.environments.iter().any(|name| name == environment);
    elsewhere.then(|| format!("it is for {}, and this is {environment}", runbook.environments.join(", ")))
}

/// Its newest run.
pub fn last_run<'a>(runs: &'a Runs, id: &str) -> Option<&'a RunView> {
    runs.iter().rev().find(|run| run.runbook == id)
}

/// Its text is another one than that of this run; `None`: the record does not say.
pub fn changed(runbook: &Runbook, run: &RunView) -> Option<bool> {
    (!run.source_hash.is_empty()).then(|| run.source_hash != runbook.hash)
}

/// Its risk, that it can't be undone, and how it went last time; or why it can't be run here: `low, cannot be undone, last ok 3d ago`.
pub fn told(library: &Library, runbook: &Runbook, runs: &Runs, environment: &str, now: Timestamp) -> String {
    if let Some(why) = refusal(library, runbook, environment) {
        return format!("not here: {why}");
    }
    let last = last_run(runs, &runbook.id)
        .map_or_else(|| "never run".to_owned(), |run| format!("last {} {} ago", run.word(), ago(run, now)));
    format!("{}{}, {last}", runbook.risk.word(), Stays::of(library, runbook).words())
}

/// How long ago it began, in its largest unit.
pub fn ago(run: &RunView, now: Timestamp) -> String {
    since(run.started, now)
}

/// How long ago something was, in its largest unit: `3d`.
pub fn since(at: Timestamp, now: Timestamp) -> String {
    let seconds = time::between(at, now).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// That no runbook names an alert, and how one does.
pub fn none_for(alert: &str) -> String {
    format!("no runbook is for {alert}: `alerts: [{alert}]` in the front matter of one offers it here")
}

/// That no runbook is offered in a pane for a thing, and how one is. `param`: the parameter that it would be given as, and its value.
pub fn none_about(thing: &str, pane: &str, param: Option<(&str, &str)>) -> String {
    let line = format!("no runbook is for {thing}: `pane: {pane}` in the front matter of one offers it here");
    match param {
        // The parameters of things are called like their types.
        Some((name, value)) => format!("{line}, and `{{name: {name}, type: {name}}}` in its params gets {value}"),
        None => line,
    }
}

/// How much its age should worry: after the first of [`REVIEW_DAYS`] it wants a review, after the second it is probably wrong.
pub fn review(runbook: &Runbook, today: Date) -> Severity {
    let [soft, hard] = REVIEW_DAYS;
    match runbook.age(today) {
        age if age > hard => Severity::Critical,
        age if age > soft => Severity::Warning,
        _ => Severity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse::parse;

    fn page(keys: &str) -> String {
        format!(
            "---\nrunbook: 1\nid: a\ntitle: A\nowner: o\nreviewed: 2026-01-01\nrisk: low\n{keys}---\n\n## S\n\n### T\n\n- [ ] do it\n"
        )
    }

    #[test]
    fn an_alert_is_named_by_a_glob() {
        let page = page("alerts: [Pg*, Down]\n");
        let library = Library::read([("a.md", page.as_str())]).unwrap();
        for (alert, count) in [("PgSlow", 1), ("Down", 1), ("Downs", 0), ("slow", 0)] {
            assert_eq!(for_alert(&library, alert).count(), count, "{alert}");
        }
    }

    #[test]
    fn what_only_looks_stands_first_and_what_is_irreversible_last_but_the_rules_own_before_all() {
        let run = "```bash run on=web timeout=5s ROW\nset -eu\ntrue\n```\n\n```bash verify on=web timeout=5s\nset -eu\ntrue\n```\n";
        let undo = format!("{}\n```bash undo on=web timeout=5s\nset -eu\ntrue\n```", run.replace(" ROW", ""));
        let stays = run.replace("ROW", "undo=none");
        let both = format!("{undo}\n\n### U\n\n{stays}");
        let read = |id: &str, risk: &str, body: &str| {
            let page = page("alerts: [Down]\nverb: go\n").replace("id: a", &format!("id: {id}"));
            page.replace("risk: low", &format!("risk: {risk}")).replace("- [ ] do it", body)
        };
        let pages = [
            read("gone", "irreversible", &undo),
            read("stays", "high", &stays),
            read("half", "low", &both),
            read("back", "high", &undo),
            read("calls", "low", "**Run:** [the other](stays.md)"),
            read("looks", "low", "- [ ] do it"),
        ];
        let files = ["gone.md", "stays.md", "half.md", "back.md", "calls.md", "looks.md"];
        let library = Library::read(files.into_iter().zip(pages.iter().map(String::as_str))).unwrap();
        let order = |alert: &Alert| -> Vec<String> {
            let ordered = in_order(&library, for_alert(&library, "Down"), Some(alert));
            ordered.into_iter().map(|runbook| runbook.id.clone()).collect()
        };
        let mut alert = Alert::default();
        assert_eq!(order(&alert), ["looks", "back", "half", "stays", "calls", "gone"]);
        alert.annotations.insert("runbook".to_owned(), "stays".to_owned());
        assert_eq!(order(&alert), ["stays", "looks", "back", "half", "calls", "gone"]);
        let told = |id: &str| told(&library, library.get(id).unwrap(), &Runs::default(), "lab", Timestamp::UNIX_EPOCH);
        let words = [
            ("looks", "low, never run"),
            ("back", "high, never run"),
            ("half", "low, not all of it can be undone, never run"),
            ("calls", "low, cannot be undone, never run"),
            ("gone", "irreversible, cannot be undone, never run"),
        ];
        for (id, wanted) in words {
            assert_eq!(told(id), wanted, "{id}");
        }
    }

    #[test]
    fn another_environment_is_told() {
        let runbook = parse("a.md", &page("environments: [staging, test]\n")).unwrap();
        assert_eq!(elsewhere(&runbook, "staging"), None);
        assert_eq!(elsewhere(&runbook, "production").unwrap(), "it is for staging, test, and this is production");
        assert_eq!(elsewhere(&parse("a.md", &page("")).unwrap(), "production"), None);
    }

    #[test]
    fn where_nothing_fits_the_lines_that_make_something_fit_are_told_and_are_right() {
        let told = none_about("game-1", "servers", Some(("server", "game-1")));
        assert_eq!(
            told,
            "no runbook is for game-1: `pane: servers` in the front matter of one offers it here, and `{name: server, type: server}` in its params gets game-1"
        );
        assert!(none_about("page 3", "servers", None).ends_with("of one offers it here"));
        let check = "```bash check on=$server timeout=5s\nset -eu\ntrue\n```";
        let page = page("pane: servers\nparams:\n  - {name: server, type: server}\n").replace("- [ ] do it", check);
        let runbook = parse("a.md", &page).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(runbook.pane.map(crate::domain::Subject::word), Some("servers"));
    }

    #[test]
    fn a_review_ages() {
        let runbook = parse("a.md", &page("")).unwrap();
        let on = |date: &str| review(&runbook, date.parse().unwrap());
        assert_eq!(on("2026-04-01"), Severity::None);
        assert_eq!(on("2026-04-02"), Severity::Warning);
        assert_eq!(on("2026-06-30"), Severity::Warning);
        assert_eq!(on("2026-07-01"), Severity::Critical);
    }
}
