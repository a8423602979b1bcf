//! Numbers and text as `printf` writes them: for the shell's own and for awk's.

use std::str::Chars;

/// A format in which `%` and a letter stand for something, as those of `find -printf` and `stat -c`: `of` says for what, and may take more of
/// what follows.
pub(super) fn percent<E>(
    format: &str,
    mut of: impl FnMut(char, &mut Chars<'_>) -> Result<String, E>,
) -> Result<String, E> {
    let (mut out, mut all) = (String::new(), format.chars());
    while let Some(one) = all.next() {
        let letter = if one == '%' { all.next().unwrap_or('%') } else { one };
        if one == '%' && letter != '%' {
            out.push_str(&of(letter, &mut all)?);
        } else {
            out.push(letter);
        }
    }
    Ok(out)
}

/// What stands between `%` and the letter.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Spec {
    pub(in super::super) left: bool,
    pub(in super::super) plus: bool,
    pub(in super::super) space: bool,
    pub(in super::super) alternative: bool,
    pub(in super::super) zero: bool,
    pub(in super::super) width: Option<usize>,
    pub(in super::super) precision: Option<usize>,
}

impl Spec {
    pub(in super::super) fn flag(&mut self, flag: char) {
        match flag {
            '-' => self.left = true,
            '+' => self.plus = true,
            ' ' => self.space = true,
            '#' => self.alternative = true,
            _ => self.zero = true,
        }
    }

    fn padded(&self, text: String, zero: bool) -> String {
        let width = self.width.unwrap_or(0);
        let missing = width.saturating_sub(text.chars().count());
        if self.left {
            return text + &" ".repeat(missing);
        }
        if zero && self.zero {
            let sign = text.len() - text.trim_start_matches(['-', '+', ' ']).len();
            return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
        }
        " ".repeat(missing) + &text
    }

    pub(in super::super) fn text(&self, text: &str) -> String {
        let text = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        self.padded(text, false)
    }

    fn signed(&self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        };
        format!("{sign}{digits}")
    }

    pub(in super::super) fn integer(&self, number: i64, kind: char) -> String {
        let digits = match kind {
            'u' => (number as u64).to_string(),
            'x' => format!("{}{number:x}", if self.alternative { "0x" } else { "" }),
            'X' => format!("{}{number:X}", if self.alternative { "0X" } else { "" }),
            'o' => format!("{}{number:o}", if self.alternative { "0" } else { "" }),
            _ => number.unsigned_abs().to_string(),
        };
        let digits = match self.precision {
            Some(least) => "0".repeat(least.saturating_sub(digits.len())) + &digits,
            None => digits,
        };
        let signed = matches!(kind, 'd' | 'i');
        let text = if signed { self.signed(number < 0, &digits) } else { digits };
        self.padded(text, self.precision.is_none())
    }

    pub(in super::super) fn float(&self, number: f64, kind: char) -> String {
        let precision = self.precision.unwrap_or(6).min(300);
        let positive = number.abs();
        let digits = match kind {
            _ if !number.is_finite() => {
                if number.is_nan() {
                    "nan".to_owned()
                } else {
                    "inf".to_owned()
                }
            }
            'f' | 'F' => format!("{positive:.precision$}"),
            'e' | 'E' => scientific(positive, precision),
            _ => general(positive, precision.max(1), self.alternative),
        };
        let digits = if kind.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.padded(self.signed(number.is_sign_negative() && !number.is_nan(), &digits), number.is_finite())
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// `%g`: as few digits as say it.
pub(in super::super) fn general(number: f64, precision: usize, keep: bool) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let text = scientific(number, precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trim = |text: &str| {
        if keep || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (digits, rest) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{rest}", trim(digits));
    }
    let behind = (precision as i32 - 1 - exponent).max(0) as usize;
    trim(&format!("{number:.behind$}"))
}
