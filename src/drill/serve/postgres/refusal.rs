//! Why a statement is not carried out, with the SQLSTATE that PostgreSQL has for it ("Error Codes").

/// `feature_not_supported`: what a drill does not know.
const NOT_SUPPORTED: &str = "0A000";

/// `admin_shutdown`
const SHUTDOWN: &str = "57P01";

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Five letters and digits.
    pub state: &'static str,
    /// In words.
    pub why: String,
}

impl Refusal {
    const fn of(state: &'static str, why: String) -> Self {
        Self { state, why }
    }

    /// `syntax_error`
    pub(super) const fn syntax(why: String) -> Self {
        Self::of("42601", why)
    }

    /// `invalid_text_representation`
    pub(super) const fn no_value(why: String) -> Self {
        Self::of("22P02", why)
    }

    /// `undefined_table`
    pub(super) const fn no_table(why: String) -> Self {
        Self::of("42P01", why)
    }

    /// `undefined_column`
    pub(super) const fn no_column(why: String) -> Self {
        Self::of("42703", why)
    }

    /// `undefined_function`
    pub(super) const fn no_function(why: String) -> Self {
        Self::of("42883", why)
    }

    /// `undefined_object`: a setting, or the like.
    pub(super) const fn no_object(why: String) -> Self {
        Self::of("42704", why)
    }

    /// `object_not_in_prerequisite_state`
    pub(super) const fn not_now(why: String) -> Self {
        Self::of("55000", why)
    }

    /// `read_only_sql_transaction`
    pub(super) const fn read_only(why: String) -> Self {
        Self::of("25006", why)
    }

    /// The server has ended, and the session with it.
    pub(super) fn gone() -> Self {
        Self::of(SHUTDOWN, "terminating connection due to administrator command".to_owned())
    }

    /// The session ends with it.
    pub(super) fn severity(&self) -> &'static str {
        if self.state == SHUTDOWN { "FATAL" } else { "ERROR" }
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::of(NOT_SUPPORTED, why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::of(NOT_SUPPORTED, why.to_owned())
    }
}
