//! The parameters of a plan, changed before it is made anew. Planning changes nothing outside, so Enter is enough here.

use super::choices::Possible;
use crate::keymap::Chord;
use crate::runbook::model::{Param, ParamType};
use crate::runbook::{PlanRequest, Runbook, params};
use crate::widgets::field::Field;
use crossterm::event::KeyCode;
use serde_json::Value;
use std::sync::Arc;

/// The dialog.
#[derive(Debug)]
pub struct ParamsDialog {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    request: PlanRequest,
    /// What can be changed here; the things a runbook acts on are chosen by the cursor instead.
    pub fields: Vec<ParamField>,
    /// The field that is being typed into.
    pub at: usize,
    /// What the list below that field has under its cursor, as it is typed: the list itself changes with what it tells of.
    pub chosen: Option<String>,
    /// Why no plan was made.
    pub refusal: Option<String>,
}

/// One parameter.
#[derive(Debug)]
pub struct ParamField {
    /// Its declaration.
    pub param: Param,
    /// Its text.
    pub field: Field,
    /// Why no plan can be made of it.
    pub wrong: Option<String>,
}

impl ParamField {
    fn is_missing(&self) -> bool {
        self.param.required && self.field.text().is_empty()
    }

    /// What was typed of a thing's name. A text that stands there unasked rules nothing out; of a list it is the last one.
    pub(super) fn typed(&self) -> &str {
        match self.field.text() {
            _ if self.field.is_selected() => "",
            text if self.param.many => text.rsplit(',').next().unwrap_or(text).trim(),
            text => text,
        }
    }

    /// Puts a thing's name in the place of what was typed of it.
    fn take(&mut self, text: &str) {
        let before = match self.field.text().rsplit_once(',') {
            Some((before, _)) if self.param.many && !self.field.is_selected() => format!("{before}, "),
            _ => String::new(),
        };
        (self.field, self.wrong) = (Field::with(&format!("{before}{text}")), None);
    }
}

/// What a key led to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It stays.
    Stay,
    /// It closes.
    Leave,
    /// A plan with these parameters is wanted.
    Plan(PlanRequest),
}

impl ParamsDialog {
    /// For the parameters of a plan; `None` when there is nothing to change.
    pub fn new(runbook: &Arc<Runbook>, request: &PlanRequest) -> Option<Self> {
        Self::of(runbook, request, changeable(runbook))
    }

    /// For all parameters, where nothing on the screen tells what is meant; `None` when there are none.
    pub fn asking(runbook: &Arc<Runbook>, request: &PlanRequest) -> Option<Self> {
        Self::of(runbook, request, runbook.params.iter())
    }

    fn of<'a>(runbook: &Arc<Runbook>, request: &PlanRequest, of: impl Iterator<Item = &'a Param>) -> Option<Self> {
        let given = |param: &Param| request.args.get(&param.name).or(param.default.as_ref()).map(params::show);
        let field = |param: &Param| {
            // What is typed takes the place of what stands there unasked; moving in it keeps it.
            let field = Field::replacing(&given(param).unwrap_or_default());
            ParamField { param: param.clone(), field, wrong: None }
        };
        let fields: Vec<_> = of.map(field).collect();
        // What nobody has told yet is typed first.
        let at = fields.iter().position(ParamField::is_missing).unwrap_or_default();
        let (runbook, request) = (Arc::clone(runbook), request.clone());
        (!fields.is_empty()).then_some(Self { runbook, request, fields, at, chosen: None, refusal: None })
    }

    /// What it was opened for.
    pub(super) fn wanted(&self) -> &PlanRequest {
        &self.request
    }

    /// Says at their fields what is wrong with parameters, and goes to the first of them.
    pub(super) fn refuse(&mut self, wrong: Vec<(String, String)>) {
        for (name, why) in wrong {
            match self.fields.iter_mut().find(|field| field.param.name == name) {
                Some(field) => field.wrong = Some(why),
                None => self.refusal = Some(format!("{name}: {why}")),
            }
        }
        self.at = self.fields.iter().position(|field| field.wrong.is_some()).unwrap_or(self.at);
    }

    /// No plan could be made: at the field that this is about, else below all of them.
    pub(super) fn fail(&mut self, why: &str) {
        let named = |field: &&ParamField| why.contains(&format!("{:?}", field.param.name));
        let given =
            |field: &&ParamField| !field.field.text().is_empty() && why.contains(&format!("{:?}", field.field.text()));
        let about = self.fields.iter().find(named).or_else(|| self.fields.iter().find(given));
        match about.map(|field| field.param.name.clone()) {
            Some(name) => self.refuse(vec![(name, why.to_owned())]),
            None => self.refusal = Some(why.to_owned()),
        }
    }

    /// Something is said to be wrong.
    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some() || self.fields.iter().any(|field| field.wrong.is_some())
    }

    /// What the other fields of this type hold.
    pub(super) fn others(&self, kind: ParamType) -> impl Iterator<Item = &str> {
        let others = self.fields.iter().enumerate().filter(move |(at, one)| *at != self.at && one.param.kind == kind);
        others.map(|(_, one)| one.field.text()).filter(|text| !text.is_empty())
    }

    /// One key. `possible`: what the field that is typed into can be.
    pub(super) fn key(&mut self, chord: Chord, possible: &[Possible]) -> Outcome {
        self.refusal = None;
        if chord.is(KeyCode::Esc) {
            return Outcome::Leave;
        } else if self.moves_in(possible, chord) {
            return Outcome::Stay;
        }
        let taken = self.chosen.take().filter(|chosen| possible.iter().any(|one| one.text == *chosen));
        if chord.is(KeyCode::Enter) {
            return self.enter(taken);
        }
        let count = self.fields.len();
        if chord.is(KeyCode::Tab) || chord.is(KeyCode::Down) {
            if let Some(taken) = taken {
                self.fields[self.at].take(&taken);
            }
            self.at = (self.at + 1) % count;
        } else if chord.is(KeyCode::BackTab) || chord.is(KeyCode::Up) {
            self.at = (self.at + count - 1) % count;
        } else if self.fields[self.at].field.key(chord) {
            self.fields[self.at].wrong = None;
        }
        Outcome::Stay
    }

    /// Down goes from the field into its list and on to the list's end, Up back to the field. False: the key is for something else.
    fn moves_in(&mut self, possible: &[Possible], chord: Chord) -> bool {
        let at = self.chosen.as_ref().and_then(|chosen| possible.iter().position(|one| one.text == *chosen));
        let to = match at {
            _ if chord.is(KeyCode::Down) => Some(at.map_or(0, |at| (at + 1).min(possible.len().saturating_sub(1)))),
            Some(at) if chord.is(KeyCode::Up) => at.checked_sub(1),
            _ => return false,
        };
        if possible.is_empty() {
            return false;
        }
        self.chosen = to.map(|to| possible[to].text.clone());
        true
    }

    /// What is chosen in the list is taken. A plan is asked for once nothing is missing any more; what is comes next.
    fn enter(&mut self, taken: Option<String>) -> Outcome {
        if let Some(taken) = taken {
            self.fields[self.at].take(&taken);
            if let Some(missing) = self.fields.iter().position(ParamField::is_missing) {
                self.at = missing;
                return Outcome::Stay;
            }
        }
        self.fields.iter_mut().for_each(|field| field.wrong = None);
        match self.request() {
            Ok(request) => return Outcome::Plan(request),
            Err(wrong) => self.refuse(wrong),
        }
        Outcome::Stay
    }

    /// What is asked for with these texts; or what is wrong with them, by parameter.
    fn request(&self) -> Result<PlanRequest, Vec<(String, String)>> {
        let (mut request, mut wrong) = (self.request.clone(), Vec::new());
        for ParamField { param, field, .. } in &self.fields {
            match value(param, field.text()) {
                Ok(Some(value)) => drop(request.args.insert(param.name.clone(), value)),
                Ok(None) => drop(request.args.remove(&param.name)),
                Err(why) => wrong.push((param.name.clone(), why)),
            }
        }
        if wrong.is_empty() { Ok(request) } else { Err(wrong) }
    }
}

/// `None`: it is not given.
fn value(param: &Param, text: &str) -> Result<Option<Value>, String> {
    let missing = param.required && param.default.is_none();
    if text.is_empty() && (missing || param.kind != ParamType::String) {
        return if missing { Err(format!("{:?} must be given", param.name)) } else { Ok(None) };
    }
    params::check(param, &Value::from(text)).map(Some)
}

/// The parameters that can be changed.
pub(super) fn changeable(runbook: &Runbook) -> impl Iterator<Item = &Param> {
    runbook.params.iter().filter(|param| !param.kind.is_thing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;
    use crate::runbook::Library;
    use std::collections::BTreeMap;

    fn dialog() -> ParamsDialog {
        let args = BTreeMap::from([("database".to_owned(), Value::from("primary"))]);
        let request = PlanRequest::new("db-kill-idle", args);
        ParamsDialog::new(Library::builtin().get("db-kill-idle").unwrap(), &request).unwrap()
    }

    fn typed(dialog: &mut ParamsDialog, keys: &str) -> Outcome {
        let mut last = Outcome::Stay;
        for word in keys.split(' ') {
            last = dialog.key(Chord::parse(word).expect(word), &[]);
        }
        last
    }

    #[test]
    fn a_changed_parameter_is_asked_for_and_the_thing_stays() {
        let mut dialog = dialog();
        assert_eq!(dialog.fields[0].field.text(), "30");
        let Outcome::Plan(request) = typed(&mut dialog, "ctrl-u 5 tab a p i enter") else { panic!("no plan") };
        assert_eq!(request.args["idle_minutes"], Value::from(5));
        assert_eq!(request.args["app"], Value::from("api"));
        assert_eq!(request.args["database"], Value::from("primary"));
    }

    #[test]
    fn what_cannot_be_is_told_and_nothing_is_asked_for() {
        let mut dialog = dialog();
        assert!(matches!(typed(&mut dialog, "x enter"), Outcome::Stay));
        let wrong = |dialog: &ParamsDialog| dialog.fields[0].wrong.clone();
        assert!(wrong(&dialog).unwrap().contains("\"idle_minutes\" must be a whole number"));
        typed(&mut dialog, "tab a");
        assert!(wrong(&dialog).is_some(), "it stays until it is mended");
        typed(&mut dialog, "backtab backspace");
        assert_eq!(wrong(&dialog), None);
        assert!(matches!(typed(&mut dialog, "esc"), Outcome::Leave));
    }

    #[test]
    fn the_first_letter_takes_the_place_of_what_stood_there_and_a_move_keeps_it() {
        let first = |dialog: &ParamsDialog| dialog.fields[0].field.text().to_owned();
        let mut dialog = self::dialog();
        typed(&mut dialog, "5");
        assert_eq!(first(&dialog), "5");
        typed(&mut dialog, "0");
        assert_eq!(first(&dialog), "50");
        let mut dialog = self::dialog();
        typed(&mut dialog, "end 5");
        assert_eq!(first(&dialog), "305");
        let mut dialog = self::dialog();
        typed(&mut dialog, "tab backtab 5");
        assert_eq!(first(&dialog), "5", "going past it is no edit");
        let Outcome::Plan(request) = typed(&mut dialog, "enter") else { panic!("no plan") };
        assert_eq!(request.args["idle_minutes"], Value::from(5));
    }

    #[test]
    fn what_the_planner_refuses_is_said_at_the_field_that_it_names() {
        let mut dialog = dialog();
        dialog.fail("\"app\": there is none");
        assert_eq!((dialog.at, dialog.fields[dialog.at].param.name.as_str()), (1, "app"));
        assert!(dialog.is_refused() && dialog.refusal.is_none());
        dialog.fail("no answer");
        assert_eq!(dialog.refusal.as_deref(), Some("no answer"));
    }

    #[test]
    fn an_empty_text_that_must_be_given_says_so() {
        let mut param =
            Library::builtin().get("db-kill-idle").unwrap().params.iter().find(|it| it.name == "app").unwrap().clone();
        assert_eq!(param.kind, ParamType::String);
        (param.required, param.default) = (true, None);
        assert_eq!(value(&param, ""), Err("\"app\" must be given".to_owned()));
    }

    fn possible(texts: &[&str]) -> Vec<Possible> {
        let one = |text: &&str| Possible { text: (*text).to_owned(), note: String::new(), severity: Severity::Ok };
        texts.iter().map(one).collect()
    }

    /// Of a runbook that drains one server to another.
    fn drain() -> ParamsDialog {
        let args = BTreeMap::from([("server".to_owned(), Value::from("game-1"))]);
        let request = PlanRequest::new("server-drain", args);
        ParamsDialog::asking(Library::builtin().get("server-drain").unwrap(), &request).unwrap()
    }

    #[test]
    fn a_choice_of_the_list_is_taken_and_makes_the_plan_when_nothing_else_is_missing() {
        let (mut dialog, list) = (drain(), possible(&["game-2", "game-3"]));
        assert_eq!(dialog.fields[dialog.at].param.name, "target");
        let key = |dialog: &mut ParamsDialog, key: &str| dialog.key(Chord::parse(key).unwrap(), &list);
        for (pressed, chosen) in [("down", Some("game-2")), ("down", Some("game-3")), ("down", Some("game-3"))] {
            key(&mut dialog, pressed);
            assert_eq!(dialog.chosen.as_deref(), chosen);
        }
        key(&mut dialog, "up");
        key(&mut dialog, "up");
        assert_eq!((dialog.chosen.as_deref(), dialog.fields[dialog.at].param.name.as_str()), (None, "target"));
        key(&mut dialog, "down");
        let Outcome::Plan(request) = key(&mut dialog, "enter") else { panic!("no plan") };
        assert_eq!(request.args["target"], Value::from("game-2"));
    }

    #[test]
    fn what_went_from_the_list_is_not_taken_and_tab_takes_what_is_chosen() {
        let mut dialog = drain();
        dialog.key(Chord::parse("down").unwrap(), &possible(&["game-2"]));
        assert!(matches!(dialog.key(Chord::parse("enter").unwrap(), &possible(&["game-3"])), Outcome::Stay));
        assert!(dialog.fields[dialog.at].wrong.as_ref().is_some_and(|why| why.contains("must be given")));
        dialog.key(Chord::parse("down").unwrap(), &possible(&["game-3"]));
        dialog.key(Chord::parse("tab").unwrap(), &possible(&["game-3"]));
        assert_eq!((dialog.fields[1].field.text(), dialog.at), ("game-3", 2));
    }

    #[test]
    fn of_a_list_of_things_the_last_one_is_chosen() {
        let mut dialog = drain();
        dialog.fields[1].param.many = true;
        for key in ["a", ",", "g", "a"] {
            dialog.key(Chord::parse(key).unwrap(), &[]);
        }
        assert_eq!(dialog.fields[1].typed(), "ga");
        dialog.fields[1].take("game-2");
        assert_eq!(dialog.fields[1].field.text(), "a, game-2");
    }

    #[test]
    fn without_anything_to_change_there_is_no_dialog() {
        let request = PlanRequest::new("container-restart", BTreeMap::new());
        assert!(ParamsDialog::new(Library::builtin().get("container-restart").unwrap(), &request).is_none());
    }
}
