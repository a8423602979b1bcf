//! Go's templates, as far as `--format` of docker is used with them: paths, `json`, `index`, `println`, `range`, `if`, `else`.

use serde_json::Value;

/// A piece of a template.
#[derive(Debug)]
enum Piece {
    Text(String),
    /// The word before a path, the path, and the key of `index`.
    Value(&'static str, String, Option<String>),
    /// It is a `range`; of what; what stands in it; what stands there else.
    Block(bool, String, Vec<Piece>, Vec<Piece>),
}

/// Fills a template in.
///
/// # Errors
/// What of it this drill does not know.
pub(super) fn fill(template: &str, value: &Value) -> Result<String, String> {
    let template = template.replace("\\t", "\t").replace("\\n", "\n");
    let mut rest = template.as_str();
    let (pieces, _) = pieces(&mut rest, false)?;
    let mut out = String::new();
    write(&pieces, value, &mut out);
    Ok(out)
}

/// The pieces until the end of it all or of a block; whether an `else` ended them.
fn pieces(rest: &mut &str, inside: bool) -> Result<(Vec<Piece>, bool), String> {
    let mut all = Vec::new();
    while let Some((before, behind)) = rest.split_once("{{") {
        all.push(Piece::Text(before.to_owned()));
        let (inner, after) = behind.split_once("}}").ok_or("template: unclosed action")?;
        *rest = after;
        let words: Vec<&str> =
            inner.trim_matches(|letter: char| letter == '-' || letter.is_whitespace()).split_whitespace().collect();
        match words.as_slice() {
            ["end"] if inside => return Ok((all, false)),
            ["else"] if inside => return Ok((all, true)),
            [word @ ("range" | "if"), path] => {
                let (block, goes_on) = pieces(rest, true)?;
                let other = if goes_on { pieces(rest, true)?.0 } else { Vec::new() };
                all.push(Piece::Block(*word == "range", (*path).to_owned(), block, other));
            }
            ["json", path] => all.push(Piece::Value("json", (*path).to_owned(), None)),
            ["println", path] => all.push(Piece::Value("println", (*path).to_owned(), None)),
            ["index", path, key] => {
                all.push(Piece::Value("", (*path).to_owned(), Some(key.trim_matches('"').to_owned())));
            }
            [path] if path.starts_with('.') => all.push(Piece::Value("", (*path).to_owned(), None)),
            _ => return Err(format!("a drill's docker does not know {{{{{}}}}}", inner.trim())),
        }
    }
    if inside {
        return Err("template: unexpected EOF".to_owned());
    }
    all.push(Piece::Text((*rest).to_owned()));
    *rest = "";
    Ok((all, false))
}

fn write(pieces: &[Piece], value: &Value, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(word, path, key) => {
                let found = find(value, path);
                let found = key.as_ref().map_or(found, |key| found.get(key).unwrap_or(&Value::Null));
                match *word {
                    "json" => out.push_str(&found.to_string()),
                    _ => out.push_str(&shown(found)),
                }
                if *word == "println" {
                    out.push('\n');
                }
            }
            Piece::Block(true, path, inner, other) => {
                match find(value, path).as_array().filter(|all| !all.is_empty()) {
                    Some(all) => all.iter().for_each(|one| write(inner, one, out)),
                    None => write(other, value, out),
                }
            }
            Piece::Block(false, path, inner, other) => {
                let found = find(value, path);
                let holds = !(found.is_null() || found == &Value::Bool(false) || found.as_str() == Some(""));
                write(if holds { inner } else { other }, value, out);
            }
        }
    }
}

fn find<'a>(value: &'a Value, path: &str) -> &'a Value {
    let steps = path.split('.').filter(|step| !step.is_empty());
    steps.fold(value, |at, step| at.get(step).unwrap_or(&Value::Null))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_filled_in_and_others_are_refused() {
        let value = json!({ "Names": "a", "State": { "ExitCode": 137, "OOM": false }, "Labels": { "x.y": "z" }, "Env": ["A=1", "B=2"] });
        for (template, filled) in [
            ("{{.Names}} {{ .State.ExitCode }}", "a 137"),
            ("{{json .State}}", r#"{"ExitCode":137,"OOM":false}"#),
            ("{{index .Labels \"x.y\"}}", "z"),
            ("{{range .Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
            ("{{if .State.OOM}}yes{{end}}.", "."),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}", "healthy"),
            ("{{if .Names}}{{range .None}}x{{else}}none{{end}}{{else}}y{{end}}", "none"),
            ("{{.None}}", "<no value>"),
            ("a\\tb", "a\tb"),
        ] {
            assert_eq!(fill(template, &value).as_deref(), Ok(filled));
        }
        assert!(fill("{{upper .Names}}", &value).unwrap_err().contains("does not know {{upper .Names}}"));
        assert!(fill("{{range .Env}}", &value).is_err());
    }
}
