//! The game's tables, as PostgreSQL counts them: rows, what updates left behind, how large their files are.

use super::World;

/// A page of a file, bytes.
const PAGE: f64 = 8_192.0;
/// What is left behind is taken away by the server itself before it is more than this share of a table.
const AUTOVACUUM: f64 = 0.19;
/// Of a table's file, so much is empty room inside of it after years of updates.
const LOOSE: f64 = 0.22;
/// An index, as a share of its table's file when it is new, and how much larger it has grown.
const INDEXED: f64 = 0.06;
const GROWN: f64 = 1.4;

/// Name, identity, rows, bytes of a row, and its share of all updates.
const TABLES: [(&str, i64, f64, f64, f64); 6] = [
    ("events", 16_410, 48_211_000.0, 420.0, 0.20),
    ("friends", 16_420, 9_120_000.0, 64.0, 0.02),
    ("inventory", 16_430, 30_417_000.0, 150.0, 0.30),
    ("players", 16_440, 12_650_000.0, 240.0, 0.42),
    ("scores", 16_450, 7_733_000.0, 120.0, 0.05),
    ("shards", 16_500, 4.0, 96.0, 0.01),
];

/// An index: of the key of its table.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Its identity.
    pub oid: i64,
    /// The name of its file: another one when it was built anew.
    pub file: i64,
    /// Bytes.
    pub size: f64,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// In the schema `public`.
    pub name: &'static str,
    /// Its identity.
    pub oid: i64,
    /// The name of its file.
    pub file: i64,
    /// Rows.
    pub live: f64,
    /// What updates and deletes left behind.
    pub dead: f64,
    /// Rows changed since its statistics were made.
    pub changed: f64,
    /// Bytes of its file.
    pub size: f64,
    /// How often somebody had it vacuumed and analyzed; what the server does by itself does not count.
    pub vacuums: i64,
    /// See there.
    pub analyzes: i64,
    /// Its key.
    pub key: Index,
    row: f64,
    share: f64,
}

impl Table {
    /// All, as they are after years.
    pub(super) fn all() -> Vec<Self> {
        let of = |(name, oid, live, row, share): (&'static str, i64, f64, f64, f64)| {
            let size = pages(live * row * (1.0 + LOOSE));
            let dead = (live * AUTOVACUUM * 0.6).floor();
            let key = Index { oid: oid + 1, file: oid + 1, size: pages(size * INDEXED * GROWN) };
            Self { name, oid, file: oid, live, dead, changed: dead, size, vacuums: 0, analyzes: 0, key, row, share }
        };
        TABLES.into_iter().map(of).collect()
    }

    /// `shards_pkey`
    pub fn key_name(&self) -> String {
        format!("{}_pkey", self.name)
    }

    /// So many rows of the database are changed.
    pub(super) fn change(&mut self, rows: f64) {
        let mine = rows * self.share;
        self.changed += mine;
        self.dead = (self.dead + mine).min(self.live * AUTOVACUUM + 50.0);
    }

    fn vacuum(&mut self) {
        (self.dead, self.vacuums) = (0.0, self.vacuums + 1);
    }

    fn analyze(&mut self) {
        (self.changed, self.analyzes) = (0.0, self.analyzes + 1);
    }

    /// It is written anew, with its key: nothing in it is empty.
    fn rewrite(&mut self, file: i64) {
        (self.file, self.size) = (file, pages(self.live * self.row));
        self.reindex(file + 1);
    }

    fn reindex(&mut self, file: i64) {
        (self.key.file, self.key.size) = (file, pages(self.live * self.row * (1.0 + LOOSE) * INDEXED));
    }
}

fn pages(bytes: f64) -> f64 {
    (bytes / PAGE).ceil() * PAGE
}

/// What is done to tables, by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// What.
    pub what: Work,
    /// The table; `None`: all.
    pub table: Option<String>,
}

/// Kinds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `VACUUM`, and `ANALYZE` with it or not.
    Vacuum(bool),
    /// `ANALYZE`
    Analyze,
    /// `VACUUM (FULL, ANALYZE)`
    Rewrite,
    /// `REINDEX`
    Reindex,
}

impl World {
    /// Somebody looks after tables; how many they were.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn look_after(&mut self, upkeep: &Upkeep) -> Result<(), String> {
        let name = upkeep.table.as_deref().map(|name| name.trim_start_matches("public."));
        let database = &mut self.databases[0];
        let mut next = 1 + database.tables.iter().map(|table| table.file.max(table.key.file)).max().unwrap_or_default();
        let mut found = false;
        for table in database.tables.iter_mut().filter(|table| name.is_none_or(|name| table.name == name)) {
            found = true;
            match upkeep.what {
                Work::Vacuum(analyzes) => {
                    table.vacuum();
                    if analyzes {
                        table.analyze();
                    }
                }
                Work::Analyze => table.analyze(),
                Work::Rewrite => {
                    table.vacuum();
                    table.analyze();
                    table.rewrite(next);
                }
                Work::Reindex => table.reindex(next),
            }
            next += 2;
        }
        let missing = || format!("relation \"{}\" does not exist", name.unwrap_or_default());
        found.then_some(()).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Size};
    use super::*;

    fn table(world: &World) -> &Table {
        world.databases[0].tables.iter().find(|table| table.name == "players").unwrap()
    }

    #[test]
    fn what_updates_leave_behind_grows_and_a_vacuum_takes_it_away() {
        let mut world = World::new(1, Size::default());
        let before = table(&world).clone();
        (0..60).for_each(|_| world.step());
        assert!(table(&world).dead > before.dead && table(&world).changed > before.changed);
        world.order(Order::LookAfter(Upkeep { what: Work::Vacuum(true), table: None })).unwrap();
        let after = table(&world);
        assert_eq!((after.dead, after.changed, after.vacuums, after.analyzes), (0.0, 0.0, 1, 1));
        assert_eq!((after.size, after.file), (before.size, before.file), "files do not shrink");
        // The standby has what the primary has.
        (0..2).for_each(|_| world.step());
        assert_eq!(world.databases[1].tables[3].vacuums, 1);
    }

    #[test]
    fn who_writes_a_table_anew_gives_room_back_and_an_index_that_is_built_anew_is_smaller() {
        let mut world = World::new(1, Size::default());
        let order = |what| Order::LookAfter(Upkeep { what, table: Some("public.players".to_owned()) });
        let before = table(&world).clone();
        world.order(order(Work::Reindex)).unwrap();
        let indexed = table(&world).clone();
        assert!(
            indexed.key.size < before.key.size && indexed.key.file != before.key.file && indexed.file == before.file
        );
        world.order(order(Work::Rewrite)).unwrap();
        assert!(
            table(&world).size < before.size
                && table(&world).file != before.file
                && table(&world).key.file != indexed.key.file
        );
        let none = Order::LookAfter(Upkeep { what: Work::Analyze, table: Some("orders".to_owned()) });
        assert_eq!(world.order(none).unwrap_err().0, "relation \"orders\" does not exist");
    }
}
