//! From a thing to the runbook that fits it: an alert's by its name, with its labels as parameters.

use super::hands::say_marks;
use super::menu::{Choice, Menu, MenuKind, MenuLine};
use super::{Overlay, ParamsDialog, State, choices, freeze, known, planning, replay, thing, way};
use crate::action::Verb;
use crate::cx::Cx;
use crate::domain::{Alert, Matcher, Subject, ThingId, host, matcher, text};
use crate::effect::Effects;
use crate::panes::{Presence, Selected, awaits_alertmanager, server_called};
use crate::runbook::model::{Param, ParamType};
use crate::runbook::{Draft, Plan, PlanRequest, Runbook, offer, params};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The parameter that all of an alert's labels give: `{alertname="Down", instance="a"}`.
const MATCHERS: &str = "matchers";
/// The parameter that those labels give by which Alertmanager groups the alert, in the same form.
const GROUP: &str = "group";

/// Parameters that nobody typed, so that the plan can say where they are from.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// The runbook's id.
    pub runbook: String,
    /// By parameter: what gave it (`from the label instance of ServiceDown`), and what that came to.
    pub args: BTreeMap<String, (String, Value)>,
}

/// Plans what is selected: a runbook, or the one that names the selected alert. Of several one is chosen in a menu.
pub(super) fn plan(state: &mut State, effects: &mut Effects) {
    let Some(selected) = ready(state) else { return };
    match &selected.id {
        ThingId::Runbook(id) => ask(state, id, effects),
        ThingId::Alert { .. } => of_alert(state, &selected, effects),
        ThingId::Server { .. }
        | ThingId::Container { .. }
        | ThingId::Session { .. }
        | ThingId::Process { .. }
        | ThingId::Entry { .. } => state.toasts.say(state.now, "put the cursor on an alert, a runbook or a run first"),
        ThingId::Run(run) => super::again::open(state, *run),
    }
}

/// Plans the runbook that does this to what is selected. Of several one is chosen in a menu.
pub(super) fn by_verb(state: &mut State, verb: Verb, effects: &mut Effects) {
    let Some(selected) = ready(state) else { return };
    let (pane, given) = (state.scope().word(), thing::arguments(state, Some(&selected)));
    // What an alert's labels name is known when its plan is made.
    let named =
        |name: &str| given.contains_key(name) || matches!(selected.id, ThingId::Alert { .. }) && name == "server";
    let fits: Vec<Arc<Runbook>> =
        offer::for_verb(&state.library, verb.word(), pane, &named).into_iter().cloned().collect();
    match fits.as_slice() {
        [] => state.toasts.say(state.now, offer::none_that(verb.word(), &selected.name, pane)),
        [one] => thing::plan(state, &one.id, effects),
        several => choose(state, &format!("{} {}", verb.word(), selected.name), several),
    }
}

/// What the alert under the cursor would be acknowledged by; false: no alert is selected.
pub(super) fn acknowledges(state: &State) -> bool {
    state.pane().selected().is_some_and(|selected| matches!(selected.id, ThingId::Alert { .. }))
}

/// That no runbook is for an alert: why, where its rule says so.
fn none_of(alert: &Alert) -> String {
    match alert.annotations.get("no_runbook") {
        Some(why) => format!("no runbook is for {}: {}", alert.name, text::clean(why)),
        None => offer::none_for(&alert.name),
    }
}

/// A menu of runbooks.
fn choose(state: &mut State, title: &str, runbooks: &[Arc<Runbook>]) {
    let ordered = offer::in_order(&state.library, runbooks, alert(state).as_deref());
    let lines = ordered.into_iter().map(|runbook| line(runbook, &state.cx())).collect();
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Runbooks, title: title.to_owned(), lines, cursor: 0 }));
}

/// What is selected, if something can be planned for it now; else it is said why not.
fn ready(state: &mut State) -> Option<Selected> {
    if let Some(why) = freeze::refusal(state) {
        state.toasts.bad(state.now, why);
        return None;
    }
    if state.replay.is_some() {
        replay::refuse(state);
        return None;
    }
    let Some(selected) = state.pane().selected() else {
        state.toasts.say(state.now, "nothing is selected");
        return None;
    };
    if selected.presence != Presence::Here {
        state.toasts.bad(state.now, way::missing(&selected).unwrap_or_default());
        return None;
    }
    say_marks(state, Some(&selected));
    Some(selected)
}

fn of_alert(state: &mut State, selected: &Selected, effects: &mut Effects) {
    let Some(alert) = alert(state) else { return };
    let fits: Vec<Arc<Runbook>> = offer::for_alert(&state.library, &alert.name).cloned().collect();
    match fits.as_slice() {
        [] => state.toasts.say(state.now, none_of(&alert)),
        [one] => ask(state, &one.id, effects),
        several => choose(state, &format!("runbooks for {}", selected.name), several),
    }
}

fn line(runbook: &Runbook, cx: &Cx<'_>) -> MenuLine {
    let choice = Choice::Runbook(runbook.id.clone());
    MenuLine { mark: "", text: runbook.title.clone(), note: told(runbook, cx), choice }
}

/// Its risk, that it can't be undone, and how it went last time; or why it can't be run here.
pub(super) fn told(runbook: &Runbook, cx: &Cx<'_>) -> String {
    offer::told(cx.library, runbook, cx.runs, cx.environment, cx.now.wall)
}

/// That nothing is offered for what is selected, and the lines of a front matter that offer something: with its own name.
pub(super) fn none(state: &State, alert: Option<&str>) -> String {
    if let Some(alert) = alert {
        return offer::none_for(alert);
    }
    let (selected, pane) = (state.pane().selected(), state.scope().word());
    if !Subject::ALL.iter().any(|subject| subject.word() == pane) {
        return format!("runbooks are for servers, containers, alerts and databases, and not for {pane}");
    }
    let given = thing::arguments(state, selected.as_ref());
    let container = selected.as_ref().filter(|selected| matches!(selected.id, ThingId::Container { .. }));
    let value = |value: &Value| container.map_or_else(|| params::show(value), |selected| selected.name.clone());
    let param = given.iter().next().map(|(name, of)| (name.as_str(), value(of)));
    let thing = selected.as_ref().map_or(pane, |selected| selected.name.as_str());
    offer::none_about(thing, pane, param.as_ref().map(|(name, value)| (*name, value.as_str())))
}

/// The alert under the cursor.
pub(super) fn alert(state: &State) -> Option<Arc<Alert>> {
    match state.pane().selected()?.id {
        ThingId::Alert { fingerprint } => {
            state.store.all_alerts().find(|alert| alert.fingerprint == fingerprint).cloned()
        }
        ThingId::Server { .. }
        | ThingId::Container { .. }
        | ThingId::Session { .. }
        | ThingId::Process { .. }
        | ThingId::Entry { .. }
        | ThingId::Run(_)
        | ThingId::Runbook(_) => None,
    }
}

/// Asks for a plan of a runbook for the selected alert, or for nothing on the screen. What must be given and is not known is asked
/// for first.
pub(super) fn ask(state: &mut State, id: &str, effects: &mut Effects) {
    ask_with(state, id, None, effects);
}

/// The same. `chosen`: matchers in place of those that all of the alert's labels make.
fn ask_with(state: &mut State, id: &str, chosen: Option<&str>, effects: &mut Effects) {
    let Some(runbook) = state.library.get(id).cloned() else {
        let why = text::clean(&state.library.absent(id)).into_owned();
        return state.toasts.bad(state.now, why);
    };
    if let Some(why) = offer::elsewhere(&runbook, &state.environment) {
        return state.toasts.bad(state.now, format!("{id}: no plan, and nothing was changed: {why}"));
    }
    let of_alert = alert(state);
    if awaits_group(state, &runbook, of_alert.as_deref()) {
        let why =
            format!("{id}: Alertmanager has not told its groups yet, and this names one: press it again in a moment");
        return state.toasts.say(state.now, why);
    }
    let (mut given, mut wrong) =
        of_alert.as_ref().map_or_else(Default::default, |alert| from_labels(&runbook, alert, &state.cx()));
    // A label that means nothing here is in the way of what must be given, and of nothing else.
    wrong.retain(|(name, _)| runbook.params.iter().any(|param| param.required && param.name == *name));
    if let Some(chosen) = chosen.filter(|_| runbook.params.iter().any(|param| param.name == MATCHERS)) {
        given
            .insert(MATCHERS.to_owned(), ("from the labels that were chosen in the preview".to_owned(), chosen.into()));
    }
    let refused = |name: &String| wrong.iter().any(|(of, _)| of == name);
    let certain = certain(&runbook, &values(&given), &state.cx());
    given.extend(certain.into_iter().filter(|(name, _)| !refused(name)));
    let args = values(&given);
    state.labelled = (!given.is_empty()).then(|| Labelled { runbook: runbook.id.clone(), args: given });
    let missing = lacks(&runbook, &args);
    let request = PlanRequest::new(runbook.id.clone(), args);
    // Outside an alert nothing tells what is meant, so that all of it is asked.
    let unsaid = of_alert.is_none() && chosen.is_none() && !runbook.params.is_empty();
    if !(missing || unsaid || !wrong.is_empty()) {
        return planning::ask(state, request, effects);
    }
    if let Some(mut dialog) = ParamsDialog::asking(&runbook, &request) {
        dialog.refuse(wrong);
        state.overlay = Some(Overlay::Params(Box::new(dialog)));
    }
}

fn values(given: &Given) -> BTreeMap<String, Value> {
    given.iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect()
}

/// What must be given, is not, and can mean one thing only.
fn certain(runbook: &Runbook, args: &BTreeMap<String, Value>, cx: &Cx<'_>) -> Given {
    let missing = |param: &&Param| param.required && param.default.is_none() && !args.contains_key(&param.name);
    let server = choices::server_of(runbook, |name| args.get(name)?.as_str());
    let known = runbook.params.iter().filter(missing).filter_map(|param| {
        let (why, text) = choices::only(param, server, cx)?;
        Some((param.name.clone(), (why, text.into())))
    });
    known.collect()
}

/// The same for a plan of the selected thing: what is certain is given, and the plan says why.
pub(super) fn complete(state: &mut State, request: &mut PlanRequest) {
    state.labelled = None;
    let Some(runbook) = state.library.get(&request.runbook).cloned() else { return };
    let args = certain(&runbook, &request.args, &state.cx());
    request.args.extend(values(&args));
    state.labelled = (!args.is_empty()).then(|| Labelled { runbook: runbook.id.clone(), args });
}

/// The runbook takes the alert's group, and who tells it is still being asked for the first time.
fn awaits_group(state: &State, runbook: &Runbook, alert: Option<&Alert>) -> bool {
    alert.is_some_and(|alert| alert.group.is_none())
        && runbook.params.iter().any(|param| param.name == GROUP)
        && awaits_alertmanager(&state.store)
}

/// A parameter must be given, and is not.
fn lacks(runbook: &Runbook, args: &BTreeMap<String, Value>) -> bool {
    runbook.params.iter().any(|param| param.required && param.default.is_none() && !args.contains_key(&param.name))
}

/// What a plan takes that nothing has told yet is asked for, beside what is known; `None`: nothing is missing.
pub(super) fn form(state: &State, request: &PlanRequest) -> Option<ParamsDialog> {
    let runbook = state.library.get(&request.runbook).filter(|runbook| lacks(runbook, &request.args))?;
    let mut form = ParamsDialog::asking(runbook, request)?;
    // A row that the runbook is not for is told before the rest is typed.
    form.refuse(known::unknown(runbook, request, &state.cx()));
    Some(form)
}

/// The parameters of a plan that still are what nobody typed, and what to say of each.
pub(super) fn labelled(state: &State, plan: &Plan<Draft>) -> BTreeMap<String, String> {
    let request = &plan.body().request;
    let Some(labelled) = state.labelled.as_ref().filter(|labelled| labelled.runbook == request.runbook) else {
        return BTreeMap::new();
    };
    let kept = labelled.args.iter().filter(|(name, (_, value))| request.args.get(*name) == Some(value));
    kept.map(|(name, (what, _))| (name.clone(), what.clone())).collect()
}

/// By parameter: what gave it, and what that came to.
type Given = BTreeMap<String, (String, Value)>;

/// The parameters that an alert's labels give, and what is wrong with those that they can't, by parameter.
fn from_labels(runbook: &Runbook, alert: &Alert, cx: &Cx<'_>) -> (Given, Vec<(String, String)>) {
    let (mut args, mut wrong) = (Given::new(), Vec::new());
    let from = |what: &str| format!("from the {what} of {}", alert.name);
    let servers = runbook.params.iter().filter(|param| param.kind == ParamType::Server).count();
    for param in &runbook.params {
        let own = !alert.labels.contains_key(&param.name);
        if let Some((what, value)) = of_all_labels(&param.name, alert).filter(|_| own) {
            args.insert(param.name.clone(), (from(what), value.into()));
            continue;
        }
        let mut names = vec![param.name.as_str()];
        // The label that every scraped series has names the one server that there is to name.
        names.extend((param.kind == ParamType::Server && servers == 1).then_some("instance"));
        let Some((label, text)) = names.into_iter().find_map(|name| Some((name, alert.labels.get(name)?))) else {
            continue;
        };
        match resolve(param, text, cx) {
            // Whoever is scraped is not always the one that this is about: it says which role it takes.
            Ok(value) if label != param.name && !choices::has_role(param, &value, cx) => {}
            Ok(value) => drop(args.insert(param.name.clone(), (from(&format!("label {label}")), value))),
            Err(why) => wrong.push((param.name.clone(), format!("label {label}: {why}"))),
        }
    }
    (args, wrong)
}

/// What a parameter of this name gets of all labels: those of the alert, or those by which Alertmanager groups it, as Alertmanager writes
/// them; with what gave it.
fn of_all_labels(param: &str, alert: &Alert) -> Option<(&'static str, String)> {
    let (what, labels) = match param {
        MATCHERS => ("labels", &alert.labels),
        GROUP => ("group labels", &alert.group.as_ref()?.labels),
        _ => return None,
    };
    let all: Vec<Matcher> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
    let mut out = String::from("{");
    matcher::write_all(&all, &mut out);
    out.push('}');
    Some((what, out))
}

/// Plans the silence that the preview shows.
pub(super) fn silence(state: &mut State, matchers: &str, effects: &mut Effects) {
    if ready(state).is_none() {
        return;
    }
    let verb = Verb::Silence.word();
    let fits = offer::for_verb(&state.library, verb, Subject::Alerts.word(), &|_| false);
    let fits = fits.into_iter().find(|runbook| runbook.params.iter().any(|param| param.name == MATCHERS));
    match fits.map(|runbook| runbook.id.clone()) {
        Some(id) => ask_with(state, &id, Some(matchers), effects),
        None => {
            let why = offer::none_that(verb, matchers, Subject::Alerts.word());
            state.toasts.say(state.now, format!("{why}, when it takes `{MATCHERS}`"));
        }
    }
}

/// What a label's text is as a parameter. A thing must be one that the config names: who can write a label must not choose a machine that
/// nobody in the team chose. Whoever means another one types it.
fn resolve(param: &Param, text: &str, cx: &Cx<'_>) -> Result<Value, String> {
    let known = match param.kind {
        ParamType::Server => server(text, cx)?.to_owned(),
        // One of its addresses, as the label has it.
        ParamType::Address => server(text, cx).map(|_| host::of(text).to_owned())?,
        ParamType::Database => {
            let named = cx.store.about(Subject::Databases).any(|feed| feed.id.name() == text);
            named.then(|| text.to_owned()).ok_or_else(|| format!("the config has no database {text:?}"))?
        }
        ParamType::Container => {
            let none = || format!("no container of the config's engines is called {text:?}, or several are");
            container(text, cx).ok_or_else(none)?
        }
        ParamType::Int | ParamType::String | ParamType::Bool | ParamType::Duration | ParamType::Enum => text.to_owned(),
    };
    params::check(param, &Value::from(known))
}

/// The server of the config that a label means.
fn server<'a>(text: &str, cx: &Cx<'a>) -> Result<&'a str, String> {
    let name = server_called(cx, text).ok_or_else(|| format!("the config has no server {text:?}"))?;
    let why = || format!("{text:?} is {name}, which the config has no [[server]] for: only sources tell of it");
    cx.store.is_configured(name).then_some(name).ok_or_else(why)
}

/// `engine/id` of the only container with this name, or of the one that `engine/name` means.
fn container(text: &str, cx: &Cx<'_>) -> Option<String> {
    let engines = cx.store.about(Subject::Containers).filter_map(|feed| Some((feed, feed.snapshot()?.engine()?)));
    let all = engines.flat_map(|(feed, engine)| engine.containers.iter().map(move |one| (feed.id.name(), one)));
    let mut named = all.filter(|(engine, one)| one.name == text || format!("{engine}/{}", one.name) == text);
    let (engine, one) = named.next()?;
    named.next().is_none().then(|| format!("{engine}/{}", one.id))
}
