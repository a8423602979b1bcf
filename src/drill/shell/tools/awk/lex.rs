//! The words of an awk program.

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A function's name, right before its bracket.
    Call(String),
    /// A keyword or a sign.
    Sign(&'static str),
    Newline,
    End,
}

/// Signs, longer ones first.
const SIGNS: [&str; 41] = [
    "**=", "&&", "||", "==", "<=", ">=", "!=", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", ">>", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":", "~", "$", "=",
];
/// What is no name.
const WORDS: [&str; 18] = [
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "exit",
    "return", "delete", "in", "print", "printf",
];

/// Whether a slash behind a word divides.
fn divides(before: Option<&Token>) -> bool {
    match before {
        Some(Token::Number(_) | Token::Text(_) | Token::Name(_) | Token::Regex(_)) => true,
        Some(Token::Sign(sign)) => matches!(*sign, ")" | "]" | "$" | "++" | "--"),
        _ => false,
    }
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let all: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&one) = all.get(at) {
        match one {
            '\n' => {
                out.push(Token::Newline);
                at += 1;
            }
            '\\' if all.get(at + 1) == Some(&'\n') => at += 2,
            one if one.is_whitespace() => at += 1,
            '#' => at = (at..all.len()).find(|end| all[*end] == '\n').unwrap_or(all.len()),
            '"' => out.push(Token::Text(text_of(&all, &mut at)?)),
            '/' if !divides(out.last()) => out.push(Token::Regex(regex_of(&all, &mut at)?)),
            one if one.is_ascii_digit() || one == '.' && all.get(at + 1).is_some_and(char::is_ascii_digit) => {
                out.push(number_of(&all, &mut at)?);
            }
            one if one.is_ascii_alphabetic() || one == '_' => {
                let end = (at..all.len())
                    .find(|end| !(all[*end].is_ascii_alphanumeric() || all[*end] == '_'))
                    .unwrap_or(all.len());
                let word: String = all[at..end].iter().collect();
                at = end;
                out.push(match WORDS.iter().find(|known| **known == word) {
                    Some(known) => Token::Sign(known),
                    None if all.get(at) == Some(&'(') => Token::Call(word),
                    None => Token::Name(word),
                });
            }
            _ => {
                let rest: String = all[at..(at + 3).min(all.len())].iter().collect();
                let sign = SIGNS
                    .iter()
                    .find(|sign| rest.starts_with(**sign))
                    .ok_or_else(|| format!("unexpected character '{one}'"))?;
                at += sign.len();
                out.push(Token::Sign(match *sign {
                    "**" => "^",
                    "**=" => "^=",
                    sign => sign,
                }));
            }
        }
    }
    out.push(Token::End);
    Ok(out)
}

fn number_of(all: &[char], at: &mut usize) -> Result<Token, String> {
    let begin = *at;
    while let Some(one) = all.get(*at) {
        let exponent = "eE".contains(*one)
            && (all.get(*at + 1).is_some_and(char::is_ascii_digit)
                || matches!(all.get(*at + 1), Some('+' | '-')) && all.get(*at + 2).is_some_and(char::is_ascii_digit));
        if exponent {
            *at += 1;
        } else if !(one.is_ascii_digit() || *one == '.') {
            break;
        }
        *at += 1;
    }
    let text: String = all[begin..*at].iter().collect();
    text.parse().map(Token::Number).map_err(|_| format!("{text} is no number"))
}

fn text_of(all: &[char], at: &mut usize) -> Result<String, String> {
    let mut out = String::new();
    *at += 1;
    loop {
        let one = *all.get(*at).ok_or("a text has no end")?;
        *at += 1;
        match one {
            '"' => return Ok(out),
            '\n' => return Err("a text has no end".to_owned()),
            '\\' => {
                let next = *all.get(*at).ok_or("a text has no end")?;
                *at += 1;
                match next {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    '\\' | '"' | '/' => out.push(next),
                    '0'..='7' => {
                        let end = (*at..(*at + 2).min(all.len()))
                            .find(|end| !all[*end].is_digit(8))
                            .unwrap_or((*at + 2).min(all.len()));
                        let digits: String = std::iter::once(next).chain(all[*at..end].iter().copied()).collect();
                        *at = end;
                        out.extend(u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32));
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                }
            }
            one => out.push(one),
        }
    }
}

fn regex_of(all: &[char], at: &mut usize) -> Result<String, String> {
    let (mut out, mut within) = (String::new(), false);
    *at += 1;
    loop {
        let one = *all.get(*at).ok_or("a regular expression has no end")?;
        *at += 1;
        match one {
            '/' if !within => return Ok(out),
            '\n' => return Err("a regular expression has no end".to_owned()),
            '\\' => {
                let next = *all.get(*at).ok_or("a regular expression has no end")?;
                *at += 1;
                if next != '/' {
                    out.push('\\');
                }
                out.push(next);
            }
            '[' if !within => {
                within = true;
                out.push(one);
                for first in ['^', ']'] {
                    if all.get(*at) == Some(&first) {
                        out.push(first);
                        *at += 1;
                    }
                }
            }
            ']' => {
                within = false;
                out.push(one);
            }
            one => out.push(one),
        }
    }
}
