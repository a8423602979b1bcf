//! What a login may do with a team's journal, and what it should not.

use super::super::JournalError;
use super::{Reader, fault};
use sqlx::Row;

/// Of the login that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Its name, as records have it.
    pub user: String,
    /// It may append, and take locks.
    pub appends: bool,
    superuser: bool,
    owner: bool,
    /// It may change or delete records, by GRANT.
    changes: bool,
    /// Other logins that may, superusers and the owner left out.
    others: Vec<String>,
}

const RIGHTS: &str = "SELECT session_user::text AS login, rolsuper AS superuser, pg_has_role(session_user, relowner, 'usage') AS owner,
         has_table_privilege('quarterdeck.record', 'UPDATE, DELETE, TRUNCATE')
             OR has_any_column_privilege('quarterdeck.record', 'UPDATE')
             OR has_table_privilege('quarterdeck.approval', 'INSERT, UPDATE, DELETE, TRUNCATE')
             OR has_column_privilege('quarterdeck.record', 'actor_name', 'INSERT') AS changes,
         has_column_privilege('quarterdeck.record', 'hash', 'INSERT')
             AND has_function_privilege('quarterdeck.take(uuid, uuid, text[], bigint)', 'EXECUTE') AS appends,
         ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles others
             WHERE rolcanlogin AND NOT rolsuper AND rolname <> session_user AND NOT pg_has_role(others.oid, relowner, 'usage')
                 AND has_table_privilege(others.oid, 'quarterdeck.record', 'UPDATE, DELETE, TRUNCATE')
             ORDER BY rolname LIMIT 5) AS others
     FROM pg_catalog.pg_roles, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'quarterdeck.record'::regclass) AS record
     WHERE rolname = session_user";

/// Asks the server.
///
/// # Errors
/// When it can't be asked.
pub async fn rights(reader: &Reader) -> Result<Rights, JournalError> {
    let row = sqlx::query(RIGHTS).fetch_one(&reader.pool().await?).await;
    let rights = row.and_then(|row| {
        Ok(Rights {
            user: row.try_get("login")?,
            appends: row.try_get("appends")?,
            superuser: row.try_get("superuser")?,
            owner: row.try_get("owner")?,
            changes: row.try_get("changes")?,
            others: row.try_get("others")?,
        })
    });
    rights.map_err(|error| fault::explain(&reader.login, "read the rights on", &error))
}

impl Rights {
    /// What should be otherwise: a sentence each, with its mend.
    pub fn advice(&self) -> Vec<String> {
        let (user, mut said) = (&self.user, Vec::new());
        if self.superuser {
            said.push(format!(
                "{user} is a superuser, who can change what is recorded: write as a login of your own that has quarterdeck_writer alone"
            ));
        } else if self.owner {
            said.push(format!(
                "{user} owns the journal's tables and can change what is recorded: write as a login that has quarterdeck_writer alone"
            ));
        } else if self.changes {
            said.push(format!(
                "{user} may change what is recorded: REVOKE ALL ON quarterdeck.record FROM \"{user}\", and GRANT quarterdeck_writer alone"
            ));
        }
        if !self.others.is_empty() {
            let names = self.others.join(", ");
            said.push(format!(
                "others may change what is recorded: {names}: REVOKE ALL ON quarterdeck.record from them"
            ));
        }
        said
    }

    /// That nothing can be changed with this login, if so, and what lets it.
    pub fn lacking(&self) -> Option<(String, String)> {
        let user = &self.user;
        let what = || {
            (
                format!("{user} may look and not act"),
                format!("GRANT quarterdeck_writer TO \"{user}\" if they are to act"),
            )
        };
        (!self.appends).then(what)
    }

    /// The same in one sentence.
    pub fn only_looks(&self) -> Option<String> {
        self.lacking().map(|(what, mend)| format!("{what}: {mend}"))
    }
}
