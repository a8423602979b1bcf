//! Reading a script, with a look beforehand at whether its parser can read it: what lies too deep within each other would take it for ever.

use brush_parser::{Parser, ParserOptions, ast, word};

/// Longer scripts nobody sends.
const LENGTH: usize = 512 << 10;
/// So deep brackets and commands may be within each other.
const DEPTH: usize = 60;

pub(super) fn options() -> ParserOptions {
    ParserOptions::default()
}

/// A script as commands.
pub(super) fn program(text: &str) -> Result<ast::Program, String> {
    guard(text)?;
    let mut parser = Parser::new(text.as_bytes(), &options());
    parser.parse_program().map_err(|why| why.to_string())
}

/// A word as its pieces.
pub(super) fn pieces(text: &str) -> Result<Vec<word::WordPieceWithSource>, String> {
    guard(text)?;
    word::parse(text, &options()).map_err(|_| format!("{text}: bad substitution"))
}

/// The text of a here-document as its pieces.
pub(super) fn document(text: &str) -> Result<Vec<word::WordPieceWithSource>, String> {
    guard(text)?;
    word::parse_heredoc(text, &options()).map_err(|_| format!("{text}: bad substitution"))
}

fn guard(text: &str) -> Result<(), String> {
    if text.len() > LENGTH {
        return Err("this drill reads no script of more than 512 KiB".to_owned());
    }
    if depth(text) > DEPTH {
        return Err(format!("this drill reads no script that is more than {DEPTH} commands deep"));
    }
    Ok(())
}

/// How deep it may be at the most, whatever is quoted in it.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut word = String::new();
    for one in text.chars().chain([' ']) {
        if one.is_ascii_alphabetic() {
            word.push(one);
            continue;
        }
        match word.as_str() {
            // Its parser tries each of them twice.
            "case" => now += 6,
            "if" | "while" | "until" | "for" | "select" | "function" | "coproc" | "time" => now += 1,
            "esac" => now = now.saturating_sub(6),
            "fi" | "done" => now = now.saturating_sub(1),
            _ => {}
        }
        word.clear();
        match one {
            '(' | '{' => now += 1,
            ')' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}
