//! A screen with made-up data and a clock that stands still: what the tests of frames, the count of allocations and the
//! benchmarks share. Everything goes in as a source, a person or a run would send it: as an event.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use quarterdeck::app::{Habits, Presenting, Setup, State, update};
use quarterdeck::domain::record::{Actor, Entry, Kept, Record, RecordKind};
use quarterdeck::domain::risk::Policy;
use quarterdeck::domain::{
    Alert, AlertReport, AlertState, Compose, Container, ContainerState, Database, Engine, EngineEvent, Filesystem,
    Health, Limits, Now, Port, Rates, RunId, Sample, Server, Session, SessionState, Severity, Silencer, Snapshot,
    SourceError, SourceId, Subject, Usage, alert,
};
use quarterdeck::effect::Effects;
use quarterdeck::event::{Event, RunEvent, Stamped};
use quarterdeck::keymap::Keymap;
use quarterdeck::redact::Redactor;
use quarterdeck::runbook::Library;
use quarterdeck::store::Feed;
use quarterdeck::theme::{Depth, Themes, load_named};
use quarterdeck::ui;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use uuid::Uuid;

/// Names as somebody might give them who wants to fool the reader, or who just writes in another script.
pub const HOSTILE: &[&str] = &[
    "\x1b[31mred\x1b[0m-\x1b]0;owned\x07web",
    "\u{202e}ipa-live\u{202c}\u{2066}x\u{2069}",
    "zero\u{200b}width\u{feff}\u{2060}\u{ad}api",
    "日本語サーバー一号機データベース",
    "🚒🔥 engine 👩🏽\u{200d}🚒🇩🇪\u{fe0f}",
    "line\nbreak\ttab\rreturn",
    "c1\u{9b}31m\u{90}q\u{9c}",
    "z\u{335}\u{321}\u{322}\u{34f}\u{301}\u{302}a\u{334}lgo",
];

/// The sources of a usual screen, one for each subject.
pub const SOURCES: [(&str, &str, Subject); 4] = [
    ("prometheus", "main", Subject::Servers),
    ("docker", "local", Subject::Containers),
    ("alertmanager", "main", Subject::Alerts),
    ("postgres", "primary", Subject::Databases),
];

/// The moment at which every scene begins: 03:00 UTC.
pub fn start() -> Now {
    Now { mono: Duration::from_secs(1000), wall: "2026-11-25T03:00:00Z".parse().unwrap() }
}

fn ago(seconds: i64) -> Timestamp {
    start().wall - SignedDuration::from_secs(seconds)
}

/// A screen and the time on it.
pub struct Scene {
    pub state: State,
    pub effects: Effects,
    now: Now,
}

impl Scene {
    /// With these sources, in an environment that is not guarded, in the dark theme.
    pub fn new(sources: &[(&str, &str, Subject)], size: (u16, u16)) -> Self {
        Self::of(setup(sources), size)
    }

    pub fn of(setup: Setup, size: (u16, u16)) -> Self {
        Self { state: State::new(setup, start(), size), effects: Vec::new(), now: start() }
    }

    /// All four sources with their usual data.
    pub fn full(size: (u16, u16)) -> Self {
        let mut scene = Self::new(&SOURCES, size);
        scene.fill();
        scene
    }

    /// Every source answers with its usual data.
    pub fn fill(&mut self) {
        for (kind, name, subject) in SOURCES {
            self.good(kind, name, usual(subject));
        }
    }

    pub fn send(&mut self, event: Event) {
        update(&mut self.state, Stamped { now: self.now, event }, &mut self.effects);
    }

    pub fn good(&mut self, kind: &str, name: &str, snapshot: Snapshot) {
        self.sample(kind, name, Ok(Arc::new(snapshot)));
    }

    pub fn bad(&mut self, kind: &str, name: &str, what: &str, hint: &str) {
        self.sample(kind, name, Err(SourceError::new(what, hint)));
    }

    /// The same with an answer that somebody else holds, too.
    pub fn answer(&mut self, kind: &str, name: &str, snapshot: Arc<Snapshot>) {
        self.sample(kind, name, Ok(snapshot));
    }

    fn sample(&mut self, kind: &str, name: &str, outcome: Result<Arc<Snapshot>, SourceError>) {
        let source = SourceId::new(kind, name);
        self.send(Event::Sample(Sample { source, at: self.now, took: Duration::from_millis(12), outcome }));
    }

    /// Time passes, then a tick comes.
    pub fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall += SignedDuration::try_from(time).unwrap();
        self.send(Event::Tick);
    }

    /// One key, a tenth of a second after what was before.
    pub fn key(&mut self, code: KeyCode) {
        self.pass(Duration::from_millis(100));
        self.send(Event::Input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    }

    /// Characters, as keys.
    pub fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
    }

    pub fn resize(&mut self, (width, height): (u16, u16)) {
        self.send(Event::Input(Input::Resize(width, height)));
    }

    /// One frame, as the loop makes it.
    pub fn paint(&mut self) -> Buffer {
        let (width, height) = self.state.size;
        let area = Rect { x: 0, y: 0, width, height };
        let mut buf = Buffer::empty(area);
        self.state.prepare();
        ui::draw(&self.state, area, &mut buf);
        self.state.painted(self.now);
        buf
    }
}

/// The shipped runbooks, read once for all scenes: half a hundred pages take an unoptimised build longer than all that a scene paints.
fn library() -> Arc<Library> {
    static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(|| Arc::new(Library::builtin()));
    Arc::clone(&LIBRARY)
}

/// As config and command line would make it.
pub fn setup(sources: &[(&str, &str, Subject)]) -> Setup {
    let feed = |(kind, name, subject): &(&str, &str, Subject)| {
        Feed::new(SourceId::new(kind, name), *subject, Duration::from_secs(2))
    };
    Setup {
        environment: "staging".to_owned(),
        guarded: false,
        read_only: false,
        relock: Duration::from_secs(900),
        limits: Limits::default(),
        policy: Policy::default(),
        feeds: sources.iter().map(feed).collect(),
        servers: Vec::new(),
        keymap: Keymap::builtin(),
        themes: Themes::with_builtin(load_named("dark", Depth::True).unwrap(), Depth::True),
        looks: quarterdeck::app::Looks::default(),
        library: library(),
        presenting: Presenting::default(),
        redactor: Redactor::default(),
        habits: Habits::default(),
        incident: quarterdeck::domain::incident::Rules::default(),
        here: quarterdeck::incident::corrected::Here::default(),
        team: true,
        who: "ada@bastion".to_owned(),
        troubles: Vec::new(),
        logs: quarterdeck::panes::logs::Settings::default(),
    }
}

/// What a source of this subject usually answers: a dozen plain things, then the hostile ones.
pub fn usual(subject: Subject) -> Snapshot {
    rows(subject, 12, HOSTILE)
}

/// What it answers when there is nothing.
pub fn nothing(subject: Subject) -> Snapshot {
    rows(subject, 0, &[])
}

/// `count` plain things and one for each of `names`.
pub fn rows(subject: Subject, count: usize, names: &[&str]) -> Snapshot {
    let plain = |stem: &str, index: usize| format!("{stem}-{index}");
    let all = |stem: &'static str| {
        let named = names.iter().enumerate().map(move |(index, name)| (count + index, (*name).to_owned()));
        (0..count).map(move |index| (index, plain(stem, index))).chain(named)
    };
    match subject {
        Subject::Servers => Snapshot::Servers(all("game").map(|(index, name)| server(index, name)).collect()),
        Subject::Containers => Snapshot::Containers(Engine {
            version: "Docker 27.3.1".to_owned(),
            server: Some("game-1".to_owned()),
            containers: all("api").map(|(index, name)| container(index, name)).collect(),
            // The newest that an engine is remembered for, the hostile names among them.
            events: all("api").rev().take(300).map(|(index, name)| event(index, name)).collect(),
        }),
        Subject::Alerts => Snapshot::Alerts(AlertReport {
            alerts: all("HighMemoryUsage").map(|(index, name)| Arc::new(alert(index, name))).collect(),
            ..AlertReport::default()
        }),
        Subject::Databases => Snapshot::Database(Database {
            version: "15.18".to_owned(),
            standby: false,
            now: start().wall,
            used: 187,
            max: 200,
            reserved: 3,
            sessions: all("web").map(|(index, name)| session(index, name)).collect(),
            ..Database::default()
        }),
    }
}

/// An age that grows with the number, to a month or so.
fn age(index: usize) -> i64 {
    (index as i64 + 1).min(200).pow(2)
}

/// A figure that differs from thing to thing, the same in every run.
fn figure(index: usize, salt: usize) -> f64 {
    ((index * 37 + salt * 11) % 101) as f64 / 100.0
}

fn usage(index: usize, salt: usize, total: u64) -> Usage {
    Usage { used: (total as f64 * figure(index, salt)) as u64, total }
}

fn disk(index: usize) -> Filesystem {
    let mount = "/var/lib/postgresql/15/main".to_owned();
    Filesystem { mount, usage: usage(index, 4, 1 << 40), ..Filesystem::default() }
}

fn server(index: usize, name: String) -> Server {
    let known = index % 7 != 5;
    Server {
        name,
        cores: 8,
        cpu: known.then(|| figure(index, 1)),
        memory: known.then(|| usage(index, 2, 64 << 30)),
        swap: known.then(|| usage(index, 3, if index.is_multiple_of(2) { 0 } else { 8 << 30 })),
        disks: known.then(|| disk(index)).into_iter().collect(),
        load: known.then(|| [figure(index, 5) * 20.0, 3.2, 2.9]),
        uptime: known.then(|| Duration::from_secs(977 * (index as u64 + 1).min(50).pow(3))),
        ..Server::default()
    }
}

fn container(index: usize, name: String) -> Container {
    const STATES: [(ContainerState, Health); 8] = [
        (ContainerState::Running, Health::Healthy),
        (ContainerState::Running, Health::None),
        (ContainerState::Running, Health::Unhealthy),
        (ContainerState::Exited, Health::None),
        (ContainerState::Running, Health::Starting),
        (ContainerState::Restarting, Health::None),
        (ContainerState::Exited, Health::None),
        (ContainerState::Paused, Health::None),
    ];
    let (state, health) = STATES[index % STATES.len()];
    let running = state == ContainerState::Running;
    Container {
        id: format!("{index:064x}").into(),
        image: format!("registry.example/{name}:2026.11.{index}"),
        compose: (index % 3 != 2).then(|| Compose { project: "spacetime".into(), service: name.clone() }),
        name,
        state,
        health,
        cpu: running.then(|| figure(index, 6) * 12.0),
        memory: running.then(|| {
            let usage = usage(index, 7, 2 << 30);
            if index.is_multiple_of(4) { Usage { total: 0, ..usage } } else { usage }
        }),
        restarts: Some(index as u64 % 13),
        started_at: running.then(|| ago(600 * age(index))),
        finished_at: (!running).then(|| ago(90)),
        exit_code: (state == ContainerState::Exited).then_some([1, 137, 0][index % 3]),
        oom_killed: index % 16 == 6,
        network: running.then(|| Rates { r#in: figure(index, 8) * 5e6, out: figure(index, 9) * 2e5 }),
        block_io: running.then(|| Rates { r#in: 0.0, out: figure(index, 10) * 3e6 }),
        pids: running.then_some(index as u64 % 40 + 1),
        ports: ports(index),
        ..Container::default()
    }
}

fn ports(index: usize) -> Vec<Port> {
    let public = |at: u16| Some(("0.0.0.0".to_owned(), at));
    let port = |private, public| Port { private, protocol: "tcp".to_owned(), public };
    match index % 3 {
        0 => vec![port(8080, public(18_080 + index as u16 % 1000)), port(9090, None)],
        1 => vec![port(9090, None)],
        _ => Vec::new(),
    }
}

fn event(index: usize, name: String) -> EngineEvent {
    const ACTIONS: [&str; 6] = ["start", "die", "health_status: unhealthy", "kill", "oom", "health_status: healthy"];
    let action = ACTIONS[index % ACTIONS.len()];
    let attributes = match action {
        "die" => [("exitCode".to_owned(), ["0", "3", "137"][index % 3].to_owned())].into(),
        "kill" => [("signal".to_owned(), "15".to_owned())].into(),
        _ => alert::Labels::new(),
    };
    EngineEvent {
        number: index as u64,
        at: ago(7 * index as i64),
        kind: "container".to_owned(),
        action: action.to_owned(),
        id: format!("{index:064x}"),
        name,
        attributes,
    }
}

fn alert(index: usize, name: String) -> Alert {
    let word = ["critical", "warning", "info"][index % 3];
    let labels: alert::Labels =
        [("alertname", name.clone()), ("instance", format!("game-{index}:9100")), ("severity", word.to_owned())]
            .map(|(label, value)| (label.to_owned(), value))
            .into();
    let silence = Silencer {
        id: "5f2c".to_owned(),
        created_by: "ada".to_owned(),
        comment: "known, see INC-7".to_owned(),
        ends_at: start().wall + SignedDuration::from_hours(2),
    };
    let state = [AlertState::Firing, AlertState::Firing, AlertState::Pending, AlertState::Suppressed][index % 4];
    Alert {
        fingerprint: alert::fingerprint(&labels),
        annotations: [("summary".to_owned(), format!("{name} is above its limit for the pool of players"))].into(),
        name,
        state,
        severity: Severity::from_label(Some(word)),
        labels,
        active_at: (index % 5 != 4).then(|| ago(60 * age(index))),
        value: [Some(0.97), None, Some(f64::INFINITY), Some(123_456_789.0)][index % 4],
        silenced_by: if state == AlertState::Suppressed { vec![Arc::new(silence)] } else { Vec::new() },
        ..Alert::default()
    }
}

fn session(index: usize, name: String) -> Session {
    const STATES: [SessionState; 6] = [
        SessionState::Active,
        SessionState::IdleInTransaction,
        SessionState::Idle,
        SessionState::Active,
        SessionState::Hidden,
        SessionState::IdleInTransactionAborted,
    ];
    let state = STATES[index % STATES.len()];
    let since = ago(20 * age(index));
    let hidden = state == SessionState::Hidden;
    Session {
        pid: 4711 + index as i32,
        backend_start: ago(90_000 - index as i64),
        user: "spacetime_app".to_owned(),
        client: format!("10.0.{}.{}", index / 256 % 256, index % 256),
        database: "spacetime".to_owned(),
        state,
        state_change: (!hidden).then_some(since),
        xact_start: (state == SessionState::IdleInTransaction).then_some(since),
        wait: (index % 6 == 2).then(|| "Client: ClientRead".to_owned()),
        blocked_by: if index % 6 == 3 { vec![4712, 4716] } else { Vec::new() },
        query: if hidden { String::new() } else { format!("UPDATE players SET name = '{name}'\n  WHERE id = {index}") },
        application: name,
        ..Session::default()
    }
}

/// A run's id.
pub fn run_id(number: u128) -> RunId {
    RunId(Uuid::from_u128((number << 64) | (0x00ab_cdef + number)))
}

fn record(run: u128, kind: RecordKind, step: Option<&str>, data: Value) -> Event {
    record_at(0, run, kind, step, data)
}

/// A record of the incident, so many seconds after the scene's begin.
pub fn of_incident(second: i64, kind: RecordKind, data: Value) -> Record {
    let Event::Run(RunEvent::Record(record)) = record_at(second, 1, kind, None, data) else { unreachable!() };
    let entry = Entry { run: None, ..record.entry };
    // As far as its one writer's own clock goes.
    let mono_ms = u64::try_from((second + 3600) * 1000).unwrap();
    Record { incident: Some(Uuid::from_u128(0x0001_7f3a_21ab).to_string()), mono_ms, entry, ..*record }
}

/// A record of a run, so many seconds after the scene's begin.
pub fn record_at(second: i64, run: u128, kind: RecordKind, step: Option<&str>, data: Value) -> Event {
    let record = Record {
        id: Uuid::nil(),
        writer: Uuid::nil(),
        seq: 1,
        prev: String::new(),
        hash: String::new(),
        at: start().wall + SignedDuration::from_secs(second),
        mono_ms: 0,
        incident: None,
        actor: Actor { name: "ada".to_owned(), uid: 1000, host: "bastion".to_owned() },
        entry: Entry {
            kind,
            run: Some(run_id(run)),
            step: step.map(str::to_owned),
            role: None,
            target: None,
            env: "staging".to_owned(),
            data,
        },
        kept: Kept::default(),
    };
    Event::Run(RunEvent::Record(Box::new(record)))
}

/// A run that restarts a container, as far as its second step.
pub fn begin(scene: &mut Scene, run: u128, target: &str) {
    for event in begun(run, target) {
        scene.send(event);
    }
}

fn begun(run: u128, target: &str) -> [Event; 3] {
    let steps = json!([
        { "id": "a/check", "title": "The engine answers", "target": target },
        { "id": "a/restart", "title": "Restart it", "target": target },
    ]);
    let data = json!({
        "runbook": "container-restart", "title": "Restart a container", "answer": "y",
        "params": { "container": target }, "steps": steps,
    });
    let sent = json!({ "sent": "POST /containers/4f2a/restart?t=10" });
    [
        record(run, RecordKind::RunStart, None, data),
        record(run, RecordKind::StepExit, Some("a/check"), json!({ "state": "ok", "output": "1.41" })),
        record(run, RecordKind::StepIntent, Some("a/restart"), sent),
    ]
}

/// Its second step, and the run, end.
pub fn end(scene: &mut Scene, run: u128, outcome: &str, reason: &str) {
    for event in ended(run, outcome, reason) {
        scene.send(event);
    }
}

fn ended(run: u128, outcome: &str, reason: &str) -> [Event; 2] {
    let output = "starting\n\x1b[2Jbind: address already in use\n日本語のログ行";
    let data = json!({ "state": outcome, "output": output, "detail": reason });
    [
        record(run, RecordKind::StepExit, Some("a/restart"), data),
        record(run, RecordKind::RunFinish, None, json!({ "outcome": outcome, "reason": reason })),
    ]
}

/// So many runs that are over, as the journal remembers them at the start.
pub fn runs(scene: &mut Scene, count: usize) {
    for run in 0..count as u128 {
        for event in begun(run, "local/api-1").into_iter().chain(ended(run, "ok", "")) {
            let Event::Run(RunEvent::Record(record)) = event else { continue };
            scene.send(Event::Run(RunEvent::Recalled(record)));
        }
    }
}
