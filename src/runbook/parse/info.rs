//! The info string of a fence: `language role key=value key=(an expression) flag`, each word with the byte where it stands.

use super::Faults;

/// A word with the byte where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: usize,
}

/// An attribute: its key, and its value unless it is a flag.
#[derive(Clone, Debug)]
pub(super) struct Attr {
    pub(super) key: Word,
    pub(super) value: Option<Word>,
}

/// An info string in its words.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) language: Word,
    pub(super) role: Word,
    pub(super) attrs: Vec<Attr>,
}

/// Takes an info string apart; `at` is the byte where it begins. `None` for a fence of documentation (one word or none) and
/// for one that is malformed, which is reported.
pub(super) fn read(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Info> {
    let words = words(text, at)?;
    let mut words = match words {
        Ok(words) => words.into_iter(),
        Err(open) => {
            faults.at(open, "a parenthesis is not closed", "close it before the end of the line");
            return None;
        }
    };
    let (language, role) = (words.next()?, words.next()?);
    if let Some((index, char)) = forbidden(text) {
        let mend = "a Markdown reader would change it: write CEL strings in single quotes";
        faults.at(at + index, format!("`{char}` may not stand in an info string"), mend);
        return None;
    }
    let attrs = words.map(attr).collect();
    Some(Info { language, role, attrs })
}

/// A backtick, a backslash, a double quote, and an `&` that would be read as an entity.
fn forbidden(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(index, char)| match char {
        '`' | '\\' | '"' => true,
        '&' => text[index + 1..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '#'),
        _ => false,
    })
}

fn attr(word: Word) -> Attr {
    let Some((key, value)) = word.text.split_once('=') else { return Attr { key: word, value: None } };
    let value_at = word.at + key.len() + 1;
    let inner = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
    let value = Word { text: inner.unwrap_or(value).trim().to_owned(), at: value_at + usize::from(inner.is_some()) };
    Attr { key: Word { text: key.to_owned(), at: word.at }, value: Some(value) }
}

/// Splits at spaces outside parentheses; a parenthesis inside single quotes counts for nothing. `None` when there is no
/// word; the error is the byte of a parenthesis that stays open.
fn words(text: &str, at: usize) -> Option<Result<Vec<Word>, usize>> {
    let mut words: Vec<Word> = Vec::new();
    let (mut depth, mut quoted, mut open, mut start) = (0_u32, false, 0, None);
    for (index, char) in text.char_indices() {
        if char.is_whitespace() && depth == 0 {
            if let Some(from) = start.take() {
                words.push(Word { text: text[from..index].to_owned(), at: at + from });
            }
            continue;
        }
        start.get_or_insert(index);
        match char {
            '\'' if depth > 0 => quoted = !quoted,
            '(' if !quoted => {
                if depth == 0 {
                    open = at + index;
                }
                depth += 1;
            }
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth > 0 {
        return Some(Err(open));
    }
    if let Some(from) = start {
        words.push(Word { text: text[from..].to_owned(), at: at + from });
    }
    (!words.is_empty()).then_some(Ok(words))
}
