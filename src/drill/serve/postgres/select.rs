//! A small evaluator of SELECT over tables that are made up when they are asked for. The text is read by `sqlparser`; what is read and
//! not known here is refused with a sentence.

use super::expr::{Scope, Wanted, eval, is_aggregate, ty};
use super::refusal::Refusal;
use super::value::{V, known};
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, OrderByExpr,
    OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr, SetOperator, TableAlias, TableFactor, TableWithJoins,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A column of rows that are being looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The table's name here.
    pub table: String,
    /// Its own.
    pub name: String,
    /// Its type.
    pub ty: &'static str,
}

/// Rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// From left to right.
    pub columns: Vec<Column>,
    /// Each as long as that.
    pub rows: Vec<Vec<V>>,
}

/// What there is to look at.
pub trait Catalog {
    /// The rows of a table; `None`: there is none of that name.
    fn table(&self, name: &str) -> Option<Rows>;
    /// The value of a function, which may do something.
    ///
    /// # Errors
    /// When there is none of that name, or it can't be.
    fn call(&self, name: &str, args: &[V]) -> Result<V, Refusal>;
}

/// What a query may look at beside the rows around it.
#[derive(Clone)]
pub struct Context<'a> {
    /// The tables, and the functions that look or act.
    pub tables: &'a dyn Catalog,
    /// `$1` and so on.
    pub params: &'a [V],
    /// WITH.
    pub with: BTreeMap<String, Rows>,
}

/// The rows of a query.
///
/// # Errors
/// What of it is not known here, or can't be computed.
pub fn query(of: &Query, context: &Context<'_>, outer: Option<&Scope<'_>>) -> Result<Rows, Refusal> {
    let mut context = context.clone();
    for one in of.with.iter().flat_map(|with| &with.cte_tables) {
        let rows = query(&one.query, &context, outer)?;
        context.with.insert(one.alias.name.value.clone(), rows);
    }
    let order: &[OrderByExpr] = match of.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(all)) => all,
        _ => &[],
    };
    let mut rows = body(&of.body, &context, outer, order)?;
    if let Some(LimitClause::LimitOffset { limit: Some(limit), .. }) = &of.limit_clause {
        let scope = Scope { columns: &[], row: &[], outer };
        if let Some(most) = eval(limit, &scope, &context, None)?.number() {
            rows.rows.truncate(most as usize);
        }
    }
    Ok(rows)
}

fn body(
    of: &SetExpr,
    context: &Context<'_>,
    outer: Option<&Scope<'_>>,
    order: &[OrderByExpr],
) -> Result<Rows, Refusal> {
    match of {
        SetExpr::Select(of) => select(of, context, outer, order),
        SetExpr::Query(of) => query(of, context, outer),
        SetExpr::SetOperation { op: SetOperator::Union, .. } if !order.is_empty() => {
            Err("ORDER BY behind UNION is not known here".to_owned().into())
        }
        SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } => {
            let mut rows = body(left, context, outer, &[])?;
            rows.rows.extend(body(right, context, outer, &[])?.rows);
            Ok(rows)
        }
        _ => Err("only SELECT and UNION are known here".to_owned().into()),
    }
}

fn select(
    of: &Select,
    context: &Context<'_>,
    outer: Option<&Scope<'_>>,
    order: &[OrderByExpr],
) -> Result<Rows, Refusal> {
    let mut from = from(&of.from, context, outer)?;
    if let Some(condition) = &of.selection {
        let columns = from.columns.clone();
        let mut kept = Vec::new();
        for row in from.rows {
            let scope = Scope { columns: &columns, row: &row, outer };
            if eval(condition, &scope, context, None)?.holds() {
                kept.push(row);
            }
        }
        from.rows = kept;
    }
    let grouped = !matches!(&of.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
        || of.projection.iter().filter_map(item).any(is_aggregate);
    if grouped {
        return aggregated(of, &from, context, outer, order);
    }
    sort(&mut from, of, order, context, outer)?;
    let columns = headings(&of.projection, &from.columns, context, outer);
    let rows: Result<Vec<Vec<V>>, Refusal> = from
        .rows
        .iter()
        .map(|row| {
            let scope = Scope { columns: &from.columns, row, outer };
            project(&of.projection, &scope, context, None)
        })
        .collect();
    Ok(Rows { columns, rows: rows? })
}

fn item(of: &SelectItem) -> Option<&Expr> {
    match of {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn aggregated(
    of: &Select,
    from: &Rows,
    context: &Context<'_>,
    outer: Option<&Scope<'_>>,
    order: &[OrderByExpr],
) -> Result<Rows, Refusal> {
    let by: &[Expr] = match &of.group_by {
        GroupByExpr::Expressions(by, _) => by,
        GroupByExpr::All(_) => return Err("GROUP BY ALL is not known here".to_owned().into()),
    };
    let mut groups: BTreeMap<Vec<String>, Vec<&Vec<V>>> = BTreeMap::new();
    for row in &from.rows {
        let scope = Scope { columns: &from.columns, row, outer };
        let key: Result<Vec<String>, Refusal> = by
            .iter()
            .map(|expr| eval(chosen(expr, &of.projection), &scope, context, None).map(|value| format!("{value:?}")))
            .collect();
        groups.entry(key?).or_default().push(row);
    }
    if groups.is_empty() && by.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    let columns = headings(&of.projection, &from.columns, context, outer);
    let nothing = vec![V::Null; from.columns.len()];
    let rows: Result<Vec<Keyed>, Refusal> = groups
        .values()
        .map(|group| {
            let first = group.first().copied().unwrap_or(&nothing);
            let scope = Scope { columns: &from.columns, row: first, outer };
            let group = Some(Wanted { columns: &from.columns, rows: group, outer });
            Ok((keys(order, of, &scope, context, group)?, project(&of.projection, &scope, context, group)?))
        })
        .collect();
    Ok(Rows { columns, rows: ordered(rows?, order) })
}

fn headings(items: &[SelectItem], from: &[Column], context: &Context<'_>, outer: Option<&Scope<'_>>) -> Vec<Column> {
    let mut columns = Vec::new();
    for of in items {
        match of {
            SelectItem::UnnamedExpr(expr) => {
                columns.push(Column { table: String::new(), name: name(expr), ty: ty(expr, from, context, outer) });
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                columns.push(Column {
                    table: String::new(),
                    name: alias.value.clone(),
                    ty: ty(expr, from, context, outer),
                });
            }
            _ => columns.extend(from.iter().cloned()),
        }
    }
    columns
}

/// What a column is called that has no name of its own.
fn name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(word) => word.value.clone(),
        Expr::CompoundIdentifier(words) => words.last().map_or_else(String::new, |word| word.value.clone()),
        Expr::Cast { expr, .. } => name(expr),
        Expr::Function(function) => function.name.to_string(),
        _ => "?column?".to_owned(),
    }
}

fn project(
    items: &[SelectItem],
    scope: &Scope<'_>,
    context: &Context<'_>,
    group: Option<Wanted<'_>>,
) -> Result<Vec<V>, Refusal> {
    let mut row = Vec::new();
    for of in items {
        match item(of) {
            Some(expr) => row.push(eval(expr, scope, context, group)?),
            None => row.extend(scope.row.iter().cloned()),
        }
    }
    Ok(row)
}

/// By what a row is sorted, and the row.
type Keyed = (Vec<V>, Vec<V>);

fn sort(
    from: &mut Rows,
    of: &Select,
    order: &[OrderByExpr],
    context: &Context<'_>,
    outer: Option<&Scope<'_>>,
) -> Result<(), Refusal> {
    let mut keyed = Vec::with_capacity(from.rows.len());
    for row in std::mem::take(&mut from.rows) {
        let scope = Scope { columns: &from.columns, row: &row, outer };
        keyed.push((keys(order, of, &scope, context, None)?, row));
    }
    from.rows = ordered(keyed, order);
    Ok(())
}

fn keys(
    order: &[OrderByExpr],
    of: &Select,
    scope: &Scope<'_>,
    context: &Context<'_>,
    group: Option<Wanted<'_>>,
) -> Result<Vec<V>, Refusal> {
    order.iter().map(|by| eval(chosen(&by.expr, &of.projection), scope, context, group)).collect()
}

fn ordered(mut keyed: Vec<Keyed>, order: &[OrderByExpr]) -> Vec<Vec<V>> {
    keyed.sort_by(|(a, _), (b, _)| {
        let each = order.iter().zip(a.iter().zip(b)).map(|(by, (a, b))| {
            let way = a.order(b).unwrap_or_else(|| (*a == V::Null).cmp(&(*b == V::Null)));
            if by.options.sort == Some(OrderBySort::Desc) { way.reverse() } else { way }
        });
        each.fold(Ordering::Equal, Ordering::then)
    });
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// `ORDER BY 1`, and by the name of a column of the result.
fn chosen<'e>(by: &'e Expr, items: &'e [SelectItem]) -> &'e Expr {
    if let Expr::Value(value) = by
        && let Ok(at) = value.value.to_string().parse::<usize>()
    {
        return at.checked_sub(1).and_then(|at| items.get(at)).and_then(item).unwrap_or(by);
    }
    let alias = |of: &'e SelectItem| match (of, by) {
        (SelectItem::ExprWithAlias { expr, alias }, Expr::Identifier(word)) if alias.value == word.value => Some(expr),
        _ => None,
    };
    items.iter().find_map(alias).unwrap_or(by)
}

fn from(all: &[TableWithJoins], context: &Context<'_>, outer: Option<&Scope<'_>>) -> Result<Rows, Refusal> {
    let mut rows = Rows { columns: Vec::new(), rows: vec![Vec::new()] };
    for one in all {
        let table = factor(&one.relation, context, outer)?;
        rows = joined(rows, table, None, false, context, outer)?;
        for join in &one.joins {
            rows = join_one(rows, join, context, outer)?;
        }
    }
    Ok(rows)
}

fn join_one(left: Rows, join: &Join, context: &Context<'_>, outer: Option<&Scope<'_>>) -> Result<Rows, Refusal> {
    let right = factor(&join.relation, context, outer)?;
    let (constraint, keeps) = match &join.join_operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, false),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, true),
        JoinOperator::CrossJoin(constraint) => (constraint, false),
        _ => return Err("this kind of JOIN is not known here".to_owned().into()),
    };
    match constraint {
        JoinConstraint::On(on) => joined(left, right, Some(on), keeps, context, outer),
        JoinConstraint::None => joined(left, right, None, keeps, context, outer),
        _ => Err("JOIN takes ON here".to_owned().into()),
    }
}

fn joined(
    left: Rows,
    right: Rows,
    on: Option<&Expr>,
    keeps: bool,
    context: &Context<'_>,
    outer: Option<&Scope<'_>>,
) -> Result<Rows, Refusal> {
    let width = right.columns.len();
    let columns: Vec<Column> = left.columns.into_iter().chain(right.columns).collect();
    let mut rows = Vec::new();
    for of in left.rows {
        let before = rows.len();
        for other in &right.rows {
            let row: Vec<V> = of.iter().chain(other).cloned().collect();
            let scope = Scope { columns: &columns, row: &row, outer };
            let fits = on.map_or(Ok(true), |on| eval(on, &scope, context, None).map(|value| value.holds()))?;
            if fits {
                rows.push(row);
            }
        }
        if keeps && rows.len() == before {
            rows.push(of.into_iter().chain(std::iter::repeat_n(V::Null, width)).collect());
        }
    }
    Ok(Rows { columns, rows })
}

fn factor(of: &TableFactor, context: &Context<'_>, outer: Option<&Scope<'_>>) -> Result<Rows, Refusal> {
    match of {
        TableFactor::Table { name, alias, args: Some(args), .. } => {
            let values: Result<Vec<V>, Refusal> = args
                .args
                .iter()
                .filter_map(argument)
                .map(|expr| eval(expr, &Scope { columns: &[], row: &[], outer }, context, None))
                .collect();
            function(&name.to_string(), &values?, alias.as_ref(), context)
        }
        TableFactor::Table { name, alias, args: None, .. } => {
            let plain = name.0.last().map(ToString::to_string).unwrap_or_default();
            let rows = match context.with.get(&plain) {
                Some(rows) => rows.clone(),
                None => context
                    .tables
                    .table(&plain)
                    .ok_or_else(|| Refusal::no_table(format!("relation \"{plain}\" does not exist in a drill")))?,
            };
            Ok(called(rows, alias.as_ref().map_or(plain.as_str(), |alias| alias.name.value.as_str())))
        }
        TableFactor::Derived { subquery, alias, .. } => {
            let rows = query(subquery, context, outer)?;
            Ok(called(rows, alias.as_ref().map_or("", |alias| alias.name.value.as_str())))
        }
        _ => Err("this kind of table is not known here".to_owned().into()),
    }
}

fn argument(of: &FunctionArg) -> Option<&Expr> {
    match of {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn called(mut rows: Rows, name: &str) -> Rows {
    for column in &mut rows.columns {
        name.clone_into(&mut column.table);
    }
    rows
}

/// A function that stands for a table.
fn function(name: &str, values: &[V], alias: Option<&TableAlias>, context: &Context<'_>) -> Result<Rows, Refusal> {
    let called = alias.map_or(name, |alias| alias.name.value.as_str());
    match name {
        "jsonb_to_recordset" => {
            let alias = alias.ok_or("a column definition list is needed")?;
            let columns: Vec<Column> = alias
                .columns
                .iter()
                .map(|column| Column {
                    table: called.to_owned(),
                    name: column.name.value.clone(),
                    ty: column.data_type.as_ref().map_or("text", |ty| known(&ty.to_string())),
                })
                .collect();
            let list = match values.first().cloned().unwrap_or(V::Null).cast("jsonb")? {
                V::Json(serde_json::Value::Array(list)) => list,
                _ => Vec::new(),
            };
            let row = |of: &serde_json::Value| {
                let field =
                    |column: &Column| V::of_json(of.get(&column.name).unwrap_or(&serde_json::Value::Null), column.ty);
                columns.iter().map(field).collect::<Result<Vec<V>, Refusal>>()
            };
            let rows: Result<Vec<Vec<V>>, Refusal> = list.iter().map(row).collect();
            Ok(Rows { rows: rows?, columns })
        }
        other => {
            let value = context.tables.call(other, values)?;
            let column = Column { table: called.to_owned(), name: called.to_owned(), ty: "text" };
            Ok(Rows { columns: vec![column], rows: vec![vec![value]] })
        }
    }
}
