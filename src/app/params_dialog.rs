//! The parameters of a plan, changed before it is made anew. Planning changes nothing outside, so Enter is enough here.

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
        let field =
            |param: &Param| ParamField { param: param.clone(), field: Field::with(&given(param).unwrap_or_default()) };
        let fields: Vec<_> = of.map(field).collect();
        let (runbook, request) = (Arc::clone(runbook), request.clone());
        (!fields.is_empty()).then_some(Self { runbook, request, fields, at: 0, refusal: None })
    }

    /// What it was opened for.
    pub(super) fn wanted(&self) -> &PlanRequest {
        &self.request
    }

    pub(super) fn key(&mut self, chord: Chord) -> Outcome {
        self.refusal = None;
        let count = self.fields.len();
        if chord.is(KeyCode::Esc) {
            return Outcome::Leave;
        } else if chord.is(KeyCode::Enter) {
            match self.request() {
                Ok(request) => return Outcome::Plan(request),
                Err(why) => self.refusal = Some(why),
            }
        } else if chord.is(KeyCode::Tab) || chord.is(KeyCode::Down) {
            self.at = (self.at + 1) % count;
        } else if chord.is(KeyCode::BackTab) || chord.is(KeyCode::Up) {
            self.at = (self.at + count - 1) % count;
        } else {
            self.fields[self.at].field.key(chord);
        }
        Outcome::Stay
    }

    /// What is asked for with these texts; one that cannot be is told, with its parameter.
    fn request(&self) -> Result<PlanRequest, String> {
        let mut request = self.request.clone();
        for ParamField { param, field } in &self.fields {
            let text = field.text();
            if text.is_empty() && param.kind != ParamType::String {
                request.args.remove(&param.name);
            } else {
                let value = params::check(param, &Value::from(text))?;
                request.args.insert(param.name.clone(), value);
            }
        }
        Ok(request)
    }
}

/// The parameters that can be changed.
pub(super) fn changeable(runbook: &Runbook) -> impl Iterator<Item = &Param> {
    runbook.params.iter().filter(|param| !param.kind.is_thing())
}

#[cfg(test)]
mod tests {
    use super::*;
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
            last = dialog.key(Chord::parse(word).expect(word));
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
        assert!(dialog.refusal.as_deref().unwrap().contains("\"idle_minutes\" must be a whole number"));
        assert!(matches!(typed(&mut dialog, "esc"), Outcome::Leave));
    }

    #[test]
    fn without_anything_to_change_there_is_no_dialog() {
        let request = PlanRequest::new("container-restart", BTreeMap::new());
        assert!(ParamsDialog::new(Library::builtin().get("container-restart").unwrap(), &request).is_none());
    }
}
