//! The `sql` language: one PostgreSQL statement. `:name` becomes a bound parameter, found by a real tokenizer, so that a
//! colon in a string, a comment or a cast is left alone. A value never becomes part of the text.

use super::{Fault, Language, NameType, Reading, Targets, Types};
use crate::runbook::expr::Known;
use crate::runbook::model::{ParamType, Role};
use sqlparser::ast::{Query, SetExpr, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "sql",
    doc: "one PostgreSQL statement; :name is a bound parameter; rows come back as JSON",
    on: Targets {
        name: "a PostgreSQL server",
        params: &[ParamType::Database],
        part: Some("database"),
        hosts: false,
        local: false,
    },
    holds: |_| None,
    keyed: true,
    filled: None,
    read,
};

/// A statement with numbered parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The text to send; `$1` and so on stand for [`Bound::names`].
    pub text: String,
    /// The name behind each number, from `$1`.
    pub names: Vec<String>,
    /// How it gives rows.
    pub shape: Shape,
    /// All that it does is done or not with its transaction.
    pub whole: bool,
}

/// How a statement gives rows, and so how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A query: wrapped, so that each row comes back as one JSON object.
    Query,
    /// `INSERT`, `UPDATE` or `DELETE` with `RETURNING`: wrapped likewise, as a common table expression.
    Returning,
    /// `SHOW`: one text column.
    Show,
    /// Gives no rows.
    Command,
}

impl Bound {
    /// What is sent: the statement in the wrapping that its shape takes.
    pub fn wrapped(&self) -> String {
        match self.shape {
            Shape::Query => format!("SELECT to_jsonb(q) FROM (\n{}\n) AS q", self.text),
            Shape::Returning => format!("WITH q AS (\n{}\n)\nSELECT to_jsonb(q) FROM q", self.text),
            Shape::Show | Shape::Command => self.text.clone(),
        }
    }
}

/// Binds a body. The error is the first thing that is wrong with it; a runbook that was read without problems has none.
pub fn bind(body: &str, types: &Types) -> Result<Bound, Fault> {
    let (text, used) = substitute(body, types)?;
    let (shape, whole) = match upkeep(&text) {
        Some(_) => (Shape::Command, false),
        None => {
            let statement = one(&text)?;
            (shape(&statement), is_whole(&statement) && !signals(&text))
        }
    };
    let mut names: Vec<String> = Vec::new();
    for (name, _) in used {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Bound { text, names, shape, whole })
}

/// Upkeep of the server: statements that the parser does not know in full, and that PostgreSQL takes no values in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upkeep {
    /// Refused inside a transaction; the words that say so.
    Alone(&'static str),
    /// Fine in one.
    Joins(&'static str),
}

/// The words of a statement that PostgreSQL refuses inside a transaction; `None` for every other one.
pub fn alone(body: &str) -> Option<&'static str> {
    match upkeep(body)? {
        Upkeep::Alone(words) => Some(words),
        Upkeep::Joins(_) => None,
    }
}

/// It waits for other transactions to end, and holds up nobody meanwhile.
pub fn is_concurrent(body: &str) -> bool {
    words(body).is_some_and(|words| words.iter().any(|word| word == "CONCURRENTLY"))
}

fn upkeep(text: &str) -> Option<Upkeep> {
    let words = words(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let concurrent = words.contains(&"CONCURRENTLY");
    match words.as_slice() {
        ["VACUUM", ..] => Some(Upkeep::Alone("VACUUM")),
        ["REINDEX", ..] if concurrent => Some(Upkeep::Alone("REINDEX CONCURRENTLY")),
        ["REINDEX", rest @ ..] if rest.iter().any(|word| ["DATABASE", "SYSTEM", "SCHEMA"].contains(word)) => {
            Some(Upkeep::Alone("REINDEX of more than a table"))
        }
        ["REINDEX", ..] => Some(Upkeep::Joins("REINDEX")),
        ["CLUSTER", ..] => Some(Upkeep::Joins("CLUSTER")),
        ["CREATE", "DATABASE", ..] => Some(Upkeep::Alone("CREATE DATABASE")),
        ["DROP", "DATABASE", ..] => Some(Upkeep::Alone("DROP DATABASE")),
        ["CREATE", "TABLESPACE", ..] => Some(Upkeep::Alone("CREATE TABLESPACE")),
        ["DROP", "TABLESPACE", ..] => Some(Upkeep::Alone("DROP TABLESPACE")),
        ["ALTER", "SYSTEM", ..] => Some(Upkeep::Alone("ALTER SYSTEM")),
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] if concurrent => {
            Some(Upkeep::Alone("CREATE INDEX CONCURRENTLY"))
        }
        ["DROP", "INDEX", ..] if concurrent => Some(Upkeep::Alone("DROP INDEX CONCURRENTLY")),
        ["ALTER", "TABLE", rest @ ..] if concurrent && rest.contains(&"DETACH") => {
            Some(Upkeep::Alone("DETACH PARTITION CONCURRENTLY"))
        }
        _ => None,
    }
}

/// Its words that are no strings and no quoted names, in capitals; `None` when it can't be read.
fn words(text: &str) -> Option<Vec<String>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().ok()?;
    let word = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    };
    Some(tokens.iter().filter_map(word).collect())
}

/// Functions whose effects no transaction takes back.
const SIGNALS: [&str; 6] =
    ["PG_TERMINATE_BACKEND", "PG_CANCEL_BACKEND", "PG_RELOAD_CONF", "PG_PROMOTE", "DBLINK", "DBLINK_EXEC"];

fn signals(text: &str) -> bool {
    words(text).is_none_or(|words| words.iter().any(|word| SIGNALS.contains(&word.as_str())))
}

/// A statement that changes rows, or tables, and that PostgreSQL takes in a transaction with others.
fn is_whole(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => !query_reads(query),
        other => matches!(
            other,
            Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
                | Statement::Merge(_)
                | Statement::Truncate(_)
                | Statement::AlterTable(_)
                | Statement::CreateTable(_)
                | Statement::CreateIndex(_)
        ),
    }
}

/// What is wrong with a statement of upkeep.
fn upkeep_fault(text: &str, words: &str, used: &Used) -> Option<Fault> {
    let ends = |token: &Token| matches!(token, Token::SemiColon);
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    if tokens.iter().any(ends) {
        return Some(several());
    }
    let (name, at) = used.first()?;
    let what = format!("PostgreSQL takes no values in {words}, and `:{name}` is one");
    Some(Fault::new(*at, what, "write it out: a runbook for each thing that is looked after"))
}

/// Tells whether it only reads, as far as its text can tell: one SELECT, WITH, VALUES or SHOW that writes nothing by itself.
/// The read-only transaction and the reading login hold the rest.
fn reads_only(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => query_reads(query),
        other => matches!(other, Statement::ShowVariable { .. }),
    }
}

fn query_reads(query: &Query) -> bool {
    let tables = query.with.iter().flat_map(|with| &with.cte_tables);
    query.locks.is_empty()
        && tables.map(|table| &table.query).all(|query| query_reads(query))
        && body_reads(&query.body)
}

fn body_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => query_reads(query),
        SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

fn shape(statement: &Statement) -> Shape {
    match statement {
        Statement::Query(query) if query.body_is_select_into() => Shape::Command,
        Statement::Query(query) if query_reads(query) => Shape::Query,
        Statement::Insert(insert) if insert.returning.is_some() => Shape::Returning,
        Statement::Update(update) if update.returning.is_some() => Shape::Returning,
        Statement::Delete(delete) if delete.returning.is_some() => Shape::Returning,
        Statement::ShowVariable { .. } => Shape::Show,
        // Among them a WITH that writes: it must stand at the top, so it can only be sent as it is.
        _ => Shape::Command,
    }
}

trait SelectInto {
    fn body_is_select_into(&self) -> bool;
}

impl SelectInto for Query {
    fn body_is_select_into(&self) -> bool {
        matches!(&*self.body, SetExpr::Select(select) if select.into.is_some())
    }
}

fn one(text: &str) -> Result<Statement, Fault> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, text)
        .map_err(|error| not_understood(text, &error.to_string(), "try it in psql first"))?;
    if statements.len() > 1 {
        return Err(several());
    }
    statements.pop().ok_or_else(|| Fault::new(0, "the sql fence is empty", "write one statement"))
}

fn several() -> Fault {
    Fault::new(0, "a sql fence holds one statement", "put the second statement into a step of its own")
}

/// The parser's error ends in a place of its own; it becomes the fault's line, which binding has not moved.
fn not_understood(text: &str, error: &str, mend: &str) -> Fault {
    let (what, place) = error.split_once(" at Line: ").unwrap_or((error, ""));
    let line = place.split(',').next().and_then(|line| line.parse().ok()).unwrap_or(1);
    let what = what.trim_start_matches("sql parser error: ");
    let at = Lines::of(text).byte(Location { line, column: 1 });
    Fault::new(at, format!("this is not understood as PostgreSQL: {what}"), mend)
}

type Used = Vec<(String, usize)>;

/// Replaces each `:name` by `($n::text)::type`; a trailing semicolon is dropped, because the text is wrapped.
fn substitute(body: &str, types: &Types) -> Result<(String, Used), Fault> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, body)
        .tokenize_with_location()
        .map_err(|error| not_understood(body, &error.to_string(), "close the quote or comment"))?;
    let lines = Lines::of(body);
    let (mut text, mut used, mut done) = (String::new(), Used::new(), 0);
    let mut numbers: Vec<String> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if let Token::Placeholder(shown) = &token.token {
            let start = lines.byte(token.span.start);
            let mend = "write :name for a parameter";
            return Err(Fault::new(start, format!("`{shown}` is no parameter of a runbook"), mend));
        }
        let Some(name) = parameter(&tokens, index) else { continue };
        // Asked for a name alone: a line is gone through from its beginning each time.
        let start = lines.byte(token.span.start);
        let end = start + 1 + name.len();
        let kind = types.get(name).copied().map_or("text", NameType::sql);
        let number = numbers.iter().position(|known| known == name).unwrap_or_else(|| {
            numbers.push(name.to_owned());
            numbers.len() - 1
        });
        text.push_str(&body[done..start]);
        text.push_str(&["($", &(number + 1).to_string(), "::text)::", kind].concat());
        used.push((name.to_owned(), start));
        done = end;
    }
    let tail = last_end(&tokens, &lines).unwrap_or(body.len());
    text.push_str(&body[done..tail.max(done)]);
    Ok((text.trim().to_owned(), used))
}

/// Where the statement ends when a semicolon closes it.
fn last_end(tokens: &[TokenWithSpan], lines: &Lines<'_>) -> Option<usize> {
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))?;
    matches!(last.token, Token::SemiColon).then(|| lines.byte(last.span.start))
}

/// The name in `:name`: a lone colon with a plain word right behind it.
fn parameter(tokens: &[TokenWithSpan], index: usize) -> Option<&str> {
    let (colon, word) = (tokens.get(index)?, tokens.get(index + 1)?);
    match (&colon.token, &word.token) {
        (Token::Colon, Token::Word(Word { value, quote_style: None, .. })) => Some(value),
        _ => None,
    }
}

/// Byte offsets of the tokenizer's lines and columns, which count characters.
struct Lines<'a> {
    body: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(body: &'a str) -> Self {
        let starts = std::iter::once(0).chain(body.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { body, starts }
    }

    fn byte(&self, location: Location) -> usize {
        let line = usize::try_from(location.line.saturating_sub(1)).unwrap_or_default();
        let column = usize::try_from(location.column.saturating_sub(1)).unwrap_or_default();
        let Some(start) = self.starts.get(line).copied() else { return self.body.len() };
        self.body[start..].char_indices().nth(column).map_or(self.body.len(), |(at, _)| start + at)
    }
}

fn read(role: Role, body: &str, types: &Types) -> Reading {
    let mut reading = Reading { gives: &[("rows", Known::List)], ..Reading::default() };
    let (text, used) = match substitute(body, types) {
        Ok(found) => found,
        Err(fault) => return Reading { faults: vec![fault], ..reading },
    };
    for (name, at) in &used {
        if types.get(name) == Some(&NameType::Secret) {
            let mend = "remove it: statements and their parameters are logged by the server";
            reading.faults.push(Fault::new(*at, format!("the secret `{name}` stands in a statement"), mend));
        }
    }
    if let Some(Upkeep::Alone(words) | Upkeep::Joins(words)) = upkeep(&text) {
        reading.faults.extend(upkeep_fault(&text, words, &used));
        if !role.changes() {
            reading.faults.push(changes(role));
        }
        reading.used = used;
        return reading;
    }
    reading.used = used;
    match one(&text) {
        Err(fault) => reading.faults.push(fault),
        Ok(statement) if !role.changes() && !reads_only(&statement) => reading.faults.push(changes(role)),
        Ok(_) => {}
    }
    reading
}

fn changes(role: Role) -> Fault {
    let what = format!("{} may not change anything", role.word());
    Fault::new(0, what, "use one SELECT, WITH, VALUES or SHOW without FOR UPDATE or INTO")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn types() -> Types {
        [
            ("app".to_owned(), NameType::Param(ParamType::String)),
            ("minutes".to_owned(), NameType::Param(ParamType::Int)),
            ("idle".to_owned(), NameType::Rows),
        ]
        .into()
    }

    fn bound(sql: &str) -> String {
        bind(sql, &types()).unwrap().text
    }

    #[test]
    fn names_become_numbers_with_their_types() {
        let bound = bind("SELECT :app, :minutes, :app", &types()).unwrap();
        assert_eq!(bound.text, "SELECT ($1::text)::text, ($2::text)::integer, ($1::text)::text");
        assert_eq!(bound.names, ["app", "minutes"]);
        assert_eq!(
            bound.wrapped(),
            "SELECT to_jsonb(q) FROM (\nSELECT ($1::text)::text, ($2::text)::integer, ($1::text)::text\n) AS q"
        );
    }

    #[test]
    fn strings_comments_casts_and_dollar_quotes_are_left_alone() {
        for sql in [
            "SELECT ':app'",
            "SELECT E'\\':app'",
            "SELECT 'it''s :app'",
            "SELECT now()::text",
            "SELECT $$ :app $$",
            "SELECT $x$ :app $x$",
            "SELECT 1 /* :app /* :app */ :app */",
            "SELECT \":app\" FROM t",
            "SELECT '日本 :app'",
        ] {
            assert_eq!(bound(sql), sql);
        }
        assert_eq!(bound("SELECT 1 -- :app\n, :minutes"), "SELECT 1 -- :app\n, ($1::text)::integer");
        assert_eq!(bound("SELECT '日本', :idle::jsonb;\n"), "SELECT '日本', ($1::text)::jsonb::jsonb");
        assert_eq!(
            bound("SELECT make_interval(mins => :minutes)"),
            "SELECT make_interval(mins => ($1::text)::integer)"
        );
    }

    #[test]
    fn only_reading_statements_read() {
        let faults = |sql: &str| read(Role::Check, sql, &types()).faults.len();
        for sql in [
            "SELECT 1",
            "WITH a AS (SELECT 1) SELECT * FROM a;",
            "VALUES (1)",
            "SHOW server_version",
            "(SELECT 1) UNION SELECT 2",
        ] {
            assert_eq!(faults(sql), 0, "{sql}");
        }
        let fault = read(Role::Check, "SELECT 1,\n  2 FROM WHERE", &types()).faults.remove(0);
        assert_eq!(&"SELECT 1,\n  2 FROM WHERE"[fault.at..], "  2 FROM WHERE", "{fault:?}");
        for sql in [
            "DELETE FROM t",
            "SELECT 1; SELECT 2",
            "",
            "SELECT * INTO x FROM t",
            "SELECT * FROM t FOR UPDATE",
            "COPY t TO '/x'",
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "SELECT $1",
            "EXPLAIN SELECT 1",
            "SELECT 'open",
        ] {
            assert_eq!(faults(sql), 1, "{sql}");
        }
    }

    #[test]
    fn upkeep_is_known_by_its_words_and_takes_no_values() {
        for (sql, stands) in [
            ("VACUUM (ANALYZE, VERBOSE) shop.orders", Some("VACUUM")),
            ("-- why\nvacuum full t;", Some("VACUUM")),
            ("CREATE DATABASE app TEMPLATE template0", Some("CREATE DATABASE")),
            ("REINDEX INDEX CONCURRENTLY a", Some("REINDEX CONCURRENTLY")),
            ("REINDEX TABLE a", None),
            ("CREATE UNIQUE INDEX CONCURRENTLY a ON t (b)", Some("CREATE INDEX CONCURRENTLY")),
            ("ALTER SYSTEM SET work_mem = '8MB'", Some("ALTER SYSTEM")),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", Some("DETACH PARTITION CONCURRENTLY")),
            ("SELECT 'VACUUM'", None),
            ("CREATE TABLE \"VACUUM\" (a integer)", None),
        ] {
            assert_eq!(alone(sql), stands, "{sql}");
            assert_eq!(read(Role::Run, sql, &types()).faults, [], "{sql}");
            assert!(bind(sql, &types()).is_ok(), "{sql}");
            let reads = sql.starts_with("SELECT");
            assert_eq!(read(Role::Check, sql, &types()).faults.len(), usize::from(!reads), "{sql}");
        }
        for (sql, wrong) in [
            ("VACUUM :app", "PostgreSQL takes no values in VACUUM, and `:app` is one"),
            ("VACUUM t; DROP TABLE t", "a sql fence holds one statement"),
        ] {
            assert_eq!(read(Role::Run, sql, &types()).faults[0].what, wrong);
        }
        assert!(is_concurrent("reindex index concurrently a") && !is_concurrent("SELECT 'CONCURRENTLY'"));
    }

    #[test]
    fn a_shape_is_found_for_each_statement() {
        let shape = |sql: &str| bind(sql, &types()).unwrap().shape;
        assert_eq!(shape("SELECT 1"), Shape::Query);
        assert_eq!(shape("DELETE FROM t RETURNING a"), Shape::Returning);
        assert_eq!(shape("UPDATE t SET a = 1"), Shape::Command);
        assert_eq!(shape("SHOW work_mem"), Shape::Show);
        assert_eq!(shape("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d"), Shape::Command);
    }

    proptest! {
        #[test]
        fn nothing_in_a_string_is_ever_bound(text in "[a-z:$ ]*") {
            let sql = format!("SELECT '{text}'");
            prop_assert_eq!(bound(&sql), sql);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = bind(&text, &types());
        }
    }

    #[test]
    fn what_changes_rows_or_tables_is_done_with_its_transaction_or_not() {
        let whole = |text: &str| bind(text, &Types::new()).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).whole;
        for text in [
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET n = 1 RETURNING n",
            "DELETE FROM t",
            "WITH gone AS (DELETE FROM t RETURNING n) INSERT INTO old SELECT n FROM gone",
            "MERGE INTO t USING s ON t.n = s.n WHEN MATCHED THEN DELETE",
            "TRUNCATE t",
            "ALTER TABLE t ADD COLUMN m int",
            "CREATE INDEX i ON t (n)",
        ] {
            assert!(whole(text), "{text}");
        }
        for text in [
            "SELECT pg_terminate_backend(1)",
            "INSERT INTO t SELECT 1 WHERE pg_catalog.pg_terminate_backend(7)",
            "SELECT 1",
            "VACUUM t",
            "CREATE INDEX CONCURRENTLY i ON t (n)",
            "CALL month_end()",
            "ALTER SYSTEM SET work_mem = '1MB'",
        ] {
            assert!(!whole(text), "{text}");
        }
    }
}
