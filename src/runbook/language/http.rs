//! The `http` language: a request line with a path, headers, a blank line and a body. The scheme, the host and the port come from
//! the connection and from nowhere else. `{{ name }}` is escaped for where it stands: in the path, in the query, in a header, in
//! JSON, in a form.

use super::fill::{self, Piece, Scope, pieces, uses};
use super::{Fault, Language, Reading, Targets, Types};
use crate::runbook::expr::{Gives, Known};
use crate::runbook::model::{ParamType, Role};
use serde_json::Value;
use std::fmt::{self, Write as _};

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "http",
    doc: "one request: `GET /path`, headers, a blank line, a body; {{ name }} is escaped for its place",
    on: Targets {
        name: "a connection of the kind http",
        params: &[ParamType::Server],
        part: Some("endpoint"),
        hosts: true,
        local: false,
    },
    holds: |role| role.changes().then_some("status >= 200 && status < 300"),
    keyed: false,
    filled: Some(|body, scope| render(body, scope).map(|request| request.text())),
    read,
};

const GIVES: Gives = &[
    ("status", Known::Number),
    ("headers", Known::Map),
    ("json", Known::Any),
    ("body", Known::Text),
    ("ms", Known::Number),
];

/// Headers that the connection makes: with another value they would change where a request goes or where it ends.
const OURS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "proxy-authorization"];

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Method {
    const ALL: [Self; 6] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The word of the request line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// It may change something.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// A request as it would be sent. `Debug` shows neither headers nor body: they may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query, escaped; begins with `/`, and comes behind the path of the connection's address.
    pub target: String,
    /// Headers in order, without those that the connection makes.
    pub headers: Vec<(String, String)>,
    /// Body; empty: none.
    pub body: String,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// As the fence is written. Of a request that was made with [`super::Secrets::Named`] this may be shown.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}", self.method.word(), self.target);
        for (name, value) in &self.headers {
            text.push_str(&["\n", name, ": ", value].concat());
        }
        if !self.body.is_empty() {
            text.push_str(&["\n\n", &self.body].concat());
        }
        text
    }
}

/// A part of a body with the byte where it stands.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

/// A request, read and not filled.
struct Written<'a> {
    method: Method,
    target: Part<'a>,
    headers: Vec<(Part<'a>, Part<'a>)>,
    body: Part<'a>,
}

/// How values stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    /// Nothing is filled in.
    Other,
}

impl Written<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.text.eq_ignore_ascii_case(name)).map(|(_, value)| value.text)
    }

    fn format(&self) -> Format {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match kind {
            "application/x-www-form-urlencoded" => Format::Form,
            _ if kind == "application/json" || kind.ends_with("+json") => Format::Json,
            _ => Format::Other,
        }
    }
}

fn written(body: &str) -> Result<Written<'_>, Fault> {
    if let Some(at) = body.find('\r') {
        return Err(Fault::new(
            at,
            "a carriage return stands here",
            "end the lines of the file with a line feed alone",
        ));
    }
    let mut lines = Lines { body, at: 0 };
    let first = lines.next().unwrap_or(Part { text: "", at: 0 });
    let form = "write `GET /path`, then headers, a blank line and the body";
    let (word, rest) = first.text.split_once(' ').unwrap_or((first.text, ""));
    let Some(method) = Method::ALL.into_iter().find(|method| method.word() == word) else {
        let near = crate::runbook::nearest(word, Method::ALL.into_iter().map(Method::word));
        return Err(Fault::new(first.at, format!("`{word}` is no method of a request{near}"), form));
    };
    let target = Part { text: rest.trim_end(), at: first.at + word.len() + 1 };
    if target.text.is_empty() {
        return Err(Fault::new(first.at, "the request has no path", form));
    }
    let mut headers = Vec::new();
    for line in lines.by_ref() {
        if line.text.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.text.split_once(':') else {
            return Err(Fault::new(
                line.at,
                "this is no header",
                "write `Name: value`, and a blank line before the body",
            ));
        };
        let value_at = line.at + name.len() + 1 + (value.len() - value.trim_start().len());
        headers.push((Part { text: name, at: line.at }, Part { text: value.trim(), at: value_at }));
    }
    let at = lines.at.min(body.len());
    // The line break before the closing fence is Markdown's.
    let rest = body[at..].strip_suffix('\n').unwrap_or(&body[at..]);
    Ok(Written { method, target, headers, body: Part { text: rest, at } })
}

struct Lines<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = rest.find('\n').unwrap_or(rest.len());
        let part = Part { text: &rest[..end], at: self.at };
        self.at += end + 1;
        Some(part)
    }
}

/// The request that a body makes with these values; the error is in words, and never repeats a value.
pub fn render(body: &str, scope: &Scope<'_>) -> Result<Request, String> {
    let written = written(body).map_err(|fault| fault.what)?;
    let mut headers = Vec::new();
    for (name, value) in &written.headers {
        headers.push((name.text.to_owned(), header(value, scope)?));
    }
    let format = written.format();
    let body = match format {
        Format::Json => json(&written.body, scope)?,
        Format::Form => pairs(&written.body, scope)?,
        Format::Other => written.body.text.to_owned(),
    };
    Ok(Request { method: written.method, target: target(&written.target, scope)?, headers, body })
}

fn taken<'a>(part: &Part<'a>) -> Result<Vec<Piece<'a>>, String> {
    pieces(part.text, part.at).map_err(|fault| fault.what)
}

fn header(part: &Part<'_>, scope: &Scope<'_>) -> Result<String, String> {
    let mut out = String::new();
    for piece in taken(part)? {
        match piece {
            Piece::Text(text, _) => out.push_str(text),
            Piece::Hole(name, _) => {
                let value = scope.text(name)?;
                if value.is_empty() || value.chars().any(char::is_control) || value.trim() != value {
                    return Err(format!(
                        "`{name}` cannot stand in a header: it is empty, or holds a line break or spaces around it"
                    ));
                }
                out.push_str(&value);
            }
        }
    }
    Ok(out)
}

/// The path and the query. A value is one piece of a path, and the value of one key of a query.
fn target(part: &Part<'_>, scope: &Scope<'_>) -> Result<String, String> {
    let mut out = String::new();
    for piece in taken(part)? {
        match piece {
            Piece::Text(text, _) => out.push_str(text),
            Piece::Hole(name, _) if fill::secret(name).is_some() => {
                return Err(format!("`{name}` would be logged with the path"));
            }
            Piece::Hole(name, _) => {
                let value = scope.text(name)?;
                if value.is_empty() && !out.contains('?') {
                    return Err(format!("`{name}` is empty, and the path would be another one without it"));
                }
                encode(&value, &mut out);
            }
        }
    }
    let path = out.split('?').next().unwrap_or_default();
    if path.split('/').any(is_dots) {
        return Err("the path would leave its folder: a piece of it is `.` or `..`".to_owned());
    }
    Ok(out)
}

/// `.` and `..`, in all the ways in which a URL can write them.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn pairs(part: &Part<'_>, scope: &Scope<'_>) -> Result<String, String> {
    let mut out = String::new();
    for piece in taken(part)? {
        match piece {
            Piece::Text(text, _) => out.push_str(text),
            Piece::Hole(name, _) => encode(&scope.text(name)?, &mut out),
        }
    }
    Ok(out)
}

/// Whether the end of a text of JSON stands inside a string.
#[derive(Clone, Copy, Debug, Default)]
struct InString {
    open: bool,
    escaped: bool,
}

impl InString {
    fn after(mut self, text: &str) -> Self {
        for char in text.chars() {
            match char {
                _ if self.escaped => self.escaped = false,
                '\\' if self.open => self.escaped = true,
                '"' => self.open = !self.open,
                _ => {}
            }
        }
        self
    }
}

fn json(part: &Part<'_>, scope: &Scope<'_>) -> Result<String, String> {
    let (mut out, mut state) = (String::new(), InString::default());
    let pieces = taken(part)?;
    for (at, piece) in pieces.iter().enumerate() {
        match *piece {
            Piece::Text(text, _) => {
                out.push_str(text);
                state = state.after(text);
            }
            Piece::Hole(name, _) if state.escaped => return Err(format!("`{name}` stands behind a backslash")),
            Piece::Hole(name, _) if state.open => {
                let text = scope.text(name)?;
                let text = if fill::is_before_port(&pieces, at) { fill::before_port(text) } else { text };
                let quoted = Value::String(text).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            Piece::Hole(name, _) => out.push_str(&scope.value(name)?.to_string()),
        }
    }
    Ok(out)
}

fn read(role: Role, body: &str, types: &Types) -> Reading {
    let mut reading = Reading { gives: GIVES, ..Reading::default() };
    let written = match written(body) {
        Ok(written) => written,
        Err(fault) => return Reading { faults: vec![fault], ..reading },
    };
    let Written { method, target, headers, body } = &written;
    if method.changes() && !role.changes() {
        let what = format!("{} may change something, and {} may not", method.word(), role.word());
        reading.faults.push(Fault::new(0, what, "use GET or HEAD here"));
    }
    if !method.changes() && !body.text.trim().is_empty() {
        let what = format!("{} takes no body", method.word());
        reading.faults.push(Fault::new(body.at, what, "put the values into the query, or use POST"));
    }
    read_target(target, types, &mut reading);
    for (index, (name, value)) in headers.iter().enumerate() {
        read_header(name, value, types, &mut reading);
        if headers[..index].iter().any(|(known, _)| known.text.eq_ignore_ascii_case(name.text)) {
            reading.faults.push(Fault::new(name.at, format!("`{}` stands here twice", name.text), "keep one"));
        }
    }
    read_body(&written, types, &mut reading);
    reading
}

/// Notes what the holes of a part use, and hands over its pieces.
fn holes<'a>(part: &Part<'a>, types: &Types, reading: &mut Reading) -> Vec<Piece<'a>> {
    let pieces = match pieces(part.text, part.at) {
        Ok(pieces) => pieces,
        Err(fault) => {
            reading.faults.push(fault);
            return Vec::new();
        }
    };
    for piece in &pieces {
        let Piece::Hole(name, at) = piece else { continue };
        match uses(name, *at, types) {
            Ok(used) => reading.used.extend(used),
            Err(fault) => reading.faults.push(fault),
        }
    }
    pieces
}

fn read_target(part: &Part<'_>, types: &Types, reading: &mut Reading) {
    let Part { text, at } = *part;
    let mend = "write a path that begins with one `/`: scheme, host and port come from the connection";
    if !text.starts_with('/') || text.starts_with("//") {
        reading.faults.push(Fault::new(at, "this is no path", mend));
    }
    let pieces = holes(part, types, reading);
    let mut before = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text, at) => {
                let odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "\\#\"<>^`{}|".contains(c);
                if let Some((index, char)) = text.char_indices().find(|(_, c)| odd(*c)) {
                    let what = format!("{char:?} cannot stand in a path");
                    reading.faults.push(Fault::new(at + index, what, "write it as `%XX`; a fragment is never sent"));
                }
                if let Some(index) = half_escape(text) {
                    reading.faults.push(half_fault(at + index));
                }
                before.push_str(text);
            }
            Piece::Hole(name, at) => {
                if fill::secret(name).is_some() {
                    let mend = "paths are logged everywhere: put it into a header or the body";
                    reading.faults.push(Fault::new(at, format!("`{name}` stands in the path or the query"), mend));
                }
                if let Some(query) = before.split_once('?').map(|(_, query)| query)
                    && !query.rsplit('&').next().unwrap_or_default().contains('=')
                {
                    reading.faults.push(key_fault(name, at));
                }
                before.push('x');
            }
        }
    }
    let path = before.split('?').next().unwrap_or_default();
    if path.split('/').any(is_dots) {
        reading.faults.push(Fault::new(at, "the path leaves its folder", "write it without `.` and `..`"));
    }
}

/// A `%` without its two digits: what is filled in behind it would become part of it.
fn half_escape(text: &str) -> Option<usize> {
    let digits =
        |at: usize| text.get(at + 1..at + 3).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.match_indices('%').map(|(at, _)| at).find(|at| !digits(*at))
}

fn half_fault(at: usize) -> Fault {
    Fault::new(at, "a `%` without its two digits", "write it as `%25`")
}

fn key_fault(name: &str, at: usize) -> Fault {
    Fault::new(at, format!("`{name}` stands where a key would"), "a value stands behind `key=`")
}

fn read_header(name: &Part<'_>, value: &Part<'_>, types: &Types, reading: &mut Reading) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.text.is_empty() || !name.text.chars().all(plain) {
        reading.faults.push(Fault::new(name.at, "this is no header's name", "use letters, digits and hyphens"));
    }
    if OURS.contains(&name.text.to_ascii_lowercase().as_str()) {
        let mend = "remove it: the connection says it";
        reading.faults.push(Fault::new(name.at, format!("`{}` is not for a runbook to say", name.text), mend));
    }
    let pieces = holes(value, types, reading);
    if name.text.eq_ignore_ascii_case("content-type") && pieces.iter().any(|piece| matches!(piece, Piece::Hole(..))) {
        let mend = "write the type itself: it says how the body is escaped";
        reading.faults.push(Fault::new(value.at, "the type of the body is not fixed", mend));
    }
}

/// Stands for a value while a body is looked at; no text of a file holds it.
const MARK: &str = "\u{e000}";

fn read_body(written: &Written<'_>, types: &Types, reading: &mut Reading) {
    let body = &written.body;
    let before = reading.faults.len();
    let pieces = holes(body, types, reading);
    // What is left of a body of which a hole is wrong is nothing to judge.
    if reading.faults.len() > before {
        return;
    }
    let hole = pieces.iter().find_map(|piece| match piece {
        Piece::Hole(_, at) => Some(*at),
        Piece::Text(..) => None,
    });
    match written.format() {
        Format::Json => read_json(&pieces, body, reading),
        Format::Form => {
            let mut before = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text, at) => {
                        reading.faults.extend(half_escape(text).map(|index| half_fault(at + index)));
                        before.push_str(text);
                    }
                    Piece::Hole(name, at) if !before.rsplit('&').next().unwrap_or_default().contains('=') => {
                        reading.faults.push(key_fault(name, at));
                    }
                    Piece::Hole(..) => before.push('x'),
                }
            }
        }
        Format::Other => {
            let looks = body.text.trim_start().starts_with(['{', '[']) && written.header("content-type").is_none();
            if let Some(at) = hole.or(looks.then_some(body.at)) {
                let mend = "add `Content-Type: application/json` (or application/x-www-form-urlencoded)";
                reading.faults.push(Fault::new(at, "nothing says how this body is to be read", mend));
            }
        }
    }
}

fn read_json(pieces: &[Piece<'_>], body: &Part<'_>, reading: &mut Reading) {
    let (mut text, mut state) = (String::new(), InString::default());
    for piece in pieces {
        match piece {
            Piece::Text(part, _) => {
                text.push_str(part);
                state = state.after(part);
            }
            Piece::Hole(..) if state.open => text.push_str(MARK),
            Piece::Hole(..) => text.push_str("null"),
        }
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if has_mark(&value) => {
            reading.faults.push(Fault::new(
                body.at,
                "a value stands where a key would",
                "write the keys of JSON as they are",
            ));
        }
        Ok(_) => {}
        Err(error) if !body.text.trim().is_empty() => {
            let before: usize = text.lines().take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            // With holes in it, only the line is certain.
            let at = body.at + before.min(body.text.len());
            reading.faults.push(Fault::new(at, format!("the body is no JSON: {what}"), "mend it here"));
        }
        Err(_) => {}
    }
}

fn has_mark(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains(MARK) || has_mark(value)),
        Value::Array(items) => items.iter().any(has_mark),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::NameType;
    use super::super::fill::tests::with;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn types() -> Types {
        [
            ("x".to_owned(), NameType::Param(ParamType::String)),
            ("before".to_owned(), NameType::Rows),
            ("token".to_owned(), NameType::Secret),
        ]
        .into()
    }

    fn faults(role: Role, body: &str) -> Vec<String> {
        read(role, body, &types()).faults.into_iter().map(|fault| format!("{}: {}", fault.at, fault.what)).collect()
    }

    const JSON: &str = "POST /a/{{ x }}?q={{ x }}\nX-A: {{ x }}\nContent-Type: application/json\n\n{\"s\": \"<{{ x }}>\", \"v\": {{ x }}, \"n\": {{ before[0].id }}}\n";

    #[test]
    fn a_request_is_filled_by_position() {
        assert_eq!(faults(Role::Run, JSON), [""; 0]);
        let request = with(json!("é/\"&= 1"), |scope| render(JSON, &scope)).unwrap();
        assert_eq!(
            request.text(),
            "POST /a/%C3%A9%2F%22%26%3D%201?q=%C3%A9%2F%22%26%3D%201\nX-A: é/\"&= 1\nContent-Type: application/json\n\n{\"s\": \"<é/\\\"&= 1>\", \"v\": \"é/\\\"&= 1\", \"n\": 7}"
        );
        assert_eq!(format!("{request:?}").matches("é").count(), 0);
        let form = "POST /a\nContent-Type: application/x-www-form-urlencoded\n\na=1&b={{ x }}";
        assert_eq!(faults(Role::Run, form), [""; 0]);
        assert_eq!(with(json!("1&c=2"), |scope| render(form, &scope)).unwrap().body, "a=1&b=1%26c%3D2");
    }

    #[test]
    fn secrets_go_into_headers_and_bodies_only() {
        let body = "GET /a\nAuthorization: Bearer {{ secret.token }}\nIdempotency-Key: {{ run.id }}/{{ step.id }}";
        assert_eq!(faults(Role::Check, body), [""; 0]);
        let request = with(json!(1), |scope| render(body, &scope)).unwrap();
        assert_eq!(request.headers[0].1, "Bearer s3cr3t");
        assert_eq!(request.headers[1].1, "r1/a/b");
        for wrong in [
            "GET /{{ secret.token }}",
            "GET /?a={{ secret.token }}",
            "GET /\nA: {{ token }}",
            "GET /\nA: {{ secret.x }}",
        ] {
            assert_eq!(faults(Role::Check, wrong).len(), 1, "{wrong}");
        }
        assert!(with(json!(1), |scope| render("GET /{{ secret.token }}", &scope)).is_err());
    }

    #[test]
    fn what_would_go_elsewhere_or_change_something_is_refused() {
        for wrong in [
            "",
            "GET",
            "FETCH /",
            "get /",
            "GET http://evil/",
            "GET //evil/",
            "GET a",
            "GET {{ x }}",
            "GET /../b",
            "GET /%2e%2E/b",
            "GET /a b",
            "GET /a#b",
            "GET /a\\b",
            "POST /a",
            "GET /a\nHost: evil",
            "GET /a\nContent-Length: 3",
            "GET /a\nno header",
            "GET /a\nA: 1\na: 2",
            "GET /a\n\nbody",
            "GET /%{{ x }}",
            "GET /%2{{ x }}",
            "GET /?a=%{{ x }}",
            "GET /?{{ x }}=1",
            "GET /?a=1&{{ x }}",
            "GET /{{ x|upper }}",
            "GET /\nA: {{ before }}",
            "GET /\nA B: 1",
        ] {
            assert!(!faults(Role::Check, wrong).is_empty(), "{wrong:?}");
        }
        for wrong in [
            "POST /a\n\n{\"a\": 1}",
            "POST /a\nContent-Type: application/json\n\n{\"a\": }",
            "POST /a\nContent-Type: application/json\n\n{\"{{ x }}\": 1}",
            "POST /a\nContent-Type: application/json\n\n{\"a\": \"\\{{ x }}\"}",
            "POST /a\nContent-Type: application/json\n\n{\"a\": \"\\u{{ x }}\"}",
            "POST /a\nContent-Type: text/plain\n\n{{ x }}",
            "POST /a\nContent-Type: {{ x }}\n\na",
            "POST /a\nContent-Type: application/x-www-form-urlencoded\n\n{{ x }}=1",
        ] {
            assert_eq!(faults(Role::Run, wrong).len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn values_that_would_bend_a_path_or_a_header_are_refused() {
        let path = |value: &str| with(json!(value), |scope| render("GET /a/{{ x }}/b", &scope));
        for wrong in ["", ".", ".."] {
            assert!(path(wrong).is_err(), "{wrong:?}");
        }
        assert!(with(json!("."), |scope| render("GET /a/.{{ x }}/b", &scope)).is_err());
        assert_eq!(path("../..").unwrap().target, "/a/..%2F../b");
        let header = |value: &str| with(json!(value), |scope| render("GET /\nA: {{ x }}", &scope));
        for wrong in ["", "a\r\nB: 1", "a\n", " a", "a\u{0}"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }

    /// The bytes behind `%XX`.
    fn decoded(text: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_position(value in "[\\x00-\\x7f]{0,12}|\\PC{0,12}|[./%\"\\\\&=?#{}]{0,8}") {
            let Ok(request) = with(json!(value), |scope| render(JSON, &scope)) else {
                // Only what no header or path can hold is refused.
                let path = matches!(value.as_str(), "" | "." | "..");
                prop_assert!(path || value.chars().any(char::is_control) || value.trim() != value, "{:?}", value);
                return Ok(());
            };
            let (path, query) = request.target.split_once('?').unwrap();
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 3);
            prop_assert_eq!(decoded(segments[2]), value.clone());
            let keys: Vec<&str> = query.split('&').collect();
            prop_assert_eq!(keys.len(), 1);
            prop_assert_eq!(decoded(keys[0].strip_prefix("q=").unwrap()), value.clone());
            prop_assert_eq!(&request.headers[0].1, &value);
            let body: Value = serde_json::from_str(&request.body).unwrap();
            prop_assert_eq!(body, json!({"s": format!("<{value}>"), "v": value, "n": 7}));
            let url = url(&request.target);
            prop_assert_eq!(url.0, "h");
        }

        #[test]
        fn any_body_is_read_without_a_panic(body in "(GET|POST) /\\PC*|[A-Z /:{}x\"\n]*|\\PC*") {
            read(Role::Run, &body, &types());
            let _ = with(json!("a"), |scope| render(&body, &scope));
        }
    }

    /// Host and path, as the client's own reader of addresses sees them.
    fn url(target: &str) -> (String, String) {
        let url = reqwest::Url::parse(&format!("http://h{target}")).unwrap();
        (url.host_str().unwrap().to_owned(), url.path().to_owned())
    }
}
