//! The `promql` language: one expression, asked at one moment. `{{ name }}` stands in the value of a label, inside its quotes, and
//! nowhere else; under `=~` and `!~` it means itself and is no expression.

use super::fill::{self, Piece, Scope, pieces, uses};
use super::{Fault, Language, NameType, Reading, Targets, Types};
use crate::domain::promql::compares_without_bool;
use crate::runbook::expr::{Gives, Known};
use crate::runbook::model::Role;
use serde_json::Value;

/// What holds when a fence says nothing: true as Prometheus writes it.
pub const TRUE: &str = "value == 1.0";

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "promql",
    doc: "one expression of Prometheus, asked at one moment; {{ name }} is the value of a label",
    on: Targets { name: "a Prometheus", params: &[], part: None, hosts: false, local: false },
    holds: |role| matches!(role, Role::Check | Role::Wait | Role::Verify).then_some(TRUE),
    keyed: true,
    filled: Some(render),
    read,
};

const GIVES: Gives = &[("value", Known::Number), ("series", Known::List), ("rows", Known::List)];

/// The expression that is sent; the error is in words.
pub fn render(body: &str, scope: &Scope<'_>) -> Result<String, String> {
    let (mut out, mut state) = (String::new(), State::default());
    let pieces = pieces(body.trim(), 0).map_err(|fault| fault.what)?;
    for (at, piece) in pieces.iter().enumerate() {
        match *piece {
            Piece::Text(text, _) => {
                state.read(text);
                out.push_str(text);
            }
            Piece::Hole(name, _) => {
                let label = state.label().ok_or_else(|| format!("`{name}` is not in the value of a label"))?;
                if fill::secret(name).is_some() {
                    return Err(format!("`{name}` would be logged with the query"));
                }
                let port = fill::is_before_port(&pieces, at);
                out.push_str(&escaped(&value(name, scope, label, port)?, label.quote));
            }
        }
    }
    Ok(out)
}

/// What a hole stands for: text, or under a regular expression one that means just that text, or any of several. `port`: one follows.
fn value(name: &str, scope: &Scope<'_>, label: Label, port: bool) -> Result<String, String> {
    let text = || scope.text(name).map(|text| if port { fill::before_port(text) } else { text });
    if !label.regex {
        return text();
    }
    match scope.value(name)? {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => {
            let items = items.iter().filter_map(Value::as_str).map(regex::escape);
            Ok(format!("(?:{})", items.collect::<Vec<_>>().join("|")))
        }
        _ => Ok(regex::escape(&text()?)),
    }
}

/// Text inside quotes.
fn escaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            char if char == quote => out.extend(['\\', char]),
            char => out.push(char),
        }
    }
    out
}

/// The value of a label that the text ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label {
    quote: char,
    regex: bool,
}

/// Where the text so far ends.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Open `{`.
    braces: u32,
    /// The last operator of a matcher, if nothing came after it.
    operator: Option<&'static str>,
    string: Option<char>,
    escaped: bool,
    /// Characters that still belong to an escape by number, as in `\\x41`.
    pending: u8,
    comment: bool,
}

impl State {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let mut length = char.len_utf8();
            if self.comment {
                self.comment = char != '\n';
            } else if let Some(quote) = self.string {
                let ends = char == quote && !self.escaped;
                self.pending = match char {
                    'x' if self.escaped => 2,
                    'u' if self.escaped => 4,
                    'U' if self.escaped => 8,
                    '0'..='7' if self.escaped => 2,
                    _ => self.pending.saturating_sub(1),
                };
                self.escaped = char == '\\' && !self.escaped && quote != '`';
                if ends {
                    (self.string, self.operator) = (None, None);
                }
            } else {
                length = self.code(char, rest);
            }
            rest = &rest[length..];
        }
    }

    /// Outside strings and comments; returns how much was read.
    fn code(&mut self, char: char, rest: &str) -> usize {
        let operator = ["=~", "!~", "!=", "=="].into_iter().find(|operator| rest.starts_with(operator));
        match char {
            _ if let Some(operator) = operator => {
                self.operator = (operator != "==").then_some(operator);
                return operator.len();
            }
            '=' => self.operator = Some("="),
            '"' | '\'' | '`' => (self.string, self.escaped) = (Some(char), false),
            '#' => self.comment = true,
            '{' => self.braces += 1,
            '}' => self.braces = self.braces.saturating_sub(1),
            char if char.is_whitespace() => return char.len_utf8(),
            _ => self.operator = None,
        }
        char.len_utf8()
    }

    fn label(&self) -> Option<Label> {
        let quote =
            self.string.filter(|quote| *quote != '`' && self.braces > 0 && !self.escaped && self.pending == 0)?;
        self.operator.map(|operator| Label { quote, regex: operator.ends_with('~') })
    }
}

fn read(role: Role, body: &str, types: &Types) -> Reading {
    let mut reading = Reading { gives: GIVES, ..Reading::default() };
    if role.changes() {
        let what = format!("PromQL changes nothing, and {} must", role.word());
        reading.faults.push(Fault::new(0, what, "use it in check, plan, wait and verify"));
    }
    if body.trim().is_empty() {
        reading.faults.push(Fault::new(0, "the promql fence is empty", "write one expression"));
    }
    let pieces = match pieces(body, 0) {
        Ok(pieces) => pieces,
        Err(fault) => {
            reading.faults.push(fault);
            return reading;
        }
    };
    let mut state = State::default();
    for piece in pieces {
        match piece {
            Piece::Text(text, _) => state.read(text),
            Piece::Hole(name, at) => hole(name, at, state, types, &mut reading),
        }
    }
    if state.string.is_some() {
        reading.faults.push(Fault::new(0, "a string is not closed", "close its quote"));
    }
    if let Some((at, bracket)) = open_bracket(body) {
        reading.faults.push(Fault::new(
            at,
            format!("`{bracket}` has no other half"),
            "close what is open, and nothing else",
        ));
    }
    reading
}

fn hole(name: &str, at: usize, state: State, types: &Types, reading: &mut Reading) {
    let Some(label) = state.label() else {
        let mend = "a value stands in the quotes of a label's value alone: `{job=\"{{ job }}\"}`";
        reading.faults.push(Fault::new(at, format!("`{name}` stands outside a label's value"), mend));
        return;
    };
    if fill::secret(name).is_some() {
        reading.faults.push(Fault::new(at, format!("`{name}` stands in a query, and queries are logged"), "remove it"));
        return;
    }
    if matches!(types.get(name), Some(NameType::Many(_))) && !label.regex {
        let mend = "write `=~` for any of a list";
        reading.faults.push(Fault::new(at, format!("`{name}` is a list, and a label has one value"), mend));
    }
    match uses(name, at, types) {
        Ok(used) => reading.used.extend(used),
        Err(fault) => reading.faults.push(fault),
    }
}

/// A bracket without its other half, outside strings and comments.
fn open_bracket(body: &str) -> Option<(usize, char)> {
    let (mut open, mut state): (Vec<(usize, char)>, State) = (Vec::new(), State::default());
    for (at, char) in body.char_indices() {
        let code = state.string.is_none() && !state.comment;
        state.read(&body[at..at + char.len_utf8()]);
        match char {
            _ if !code => {}
            '(' | '[' | '{' => open.push((at, char)),
            ')' | ']' | '}' => {
                let wanted = match char {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop().is_none_or(|(_, char)| char != wanted) {
                    return Some((at, char));
                }
            }
            _ => {}
        }
    }
    open.pop()
}

/// Where the expression compares without `bool`, so that false would be no data: for a fence whose condition is [`TRUE`].
pub fn drops_false(body: &str) -> Option<usize> {
    compares_without_bool(body)
}

#[cfg(test)]
mod tests {
    use super::super::fill::tests::with;
    use super::*;
    use crate::runbook::model::ParamType;
    use proptest::prelude::*;
    use serde_json::json;

    fn types() -> Types {
        [
            ("x".to_owned(), NameType::Param(ParamType::String)),
            ("many".to_owned(), NameType::Many(ParamType::Server)),
            ("token".to_owned(), NameType::Secret),
        ]
        .into()
    }

    fn faults(body: &str) -> usize {
        read(Role::Check, body, &types()).faults.len()
    }

    fn filled(body: &str, value: Value) -> Result<String, String> {
        with(value, |scope| render(body, &scope))
    }

    #[test]
    fn values_stand_in_labels_only() {
        for fine in [
            "up",
            "sum(up{job=\"game\"}) - 1 >= bool 2",
            "up{job=\"{{ x }}\"}",
            "up{job!='{{ x }}', a=~ \"a|{{ x }}\", b=\"}\"} # {it's}",
            "up{job=~\"{{ many }}\"}",
        ] {
            assert_eq!(faults(fine), 0, "{fine}");
        }
        for wrong in [
            "",
            "up[{{ x }}m]",
            "{{ x }}",
            "up{ {{ x }}=\"a\"}",
            "label_replace(up, \"a\", \"{{ x }}\", \"b\", \"c\")",
            "up{job=`{{ x }}`}",
            "up # {job=\"{{ x }}\"}",
            "up{job=\"{{ secret.token }}\"}",
            "up{job=\"{{ many }}\"}",
            "up{job=\"a",
            "sum(up",
            "sum(up))",
            "up{job=\"\\{{ x }}\"}",
            "up{job=\"\\x4{{ x }}\"}",
            "up{job=\"\\u{{ x }}\"}",
        ] {
            assert_ne!(faults(wrong), 0, "{wrong}");
        }
        assert_eq!(read(Role::Run, "up", &types()).faults.len(), 1);
    }

    #[test]
    fn values_are_escaped_for_their_quotes_and_operators() {
        let value = json!("a\"'\\.*\n}");
        assert_eq!(filled("up{j=\"{{ x }}\"}", value.clone()).unwrap(), "up{j=\"a\\\"'\\\\.*\\n}\"}");
        assert_eq!(filled("up{j='{{ x }}'}", value).unwrap(), "up{j='a\"\\'\\\\.*\\n}'}");
        assert_eq!(filled("up{j=~\"{{ x }}\"}", json!(".*")).unwrap(), "up{j=~\"\\\\.\\\\*\"}");
        assert_eq!(filled("up{j=~\"{{ x }}\"}", json!(["a.b", "c"])).unwrap(), "up{j=~\"(?:a\\\\.b|c)\"}");
        assert!(filled("up[{{ x }}m]", json!(1)).is_err());
    }

    /// The value of the one label, read back as Prometheus reads a string.
    fn read_back(query: &str, before: &str, quote: char) -> Option<String> {
        let mut rest = query.strip_prefix(before)?.strip_prefix(quote)?.chars();
        let mut value = String::new();
        loop {
            match rest.next()? {
                '\\' => value.push(match rest.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    char => char,
                }),
                char if char == quote => break,
                '\n' => return None,
                char => value.push(char),
            }
        }
        (rest.as_str() == "} > bool 1").then_some(value)
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_label(value in "[\"'\\\\{}|.*\n ]{0,8}|\\PC{0,12}", quote in "[\"']") {
            let quote = quote.chars().next().unwrap();
            for operator in ["=", "=~"] {
                let before = format!("up{{j{operator}");
                let query = filled(&format!("{before}{quote}{{{{ x }}}}{quote}}} > bool 1"), json!(value)).unwrap();
                let found = read_back(&query, &before, quote).expect(&query);
                if operator == "=" {
                    prop_assert_eq!(&found, &value);
                } else {
                    prop_assert_eq!(&found, &regex::escape(&value));
                    let whole = regex::Regex::new(&format!("^(?s:{found})$")).unwrap();
                    prop_assert!(whole.is_match(&value));
                }
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(body in "[a-z{}()\"'`=~!#\\n\\\\ x]*|\\PC*") {
            read(Role::Check, &body, &types());
            let _ = filled(&body, json!("a"));
            let _ = drops_false(&body);
        }
    }
}
