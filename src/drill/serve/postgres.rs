//! PostgreSQL's wire protocol, for the statements that a dashboard and its runbooks send. Anything else is answered with an error that
//! says so.

pub mod expr;
mod refusal;
mod relations;
pub mod select;
pub mod tables;
pub mod value;

use super::door::Door;
use crate::drill::stage::Shared;
use crate::drill::world::table::{Upkeep, Work};
use crate::drill::world::{Order, World};
use async_trait::async_trait;
use futures_util::Sink;
use futures_util::stream;
use pgwire::api::auth::StartupHandler;
use pgwire::api::auth::noop::NoopStartupHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{
    DataRowEncoder, DescribePortalResponse, DescribeStatementResponse, FieldInfo, QueryResponse, Response, Tag,
};
use pgwire::api::stmt::{NoopQueryParser, StoredStatement};
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use refusal::Refusal;
use select::{Column, Context, Rows};
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tables::{Client, Tables};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use value::{V, wire};

/// Serves one, while it runs: 0 the primary, 1 the standby.
pub async fn serve(door: Door<TcpListener>, stage: Shared, which: usize) {
    let listens = |world: &World| world.listens(world.databases[which].server);
    door.keep(stage.clone(), listens, |listener| on(listener, stage.clone(), which)).await;
}

async fn on(listener: TcpListener, stage: Shared, which: usize) {
    let server = Arc::new(Server { stage, which, clients: Mutex::default() });
    let mut open = JoinSet::new();
    let mut pid = 90_000;
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                let _ = socket.set_nodelay(true);
                // It is starting, or hangs.
                if !server.serves() {
                    continue;
                }
                pid += 1;
                let backend = Arc::new(Backend { server: Arc::clone(&server), pid });
                open.spawn(async move {
                    let _ = pgwire::tokio::process_socket(socket, None, Arc::new(Factory(Arc::clone(&backend)))).await;
                    backend.server.clients().retain(|client| client.pid != backend.pid);
                });
            },
            Some(_) = open.join_next() => {}
        }
    }
}

/// What somebody is told who asks on the machine itself, as a user and in a database: rows, or nothing.
///
/// # Errors
/// What of it is not known here, or can't be computed.
pub fn ask(stage: Shared, which: usize, login: (&str, &str), text: &str) -> Result<Option<Rows>, String> {
    let (pid, now, (user, database)) = (89_999, stage.lock().now().as_microsecond(), login);
    let me = Client {
        pid,
        user: user.to_owned(),
        database: database.to_owned(),
        app: "psql".to_owned(),
        started: now,
        query: (String::new(), now),
    };
    let server = Arc::new(Server { stage, which, clients: Mutex::new(vec![me]) });
    match (Backend { server, pid }).answer(text, &[], true).map_err(|refusal| refusal.why)? {
        Answer::Rows(rows) => Ok(Some(rows)),
        Answer::Done(_) | Answer::Nothing => Ok(None),
    }
}

struct Server {
    stage: Shared,
    which: usize,
    clients: Mutex<Vec<Client>>,
}

impl Server {
    fn serves(&self) -> bool {
        let stage = self.stage.lock();
        stage.world.serves(stage.world.databases[self.which].server)
    }

    /// Microseconds since 1970, by the world's time.
    fn now(&self) -> i64 {
        self.stage.lock().now().as_microsecond()
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection.
struct Backend {
    server: Arc<Server>,
    pid: i32,
}

struct Factory(Arc<Backend>);

impl PgWireServerHandlers for Factory {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.0)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.0)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.0)
    }
}

#[async_trait]
impl NoopStartupHandler for Backend {
    async fn post_startup<C>(&self, client: &mut C, _message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let said = |name: &str| client.metadata().get(name).cloned().unwrap_or_default();
        // Who names no database means that of their own name.
        let database = Some(said("database")).filter(|name| !name.is_empty()).unwrap_or_else(|| said("user"));
        if let Some(why) = stranger(&said("user"), &database) {
            return Err(why);
        }
        let now = self.server.now();
        let new = Client {
            pid: self.pid,
            user: said("user"),
            database: said("database"),
            app: said("application_name"),
            started: now,
            query: (String::new(), now),
        };
        self.server.clients().push(new);
        Ok(())
    }
}

fn refused(refusal: Refusal) -> PgWireError {
    let severity = refusal.severity().to_owned();
    PgWireError::UserError(Box::new(ErrorInfo::new(severity, refusal.state.to_owned(), refusal.why)))
}

/// Why somebody may not log in: no password is asked, as `trust` in `pg_hba.conf` does.
fn stranger(user: &str, database: &str) -> Option<PgWireError> {
    let (code, why) = match () {
        () if !tables::is_role(user) => ("28000", format!("role \"{user}\" does not exist")),
        () if !tables::is_database(database) => ("3D000", format!("database \"{database}\" does not exist")),
        () => return None,
    };
    Some(PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), why))))
}

/// What a statement is to be answered with.
enum Answer {
    Rows(Rows),
    Done(&'static str),
    Nothing,
}

/// Commands that change nothing which this world has.
const KEPT: [(&str, &str); 6] = [
    ("BEGIN", "BEGIN"),
    ("START", "BEGIN"),
    ("COMMIT", "COMMIT"),
    ("ROLLBACK", "ROLLBACK"),
    ("SET", "SET"),
    ("RESET", "RESET"),
];

impl Backend {
    /// `acts`: it is carried out, and not only described.
    fn answer(&self, text: &str, params: &[V], acts: bool) -> Result<Answer, Refusal> {
        if !self.server.serves() {
            return Err(Refusal::gone());
        }
        let bare = text.trim().trim_end_matches(';').trim();
        if bare.is_empty() || (bare.starts_with("/*") && bare.ends_with("*/")) {
            return Ok(Answer::Nothing);
        }
        let word =
            bare.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
        if let Some((_, tag)) = KEPT.iter().find(|(command, _)| *command == word) {
            return Ok(Answer::Done(tag));
        }
        if let Some(upkeep) = relations::upkeep(bare)? {
            return self.look_after(upkeep, acts);
        }
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, bare)
            .map_err(|why| Refusal::syntax(format!("syntax error: {why}")))?;
        match parsed.as_slice() {
            [Statement::Query(query)] => Ok(Answer::Rows(self.query(bare, query, params, acts)?)),
            _ => Err(format!("a drill's PostgreSQL does not know {word}").into()),
        }
    }

    /// Tables are looked after; a standby changes nothing of its own.
    fn look_after(&self, upkeep: Upkeep, acts: bool) -> Result<Answer, Refusal> {
        let tag = match upkeep.what {
            Work::Vacuum(_) | Work::Rewrite => "VACUUM",
            Work::Analyze => "ANALYZE",
            Work::Reindex => "REINDEX",
        };
        if self.server.which != 0 {
            return Err(Refusal::read_only(format!("cannot execute {tag} during recovery")));
        }
        if acts {
            self.server.stage.lock().order(&Order::LookAfter(upkeep)).map_err(|why| Refusal::no_table(why.0))?;
        }
        Ok(Answer::Done(tag))
    }

    fn query(&self, text: &str, query: &sqlparser::ast::Query, params: &[V], acts: bool) -> Result<Rows, Refusal> {
        let now = self.server.now();
        let clients = {
            let mut clients = self.server.clients();
            if let Some(me) = clients.iter_mut().find(|client| client.pid == self.pid) {
                me.query = (text.to_owned(), now);
            }
            clients.clone()
        };
        let me = clients.iter().find(|client| client.pid == self.pid).cloned().ok_or("the session has ended")?;
        let tables =
            Tables { stage: RefCell::new(self.server.stage.lock()), which: self.server.which, me, clients, now, acts };
        select::query(query, &Context { tables: &tables, params, with: BTreeMap::new() }, None)
    }

    fn respond(&self, text: &str, params: &[V], format: &Format) -> PgWireResult<Response> {
        Ok(match self.answer(text, params, true).map_err(refused)? {
            Answer::Nothing => Response::EmptyQuery,
            Answer::Done("BEGIN") => Response::TransactionStart(Tag::new("BEGIN")),
            Answer::Done(tag @ ("COMMIT" | "ROLLBACK")) => Response::TransactionEnd(Tag::new(tag)),
            Answer::Done(tag) => Response::Execution(Tag::new(tag)),
            Answer::Rows(rows) => Response::Query(told(rows, format)?),
        })
    }

    fn fields(&self, text: &str, params: &[V], format: &Format) -> PgWireResult<Vec<FieldInfo>> {
        match self.answer(text, params, false).map_err(refused)? {
            Answer::Rows(rows) => Ok(fields(&rows.columns, format)),
            Answer::Done(_) | Answer::Nothing => Ok(Vec::new()),
        }
    }
}

fn fields(columns: &[Column], format: &Format) -> Vec<FieldInfo> {
    let field = |(at, column): (usize, &Column)| {
        FieldInfo::new(column.name.clone(), None, None, wire(column.ty), format.format_for(at))
    };
    columns.iter().enumerate().map(field).collect()
}

fn told(rows: Rows, format: &Format) -> PgWireResult<QueryResponse> {
    let schema = Arc::new(fields(&rows.columns, format));
    let mut encoder = DataRowEncoder::new(Arc::clone(&schema));
    let mut out = Vec::with_capacity(rows.rows.len());
    for row in rows.rows {
        for (value, column) in row.into_iter().zip(&rows.columns) {
            encode(&mut encoder, value, column.ty)?;
        }
        out.push(Ok(encoder.take_row()));
    }
    Ok(QueryResponse::new(schema, stream::iter(out)))
}

/// Each value as its column's type says.
fn encode(encoder: &mut DataRowEncoder, value: V, ty: &'static str) -> PgWireResult<()> {
    if value == V::Null {
        return encoder.encode_field(&None::<String>);
    }
    match ty {
        "bool" => encoder.encode_field(&value.holds()),
        "int4" => encoder.encode_field(&(value.number().unwrap_or(0.0) as i32)),
        "int8" => match value {
            V::Int(whole) => encoder.encode_field(&whole),
            other => encoder.encode_field(&(other.number().unwrap_or(0.0) as i64)),
        },
        "float8" => encoder.encode_field(&value.number().unwrap_or(0.0)),
        "bytea" => match value {
            V::Bytes(bytes) => encoder.encode_field(&bytes.as_slice()),
            other => encoder.encode_field(&other.show().as_bytes()),
        },
        "int4[]" => match value {
            V::Ints(all) => encoder.encode_field(&all),
            _ => encoder.encode_field(&Vec::<i32>::new()),
        },
        "jsonb" => encoder.encode_field(&value.json()),
        _ => encoder.encode_field(&value.show()),
    }
}

#[async_trait]
impl SimpleQueryHandler for Backend {
    async fn do_query<C>(&self, _client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: pgwire::api::store::PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Ok(vec![self.respond(text, &[], &Format::UnifiedText)?])
    }
}

#[async_trait]
impl ExtendedQueryHandler for Backend {
    type Statement = String;
    type QueryParser = NoopQueryParser;

    fn query_parser(&self) -> Arc<Self::QueryParser> {
        Arc::new(NoopQueryParser::new())
    }

    async fn do_query<C>(&self, _client: &mut C, portal: &Portal<String>, _most: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: pgwire::api::store::PortalStore<Statement = String>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.respond(&portal.statement.statement, &params(portal)?, &portal.result_column_format)
    }

    async fn do_describe_statement<C>(
        &self,
        _client: &mut C,
        of: &StoredStatement<String>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: pgwire::api::store::PortalStore<Statement = String>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let count = (1..=99).take_while(|at| of.statement.contains(&format!("${at}"))).count();
        let types: Vec<Type> =
            (0..count).map(|at| of.parameter_types.get(at).cloned().flatten().unwrap_or(Type::TEXT)).collect();
        let nothing = vec![V::Null; count];
        Ok(DescribeStatementResponse::new(types, self.fields(&of.statement, &nothing, &Format::UnifiedBinary)?))
    }

    async fn do_describe_portal<C>(
        &self,
        _client: &mut C,
        portal: &Portal<String>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: pgwire::api::store::PortalStore<Statement = String>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let fields = self.fields(&portal.statement.statement, &params(portal)?, &portal.result_column_format)?;
        Ok(DescribePortalResponse::new(fields))
    }
}

fn params(portal: &Portal<String>) -> PgWireResult<Vec<V>> {
    (0..portal.parameter_len()).map(|at| param(portal, at)).collect()
}

fn param(portal: &Portal<String>, at: usize) -> PgWireResult<V> {
    let ty = portal.statement.parameter_types.get(at).cloned().flatten().unwrap_or(Type::TEXT);
    Ok(match ty {
        Type::BOOL => portal.parameter::<bool>(at, &ty)?.map_or(V::Null, V::Bool),
        Type::INT4 => portal.parameter::<i32>(at, &ty)?.map_or(V::Null, |value| V::Int(value.into())),
        Type::INT8 => portal.parameter::<i64>(at, &ty)?.map_or(V::Null, V::Int),
        Type::FLOAT8 => portal.parameter::<f64>(at, &ty)?.map_or(V::Null, V::Float),
        _ => portal.parameter::<String>(at, &Type::TEXT)?.map_or(V::Null, V::Text),
    })
}

#[cfg(test)]
mod tests;
