//! What the format can say and nothing executes yet. A runbook that says it is read, checked and shown, and a plan for it is refused.
//!
//! Whoever builds one of these deletes its lines here, and in the end this file and its call in `runtime/exec/plan.rs`.

use super::Runbook;
use super::language::sql;
use super::model::{Attrs, Fence, Role, Step};

/// Why a runbook can't be run yet, in a sentence; `None` when it can.
pub fn refusal(runbook: &Runbook) -> Option<String> {
    let what = of_front(runbook).or_else(|| runbook.steps.iter().find_map(of_step))?;
    Some(format!("{what} can't be run yet: {} is read and checked, and nothing of it is sent", runbook.id))
}

fn of_front(runbook: &Runbook) -> Option<String> {
    if !runbook.lock.is_empty() {
        return Some("a runbook with a `lock`".to_owned());
    }
    None
}

fn of_step(step: &Step) -> Option<String> {
    if step.manual.call.is_some() {
        return Some(format!("the call of another runbook in {:?}", step.title));
    }
    step.fences.iter().find_map(|fence| Some(format!("{} in {:?}", of_fence(fence)?, step.title)))
}

fn of_fence(fence: &Fence) -> Option<String> {
    let Attrs { on, .. } = &fence.attrs;
    if on.part.is_some() && fence.language.name == sql::LANGUAGE.name {
        return Some(format!("`on={on}`"));
    }
    of_attrs(fence)
}

fn of_attrs(Fence { role, attrs, .. }: &Fence) -> Option<String> {
    let Attrs { out, retry, when, on_disconnect, autocommit, hold, .. } = attrs;
    let word = match role {
        _ if on_disconnect.is_some() => "on-disconnect",
        _ if *autocommit => "autocommit",
        Role::Run if out.is_some() => "out",
        Role::Undo if *retry > 0 => "retry",
        Role::Undo if when.is_some() => "if",
        Role::Verify if hold.is_some() => "for",
        _ => return None,
    };
    Some(format!("`{word}` of the {} fence", role.word()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::Library;
    use crate::runbook::parse::parse;

    #[test]
    fn what_runs_today_is_not_refused() {
        for runbook in Library::builtin().iter() {
            assert_eq!(refusal(runbook), None, "{}", runbook.id);
        }
    }

    #[test]
    fn what_nothing_executes_is_refused_by_name() {
        let page = "---\nrunbook: 1\nid: a\ntitle: A\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: kill\n---\n\n## Look\n\n```sql check on=db/app timeout=5s expect=(true)\nSELECT 1\n```\n";
        let runbook = parse("a.md", page).unwrap();
        assert_eq!(
            refusal(&runbook).unwrap(),
            "`on=db/app` in \"Look\" can't be run yet: a is read and checked, and nothing of it is sent"
        );
        let page = page.replace("risk: low", "risk: low\nlock: [service/api]");
        assert!(refusal(&parse("a.md", &page).unwrap()).unwrap().starts_with("a runbook with a `lock`"));
    }

    #[test]
    fn each_thing_that_nothing_executes_is_refused() {
        let front = "---\nrunbook: 1\nid: a\ntitle: A\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: kill\n";
        let docker = |attrs: &str, line: &str| {
            format!(
                "```docker run on=local timeout=5s undo=none{attrs}\n{line}\n```\n\n```docker verify on=local timeout=5s expect=(rows.size() > 0)\ndocker ps\n```\n"
            )
        };
        let sql =
            |attrs: &str| format!("```sql check on=db{attrs} timeout=5s expect=(rows[0].ok)\nSELECT true AS ok\n```\n");
        let pages = [
            ("", "**Run:** [b](b.md)\n".to_owned(), "the call of another runbook in \"T\""),
            ("", sql("/app"), "`on=db/app` in \"T\""),
        ];
        for (keys, body, wanted) in pages {
            let page = format!("{front}{keys}---\n\n## S\n\n### T\n\n{body}\n");
            let runbook = parse("a.md", &page).unwrap_or_else(|problems| panic!("{problems}"));
            let told = refusal(&runbook).expect(wanted);
            assert!(told.starts_with(&format!("{wanted} can't be run yet")), "{told}");
        }
        let manual = format!("{front}---\n\n## S\n\n### T\n\n- [ ] do it\n");
        assert_eq!(refusal(&parse("a.md", &manual).unwrap()), None);
        assert_eq!(
            refusal(
                &parse("a.md", &format!("{front}---\n\n## S\n\n### T\n\n{}", docker("", "docker start api"))).unwrap()
            ),
            None
        );
    }
}
