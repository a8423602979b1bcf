//! Text that somebody wrote for people, as blocks: Markdown without its signs, and with what they mean.

/// A block of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// What kind of block.
    pub kind: BlockKind,
    /// Its text in pieces. Only in a block of code may a piece have several lines.
    pub pieces: Vec<(Mark, String)>,
}

/// What kind of block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BlockKind {
    /// A paragraph.
    #[default]
    Paragraph,
    /// An item of a list.
    Item {
        /// Lists around its own.
        depth: u8,
        /// What stands before it: `-`, `2.`, `[ ]`.
        sign: String,
    },
    /// Lines that are as they are.
    Code,
    /// Somebody else's words.
    Quote,
}

/// What is special about a piece of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    Plain,
    /// It is important.
    Strong,
    /// It is to be taken letter by letter.
    Code,
    /// Where a link leads.
    Address,
}

impl Block {
    /// Its text without what is special about pieces; an item begins with its sign.
    pub fn text(&self) -> String {
        let sign = match &self.kind {
            BlockKind::Item { sign, .. } => format!("{sign} "),
            BlockKind::Paragraph | BlockKind::Code | BlockKind::Quote => String::new(),
        };
        self.pieces.iter().fold(sign, |out, (_, text)| out + text)
    }

    /// It is an item of a list, and so stands right below the one before.
    pub const fn is_item(&self) -> bool {
        matches!(self.kind, BlockKind::Item { .. })
    }
}
