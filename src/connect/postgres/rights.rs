//! What logins may do, and what should be otherwise.

/// What a login may do; a superuser may everything.
pub(super) struct Rights {
    pub(super) user: String,
    pub(super) superuser: bool,
    pub(super) sees_all: bool,
    pub(super) may_end: bool,
}

pub(super) const RIGHTS: &str = "SELECT rolname::text, rolsuper, pg_has_role(oid, 'pg_read_all_stats', 'usage'), \
     pg_has_role(oid, 'pg_signal_backend', 'usage') FROM pg_catalog.pg_roles WHERE rolname = current_user";

pub(super) fn advice(name: &str, read: &Rights, act: Option<&Rights>) -> Vec<String> {
    let mut said = Vec::new();
    let user = &read.user;
    if read.superuser {
        said.push(format!(
            "postgres/{name} reads as {user}, a superuser, so nothing keeps a check from changing things: \
             CREATE ROLE quarterdeck LOGIN, GRANT pg_monitor TO quarterdeck, and read as that"
        ));
    } else if !read.sees_all {
        said.push(format!(
            "postgres/{name} reads as {user}, who sees only their own sessions: GRANT pg_monitor TO {user}"
        ));
    }
    if act.is_some() && !read.superuser && read.may_end {
        said.push(format!(
            "postgres/{name} reads as {user}, who may end sessions: REVOKE pg_signal_backend FROM {user}"
        ));
    }
    let acting = act.unwrap_or(read);
    if !acting.superuser && !acting.may_end {
        let user = &acting.user;
        said.push(format!(
            "postgres/{name} acts as {user}, who may not end others' sessions: GRANT pg_signal_backend TO {user}"
        ));
    }
    said
}
