//! What a shell is given to read (`script`, `durable`), read back: for whoever plays a host and does natively what those texts ask for. A
//! test holds both sides together.

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A script that is waited for.
    Task(Task),
    /// Something about a change that its host keeps.
    Ask(Ask),
}

/// A script, and what it is to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Names and values, for its environment.
    pub variables: Vec<(String, String)>,
    /// Bash.
    pub body: String,
    /// Where it begins.
    pub dir: Option<String>,
    /// When it is ended.
    pub seconds: u64,
}

/// A script that is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The script.
    pub script: Script,
    /// As whom; `None`: as whoever logs in.
    pub user: Option<String>,
    /// What its processes are known by later.
    pub step: Option<String>,
    /// What stands before each word about it, on the error output.
    pub mark: String,
}

/// Something about a change that its host keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The change: hexadecimal digits.
    pub key: String,
    /// As whom; `None`: as whoever logs in.
    pub user: Option<String>,
    /// What stands before each line of the answer.
    pub mark: String,
    /// What is asked.
    pub what: What,
}

/// What is asked of a host that keeps a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Whether it could keep something.
    Probe,
    /// To begin it.
    Start(Script),
    /// To say what is new since these bytes of both outputs, waiting for that about so many seconds.
    Poll {
        /// Seconds.
        wait: u64,
        /// Of the output.
        out: usize,
        /// Of the error output.
        err: usize,
    },
    /// To end it; so many seconds politely.
    Cancel {
        /// Seconds.
        grace: u64,
    },
    /// To remove what is kept of a result; `again`: as if it had never been.
    Forget {
        /// The key is free again.
        again: bool,
    },
}

/// Reads what a shell was given; `None`: it is something else.
pub fn read(text: &str) -> Option<Sent> {
    task(text).map(Sent::Task).or_else(|| ask(text).map(Sent::Ask))
}

fn task(text: &str) -> Option<Task> {
    let mut at = At(text);
    at.eat("{\nexec ")?;
    let user = at.user();
    at.eat("bash -s <<'")?;
    let watched = at.document()?;
    let mut at = At(&watched);
    at.eat("{\nset -m\n")?;
    let mut task = Task { user, ..Task::default() };
    while at.eat("export ").is_some() {
        let (name, value) = (at.until("=")?.to_owned(), at.word()?);
        at.eat("\n")?;
        match name.as_str() {
            "QUARTERDECK_STEP" => task.step = Some(value),
            _ => task.script.variables.push((name, value)),
        }
    }
    if at.eat("cd -- ").is_some() {
        task.script.dir = Some(at.word()?);
    }
    at.until("bash /dev/fd/9 9<<'")?;
    let end = at.until("'")?;
    at.until("\n")?;
    at.until(&format!("\n{end}\n"))?.clone_into(&mut task.script.body);
    at.until("echo \"")?;
    at.until(" began ")?.clone_into(&mut task.mark);
    at.until("{ sleep ")?;
    task.script.seconds = at.until(";")?.parse().ok()?;
    Some(task)
}

fn ask(text: &str) -> Option<Ask> {
    let mut at = At(text);
    let user = at.eat("{\nexec ").and_then(|()| at.user());
    let inner = if user.is_some() {
        at.eat("sh -s <<'")?;
        at.document()?
    } else {
        text.to_owned()
    };
    let mut at = At(&inner);
    at.eat("{\nQD_KEY=")?;
    let key = at.until(" ")?.to_owned();
    at.eat("QD_NAME=")?;
    at.word()?;
    at.eat(" QD_SAY=")?;
    let mark = at.until(" ")?.to_owned();
    let what = match at.until("\nquarterdeck_start ") {
        Some(_) => {
            at.until(" <<'")?;
            What::Start(kept(&at.document()?)?)
        }
        None => what(at.0.trim_end().strip_suffix("\n}")?.rsplit('\n').next()?)?,
    };
    Some(Ask { key, user, mark, what })
}

/// The one line that asks.
fn what(line: &str) -> Option<What> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    Some(match words[0] {
        "quarterdeck_probe" => What::Probe,
        "quarterdeck_poll" => {
            let offset = |at: usize| words.get(at)?.parse::<usize>().ok();
            What::Poll { wait: number(1)?, out: offset(2)?, err: offset(3)? }
        }
        "quarterdeck_cancel" => What::Cancel { grace: number(1)? },
        "quarterdeck_forget" => What::Forget { again: words.get(1) == Some(&"all") },
        _ => return None,
    })
}

/// The script in what stays with it over there.
fn kept(text: &str) -> Option<Script> {
    let mut at = At(text);
    at.until("\nQD_LIMIT=")?;
    let mut script = Script { seconds: at.until("\n")?.parse().ok()?, ..Script::default() };
    at.eat("quarterdeck_begin\nquarterdeck_scope\n")?;
    if at.eat("cd -- ").is_some() {
        script.dir = Some(at.word()?);
    }
    at.until("umask \"$QD_UMASK\"\n")?;
    while at.eat("export ").is_some() {
        let name = at.until("=")?;
        if name == "QUARTERDECK_STEP" {
            break;
        }
        script.variables.push((name.to_owned(), at.word()?));
        at.eat("\n")?;
    }
    at.until("\nquarterdeck_body\n) 9<<'")?;
    let end = at.until("'")?;
    at.until("2>>\"$QD_D/err\"\n")?;
    at.until(&format!("\n{end}\n"))?.clone_into(&mut script.body);
    Some(script)
}

/// What is still to be read.
struct At<'a>(&'a str);

impl<'a> At<'a> {
    fn eat(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// All before a text, which is passed over.
    fn until(&mut self, text: &str) -> Option<&'a str> {
        let (before, rest) = self.0.split_once(text)?;
        self.0 = rest;
        Some(before)
    }

    /// A word between single quotes, as `quoted` writes it.
    fn word(&mut self) -> Option<String> {
        self.eat("'")?;
        let mut word = self.until("'")?.to_owned();
        while self.eat("\\''").is_some() {
            word.push('\'');
            word.push_str(self.until("'")?);
        }
        Some(word)
    }

    /// As whom it runs, where it says so.
    fn user(&mut self) -> Option<String> {
        self.eat("sudo -n -u ")?;
        let user = self.word()?;
        self.eat(" -- ")?;
        Some(user)
    }

    /// A document whose end is named next: `END'`, a line break, the lines, `END`. With its last line break.
    fn document(&mut self) -> Option<String> {
        let end = self.until("'\n")?;
        self.until(&format!("\n{end}\n")).map(|text| format!("{text}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::durable::{self, Key};
    use super::super::script;
    use super::*;
    use secrecy::ExposeSecret;
    use std::time::Duration;

    #[test]
    fn scripts_that_are_waited_for_are_read_back() {
        let variables =
            vec![("server".to_owned(), "game-1".to_owned()), ("odd".to_owned(), "it's\ntwo lines".to_owned())];
        let body = "set -eu\ncat <<'SQL'\nQUARTERDECK_END\nSQL\necho ' began '".to_owned();
        for (dir, user, step) in [(None, None, None), (Some("/opt/a b"), Some("postgres"), Some("r/s/h"))] {
            let timeout = Duration::from_millis(1_500);
            let sent =
                script::Task { variables: &variables, body: &body, dir, user, timeout, mark: "mark-1", key: step };
            let text = format!("{}\n", sent.input().expose_secret());
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let script = Script { variables: variables.clone(), body: body.clone(), dir: owned(dir), seconds: 2 };
            let task = Task { script, user: owned(user), step: owned(step), mark: "mark-1".to_owned() };
            assert_eq!(read(&text), Some(Sent::Task(task)), "{text}");
        }
    }

    #[test]
    fn all_that_is_asked_about_a_change_is_read_back() {
        let (variables, body) =
            (vec![("a".to_owned(), "b 'c'".to_owned())], "set -eu\necho \"$a\"\nquarterdeck_start x <<'");
        let timeout = Duration::from_secs(60);
        let sent = |dir| durable::Script { variables: &variables, body, dir, timeout };
        let script = |dir: Option<&str>| Script {
            variables: variables.clone(),
            body: body.to_owned(),
            dir: dir.map(str::to_owned),
            seconds: 60,
        };
        let (bare, there) = (sent(None), sent(Some("/opt")));
        for (ask, what) in [
            (durable::Ask::Probe, What::Probe),
            (durable::Ask::Start(&bare), What::Start(script(None))),
            (durable::Ask::Start(&there), What::Start(script(Some("/opt")))),
            (durable::Ask::Poll { wait: 4, out: 10, err: 3 }, What::Poll { wait: 4, out: 10, err: 3 }),
            (durable::Ask::Cancel { grace: 5 }, What::Cancel { grace: 5 }),
            (durable::Ask::Forget { again: true }, What::Forget { again: true }),
            (durable::Ask::Forget { again: false }, What::Forget { again: false }),
        ] {
            for user in [None, Some("postgres")] {
                let key = Key::new("run", "step", "it's", None);
                let text = format!("{}\n", ask.input(&key, user, "mark-1").expose_secret());
                let Some(Sent::Ask(read)) = read(&text) else { panic!("{text}") };
                assert_eq!((read.what, read.user.as_deref(), read.mark.as_str()), (what.clone(), user, "mark-1"));
                assert_eq!(read.key.len(), 40);
            }
        }
    }

    #[test]
    fn what_is_something_else_is_not_taken_for_it() {
        for text in ["", "echo a\n", "{\necho\n}\n", "exec 'ls' </dev/null\n", "{\nQD_KEY=a\n}\n"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
