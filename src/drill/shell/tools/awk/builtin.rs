//! awk's own functions.

use super::super::format::Spec;
use super::read::Expr;
use super::run::Awk;
use super::value::Value;

impl Awk<'_> {
    pub(super) fn builtin(&mut self, name: &str, args: &[Expr]) -> Result<Value, String> {
        match (name, args) {
            ("length", [Expr::Var(list)]) if self.list(list).is_ok_and(|list| !list.borrow().is_empty()) => {
                return Ok(Value::Number(self.list(list)?.borrow().len() as f64));
            }
            ("length", []) => return Ok(Value::Number(self.whole().chars().count() as f64)),
            ("split", [text, Expr::Var(list), rest @ ..]) => return self.split_into(text, list, rest.first()),
            ("sub" | "gsub", [pattern, by, rest @ ..]) => {
                return self.replace(pattern, by, rest.first(), name == "gsub");
            }
            ("match", [text, pattern]) => return self.find(text, pattern),
            _ => {}
        }
        let values: Result<Vec<Value>, String> = args.iter().map(|arg| self.eval(arg)).collect();
        let values = values?;
        let number = |at: usize| values.get(at).map_or(0.0, Value::number);
        let text = |at: usize| values.get(at).map(Value::text).unwrap_or_default();
        Ok(match (name, values.len()) {
            ("length", 1) => Value::Number(text(0).chars().count() as f64),
            ("substr", 2 | 3) => Value::Text(part(&text(0), number(1), values.get(2).map(Value::number))),
            ("index", 2) => {
                let (all, piece) = (text(0), text(1));
                Value::Number(all.find(&piece).map_or(0.0, |at| all[..at].chars().count() as f64 + 1.0))
            }
            ("tolower", 1) => Value::Text(text(0).to_lowercase()),
            ("toupper", 1) => Value::Text(text(0).to_uppercase()),
            ("sprintf", 1..) => Value::Text(printed(&values)?),
            ("int", 1) => Value::Number(number(0).trunc()),
            ("sqrt", 1) => Value::Number(number(0).sqrt()),
            ("exp", 1) => Value::Number(number(0).exp()),
            ("log", 1) => Value::Number(number(0).ln()),
            ("sin", 1) => Value::Number(number(0).sin()),
            ("cos", 1) => Value::Number(number(0).cos()),
            ("atan2", 2) => Value::Number(number(0).atan2(number(1))),
            ("rand", 0) => {
                self.chance =
                    self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Value::Number((self.chance >> 11) as f64 / (1_u64 << 53) as f64)
            }
            ("srand", 0 | 1) => {
                self.chance = number(0).to_bits() | 1;
                Value::Number(0.0)
            }
            ("close" | "fflush", _) => Value::Number(0.0),
            _ => return Err(format!("this drill does not know {name} with {} values", values.len())),
        })
    }

    fn split_into(&mut self, text: &Expr, list: &str, separator: Option<&Expr>) -> Result<Value, String> {
        let text = self.eval(text)?.text();
        let parts: Vec<String> = match separator {
            Some(Expr::Regex(_)) if text.is_empty() => Vec::new(),
            Some(separator @ Expr::Regex(_)) => self.pattern(separator)?.split(&text).map(str::to_owned).collect(),
            Some(separator) => {
                let separator = self.eval(separator)?.text();
                self.split(&text, &separator)?
            }
            None => {
                let separator = self.eval(&Expr::Var("FS".to_owned()))?.text();
                self.split(&text, &separator)?
            }
        };
        let count = parts.len();
        let all = parts.iter().enumerate().map(|(at, part)| ((at + 1).to_string(), Value::given(part))).collect();
        *self.list(list)?.borrow_mut() = all;
        Ok(Value::Number(count as f64))
    }

    fn replace(&mut self, pattern: &Expr, by: &Expr, place: Option<&Expr>, all: bool) -> Result<Value, String> {
        let (regex, by) = (self.pattern(pattern)?, self.eval(by)?.text());
        let whole = Expr::Field(Box::new(Expr::Number(0.0)));
        let place = place.unwrap_or(&whole);
        let text = self.eval(place)?.text();
        let mut count = 0;
        let limit = usize::from(!all);
        let new = regex.replacen(&text, limit, |found: &regex::Captures<'_>| {
            count += 1;
            filled(&by, &found[0])
        });
        if new.len() > super::super::super::state::OUTPUT {
            return Err("a longer text than this drill takes".to_owned());
        }
        if count > 0 {
            let new = new.into_owned();
            self.assign(place, Value::Text(new))?;
        }
        Ok(Value::Number(f64::from(count)))
    }

    fn find(&mut self, text: &Expr, pattern: &Expr) -> Result<Value, String> {
        let text = self.eval(text)?.text();
        let found = self
            .pattern(pattern)?
            .find(&text)
            .map(|found| (text[..found.start()].chars().count(), found.as_str().chars().count()));
        let (start, length) = found.map_or((0.0, -1.0), |(start, length)| (start as f64 + 1.0, length as f64));
        self.set("RSTART", Value::Number(start));
        self.set("RLENGTH", Value::Number(length));
        Ok(Value::Number(start))
    }
}

/// What stands in for what was found: `&` is that itself.
fn filled(by: &str, found: &str) -> String {
    let mut out = String::new();
    let mut all = by.chars();
    while let Some(one) = all.next() {
        match one {
            '&' => out.push_str(found),
            '\\' => match all.next() {
                Some('&') => out.push('&'),
                Some('\\') => out.push('\\'),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            one => out.push(one),
        }
    }
    out
}

/// `substr`: positions count from 1, and are rounded.
fn part(text: &str, from: f64, length: Option<f64>) -> String {
    let from = from.round();
    let end = length.map_or(f64::INFINITY, |length| from + length.round());
    let within = |at: usize| at as f64 + 1.0 >= from && (at as f64 + 1.0) < end;
    text.chars().enumerate().filter(|(at, _)| within(*at)).map(|(_, one)| one).collect()
}

/// `printf`: the format first.
pub(super) fn printed(values: &[Value]) -> Result<String, String> {
    let Some((format, rest)) = values.split_first() else { return Ok(String::new()) };
    let format: Vec<char> = format.text().chars().collect();
    let (mut out, mut at, mut rest) = (String::new(), 0, rest.iter());
    while at < format.len() {
        let one = format[at];
        at += 1;
        if one != '%' {
            out.push(one);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = format.get(at).filter(|one| "-+ #0".contains(**one)) {
            spec.flag(*flag);
            at += 1;
        }
        let mut count = |at: &mut usize| -> Option<usize> {
            if format.get(*at) == Some(&'*') {
                *at += 1;
                return rest.next().map(|value| value.number().clamp(0.0, 10_000.0) as usize);
            }
            let begin = *at;
            while format.get(*at).is_some_and(char::is_ascii_digit) {
                *at += 1;
            }
            format[begin..*at].iter().collect::<String>().parse::<usize>().ok().map(|count| count.min(10_000))
        };
        spec.width = count(&mut at);
        if format.get(at) == Some(&'.') {
            at += 1;
            spec.precision = Some(count(&mut at).unwrap_or(0));
        }
        let Some(kind) = format.get(at).copied() else { return Err("printf: the format has no end".to_owned()) };
        at += 1;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = rest.next().cloned().unwrap_or(Value::Nothing);
        out.push_str(&match kind {
            's' => spec.text(&value.text()),
            'c' => match &value {
                Value::Number(number) => {
                    spec.text(&char::from_u32(*number as u32).map(String::from).unwrap_or_default())
                }
                other => spec.text(&other.text().chars().next().map(String::from).unwrap_or_default()),
            },
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => spec.integer(value.number() as i64, kind),
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => spec.float(value.number(), kind),
            odd => return Err(format!("printf: this drill does not know %{odd}")),
        });
        if out.len() > super::super::super::state::OUTPUT {
            return Err("more output than this drill takes".to_owned());
        }
    }
    Ok(out)
}
