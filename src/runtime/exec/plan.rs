//! Planning: parameters, targets, read-only fences, levels and phrases. Nothing with an effect is sent.

pub(super) mod again;

use super::by_hand::Question;
use super::captured::Captured;
use super::scene::{Asked, Scene, Truth, step_of};
use super::{Exec, when};
use crate::connect::Server;
use crate::domain::SourceError;
use crate::domain::record::Actor;
use crate::domain::risk::Level;
use crate::domain::text::{clean, clean_lines};
use crate::domain::time::day;
use crate::journal::process::actor;
use crate::runbook::foreseen::{self, Foreseen};
use crate::runbook::language::moment::{self, NOW};
use crate::runbook::language::{OPERATOR, Types, address_of, types_of};
use crate::runbook::library::REVIEW_DAYS;
use crate::runbook::model::{Attrs, Call, Fence, OnFail, Param, ParamType, Role, RunLimits, Runbook, Step};
use crate::runbook::params::{self, split_container};
use crate::runbook::plan::{ByHand, Finding, LATER, PlanBody, PlannedFence, PlannedStep, Rows, WARNS, When};
use crate::runbook::script::{self, Fleet, without_host};
use crate::runbook::{Draft, Plan, PlanRequest, Script};
use crate::steps::{Found, Pinned, docker, within};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Longest search for a thing that a parameter or a fence names, when the fence does not allow less: a look-up by name is
/// quick or hangs, and a person waits for the plan.
const FIND: Duration = Duration::from_secs(10);
/// Longest wait for a host that is asked whether it can keep a change.
const KEEP: Duration = Duration::from_secs(8);
/// Who asks while a plan is made.
const LABEL: &str = "quarterdeck";

impl Exec {
    /// Makes a plan. The error says why there can be none; a plan that can be shown but not approved carries its reasons.
    pub async fn make_plan(&self, request: &PlanRequest) -> Result<Plan<Draft>, String> {
        if let Some(resumption) = request.resumes {
            return self.plan_again(request, resumption).await;
        }
        let runbook = self.library.get(&request.runbook).ok_or_else(|| self.library.absent(&request.runbook))?;
        let family = self.family(request)?;
        let mut values = params::resolve(&runbook.params, &request.args)?;
        let shown = Box::pin(self.resolve_things(runbook, &mut values)).await?;
        let fleet = self.fleet(runbook);
        let script = Script::new(runbook, &values, &fleet, self.guarded)?;
        let mut planner = Planner::new(self, &script, runbook, (&shown, values));
        planner
            .blocked
            .extend(self.library.mistake(&runbook.id).map(|mistake| clean(&mistake.why(runbook)).into_owned()));
        // A journal that can't be read says so elsewhere.
        planner.blocked.extend(self.in_the_way(&runbook.id).await.unwrap_or_default());
        planner.suits(runbook);
        planner.blocked.extend(self.journal.only_looks().await);
        let locks = self.locks(runbook, &planner.values, &family).await.unwrap_or_else(|why| {
            planner.blocked.push(clean(&why).into_owned());
            Vec::new()
        });
        planner.blocked.extend(locks.iter().filter_map(|lock| lock.holder.clone()));
        let mut steps = Vec::new();
        for at in 0..script.steps.len() {
            steps.push(Box::pin(planner.plan(runbook, at)).await?);
            planner.rest(at).await;
        }
        planner.blocked.extend(runbook.limits.against_hosts(&planner.changes));
        let Planner { values, blocked, warnings, .. } = planner;
        let (runbook, request) = (Arc::clone(runbook), request.clone());
        Ok(Plan::new(PlanBody {
            runbook,
            request,
            params: shown,
            values,
            script,
            fleet,
            unbound: self.unbound(&locks).await,
            locks,
            steps,
            blocked,
            warnings,
            again: None,
            hash: String::new(),
        }))
    }

    /// When a plan is made, to the second, and by whom: values of it like its parameters.
    fn moment(&self) -> [(String, Value); 2] {
        let second = (self.clock)().wall.as_second();
        let now = Timestamp::from_second(second).unwrap_or_default();
        let Actor { name, host, .. } = actor();
        [(NOW, now.to_string()), (OPERATOR, format!("{name}@{host}"))]
            .map(|(name, text)| (name.to_owned(), text.into()))
    }

    /// The hosts that a runbook is about, as the config has them now.
    fn fleet(&self, runbook: &Runbook) -> Fleet {
        let names = |role: &str| self.connections.servers_of(role).map(|server| server.name.clone()).collect();
        let engine = |server: &Server| Some((server.name.clone(), server.engine.clone()?));
        Fleet {
            roles: script::roles(runbook).map(|role| (role.to_owned(), names(role))).collect(),
            engines: self.connections.servers().filter_map(engine).collect(),
        }
    }

    /// Puts full ids in place of container names, and the addresses of servers beside them; returns all parameters as people read
    /// them.
    async fn resolve_things(
        &self,
        runbook: &Runbook,
        values: &mut BTreeMap<String, Value>,
    ) -> Result<Vec<(String, String)>, String> {
        let mut shown = Vec::new();
        for param in &runbook.params {
            let text = match values.get(&param.name).cloned() {
                Some(Value::Null) | None => params::shown(param, None),
                Some(value) => match param.kind {
                    ParamType::Container => self.containers(param, &value, values).await?,
                    ParamType::Server => self.servers(param, &value, values)?,
                    _ => params::shown(param, Some(&value)),
                },
            };
            shown.push((param.name.clone(), clean(&text).into_owned()));
        }
        Ok(shown)
    }

    /// Puts full ids in place of names.
    async fn containers(
        &self,
        param: &Param,
        value: &Value,
        values: &mut BTreeMap<String, Value>,
    ) -> Result<String, String> {
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        for text in texts(value) {
            let Some((engine, name)) = split_container(text) else { return Ok(params::shown(param, Some(value))) };
            let server = self.connections.need_docker(engine).map_err(|error| error.to_string())?;
            let found =
                find(engine, Box::pin(docker::resolve(server, name))).await.map_err(|error| error.to_string())?;
            ids.push(Value::from(format!("{engine}/{}", found.id)));
            names.push(format!("{engine}/{}", found.name));
        }
        let ids = if param.many { Value::Array(ids) } else { ids.pop().unwrap_or_default() };
        values.insert(param.name.clone(), ids);
        Ok(names.join(", "))
    }

    /// Each must be one of the config, with the role that is asked for; the address of a single one becomes a value too.
    fn servers(&self, param: &Param, value: &Value, values: &mut BTreeMap<String, Value>) -> Result<String, String> {
        for name in texts(value) {
            let server = self.connections.need_server(name).map_err(|error| format!("{:?}: {error}", param.name))?;
            let role = param.from.as_deref();
            if let Some(role) = role.filter(|role| !server.roles.iter().any(|known| known == role)) {
                return Err(format!("{:?}: the server {name} has not the role {role:?}", param.name));
            }
            // One without an address leaves the name without a value: whatever uses it fails, and asks nobody else.
            if let (Some(address), false) = (&server.address, param.many) {
                values.insert(address_of(&param.name), address.clone().into());
            }
        }
        Ok(params::shown(param, Some(value)))
    }
}

/// The texts of a value or of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    one.into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

/// Hosts of a rollout on which something is not as it must be.
#[derive(Default)]
struct Troubled {
    /// So many may fail.
    max: u64,
    hosts: BTreeSet<String>,
    /// Those that are left out: why.
    lost: BTreeMap<String, String>,
}

impl Troubled {
    /// Counts a host in; whether so many may fail.
    fn may_be(&mut self, host: &str) -> bool {
        self.hosts.insert(host.to_owned());
        self.hosts.len() as u64 <= self.max
    }
}

struct Planner<'a> {
    exec: &'a Exec,
    script: &'a Script,
    /// The steps that were done in an earlier life of the run.
    behind: BTreeSet<usize>,
    types: Types,
    /// The parameters that have a value, as people read them.
    shown: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    outs: Captured,
    /// Hosts of the present rollout on which something is not as it must be, and how many there may be.
    troubled: Troubled,
    /// A step before changes something, so what is asked now may not be true yet.
    changed: bool,
    /// The `if` of the fence that is asked, or of its step's `run`, is known only later.
    open: bool,
    limits: RunLimits,
    /// Who was asked whether they can keep a change: language, connection, user.
    can_keep: BTreeSet<(&'static str, String, Option<String>)>,
    /// The connections on which something would be changed.
    changes: BTreeSet<String>,
    blocked: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Planner<'a> {
    fn new(
        exec: &'a Exec,
        script: &'a Script,
        runbook: &Runbook,
        (shown, mut values): (&[(String, String)], BTreeMap<String, Value>),
    ) -> Self {
        values.extend(exec.moment());
        let given = |name: &String| !values.get(name).is_none_or(Value::is_null);
        Self {
            exec,
            script,
            behind: BTreeSet::new(),
            types: types_of(runbook),
            shown: shown.iter().filter(|(name, _)| given(name)).cloned().collect(),
            values,
            outs: Captured::default(),
            troubled: Troubled::default(),
            changed: false,
            open: false,
            limits: runbook.limits,
            can_keep: BTreeSet::new(),
            changes: BTreeSet::new(),
            blocked: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn scene(&self, host: Option<&str>) -> Scene<'_> {
        let (connections, label) = (&self.exec.connections, LABEL);
        let (types, values, outs) = (&self.types, &self.values, self.outs.seen_on(host));
        Scene { connections, types, values, outs, label, run: "plan", back: false, tried: 0, steps: &self.script.steps }
    }

    /// Plans one step of the script. A host of a rollout that can't be reached is left out, as long as so many may fail.
    async fn plan(&mut self, runbook: &Runbook, at: usize) -> Result<PlannedStep, String> {
        let step = &self.script.steps[at];
        let (Some(host), Some(rolling)) = (&step.host, self.script.rolling(at)) else {
            return self.step(runbook, step, 1).await;
        };
        if rolling.steps().start == at {
            self.troubled = Troubled { max: rolling.max_fail, ..Troubled::default() };
        }
        if let Some(why) = self.troubled.lost.get(host).cloned() {
            return Ok(given_up(step, &why));
        }
        let same = |other: &Step| without_host(&other.id) == without_host(&step.id);
        let steps = self.script.steps.iter().enumerate().filter(|(at, _)| !self.behind.contains(at));
        let hosts = steps.filter(|(_, other)| same(other)).count();
        match self.step(runbook, step, hosts).await {
            Err(why) if self.troubled.may_be(host) => {
                let warning = format!("{host} is left out and counts as failed: {why}");
                self.warnings.push(clean(&warning).into_owned());
                self.troubled.lost.insert(host.clone(), why.clone());
                Ok(given_up(step, &why))
            }
            planned => planned,
        }
    }

    /// Of a rollout over more hosts than are under way at once none keeps its connection until it has its turn.
    async fn rest(&self, at: usize) {
        let Some(rolling) = self.script.rolling(at) else { return };
        let many = rolling.lanes.len() > usize::from(self.exec.policy.parallel.get());
        if let Some(lane) = rolling.lanes.iter().find(|lane| many && lane.steps.end == at + 1) {
            self.exec.connections.rest(&lane.host).await;
        }
    }

    /// The environment, the secrets and the age of the runbook; what is a server of the config after all.
    fn suits(&mut self, runbook: &Runbook) {
        for secret in &runbook.secrets {
            if let Err(error) = self.exec.connections.knows_secret(secret) {
                self.blocked.push(error.to_string());
            }
        }
        for param in runbook.params.iter().filter(|param| param.kind == ParamType::Address) {
            for address in self.values.get(&param.name).into_iter().flat_map(texts) {
                let known = |server: &&Server| server.name == address || server.address.as_deref() == Some(address);
                if let Some(server) = self.exec.connections.servers().find(known) {
                    self.warnings.push(format!("{address} is the server {} of the config", server.name));
                }
            }
        }
        let env = &self.exec.env;
        if !runbook.environments.is_empty() && !runbook.environments.contains(env) {
            self.blocked.push(format!("it is for {} and this is {env}", runbook.environments.join(", ")));
        }
        self.blocked.extend(self.exec.library.misplaced(&runbook.id));
        let today = day((self.exec.clock)().wall);
        let age = runbook.age(today);
        let [soft, hard] = REVIEW_DAYS;
        if age > hard {
            self.warnings.push(format!("nobody has reviewed it for {age} days: do not trust it blindly"));
        } else if age > soft {
            self.warnings.push(format!("it was last reviewed {age} days ago"));
        } else if age < 0 {
            self.warnings.push(format!("it was reviewed on {}, {}", runbook.reviewed, runbook.reviewed_ago(today)));
        }
    }

    /// `hosts`: it is done on so many.
    async fn step(&mut self, runbook: &Runbook, step: &Step, hosts: usize) -> Result<PlannedStep, String> {
        let by_hand = step.is_manual().then(|| self.by_hand(runbook, step));
        let (mut fences, mut rows, mut place, mut address) = (Vec::new(), None, None, String::new());
        let mut undo = None;
        let run = self.when_run(step)?;
        for fence in &step.fences {
            let whole = fence.role == Role::Run || matches!(run, When::LeftOut(_));
            let when = if whole { run.clone() } else { self.when(step, fence)? };
            if let When::LeftOut(_) = when {
                fences.push(left_out(fence, when));
                continue;
            }
            self.counts(step, &fence.body);
            self.open = matches!((&when, &run), (When::Later(_), _) | (_, When::Later(_)));
            let (pinned, on) = self.pin(step, fence).await?;
            let pinned_id = pinned.id.clone();
            if matches!(fence.role, Role::Run | Role::Undo) {
                self.can_keep(step, fence).await;
            }
            let finding = match fence.role {
                Role::Check | Role::Plan if self.depends(step, fence).is_some() => Some(self.later(step, fence)),
                // What can't be in the way keeps nobody waiting who has something to stop.
                Role::Check if self.changed && fence.attrs.on_fail == Some(OnFail::Continue) => Some(at_its_step()),
                Role::Check => Some(self.check(step, fence, pinned_id.as_deref()).await),
                Role::Plan => {
                    let (finding, found) = self.rows(step, fence, pinned_id.as_deref()).await;
                    rows = found;
                    Some(finding)
                }
                Role::Run | Role::Wait | Role::Verify | Role::Undo => None,
            };
            if fence.role == Role::Undo {
                undo = Some(clean_lines(&pinned.sent));
            }
            if fence.role == Role::Run {
                // Two databases of a server are one host.
                self.changes.insert(on.split('/').next().unwrap_or_default().to_owned());
            }
            if place.is_none() || fence.role == Role::Run {
                place = Some((pinned.name.clone(), on.clone()));
                address = clean(&pinned.address).into_owned();
            }
            fences.push(planned(fence, &on, when, &pinned, finding));
        }
        let target = place.as_ref().map(target).unwrap_or_default();
        let run = step.run().filter(|_| !matches!(run, When::LeftOut(_)));
        let level = run.map_or(Level::None, |run| {
            self.exec.policy.level(runbook.risk).max(run.attrs.confirm.unwrap_or(Level::None))
        });
        let phrase = run.zip(place).map(|(run, place)| phrase(runbook, run, rows.as_ref(), &place, hosts));
        self.changed |= run.is_some();
        let (id, title, host) = (step.id.clone(), clean(&step.title).into_owned(), step.host.clone());
        Ok(PlannedStep {
            id,
            title,
            host,
            lost: None,
            target,
            address,
            fences,
            by_hand,
            rows,
            undo,
            level,
            phrase,
            past: None,
            takes_back: false,
        })
    }

    /// A time that can't be counted now never can: nothing is begun that would end there.
    fn counts(&mut self, step: &Step, body: &str) {
        if let Some(why) = moment::missing(body, &self.values) {
            self.blocked.push(clean(&format!("{}: {why}", step.title)).into_owned());
        }
    }

    fn by_hand(&mut self, runbook: &Runbook, step: &Step) -> ByHand {
        self.counts(step, &step.prose);
        let asked = self.question(step);
        // What it runs is told by itself.
        let is_link = |line: &str| {
            let title = step.manual.call.as_ref().map(|call| call.title.as_str());
            title.is_some_and(|title| ["Run:", &format!("Run: {title}"), &format!("- {title}")].contains(&line.trim()))
        };
        let prose: Vec<&str> = asked.text.lines().filter(|line| !is_link(line)).collect();
        ByHand {
            prose: prose.join("\n").trim().to_owned(),
            tasks: asked.tasks,
            choices: asked.choices,
            call: step.manual.call.as_ref().and_then(|call| self.foresee(runbook, step, call)),
        }
    }

    /// What a step asks, with what is known of it so far.
    fn question(&self, step: &Step) -> Question {
        let shown: Vec<(String, String)> = self.shown.clone().into_iter().collect();
        Question::of(step, self.scene(step.host.as_deref()), &shown)
    }

    /// A call is planned when its step is reached; that there is something to call, and what its page changes, is known before.
    fn foresee(&mut self, runbook: &Runbook, step: &Step, call: &Call) -> Option<Foreseen> {
        let exec = self.exec;
        match exec.library.called(runbook, call) {
            Ok(called) => {
                if let Some(why) = exec.library.hindrance(&called) {
                    let why = format!("{}: it calls {}, and {why}", step.title, called.id);
                    self.blocked.push(clean(&why).into_owned());
                }
                Some(foreseen::foresee(&called, &self.shown, &|from, call| exec.library.called(from, call).ok()))
            }
            Err(why) => {
                self.blocked.push(clean(&format!("{}: {why}", step.title)).into_owned());
                None
            }
        }
    }

    fn when(&self, step: &Step, fence: &Fence) -> Result<When, String> {
        let Some(condition) = &fence.attrs.when else { return Ok(When::Always) };
        when::planned(self.scene(step.host.as_deref()), fence, condition)
            .map_err(|why| format!("{}: {why}", step.title))
    }

    /// What is said of its `run` is said of the whole step.
    fn when_run(&self, step: &Step) -> Result<When, String> {
        step.run().map_or(Ok(When::Always), |run| self.when(step, run))
    }

    async fn pin(&self, step: &Step, fence: &Fence) -> Result<(Pinned, String), String> {
        let scene = self.scene(step.host.as_deref());
        let pinned = async {
            let call = scene.call(fence, None)?;
            let limit = fence.attrs.timeout.min(FIND);
            let doing = format!("the search for the target on {}", call.on);
            let pinned = within(limit, &doing, step_of(fence)?.pin(call)).await?;
            Ok((pinned, call.place()))
        };
        pinned.await.map_err(|error: crate::domain::SourceError| error.to_string())
    }

    /// Whether the host of a change can keep it while nobody is connected: asked once of each.
    async fn can_keep(&mut self, step: &Step, fence: &Fence) {
        let scene = self.scene(step.host.as_deref());
        let (Ok(way), Ok(call)) = (step_of(fence), scene.call(fence, None)) else { return };
        let whom = (fence.language.name, call.on.to_owned(), fence.attrs.sudo.clone());
        if self.can_keep.contains(&whom) {
            return;
        }
        // A host that gives no answer is told of by the checks.
        let answer = tokio::time::timeout(KEEP, way.can_keep(call)).await;
        self.can_keep.insert(whom);
        if let Ok(Err(why)) = answer {
            self.not_true(step, &why.to_string());
        }
    }

    /// On what a fence depends that is known only later, in words.
    fn depends(&self, step: &Step, fence: &Fence) -> Option<String> {
        let unknown = when::unknown(self.scene(step.host.as_deref()), fence);
        (!unknown.is_empty()).then(|| unknown.join(", "))
    }

    /// A fence that can't be asked yet. A check is asked at its step; rows that nobody can see nobody can approve.
    fn later(&mut self, step: &Step, fence: &Fence) -> Finding {
        let text = format!("not yet known: depends on {}", self.depends(step, fence).unwrap_or_default());
        if fence.role == Role::Plan {
            self.blocked.push(format!("{}: what it would touch is {text}: take it as a parameter", step.title));
        } else {
            self.warnings.push(format!("{}: {text}", step.title));
        }
        Finding::of(false, text)
    }

    async fn check(&mut self, step: &Step, fence: &Fence, pinned: Option<&str>) -> Finding {
        let Checked { finding, warns, seen, .. } = check(self.scene(step.host.as_deref()), fence, pinned).await;
        if let Some(rows) = seen {
            self.outs.insert(step.host.as_deref(), rows);
        }
        if warns {
            self.warnings.push(format!("{}: {}", step.title, finding.text));
        }
        if !finding.passed {
            self.not_true(step, &finding.text);
        }
        finding
    }

    /// Before the first change of the file this blocks; later it may become true by then.
    fn not_true(&mut self, step: &Step, what: &str) {
        let host = step.host.as_deref();
        let on = host.map(|host| format!(" on {host}")).unwrap_or_default();
        let what = clean(&format!("{}{on}: {what}", step.title)).into_owned();
        let tolerable = host.is_some_and(|host| self.troubled.may_be(host));
        if self.changed || self.open || tolerable {
            self.warnings.push(format!("not yet true: {what}"));
        } else {
            self.blocked.push(what);
        }
    }

    async fn rows(&mut self, step: &Step, fence: &Fence, pinned: Option<&str>) -> (Finding, Option<Rows>) {
        match rows(self.scene(step.host.as_deref()), fence, pinned).await {
            Ok((rows, text)) => {
                let wrong = too_many(fence, &rows)
                    .or_else(|| self.limits.against_rows(rows.rows.len()))
                    .or_else(|| rows.rows.is_empty().then(|| "the plan found nothing to act on".to_owned()));
                if let Some(wrong) = &wrong {
                    self.not_true(step, wrong);
                }
                self.outs.insert(step.host.as_deref(), rows.clone());
                (Finding::of(wrong.is_none(), wrong.unwrap_or(text)), Some(rows))
            }
            Err(why) => {
                self.not_true(step, &why);
                (Finding::of(false, clean(&why)), None)
            }
        }
    }
}

fn too_many(fence: &Fence, rows: &Rows) -> Option<String> {
    let count = rows.rows.len() as u64;
    let max = fence.attrs.max.filter(|max| count > *max)?;
    Some(format!("the plan found {count}, and at most {max} are allowed: narrow it down by the parameters"))
}

/// A check behind the first change that only tells: no plan waits for it.
fn at_its_step() -> Finding {
    Finding::of(true, LATER)
}

/// What asking a check came to.
pub(super) struct Checked {
    pub(super) finding: Finding,
    /// It passed, and yet has something to warn of.
    pub(super) warns: bool,
    /// All that a script printed.
    pub(super) said: String,
    /// The rows that it captured (`out`).
    pub(super) seen: Option<Rows>,
}

/// Asks a check fence.
pub(super) async fn check(scene: Scene<'_>, fence: &Fence, pinned: Option<&str>) -> Checked {
    let Some(expect) = &fence.attrs.expect else {
        let finding = Finding::of(false, "the check has no condition");
        return Checked { finding, warns: false, said: String::new(), seen: None };
    };
    let Asked { truth, printed, said, seen } = scene.holds_and_says(fence, pinned, expect).await;
    // What its page makes of the answer is what it wants to have seen.
    let tells_more = fence.attrs.show.is_none() || !matches!(truth, Truth::Yes(..));
    // It only tells: what it did not find true is in nobody's way.
    let tells = fence.attrs.on_fail == Some(OnFail::Continue);
    let (passed, warns, text) = match truth {
        Truth::Yes(text, _) => (true, false, text),
        Truth::Warns(text) => (true, true, format!("{WARNS}{text}")),
        Truth::No(text) | Truth::Never(text) | Truth::Unclear(text) => {
            (tells, tells, if tells { format!("{WARNS}{text}") } else { text })
        }
    };
    let finding = Finding::of(passed, clean(&text));
    let finding = if tells_more { finding.with(&printed) } else { finding };
    Checked { finding, warns, said, seen }
}

/// Asks a plan fence for its rows; the error is in words.
pub(super) async fn rows(scene: Scene<'_>, fence: &Fence, pinned: Option<&str>) -> Result<(Rows, String), String> {
    let found = scene.ask(fence, pinned).await.map_err(|error| error.to_string())?;
    if !scene.expected(fence, &found)? {
        return Err(format!("what it expects is not true: {}", found.text));
    }
    let told = scene.told(fence, &found);
    let Found { rows, columns, text, .. } = found;
    let key = fence.attrs.key.clone();
    let name = fence.attrs.out.clone().unwrap_or_default();
    let rows = Rows { name, key, columns, rows, told };
    match rows.rows.iter().find(|row| rows.key_of(row).is_none()) {
        Some(_) => Err(format!("its rows lack one of the columns of key=({})", rows.key.join(", "))),
        None => Ok((rows, clean(&text).into_owned())),
    }
}

/// Puts the limit on a search for a named thing.
async fn find<T>(on: &str, search: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    tokio::time::timeout(FIND, search).await.unwrap_or_else(|_| {
        let what = format!("{on} gave no answer to the search for the container within {FIND:?}");
        Err(SourceError::new(what, "its engine hangs: look at the engine itself and its log, then plan again"))
    })
}

/// A step on a host that can't be reached.
fn given_up(step: &Step, why: &str) -> PlannedStep {
    let why = clean(why).into_owned();
    PlannedStep {
        id: step.id.clone(),
        title: clean(&step.title).into_owned(),
        host: step.host.clone(),
        target: clean(step.host.as_deref().unwrap_or_default()).into_owned(),
        address: String::new(),
        fences: step.fences.iter().map(|fence| left_out(fence, When::LeftOut(why.clone()))).collect(),
        by_hand: None,
        takes_back: false,
        lost: Some(why),
        rows: None,
        undo: None,
        level: Level::None,
        phrase: None,
        past: None,
    }
}

/// A fence that its `if` leaves out: as it stands in the file.
fn left_out(fence: &Fence, when: When) -> PlannedFence {
    let as_written = Pinned { sent: fence.body.clone(), ..Pinned::default() };
    planned(fence, &fence.attrs.on.to_string(), when, &as_written, None)
}

fn planned(fence: &Fence, on: &str, when: When, pinned: &Pinned, finding: Option<Finding>) -> PlannedFence {
    PlannedFence {
        role: fence.role,
        language: fence.language.name.to_owned(),
        on: clean(on).into_owned(),
        address: clean(&pinned.address).into_owned(),
        when,
        sent: clean_lines(&pinned.sent),
        given: pinned.given.iter().map(|line| clean_lines(line)).collect(),
        bare: if pinned.given.is_empty() { String::new() } else { clean_lines(&pinned.bare) },
        holds: holds(fence),
        finding,
        pinned: pinned.id.clone(),
    }
}

fn holds(fence: &Fence) -> Option<String> {
    let Attrs { until, expect, timeout, .. } = &fence.attrs;
    let (word, condition) = until.as_ref().map(|until| ("until", until)).or(expect.as_ref().map(|e| ("expect", e)))?;
    Some(format!("{word} {}, at most {} s", clean(&condition.to_string()), timeout.as_secs()))
}

/// A target's name, if it has one, and the connection.
type Place = (Option<String>, String);

fn target((name, on): &Place) -> String {
    let target = name.as_ref().map_or_else(|| on.clone(), |name| format!("{name} on {on}"));
    clean(&target).into_owned()
}

/// `restart api on local`, `kill 37 on primary`, `reload on 3 hosts`: what is typed tells what will happen.
fn phrase(runbook: &Runbook, run: &Fence, rows: Option<&Rows>, place: &Place, hosts: usize) -> String {
    let verb = run.attrs.verb.as_ref().or(runbook.verb.as_ref()).map_or("run", String::as_str);
    match (rows, &place.0) {
        (_, Some(name)) if hosts > 1 => format!("{verb} {} on {hosts} hosts", clean(name)),
        (_, None) if hosts > 1 => format!("{verb} on {hosts} hosts"),
        (Some(rows), None) => format!("{verb} {} on {}", rows.rows.len(), place.1),
        (_, Some(_)) => format!("{verb} {}", target(place)),
        (None, None) => format!("{verb} on {}", place.1),
    }
}
