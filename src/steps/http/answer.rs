//! What a service answered, as conditions and people see it.

use crate::domain::text::{clean, clean_lines};
use crate::redact::Redactor;
use crate::runbook::expr::Names;
use reqwest::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Read of a body, in bytes; the rest is left where it is.
const MOST: usize = 1 << 20;
/// Told of a body, in bytes.
const SHOWN: usize = 4 << 10;
/// Told of it in the sentence of a refusal, in bytes.
const WHY: usize = 200;

/// An answer without its secrets.
pub(super) struct Answer {
    status: u16,
    headers: Map<String, Value>,
    body: String,
    json: Option<Value>,
    ms: u64,
    /// Not all of the body came.
    cut: bool,
    /// It wants to be asked again after so long, and not before.
    later: Option<Duration>,
}

impl Answer {
    /// Reads it, as far as it comes. `started` is when the request was sent.
    pub(super) async fn read(mut response: Response, started: Instant, end: Instant, redactor: &Redactor) -> Self {
        let (status, headers) = (response.status().as_u16(), headers(&response, redactor));
        let later = later(&response);
        let (mut bytes, mut cut) = (Vec::new(), false);
        loop {
            match timeout_at(end, response.chunk()).await {
                Ok(Ok(Some(chunk))) if bytes.len() + chunk.len() <= MOST => bytes.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                // Too long, broken off, or too late: the status is known, and what came of the body.
                Ok(Ok(Some(_)) | Err(_)) | Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let json = serde_json::from_slice(&bytes).ok().filter(|_| !cut).map(|json| redactor.json(json));
        let body = clean_lines(&redactor.text(&String::from_utf8_lossy(&bytes)));
        Self { status, headers, body, json, ms, cut, later }
    }

    /// What a condition sees. `json` is there when the body is JSON.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::from([
            ("status".to_owned(), json!(self.status)),
            ("headers".to_owned(), Value::Object(self.headers.clone())),
            ("body".to_owned(), json!(self.body)),
            ("ms".to_owned(), json!(self.ms)),
        ]);
        names.extend(self.json.clone().map(|json| ("json".to_owned(), json)));
        names
    }

    /// What a `plan` captures: the items of a list of JSON, or the one object that it is; of anything else there are none.
    pub(super) fn rows(&self) -> Vec<Value> {
        match &self.json {
            Some(Value::Array(items)) => items.clone(),
            Some(object @ Value::Object(_)) => vec![object.clone()],
            _ => Vec::new(),
        }
    }

    /// As in `the answer is 200, after 12 ms`; of one that is none, also why, where it says so in a few words.
    pub(super) fn sentence(&self) -> String {
        let cut = if self.cut { ", and not all of it came" } else { "" };
        let later = self.later.map_or_else(String::new, |later| {
            format!(", and it wants to be asked again after {} s (Retry-After)", later.as_secs())
        });
        format!("the answer is {}, after {} ms{cut}{later}{}", self.status, self.ms, self.why())
    }

    /// `: {"error": "…"}`; nothing of a good answer, and nothing of a page that is made for a browser.
    fn why(&self) -> String {
        let text = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.status < 400 || text.is_empty() || text.starts_with('<') {
            return String::new();
        }
        let end = text.floor_char_boundary(WHY);
        format!(": {}{}", &text[..end], if end < text.len() { "…" } else { "" })
    }

    /// So long the service wants to be left alone.
    pub(super) const fn later(&self) -> Option<Duration> {
        self.later
    }

    /// It could not do it this time, and says nothing of what it did.
    pub(super) const fn failed(&self) -> bool {
        self.status >= 500
    }

    /// The status and the beginning of the body.
    pub(super) fn text(&self) -> String {
        let end = self.body.floor_char_boundary(SHOWN);
        let more = if end < self.body.len() { "\n…" } else { "" };
        format!("{}\n{}{more}", self.status, &self.body[..end])
    }

    /// The service says that it did nothing. 408 comes from services that gave up waiting, and 499 from proxies: who knows.
    pub(super) const fn refuses(&self) -> bool {
        matches!(self.status, 400..=407 | 409..=498)
    }
}

/// `Retry-After`, measured from the answer's own `Date`, whatever clocks say here.
fn later(response: &Response) -> Option<Duration> {
    let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::trim);
    wait(header("retry-after")?, header("date"))
}

/// Seconds, or from a time to another one; one that is over is none to wait for.
fn wait(after: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let left = time(after)?.duration_since(time(now?)?);
    Some(Duration::try_from(left).unwrap_or_default())
}

/// By their names in small letters; cookies are secrets.
fn headers(response: &Response, redactor: &Redactor) -> Map<String, Value> {
    let known = response.headers().iter().filter(|(name, _)| *name != "set-cookie");
    known
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), json!(clean(&redactor.text(&value))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_ask_again_is_read_as_seconds_and_as_a_time() {
        let now = Some("Sun, 29 Nov 2026 03:00:00 GMT");
        let seconds = |after, now| wait(after, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("30", None), Some(30));
        assert_eq!(seconds("Sun, 29 Nov 2026 03:01:30 GMT", now), Some(90));
        assert_eq!(seconds("Sun, 29 Nov 2026 02:00:00 GMT", now), Some(0), "it is over");
        assert_eq!(seconds("Sun, 29 Nov 2026 03:01:30 GMT", None), None, "from when, nobody says");
        assert_eq!(seconds("soon", now), None);
    }
}
