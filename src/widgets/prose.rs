//! Blocks of text as lines of a width, with what is special about their pieces.

use super::wrap;
use crate::domain::prose::{Block, BlockKind, Mark};
use crate::domain::text::clean;
use crate::theme::Role;
use std::ops::Range;

/// A line in pieces, each with what it means; harmless.
pub type Line = Vec<(Role, String)>;

/// Appends blocks, broken to `width` cells with `indent` of them blank at the left. Between two stands a line, but not between
/// items of a list.
pub fn lines(out: &mut Vec<Line>, blocks: &[Block], width: usize, indent: usize) {
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 && !block.is_item() {
            out.push(Line::new());
        }
        match &block.kind {
            BlockKind::Code => code(out, &block.text(), width, indent + 2),
            BlockKind::Paragraph => flow(out, block, width, (indent, ""), Role::Text),
            BlockKind::Quote => flow(out, block, width, (indent, "│ "), Role::Muted),
            BlockKind::Item { depth, sign } => {
                flow(out, block, width, (indent + 2 * usize::from(*depth), &format!("{sign} ")), Role::Text);
            }
        }
    }
}

/// Appends lines that are as they are; what does not fit goes on in the next line.
pub fn code(out: &mut Vec<Line>, text: &str, width: usize, indent: usize) {
    let mut broken = Vec::new();
    wrap::lines(&mut broken, text, width.saturating_sub(indent), 2);
    let line = |line| vec![(Role::Text, " ".repeat(indent)), (Role::Code, line)];
    out.extend(broken.into_iter().map(line));
}

/// Text that flows. Of a list the sign stands before it, of a quote before each of its lines.
fn flow(out: &mut Vec<Line>, block: &Block, width: usize, (indent, sign): (usize, &str), role: Role) {
    let (text, spans) = spans(block, role);
    let hang = sign.chars().count();
    let room = width.saturating_sub(indent + hang);
    for (index, range) in wrap::ranges(&text, room, 0).into_iter().enumerate() {
        let every = block.kind == BlockKind::Quote;
        let lead = if index == 0 || every { sign } else { "" };
        let mut line = vec![(Role::Muted, format!("{:indent$}{lead:hang$}", ""))];
        line.extend(spans.iter().filter_map(|(role, span)| {
            let part = span.start.max(range.start)..span.end.min(range.end);
            (part.start < part.end).then(|| (*role, text[part].to_owned()))
        }));
        out.push(line);
    }
}

/// The text of a block, harmless, and where its pieces stand in it.
fn spans(block: &Block, role: Role) -> (String, Vec<(Role, Range<usize>)>) {
    let (mut text, mut spans) = (String::new(), Vec::new());
    for (mark, piece) in &block.pieces {
        let start = text.len();
        text.push_str(&clean(piece));
        let role = match mark {
            Mark::Plain => role,
            Mark::Strong => Role::Title,
            Mark::Code => Role::Code,
            Mark::Address => Role::SeverityInfo,
        };
        spans.push((role, start..text.len()));
    }
    // What is to be hidden may lie across two pieces, and is found in the whole only.
    let whole = block.pieces.iter().map(|(_, piece)| piece.as_str()).collect::<String>();
    let whole = clean(&whole);
    if whole != text {
        return (whole.to_string(), vec![(role, 0..whole.len())]);
    }
    (text, spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::{Veil, behind};
    use std::sync::Arc;

    fn block(kind: BlockKind, pieces: &[(Mark, &str)]) -> Block {
        Block { kind, pieces: pieces.iter().map(|(mark, text)| (*mark, (*text).to_owned())).collect() }
    }

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.iter().map(|(_, text)| text.as_str()).collect()).collect()
    }

    #[test]
    fn pieces_keep_their_meaning_where_the_line_is_broken() {
        let mut out = Vec::new();
        let pieces =
            [(Mark::Strong, "Never"), (Mark::Plain, " run "), (Mark::Code, "rm -rf /"), (Mark::Plain, " here")];
        lines(&mut out, &[block(BlockKind::Paragraph, &pieces)], 14, 2);
        assert_eq!(text(&out), ["  Never run rm", "  -rf / here"]);
        assert_eq!(
            out[0][1..],
            [(Role::Title, "Never".into()), (Role::Text, " run ".into()), (Role::Code, "rm".into())]
        );
        assert_eq!(out[1][1], (Role::Code, "-rf /".to_owned()));
    }

    #[test]
    fn lists_hang_and_code_stays_as_it_is() {
        let mut out = Vec::new();
        let item = |depth, sign: &str, words: &'static str| {
            block(BlockKind::Item { depth, sign: sign.to_owned() }, &[(Mark::Plain, words)])
        };
        let code = block(BlockKind::Code, &[(Mark::Plain, "if x; then\n  y\nfi")]);
        lines(&mut out, &[item(0, "1.", "one two three"), item(1, "-", "deep"), code], 12, 0);
        assert_eq!(text(&out), ["1. one two", "   three", "  - deep", "", "  if x; then", "    y", "  fi"]);
    }

    #[test]
    fn what_is_hidden_lies_across_pieces() {
        struct NoName;
        impl Veil for NoName {
            fn hide(&self, text: &str) -> Option<String> {
                text.contains("ada@example").then(|| text.replace("ada@example", "‹person›"))
            }
        }
        let mut out = Vec::new();
        let told =
            block(BlockKind::Paragraph, &[(Mark::Plain, "ask ada@"), (Mark::Strong, "example"), (Mark::Plain, " now")]);
        behind(Some(Arc::new(NoName)), || lines(&mut out, &[told], 40, 0));
        assert_eq!(text(&out), ["ask ‹person› now"]);
    }
}
