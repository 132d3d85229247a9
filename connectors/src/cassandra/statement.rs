//! The text of the statements that rows are written by. Pure.
//!
//! | row      | statement                                                                        |
//! |----------|----------------------------------------------------------------------------------|
//! | written  | `INSERT INTO t (..) VALUES (..) USING TIMESTAMP ?`, `AND TTL ?` where rows end     |
//! | deleted  | `DELETE FROM t USING TIMESTAMP ? WHERE key = ?`, of a part of the key: all its rows |
//! | counted  | `UPDATE t SET c = c + ? WHERE key = ?`                                            |
//!
//! A table has one statement of each kind, whatever columns its records have: a parameter that is not
//! set leaves its column alone.

use super::name::{list, qualified, quoted};

/// How parameters of a statement are filled from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    /// In the order of the parameters.
    pub(super) parameters: Vec<Parameter>,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// The cell of this written column.
    Column(usize),
    /// The write timestamp.
    Timestamp,
    /// How many seconds the row lives.
    TimeToLive,
}

/// Columns by their names and their places in the rows.
pub(super) type Columns<'a> = [(&'a str, usize)];

pub(super) fn insert(
    (keyspace, table): (&str, &str),
    columns: &Columns<'_>,
    ends: bool,
) -> Statement {
    let marks = vec!["?"; columns.len()].join(", ");
    let mut text = format!(
        "INSERT INTO {} ({}) VALUES ({marks}) USING TIMESTAMP ?",
        qualified(keyspace, table),
        list(columns.iter().map(|(name, _)| *name))
    );
    let mut parameters: Vec<Parameter> = places(columns).collect();
    parameters.push(Parameter::Timestamp);
    if ends {
        text.push_str(" AND TTL ?");
        parameters.push(Parameter::TimeToLive);
    }
    Statement { text, parameters }
}

/// `counts`: of a table of counters, whose statements cannot have a timestamp.
pub(super) fn delete(
    (keyspace, table): (&str, &str),
    key: &Columns<'_>,
    counts: bool,
) -> Statement {
    let timestamp = if counts { "" } else { " USING TIMESTAMP ?" };
    let text = format!(
        "DELETE FROM {}{timestamp} WHERE {}",
        qualified(keyspace, table),
        equals(key)
    );
    let first = (!counts).then_some(Parameter::Timestamp);
    let parameters = first.into_iter().chain(places(key));
    Statement {
        text,
        parameters: parameters.collect(),
    }
}

pub(super) fn count(
    (keyspace, table): (&str, &str),
    counters: &Columns<'_>,
    key: &Columns<'_>,
) -> Statement {
    let sums: Vec<String> = counters
        .iter()
        .map(|(name, _)| format!("{0} = {0} + ?", quoted(name)))
        .collect();
    let text = format!(
        "UPDATE {} SET {} WHERE {}",
        qualified(keyspace, table),
        sums.join(", "),
        equals(key)
    );
    Statement {
        text,
        parameters: places(counters).chain(places(key)).collect(),
    }
}

fn places<'a>(columns: &'a Columns<'_>) -> impl Iterator<Item = Parameter> + 'a {
    columns.iter().map(|(_, place)| Parameter::Column(*place))
}

fn equals(key: &Columns<'_>) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|(name, _)| format!("{} = ?", quoted(name)))
        .collect();
    parts.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::Parameter::{Column, TimeToLive, Timestamp};
    use super::*;

    #[test]
    fn texts() {
        let check = |statement: Statement, text: &str, parameters: &[Parameter]| {
            assert_eq!(
                (statement.text.as_str(), &*statement.parameters),
                (text, parameters)
            );
        };
        let table = ("k", "t");
        check(
            insert(table, &[("a", 0), ("b", 2)], false),
            "INSERT INTO \"k\".\"t\" (\"a\", \"b\") VALUES (?, ?) USING TIMESTAMP ?",
            &[Column(0), Column(2), Timestamp],
        );
        check(
            insert(table, &[("a", 0)], true),
            "INSERT INTO \"k\".\"t\" (\"a\") VALUES (?) USING TIMESTAMP ? AND TTL ?",
            &[Column(0), Timestamp, TimeToLive],
        );
        check(
            delete(table, &[("a", 1), ("b", 0)], false),
            "DELETE FROM \"k\".\"t\" USING TIMESTAMP ? WHERE \"a\" = ? AND \"b\" = ?",
            &[Timestamp, Column(1), Column(0)],
        );
        check(
            delete(table, &[("a", 1)], true),
            "DELETE FROM \"k\".\"t\" WHERE \"a\" = ?",
            &[Column(1)],
        );
        check(
            count(table, &[("n", 2)], &[("a", 0)]),
            "UPDATE \"k\".\"t\" SET \"n\" = \"n\" + ? WHERE \"a\" = ?",
            &[Column(2), Column(0)],
        );
    }
}
