//! Values and types of SQL, as many as the statements need that a dashboard and its runbooks send.

use super::refusal::Refusal;
use pgwire::api::Type;
use serde_json::{Number, Value as Json, json};
use std::cmp::Ordering;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum V {
    /// SQL's NULL.
    Null,
    /// boolean
    Bool(bool),
    /// int2, int4, int8, oid
    Int(i64),
    /// float8, numeric
    Float(f64),
    /// text, name
    Text(String),
    /// bytea
    Bytes(Vec<u8>),
    /// timestamptz: microseconds since 1970
    Time(i64),
    /// interval: microseconds
    Interval(i64),
    /// pg_lsn
    Lsn(u64),
    /// int4[]
    Ints(Vec<i32>),
    /// jsonb
    Json(Json),
    /// A row: what `to_jsonb` is made of, and what IN compares.
    Row(Vec<(String, V)>),
}

/// What a column is of, on the wire. Times travel as text: whoever wants more of one casts it.
pub fn wire(ty: &str) -> Type {
    match ty {
        "bool" => Type::BOOL,
        "int4" => Type::INT4,
        "int8" => Type::INT8,
        "float8" | "numeric" => Type::FLOAT8,
        "bytea" => Type::BYTEA,
        "int4[]" => Type::INT4_ARRAY,
        "jsonb" => Type::JSONB,
        _ => Type::TEXT,
    }
}

/// The name by which a type is known here.
pub fn known(name: &str) -> &'static str {
    match name.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => "bool",
        "int" | "int4" | "integer" | "int2" | "smallint" => "int4",
        "int8" | "bigint" | "oid" => "int8",
        "float8" | "double precision" | "numeric" | "real" => "float8",
        "bytea" => "bytea",
        "timestamptz" | "timestamp with time zone" | "timestamp" => "timestamptz",
        "interval" => "interval",
        "jsonb" | "json" => "jsonb",
        _ => "text",
    }
}

impl V {
    /// It holds. NULL does not.
    pub fn holds(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// Text, or nothing of it.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// So many letters or bytes of it, from the one of that number on, which is 1 for the first.
    #[must_use]
    pub fn part(self, from: Option<&Self>, count: Option<&Self>) -> Self {
        let first = from.and_then(Self::number).map_or(0, |from| (from as usize).saturating_sub(1));
        let most = count.and_then(Self::number).map_or(usize::MAX, |count| count as usize);
        match self {
            Self::Null => Self::Null,
            Self::Bytes(bytes) => Self::Bytes(bytes.into_iter().skip(first).take(most).collect()),
            other => Self::Text(other.show().chars().skip(first).take(most).collect()),
        }
    }

    /// As a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// As PostgreSQL writes it.
    pub fn show(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Time(micros) => moment(*micros),
            Self::Interval(micros) => length(*micros),
            Self::Lsn(at) => format!("{:X}/{:X}", at >> 32, at & 0xFFFF_FFFF),
            Self::Ints(all) => format!("{{{}}}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            Self::Json(value) => value.to_string(),
            Self::Row(_) => self.json().to_string(),
        }
    }

    /// As `to_jsonb` makes it.
    pub fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => json!(*value as i64),
            Self::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Ints(all) => json!(all),
            Self::Json(value) => value.clone(),
            Self::Row(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.json())).collect())
            }
            Self::Time(micros) => json!(moment(*micros).replacen(' ', "T", 1)),
            other => json!(other.show()),
        }
    }

    /// From JSON, by the type that a column definition names.
    pub fn of_json(value: &Json, ty: &str) -> Result<Self, Refusal> {
        Ok(match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(0.0)), Self::Int)
            }
            Json::String(text) => Self::Text(text.clone()).cast(ty)?,
            other => Self::Json(other.clone()),
        })
    }

    /// As a value of that type.
    ///
    /// # Errors
    /// When it is none.
    pub fn cast(self, ty: &str) -> Result<Self, Refusal> {
        let wrong =
            |value: &Self| Refusal::no_value(format!("invalid input syntax for type {ty}: \"{}\"", value.show()));
        Ok(match (ty, self) {
            (_, Self::Null) => Self::Null,
            ("int4" | "int8", Self::Bool(value)) => Self::Int(i64::from(value)),
            ("int4" | "int8", value) => Self::Int(value.number().ok_or_else(|| wrong(&value))?.round() as i64),
            ("float8", value) => Self::Float(value.number().ok_or_else(|| wrong(&value))?),
            ("text", value) => Self::Text(value.show()),
            ("bool", Self::Text(text)) => Self::Bool(matches!(text.as_str(), "t" | "true" | "on" | "yes" | "1")),
            ("timestamptz", Self::Text(text)) => {
                Self::Time(read_moment(&text).ok_or_else(|| wrong(&Self::Text(text)))?)
            }
            ("jsonb", Self::Text(text)) => {
                Self::Json(serde_json::from_str(&text).map_err(|_| wrong(&Self::Text(text)))?)
            }
            ("bytea", Self::Text(text)) => Self::Bytes(text.into_bytes()),
            (_, value) => value,
        })
    }

    /// Which is more; nothing where one of them is NULL.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) | (Self::Interval(a), Self::Interval(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Text(b)) => Some(a.cmp(&read_moment(b)?)),
            (Self::Lsn(a), Self::Lsn(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(_) | Self::Float(_), _) => self.number()?.partial_cmp(&other.number()?),
            (Self::Row(a), Self::Row(b)) => rows(a, b),
            (a, b) => Some(a.show().cmp(&b.show())),
        }
    }
}

fn rows(a: &[(String, V)], b: &[(String, V)]) -> Option<Ordering> {
    for ((_, a), (_, b)) in a.iter().zip(b) {
        match a.order(b)? {
            Ordering::Equal => {}
            other => return Some(other),
        }
    }
    Some(a.len().cmp(&b.len()))
}

/// `2026-11-24 03:12:01.5+00:00`
fn moment(micros: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
    at.replacen('T', " ", 1).trim_end_matches('Z').to_owned() + "+00:00"
}

fn read_moment(text: &str) -> Option<i64> {
    let text = text.trim().replacen(' ', "T", 1);
    let text = if text.ends_with("+00") { format!("{text}:00") } else { text };
    Some(text.parse::<jiff::Timestamp>().ok()?.as_microsecond())
}

/// `1 day 02:03:04`
fn length(micros: i64) -> String {
    let (sign, micros) = if micros < 0 { ("-", -micros) } else { ("", micros) };
    let seconds = micros / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let part = micros % 1_000_000;
    let fraction = if part == 0 { String::new() } else { format!(".{part:06}").trim_end_matches('0').to_owned() };
    let clock = format!("{sign}{:02}:{:02}:{:02}{fraction}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day {clock}"),
        days => format!("{days} days {clock}"),
    }
}
