//! What awk's variables hold.

use super::super::format::general;
use std::cmp::Ordering;

/// A value: a number, a text, a text from outside that may look like a number, or nothing yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
    /// From outside, and it is one.
    Both(String, f64),
    Nothing,
}

/// The number that a text begins with.
fn leading(text: &str) -> (f64, usize) {
    let bytes = text.as_bytes();
    let begin = text.len() - text.trim_start().len();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = begin + usize::from(matches!(bytes.get(begin), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    let mut behind = 0;
    if bytes.get(at) == Some(&b'.') {
        behind = digits(at + 1);
        at += usize::from(whole + behind > 0) + behind;
    }
    if whole + behind == 0 {
        return (0.0, 0);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let count = if at + 1 + sign <= bytes.len() { digits(at + 1 + sign) } else { 0 };
        if count > 0 {
            at += 1 + sign + count;
        }
    }
    (text[begin..at].parse().unwrap_or(0.0), at)
}

impl Value {
    /// A text that came from outside.
    pub(super) fn given(text: &str) -> Self {
        let (number, length) = leading(text);
        if length > 0 && text[length..].trim().is_empty() {
            Self::Both(text.to_owned(), number)
        } else {
            Self::Text(text.to_owned())
        }
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) | Self::Both(_, number) => *number,
            Self::Text(text) => leading(text).0,
            Self::Nothing => 0.0,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => plain(*number),
            Self::Text(text) | Self::Both(text, _) => text.clone(),
            Self::Nothing => String::new(),
        }
    }

    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Number(number) | Self::Both(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Nothing => false,
        }
    }

    pub(super) fn truth(holds: bool) -> Self {
        Self::Number(if holds { 1.0 } else { 0.0 })
    }

    /// As numbers where both are, else as texts.
    pub(super) fn compared(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(_), _) | (_, Self::Text(_)) => self.text().cmp(&other.text()),
            _ => self.number().partial_cmp(&other.number()).unwrap_or(Ordering::Equal),
        }
    }
}

/// A number as text: whole ones without a point.
pub(super) fn plain(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan".to_owned() } else { "nan".to_owned() };
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf".to_owned() } else { "inf".to_owned() };
    }
    if number.fract() == 0.0 && number.abs() < 1e16 {
        return format!("{}", number as i64);
    }
    let text = general(number.abs(), 6, false);
    if number < 0.0 { format!("-{text}") } else { text }
}
