//! As much of the shell's grammar as it takes to see which commands a script runs, what they are given and where their output goes.
//!
//! It judges what stands there, not what a variable holds, and is not a wall: a script that wants to deceive it can. Read-only roles
//! are held for an honest author by this, and for everybody else by who may log in.

/// Nesting beyond this is not followed.
const DEEPEST: u32 = 40;

/// A script, taken apart.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Its simple commands, in the order in which they begin.
    pub(super) commands: Vec<Command>,
    /// Every variable that it reads, with the byte where it stands.
    pub(super) names: Vec<(String, usize)>,
    /// Pipes that stand inside `$(…)`.
    pub(super) inner_pipes: Vec<usize>,
    /// A quote or bracket that is never closed, or too many of them.
    pub(super) open: Option<usize>,
}

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Its words without their quotes; an expansion is `$`.
    pub(super) words: Vec<String>,
    /// Byte of its first word.
    pub(super) at: usize,
    /// A `!` stands before it.
    pub(super) negated: bool,
    /// Files that it writes, with their bytes.
    pub(super) writes: Vec<(String, usize)>,
    /// It is given a text that stands in the script.
    pub(super) fed: bool,
    /// The variables in its words.
    pub(super) names: Vec<(String, usize)>,
}

/// Words that stand before a command and are none.
const KEYWORDS: [&str; 12] = ["if", "then", "else", "elif", "fi", "do", "done", "while", "until", "esac", "{", "}"];
/// Commands that run the command behind them.
const WRAPPERS: [&str; 13] = [
    "sudo", "env", "command", "exec", "nohup", "time", "nice", "ionice", "timeout", "xargs", "stdbuf", "setsid", "doas",
];
/// Options of those that take a word of their own.
const WRAPPER_OPTIONS: [&str; 9] = ["-u", "-g", "-n", "-I", "-P", "-L", "-s", "-k", "-c"];

impl Command {
    /// The command itself, without the folder that it is in, and the words behind it; without variables set for it, and without the
    /// commands that only run another one.
    pub(super) fn verb(&self) -> Option<(&str, &[String])> {
        let mut rest = self.words.as_slice();
        let mut wrapped = false;
        loop {
            let (first, tail) = rest.split_first()?;
            let name = first.rsplit('/').next().unwrap_or_default();
            let number = wrapped && name.starts_with(|c: char| c.is_ascii_digit());
            if WRAPPERS.contains(&name) {
                wrapped = true;
                rest = tail;
            } else if wrapped && first.starts_with('-') {
                let skipped = usize::from(WRAPPER_OPTIONS.contains(&first.as_str()) && !tail.is_empty());
                rest = &tail[skipped..];
            } else if is_assignment(first) || number {
                rest = tail;
            } else {
                return Some((name, tail));
            }
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Takes a script apart.
pub(super) fn read(body: &str) -> Script {
    let mut reader = Reader { body, at: 0, script: Script::default(), heredocs: Vec::new(), ticks: false };
    reader.list(None, 0, 0);
    reader.script.commands.sort_by_key(|command| command.at);
    reader.script
}

struct Reader<'a> {
    body: &'a str,
    at: usize,
    script: Script,
    /// Here-documents whose text begins with the next line: the word that ends each, and whether it is expanded.
    heredocs: Vec<(String, bool)>,
    /// Inside backticks, where the next one closes.
    ticks: bool,
}

/// A command that is being read.
#[derive(Default)]
struct Open {
    command: Command,
    /// Words of `for`, `case` and patterns, which are no command.
    no_command: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.body[self.at..]
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Commands up to `end`, or up to the end of the text. `inside`: how many `$(…)` are around; `deep`: brackets of all kinds.
    fn list(&mut self, end: Option<char>, inside: u32, deep: u32) {
        let start = self.at;
        if deep > DEEPEST {
            self.script.open.get_or_insert(start);
            self.at = self.body.len();
            return;
        }
        let mut open = Open::default();
        while let Some(char) = self.rest().chars().next() {
            if Some(char) == end {
                self.at += char.len_utf8();
                self.finish(&mut open);
                return;
            }
            match char {
                '\n' => {
                    self.at += 1;
                    self.finish(&mut open);
                    self.heredoc_bodies(inside, deep);
                }
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.rest().starts_with("\\\n") => self.at += 2,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                ';' | '&' if !self.rest().starts_with("&>") => {
                    self.at += 1;
                    self.finish(&mut open);
                }
                '|' => {
                    if !self.take("||") {
                        if inside > 0 {
                            self.script.inner_pipes.push(self.at);
                        }
                        self.at += 1;
                    }
                    self.finish(&mut open);
                }
                '(' if self.rest().starts_with("((") && open.command.words.is_empty() => self.arithmetic("((", "))"),
                '(' => {
                    self.at += 1;
                    // `name()` begins a function.
                    if !open.command.words.is_empty() && self.take(")") {
                        open = Open::default();
                    } else {
                        self.list(Some(')'), inside, deep + 1);
                    }
                }
                // The end of a pattern of `case`.
                ')' => {
                    self.at += 1;
                    open = Open::default();
                }
                '<' | '>' | '&' => self.redirection(&mut open, inside, deep),
                _ => self.word_of(&mut open, inside, deep),
            }
        }
        self.finish(&mut open);
        if end.is_some() {
            self.script.open.get_or_insert(start);
        }
    }

    fn finish(&mut self, open: &mut Open) {
        let Open { command, no_command } = std::mem::take(open);
        let empty = command.words.is_empty() && command.writes.is_empty();
        if !no_command && !empty {
            self.script.commands.push(command);
        }
    }

    fn word_of(&mut self, open: &mut Open, inside: u32, deep: u32) {
        let at = self.at;
        let (word, quoted, names) = self.word(inside, deep);
        if word == "[[" && open.command.words.is_empty() {
            let end = self.rest().find("]]").map_or(self.rest().len(), |end| end + 2);
            let text = &self.rest()[..end];
            self.expansions(text, self.at);
            self.at += end;
        }
        if self.at == at {
            // Nothing of a word, for example a lone `$`: it is never read for ever.
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
        let first = open.command.words.is_empty();
        // The number of a redirection.
        if !quoted && word.bytes().all(|byte| byte.is_ascii_digit()) && self.rest().starts_with(['<', '>']) {
            return;
        }
        if first && !quoted {
            match word.as_str() {
                "!" => {
                    open.command.negated = true;
                    return;
                }
                "for" | "case" | "select" | "function" => open.no_command = true,
                _ if KEYWORDS.contains(&word.as_str()) => return,
                _ => {}
            }
        }
        if first {
            open.command.at = at;
        }
        open.command.words.push(word);
        open.command.names.extend(names);
    }

    /// A word without its quotes, whether any of it was quoted, and the variables in it.
    fn word(&mut self, inside: u32, deep: u32) -> (String, bool, Vec<(String, usize)>) {
        let (mut word, mut quoted, mut own) = (String::new(), false, Vec::new());
        while let Some(char) = self.rest().chars().next() {
            match char {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '`' if self.ticks => break,
                '\'' => {
                    quoted = true;
                    let start = self.at;
                    self.at += 1;
                    let Some(end) = self.rest().find('\'') else {
                        self.script.open.get_or_insert(start);
                        self.at = self.body.len();
                        break;
                    };
                    word.push_str(&self.rest()[..end]);
                    self.at += end + 1;
                }
                '"' => {
                    quoted = true;
                    self.double(&mut word, &mut own, inside, deep);
                }
                '\\' => {
                    self.at += 1;
                    let next = self.rest().chars().next();
                    word.extend(next);
                    self.at += next.map_or(0, char::len_utf8);
                }
                '$' | '`' => self.expansion(&mut word, &mut own, inside, deep),
                _ => {
                    word.push(char);
                    self.at += char.len_utf8();
                }
            }
        }
        (word, quoted, own)
    }

    fn double(&mut self, word: &mut String, own: &mut Vec<(String, usize)>, inside: u32, deep: u32) {
        let start = self.at;
        self.at += 1;
        while let Some(char) = self.rest().chars().next() {
            match char {
                '"' => {
                    self.at += 1;
                    return;
                }
                '`' if self.ticks => break,
                '\\' => {
                    self.at += 1;
                    let next = self.rest().chars().next();
                    word.extend(next);
                    self.at += next.map_or(0, char::len_utf8);
                }
                '$' | '`' => self.expansion(word, own, inside, deep),
                _ => {
                    word.push(char);
                    self.at += char.len_utf8();
                }
            }
        }
        self.script.open.get_or_insert(start);
    }

    /// `$name`, `${name…}`, `$(…)`, `$((…))`, and the old way with backticks.
    fn expansion(&mut self, word: &mut String, own: &mut Vec<(String, usize)>, inside: u32, deep: u32) {
        word.push('$');
        if self.rest().starts_with("$((") {
            self.at += 1;
            self.arithmetic("((", "))");
        } else if self.take("$(") {
            self.list(Some(')'), inside + 1, deep + 1);
        } else if self.take("`") {
            self.ticks = true;
            self.list(Some('`'), inside + 1, deep + 1);
            self.ticks = false;
        } else if self.rest().starts_with("${") {
            let end = braces(self.rest());
            let text = &self.rest()[2..end];
            let name = leading_name(text.trim_start_matches(['#', '!']));
            let name_at = self.at + 2 + (text.len() - text.trim_start_matches(['#', '!']).len());
            self.note(name, name_at, own);
            self.expansions(&text[name.len().min(text.len())..], name_at + name.len());
            self.at += end;
            if !self.body[..self.at].ends_with('}') {
                self.script.open.get_or_insert(self.at);
            }
        } else {
            self.at += 1;
            let name = leading_name(self.rest());
            self.note(name, self.at, own);
            self.at += name.len();
            // `$?`, `$1`, `$@` and the like.
            if name.is_empty()
                && let Some(char) = self.rest().chars().next().filter(|c| "?!#$@*-0123456789".contains(*c))
            {
                self.at += char.len_utf8();
            }
        }
    }

    fn note(&mut self, name: &str, at: usize, own: &mut Vec<(String, usize)>) {
        if !name.is_empty() {
            own.push((name.to_owned(), at));
            self.script.names.push((name.to_owned(), at));
        }
    }

    /// Names in a text that is not read any further.
    fn expansions(&mut self, text: &str, at: usize) {
        for (index, _) in text.match_indices('$') {
            let after = &text[index + 1..];
            let braces = usize::from(after.starts_with('{'));
            let name = leading_name(&after[braces..]);
            if !name.is_empty() {
                self.script.names.push((name.to_owned(), at + index + 1 + braces));
            }
        }
    }

    /// Skips what is computed; names in it need no `$`.
    fn arithmetic(&mut self, start: &str, end: &str) {
        let from = self.at + start.len();
        let closes = self.body[from..].find(end);
        if closes.is_none() {
            self.script.open.get_or_insert(self.at);
        }
        let length = closes.unwrap_or(self.body.len() - from);
        let text = &self.body[from..from + length];
        let mut at = 0;
        while let Some(found) = text[at..].find(|c: char| c.is_ascii_alphabetic() || c == '_').map(|found| at + found) {
            let name = leading_name(&text[found..]);
            self.script.names.push((name.to_owned(), from + found));
            at = found + name.len();
        }
        self.at = (from + length + end.len()).min(self.body.len());
    }

    fn redirection(&mut self, open: &mut Open, inside: u32, deep: u32) {
        let operators = ["<<<", "<<-", "<<", "<&", "<>", "<", "&>>", "&>", ">>", ">&", ">|", ">"];
        let Some(operator) = operators.into_iter().find(|operator| self.rest().starts_with(operator)) else {
            self.at += 1;
            return;
        };
        self.at += operator.len();
        if self.rest().starts_with('(') {
            // `<(…)`: a command whose output is read.
            self.at += 1;
            self.list(Some(')'), inside + 1, deep + 1);
            return;
        }
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        let at = self.at;
        let (word, quoted, _) = self.word(inside, deep);
        match operator {
            "<<" | "<<-" => {
                self.heredocs.push((word, !quoted));
                open.command.fed = true;
            }
            "<<<" => open.command.fed = true,
            "<" | "<&" => {}
            ">&" if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {}
            _ if ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&word.as_str()) => {}
            _ => open.command.writes.push((word, at)),
        }
        if open.command.words.is_empty() && open.command.at == 0 {
            open.command.at = at;
        }
    }

    fn heredoc_bodies(&mut self, inside: u32, deep: u32) {
        for (end, expanded) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let (mut stop, mut after) = (start, start);
            for line in self.rest().split_inclusive('\n') {
                after += line.len();
                if line.trim_matches(['\t', '\n']) == end {
                    break;
                }
                stop = after;
            }
            if expanded {
                self.expanded(stop, inside, deep);
            }
            self.at = after;
        }
    }

    /// A text up to `stop` in which only expansions mean something: what stands in `$(…)` runs.
    fn expanded(&mut self, stop: usize, inside: u32, deep: u32) {
        let (mut word, mut own) = (String::new(), Vec::new());
        while self.at < stop {
            match self.rest().chars().next() {
                Some('$' | '`') => self.expansion(&mut word, &mut own, inside, deep),
                Some('\\') => self.at += 1 + self.rest().chars().nth(1).map_or(0, char::len_utf8),
                other => self.at += other.map_or(1, char::len_utf8),
            }
        }
    }
}

/// The length of `${…}` with all that is inside.
fn braces(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn leading_name(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(body: &str) -> Vec<String> {
        read(body).commands.iter().map(|command| command.words.join(" ")).collect()
    }

    fn names(body: &str) -> Vec<String> {
        read(body).names.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        assert_eq!(
            commands("set -eu\na=1 b; c && d || e | f & g # h\n"),
            ["set -eu", "a=1 b", "c", "d", "e", "f", "g"]
        );
        assert_eq!(commands("if ! a -t; then b; exit 1; fi"), ["a -t", "b", "exit 1"]);
        assert_eq!(commands("x=\"$(a | b 'c d')\"\n(e)\n{ f; }"), ["x=$", "a", "b c d", "e", "f"]);
        assert_eq!(
            commands("for w in $(a); do case \"$o\" in *\" $w \"*) b=1 ;; *) c ;; esac; done"),
            ["a", "b=1", "c"]
        );
        assert_eq!(commands("f() { pgrep x || true; }"), ["pgrep x", "true"]);
        assert_eq!(commands("cat <<EOF\nrm -rf /\nEOF\nls"), ["cat", "ls"]);
        assert_eq!(commands("i=$((i+1)); sleep 0.2"), ["i=$", "sleep 0.2"]);
        assert_eq!(commands("a `b c` d"), ["a $ d", "b c"]);
        assert_eq!(commands("[[ $a > b ]] && c"), ["[[", "c"]);
        assert_eq!(commands("a \\\n b"), ["a b"]);
    }

    #[test]
    fn what_is_written_negated_and_piped_is_told() {
        let script = read("! a > /tmp/x 2>/dev/null >&2 2>&1\nb=$(c | d)\ne | f >> 'g h'\n");
        assert!(script.commands[0].negated);
        let writes: Vec<&str> = script.commands.iter().flat_map(|c| &c.writes).map(|(file, _)| file.as_str()).collect();
        assert_eq!(writes, ["/tmp/x", "g h"]);
        assert_eq!(script.inner_pipes.len(), 1);
        assert_eq!(script.open, None);
        for open in ["a 'b", "a \"b", "a $(b", "a ${b", "(a"] {
            assert!(read(open).open.is_some(), "{open}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(names("a $b \"${c:-$d}\" '$e' $((f + 1)) ${#g} $1 $? \\$h"), ["b", "c", "d", "f", "g"]);
        assert_eq!(names("cat <<X\n$a\nX\ncat <<'X'\n$b\nX\n"), ["a"]);
        let command = &read("curl -H \"A: $t\" $(x $u)").commands[0];
        assert_eq!(command.names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["t"]);
    }

    #[test]
    fn the_command_behind_others_is_found() {
        let verb = |body: &str| read(body).commands[0].verb().map(|(name, _)| name.to_owned());
        for body in
            ["rm x", "sudo -u a rm x", "A=1 env B=2 /bin/rm x", "timeout 5 rm x", "xargs -n 1 rm", "command rm x"]
        {
            assert_eq!(verb(body).as_deref(), Some("rm"), "{body}");
        }
        assert_eq!(verb("a=1"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_a_panic(body in "[a-z$(){}\\[\\]'\"`\\\\;|&<>#!=\n 0]*|\\PC*") {
            read(&body);
        }
    }

    #[test]
    fn deep_nesting_is_given_up_and_told() {
        assert!(read(&"$(".repeat(100_000)).open.is_some());
        assert!(read(&"(".repeat(100_000)).open.is_some());
        assert!(read(&"\"$(".repeat(100_000)).open.is_some());
    }
}
