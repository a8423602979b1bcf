//! The hash chain: what a record's hash covers, and what a set of records proves. Pure.
//!
//! Each writer (a process) has a chain of its own: record `n` holds the hash of record `n - 1`. One chain for all would
//! make two journals impossible to merge.
//!
//! The hash is SHA-256 over this byte form, version 1. `bytes` is a length (8 bytes, big-endian) and that many
//! bytes; `option` is the byte 0, or the byte 1 and `bytes`. All integers are big-endian. So no two records share a form.
//!
//! | field | form |
//! |---|---|
//! | the tag `quarterdeck.record.1` | bytes |
//! | `prev` (the hex text) | bytes |
//! | `writer`, then `id` | 16 bytes each |
//! | `seq`, then `mono_ms` | 8 bytes each |
//! | `at`, nanoseconds since 1970 UTC | 16 bytes, two's complement |
//! | `incident` | option |
//! | `actor.name` | bytes |
//! | `actor.uid` | 4 bytes |
//! | `actor.host` | bytes |
//! | `kind`, its stable word | bytes |
//! | `run`, the lower-case hyphenated UUID | option |
//! | `step`, `role`, `target` | option each |
//! | `env` | bytes |
//! | `data`, JSON as [`canonical`] writes it | bytes |

use crate::domain::Now;
use crate::domain::record::{Actor, Entry, Kept, Record};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// `prev` of a writer's first record: 64 zeros.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What an intact chain proves and what it does not, for people; `forger` is who could make one anew: `somebody who …`.
pub fn proves(forger: &str) -> String {
    format!(
        "An intact chain proves that no record was changed, and that none was removed from between two \
that are left. It cannot show that a writer's newest records, or all of them, were cut off, nor that \
{forger} made it anew from the start: compare the heads with ones noted elsewhere."
    )
}

/// JSON on one line, keys sorted by their bytes, no spaces: the same value always gives the same text.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    push_canonical(&mut out, value);
    out
}

fn push_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                push_canonical(out, item);
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (index, (name, item)) in sorted.into_iter().enumerate() {
                out.push(if index == 0 { '{' } else { ',' });
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                push_canonical(out, item);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

/// The value as it will be read back from its [`canonical`] text. A reader may see a float's last digit otherwise than it
/// was meant; the hash must cover what is read. A float that never settles becomes a string.
pub fn settle(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => settle_float(number),
        Value::Array(items) => items.into_iter().map(settle).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, item)| (name, settle(item))).collect(),
        other => other,
    }
}

fn settle_float(number: serde_json::Number) -> Value {
    const TRIES: usize = 8;
    let mut number = number;
    for _ in 0..TRIES {
        match serde_json::from_str::<serde_json::Number>(&number.to_string()) {
            Ok(read) if read == number => return Value::Number(number),
            Ok(read) => number = read,
            Err(_) => break,
        }
    }
    Value::String(number.to_string())
}

/// The hash of a record, 64 hex digits; its own `hash` is not part of it.
pub fn hash(record: &Record) -> String {
    let mut form = Form(Sha256::new());
    form.bytes("quarterdeck.record.1");
    form.bytes(&record.prev);
    form.0.update(record.writer.as_bytes());
    form.0.update(record.id.as_bytes());
    form.0.update(record.seq.to_be_bytes());
    form.0.update(record.mono_ms.to_be_bytes());
    form.0.update(record.at.as_nanosecond().to_be_bytes());
    form.option(record.incident.as_deref());
    form.bytes(&record.actor.name);
    form.0.update(record.actor.uid.to_be_bytes());
    form.bytes(&record.actor.host);
    form.bytes(record.entry.kind.word());
    form.option(record.entry.run.map(|run| run.to_string()).as_deref());
    form.option(record.entry.step.as_deref());
    form.option(record.entry.role.as_deref());
    form.option(record.entry.target.as_deref());
    form.bytes(&record.entry.env);
    form.bytes(&canonical(&record.entry.data));
    hex(&form.0.finalize())
}

/// Who writes, and what for.
pub struct Hand {
    /// The process's chain.
    pub writer: Uuid,
    /// The person.
    pub actor: Actor,
    /// The incident that they attend to.
    pub incident: Option<String>,
}

/// The record that an entry becomes in its writer's chain, behind the one with the hash `prev`.
pub fn link(now: Now, hand: Hand, seq: u64, prev: String, entry: Entry) -> Record {
    let Hand { writer, actor, incident } = hand;
    let mut record = Record {
        id: Uuid::now_v7(),
        writer,
        seq,
        prev,
        hash: String::new(),
        at: now.wall,
        mono_ms: now.mono.as_millis() as u64,
        incident,
        actor,
        entry,
        kept: Kept::default(),
    };
    record.hash = hash(&record);
    record
}

struct Form(Sha256);

impl Form {
    fn bytes(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }
    fn option(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        if let Some(text) = text {
            self.bytes(text);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The first thing that is wrong with a writer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The record's content does not give its hash: it was changed.
    Changed {
        /// Its number.
        seq: u64,
    },
    /// Records are missing.
    Gap {
        /// The last number before the gap; zero when the first records are missing.
        after: u64,
        /// The next number found.
        found: u64,
    },
    /// The record does not hold the hash of the one before it: that one, or this one, was replaced.
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// Two records have this number.
    Fork {
        /// The number.
        seq: u64,
    },
    /// A record stands after one with a greater number.
    Disorder {
        /// Its number.
        seq: u64,
        /// The number before it.
        after: u64,
    },
    /// The record cannot be read as one.
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "record {seq} was changed: its content does not give its hash"),
            Self::Gap { after, found } if found - after == 2 => write!(f, "record {} is missing", after + 1),
            Self::Gap { after, found } => write!(f, "records {} to {} are missing", after + 1, found - 1),
            Self::Unlinked { seq } if *seq == 1 => f.write_str("record 1 was replaced: it points to one before it"),
            Self::Unlinked { seq } => {
                write!(f, "record {seq} does not follow from record {}: one of the two was replaced", seq - 1)
            }
            Self::Fork { seq } => write!(f, "there are two records {seq}"),
            Self::Disorder { seq, after } => write!(f, "record {seq} stands after record {after}"),
            Self::Unreadable { seq, why } => write!(f, "record {seq} cannot be read: {why}"),
        }
    }
}

/// One writer's chain, as far as it was fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many records were seen.
    pub count: u64,
    /// The greatest number seen.
    pub seq: u64,
    /// The hash of the last record seen: the head.
    pub head: String,
    /// When the last record was written, UTC.
    pub at: Option<Timestamp>,
    /// `name@host` of the last record.
    pub actor: String,
    /// The first thing that is wrong; what follows it is not judged any more.
    pub broken: Option<Broken>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { count: 0, seq: 0, head: GENESIS.to_owned(), at: None, actor: String::new(), broken: None }
    }
}

impl Chain {
    fn judge(&self, record: &Record) -> Option<Broken> {
        let (seq, after) = (record.seq, self.seq);
        if seq == after && self.count > 0 {
            Some(Broken::Fork { seq })
        } else if seq <= after {
            Some(Broken::Disorder { seq, after })
        } else if seq > after + 1 {
            Some(Broken::Gap { after, found: seq })
        } else if hash(record) != record.hash {
            Some(Broken::Changed { seq })
        } else {
            (record.prev != self.head).then_some(Broken::Unlinked { seq })
        }
    }
}

/// Checks chains, record by record. The writers may be mixed; each writer's records must come in their order.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    chains: BTreeMap<Uuid, Chain>,
}

impl Verifier {
    /// Takes in a record.
    pub fn feed(&mut self, record: &Record) {
        let chain = self.chains.entry(record.writer).or_default();
        if chain.broken.is_none() {
            chain.broken = chain.judge(record);
        }
        chain.count += 1;
        chain.seq = chain.seq.max(record.seq);
        chain.head.clone_from(&record.hash);
        chain.at = Some(record.at);
        chain.actor = format!("{}@{}", record.actor.name, record.actor.host);
    }

    /// Takes in a record that cannot be read.
    pub fn unreadable(&mut self, writer: Uuid, seq: u64, why: String) {
        let chain = self.chains.entry(writer).or_default();
        chain.broken.get_or_insert(Broken::Unreadable { seq, why });
        chain.count += 1;
        chain.seq = chain.seq.max(seq);
    }

    /// What was found.
    pub fn finish(self) -> Report {
        Report { chains: self.chains }
    }
}

/// What the records prove; see [`proves`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By writer.
    pub chains: BTreeMap<Uuid, Chain>,
}

impl Report {
    /// No chain is broken.
    pub fn is_intact(&self) -> bool {
        self.chains.values().all(|chain| chain.broken.is_none())
    }
    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.chains.values().map(|chain| chain.count).sum()
    }
}

/// Checks all the records given.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a Record>) -> Report {
    let mut verifier = Verifier::default();
    for record in records {
        verifier.feed(record);
    }
    verifier.finish()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::RunId;
    use crate::domain::record::RecordKind;
    use proptest::prelude::*;
    use serde_json::json;

    /// A chain of one writer with these data.
    pub(crate) fn chain_of(writer: u128, data: &[Value]) -> Vec<Record> {
        let mut prev = GENESIS.to_owned();
        let mut records = Vec::new();
        for (index, data) in data.iter().enumerate() {
            let seq = index as u64 + 1;
            let mut record = Record {
                id: Uuid::from_u128(writer * 1000 + u128::from(seq)),
                writer: Uuid::from_u128(writer),
                seq,
                prev,
                hash: String::new(),
                at: Timestamp::from_nanosecond(1_700_000_000_123_456_789 + i128::from(seq)).unwrap(),
                mono_ms: seq * 10,
                incident: None,
                actor: Actor { name: "ann".into(), uid: 1000, host: "bastion".into() },
                entry: Entry {
                    kind: RecordKind::ALL[index % RecordKind::ALL.len()],
                    run: Some(RunId(Uuid::from_u128(7))),
                    step: Some("restart/api".into()),
                    role: None,
                    target: Some(String::new()),
                    env: "local".into(),
                    data: data.clone(),
                },
                kept: Kept::default(),
            };
            record.hash = hash(&record);
            prev = record.hash.clone();
            records.push(record);
        }
        records
    }

    fn broken(records: &[Record]) -> Option<Broken> {
        verify(records).chains.values().find_map(|chain| chain.broken.clone())
    }

    #[test]
    fn the_byte_form_is_fixed() {
        // Computed apart from this code, by the table in the module's documentation. When this fails, old journals no
        // longer verify: make version 2 of the form instead.
        let records = chain_of(1, &[json!({ "b": [1, 2.5, null], "a": "é\"\n" })]);
        assert_eq!(records[0].hash, "1631277620f87bc3dee9159fcc839a29a2349eec2e47600fea5e72476d7d5df8");
    }

    #[test]
    fn an_intact_chain_is_intact_also_when_writers_are_mixed() {
        let (a, b) = (chain_of(1, &[json!(1), json!(2)]), chain_of(2, &[json!(1), json!(2)]));
        let report = verify([&a[0], &b[0], &b[1], &a[1]]);
        assert!(report.is_intact());
        assert_eq!((report.count(), report.chains.len()), (4, 2));
        assert_eq!(report.chains[&Uuid::from_u128(1)].head, a[1].hash);
    }

    #[test]
    fn each_kind_of_break_is_named() {
        let records = chain_of(1, &[json!(1), json!(2), json!(3), json!(4)]);
        let other = chain_of(1, &[json!(9), json!(9), json!(9)]);
        let pick = |order: &[usize]| -> Vec<Record> { order.iter().map(|at| records[*at].clone()).collect() };
        assert_eq!(broken(&pick(&[0, 1, 3])), Some(Broken::Gap { after: 2, found: 4 }));
        assert_eq!(broken(&pick(&[1, 2])), Some(Broken::Gap { after: 0, found: 2 }));
        assert_eq!(broken(&pick(&[0, 1, 1, 2])), Some(Broken::Fork { seq: 2 }));
        assert_eq!(broken(&pick(&[0, 1, 2, 1])), Some(Broken::Disorder { seq: 2, after: 3 }));
        let spliced = [records[0].clone(), other[1].clone()];
        assert_eq!(broken(&spliced), Some(Broken::Unlinked { seq: 2 }));
        let mut changed = records.clone();
        changed[2].entry.data = json!(33);
        assert_eq!(broken(&changed), Some(Broken::Changed { seq: 3 }));
    }

    #[test]
    fn a_cut_tail_is_not_seen_and_that_is_said() {
        let records = chain_of(1, &[json!(1), json!(2), json!(3)]);
        assert_eq!(broken(&records[..2]), None);
        assert!(proves("somebody").contains("newest records"));
    }

    #[test]
    fn neighbouring_texts_do_not_run_into_each_other() {
        let mut a = chain_of(1, &[json!(1)]).remove(0);
        let mut b = a.clone();
        (a.entry.step, a.entry.role) = (Some("ab".into()), Some("c".into()));
        (b.entry.step, b.entry.role) = (Some("a".into()), Some("bc".into()));
        assert_ne!(hash(&a), hash(&b));
        (a.entry.step, a.entry.role) = (None, Some(String::new()));
        (b.entry.step, b.entry.role) = (Some(String::new()), None);
        assert_ne!(hash(&a), hash(&b));
    }

    /// One change to one field, by number.
    const FIELDS: usize = 17;
    fn change(record: &mut Record, field: usize) {
        let text = |value: &mut Option<String>| *value = Some(value.take().map_or(String::new(), |text| text + "x"));
        let digit = |hash: &mut String| hash.replace_range(..1, if hash.starts_with('0') { "1" } else { "0" });
        match field {
            0 => record.id = Uuid::from_u128(record.id.as_u128() + 1),
            1 => record.writer = Uuid::from_u128(record.writer.as_u128() + 1),
            2 => record.seq += 1,
            3 => digit(&mut record.prev),
            4 => digit(&mut record.hash),
            5 => record.at = Timestamp::from_nanosecond(record.at.as_nanosecond() + 1).unwrap(),
            6 => record.mono_ms += 1,
            7 => text(&mut record.incident),
            8 => record.actor.name.push(' '),
            9 => record.actor.uid += 1,
            10 => record.actor.host.push('x'),
            11 => {
                let kind = record.entry.kind;
                record.entry.kind = RecordKind::ALL.into_iter().find(|other| *other != kind).unwrap();
            }
            12 => record.entry.run = None,
            13 => text(&mut record.entry.step),
            14 => text(&mut record.entry.role),
            15 => text(&mut record.entry.target),
            16 => record.entry.env.push('x'),
            _ => record.entry.data = json!([record.entry.data.clone()]),
        }
    }

    fn values() -> impl Strategy<Value = Vec<Value>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|float| settle(json!(float))),
            "\\PC{0,6}".prop_map(Value::from),
            Just(Value::Null),
        ];
        let value = leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        prop::collection::vec(value, 3..9)
    }

    proptest! {
        #[test]
        fn any_single_change_is_detected(data in values(), at in any::<prop::sample::Index>(), field in 0..=FIELDS) {
            let mut records = chain_of(1, &data);
            prop_assert_eq!(broken(&records), None);
            change(at.get_mut(&mut records), field);
            prop_assert!(broken(&records).is_some(), "field {}", field);
        }

        #[test]
        fn a_removed_record_is_detected_unless_it_was_the_last(data in values(), at in any::<prop::sample::Index>()) {
            let mut records = chain_of(1, &data);
            records.remove(at.index(data.len() - 1));
            prop_assert!(broken(&records).is_some());
        }

        #[test]
        fn a_swapped_pair_is_detected(data in values(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let (a, b) = (a.index(data.len()), b.index(data.len()));
            prop_assume!(a != b);
            let mut records = chain_of(1, &data);
            records.swap(a, b);
            prop_assert!(broken(&records).is_some(), "places");
            let (x, y) = (records[a].seq, records[b].seq);
            (records[a].seq, records[b].seq) = (y, x);
            prop_assert!(broken(&records).is_some(), "numbers");
        }

        #[test]
        fn what_is_written_is_what_is_read(data in values()) {
            for record in chain_of(1, &data) {
                let line = serde_json::to_string(&record).unwrap();
                let read: Record = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(hash(&read), record.hash);
            }
        }
    }
}
