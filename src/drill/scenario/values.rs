//! The values of a scenario, each within what it can be; a mistake says how to mend it, and TOML's reader at which line it is.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A share of a whole, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(pub f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let share = number(from)?;
        let why = || match share {
            1.0..=100.0 => format!("{share} is no share: write {} for {share} %", share / 100.0),
            _ => format!("{share} is no share: write 0 to 1, as in 0.4 for 40 %"),
        };
        (0.0..=1.0).contains(&share).then_some(Self(share)).ok_or_else(|| D::Error::custom(why()))
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole<const LEAST: i64, const MOST: i64>(pub usize);

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let hint = format!("write a whole number, {LEAST} to {MOST}");
        let number = whole(from, &hint)?;
        let fits = (LEAST..=MOST).contains(&number).then(|| usize::try_from(number).ok()).flatten();
        fits.map(Self).ok_or_else(|| D::Error::custom(format!("{number} is out of range: {hint}")))
    }
}

/// So many times as much as ever, or so many a second.
pub(super) fn times<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    within(from, 1_000.0)
}

/// Mebibytes a second.
pub(super) fn mebibytes<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    within(from, 100_000.0)
}

fn within<'de, D: Deserializer<'de>>(from: D, most: f64) -> Result<f64, D::Error> {
    let number = number(from)?;
    let fits = (0.0..=most).contains(&number);
    fits.then_some(number)
        .ok_or_else(|| D::Error::custom(format!("{number} is out of range: write a number, 0 to {most}")))
}

/// A text that says something.
pub(in crate::drill) struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let says = !text.trim().is_empty();
        says.then_some(Self(text))
            .ok_or_else(|| D::Error::custom("it is empty: write what it is called, or what it says"))
    }
}

/// The same, as it is kept.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Text::deserialize(from).map(|text| text.0)
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    f64::deserialize(from)
}

/// A whole number; `hint` is what to write.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D, hint: &str) -> Result<i64, D::Error> {
    from.deserialize_any(WholeNumber(hint))
}

struct WholeNumber<'a>(&'a str);

impl Visitor<'_> for WholeNumber<'_> {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number: {}", self.0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// What stands here is not taken, and why: the message is told at its place.
pub(in crate::drill) struct Refuse<T>(String, PhantomData<T>);

impl<T> Refuse<T> {
    /// For that reason.
    pub(in crate::drill) fn because(why: String) -> Self {
        Self(why, PhantomData)
    }
}

impl<'de, T> DeserializeSeed<'de> for Refuse<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<T, D::Error> {
        Err(D::Error::custom(self.0))
    }
}
