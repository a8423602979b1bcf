use super::refusal::Refusal;
use super::select::{Catalog, Column, Context, Rows, query};
use super::value::V;
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// People and their ages; one age is not known. `end(n)` is noted.
#[derive(Default)]
struct Fake {
    ended: RefCell<Vec<V>>,
}

impl Catalog for Fake {
    fn table(&self, name: &str) -> Option<Rows> {
        let column = |name: &str, ty| Column { table: "people".into(), name: name.into(), ty };
        let row = |name: &str, age: V| vec![V::text(name), age];
        (name == "people").then(|| Rows {
            columns: vec![column("name", "text"), column("age", "int4")],
            rows: vec![row("ada", V::Int(36)), row("bob", V::Null), row("cyd", V::Int(52))],
        })
    }

    fn call(&self, name: &str, args: &[V]) -> Result<V, Refusal> {
        match name {
            "end" => {
                self.ended.borrow_mut().push(args[0].clone());
                Ok(V::Bool(true))
            }
            "coalesce" => Ok(args.iter().find(|value| **value != V::Null).cloned().unwrap_or(V::Null)),
            "to_jsonb" => Ok(V::Json(args[0].json())),
            other => Err(Refusal::no_function(format!("function {other} does not exist"))),
        }
    }
}

fn rows(text: &str, params: &[V]) -> Result<Rows, Refusal> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|why| why.to_string())?;
    let [Statement::Query(of)] = parsed.as_slice() else { panic!("{text}") };
    query(of, &Context { tables: &Fake::default(), params, with: BTreeMap::new() }, None)
}

/// Rows as `a|b`, NULL as `-`.
fn told(text: &str) -> Vec<String> {
    let show = |value: &V| if *value == V::Null { "-".to_owned() } else { value.show() };
    match rows(text, &[V::text("ada"), V::text(r#"[{"name": "cyd", "n": 4}]"#)]) {
        Ok(rows) => rows.rows.iter().map(|row| row.iter().map(show).collect::<Vec<_>>().join("|")).collect(),
        Err(refused) => vec![format!("error: {}", refused.why)],
    }
}

#[test]
fn rows_are_chosen_ordered_and_cut() {
    assert_eq!(told("SELECT name, age FROM people WHERE age > 40"), ["cyd|52"]);
    assert_eq!(told("SELECT name FROM people ORDER BY age DESC, 1 LIMIT 2"), ["bob", "cyd"]);
    assert_eq!(told("SELECT name FROM people WHERE name = $1"), ["ada"]);
    assert_eq!(told("SELECT name FROM people WHERE age IS NULL OR name LIKE 'c%'"), ["bob", "cyd"]);
    assert_eq!(told("SELECT name FROM people WHERE NOT age > 40"), ["ada"]);
    assert_eq!(told("SELECT name FROM people WHERE (name, age) IN (SELECT name, age FROM people)"), ["ada", "cyd"]);
    assert_eq!(told("SELECT 1 + 2 * 3, 'a' || 'b', NULL::int"), ["7|ab|-"]);
    assert_eq!(told("SELECT age FROM people WHERE name = 'ada' UNION ALL SELECT 1"), ["36", "1"]);
    assert_eq!(told("SELECT 2 UNION ALL SELECT 1 ORDER BY 1"), ["error: ORDER BY behind UNION is not known here"]);
}

#[test]
fn aggregates_and_what_they_leave_out() {
    assert_eq!(told("SELECT count(*), count(age), max(age), sum(age) FROM people"), ["3|2|52|88"]);
    assert_eq!(told("SELECT count(*) FILTER (WHERE age > 40) AS old FROM people"), ["1"]);
    let both = "people AS a JOIN people AS b ON true WHERE a.age IS NOT NULL";
    assert_eq!(
        told(&format!("SELECT string_agg(DISTINCT a.name, ', '), count(DISTINCT a.age) FROM {both}")),
        ["ada, cyd|2"]
    );
    assert_eq!(told("SELECT count(*), max(age) FROM people WHERE false"), ["0|-"]);
    assert_eq!(told("SELECT coalesce(max(age), 0) + 1 FROM people WHERE false"), ["1"]);
    assert_eq!(told("SELECT age IS NULL AS young, count(*) FROM people GROUP BY 1"), ["f|2", "t|1"]);
    let by = |order: &str| {
        told(&format!("SELECT coalesce(age, 0) > 40 AS old, count(*) AS n FROM people GROUP BY 1 ORDER BY {order}"))
    };
    assert_eq!((by("n DESC"), by("count(*)")), (vec!["f|2".into(), "t|1".into()], vec!["t|1".into(), "f|2".into()]));
    assert_eq!(
        told("SELECT name, count(*) FROM people GROUP BY name ORDER BY max(age) DESC LIMIT 2"),
        ["bob|1", "cyd|1"]
    );
    assert!(told("SELECT name FROM people WHERE count(*) > 1")[0].contains("count is an aggregate"));
}

#[test]
fn joins_subqueries_and_common_tables() {
    assert_eq!(
        told(
            "SELECT p.name, q.n FROM people AS p JOIN jsonb_to_recordset($2) AS q(name text, n int) ON q.name = p.name"
        ),
        ["cyd|4"]
    );
    assert_eq!(
        told("SELECT p.name, q.age FROM people p LEFT JOIN people q ON q.age > p.age"),
        ["ada|52", "bob|-", "cyd|-"]
    );
    assert_eq!(told("SELECT name FROM people a WHERE EXISTS (SELECT 1 FROM people b WHERE b.age > a.age)"), ["ada"]);
    assert_eq!(told("SELECT (SELECT max(age) FROM people) - age FROM people WHERE age IS NOT NULL"), ["16", "0"]);
    assert_eq!(told("WITH w AS (SELECT * FROM people WHERE age > 40) SELECT w.name FROM w"), ["cyd"]);
    assert_eq!(told("SELECT r.name FROM (SELECT) AS one LEFT JOIN people AS r ON false"), ["-"]);
    assert_eq!(
        told("SELECT to_jsonb(q) FROM (SELECT name, age FROM people WHERE name = 'ada') AS q"),
        [r#"{"age":36,"name":"ada"}"#]
    );
}

#[test]
fn times_and_intervals() {
    assert_eq!(
        told("SELECT (extract(epoch FROM '2026-11-24 03:12:01.5+00'::timestamptz) * 1000000)::int8"),
        ["1795489921500000"]
    );
    assert_eq!(
        told("SELECT ('2026-11-24T05:00:00Z'::timestamptz - '2026-11-23T03:12:01Z'::timestamptz)::text"),
        ["1 day 01:47:59"]
    );
    assert_eq!(told("SELECT '2026-11-24 03:12:01+00'::timestamptz = '2026-11-24T03:12:01Z'::timestamptz"), ["t"]);
}

#[test]
fn what_is_not_known_is_refused_with_its_name() {
    assert!(told("SELECT * FROM orders")[0].contains("relation \"orders\" does not exist"));
    assert!(told("SELECT colour FROM people")[0].contains("column \"colour\" does not exist"));
    assert!(told("SELECT wash(name) FROM people")[0].contains("function wash does not exist"));
    assert!(told("SELECT 'x'::int")[0].contains("invalid input syntax for type int4"));
}

#[test]
fn types_are_told_without_rows() {
    let types = |text: &str| rows(text, &[]).unwrap().columns.iter().map(|column| column.ty).collect::<Vec<_>>();
    assert_eq!(
        types("SELECT age, age::int8, name, age > 1, count(*), 1.5, 'a' || 'b' FROM people WHERE false"),
        ["int4", "int8", "text", "bool", "int8", "float8", "text"]
    );
}
