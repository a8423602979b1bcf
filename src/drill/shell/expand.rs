//! From words to what a command is given: braces, parameters, substitutions, arithmetic, splitting, and names of files.

use super::parse;
use super::pattern::{Pattern, escaped};
use super::state::{Flow, Shell};
use brush_parser::word::{BraceExpressionMember, BraceExpressionOrText, TildeExpr, WordPiece, WordPieceWithSource};

/// No word becomes more than so many.
const WORDS: usize = 100_000;

/// A piece of what a word became.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seg {
    /// Text, and whether it stood in quotes.
    Text(String, bool),
    /// What is split where it stands outside of quotes.
    Split(String),
    /// Here the next word begins.
    Next,
}

impl Seg {
    fn size(&self) -> usize {
        match self {
            Self::Text(text, _) | Self::Split(text) => text.len(),
            Self::Next => 1,
        }
    }
}

impl Shell<'_> {
    /// A command's words.
    pub(super) fn words<'t>(&mut self, words: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>, Flow> {
        let mut out = Vec::new();
        for word in words {
            let Some(spread) = braces(word) else { return self.fail("this drill takes no more than 100,000 words") };
            for word in spread {
                let segs = self.segs(&word, false)?;
                for field in self.fields(segs) {
                    self.glob(field, &mut out)?;
                }
                if out.len() > WORDS {
                    return self.fail("this drill takes no more than 100,000 words");
                }
            }
        }
        Ok(out)
    }

    /// A word as one text: it is neither split nor taken for names of files.
    pub(super) fn text(&mut self, word: &str) -> Result<String, Flow> {
        Ok(joined(&self.segs(word, false)?))
    }

    /// A word as a pattern: what stood in quotes is itself.
    pub(super) fn pattern(&mut self, word: &str) -> Result<String, Flow> {
        let segs = self.segs(word, false)?;
        Ok(quoting(&segs, escaped))
    }

    /// A word as a regular expression: what stood in quotes is itself.
    pub(super) fn expression(&mut self, word: &str) -> Result<String, Flow> {
        let segs = self.segs(word, false)?;
        Ok(quoting(&segs, regex::escape))
    }

    /// The body of a here-document.
    pub(super) fn document(&mut self, text: &str) -> Result<String, Flow> {
        match parse::document(text) {
            Ok(pieces) => {
                let mut out = Vec::new();
                self.pieces(&pieces, true, &mut out)?;
                Ok(joined(&out))
            }
            Err(why) => self.fail(why),
        }
    }

    /// What an arithmetic expression comes to, its words expanded first.
    pub(super) fn number(&mut self, text: &str) -> Result<i64, Flow> {
        // Quotes mean nothing here, but for those inside of a substitution, which are gone when it is done.
        let text =
            if text.contains(['$', '`', '"', '\\']) { self.document(text)?.replace('"', "") } else { text.to_owned() };
        match self.reckon(&text) {
            Ok(number) => Ok(number),
            Err(why) => self.fail(why),
        }
    }

    /// Says what is wrong, and ends the shell, as bash does.
    pub(super) fn fail<T>(&mut self, why: impl std::fmt::Display) -> Result<T, Flow> {
        self.complain(why);
        Err(Flow::Exit(1))
    }

    pub(super) fn segs(&mut self, word: &str, double: bool) -> Result<Vec<Seg>, Flow> {
        if !word.contains(['$', '`', '\'', '"', '\\', '~']) {
            return Ok(vec![Seg::Text(word.to_owned(), double)]);
        }
        let pieces = match parse::pieces(word) {
            Ok(pieces) => pieces,
            Err(why) => return self.fail(why),
        };
        let mut out = Vec::new();
        self.pieces(&pieces, double, &mut out)?;
        Ok(out)
    }

    pub(super) fn pieces(
        &mut self,
        pieces: &[WordPieceWithSource],
        double: bool,
        out: &mut Vec<Seg>,
    ) -> Result<(), Flow> {
        let mut size = 0;
        for piece in pieces {
            let before = out.len();
            self.piece(&piece.piece, double, out)?;
            size += out[before..].iter().map(Seg::size).sum::<usize>();
            if size > super::state::OUTPUT {
                return self.fail("this drill takes no text of more than 8 MiB");
            }
        }
        Ok(())
    }

    fn piece(&mut self, piece: &WordPiece, double: bool, out: &mut Vec<Seg>) -> Result<(), Flow> {
        let whole = |text: String| if double { Seg::Text(text, true) } else { Seg::Split(text) };
        match piece {
            WordPiece::Text(text) => out.push(Seg::Text(text.clone(), double)),
            WordPiece::SingleQuotedText(text) => out.push(Seg::Text(text.clone(), true)),
            WordPiece::AnsiCQuotedText(text) => out.push(Seg::Text(super::escapes::ansi(text), true)),
            WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                self.quoted(inner, out)?;
            }
            WordPiece::TildeExpansion(tilde) => {
                let text = match tilde {
                    TildeExpr::Home => self.get("HOME").unwrap_or_else(|| super::tools::users::home(&self.user)),
                    TildeExpr::UserHome(user) => super::tools::users::home(user),
                    TildeExpr::WorkingDir => self.folder.clone(),
                    TildeExpr::OldWorkingDir => self.get("OLDPWD").unwrap_or_else(|| "~-".to_owned()),
                    _ => return self.fail("this drill does not know a stack of folders"),
                };
                out.push(Seg::Text(text, true));
            }
            WordPiece::ParameterExpansion(expr) => self.parameter(expr, double, out)?,
            WordPiece::CommandSubstitution(text) | WordPiece::BackquotedCommandSubstitution(text) => {
                out.push(whole(self.substitution(text)?));
            }
            WordPiece::EscapeSequence(text) => {
                let text = text.strip_prefix('\\').unwrap_or(text);
                out.push(Seg::Text(if text == "\n" { String::new() } else { text.to_owned() }, true));
            }
            WordPiece::ArithmeticExpression(expr) => out.push(whole(self.number(&expr.value)?.to_string())),
        }
        Ok(())
    }

    fn quoted(&mut self, inner: &[WordPieceWithSource], out: &mut Vec<Seg>) -> Result<(), Flow> {
        let mut segs = Vec::new();
        self.pieces(inner, true, &mut segs)?;
        // "$@" of nothing is no word at all; everything else in quotes is one.
        let only_all = !inner.is_empty() && inner.iter().all(|piece| super::param::is_all(&piece.piece));
        if segs.is_empty() && !only_all {
            segs.push(Seg::Text(String::new(), true));
        }
        out.extend(segs);
        Ok(())
    }

    /// `$(…)`
    pub(super) fn substitution(&mut self, text: &str) -> Result<String, Flow> {
        let trimmed = text.trim();
        let bytes = match trimmed.strip_prefix('<') {
            Some(file) if !file.starts_with(['<', '(', '&']) && !file.trim().contains([' ', ';', '|', '\n']) => {
                let file = self.text(file.trim())?;
                self.substituted = Some(0);
                match self.read_file(&file) {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        self.complain(format!("{file}: {why}"));
                        self.substituted = Some(1);
                        Vec::new()
                    }
                }
            }
            _ => {
                let program = match parse::program(text) {
                    Ok(program) => program,
                    Err(why) => return self.fail(why),
                };
                let (status, bytes) = self.gather(None, |shell| {
                    shell.options.errexit &= shell.options.inherit;
                    shell.program(&program)
                })?;
                self.substituted = Some(status);
                self.status = status;
                bytes
            }
        };
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Splits what stands outside of quotes, and gives each word as a pattern with what it says.
    fn fields(&mut self, segs: Vec<Seg>) -> Vec<(String, String)> {
        let separators = self.separators();
        let mut fields = Fields::default();
        for seg in segs {
            match seg {
                Seg::Text(text, true) => fields.add(&escaped(&text), &text),
                Seg::Text(text, false) if text.is_empty() => {}
                Seg::Text(text, false) => fields.add(&text, &text),
                Seg::Split(text) => fields.split(&text, &separators),
                Seg::Next => fields.end(),
            }
        }
        fields.end();
        fields.all
    }

    /// Names of files, where a word is a pattern of such.
    fn glob(&mut self, (pattern, text): (String, String), out: &mut Vec<String>) -> Result<(), Flow> {
        if self.options.noglob || !pattern.contains(['*', '?', '[', '(']) || !Pattern::new(&pattern).is_special() {
            // A backslash outside of quotes was taken off already.
            out.push(text);
            return Ok(());
        }
        let found = self.matching(&pattern);
        if found.is_empty() && self.options.failglob {
            return self.fail(format!("no match: {text}"));
        }
        if found.is_empty() && !self.options.nullglob {
            out.push(text);
        }
        out.extend(found);
        Ok(())
    }

    /// The paths that a pattern matches, sorted.
    pub(super) fn matching(&mut self, pattern: &str) -> Vec<String> {
        let (files, folder) = (self.files(), self.folder.clone());
        let mut at: Vec<String> = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
        let parts: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let read = Pattern::new(part);
            let mut next = Vec::new();
            for begin in &at {
                let place = format!("{}/", super::files::absolute(&folder, begin));
                let names = match read.text() {
                    Some(name) => vec![name],
                    None => files.names(&place),
                };
                for name in names {
                    let hidden = name.starts_with('.') && !part.starts_with('.') && !self.options.dotglob;
                    let path = format!("{place}{name}");
                    let there = if last {
                        files.look(&path).is_some()
                    } else {
                        files.get(&path).is_some_and(super::Node::is_folder)
                    };
                    if (read.text().is_some() || !hidden && read.matches(&name)) && there {
                        next.push(format!("{begin}{name}{}", if last { "" } else { "/" }));
                    }
                }
            }
            at = next;
        }
        at.sort();
        at
    }
}

/// Words that come into being.
#[derive(Default)]
struct Fields {
    all: Vec<(String, String)>,
    now: Option<(String, String)>,
}

impl Fields {
    fn add(&mut self, pattern: &str, text: &str) {
        let (patterns, texts) = self.now.get_or_insert_default();
        patterns.push_str(pattern);
        texts.push_str(text);
    }

    fn end(&mut self) {
        self.all.extend(self.now.take());
    }

    fn split(&mut self, text: &str, separators: &str) {
        let is_white = |one: char| " \t\n".contains(one) && separators.contains(one);
        let mut rest = text.trim_start_matches(is_white);
        if rest.len() < text.len() {
            self.end();
        }
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|one| separators.contains(one)).unwrap_or(rest.len());
            if end == 0 && !is_white(first) {
                // A word of nothing between two that are no blanks.
                self.now.get_or_insert_default();
            }
            if end > 0 {
                // A backslash that comes out of a variable is one, in a pattern too.
                self.add(&rest[..end].replace('\\', "\\\\"), &rest[..end]);
            }
            let behind = &rest[end..];
            if behind.is_empty() {
                return;
            }
            self.end();
            rest = behind.trim_start_matches(is_white);
            if let Some(next) = rest.chars().next().filter(|next| separators.contains(*next) && !is_white(*next)) {
                rest = rest[next.len_utf8()..].trim_start_matches(is_white);
            }
        }
    }
}

/// All of it as one text.
pub(super) fn joined(segs: &[Seg]) -> String {
    quoting(segs, str::to_owned)
}

fn quoting(segs: &[Seg], quote: impl Fn(&str) -> String) -> String {
    let one = |seg: &Seg| match seg {
        Seg::Text(text, true) => quote(text),
        Seg::Text(text, false) | Seg::Split(text) => text.clone(),
        Seg::Next => " ".to_owned(),
    };
    segs.iter().map(one).collect()
}

/// `a{b,c}` and `{1..9}`, as the words that they are; `None`: they are too many.
fn braces(word: &str) -> Option<Vec<String>> {
    if !word.contains('{') || !(word.contains(',') || word.contains("..")) || word.len() > 4096 {
        return Some(vec![word.to_owned()]);
    }
    // Longer numbers are none.
    if word.contains("..") && word.split(|one: char| !one.is_ascii_digit()).any(|digits| digits.len() > 9) {
        return Some(vec![word.to_owned()]);
    }
    match brush_parser::word::parse_brace_expansions(word, &parse::options()) {
        Ok(Some(parts)) => spread(&parts),
        _ => Some(vec![word.to_owned()]),
    }
}

fn spread(parts: &[BraceExpressionOrText]) -> Option<Vec<String>> {
    let mut out = vec![String::new()];
    for part in parts {
        let ways: Vec<String> = match part {
            BraceExpressionOrText::Text(text) => vec![text.clone()],
            BraceExpressionOrText::Expr(members) => members.iter().map(member).collect::<Option<Vec<_>>>()?.concat(),
        };
        if out.len().saturating_mul(ways.len()) > WORDS {
            return None;
        }
        out = out.iter().flat_map(|begin| ways.iter().map(move |way| format!("{begin}{way}"))).collect();
    }
    Some(out)
}

fn member(member: &BraceExpressionMember) -> Option<Vec<String>> {
    match member {
        BraceExpressionMember::Child(parts) => spread(parts),
        BraceExpressionMember::NumberSequence { start, end, increment } => {
            Some(steps(*start, *end, *increment)?.map(|number| number.to_string()).collect())
        }
        BraceExpressionMember::CharSequence { start, end, increment } => {
            let numbers = steps(i64::from(u32::from(*start)), i64::from(u32::from(*end)), *increment)?;
            Some(numbers.filter_map(|number| char::from_u32(number as u32)).map(String::from).collect())
        }
    }
}

fn steps(start: i64, end: i64, by: i64) -> Option<impl Iterator<Item = i64>> {
    let by = by.unsigned_abs().max(1) as i64;
    let count = start.abs_diff(end) / by.unsigned_abs() + 1;
    let sign = if end < start { -1 } else { 1 };
    (count <= WORDS as u64).then(|| (0..count as i64).map(move |index| start + sign * by * index))
}
