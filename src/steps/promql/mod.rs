//! `promql` fences, through a Prometheus that the config names. It only looks.

use super::{Acted, Call, Found, Judged, Pinned, Settled, Step, StepKind};
use crate::connect::prometheus::Reading;
use crate::domain::SourceError;
use crate::domain::text::clean;
use crate::runbook::StepPermit;
use crate::runbook::expr::Names;
use crate::runbook::language::Secrets;
use crate::runbook::language::promql::{LANGUAGE, render};
use crate::runbook::machine::Effect;
use crate::runbook::model::NoData;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Registry line.
pub const KIND: StepKind = StepKind { language: &LANGUAGE, step: &PromqlStep };

/// The way to a Prometheus.
struct PromqlStep;

fn expression(call: &Call<'_>) -> Result<String, SourceError> {
    let outs = call.lists();
    render(&call.fence.body, &call.scope(&outs, Secrets::Named))
        .map_err(|why| SourceError::new(why, "give it a value, or take it out of the query"))
}

#[async_trait]
impl Step for PromqlStep {
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError> {
        let server = call.connections.need_prometheus(call.on)?;
        // What an earlier step captures is not there yet.
        let sent = expression(&call).unwrap_or_else(|_| call.fence.body.trim().to_owned());
        Ok(Pinned { sent, address: server.base().to_string(), ..Pinned::default() })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError> {
        let server = call.connections.need_prometheus(call.on)?;
        let answer = server.query(&expression(&call)?).await?;
        Ok(found(&answer.data, &answer.warnings, call.fence.attrs.nodata))
    }

    async fn facts(&self, _call: Call<'_>) -> Result<Value, SourceError> {
        Ok(Value::Null)
    }

    async fn act(&self, _call: Call<'_>, _permit: StepPermit) -> Acted {
        Acted::silent(Effect::NotSent("PromQL changes nothing".to_owned()))
    }

    async fn settle(&self, _call: Call<'_>, _facts: &Value, _age: Duration) -> Settled {
        Settled::DidNot("PromQL changes nothing".to_owned())
    }
}

fn found(readings: &[Reading], warnings: &[String], nodata: Option<NoData>) -> Found {
    let series: Vec<Value> =
        readings.iter().map(|reading| json!({ "labels": reading.labels, "value": reading.value })).collect();
    let rows: Vec<Value> = readings.iter().map(row).collect();
    let labels: BTreeSet<&str> =
        readings.iter().flat_map(|reading| reading.labels.keys().map(String::as_str)).collect();
    let columns = labels.into_iter().chain(["value"]).map(str::to_owned).collect();
    let mut names = Names::from([("series".to_owned(), json!(series)), ("rows".to_owned(), json!(rows))]);
    let mut text = match readings {
        [] => "no data".to_owned(),
        [one] => {
            names.insert("value".to_owned(), json!(one.value));
            format!("the value is {}", one.value)
        }
        many => format!("{} series", many.len()),
    };
    if let Some(warning) = warnings.first() {
        text = format!("{text} (Prometheus warns: {})", clean(warning));
    }
    let judged = readings.is_empty().then_some(nodata).flatten().map(|nodata| match nodata {
        NoData::Fail => Judged::Never(text.clone()),
        NoData::Wait => Judged::NotYet(text.clone()),
    });
    Found { names, rows, columns, text, judged, later: None }
}

/// The labels and the value as one object.
fn row(reading: &Reading) -> Value {
    let mut row: Map<String, Value> = reading.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    row.insert("value".to_owned(), json!(reading.value));
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::expr::Condition;
    use jiff::Timestamp;

    fn reading(instance: &str, value: f64) -> Reading {
        let labels = [("instance".to_owned(), instance.to_owned())].into_iter().collect();
        Reading { labels, value, at: Timestamp::UNIX_EPOCH }
    }

    fn holds(condition: &str, found: &Found) -> Result<bool, String> {
        Condition::compile(condition).unwrap().holds(&found.names)
    }

    #[test]
    fn one_series_has_a_value_and_several_have_theirs() {
        let one = found(&[reading("a", 1.0)], &[], Some(NoData::Fail));
        assert_eq!((holds("value == 1.0", &one), one.judged.as_ref()), (Ok(true), None));
        let two = found(&[reading("a", 1.0), reading("b", 2.0)], &["slow".to_owned()], None);
        assert_eq!(holds("series.all(s, s.value >= 1.0) && series[1].labels.instance == 'b'", &two), Ok(true));
        assert!(holds("value == 1.0", &two).is_err());
        assert_eq!(
            (two.text.as_str(), two.columns.join(",").as_str()),
            ("2 series (Prometheus warns: slow)", "instance,value")
        );
        assert_eq!(two.rows[0], json!({"instance": "a", "value": 1.0}));
        let nan = found(&[reading("a", f64::NAN)], &[], None);
        assert_ne!(holds("value == 1.0", &nan), Ok(true));
    }

    #[test]
    fn no_data_is_not_false() {
        assert!(matches!(found(&[], &[], Some(NoData::Wait)).judged, Some(Judged::NotYet(_))));
        assert!(matches!(found(&[], &[], Some(NoData::Fail)).judged, Some(Judged::Never(_))));
        assert_eq!(holds("series.size() == 0", &found(&[], &[], None)), Ok(true));
    }
}
