//! One login of a server: its password, its pool.

use super::explain::{explain, is_refused};
use super::settings::{LoginSettings, options, server_of, session_options, ssl_mode};
use crate::connect::libpq;
use crate::connect::secret::Keeper;
use crate::domain::SourceError;
use crate::domain::secret::{Secret, SecretRef};
use crate::redact::Redactor;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// Connections of one pool at most: quarterdeck is used when they are scarce.
const CONNECTIONS: u32 = 2;
/// The same for a database that only a fence names: it is asked once in a while.
const OTHER_CONNECTIONS: u32 = 1;
/// Longest wait for a free connection of a pool, or a new one.
pub(super) const ACQUIRE: Duration = Duration::from_secs(5);
/// An unused connection of a pool is given back after this.
const UNUSED: Duration = Duration::from_mins(1);

/// One login, its password found at the first use, its pool made then.
pub struct Login {
    pub(super) options: PgConnectOptions,
    password: Option<Arc<Keeper>>,
    /// The database, when it is another one than the config's.
    pub(super) database: Option<String>,
    /// The connections that its pool has at most.
    pub(super) most: u32,
    pool: AsyncMutex<Option<PgPool>>,
}

impl Login {
    pub(super) fn new(options: PgConnectOptions, password: Option<SecretRef>) -> Self {
        let password = password.map(|password| Arc::new(Keeper::new(password)));
        Self { options, password, database: None, most: CONNECTIONS, pool: AsyncMutex::default() }
    }

    /// A login for what is no source: with `most` connections, and these settings of a session. `table` is where the config has it.
    /// Does not connect.
    ///
    /// # Errors
    /// When the `dsn` can't be read, or holds a password.
    pub fn alone(
        table: &str,
        settings: &LoginSettings,
        most: u32,
        session: &[(&str, &str)],
    ) -> Result<Self, SourceError> {
        let options = options(table, settings)?.options(session.iter().copied());
        Ok(Self { most, ..Self::new(options, settings.password.clone()) })
    }

    /// Every password found from now on is hidden by `redactor` too, also those that libpq's files and variables hold.
    pub fn hide_with(&mut self, redactor: &Redactor) {
        // Nobody else has it yet: other databases come later.
        if let Some(password) = self.password.as_mut().and_then(Arc::get_mut) {
            password.hide_with(redactor);
        }
        let variable = std::env::var("PGPASSWORD").ok().map(Secret::from);
        for password in variable.into_iter().chain(libpq::passwords()) {
            redactor.learn(&password);
        }
    }

    /// The host; empty for a local socket.
    pub(super) fn host(&self) -> &str {
        let socket = self.options.get_socket().is_some() || self.options.get_host().starts_with('/');
        if socket { "" } else { self.options.get_host() }
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// What an error of the database driver means, and how to mend it. `table` is where the config has the login.
    pub fn explain(&self, table: &str, error: &sqlx::Error) -> SourceError {
        if is_refused(error) {
            self.forget();
        }
        explain(table, &self.place(), self, error)
    }

    /// The same login on another database.
    pub(super) fn on(&self, database: &str) -> Self {
        let options = self.options.clone().database(database);
        let (password, database) = (self.password.clone(), Some(database.to_owned()));
        Self { options, password, database, most: OTHER_CONNECTIONS, pool: AsyncMutex::default() }
    }

    /// Where it is and who logs in there, as in `db-primary:5432 as quarterdeck`.
    pub fn place(&self) -> String {
        format!("{} as {}", self.server(), self.options.get_username())
    }

    /// Where it is, with the database: `db-primary:5432/app`.
    pub fn server_and_database(&self) -> String {
        match self.database {
            Some(_) => self.server(),
            // A login without a database goes to the one that is called like its user.
            None => format!("{}/{}", self.server(), self.options.get_database().unwrap_or(self.options.get_username())),
        }
    }

    pub(super) fn server(&self) -> String {
        let server = server_of(&self.options);
        self.database.as_ref().map_or_else(|| server.clone(), |database| format!("{server}/{database}"))
    }

    pub(super) fn target(&self) -> String {
        let (options, user, server) = (&self.options, self.options.get_username(), self.server_and_database());
        let theirs: Vec<&str> = ssl_mode(options).into_iter().chain(session_options(options)).collect();
        let with = if theirs.is_empty() { String::new() } else { format!(" with {}", theirs.join(", ")) };
        format!("{user}@{server}{with}")
    }

    pub(super) async fn options(&self) -> Result<PgConnectOptions, SourceError> {
        let options = self.options.clone();
        match &self.password {
            Some(password) => Ok(options.password(password.get().await?.expose_secret())),
            None => Ok(options),
        }
    }

    /// Somebody finding the password just now will find the new one.
    pub(super) fn forget(&self) {
        if let Some(password) = &self.password {
            password.forget();
        }
    }

    /// One session outside the pool, which tells at once and exactly why there is none. `table` is where the config has the login.
    ///
    /// # Errors
    /// When the password can't be found, there is no server, or it does not let the login in.
    pub async fn connect(&self, table: &str) -> Result<PgConnection, SourceError> {
        let options = self.options().await?;
        match tokio::time::timeout(ACQUIRE, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(|error| self.explain(table, &error)),
            Err(_) => Err(self.explain(table, &sqlx::Error::PoolTimedOut)),
        }
    }

    /// Its connections.
    ///
    /// # Errors
    /// When the password can't be found.
    pub async fn pool(&self) -> Result<PgPool, SourceError> {
        let options = self.options().await?;
        let mut pool = self.pool.lock().await;
        let made = pool.get_or_insert_with(|| pool_options(self.most).connect_lazy_with(options.clone()));
        if self.password.is_some() {
            made.set_connect_options(options);
        }
        Ok(made.clone())
    }

    /// Gives up its connections, of which some may hang: the next use opens new ones. Whoever uses one goes on with it.
    pub async fn hang_up(&self) {
        if let Some(pool) = self.pool.lock().await.take() {
            tokio::spawn(async move { pool.close().await });
        }
    }
}

fn pool_options(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(UNUSED)
        .max_lifetime(Duration::from_mins(15))
}
