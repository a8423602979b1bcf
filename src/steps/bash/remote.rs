//! A change over SSH that outlives its connection: begun there once, followed from the last byte however often the line breaks, ended
//! when it is to be, and forgotten there when the journal has its result.

use super::super::live::{Detached, Lines};
use super::super::{Acted, Call, Cut, Settled};
use super::durable::{Ask, End, GRACE, HEAD, How, Key, Script, State, Volume, Word, words};
use super::script::Told;
use super::{Answer, LINES, acted, harmless};
use crate::connect::Shell;
use crate::connect::ssh::{Ended, Job, Kept, Tap, Unanswered};
use crate::domain::SourceError;
use crate::domain::text::clean;
use crate::runbook::machine::Effect;
use crate::runbook::model::{OnDisconnect, Role};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Longest try to begin it, connecting included.
const START: Duration = Duration::from_secs(30);
/// So long a host waits for something new before it says that there is nothing, in seconds.
const WAIT: u64 = 4;
/// Longer than that, and so much, no answer takes: the line is taken for broken.
const SLACK: Duration = Duration::from_secs(8);
/// Longest other question.
const QUESTION: Duration = Duration::from_secs(15);
/// What was about to begin has begun after so long, or never will.
const CLAIM: Duration = Duration::from_secs(10);
/// From one try to reach the host again to the next, at first, and at most.
const BACKOFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Nobody stops trying to reach a host sooner after the line broke.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long a host is asked to end a script whose line broke (`on-disconnect=stop`).
const STOP_FOR: Duration = Duration::from_secs(30);
/// What is to be ended is asked politely for so many seconds.
const POLITE: u64 = 5;
/// Longest try to forget it there.
const FORGET: Duration = Duration::from_secs(5);

/// One change on one host.
pub(super) struct Remote<'a> {
    call: &'a Call<'a>,
    shell: Shell,
    key: Key,
}

/// What was heard of it so far.
struct Heard {
    streams: [(u64, Kept<'static>); 2],
}

impl Heard {
    fn new() -> Self {
        Self { streams: [(0, Kept::new(HEAD, HEAD)), (0, Kept::new(HEAD, HEAD))] }
    }

    fn take(&mut self, errors: bool, from: u64, bytes: &[u8]) {
        let (at, kept) = &mut self.streams[usize::from(errors)];
        if from > *at {
            kept.skip(usize::try_from(from - *at).unwrap_or(usize::MAX));
        }
        kept.take(bytes);
        *at = from + bytes.len() as u64;
    }

    fn offsets(&self) -> (u64, u64) {
        (self.streams[0].0, self.streams[1].0)
    }

    fn has_all(&self, end: &End) -> bool {
        self.offsets().0 >= end.out.bytes && self.offsets().1 >= end.err.bytes
    }

    fn answer(self, call: &Call<'_>, end: &End) -> Answer {
        let told = match (end.how, end.code) {
            (How::Late, _) => Told::Late(end.left.clone()),
            (_, Some(code)) => Told::Ended(code),
            (_, None) => Told::Silent,
        };
        let [(_, out), (_, err)] = self.streams;
        Answer { told, stdout: harmless(call, &out.all()), stderr: harmless(call, &err.all()) }
    }
}

/// Of an output that was not kept whole: how much it was.
fn told_of(name: &str, Volume { bytes, sum }: &Volume) -> Option<String> {
    let what = sum.as_ref().map_or_else(|| "too much to be hashed".to_owned(), |sum| format!("SHA-256 {sum}"));
    (*bytes > 2 * HEAD as u64).then(|| format!("(the {name} was {bytes} bytes, {what})"))
}

/// What came of asking.
enum Look {
    /// How it stands, with all that is new.
    Now(State),
    /// No answer: why.
    Away(SourceError),
}

impl<'a> Remote<'a> {
    /// The change that a call is about, if its host can be asked to keep it.
    pub(super) fn of(call: &'a Call<'a>, shell: &Shell) -> Option<Self> {
        let undo = call.back || call.fence.role == Role::Undo;
        let changes = matches!(call.fence.role, Role::Run | Role::Undo);
        let key = Key::new(call.run, call.step, call.on, undo.then_some(call.tried));
        (changes && matches!(shell, Shell::There(_))).then(|| Self { call, shell: shell.clone(), key })
    }

    async fn ask(&self, ask: &Ask<'_>, limit: Duration) -> Result<Vec<Word>, Unanswered> {
        self.hear(ask, limit).await.map(|(words, _)| words)
    }

    /// The same, and how far the clock there is ahead, where the answer begins with what it shows.
    async fn hear(&self, ask: &Ask<'_>, limit: Duration) -> Result<(Vec<Word>, Option<f64>), Unanswered> {
        let mark = format!("quarterdeck-{}", Uuid::new_v4().simple());
        let input = ask.input(&self.key, self.call.fence.attrs.sudo.as_deref(), &mark);
        let output = self.shell.send(&Job::script(input.expose_secret(), &[], limit)).await?;
        let mut heard = words(&output.stdout, &mark).unwrap_or_default();
        let date = match heard.first() {
            Some(Word::Date(date)) => Some(*date),
            _ => None,
        };
        heard.retain(|word| !matches!(word, Word::Date(_)));
        if heard.is_empty() {
            let errors = harmless(self.call, &output.stderr);
            let lines: Vec<&str> = errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let said = lines[lines.len().saturating_sub(LINES)..].join(" / ");
            let said = if said.is_empty() { "it answered nothing".to_owned() } else { said };
            // Whoever does what is asked says so: what ended by itself without a word has done nothing.
            let left = !matches!(output.ended, Ended::Exit(code) if code != 0);
            let hint = "it takes a POSIX shell, and for `sudo` a right without a password";
            return Err(Unanswered { left, why: SourceError::new(format!("{}: {said}", self.call.on), hint) });
        }
        Ok((heard, date.and_then(|date| output.ahead(date))))
    }

    /// Why nothing can be kept there.
    pub(super) async fn can(&self) -> Result<(), SourceError> {
        match self.ask(&Ask::Probe, QUESTION).await.as_deref() {
            Ok([Word::Cannot(why), ..]) => Err(self.cannot(why)),
            _ => Ok(()),
        }
    }

    fn cannot(&self, why: &str) -> SourceError {
        let what = format!("{} can't keep a change while nobody is connected: {}", self.call.on, clean(why));
        SourceError::new(what, "docs/runbooks.md says what a step over SSH takes: mend it there")
    }

    /// Begins it, and follows it to its end.
    pub(super) async fn act(&self, script: &Script<'_>) -> Acted {
        let began = Instant::now();
        let (begun, ahead) = match self.hear(&Ask::Start(script), START).await {
            Ok((words, ahead)) => (Ok(words), ahead),
            Err(why) => (Err(why), None),
        };
        Acted { clock_ahead_ms: ahead.map(|ahead| (ahead * 1e3) as i64), ..self.begun(began, begun).await }
    }

    /// What became of that it was to begin.
    async fn begun(&self, began: Instant, begun: Result<Vec<Word>, Unanswered>) -> Acted {
        let not_begun = |why: &str| Effect::NotSent(format!("the script did not begin: {}", clean(why)));
        let effect = match begun.as_deref() {
            Ok([Word::Started(State::No(why)) | Word::Cannot(why), ..]) => not_begun(why),
            Ok([Word::Exists(State::No(why)), ..]) => not_begun(why),
            Ok([Word::Exists(state), ..]) => {
                let why = format!(
                    "it was begun before on {} under this run and step ({}), and is not begun twice",
                    self.call.on,
                    said(state)
                );
                Effect::Unknown(why)
            }
            Err(Unanswered { left: false, why }) => Effect::NotSent(why.to_string()),
            Ok(_) => return self.follow(began, None).await,
            Err(Unanswered { left: true, why }) => return self.follow(began, Some(why.clone())).await,
        };
        Acted::silent(effect)
    }

    /// Hears of it until it has ended, however often the line breaks. `broke`: it has just now.
    async fn follow(&self, began: Instant, mut broke: Option<SourceError>) -> Acted {
        // No line of the error output is taken for another's: the script has its own.
        let none = Uuid::new_v4().to_string();
        let lines = self.call.live.map(|live| Lines::new(live, self.call.connections.redactor(), &none));
        let (mut heard, mut last, mut pause, mut wait) = (Heard::new(), Instant::now(), BACKOFF[0], WAIT);
        let end = began + self.call.fence.attrs.timeout + Duration::from_secs(2 * GRACE) + SLACK;
        loop {
            if let Some(why) = &broke {
                if let Some(acted) = self.broken(why).await {
                    return acted;
                }
                if Instant::now() > end.max(last + PATIENCE) {
                    let why =
                        format!("the line broke after the script was sent ({}), and it may go on there", why.what);
                    return Acted::broken(why);
                }
                self.tell_detached(Some((last, &why.what)));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF[1]);
            }
            let state = match self.look(&mut heard, lines.as_ref(), wait).await {
                Look::Away(why) => {
                    broke = Some(why);
                    continue;
                }
                Look::Now(state) => state,
            };
            if broke.take().is_some() {
                self.tell_detached(None);
            }
            (last, pause, wait) = (Instant::now(), BACKOFF[0], WAIT);
            match state {
                State::Done(done) if !heard.has_all(&done) => wait = 0,
                State::Done(done) => {
                    if let Some(lines) = &lines {
                        lines.end();
                    }
                    return self.ended(heard, &done);
                }
                State::Running if last < end => {}
                State::Claimed | State::None if last < began + START + CLAIM => {
                    tokio::time::sleep(BACKOFF[0]).await;
                }
                other => return self.unclear(&other),
            }
        }
    }

    /// What the runbook wants of a script whose line broke; `None`: that it goes on, and is followed again.
    async fn broken(&self, why: &SourceError) -> Option<Acted> {
        let broke = format!("the line broke after the script was sent ({})", why.what);
        match self.call.fence.attrs.on_disconnect {
            Some(OnDisconnect::Expected) => Some(Acted::broken(format!("{broke}, and it may go on there"))),
            Some(OnDisconnect::Stop) => self.stop(&broke).await,
            Some(OnDisconnect::Finish) | None => None,
        }
    }

    /// Ends it there, as soon as the host can be reached; `None`: it had ended by itself.
    async fn stop(&self, broke: &str) -> Option<Acted> {
        let end = Instant::now() + STOP_FOR;
        loop {
            let why = match self.end().await {
                Ok((left, State::Done(End { how: How::Ended, .. }))) if left.is_empty() => return None,
                Ok((left, _)) if left.is_empty() => {
                    return Some(Acted::broken(format!("{broke}; what was left of it there was ended")));
                }
                Ok((left, _)) => return Some(Acted::broken(format!("{broke}, and STILL RUNNING there: {left}"))),
                Err(why) => why.what,
            };
            if Instant::now() + BACKOFF[0] > end {
                return Some(Acted::broken(format!("{broke}, and it could not be ended there: {why}")));
            }
            tokio::time::sleep(BACKOFF[0]).await;
        }
    }

    fn tell_detached(&self, since: Option<(Instant, &str)>) {
        let line = since.map(|(heard, why)| Detached { heard, why: why.to_owned() });
        if let Some(live) = self.call.live {
            live.detached(line);
        }
    }

    /// What is new over there, and how it stands.
    async fn look(&self, heard: &mut Heard, lines: Option<&Lines<'_>>, wait: u64) -> Look {
        let (out, err) = heard.offsets();
        let limit = Duration::from_secs(wait) + SLACK;
        let words = match self.ask(&Ask::Poll { wait, out, err }, limit).await {
            Ok(words) => words,
            Err(Unanswered { why, .. }) => return Look::Away(why),
        };
        let mut state = None;
        for word in words {
            match word {
                Word::Piece { errors, from, bytes } => {
                    if let Some(lines) = lines {
                        lines.heard(errors, &bytes);
                    }
                    heard.take(errors, from, &bytes);
                }
                Word::State(now) => state = Some(now),
                _ => {}
            }
        }
        let cut = || SourceError::new(format!("{}: its answer was cut off", self.call.on), "it is asked again");
        state.map_or_else(|| Look::Away(cut()), Look::Now)
    }

    fn ended(&self, heard: Heard, end: &End) -> Acted {
        let answer = heard.answer(self.call, end);
        let mut acted = Acted { kept: true, ..acted(self.call, &answer) };
        let long = [told_of("output", &end.out), told_of("error output", &end.err)];
        acted.output = [acted.output].into_iter().chain(long.into_iter().flatten()).collect::<Vec<_>>().join("\n");
        if end.how == How::Cancelled {
            let code = end.code.map_or_else(|| "without a status".to_owned(), |code| format!("with {code}"));
            acted.effect = Effect::Failed(format!("the script was cancelled, and ended {code}"));
        }
        acted
    }

    /// It has no result that can be known.
    fn unclear(&self, state: &State) -> Acted {
        match state {
            State::No(why) => Acted {
                kept: true,
                ..Acted::silent(Effect::NotSent(format!("the script did not begin: {}", clean(why))))
            },
            State::Over(end) => self.ended(Heard::new(), end),
            other => Acted::silent(Effect::Unknown(format!("on {}: {}", self.call.on, said(other)))),
        }
    }

    /// What became of it, by what its host has kept.
    pub(super) async fn settle(&self) -> Settled {
        let mut heard = Heard::new();
        loop {
            match self.look(&mut heard, None, 0).await {
                Look::Away(why) => return Settled::CannotTell(why.to_string()),
                Look::Now(State::Done(end)) if !heard.has_all(&end) => {}
                Look::Now(State::Done(end)) => return Settled::Ended(Box::new(self.ended(heard, &end))),
                Look::Now(State::Running) => {
                    return Settled::NotYet(format!("the script is still running on {}", self.call.on));
                }
                Look::Now(state @ (State::No(_) | State::Over(_))) => {
                    return Settled::Ended(Box::new(self.unclear(&state)));
                }
                Look::Now(state) => return Settled::CannotTell(format!("on {}: {}", self.call.on, said(&state))),
            }
        }
    }

    async fn end(&self) -> Result<(String, State), SourceError> {
        let limit = QUESTION + Duration::from_secs(POLITE + 8);
        let words = self.ask(&Ask::Cancel { grace: POLITE }, limit).await.map_err(|unanswered| unanswered.why)?;
        match words.as_slice() {
            [Word::Left(left), Word::State(state)] => Ok((clean(left).into_owned(), state.clone())),
            _ => Err(SourceError::new(format!("{}: its answer was cut off", self.call.on), "try it again")),
        }
    }

    /// Ends it, and looks what is left.
    pub(super) async fn cut(&self) -> Cut {
        match self.end().await {
            Ok((left, _)) if left.is_empty() => Cut::Gone(format!("nothing of it is left on {}", self.call.on)),
            Ok((left, _)) => Cut::StillRunning(format!("{left} on {}", self.call.on)),
            Err(why) => Cut::StillRunning(format!("nobody can tell on {} what is left of it: {why}", self.call.on)),
        }
    }

    /// Removes what is kept of it. What can't be reached now is removed there after a week.
    pub(super) async fn forget(&self, again: bool) {
        if let Err(unanswered) = self.ask(&Ask::Forget { again }, FORGET).await {
            tracing::info!(host = self.call.on, why = unanswered.why.what, "a result stays on its host for a week");
        }
    }
}

/// A state in words.
fn said(state: &State) -> String {
    match state {
        State::None => "nothing of it was begun there, or it was removed".to_owned(),
        State::Claimed => "it was about to begin, and nothing says whether it did".to_owned(),
        State::Running => "it is still running".to_owned(),
        State::No(why) => format!("it did not begin: {}", clean(why)),
        State::Lost(why) => clean(why).into_owned(),
        State::Done(End { code, .. }) | State::Over(End { code, .. }) => match code {
            Some(code) => format!("it ended with {code}"),
            None => "its time was over, and something of it was left".to_owned(),
        },
    }
}
