//! The roles: what a style means. The order is that of themes/default.toml.

use crate::domain::Severity;

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a piece of the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role { $($(#[$doc])* $variant,)* }

        impl Role {
            /// All roles with their names in theme files.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
        }
    };
}

roles! {
    /// The whole screen, below everything.
    Screen = "screen",
    /// Ordinary text.
    Text = "text",
    /// Less important text.
    Muted = "muted",
    /// Least important text.
    Faint = "faint",
    /// A pane's frame.
    Border = "border",
    /// The focused pane's frame.
    BorderFocused = "border-focused",
    /// The focused pane's frame in a guarded environment.
    BorderGuarded = "border-guarded",
    /// A pane's title.
    Title = "title",
    /// The focused pane's title.
    TitleFocused = "title-focused",
    /// A column's heading.
    Column = "column",
    /// The heading of the column that sorts.
    ColumnSorted = "column-sorted",
    /// The row under the cursor.
    Selected = "selected",
    /// The same in a pane without focus.
    SelectedUnfocused = "selected-unfocused",
    /// A row that the operator marked.
    Marked = "marked",
    /// Data that can't be trusted any more.
    Stale = "stale",
    /// The header.
    Header = "header",
    /// The program's name in it.
    HeaderName = "header-name",
    /// The environment's name.
    Environment = "environment",
    /// The same, guarded.
    EnvironmentGuarded = "environment-guarded",
    /// Writes are locked, or refused altogether.
    WritesLocked = "writes-locked",
    /// Writes are possible.
    WritesUnlocked = "writes-unlocked",
    /// A source that answers.
    SourceGood = "source-good",
    /// A source that fails or hangs.
    SourceBad = "source-bad",
    /// [`Severity::None`].
    SeverityNone = "severity-none",
    /// [`Severity::Ok`].
    SeverityOk = "severity-ok",
    /// [`Severity::Info`].
    SeverityInfo = "severity-info",
    /// [`Severity::Unknown`].
    SeverityUnknown = "severity-unknown",
    /// [`Severity::Warning`].
    SeverityWarning = "severity-warning",
    /// [`Severity::Critical`].
    SeverityCritical = "severity-critical",
    /// A sparkline.
    Spark = "spark",
    /// A key in a hint.
    Key = "key",
    /// A key that acts.
    KeyActs = "key-acts",
    /// What a key does.
    Hint = "hint",
    /// A filter in force.
    Filter = "filter",
    /// A dialog's text.
    Dialog = "dialog",
    /// A dialog's frame.
    DialogBorder = "dialog-border",
    /// What a dialog warns of.
    DialogDanger = "dialog-danger",
    /// A dialog's title.
    DialogTitle = "dialog-title",
    /// Text exactly as it is sent.
    Code = "code",
    /// A text field.
    Input = "input",
    /// A passing message.
    Toast = "toast",
    /// A passing message of trouble.
    ToastBad = "toast-bad",
    /// A run waits for an answer.
    Asks = "asks",
}

impl From<Severity> for Role {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::None => Self::SeverityNone,
            Severity::Ok => Self::SeverityOk,
            Severity::Info => Self::SeverityInfo,
            Severity::Unknown => Self::SeverityUnknown,
            Severity::Warning => Self::SeverityWarning,
            Severity::Critical => Self::SeverityCritical,
        }
    }
}
