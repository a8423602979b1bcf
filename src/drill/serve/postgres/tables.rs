//! PostgreSQL's own views, as far as they are asked for, and its functions that look or act.

use super::refusal::Refusal;
use super::relations;
use super::select::{Catalog, Column, Rows};
use super::value::V;
use crate::drill::stage::Stage;
use crate::drill::world::database::{RESERVED, Session};
use crate::drill::world::{Database, Order, Server};
use std::cell::RefCell;
use std::sync::MutexGuard;

/// `server_version`, and as a number.
pub const VERSION: &str = "17.6";
const VERSION_NUMBER: &str = "170006";
/// Identities of the databases.
const DATABASES: [(i64, &str); 2] = [(5, "postgres"), (16_384, "spacetime")];

/// Somebody who is connected to a drill's database: us.
#[derive(Clone, Debug)]
pub struct Client {
    /// The process of the server.
    pub pid: i32,
    /// Who logged in.
    pub user: String,
    /// The database that they are in.
    pub database: String,
    /// `application_name`.
    pub app: String,
    /// Microseconds since 1970.
    pub started: i64,
    /// The last query, and when it began.
    pub query: (String, i64),
}

/// What is asked of one server.
pub struct Tables<'a> {
    /// All that there is.
    pub stage: RefCell<MutexGuard<'a, Stage>>,
    /// Which database: 0 the primary, 1 the standby.
    pub which: usize,
    /// Who asks.
    pub me: Client,
    /// All who are connected as we are.
    pub clients: Vec<Client>,
    /// Microseconds since 1970.
    pub now: i64,
    /// What functions do is done; else only their values are wanted.
    pub acts: bool,
}

/// Columns of a view, and their types.
pub(super) type Named = &'static [(&'static str, &'static str)];

const ACTIVITY: Named = &[
    ("pid", "int4"),
    ("backend_start", "timestamptz"),
    ("usename", "text"),
    ("usesysid", "int8"),
    ("application_name", "text"),
    ("client_addr", "text"),
    ("datname", "text"),
    ("datid", "int8"),
    ("state", "text"),
    ("state_change", "timestamptz"),
    ("xact_start", "timestamptz"),
    ("query_start", "timestamptz"),
    ("wait_event_type", "text"),
    ("wait_event", "text"),
    ("backend_xmin", "int8"),
    ("backend_type", "text"),
    ("query", "text"),
];
const LOCKS: Named = &[
    ("pid", "int4"),
    ("virtualtransaction", "text"),
    ("granted", "bool"),
    ("mode", "text"),
    ("locktype", "text"),
    ("transactionid", "int8"),
    ("virtualxid", "text"),
    ("database", "int8"),
    ("relation", "int8"),
    ("page", "int4"),
    ("tuple", "int4"),
    ("classid", "int8"),
    ("objid", "int8"),
    ("objsubid", "int4"),
    ("waitstart", "timestamptz"),
];
const REPLICATION: Named = &[
    ("pid", "int4"),
    ("application_name", "text"),
    ("client_addr", "text"),
    ("state", "text"),
    ("sync_state", "text"),
    ("replay_lsn", "lsn"),
    ("write_lag", "interval"),
    ("flush_lag", "interval"),
    ("replay_lag", "interval"),
];
const RECEIVER: Named = &[
    ("pid", "int4"),
    ("status", "text"),
    ("sender_host", "text"),
    ("sender_port", "int4"),
    ("last_msg_receipt_time", "timestamptz"),
];
const SLOTS: Named = &[
    ("slot_name", "text"),
    ("slot_type", "text"),
    ("active", "bool"),
    ("active_pid", "int4"),
    ("restart_lsn", "lsn"),
    ("wal_status", "text"),
    ("xmin", "int8"),
    ("catalog_xmin", "int8"),
];
const DATABASE: Named = &[("oid", "int8"), ("datname", "text"), ("datfrozenxid", "int8"), ("datminmxid", "int8")];
const STAT_DATABASE: Named = &[
    ("datid", "int8"),
    ("datname", "text"),
    ("numbackends", "int4"),
    ("xact_commit", "int8"),
    ("xact_rollback", "int8"),
    ("blks_read", "int8"),
    ("blks_hit", "int8"),
    ("tup_returned", "int8"),
    ("tup_inserted", "int8"),
    ("tup_updated", "int8"),
    ("tup_deleted", "int8"),
    ("temp_bytes", "int8"),
    ("deadlocks", "int8"),
    ("conflicts", "int8"),
    ("checksum_failures", "int8"),
    ("stats_reset", "timestamptz"),
];
const ARCHIVER: Named = &[
    ("archived_count", "int8"),
    ("failed_count", "int8"),
    ("last_failed_wal", "text"),
    ("last_failed_time", "timestamptz"),
    ("last_archived_time", "timestamptz"),
];
const PREPARED: Named =
    &[("gid", "text"), ("owner", "text"), ("database", "text"), ("prepared", "timestamptz"), ("transaction", "int8")];
const ROLES: Named = &[("oid", "int8"), ("rolname", "text"), ("rolsuper", "bool"), ("rolreplication", "bool")];
const SETTINGS: Named = &[("name", "text"), ("setting", "text")];
const NAMESPACE: Named = &[("oid", "int8"), ("nspname", "text")];
/// Of the views that tell how far a long command is: none ever runs here.
const PROGRESS: Named = &[
    ("pid", "int4"),
    ("datid", "int8"),
    ("relid", "int8"),
    ("command", "text"),
    ("phase", "text"),
    ("type", "text"),
    ("heap_blks_scanned", "int8"),
    ("heap_blks_vacuumed", "int8"),
    ("heap_blks_total", "int8"),
    ("blocks_total", "int8"),
    ("blocks_done", "int8"),
    ("tuples_total", "int8"),
    ("tuples_done", "int8"),
    ("lockers_done", "int8"),
    ("lockers_total", "int8"),
    ("sample_blks_scanned", "int8"),
    ("sample_blks_total", "int8"),
    ("backup_streamed", "int8"),
    ("backup_total", "int8"),
    ("bytes_processed", "int8"),
    ("bytes_total", "int8"),
];

impl Catalog for Tables<'_> {
    fn table(&self, name: &str) -> Option<Rows> {
        let (named, rows): (Named, Vec<Vec<V>>) = match name {
            "pg_stat_activity" => (ACTIVITY, self.activity()),
            "pg_locks" => (LOCKS, self.locks()),
            "pg_stat_replication" => (REPLICATION, self.replication()),
            "pg_stat_wal_receiver" => (RECEIVER, self.receiver()),
            "pg_replication_slots" => (SLOTS, self.slots()),
            "pg_database" => {
                (DATABASE, DATABASES.map(|(oid, name)| vec![V::Int(oid), V::text(name), V::Int(700), V::Int(1)]).into())
            }
            "pg_stat_database" => (STAT_DATABASE, self.counters()),
            "pg_stat_archiver" => (ARCHIVER, vec![vec![V::Int(812), V::Int(0), V::Null, V::Null, V::Time(self.now)]]),
            "pg_prepared_xacts" => (PREPARED, Vec::new()),
            "pg_roles" => (ROLES, roles()),
            "pg_settings" => (SETTINGS, self.settings()),
            "pg_namespace" => (NAMESPACE, vec![vec![V::Int(2200), V::text("public")]]),
            name if name.starts_with("pg_stat_progress_") => (PROGRESS, Vec::new()),
            name => self.with(|_, database, _| relations::view(database, name))?,
        };
        let column =
            |(column, ty): &(&str, &'static str)| Column { table: name.to_owned(), name: (*column).to_owned(), ty };
        Some(Rows { columns: named.iter().map(column).collect(), rows })
    }

    fn call(&self, name: &str, args: &[V]) -> Result<V, Refusal> {
        let first = args.first().cloned().unwrap_or(V::Null);
        let number = |at: usize| args.get(at).and_then(V::number);
        Ok(match name {
            "now" | "clock_timestamp" | "transaction_timestamp" | "statement_timestamp" => V::Time(self.now),
            "current_user" | "session_user" | "user" => V::text(&self.me.user),
            "current_database" => V::text(&self.me.database),
            "pg_backend_pid" => V::Int(self.me.pid.into()),
            "pg_is_in_recovery" => V::Bool(self.is_standby()),
            "pg_postmaster_start_time" => {
                V::Time(self.with(|stage, _, server| stage.clock.moment(server.booted).as_microsecond()))
            }
            "current_setting" => match self.setting(&first.show()) {
                Some(value) => V::Text(value),
                None if args.get(1).is_some_and(V::holds) => V::Null,
                None => {
                    return Err(Refusal::no_object(format!(
                        "unrecognized configuration parameter \"{}\"",
                        first.show()
                    )));
                }
            },
            "set_config" => args.get(1).cloned().unwrap_or(V::Null),
            "pg_has_role"
            | "has_database_privilege"
            | "has_table_privilege"
            | "pg_try_advisory_lock"
            | "pg_advisory_unlock" => V::Bool(true),
            "pg_advisory_lock" | "pg_advisory_xact_lock" => V::text(""),
            "textsend" => {
                if first == V::Null {
                    V::Null
                } else {
                    V::Bytes(first.show().into_bytes())
                }
            }
            "quote_ident" | "host" => {
                if first == V::Null {
                    V::Null
                } else {
                    V::Text(first.show())
                }
            }
            "coalesce" => args.iter().find(|value| **value != V::Null).cloned().unwrap_or(V::Null),
            "nullif" => {
                if first.order(&args[1]).is_some_and(std::cmp::Ordering::is_eq) {
                    V::Null
                } else {
                    first
                }
            }
            "greatest" => extreme(args, std::cmp::Ordering::Greater),
            "least" => extreme(args, std::cmp::Ordering::Less),
            "age" | "mxid_age" => {
                if first == V::Null {
                    V::Null
                } else {
                    V::Int(84_000_000)
                }
            }
            "substr" => first.part(args.get(1), args.get(2)),
            "left" => first.part(None, args.get(1)),
            "cardinality" => match first {
                V::Ints(all) => V::Int(all.len() as i64),
                _ => V::Null,
            },
            "date_trunc" => match args.get(1) {
                Some(V::Interval(micros)) => V::Interval(micros / 1_000_000 * 1_000_000),
                Some(V::Time(micros)) => V::Time(micros / 1_000_000 * 1_000_000),
                _ => V::Null,
            },
            "make_interval" => V::Interval((number(0).unwrap_or(0.0) * 60e6) as i64),
            "to_jsonb" => V::Json(first.json()),
            "pg_blocking_pids" => self.blocking(first.number()),
            "pg_terminate_backend" => self.signal(first.number(), true),
            "pg_cancel_backend" => self.signal(first.number(), false),
            _ => return self.wal(name, args),
        })
    }
}

impl Tables<'_> {
    fn with<T>(&self, look: impl FnOnce(&Stage, &Database, &Server) -> T) -> T {
        let stage = self.stage.borrow();
        let database = &stage.world.databases[self.which];
        look(&stage, database, &stage.world.servers[database.server])
    }

    /// What only a standby can do is asked of one.
    fn needs_recovery(&self) -> Result<(), Refusal> {
        if self.is_standby() { Ok(()) } else { Err(Refusal::not_now("recovery is not in progress".to_owned())) }
    }

    fn is_standby(&self) -> bool {
        self.with(|_, database, _| database.standby)
    }

    fn activity(&self) -> Vec<Vec<V>> {
        let mut rows = self.with(|stage, database, _| {
            let of = |session: &Session| session_row(stage, session);
            database.sessions.iter().map(of).collect::<Vec<_>>()
        });
        rows.extend(self.clients.iter().map(|client| self.client_row(client)));
        rows
    }

    fn client_row(&self, client: &Client) -> Vec<V> {
        let active = client.pid == self.me.pid;
        let (text, at) = &client.query;
        vec![
            V::Int(client.pid.into()),
            V::Time(client.started),
            V::text(&client.user),
            V::Int(16_390),
            V::text(&client.app),
            V::text("127.0.0.1"),
            V::text(&client.database),
            V::Int(16_384),
            V::text(if active { "active" } else { "idle" }),
            V::Time(*at),
            if active { V::Time(*at) } else { V::Null },
            V::Time(*at),
            if active { V::Null } else { V::text("Client") },
            if active { V::Null } else { V::text("ClientRead") },
            if active { V::Int(700) } else { V::Null },
            V::text("client backend"),
            V::text(text),
        ]
    }

    /// A transaction that is held, and those that wait for its end.
    fn locks(&self) -> Vec<Vec<V>> {
        self.with(|stage, database, _| {
            let row = |session: &Session, holder: i32, granted: bool| {
                let mode = if granted { "ExclusiveLock" } else { "ShareLock" };
                let since = if granted { V::Null } else { time(stage, session.changed) };
                vec![
                    V::Int(session.pid.into()),
                    V::Text(format!("{}/1", session.pid % 97)),
                    V::Bool(granted),
                    V::text(mode),
                    V::text("transactionid"),
                    V::Int(holder.into()),
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                    since,
                ]
            };
            let waiters = database.sessions.iter().filter_map(|session| Some((session, session.blocked_by?)));
            let holders: std::collections::BTreeSet<i32> = waiters.clone().map(|(_, holder)| holder).collect();
            let held = database
                .sessions
                .iter()
                .filter(|session| holders.contains(&session.pid))
                .map(|one| row(one, one.pid, true));
            held.chain(waiters.map(|(session, holder)| row(session, holder, false))).collect()
        })
    }

    fn replication(&self) -> Vec<Vec<V>> {
        let stage = self.stage.borrow();
        if self.which != 0 || !stage.world.replicates() {
            return Vec::new();
        }
        let standby = &stage.world.databases[1];
        let machine = &stage.world.servers[standby.server];
        let lag = standby.behind_since.map_or(V::Interval(4_000), |since| {
            V::Interval((stage.clock.length((stage.world.at - since) as f64) * 1e6) as i64)
        });
        vec![vec![
            V::Int(1_402),
            V::text("db_replica_1"),
            V::text(&machine.address),
            V::text("streaming"),
            V::text("async"),
            V::Lsn(standby.wal as u64),
            V::Interval(1_000),
            V::Interval(2_000),
            lag,
        ]]
    }

    fn receiver(&self) -> Vec<Vec<V>> {
        if !self.with(|stage, database, _| database.standby && stage.world.replicates()) {
            return Vec::new();
        }
        vec![vec![V::Int(311), V::text("streaming"), V::text("db-primary"), V::Int(5432), V::Time(self.now - 300_000)]]
    }

    fn slots(&self) -> Vec<Vec<V>> {
        if self.which != 0 {
            return Vec::new();
        }
        let stage = self.stage.borrow();
        let up = stage.world.replicates();
        let at = V::Lsn(stage.world.databases[1].wal as u64);
        let pid = if up { V::Int(1_402) } else { V::Null };
        vec![vec![
            V::text("replica_1"),
            V::text("physical"),
            V::Bool(up),
            pid,
            at,
            V::text("reserved"),
            V::Null,
            V::Null,
        ]]
    }

    fn counters(&self) -> Vec<Vec<V>> {
        self.with(|_, database, _| {
            let mine = database.sessions.len() + self.clients.len();
            let row = |(oid, name): (i64, &str), share: f64, backends: usize| {
                let count = |value: f64| V::Int((value * share) as i64);
                vec![
                    V::Int(oid),
                    V::text(name),
                    V::Int(backends as i64),
                    count(database.committed),
                    count(database.rolled_back),
                    count(database.read),
                    count(database.hit),
                    count(database.hit * 3.0),
                    count(database.committed * 0.4),
                    count(database.committed * 0.7),
                    count(database.committed * 0.05),
                    V::Int(0),
                    V::Int(0),
                    V::Int(0),
                    count(database.bad_reads),
                    V::Null,
                ]
            };
            vec![row(DATABASES[0], 0.0001, 0), row(DATABASES[1], 1.0, mine)]
        })
    }

    fn settings(&self) -> Vec<Vec<V>> {
        let names = ["max_connections", "superuser_reserved_connections", "reserved_connections", "wal_level"];
        names.iter().map(|name| vec![V::text(name), V::Text(self.setting(name).unwrap_or_default())]).collect()
    }

    fn setting(&self, name: &str) -> Option<String> {
        Some(match name {
            "server_version" => VERSION.to_owned(),
            "server_version_num" => VERSION_NUMBER.to_owned(),
            "max_connections" => self.with(|_, database, _| database.most.to_string()),
            "superuser_reserved_connections" => RESERVED.to_string(),
            "reserved_connections" => "0".to_owned(),
            "autovacuum_freeze_max_age" => "200000000".to_owned(),
            "archive_mode" => "on".to_owned(),
            "wal_level" => "replica".to_owned(),
            "max_replication_slots" | "max_wal_senders" => "10".to_owned(),
            "statement_timeout" | "lock_timeout" => "0".to_owned(),
            "transaction_read_only" => if self.is_standby() { "on" } else { "off" }.to_owned(),
            "application_name" => self.me.app.clone(),
            _ => return None,
        })
    }

    fn wal(&self, name: &str, args: &[V]) -> Result<V, Refusal> {
        let of = |which: usize| self.stage.borrow().world.databases[which].wal as u64;
        Ok(match name {
            "pg_current_wal_lsn" if self.is_standby() => return Err("recovery is in progress".to_owned().into()),
            "pg_current_wal_lsn" => V::Lsn(of(self.which)),
            "pg_last_wal_receive_lsn" if self.is_standby() => V::Lsn(of(0)),
            "pg_last_wal_replay_lsn" if self.is_standby() => V::Lsn(of(1)),
            "pg_last_wal_receive_lsn" | "pg_last_wal_replay_lsn" => V::Null,
            "pg_wal_lsn_diff" => match args {
                [V::Lsn(a), V::Lsn(b)] => V::Int(a.cast_signed() - b.cast_signed()),
                _ => V::Null,
            },
            "pg_last_xact_replay_timestamp" => self.with(|stage, database, _| match database.behind_since {
                _ if !database.standby => V::Null,
                Some(since) => time(stage, since),
                None if stage.world.replicates() => V::Time(self.now - 200_000),
                None => time(stage, database.heard),
            }),
            "pg_promote" => {
                if self.acts {
                    self.needs_recovery()?;
                    self.stage.borrow_mut().order(&Order::Promote).map_err(|why| why.0)?;
                }
                V::Bool(true)
            }
            "pg_is_wal_replay_paused" => V::Bool(self.with(|_, database, _| database.stalled)),
            "pg_wal_replay_resume" | "pg_wal_replay_pause" => {
                if self.acts {
                    self.needs_recovery()?;
                    let stalled = name == "pg_wal_replay_pause";
                    self.stage.borrow_mut().order(&Order::Stall(stalled)).map_err(|why| why.0)?;
                }
                V::text("")
            }
            // The one that every server has is all but empty.
            "pg_database_size" if args.first().and_then(V::number) == Some(DATABASES[0].0 as f64) => V::Int(7_600_000),
            "pg_database_size" => V::Int(self.with(|_, database, _| database.size as i64)),
            "pg_relation_size" | "pg_total_relation_size" | "pg_relation_filenode" => {
                let of = args.first().cloned().unwrap_or(V::Null);
                self.with(|_, database, _| relations::function(database, name, &of)).unwrap_or(V::Null)
            }
            "regclass" => {
                let of = args.first().cloned().unwrap_or(V::Null);
                self.with(|_, database, _| relations::regclass(database, &of))?
            }
            "pg_size_pretty" => {
                V::Text(format!("{} MB", (args.first().and_then(V::number).unwrap_or(0.0) / 1_048_576.0).round()))
            }
            other => return Err(Refusal::no_function(format!("function {other} does not exist in a drill"))),
        })
    }

    fn blocking(&self, pid: Option<f64>) -> V {
        let Some(pid) = pid else { return V::Null };
        self.with(|_, database, _| {
            let session = database.sessions.iter().find(|session| session.pid == pid as i32);
            V::Ints(session.and_then(|session| session.blocked_by).into_iter().collect())
        })
    }

    fn signal(&self, pid: Option<f64>, ends: bool) -> V {
        let Some(pid) = pid.map(|pid| pid as i32) else { return V::Null };
        let order = if ends { Order::Terminate(pid) } else { Order::Cancel(pid) };
        let there = self.with(|_, database, _| database.sessions.iter().any(|session| session.pid == pid));
        // A signal to a session that is idle is one that was sent; what it does is another matter.
        if there && self.acts {
            let _ = self.stage.borrow_mut().order(&order);
        }
        V::Bool(there)
    }
}

/// Somebody of that name can log in.
pub fn is_role(name: &str) -> bool {
    ROLES_HERE.iter().any(|(_, known, ..)| *known == name)
}

/// There is a database of that name.
pub fn is_database(name: &str) -> bool {
    DATABASES.iter().any(|(_, known)| *known == name)
}

fn roles() -> Vec<Vec<V>> {
    let row = |(oid, name, superuser, replication): (i64, &str, bool, bool)| {
        vec![V::Int(oid), V::text(name), V::Bool(superuser), V::Bool(replication)]
    };
    ROLES_HERE.map(row).into()
}

/// Identities and names of those who log in; whether they are superusers, and may copy all of it (as who backs it up).
const ROLES_HERE: [(i64, &str, bool, bool); 6] = [
    (10, "postgres", true, true),
    (16_389, "spacetime", false, false),
    (16_390, "quarterdeck", false, false),
    (16_391, "quarterdeck_ops", false, false),
    (16_392, "metrics", false, false),
    (16_393, "backup", false, true),
];

fn identity(user: &str) -> i64 {
    ROLES_HERE.iter().find(|(_, name, ..)| *name == user).map_or(16_389, |(oid, ..)| *oid)
}

fn time(stage: &Stage, second: i64) -> V {
    V::Time(stage.clock.moment(second).as_microsecond())
}

fn session_row(stage: &Stage, session: &Session) -> Vec<V> {
    use crate::drill::world::database::At;
    let word = |text: &str| V::text(text);
    let (kind, event) = match (session.blocked_by, session.at) {
        (Some(_), _) => (word("Lock"), word("transactionid")),
        (None, At::Active) => (V::Null, V::Null),
        (None, _) => (word("Client"), word("ClientRead")),
    };
    vec![
        V::Int(session.pid.into()),
        time(stage, session.started),
        word(session.user),
        V::Int(identity(session.user)),
        word(&session.app),
        word(&session.client),
        // Who watches the server, and not what is in it.
        word(if session.user == "metrics" { "postgres" } else { "spacetime" }),
        V::Int(16_384),
        word(session.at.word()),
        time(stage, session.changed),
        session.xact.map_or(V::Null, |at| time(stage, at)),
        time(stage, session.asked),
        kind,
        event,
        session.xact.map_or(V::Null, |_| V::Int(700)),
        word("client backend"),
        word(&session.query),
    ]
}

fn extreme(args: &[V], way: std::cmp::Ordering) -> V {
    let there = args.iter().filter(|value| **value != V::Null).cloned();
    there.reduce(|a, b| if b.order(&a) == Some(way) { b } else { a }).unwrap_or(V::Null)
}
