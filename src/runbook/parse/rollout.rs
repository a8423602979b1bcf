//! The fence of a rollout: `over`, `serial`, `max_fail`, `pause`, `order`, `ask_after`, `every_host`.

use super::Faults;
use super::body::DraftRollout;
use super::front::{is_name, is_plain};
use super::yaml::{Fields, Node, Table};
use crate::runbook::model::{Batch, Order, Over, Rollout};
use crate::runbook::{nearest, params};
use serde_json::Value;
use std::time::Duration;

/// The keys, in the order of documentation.
const KEYS: [&str; 7] = ["over", "serial", "max_fail", "pause", "order", "ask_after", "every_host"];

/// What bounds how many hosts are begun, and so says nothing where all of them are.
const BOUNDS: [&str; 4] = ["serial", "max_fail", "pause", "ask_after"];

/// Reads the fence; `None` when something is wrong with it.
pub(super) fn read(fence: &DraftRollout, faults: &mut Faults<'_>) -> Option<Rollout> {
    let (line, _) = faults.place(fence.at);
    let before = faults.list.len();
    // Its lines are the file's lines: what stands before it is blank.
    let yaml = format!("{}{}", "\n".repeat(line as usize), fence.body);
    let fields = Fields::read(&yaml, "the rollout", faults)?;
    let mut table = Table::new(fields, &KEYS, "key of a rollout", fence.body_at, faults);
    let over = match table.required("over", faults) {
        Some((node, at)) => over(&params::show(&node.as_json()), at, faults),
        None => None,
    };
    let every_host = every_host(&mut table, faults);
    let serial = if every_host { vec![Batch::Percent(100)] } else { serial(&mut table, faults) };
    let max_fail = match table.take("max_fail") {
        Some((node, at)) => node.as_json().as_u64().or_else(|| {
            let mend = "write how many hosts may fail, as in `max_fail: 0`: a number, no percentage";
            faults.at(at, "`max_fail` must be a whole number", mend);
            None
        }),
        None => Some(if every_host { u64::MAX } else { 0 }),
    };
    let pause = match table.text("pause", false, faults) {
        Some((text, at)) => params::duration(&text).or_else(|| {
            faults.at(at, format!("`{text}` is no time span"), "write it as in 5s or 2m");
            None
        }),
        None => Some(Duration::ZERO),
    };
    let order = match table.text("order", false, faults) {
        Some((text, at)) => Order::ALL.into_iter().find(|order| order.word() == text).or_else(|| {
            let words = Order::ALL.map(Order::word);
            let near = nearest(&text, words);
            faults.at(at, format!("there is no order `{text}`{near}"), format!("there are {}", words.join(", ")));
            None
        }),
        None => Some(Order::Config),
    };
    let ask_after = table.count("ask_after", faults);
    if faults.list.len() > before {
        return None;
    }
    let (over, max_fail, pause, order) = (over?, max_fail?, pause?, order?);
    Some(Rollout { over, serial, max_fail, pause, order, ask_after, every_host, line })
}

/// All of them are begun, whatever became of others: nothing else may say how many.
fn every_host(table: &mut Table, faults: &mut Faults<'_>) -> bool {
    let every = table.flag("every_host", faults);
    for key in BOUNDS.into_iter().filter(|_| every) {
        if let Some((_, at)) = table.take(key) {
            let mend = "with `every_host: true` all hosts are one batch, and none is held up by another";
            faults.at(at, format!("`{key}` and `every_host` contradict each other"), mend);
        }
    }
    every
}

fn over(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Over> {
    if let Some(role) = text.strip_prefix("role:").filter(|role| is_name(role)) {
        return Some(Over::Role(role.to_owned()));
    }
    if let Some(param) = text.strip_prefix('$').filter(|param| is_plain(param)) {
        return Some(Over::Param(param.to_owned()));
    }
    faults.at(at, format!("`{text}` names no set of hosts"), "write `over: role:game`, or `over: $servers`");
    None
}

/// One host first, when nothing is said.
fn serial(table: &mut Table, faults: &mut Faults<'_>) -> Vec<Batch> {
    let Some((node, at)) = table.take("serial") else { return vec![Batch::Count(1)] };
    let items = match node {
        Node::List(items) if !items.is_empty() => items.into_iter().map(|item| item.value.as_json()).collect(),
        Node::Scalar(value) => vec![value],
        Node::List(_) | Node::Table(_) => vec![Value::Null],
    };
    let batches: Option<Vec<Batch>> = items.iter().map(batch).collect();
    if batches.is_none() {
        let mend = "write it as in `serial: [1, 5, 20%]`: hosts at a time, or a share of them";
        faults.at(at, "`serial` is no list of batch sizes", mend);
    }
    batches.unwrap_or_default()
}

fn batch(value: &Value) -> Option<Batch> {
    match value {
        Value::Number(number) => number.as_u64().filter(|count| *count > 0).map(Batch::Count),
        Value::String(text) => {
            let percent = text.strip_suffix('%')?.trim().parse().ok()?;
            (1..=100).contains(&percent).then_some(Batch::Percent(percent))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
