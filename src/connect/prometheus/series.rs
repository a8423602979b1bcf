//! The answer to an instant query, read series by series out of the text that came: of forty for each of a thousand servers none is
//! kept, and no label is copied.

use super::{Reading, Wrong, said};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// One series of an instant query, as long as it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// Its labels, sorted by name; `__name__` is one of them where the series has a name.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// The moment it is for, in seconds since 1970.
    pub at: f64,
}

impl Series<'_> {
    /// A label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl<'a> From<&'a Reading> for Series<'a> {
    fn from(reading: &'a Reading) -> Self {
        let labels = reading.labels.iter().map(|(name, value)| (Cow::from(name), Cow::from(value)));
        Self { labels: labels.collect(), value: reading.value, at: reading.at.as_millisecond() as f64 / 1000.0 }
    }
}

/// Reads a vector, calls `each` with every series that has a value, and returns what the server warned of.
pub(super) fn read<'a>(body: &'a [u8], each: impl FnMut(Series<'a>)) -> Result<Vec<String>, Wrong> {
    let mut walk = Walk { each, status: None, error: None, warnings: Vec::new(), has_data: false };
    let mut json = serde_json::Deserializer::from_slice(body);
    let walked = (&mut walk).deserialize(&mut json).and_then(|()| json.end());
    match (walked, walk.status.as_deref(), walk.error) {
        (Err(shape), ..) => Err(said(body).map_or_else(|| Wrong::Shape(shape.to_string()), Wrong::Said)),
        (Ok(()), Some("success"), _) if walk.has_data => Ok(walk.warnings),
        (Ok(()), Some("success"), _) => Err(Wrong::Shape("the answer has no data".to_owned())),
        (Ok(()), Some("error"), error) => Err(Wrong::Said(error.unwrap_or_default())),
        (Ok(()), status, _) => Err(Wrong::Shape(format!("its status is {:?}", status.unwrap_or_default()))),
    }
}

/// Goes down to the series: through the envelope, its `data`, and the `result` of that.
struct Walk<F> {
    each: F,
    status: Option<String>,
    error: Option<String>,
    warnings: Vec<String>,
    has_data: bool,
}

impl<'de, F: FnMut(Series<'de>)> DeserializeSeed<'de> for &mut Walk<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Series<'de>)> Visitor<'de> for &mut Walk<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector of series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "status" => self.status = Some(map.next_value()?),
                "error" => self.error = Some(map.next_value()?),
                "warnings" | "infos" => self.warnings.extend(map.next_value::<Vec<String>>()?),
                "resultType" => {
                    let kind: Text<'_> = map.next_value()?;
                    if kind.0 != "vector" {
                        return Err(A::Error::custom(format!("a vector was asked for, and a {} came", kind.0)));
                    }
                }
                "data" | "result" => map.next_value_seed(&mut *self)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        self.has_data = true;
        while let Some(Sampled { metric: Labels(labels), value }) = all.next_element()? {
            // Without a value: a native histogram.
            let told = value.and_then(|(at, Text(value))| Some((at, value.parse().ok()?)));
            if let Some((at, value)) = told {
                (self.each)(Series { labels, value, at });
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Sampled<'a> {
    #[serde(borrow, default)]
    metric: Labels<'a>,
    #[serde(borrow)]
    value: Option<(f64, Text<'a>)>,
}

/// A text, as it stands where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the labels of a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels<'de>, A::Error> {
        // As many as the series of a node_exporter have.
        let mut labels = Vec::with_capacity(12);
        while let Some((Text(name), Text(value))) = map.next_entry()? {
            labels.push((name, value));
        }
        if !labels.is_sorted() {
            labels.sort();
        }
        Ok(Labels(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Instant;
    use super::super::envelope;
    use super::*;
    use proptest::prelude::*;

    fn all(body: &str) -> Result<(Vec<Series<'_>>, Vec<String>), Wrong> {
        let mut all = Vec::new();
        let warnings = read(body.as_bytes(), |series| all.push(series))?;
        Ok((all, warnings))
    }

    #[test]
    fn a_vector_is_read_with_its_warnings() {
        let body = r#"{"status":"success","infos":["odd"],"data":{"resultType":"vector","result":[
            {"metric":{"job":"a","__name__":"up"},"value":[1732507200.5,"1"]},
            {"metric":{"path":"C:\\x"},"value":[1732507200,"NaN"]},
            {"metric":{"job":"h"},"histogram":[1732507200,{"count":"1"}]}]},"warnings":["slow"]}"#;
        let (all, warnings) = all(body).unwrap();
        assert_eq!(warnings, ["odd", "slow"]);
        assert_eq!((all.len(), all[0].label("job"), all[0].value, all[0].at), (2, "a", 1.0, 1_732_507_200.5));
        assert_eq!(all[0].labels[0].0, "__name__", "sorted");
        assert!(all[1].value.is_nan() && all[1].label("path") == "C:\\x" && all[1].label("job").is_empty());
    }

    #[test]
    fn a_failure_is_never_an_empty_answer() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error","data":null}"#;
        assert_eq!(all(refused).unwrap_err(), Wrong::Said("parse error".to_owned()));
        let other = r#"{"status":"error","error":"expired","data":{"resultType":"vector","result":3}}"#;
        assert_eq!(all(other).unwrap_err(), Wrong::Said("expired".to_owned()));
        for body in [
            "",
            "[]",
            "<html>",
            "{}",
            "null",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[5,"2.5"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[]}} x"#,
        ] {
            assert!(matches!(all(body), Err(Wrong::Shape(_))), "{body}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_is_read_when_all_is_kept(pairs in proptest::collection::vec(("[a-c]{1,2}", "\\PC{0,4}"), 0..4), value in any::<f64>()) {
            let metric: serde_json::Map<_, _> = pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
            let one = serde_json::json!({ "metric": metric, "value": [12.5, value.to_string()] });
            let data = serde_json::json!({ "resultType": "vector", "result": [one] });
            let body = serde_json::json!({ "status": "success", "data": data }).to_string();
            let kept = envelope::<Instant>(body.as_bytes()).unwrap().data.readings();
            let (read, _) = all(&body).unwrap();
            prop_assert_eq!(&read[0].labels, &Series::from(&kept[0]).labels);
            prop_assert_eq!(read[0].value.total_cmp(&kept[0].value), std::cmp::Ordering::Equal);
            prop_assert!((read[0].at - 12.5).abs() < 1e-9);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}") {
            let _ = all(&text);
        }
    }
}
