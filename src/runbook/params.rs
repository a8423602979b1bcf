//! Parameters: what is given becomes typed values within their bounds, or a sentence that says what is wrong.

use super::model::{Param, ParamType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a parameter without a value is told, when its runbook has no word for that.
const NOT_SET: &str = "(not set)";

/// Resolves what was given against what is declared; every declared parameter has a value then (`null` when it is optional,
/// not given and has no default). The error names the parameter and says how to mend it.
pub fn resolve(params: &[Param], args: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, String> {
    if let Some(unknown) = args.keys().find(|name| !params.iter().any(|param| &param.name == *name)) {
        let nearest = super::nearest(unknown, params.iter().map(|param| param.name.as_str()));
        return Err(format!("there is no parameter {unknown:?}{nearest}"));
    }
    params.iter().map(|param| Ok((param.name.clone(), resolve_one(param, args.get(&param.name))?))).collect()
}

fn resolve_one(param: &Param, given: Option<&Value>) -> Result<Value, String> {
    match given.filter(|value| !value.is_null()).or(param.default.as_ref()) {
        Some(value) => check(param, value),
        None if param.required => {
            let what = param.description.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
            Err(format!("the parameter {:?} ({}) must be given{what}", param.name, kind(param)))
        }
        None => Ok(Value::Null),
    }
}

/// What people must know to give one: `list of server`, and `must be given`, `30 unless given`, `all apps unless given`.
pub fn told(param: &Param) -> (String, String) {
    let given = match (&param.default, &param.empty) {
        (Some(value), _) => format!("{} unless given", shown(param, Some(value))),
        (None, _) if param.required => "must be given".to_owned(),
        (None, Some(word)) => format!("{word} unless given"),
        (None, None) => "may be left out".to_owned(),
    };
    (kind(param), given)
}

/// What it is and what it takes, for who is asked for it: `the version to deploy; string`.
pub fn asked(param: &Param) -> String {
    let what = param.description.as_ref().map(|what| format!("{what}; ")).unwrap_or_default();
    format!("{what}{}", kind(param))
}

/// What it takes, in few words: `int from 1 to 90`, `list of server`, `one of soft, hard`.
pub fn kind(param: &Param) -> String {
    let many = if param.many { "list of " } else { "" };
    if !param.choices.is_empty() {
        return format!("{many}one of {}", param.choices.join(", "));
    }
    let word = param.kind.word();
    let bound = |bound: i64| bound_text(param.kind, bound);
    match (param.min, param.max) {
        (Some(min), Some(max)) => format!("{many}{word} from {} to {}", bound(min), bound(max)),
        (Some(min), None) => format!("{many}{word} of at least {}", bound(min)),
        (None, Some(max)) => format!("{many}{word} of at most {}", bound(max)),
        (None, None) => format!("{many}{word}"),
    }
}

/// A bound as it is typed: of a duration `1h30m`.
fn bound_text(kind: ParamType, bound: i64) -> String {
    if kind != ParamType::Duration || bound < 1 {
        return if kind == ParamType::Duration { format!("{bound}s") } else { bound.to_string() };
    }
    let (hours, minutes, seconds) = (bound / 3600, bound / 60 % 60, bound % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

/// One value against its declaration: typed, within bounds, matching. Text is read where another type is wanted, because
/// people type text.
pub fn check(param: &Param, value: &Value) -> Result<Value, String> {
    if !param.many {
        return check_one(param, value);
    }
    let values: Vec<Value> = match value {
        Value::Array(values) => values.clone(),
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Value::from).collect()
        }
        one => vec![one.clone()],
    };
    if values.is_empty() {
        return Err(format!("{:?} must list at least one {}", param.name, param.kind.word()));
    }
    let mut checked = Vec::new();
    for value in &values {
        let value = check_one(param, value)?;
        if checked.contains(&value) {
            return Err(format!("{:?} lists {} twice", param.name, show(&value)));
        }
        checked.push(value);
    }
    Ok(Value::Array(checked))
}

fn check_one(param: &Param, value: &Value) -> Result<Value, String> {
    let typed = typed(param.kind, value)
        .ok_or_else(|| format!("{:?} must be {}, and {} is not", param.name, wanted(param), show(value)))?;
    bounds(param, &typed)?;
    texts(param, &typed)?;
    Ok(typed)
}

/// What it takes, in a sentence, with its bounds.
fn wanted(param: &Param) -> String {
    let bound = |bound: i64| bound_text(param.kind, bound);
    match (param.kind, param.min, param.max) {
        (ParamType::Int, None, Some(max)) => format!("a whole number of at most {max}"),
        (ParamType::Int, min, max) => {
            let (min, max) =
                (min.unwrap_or(i64::MIN).max(i32::MIN.into()), max.unwrap_or(i64::MAX).min(i32::MAX.into()));
            format!("a whole number from {min} to {max}")
        }
        (kind, Some(min), Some(max)) => format!("{} from {} to {}", kind_wanted(kind), bound(min), bound(max)),
        (kind, Some(min), None) => format!("{} of at least {}", kind_wanted(kind), bound(min)),
        (kind, None, Some(max)) => format!("{} of at most {}", kind_wanted(kind), bound(max)),
        (kind, None, None) => kind_wanted(kind).to_owned(),
    }
}

const fn kind_wanted(kind: ParamType) -> &'static str {
    match kind {
        ParamType::Int => "a whole number",
        ParamType::String => "text of one line",
        ParamType::Bool => "true or false",
        ParamType::Duration => "a time span such as 90s or 1h30m",
        ParamType::Server => "a server by its name in the config",
        ParamType::Address => "a host's name or address, without a scheme and a port",
        ParamType::Enum => "one of its choices",
        ParamType::Container => "a container as ENGINE/NAME or ENGINE/ID",
        ParamType::Database => "a database by its name in the config",
    }
}

fn typed(kind: ParamType, value: &Value) -> Option<Value> {
    let text = value.as_str();
    match kind {
        ParamType::Int => {
            let number = value.as_i64().or_else(|| text?.trim().parse().ok())?;
            i32::try_from(number).ok().map(Value::from)
        }
        ParamType::Bool => value.as_bool().or_else(|| text?.trim().parse().ok()).map(Value::from),
        ParamType::String => text.filter(|text| is_line(text)).map(Value::from),
        // What is not quoted in YAML may be a number or a bool.
        ParamType::Enum => Some(show(value)).filter(|text| is_line(text)).map(Value::from),
        ParamType::Duration => text.filter(|text| duration(text).is_some()).map(Value::from),
        ParamType::Container => text.filter(|text| is_container(text)).map(Value::from),
        ParamType::Server | ParamType::Database => text.filter(|text| is_name(text)).map(Value::from),
        ParamType::Address => text.filter(|text| is_address(text)).map(Value::from),
    }
}

fn bounds(param: &Param, value: &Value) -> Result<(), String> {
    let measure = match param.kind {
        ParamType::Int => value.as_i64(),
        ParamType::Duration => value.as_str().and_then(duration).and_then(|span| i64::try_from(span.as_secs()).ok()),
        ParamType::String
        | ParamType::Bool
        | ParamType::Server
        | ParamType::Container
        | ParamType::Database
        | ParamType::Address
        | ParamType::Enum => None,
    };
    let Some(measure) = measure else { return Ok(()) };
    let beyond = param.min.is_some_and(|min| measure < min) || param.max.is_some_and(|max| measure > max);
    if beyond { Err(format!("{:?} must be {}, and {} is not", param.name, wanted(param), show(value))) } else { Ok(()) }
}

fn texts(param: &Param, value: &Value) -> Result<(), String> {
    let shown = show(value);
    if !param.choices.is_empty() && !param.choices.contains(&shown) {
        return Err(format!("{:?} must be one of {}, and {shown:?} is not", param.name, param.choices.join(", ")));
    }
    let Some(pattern) = &param.pattern else { return Ok(()) };
    let whole = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| format!("{:?}: {error}", param.name))?;
    if whole.is_match(&shown) {
        return Ok(());
    }
    Err(match &param.description {
        Some(what) => format!("{:?} must be {what}; {shown:?} does not match {pattern}", param.name),
        None => format!("{:?} must match {pattern}, and {shown:?} does not", param.name),
    })
}

/// The names of the parameters in a sentence: `all players on $server`.
pub fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|part| &part[..name_end(part)])
}

/// Such a sentence with the values in place of the names.
pub fn filled(text: &str, params: &[(String, String)]) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_at(name_end(part));
        let value = params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        out.push_str(&value.unwrap_or_else(|| format!("${name}")));
        out.push_str(rest);
    }
    out
}

fn name_end(text: &str) -> usize {
    let ends = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    text.find(ends).unwrap_or(text.len())
}

/// A parameter's value as people read it; an empty one is told as the runbook says it, or as not set.
pub fn shown(param: &Param, value: Option<&Value>) -> String {
    let text = value.map(show).unwrap_or_default();
    if text.is_empty() { param.empty.clone().unwrap_or_else(|| NOT_SET.to_owned()) } else { text }
}

/// A value as people read it: text without quotes, `null` as nothing, a list of texts with commas.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Reads a span of time: numbers with `ms`, `s`, `m`, `h` or `d`, largest first or not, as in `1h30m`. `None` when it is not one.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &rest[unit..];
    }
    Some(sum)
}

/// Splits `engine/name` into the engine's and the container's name.
pub fn split_container(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(engine, name)| is_name(engine) && is_name(name))
}

/// Text of one line: a line break could end a header or a line of an environment.
fn is_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

/// A host's name, or an address of either family; nothing that could be an option, a port or a path.
fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok() || is_name(text) && text.len() <= 253
}

fn is_container(text: &str) -> bool {
    split_container(text).is_some()
}

/// A name of the config, and of a container: no spaces, no slash, no control characters.
fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn param(kind: ParamType) -> Param {
        Param {
            name: "x".to_owned(),
            kind,
            description: None,
            many: false,
            from: None,
            prefer: None,
            default: None,
            required: false,
            min: None,
            max: None,
            pattern: None,
            choices: Vec::new(),
            empty: None,
        }
    }

    #[test]
    fn what_is_empty_is_told_in_words() {
        let any = Param { empty: Some("any".to_owned()), ..param(ParamType::String) };
        assert_eq!(shown(&any, Some(&json!(""))), "any");
        assert_eq!(shown(&any, Some(&json!("web"))), "web");
        assert_eq!(shown(&param(ParamType::Int), Some(&Value::Null)), "(not set)");
        assert_eq!(shown(&param(ParamType::Int), None), "(not set)");
    }

    #[test]
    fn the_names_in_a_sentence_give_way_to_their_values() {
        let params = [("server".to_owned(), "game-1".to_owned()), ("to".to_owned(), "$server".to_owned())];
        let text = "players on $server, who go to $to; $none stays";
        assert_eq!(names_in(text).collect::<Vec<_>>(), ["server", "to", "none"]);
        assert_eq!(filled(text, &params), "players on game-1, who go to $server; $none stays");
        assert_eq!(filled("all of them", &params), "all of them");
    }

    #[test]
    fn values_are_typed_and_typed_text_is_read() {
        assert_eq!(check(&param(ParamType::Int), &json!("30")), Ok(json!(30)));
        assert_eq!(check(&param(ParamType::Bool), &json!("true")), Ok(json!(true)));
        assert!(check(&param(ParamType::Int), &json!(3_000_000_000_i64)).is_err());
        assert!(check(&param(ParamType::Int), &json!(1.5)).is_err());
        assert!(check(&param(ParamType::String), &json!("a\nb")).is_err());
        assert_eq!(check(&param(ParamType::Container), &json!("local/api")), Ok(json!("local/api")));
        assert!(check(&param(ParamType::Container), &json!("api")).is_err());
        assert!(check(&param(ParamType::Container), &json!("local/../../etc")).is_err());
        assert!(check(&param(ParamType::Database), &json!("a b")).is_err());
    }

    #[test]
    fn hosts_are_names_or_addresses_and_enums_are_choices() {
        for fine in ["game-1", "10.0.0.7", "fe80::1", "game-1.example.net"] {
            assert!(check(&param(ParamType::Address), &json!(fine)).is_ok(), "{fine}");
        }
        for wrong in ["-oProxyCommand=x", "a b", "a/b", "a:22", "http://a", "", "a\nb", "a@b"] {
            assert!(check(&param(ParamType::Address), &json!(wrong)).is_err(), "{wrong:?}");
            assert!(check(&param(ParamType::Server), &json!(wrong)).is_err(), "{wrong:?}");
        }
        let of = Param { choices: vec!["soft".to_owned(), "9".to_owned()], ..param(ParamType::Enum) };
        assert_eq!(check(&of, &json!(9)), Ok(json!("9")));
        assert_eq!(check(&of, &json!("hard")), Err("\"x\" must be one of soft, 9, and \"hard\" is not".to_owned()));
    }

    #[test]
    fn many_takes_a_list_or_text_with_commas_and_nothing_twice() {
        let many = Param { many: true, max: Some(9), ..param(ParamType::Int) };
        assert_eq!(check(&many, &json!("1, 2,")), Ok(json!([1, 2])));
        assert_eq!(check(&many, &json!([3, "4"])), Ok(json!([3, 4])));
        assert_eq!(check(&many, &json!(5)), Ok(json!([5])));
        assert_eq!(check(&many, &json!("1,1")), Err("\"x\" lists 1 twice".to_owned()));
        assert_eq!(check(&many, &json!("")), Err("\"x\" must list at least one int".to_owned()));
        assert!(check(&many, &json!("1,10")).is_err());
        assert_eq!(show(&json!(["a", "b"])), "a, b");
    }

    #[test]
    fn bounds_patterns_and_choices_are_kept() {
        let int = Param { min: Some(0), max: Some(10), ..param(ParamType::Int) };
        assert_eq!(check(&int, &json!(-1)), Err("\"x\" must be a whole number from 0 to 10, and -1 is not".to_owned()));
        assert_eq!(check(&int, &json!(11)), Err("\"x\" must be a whole number from 0 to 10, and 11 is not".to_owned()));
        assert_eq!(
            check(&int, &json!("ten")),
            Err("\"x\" must be a whole number from 0 to 10, and ten is not".to_owned())
        );
        let told = |param: &Param, value: Value| check(param, &value).unwrap_err();
        let from = Param { max: None, ..int.clone() };
        assert_eq!(told(&from, json!(-1)), "\"x\" must be a whole number from 0 to 2147483647, and -1 is not");
        let span = Param { min: Some(60), ..param(ParamType::Duration) };
        assert!(check(&span, &json!("1m")).is_ok());
        assert_eq!(
            told(&span, json!("59s")),
            "\"x\" must be a time span such as 90s or 1h30m of at least 1m, and 59s is not"
        );
        let both = Param { min: Some(0), max: Some(5400), ..span.clone() };
        assert_eq!(
            [kind(&int), kind(&from), kind(&span), kind(&both)],
            ["int from 0 to 10", "int of at least 0", "duration of at least 1m", "duration from 0s to 1h30m"]
        );
        let missing = resolve(&[Param { required: true, ..int.clone() }], &BTreeMap::new());
        assert_eq!(missing, Err("the parameter \"x\" (int from 0 to 10) must be given".to_owned()));
        let text = Param { pattern: Some("[a-z]*".to_owned()), ..param(ParamType::String) };
        assert!(check(&text, &json!("ab1")).is_err() && check(&text, &json!("")).is_ok());
        let told = Param {
            pattern: Some("v[0-9]+".to_owned()),
            description: Some("a version, such as v1".to_owned()),
            required: true,
            ..param(ParamType::String)
        };
        let refused = "\"x\" must be a version, such as v1; \"1\" does not match v[0-9]+";
        assert_eq!(check(&told, &json!("1")), Err(refused.to_owned()));
        let missing = resolve(&[told], &BTreeMap::new());
        assert_eq!(missing, Err("the parameter \"x\" (string) must be given: a version, such as v1".to_owned()));
        let choice = Param { choices: vec!["a".to_owned()], ..param(ParamType::String) };
        assert_eq!(check(&choice, &json!("b")), Err("\"x\" must be one of a, and \"b\" is not".to_owned()));
    }

    #[test]
    fn the_shipped_pages_take_what_they_name_and_nothing_that_only_looks_like_it() {
        let library = crate::runbook::Library::builtin();
        let takes = |page: &str, name: &str, text: &str| {
            let runbook = library.get(page).unwrap();
            check(runbook.params.iter().find(|param| param.name == name).unwrap(), &json!(text)).is_ok()
        };
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (page, name, good, wrong) in [
            ("deploy-checklist", "commit", commit, &[&commit[..7], "v2.6.0", &commit.to_uppercase()] as &[&str]),
            ("dr-failover", "zone", "Z123456ABCDEFG", &["123456", "spacetime.example.com"]),
            ("dr-failover", "down_since", "2026-11-29T03:12:00Z", &["2026-13-29T03:12:00Z", "2026-11-29T24:12:00Z"]),
            ("dr-promote", "down_since", "2026-11-30T23:59:59Z", &["2026-11-32T03:12:00Z", "2026-11-29 03:12"]),
            ("dr-ransomware", "from", "198.51.100.255", &["198.51.100.256", "198.51.100", "all"]),
            ("dr-ransomware", "from", "2001:db8::7", &["2001", "db8"]),
            ("maintenance-schedule", "day", "2026-12-13", &["2026-12-00", "2026-00-13"]),
            ("maintenance-schedule", "until", "23:30", &["24:30", "3:30"]),
            ("resize-instance", "instance", "i-0abc1234def567890", &["i-0abc1234def5678", "i-0abc1234def56789012"]),
        ] {
            assert!(takes(page, name, good), "{page} {name} {good}");
            assert!(wrong.iter().all(|wrong| !takes(page, name, wrong)), "{page} {name} {wrong:?}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let required = Param { required: true, ..param(ParamType::Int) };
        let none = BTreeMap::new();
        assert_eq!(resolve(&[required], &none), Err("the parameter \"x\" (int) must be given".to_owned()));
        let args = [("xx".to_owned(), json!(1))].into();
        let error = resolve(&[param(ParamType::Int)], &args).unwrap_err();
        assert_eq!(error, "there is no parameter \"xx\": did you mean \"x\"?");
        assert_eq!(resolve(&[param(ParamType::Int)], &none), Ok([("x".to_owned(), Value::Null)].into()));
    }

    #[test]
    fn spans_are_read() {
        assert_eq!(duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["", "5", "s", "5x", "-5s", "5 s", "99999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
