//! The statements, as each version of PostgreSQL (12 to 17) understands them.
//!
//! Times travel as whole microseconds since 1970: exact, for `backend_start` is half of a session's identity. Names and
//! queries travel as bytes: those of a database with another encoding may be no text in this one's. Nothing from outside is ever put into
//! the text of a statement.

/// `server_version_num` of a major version.
const fn major(version: i32) -> i32 {
    version * 10_000
}

/// The server itself, and what the login may see. Reserved connections have a second setting since version 16.
pub(super) const SERVER: &str = "SELECT current_setting('server_version') AS version, \
     current_setting('server_version_num')::int4 AS number, pg_is_in_recovery() AS standby, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS now, \
     (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8 AS started, \
     current_setting('max_connections')::int4 AS max, \
     current_setting('superuser_reserved_connections')::int4 \
         + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int4 AS reserved, \
     current_setting('autovacuum_freeze_max_age')::int8 AS freeze_max_age, \
     textsend(quote_ident(current_user)) AS login, \
     pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all";

/// The sessions of clients, and of the server's own processes those that hold vacuum back or are autovacuum. A parallel
/// worker holds what its leader holds. A login that may not see others' sessions sees neither their kind nor their start; that they
/// have a user and a database tells them from the server's own processes. Who blocks is asked only for those that wait.
pub(super) const SESSIONS: &str = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 AS backend_start, \
     textsend(usename::text) AS username, textsend(application_name) AS application, host(client_addr) AS client, \
     textsend(datname::text) AS database, state, (extract(epoch FROM state_change) * 1000000)::int8 AS state_change, \
     (extract(epoch FROM xact_start) * 1000000)::int8 AS xact_start, \
     (extract(epoch FROM query_start) * 1000000)::int8 AS query_start, wait_event_type, wait_event, \
     CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END AS blocked_by, \
     age(backend_xmin)::int8 AS xmin_age, backend_type AS kind, substr(textsend(query), 1, 8192) AS query, \
     coalesce(pid = pg_backend_pid() OR application_name = $1, false) AS own \
     FROM pg_catalog.pg_stat_activity \
     WHERE backend_type IN ('client backend', 'autovacuum worker') \
     OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) \
     OR (backend_xmin IS NOT NULL AND backend_type <> 'parallel worker')";

/// The locks that somebody waits for: who waits, who holds them, and of what row a waiter for a transaction wants to be the
/// next owner; and the transaction of each prepared one, which has no process. Reading them takes the lock manager's own locks, so it is asked only while somebody waits.
pub(super) fn waits(version: i32) -> String {
    // The row of a table that a lock is on, in columns that are never NULL: so they can be looked up by hash.
    const OBJECT: &str = "locktype, xid, vxid, db, rel, page, tup, classid, objid, objsubid";
    let since = if version >= major(14) { "(extract(epoch FROM waitstart) * 1000000)::int8" } else { "NULL::int8" };
    format!(
        "WITH l AS MATERIALIZED (SELECT pid, virtualtransaction, granted, mode, locktype, \
             coalesce(transactionid::text, '') AS xid, coalesce(virtualxid, '') AS vxid, coalesce(database, 0) AS db, \
             coalesce(relation, 0) AS rel, coalesce(page, -1) AS page, coalesce(tuple, -1::int2) AS tup, \
             coalesce(classid, 0) AS classid, coalesce(objid, 0) AS objid, coalesce(objsubid, -1::int2) AS objsubid, \
             {since} AS since FROM pg_catalog.pg_locks), \
         w AS (SELECT * FROM l WHERE NOT granted) \
         SELECT l.pid, l.virtualtransaction AS holder, l.granted, l.mode, l.locktype AS kind, l.xid, l.vxid, \
             l.db::int8 AS db, l.rel::int8 AS rel, l.page, l.tup::int4 AS tup, l.classid::int8 AS classid, \
             l.objid::int8 AS objid, l.objsubid::int4 AS objsubid, l.since, textsend(n.nspname::text) AS schema, \
             textsend(c.relname::text) AS name \
         FROM l \
         LEFT JOIN pg_catalog.pg_class c ON c.oid = l.rel AND l.db IN (0, \
             (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) \
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT l.granted OR (l.locktype = 'tuple' AND l.pid IN (SELECT pid FROM w)) \
             OR (l.locktype = 'transactionid' AND l.pid IS NULL) \
             OR ({OBJECT}) IN (SELECT {OBJECT} FROM w) \
         LIMIT 5000"
    )
}

/// The end of the WAL: what a primary has written, what a standby has.
const WAL_END: &str = "CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
     ELSE pg_current_wal_lsn() END";

/// Whom it sends WAL to.
pub(super) fn replicas() -> String {
    format!(
        "SELECT pid, textsend(application_name) AS name, host(client_addr) AS client, state, sync_state AS sync, \
             pg_wal_lsn_diff({WAL_END}, replay_lsn)::int8 AS behind, \
             (extract(epoch FROM write_lag) * 1000000)::int8 AS write_lag, \
             (extract(epoch FROM flush_lag) * 1000000)::int8 AS flush_lag, \
             (extract(epoch FROM replay_lag) * 1000000)::int8 AS replay_lag \
         FROM pg_catalog.pg_stat_replication ORDER BY application_name, pid"
    )
}

/// Where a standby gets its WAL from: one row, also when no receiver runs.
pub(super) const RECEIVER: &str = "SELECT r.pid, r.status, textsend(r.sender_host) AS host, r.sender_port AS port, \
     pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::int8 AS behind, \
     (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000)::int8 AS replayed, \
     (extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) * 1000000)::int8 AS heard, \
     pg_is_wal_replay_paused() AS paused \
     FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_stat_wal_receiver AS r ON true";

/// Replication slots and how much WAL each keeps.
pub(super) fn slots(version: i32) -> String {
    let status = if version >= major(13) { "wal_status" } else { "NULL::text" };
    format!(
        "SELECT textsend(slot_name::text) AS name, slot_type AS kind, active, \
             pg_wal_lsn_diff({WAL_END}, restart_lsn)::int8 AS held, {status} AS wal_status, \
             greatest(age(xmin), age(catalog_xmin))::int8 AS xmin_age \
         FROM pg_catalog.pg_replication_slots ORDER BY slot_name"
    )
}

/// Counters of each database, and how old its oldest transaction is.
pub(super) const DATABASES: &str = "SELECT d.oid::int8 AS id, textsend(d.datname::text) AS name, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS now, coalesce(s.numbackends, 0) AS backends, \
     coalesce(s.xact_commit, 0) AS commits, coalesce(s.xact_rollback, 0) AS rollbacks, \
     coalesce(s.blks_read, 0) AS blocks_read, coalesce(s.blks_hit, 0) AS blocks_hit, \
     coalesce(s.tup_returned, 0) AS rows_read, \
     coalesce(s.tup_inserted + s.tup_updated + s.tup_deleted, 0) AS rows_written, \
     coalesce(s.temp_bytes, 0) AS temp, coalesce(s.deadlocks, 0) AS deadlocks, coalesce(s.conflicts, 0) AS conflicts, \
     s.checksum_failures, (extract(epoch FROM s.stats_reset) * 1000000)::int8 AS reset, \
     age(d.datfrozenxid)::int8 AS frozen_age, mxid_age(d.datminmxid)::int8 AS multixact_age \
     FROM pg_catalog.pg_database AS d LEFT JOIN pg_catalog.pg_stat_database AS s ON s.datid = d.oid ORDER BY d.datname";

/// Sizes: a walk over files, so hardly ever.
pub(super) const SIZES: &str = "SELECT oid::int8 AS id, pg_database_size(oid) AS size FROM pg_catalog.pg_database \
     WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role(current_user, 'pg_read_all_stats', 'usage')";

/// The archiver.
pub(super) const ARCHIVER: &str = "SELECT current_setting('archive_mode') <> 'off' AS enabled, archived_count AS archived, \
     failed_count AS failed, last_failed_wal AS last_failed, \
     (extract(epoch FROM last_failed_time) * 1000000)::int8 AS last_failed_at, \
     coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL) AS failing \
     FROM pg_catalog.pg_stat_archiver";

/// Prepared transactions.
pub(super) const PREPARED: &str = "SELECT textsend(gid) AS gid, textsend(owner::text) AS owner, \
     textsend(database::text) AS database, (extract(epoch FROM prepared) * 1000000)::int8 AS prepared, \
     transaction::text::int8 AS transaction, age(transaction)::int8 AS xmin_age FROM pg_catalog.pg_prepared_xacts \
     ORDER BY prepared";

/// Long commands under way. Each has a view of its own, with a share done that depends on the phase.
pub(super) fn progress(version: i32) -> String {
    const VIEWS: &[(i32, &str)] = &[
        (
            9,
            "SELECT pid, datid, relid, 'VACUUM' AS command, phase, CASE phase WHEN 'scanning heap' THEN heap_blks_scanned \
             WHEN 'vacuuming heap' THEN heap_blks_vacuumed END AS done, heap_blks_total AS total \
             FROM pg_catalog.pg_stat_progress_vacuum",
        ),
        (
            12,
            "SELECT pid, datid, relid, command, phase, \
             CASE WHEN blocks_total > 0 THEN blocks_done WHEN tuples_total > 0 THEN tuples_done ELSE lockers_done END, \
             CASE WHEN blocks_total > 0 THEN blocks_total WHEN tuples_total > 0 THEN tuples_total ELSE lockers_total END \
             FROM pg_catalog.pg_stat_progress_create_index",
        ),
        (
            12,
            "SELECT pid, datid, relid, command, phase, heap_blks_scanned, heap_blks_total \
             FROM pg_catalog.pg_stat_progress_cluster",
        ),
        (
            13,
            "SELECT pid, datid, relid, 'ANALYZE', phase, sample_blks_scanned, sample_blks_total \
             FROM pg_catalog.pg_stat_progress_analyze",
        ),
        (
            13,
            "SELECT pid, 0::oid, 0::oid, 'BASE BACKUP', phase, backup_streamed, backup_total \
             FROM pg_catalog.pg_stat_progress_basebackup",
        ),
        (
            14,
            "SELECT pid, datid, relid, command, type, bytes_processed, bytes_total FROM pg_catalog.pg_stat_progress_copy",
        ),
    ];
    let views: Vec<&str> = VIEWS.iter().filter(|(since, _)| version >= major(*since)).map(|(_, view)| *view).collect();
    format!(
        "SELECT p.pid, p.command, p.phase, p.done::int8 AS done, p.total::int8 AS total, p.relid::int8 AS relation, \
             textsend(d.datname::text) AS database, textsend(n.nspname::text) AS schema, textsend(c.relname::text) AS name \
         FROM ({}) AS p LEFT JOIN pg_catalog.pg_database AS d ON d.oid = p.datid \
         LEFT JOIN pg_catalog.pg_class AS c ON c.oid = p.relid AND d.datname = current_database() \
         LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace ORDER BY p.pid",
        views.join(" UNION ALL ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only one version can be had where the tests run: the others are held to their documented columns here.
    #[test]
    fn each_version_is_asked_only_for_what_it_has() {
        let views = |version| {
            let sql = progress(version);
            let names = ["vacuum", "create_index", "cluster", "analyze", "basebackup", "copy"];
            names.map(|name| sql.contains(&format!("pg_stat_progress_{name}")))
        };
        assert_eq!(views(120_022), [true, true, true, false, false, false]);
        assert_eq!(views(130_018), [true, true, true, true, true, false]);
        for version in [140_015, 150_018, 160_001, 170_000] {
            assert_eq!(views(version), [true; 6]);
        }
        assert!(!slots(120_022).contains("AND wal_status") && slots(120_022).contains("NULL::text AS wal_status"));
        assert!(slots(130_000).contains("restart_lsn)::int8 AS held, wal_status AS wal_status"));
        assert!(!waits(130_018).contains("waitstart") && waits(140_000).contains("waitstart"));
    }
}
