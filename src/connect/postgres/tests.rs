use super::*;

fn login(dsn: &str) -> LoginSettings {
    LoginSettings { dsn: Some(dsn.to_owned()), password: None }
}

fn new(read: &str, act: Option<&str>) -> Result<Postgres, SourceError> {
    Postgres::new("primary", &login(read), act.map(login).as_ref(), Duration::from_secs(5))
}

#[test]
fn a_password_in_the_config_is_refused_and_not_repeated() {
    for dsn in
        ["postgres://me:hunter2@db/app", "postgres://me@db/app?password=hunter2", "me:hunter2@db", "x://a:hunter2@b"]
    {
        let error = new(dsn, None).err().unwrap();
        assert!(error.what.starts_with("dsn in [postgres.primary] "), "{}", error.what);
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn one_login_or_two() {
    let one = "postgres://quarterdeck@db:5433/app";
    assert!(new(one, None).unwrap().same_login());
    assert!(new(one, Some(one)).unwrap().same_login());
    let two = new(one, Some("postgres://ops@db:5433/app")).unwrap();
    assert!(!two.same_login());
    assert_eq!(two.place(), "db:5433 as quarterdeck");
    assert_eq!(two.act.place(), "db:5433 as ops");
}

#[test]
fn what_acts_goes_where_what_reads_asks() {
    let one = "postgres://quarterdeck@db:5433/app";
    for (other, where_to) in [
        ("postgres://ops@db-2:5433/app", "db-2:5433/app"),
        ("postgres://ops@db:5432/app", "db:5432/app"),
        ("postgres://ops@db:5433/billing", "db:5433/billing"),
        ("postgres://ops@db:5433", "db:5433/postgres"),
        ("postgres:///app?host=/run/db&port=5433", "/run/db port 5433/app"),
        ("postgres://ops@db:5433/app?options[search_path]=old", "db:5433/app with search_path=old"),
    ] {
        let error = new(one, Some(other)).err().unwrap();
        let what = format!("[postgres.primary]: act_as goes to {where_to}, and dsn to db:5433/app");
        assert_eq!(error.what, what, "{other}");
        assert!(error.hint.contains("the same host, port, database"), "{}", error.hint);
    }
    for same in ["host=db port=5433 dbname=app user=ops", "postgres://ops@db:5433/app?sslmode=require"] {
        assert!(new(one, Some(same)).is_ok(), "{same}");
    }
}

#[test]
fn a_target_tells_all_that_decides_what_a_statement_means() {
    let target = |dsn: &str| new(dsn, None).unwrap().target(true);
    let plain = "postgres://ops@db:5433/app";
    assert_eq!(target(plain), "ops@db:5433/app");
    assert_eq!(new(plain, None).unwrap().target(false), "ops@db:5433/app", "its own limits are no part of it");
    for (more, with) in [
        ("sslmode=disable", "sslmode=disable"),
        ("sslmode=verify-full", "sslmode=verify-full"),
        ("options[search_path]=old", "search_path=old"),
        ("options=-c%20search_path=old%20-c%20role=boss", "search_path=old, role=boss"),
        ("sslmode=require&options[role]=boss", "sslmode=require, role=boss"),
    ] {
        assert_eq!(target(&format!("{plain}?{more}")), format!("ops@db:5433/app with {with}"));
    }
}

#[test]
fn only_reading_sessions_are_read_only() {
    let postgres = new("postgres://quarterdeck@db/app", None).unwrap();
    let read = postgres.read.options.get_options().unwrap();
    assert!(read.contains("statement_timeout=5000") && read.contains("default_transaction_read_only=on"), "{read}");
    let act = postgres.act.options.get_options().unwrap();
    assert!(act.contains("statement_timeout=30000") && act.contains("lock_timeout=2000"), "{act}");
    assert!(!act.contains("read_only"), "{act}");
    assert_eq!(postgres.read.options.get_application_name(), Some("quarterdeck"));
}

#[test]
fn another_database_has_the_same_logins_and_sessions_of_its_own() {
    let server = new("postgres://quarterdeck@db:5433/app", Some("postgres://ops@db:5433/app")).unwrap();
    let other = server.database("billing");
    assert_eq!((other.name(), other.place().as_str()), ("primary", "db:5433/billing as quarterdeck"));
    assert_eq!(other.address(true), "db:5433/billing");
    assert!(other.target(true).ends_with("@db:5433/billing"), "{}", other.target(true));
    assert_eq!(other.act.options.get_database(), Some("billing"));
    assert_eq!(other.act.options.get_options(), server.act.options.get_options());
    assert!(Arc::ptr_eq(&other, &server.database("billing")) && !Arc::ptr_eq(&other, &server.database("app")));
}

#[test]
fn a_database_that_nobody_named_is_the_one_that_always_is() {
    assert_eq!(options("t", &login("postgres://me@db")).unwrap().get_database(), Some("postgres"));
    assert_eq!(options("t", &login("postgres://me@db/app")).unwrap().get_database(), Some("app"));
}

#[test]
fn a_user_that_nobody_named_is_the_one_who_runs_it() {
    let user = std::env::var("PGUSER").unwrap_or_else(|_| whoami::username().unwrap());
    assert_eq!(options("t", &LoginSettings::default()).unwrap().get_username(), user);
    assert_ne!(user, "anonymous");
}

fn rights(user: &str, [superuser, sees_all, may_end]: [bool; 3]) -> Rights {
    Rights { user: user.to_owned(), superuser, sees_all, may_end }
}

#[test]
fn advice_names_login_and_mend() {
    let [good, ops] = [rights("q", [false, true, false]), rights("ops", [false, true, true])];
    assert_eq!(advice("a", &good, Some(&ops)), Vec::<String>::new());
    assert!(advice("a", &rights("q", [true; 3]), Some(&ops))[0].contains("a superuser"));
    let blind = advice("a", &rights("q", [false; 3]), None);
    assert!(blind[0].ends_with("GRANT pg_monitor TO q"), "{blind:?}");
    assert!(blind[1].ends_with("GRANT pg_signal_backend TO q"), "{blind:?}");
    assert!(advice("a", &ops, Some(&ops))[0].ends_with("REVOKE pg_signal_backend FROM ops"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_the_mend() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let postgres = new(&format!("postgres://me@127.0.0.1:{port}/app"), None).unwrap();
    let error = postgres.connect_read().await.unwrap_err();
    assert_eq!(error.what, format!("no PostgreSQL answers at 127.0.0.1:{port} as me: nothing listens there"));
    let postgres = new("postgres://me@/app?host=/nowhere&port=5432", None).unwrap();
    let error = postgres.connect_read().await.unwrap_err();
    assert_eq!(error.what, "no PostgreSQL answers at /nowhere port 5432 as me: there is no such socket");
}

#[test]
fn a_host_name_that_nobody_knows_is_no_server_to_start() {
    let postgres = new("postgres://me@db-primray/app", None).unwrap();
    let why = "failed to lookup address information: Name or service not known";
    let error = postgres.explain(&sqlx::Error::Io(std::io::Error::other(why)));
    assert_eq!(error.what, "no PostgreSQL answers at db-primray:5432: the host name is not known");
    assert_eq!(error.hint, "check the host in dsn of [postgres.primary], or PGHOST");
}
