//! The HTTP API of Prometheus, and of what answers like it: Thanos, Mimir, VictoriaMetrics.
//!
//! Owns how a question is sent, the envelope around every answer, and what a refusal means in plain words. Must not know
//! what is asked: rules, targets and series are the business of the sources. Source: Prometheus' HTTP API, v1.

mod series;

pub use series::Series;

use super::Web;
use super::http::{self, BaseUrl, Reply};
use crate::clock;
use crate::domain::alert::Labels;
use crate::domain::{self, SourceError};
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Its name in messages.
const NAME: &str = "Prometheus";
/// A question with longer parameters than this is sent as a form: proxies cut addresses at 4 to 8 KiB.
const LONGEST_ADDRESS: usize = 2_000;
/// Points of a [`Prometheus::range`]: as many as a wide screen shows.
const POINTS: u32 = 240;
/// And from this time on, so that what lasted some minutes of a day is not missed.
const LONG: Duration = Duration::from_hours(12);
const POINTS_OF_LONG: u32 = 1440;
/// No step of a range is shorter.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// A Prometheus. Cheap to keep; nothing is sent before something is asked.
#[derive(Clone, Debug)]
pub struct Prometheus {
    name: String,
    web: Web,
    base: BaseUrl,
    timeout: Duration,
}

/// What was answered, and what the server warned of ("query processing would load too many samples …").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<T> {
    /// The `data` of the envelope.
    pub data: T,
    /// Warnings and, since 2.53, infos; one sentence each, as the server wrote them.
    pub warnings: Vec<String>,
}

/// One series of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its labels; `__name__` is one of them where the series has a name.
    pub labels: Labels,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// The moment it is for.
    pub at: Timestamp,
}

impl Prometheus {
    /// At `base`; a question is given up after `timeout`.
    pub fn new(name: &str, web: Web, base: BaseUrl, timeout: Duration) -> Self {
        Self { name: name.to_owned(), web, base, timeout }
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub const fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// `GET api/v1/PATH` with parameters, as a form when they are long.
    ///
    /// # Errors
    /// When no answer came, it refused, or what came is not what this API sends.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer<T>, SourceError> {
        let reply = self.send(path, parameters).await?;
        self.read(&reply)
    }

    /// As [`Self::ask`], for what not every server has: `None` when it answers that it does not know this path.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_if_known<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Option<Answer<T>>, SourceError> {
        let reply = self.send(path, parameters).await?;
        if is_unknown_path(&reply) { Ok(None) } else { self.read(&reply).map(Some) }
    }

    /// The value of an expression now (`/api/v1/query`): one reading for each series; a scalar is one without labels.
    ///
    /// # Errors
    /// As for [`Self::ask`]; an expression that can't be read is refused with the server's words.
    pub async fn query(&self, query: &str) -> Result<Answer<Vec<Reading>>, SourceError> {
        let answer = self.ask::<Instant>("query", &[("query", query)]).await?;
        Ok(Answer { data: answer.data.readings(), warnings: answer.warnings })
    }

    /// The value of an expression now, for an answer of tens of thousands of series: what came, to be read one by one by
    /// [`Self::each`].
    ///
    /// # Errors
    /// When no answer came.
    pub async fn ask_many(&self, query: &str) -> Result<Reply, SourceError> {
        self.send("query", &[("query", query)]).await
    }

    /// Calls `each` with every series of such an answer, a vector, that has a value; what the server warned of.
    ///
    /// # Errors
    /// As for [`Self::query`]. Some series may have been told before.
    pub fn each<'a>(&self, reply: &'a Reply, each: impl FnMut(Series<'a>)) -> Result<Vec<String>, SourceError> {
        self.judge(reply, series::read(&reply.body, each))
    }

    /// The values of an expression over the last while (`/api/v1/query_range`), at up to 240 even distances;
    /// from twelve hours on at 1440.
    ///
    /// # Errors
    /// As for [`Self::query`].
    pub async fn range(&self, query: &str, back: Duration) -> Result<domain::Series, SourceError> {
        let range = Range::ending(clock::now().wall, back);
        let texts = [seconds(range.start), seconds(range.end), format!("{:.3}", range.step.as_secs_f64())];
        let [start, end, step] = &texts;
        let parameters = [("query", query), ("start", start), ("end", end), ("step", step)];
        let answer = self.ask::<Matrix>("query_range", &parameters).await?;
        Ok(range.series(answer.data.result))
    }

    async fn send(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Reply, SourceError> {
        let mut url = self.base.join(&format!("api/v1/{path}"));
        let encoded = encode(parameters);
        let request = if encoded.len() > LONGEST_ADDRESS {
            let form = self.web.post(url).header("content-type", "application/x-www-form-urlencoded");
            form.body(encoded)
        } else {
            url.set_query((!encoded.is_empty()).then_some(&encoded));
            self.web.get(url)
        };
        http::send(&self.web, request.timeout(self.timeout), NAME, &self.base).await
    }

    fn read<T: DeserializeOwned>(&self, reply: &Reply) -> Result<Answer<T>, SourceError> {
        self.judge(reply, envelope(&reply.body))
    }

    fn judge<T>(&self, reply: &Reply, read: Result<T, Wrong>) -> Result<T, SourceError> {
        let success = (200..300).contains(&reply.status);
        match read {
            Ok(answer) if success => Ok(answer),
            Err(Wrong::Said(said)) => Err(refused(&self.base, reply.status, &said)),
            Err(Wrong::Shape(why)) if success => Err(http::not_the_api(NAME, &self.base, &why)),
            Ok(_) | Err(Wrong::Shape(_)) => Err(http::refused(NAME, &self.base, reply.status, "")),
        }
    }
}

/// Prometheus' own refusals have a code of their own: the question is at fault, or it took too long.
fn refused(base: &BaseUrl, status: u16, said: &str) -> SourceError {
    let plain = http::refused(NAME, base, status, said);
    match status {
        400 | 422 => {
            SourceError::new(plain.what, "the expression is not to its liking: try it in the server's own page")
        }
        503 => SourceError::new(plain.what, "it is starting, or the question took it too long: look at its log"),
        _ => plain,
    }
}

/// The server has no such thing: 404, a method or path that is not implemented, or VictoriaMetrics' words for it.
fn is_unknown_path(reply: &Reply) -> bool {
    let says_so = || reply.body.windows(16).any(|words| words == b"unsupported path");
    match reply.status {
        404 | 405 | 501 => true,
        400 => says_so(),
        _ => false,
    }
}

fn encode(parameters: &[(&str, &str)]) -> String {
    // Only its query is wanted; the address itself is a constant that can be read.
    let url = Url::parse_with_params("http://x", parameters);
    url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// Unix time in seconds, with milliseconds: what `start` and `end` take.
fn seconds(at: Timestamp) -> String {
    let millis = at.as_millisecond();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// Why an answer holds no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The server says why.
    Said(String),
    /// It is not what this API sends.
    Shape(String),
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Envelope<T> {
    status: String,
    data: Option<T>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

/// Opens the envelope that is around every answer.
///
/// # Errors
/// When the server says that it failed, or the body is none of this API's; never an empty answer in place of one.
pub fn envelope<T: DeserializeOwned>(body: &[u8]) -> Result<Answer<T>, Wrong> {
    let envelope = serde_json::from_slice::<Envelope<T>>(body);
    let Envelope { status, data, error, mut warnings, infos } = match envelope {
        Ok(envelope) => envelope,
        // An error has `data` of another shape, or none; its words are worth more than that it has.
        Err(shape) => return Err(said(body).map_or_else(|| Wrong::Shape(shape.to_string()), Wrong::Said)),
    };
    warnings.extend(infos);
    match (status.as_str(), data) {
        ("success", Some(data)) => Ok(Answer { data, warnings }),
        ("success", None) => Err(Wrong::Shape("the answer has no data".to_owned())),
        ("error", _) => Err(Wrong::Said(error)),
        (status, _) => Err(Wrong::Shape(format!("its status is {status:?}"))),
    }
}

fn said(body: &[u8]) -> Option<String> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_slice(body).ok()?;
    (envelope.status == "error").then_some(envelope.error)
}

/// A moment and a value: a number, and a number in quotes.
#[derive(Clone, Debug, Deserialize)]
struct Point(f64, String);

impl Point {
    fn reading(&self, labels: Labels) -> Option<Reading> {
        let at = Timestamp::from_millisecond((self.0 * 1000.0).round() as i64).ok()?;
        Some(Reading { labels, value: self.1.parse().ok()?, at })
    }
}

/// The answer to an instant query. Text results exist, and have no value.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Instant {
    Vector(Vec<Sampled>),
    Scalar(Point),
    Matrix(Vec<Ranged>),
    String(serde::de::IgnoredAny),
}

#[derive(Clone, Debug, Deserialize)]
struct Sampled {
    #[serde(default)]
    metric: Labels,
    /// Absent for a native histogram.
    value: Option<Point>,
}

impl Instant {
    fn readings(self) -> Vec<Reading> {
        match self {
            Self::Vector(samples) => {
                samples.into_iter().filter_map(|sample| sample.value?.reading(sample.metric)).collect()
            }
            Self::Scalar(point) => point.reading(Labels::new()).into_iter().collect(),
            // `up[5m]`: the newest of each.
            Self::Matrix(series) => {
                series.into_iter().filter_map(|series| series.values.last()?.reading(series.metric)).collect()
            }
            Self::String(_) => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Matrix {
    result: Vec<Ranged>,
}

#[derive(Clone, Debug, Deserialize)]
struct Ranged {
    #[serde(default)]
    metric: Labels,
    /// Absent for native histograms.
    #[serde(default)]
    values: Vec<Point>,
}

/// How many points a length of time is told with.
fn points(back: Duration) -> u32 {
    if back < LONG { POINTS } else { POINTS_OF_LONG }
}

/// What is asked for: evenly from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    start: Timestamp,
    end: Timestamp,
    step: Duration,
}

impl Range {
    fn ending(end: Timestamp, back: Duration) -> Self {
        let step = (back / points(back)).max(SHORTEST_STEP);
        Self { start: end - back, end, step }
    }

    /// The first series on our grid; where it has no point, NaN.
    fn series(self, mut all: Vec<Ranged>) -> domain::Series {
        let of = all.len();
        if of == 0 {
            return domain::Series::default();
        }
        let first = all.swap_remove(0).values;
        let (start, step) = (self.start.as_millisecond() as f64 / 1000.0, self.step.as_secs_f64());
        let slots = (self.end.duration_since(self.start).as_secs_f64() / step) as usize + 1;
        let mut points = vec![f64::NAN; slots.min(POINTS_OF_LONG as usize + 1)];
        for Point(at, value) in first {
            let slot = ((at - start) / step).round();
            // A server that rounds our times to its own grid (Thanos, Mimir) is at most half a step off.
            if slot >= 0.0
                && let Some(point) = points.get_mut(slot as usize)
            {
                *point = value.parse().unwrap_or(f64::NAN);
            }
        }
        domain::Series { points, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn readings(data: &str) -> Vec<Reading> {
        let body = format!(r#"{{"status":"success","data":{data}}}"#);
        envelope::<Instant>(body.as_bytes()).unwrap().data.readings()
    }

    #[test]
    fn an_instant_answer_is_read_in_every_form() {
        let vector = r#"{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1732507200.123,"1"]},
            {"metric":{"job":"b"},"value":[1732507200,"NaN"]},
            {"metric":{"job":"c"},"value":[1732507200,"+Inf"]},
            {"metric":{"job":"h"},"histogram":[1732507200,{"count":"1"}]}]}"#;
        let all = readings(vector);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].labels["job"].as_str(), all[0].value), ("a", 1.0));
        assert_eq!(all[0].at.to_string(), "2024-11-25T04:00:00.123Z");
        assert!(all[1].value.is_nan());
        assert!(all[2].value.is_infinite());
        let values = |data: &str| readings(data).iter().map(|reading| reading.value).collect::<Vec<f64>>();
        assert_eq!(values(r#"{"resultType":"scalar","result":[5,"2.5"]}"#), [2.5]);
        let matrix = r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"3"]]}]}"#;
        assert_eq!(values(matrix), [3.0]);
        assert_eq!(readings(r#"{"resultType":"string","result":[5,"x"]}"#), []);
    }

    #[test]
    fn a_failure_is_never_an_empty_answer() {
        let said = br#"{"status":"error","errorType":"bad_data","error":"parse error","data":null}"#;
        assert_eq!(envelope::<Instant>(said).unwrap_err(), Wrong::Said("parse error".to_owned()));
        let said = br#"{"status":"error","error":"expired","data":{"resultType":"vector","result":3}}"#;
        assert_eq!(envelope::<Instant>(said).unwrap_err(), Wrong::Said("expired".to_owned()));
        for body in ["", "[]", "<html>", "{}", r#"{"status":"success"}"#, r#"{"status":"success","data":{}}"#, "null"] {
            assert!(matches!(envelope::<Instant>(body.as_bytes()), Err(Wrong::Shape(_))), "{body}");
        }
    }

    #[test]
    fn warnings_are_kept() {
        let body =
            br#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["slow"],"infos":["odd"]}"#;
        assert_eq!(envelope::<Instant>(body).unwrap().warnings, ["slow", "odd"]);
    }

    #[test]
    fn a_range_stands_on_an_even_grid_with_its_gaps() {
        let end = Timestamp::from_second(1_000_000).unwrap();
        let range = Range::ending(end, Duration::from_hours(1));
        assert_eq!(range.step, Duration::from_secs(15));
        let point =
            |slot: i64, off: f64, value: &str| Point((1_000_000 - 3600 + slot * 15) as f64 + off, value.to_owned());
        let values = vec![point(0, 0.0, "1"), point(2, 0.4, "3"), point(240, 0.0, "9"), point(900, 0.0, "7")];
        let series = range.series(vec![Ranged { metric: Labels::new(), values }]);
        assert_eq!((series.points.len(), series.of), (241, 1));
        assert_eq!((series.points[0], series.points[2], series.points[240]), (1.0, 3.0, 9.0));
        assert!(series.points[1].is_nan());
        assert_eq!(range.series(Vec::new()), domain::Series::default());
        assert_eq!(Range::ending(end, Duration::from_secs(30)).step, SHORTEST_STEP);
    }

    #[test]
    fn parameters_are_encoded() {
        assert_eq!(
            encode(&[("query", "up{a=\"b\"} > 1 & é"), ("x", "")]),
            "query=up%7Ba%3D%22b%22%7D+%3E+1+%26+%C3%A9&x="
        );
        assert_eq!(seconds("2024-11-25T04:00:00.05Z".parse().unwrap()), "1732507200.050");
    }

    #[test]
    fn a_path_that_a_server_lacks_is_told_from_a_refusal() {
        let reply = |status, body: &str| Reply { status, body: body.as_bytes().to_vec() };
        assert!(is_unknown_path(&reply(404, "404 page not found")));
        assert!(is_unknown_path(&reply(400, "unsupported path requested: \"/api/v1/alertmanagers\"")));
        assert!(!is_unknown_path(&reply(400, "bad")));
        assert!(!is_unknown_path(&reply(401, "")));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}", at in any::<f64>(), value in "\\PC{0,8}") {
            let _ = envelope::<Instant>(text.as_bytes()).map(|answer| answer.data.readings());
            let _ = Point(at, value.clone()).reading(Labels::new());
            let range = Range::ending(Timestamp::from_second(5).unwrap(), Duration::from_mins(1));
            let _ = range.series(vec![Ranged { metric: Labels::new(), values: vec![Point(at, value)] }]);
        }
    }
}
