//! What a team agreed about incidents: how bad they are, how soon somebody answers, who is called when, and what is due afterwards.

use super::id::IncidentId;
use super::severity::Severity;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Letters of an incident's title at most: it stands in one line everywhere.
pub const TITLE: usize = 120;

/// How bad an incident is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Critical: a complete outage.
    P0,
    /// High: something that matters is broken.
    P1,
    /// Medium: it works, badly.
    P2,
    /// Low: it can wait.
    P3,
}

impl Priority {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    /// `P0`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }

    /// What it stands for.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::P0 => "critical: complete outage",
            Self::P1 => "high: something that matters is broken",
            Self::P2 => "medium: it works, badly",
            Self::P3 => "low: it can wait",
        }
    }

    /// From `P0`, `p0` or `0`.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        let is_it = |priority: &Self| priority.word().eq_ignore_ascii_case(word) || priority.word()[1..] == *word;
        Self::ALL.into_iter().find(is_it)
    }

    /// That of an alert, as long as nobody has looked closer.
    pub const fn of_alert(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::P1,
            Severity::Warning => Self::P2,
            Severity::None | Severity::Ok | Severity::Info | Severity::Unknown => Self::P3,
        }
    }

    /// How it is shown.
    pub const fn severity(self) -> Severity {
        match self {
            Self::P0 | Self::P1 => Severity::Critical,
            Self::P2 => Severity::Warning,
            Self::P3 => Severity::Info,
        }
    }

    /// Its place, 0 to 3.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What somebody does in an incident, besides mending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Decides.
    Commander,
    /// Changes things.
    Operations,
    /// Writes down.
    Scribe,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commander, Self::Operations, Self::Scribe];

    /// The word shown, typed and recorded.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Commander => "commander",
            Self::Operations => "operations",
            Self::Scribe => "scribe",
        }
    }

    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// As what an incident is closed that was none of its own: nobody owes a post-mortem of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedAs {
    /// Nothing was wrong.
    FalseAlarm,
    /// It is the same as that one.
    DuplicateOf(IncidentId),
}

impl ClosedAs {
    /// The word typed and recorded.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FalseAlarm => "false-alarm",
            Self::DuplicateOf(_) => "duplicate-of",
        }
    }

    /// The one that it is the same as.
    pub const fn of(self) -> Option<IncidentId> {
        match self {
            Self::FalseAlarm => None,
            Self::DuplicateOf(id) => Some(id),
        }
    }

    /// `a false alarm`, `a duplicate of 3a21ab`.
    pub fn told(self) -> String {
        match self {
            Self::FalseAlarm => "a false alarm".to_owned(),
            Self::DuplicateOf(id) => format!("a duplicate of {}", id.short()),
        }
    }

    /// What the record of an end says of it.
    pub fn write(self, data: &mut Value) {
        data["as"] = self.word().into();
        if let Some(id) = self.of() {
            data["of"] = id.to_string().into();
        }
    }

    /// From the record of an end; `None`: it was one of its own.
    pub fn read(data: &Value) -> Option<Self> {
        match data["as"].as_str()? {
            "false-alarm" => Some(Self::FalseAlarm),
            "duplicate-of" => IncidentId::parse(data["of"].as_str()?).map(Self::DuplicateOf),
            _ => None,
        }
    }
}

/// What is agreed for a priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// From the declaration until somebody says that they are on it.
    pub respond: Duration,
    /// From one status update to the next; `None`: none is owed.
    pub update: Option<Duration>,
}

/// By when something is due: what the config says at the declaration stays agreed for that incident, whatever it says later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// By [`Priority::index`].
    pub response: [Response; 4],
    /// From the resolution until the post-mortem is due.
    pub report: Duration,
}

impl Agreed {
    /// What is agreed for this priority.
    pub const fn of(&self, priority: Priority) -> Response {
        self.response[priority.index()]
    }

    /// As the record of a declaration has it, by the config's names.
    pub fn write(&self) -> Value {
        let minutes = |time: Duration| time.as_secs() / 60;
        let respond = self.response.map(|rule| minutes(rule.respond));
        let update = self.response.map(|rule| rule.update.map_or(0, minutes));
        json!({ "respond_minutes": respond, "update_minutes": update, "report_hours": minutes(self.report) / 60 })
    }

    /// From the record of a declaration; `None`: it was made before that was recorded, or says nothing that can be agreed.
    pub fn read(data: &Value) -> Option<Self> {
        let table = &data["agreed"];
        let each = |key: &str| serde_json::from_value::<[u32; 4]>(table[key].clone()).ok();
        let report_hours = u32::try_from(table["report_hours"].as_u64()?).ok()?;
        Self::of_figures(each("respond_minutes")?, each("update_minutes")?, report_hours).ok()
    }

    fn of_figures(respond: [u32; 4], update: [u32; 4], report_hours: u32) -> Result<Self, String> {
        if let Some(at) = respond.iter().position(|minutes| *minutes == 0) {
            return Err(format!("respond_minutes of P{at} is 0: nobody answers at once, write 1 or more"));
        }
        let mut response = [Response { respond: Duration::ZERO, update: None }; 4];
        for (rule, (respond, update)) in response.iter_mut().zip(respond.into_iter().zip(update)) {
            *rule = Response { respond: minutes(respond), update: (update > 0).then(|| minutes(update)) };
        }
        Ok(Self { response, report: minutes(60) * report_hours })
    }
}

/// How fast time goes by for an incident: once, but in a rehearsal. Kept in thousandths, so that the same record makes the same times everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(u32);

impl Speed {
    /// As the record of a declaration has it; `None`: as on every other day.
    pub fn write(self) -> Option<Value> {
        (self != Self::default()).then(|| json!(f64::from(self.0) / 1000.0))
    }

    /// From the record of a declaration.
    pub fn read(data: &Value) -> Self {
        data["speed"].as_f64().and_then(|speed| Self::try_from(speed).ok()).unwrap_or_default()
    }

    /// How long that is for the incident.
    pub fn stretch(self, time: SignedDuration) -> SignedDuration {
        SignedDuration::from_nanos_i128(time.as_nanos() * i128::from(self.0) / 1000)
    }

    /// How long what is that long for the incident is by a clock.
    pub fn shrink(self, time: SignedDuration) -> SignedDuration {
        SignedDuration::from_nanos_i128(time.as_nanos() * 1000 / i128::from(self.0))
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self(1000)
    }
}

impl TryFrom<f64> for Speed {
    type Error = String;

    fn try_from(speed: f64) -> Result<Self, String> {
        let fits = (0.1..=600.0).contains(&speed);
        fits.then(|| Self((speed * 1000.0).round() as u32)).ok_or_else(|| format!("speed is {speed}: write 0.1 to 600"))
    }
}

/// Who is called when an incident goes on for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// From the declaration; until it is mitigated.
    pub after: Duration,
    /// Who: `senior SRE`.
    pub role: String,
    /// Name and how to reach them; empty: nobody has written it down.
    pub contact: String,
}

/// All of it: `[incident]` in the config.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RulesTable")]
pub struct Rules {
    /// By when something is due.
    pub agreed: Agreed,
    /// First to last.
    pub escalation: Vec<Level>,
    /// Where those who mend it talk; empty: nobody has written it down.
    pub channel: String,
    /// Ids of the runbooks that tell others how it stands: one that ended well is a status update.
    pub updates: Vec<String>,
    /// How fast time goes by for an incident that is declared.
    pub speed: Speed,
}

impl Rules {
    /// The record of a declaration, but for its title: with what is agreed, so that it tells the same when the config says something else.
    pub fn declaration(&self, priority: Priority) -> Value {
        let mut data = json!({ "priority": priority, "agreed": self.agreed.write() });
        if let Some(speed) = self.speed.write() {
            data["speed"] = speed;
        }
        data
    }
}

/// `[incident]` as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesTable {
    /// Minutes until somebody answers an incident: of P0, P1, P2, P3.
    respond_minutes: [u32; 4],
    /// Minutes from one status update to the next, of each; 0: none is owed.
    update_minutes: [u32; 4],
    /// Hours from the resolution until the post-mortem is due.
    report_hours: u32,
    /// Where those who mend it talk, as a handover names it: `#incidents`, an address.
    channel: String,
    /// Ids of runbooks that tell others how it stands: one that ends well counts as a status update.
    updates: Vec<String>,
    /// Minutes that go by for an incident in one of the clock: 1, but in a rehearsal that goes faster.
    speed: f64,
    /// Who is called when it goes on, first to last.
    escalation: Vec<LevelTable>,
}

/// One of `[[incident.escalation]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LevelTable {
    /// Minutes since it was declared.
    after_minutes: u32,
    /// Who: a role.
    role: String,
    /// Name, and how to reach them.
    #[serde(default)]
    contact: String,
}

impl Default for RulesTable {
    /// `SpaceTime`'s: answered within 15 min, 1 h, 4 h, 24 h; called after 15 min, 30 min, 1 h, 2 h; post-mortem after 48 h. How often others are told stands
    /// in no handbook of theirs.
    fn default() -> Self {
        let level =
            |after_minutes, role: &str| LevelTable { after_minutes, role: role.to_owned(), contact: String::new() };
        Self {
            respond_minutes: [15, 60, 240, 1440],
            update_minutes: [30, 60, 240, 0],
            report_hours: 48,
            channel: String::new(),
            updates: ["status-open", "status-update", "status-resolve"].map(str::to_owned).to_vec(),
            speed: 1.0,
            escalation: vec![
                level(15, "on-call engineer"),
                level(30, "senior SRE"),
                level(60, "engineering manager"),
                level(120, "VP engineering"),
            ],
        }
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}

impl TryFrom<RulesTable> for Rules {
    type Error = String;

    fn try_from(table: RulesTable) -> Result<Self, String> {
        let agreed = Agreed::of_figures(table.respond_minutes, table.update_minutes, table.report_hours)?;
        let levels = &table.escalation;
        if let Some(pair) = levels.windows(2).find(|pair| pair[0].after_minutes >= pair[1].after_minutes) {
            let (one, next) = (&pair[0].role, &pair[1].role);
            return Err(format!("{next:?} is called no later than {one:?}: name who is called first first"));
        }
        let level =
            |level: LevelTable| Level { after: minutes(level.after_minutes), role: level.role, contact: level.contact };
        Ok(Self {
            agreed,
            escalation: table.escalation.into_iter().map(level).collect(),
            channel: table.channel,
            updates: table.updates,
            speed: Speed::try_from(table.speed)?,
        })
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::try_from(RulesTable::default()).unwrap_or_else(|_| unreachable!("a test reads it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for priority in Priority::ALL {
            assert_eq!(Priority::parse(&priority.word().to_lowercase()), Some(priority));
            assert_eq!(Priority::parse(&priority.index().to_string()), Some(priority));
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.word());
        }
        for duty in Duty::ALL {
            assert_eq!(Duty::parse(duty.word()), Some(duty));
            assert_eq!(serde_json::to_value(duty).unwrap(), duty.word());
        }
        assert_eq!((Priority::parse("P4"), Priority::parse("P"), Duty::parse("boss")), (None, None, None));
    }

    #[test]
    fn an_end_as_none_of_its_own_is_read_back() {
        let id = IncidentId::parse("00000000-0000-0000-0000-00017f3a21ab").unwrap();
        for closed in [ClosedAs::FalseAlarm, ClosedAs::DuplicateOf(id)] {
            let mut data = serde_json::json!({ "text": "seen" });
            closed.write(&mut data);
            assert_eq!((ClosedAs::read(&data), data["as"].as_str()), (Some(closed), Some(closed.word())));
        }
        assert_eq!(ClosedAs::DuplicateOf(id).told(), "a duplicate of 3a21ab");
        assert_eq!(ClosedAs::read(&serde_json::json!({ "text": "all well" })), None);
        assert_eq!(ClosedAs::read(&serde_json::json!({ "as": "duplicate-of", "of": "nobody" })), None);
    }

    #[test]
    fn the_worse_it_is_the_sooner_somebody_answers() {
        let rules = Rules::default();
        let respond = Priority::ALL.map(|priority| rules.agreed.of(priority).respond.as_secs() / 60);
        assert_eq!(respond, [15, 60, 240, 1440]);
        assert!(rules.escalation.is_sorted_by_key(|level| level.after));
        let update = |priority| rules.agreed.of(priority).update;
        assert_eq!((update(Priority::P0), update(Priority::P3)), (Some(minutes(30)), None));
    }

    #[test]
    fn what_is_agreed_is_read_back_from_a_declaration() {
        let own = "respond_minutes = [5, 6, 7, 8]\nupdate_minutes = [0, 1, 2, 3]\nreport_hours = 24\nspeed = 2.5";
        let rules = toml::from_str::<Rules>(own).unwrap();
        let data = rules.declaration(Priority::P2);
        assert_eq!((Agreed::read(&data), Speed::read(&data)), (Some(rules.agreed), rules.speed));
        assert_eq!(data["speed"], 2.5);
        let plain = Rules::default().declaration(Priority::P2);
        assert_eq!((plain.get("speed"), Speed::read(&plain)), (None, Speed::default()));
        for (key, value) in
            [("respond_minutes", json!([0, 1, 1, 1])), ("report_hours", json!(-1)), ("update_minutes", json!("often"))]
        {
            let mut data = data.clone();
            data["agreed"][key] = value;
            assert_eq!(Agreed::read(&data), None, "{key}: nobody can have agreed to that");
        }
        let (long, short) = (SignedDuration::from_secs(25), SignedDuration::from_secs(10));
        assert_eq!((rules.speed.stretch(short), rules.speed.shrink(long)), (long, short));
    }

    #[test]
    fn a_table_of_rules_says_what_is_wrong_with_it() {
        let read = |text: &str| toml::from_str::<Rules>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read(""), Ok(Rules::default()));
        let own = read("respond_minutes = [5, 60, 240, 1440]\nescalation = [{ after_minutes = 5, role = \"ops\", contact = \"1\" }]").unwrap();
        assert_eq!((own.agreed.of(Priority::P0).respond, own.escalation[0].contact.as_str()), (minutes(5), "1"));
        assert!(read("respond_minutes = [0, 1, 1, 1]").unwrap_err().starts_with("respond_minutes of P0 is 0"));
        assert_eq!(read("speed = 601.0").unwrap_err(), "speed is 601: write 0.1 to 600");
        let levels = "escalation = [{ after_minutes = 5, role = \"a\" }, { after_minutes = 5, role = \"b\" }]";
        assert!(read(levels).unwrap_err().starts_with("\"b\" is called no later than \"a\""));
    }
}
