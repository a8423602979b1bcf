//! Which runbooks are offered for what, and what is known of one before it is planned: whether it can be run here, and how it went
//! last time. Pure.

use super::library::REVIEW_DAYS;
use super::{Library, RunView, Runbook, Runs};
use crate::domain::{Severity, time};
use jiff::Timestamp;
use jiff::civil::Date;
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

/// Its risk and how it went last time, or why it can't be run here: `low, last ok 3d ago`.
pub fn told(library: &Library, runbook: &Runbook, runs: &Runs, environment: &str, now: Timestamp) -> String {
    if let Some(why) = refusal(library, runbook, environment) {
        return format!("not here: {why}");
    }
    let last = last_run(runs, &runbook.id)
        .map_or_else(|| "never run".to_owned(), |run| format!("last {} {} ago", run.word(), ago(run, now)));
    format!("{}, {last}", runbook.risk.word())
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
