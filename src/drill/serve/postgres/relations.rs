//! The game's tables and their indexes, in PostgreSQL's catalog: what they are called, how large they are, and what is counted of them.

use super::refusal::Refusal;
use super::tables::Named;
use super::value::V;
use crate::drill::world::Database;
use crate::drill::world::table::{Table, Upkeep, Work};

/// The schema that all are in.
const PUBLIC: i64 = 2_200;

const USER_TABLES: Named = &[
    ("relid", "int8"),
    ("schemaname", "text"),
    ("relname", "text"),
    ("n_live_tup", "int8"),
    ("n_dead_tup", "int8"),
    ("n_mod_since_analyze", "int8"),
    ("vacuum_count", "int8"),
    ("analyze_count", "int8"),
];
const INDEX: Named =
    &[("indexrelid", "int8"), ("indrelid", "int8"), ("indisvalid", "bool"), ("indisexclusion", "bool")];
const CLASS: Named = &[("oid", "int8"), ("relname", "text"), ("relnamespace", "int8")];

/// A view, when it is one of those that are about them.
pub(super) fn view(database: &Database, name: &str) -> Option<(Named, Vec<Vec<V>>)> {
    let tables = &database.tables;
    Some(match name {
        "pg_stat_user_tables" => (USER_TABLES, tables.iter().map(counted).collect()),
        "pg_index" => {
            let row = |table: &Table| vec![V::Int(table.key.oid), V::Int(table.oid), V::Bool(true), V::Bool(false)];
            (INDEX, tables.iter().map(row).collect())
        }
        "pg_class" => {
            let row = |(oid, name): (i64, String)| vec![V::Int(oid), V::Text(name), V::Int(PUBLIC)];
            (CLASS, names(database).map(row).collect())
        }
        _ => return None,
    })
}

fn counted(table: &Table) -> Vec<V> {
    vec![
        V::Int(table.oid),
        V::text("public"),
        V::text(table.name),
        V::Int(table.live as i64),
        V::Int(table.dead as i64),
        V::Int(table.changed as i64),
        V::Int(table.vacuums),
        V::Int(table.analyzes),
    ]
}

/// Identities and names, of tables and of indexes.
fn names(database: &Database) -> impl Iterator<Item = (i64, String)> + '_ {
    let both = |table: &Table| [(table.oid, table.name.to_owned()), (table.key.oid, table.key_name())];
    database.tables.iter().flat_map(both)
}

/// `::regclass`: a name where there was an identity; a name is taken as it is when there is such a thing.
///
/// # Errors
/// When there is nothing of that name.
pub(super) fn regclass(database: &Database, value: &V) -> Result<V, Refusal> {
    let text = value.show();
    let plain = text.trim_start_matches("public.");
    let found = match value {
        V::Null => return Ok(V::Null),
        V::Int(oid) => names(database).find(|(own, _)| own == oid),
        _ => names(database).find(|(_, name)| name == plain),
    };
    match (found, value) {
        (Some((_, name)), _) => Ok(V::Text(name)),
        (None, V::Int(oid)) => Ok(V::Text(oid.to_string())),
        (None, _) => Err(Refusal::no_table(format!("relation \"{text}\" does not exist in a drill"))),
    }
}

/// What a function tells of one of them, by its identity or its name; `None`: it is about none of them.
pub(super) fn function(database: &Database, name: &str, of: &V) -> Option<V> {
    let text = of.show();
    let plain = text.trim_start_matches("public.");
    let is = |oid: i64, name: &str| *of == V::Int(oid) || plain == name;
    let table =
        database.tables.iter().find(|table| is(table.oid, table.name) || is(table.key.oid, &table.key_name()))?;
    let index = is(table.key.oid, &table.key_name());
    Some(match name {
        "pg_relation_size" => V::Int(if index { table.key.size } else { table.size } as i64),
        "pg_total_relation_size" => V::Int(if index { table.key.size } else { table.size + table.key.size } as i64),
        "pg_relation_filenode" => V::Int(if index { table.key.file } else { table.file }),
        _ => return None,
    })
}

/// `VACUUM`, `ANALYZE` and `REINDEX`, as a statement has them; `None`: it is none of these.
///
/// # Errors
/// What of it is not known here.
pub(super) fn upkeep(statement: &str) -> Result<Option<Upkeep>, Refusal> {
    let statement = statement.to_ascii_lowercase().replace(['(', ')', ','], " ");
    let mut words = statement.split_whitespace();
    let first = words.next().filter(|word| ["vacuum", "analyze", "reindex"].contains(word));
    let Some(first) = first else { return Ok(None) };
    let (mut full, mut analyzes, mut table) = (false, false, None);
    for word in words {
        match word {
            "full" => full = true,
            "analyze" => analyzes = true,
            "skip_locked" | "verbose" | "table" | "concurrently" | "freeze" => {}
            "database" | "index" | "schema" | "system" => {
                return Err(format!("REINDEX {word} is not known in a drill").into());
            }
            name if table.is_none() => table = Some(name.trim_matches('"').to_owned()),
            other => return Err(format!("{other} is not known in a drill").into()),
        }
    }
    let what = match first {
        "vacuum" if full => Work::Rewrite,
        "vacuum" => Work::Vacuum(analyzes),
        "analyze" => Work::Analyze,
        "reindex" if table.is_none() => return Err("REINDEX takes TABLE in a drill".to_owned().into()),
        _ => Work::Reindex,
    };
    Ok(Some(Upkeep { what, table }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_look_after_tables_are_read() {
        let of = |text: &str| upkeep(text).map(|found| found.map(|one| (one.what, one.table)));
        assert_eq!(of("VACUUM (ANALYZE, SKIP_LOCKED)"), Ok(Some((Work::Vacuum(true), None))));
        assert_eq!(of("VACUUM FULL public.events"), Ok(Some((Work::Rewrite, Some("public.events".to_owned())))));
        assert_eq!(of("ANALYZE"), Ok(Some((Work::Analyze, None))));
        let events = Some("events".to_owned());
        assert_eq!(of("REINDEX TABLE CONCURRENTLY \"events\""), Ok(Some((Work::Reindex, events))));
        assert_eq!(of("SELECT a, b FROM c"), Ok(None));
        assert!(of("REINDEX DATABASE spacetime").is_err());
    }
}
