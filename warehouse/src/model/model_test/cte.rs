//! A statement whose answer is one of its own CTEs.
//!
//! The statement is cut after the CTE and ends in `select * from` it, so that what is looked at is
//! what the model computes at that step, from the same tables and the CTEs before it.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Ident, Query, SetExpr, Statement as Ast};

use crate::model::finding::did_you_mean;
use crate::model::references::parse_statement;

/// `statement`, answering with the CTE that the names lead to: `["a"]`, or `["a", "b"]` for `b` in
/// the `with` of `a`.
///
/// The error says what there is instead.
pub(super) fn answer_with(statement: &Statement, way: &[String]) -> Result<Statement, String> {
    let mut statement = statement.clone();
    let Statement::Statement(ast) = &mut statement else {
        return Err("it is no query".to_owned());
    };
    let Ast::Query(query) = ast.as_mut() else { return Err("it is no query".to_owned()) };
    focus(query, way)?;
    Ok(statement)
}

/// Cuts the query after the CTE.
fn focus(query: &mut Query, way: &[String]) -> Result<(), String> {
    let Some((wanted, deeper)) = way.split_first() else { return Ok(()) };
    let known: Vec<String> = query
        .with
        .iter()
        .flat_map(|with| &with.cte_tables)
        .map(|cte| known_as(&cte.alias.name))
        .collect();
    let unknown = || {
        let hint = match did_you_mean(wanted, known.iter().map(String::as_str)) {
            Some(hint) => hint,
            None if known.is_empty() => "there is none at all".to_owned(),
            None => format!("there are `{}`", known.join("`, `")),
        };
        format!("there is no CTE `{wanted}`; {hint}")
    };
    let at = known.iter().position(|name| name == wanted);
    let (Some(at), Some(with)) = (at, &mut query.with) else { return Err(unknown()) };
    let mut rest = with.cte_tables.split_off(at);
    rest.truncate(1);
    let Some(mut cte) = rest.pop() else { return Err(unknown()) };
    *query.body = if deeper.is_empty() {
        let body = all_of(&cte.alias.name).ok_or_else(unknown)?;
        with.cte_tables.push(cte);
        body
    } else {
        focus(&mut cte.query, deeper)?;
        SetExpr::Query(cte.query)
    };
    query.with.take_if(|with| with.cte_tables.is_empty());
    // They belong to the select that is gone.
    query.order_by = None;
    query.limit_clause = None;
    query.fetch = None;
    Ok(())
}

/// A name as the engine knows it.
fn known_as(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// `select * from name`
fn all_of(name: &Ident) -> Option<SetExpr> {
    let Ok(Statement::Statement(ast)) = parse_statement(&format!("select * from {name}")) else {
        return None;
    };
    match *ast {
        Ast::Query(query) => Some(*query.body),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(way: &[&str]) -> Result<String, String> {
        let text = "with a as (select 1 as x), b as (with a as (select 2 as x), \"C d\" as (select x from a) select * from \"C d\"), e as (select * from b) select * from e order by x limit 1";
        let way: Vec<String> = way.iter().map(|&name| name.to_owned()).collect();
        answer_with(&parse_statement(text).unwrap(), &way).map(|statement| statement.to_string())
    }

    #[test]
    fn a_statement_ends_at_the_cte_that_is_asked_for() {
        assert_eq!(answer(&["a"]).unwrap(), "WITH a AS (SELECT 1 AS x) SELECT * FROM a");
        assert_eq!(
            answer(&["b", "C d"]).unwrap(),
            "WITH a AS (SELECT 1 AS x) (WITH a AS (SELECT 2 AS x), \"C d\" AS (SELECT x FROM a) SELECT * FROM \"C d\")"
        );
        assert!(answer(&["e"]).unwrap().ends_with("e AS (SELECT * FROM b) SELECT * FROM e"));
    }

    #[test]
    fn a_cte_that_is_not_there_is_answered_with_those_that_are() {
        assert_eq!(answer(&["q"]).unwrap_err(), "there is no CTE `q`; did you mean `a`?");
        assert_eq!(
            answer(&["sums_of_days"]).unwrap_err(),
            "there is no CTE `sums_of_days`; there are `a`, `b`, `e`"
        );
        assert_eq!(
            answer(&["e", "sums_of_days"]).unwrap_err(),
            "there is no CTE `sums_of_days`; there is none at all"
        );
    }
}
