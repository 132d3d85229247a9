//! The older Lenses sink for Cassandra, of Stream Reactor before version 10: it makes JSON of a
//! record's value and gives it to `INSERT .. JSON`.

use super::cassandra::{self, Nodes, OWN_ROUTING, PEM_FILES};
use super::kcql::Statement;
use super::lenses::{self, KCQL};
use super::{Dialect, Meaning, TheirKey, Translation};
use crate::config::definitions::Kind::{Boolean, Int, List, Long, Password, Text};
use crate::config::mapping::{MappedColumn, Source, TableMapping};

pub(super) static DIALECT: Dialect = Dialect {
    classes: &[
        "io.lenses.streamreactor.connect.cassandra.sink.CassandraSinkConnector",
        "com.datamountaineer.streamreactor.connect.cassandra.sink.CassandraSinkConnector",
    ],
    title: "the older Lenses sink",
    keys: KEYS,
    finish,
};

const KEYSPACE: &str = "connect.cassandra.key.space";
const DELETE_ENABLED: &str = "connect.cassandra.delete.enabled";
const DELETE_STATEMENT: &str = "connect.cassandra.delete.statement";
const DELETE_FIELDS: &str = "connect.cassandra.delete.struct_flds";
const ERROR_POLICY: &str = "connect.cassandra.error.policy";

const NODES: Nodes<'_> = Nodes {
    points: "connect.cassandra.contact.points",
    points_default: "localhost",
    port: "connect.cassandra.port",
    parameters: &[
        ("connect.cassandra.connect.timeout.ms", "connectTimeout", ""),
        ("connect.cassandra.read.timeout.ms", "requestTimeout", ""),
    ],
};

const KEYS: &[TheirKey] = &[
    cassandra::part_of_url(
        "connect.cassandra.contact.points",
        List,
        "`connection.url`, together with the port and the keyspace; `localhost` when it is not given",
    ),
    lenses::PORT,
    cassandra::part_of_url(KEYSPACE, Text, "the keyspace of `connection.url` and of every table")
        .required(),
    TheirKey::new(
        "connect.cassandra.username",
        Text,
        Meaning::Ours("connection.user"),
    ),
    TheirKey::new(
        "connect.cassandra.password",
        Password,
        Meaning::Ours("connection.password"),
    ),
    lenses::SSL_ENABLED,
    TheirKey::new(
        "connect.cassandra.ssl.client.cert.auth",
        Boolean,
        Meaning::Only(&["false"], PEM_FILES),
    )
    .default("false"),
    TheirKey::new(
        "connect.cassandra.trust.store.type",
        Text,
        Meaning::NoEffect(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.key.store.type",
        Text,
        Meaning::NoEffect(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.trust.store.*",
        Text,
        Meaning::Refused(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.key.store.*",
        Text,
        Meaning::Refused(PEM_FILES),
    ),
    TheirKey::new(
        "connect.cassandra.consistency.level",
        Text,
        Meaning::Ours("cassandra.consistency"),
    ),
    TheirKey::new(
        ERROR_POLICY,
        Text,
        Meaning::Read {
            ours: "errors.tolerance",
            read: error_policy,
            words: "`NOOP` is `errors.tolerance=all`; `THROW` and `RETRY` are `none`",
        },
    ),
    TheirKey::new(
        "connect.cassandra.max.retries",
        Int,
        Meaning::Read {
            ours: "max.retries",
            read: |translation, name, value| retries(translation, "max.retries", name, value),
            words: RETRIES,
        },
    ),
    TheirKey::new(
        "connect.cassandra.retry.interval",
        Long,
        Meaning::Read {
            ours: "retry.backoff.ms",
            read: |translation, name, value| retries(translation, "retry.backoff.ms", name, value),
            words: RETRIES,
        },
    ),
    TheirKey::new(
        "connect.cassandra.fetch.size",
        Int,
        Meaning::NoEffect("it is about reading, and a sink reads nothing"),
    ),
    TheirKey::new(
        "connect.cassandra.load.balancing.policy",
        Text,
        Meaning::NoEffect(OWN_ROUTING),
    ),
    cassandra::part_of_url(
        "connect.cassandra.connect.timeout.ms",
        Int,
        "`connectTimeout` of `connection.url`",
    ),
    cassandra::part_of_url(
        "connect.cassandra.read.timeout.ms",
        Int,
        "`requestTimeout` of `connection.url`",
    ),
    TheirKey::new(
        "connect.cassandra.threadpool.size",
        Int,
        Meaning::NoEffect("requests are not bound to threads: see `cassandra.requests.max`"),
    ),
    lenses::PROGRESS_ENABLED,
    TheirKey::new(
        KCQL,
        Text,
        Meaning::Read {
            ours: "cassandra.mapping",
            read: |_, _, _| {},
            words: "each statement is an entry of `cassandra.mapping`; `TTL` is `cassandra.ttl.seconds`, \
                    the same for all statements",
        },
    )
    .required(),
    TheirKey::new(DELETE_ENABLED, Boolean, Meaning::Ours("delete.enabled")).default("false"),
    TheirKey::new(
        DELETE_STATEMENT,
        Text,
        Meaning::Read {
            ours: "cassandra.mapping",
            read: |_, _, _| {},
            words: "`DELETE FROM table WHERE a = ? AND b = ?` with the table of every statement: its columns \
                    are taken from the record's key, for writes too",
        },
    ),
    TheirKey::new(
        DELETE_FIELDS,
        List,
        Meaning::Read {
            ours: "cassandra.mapping",
            read: |_, _, _| {},
            words: "the fields of the key for the columns of the delete statement, in its order; empty: the key itself",
        },
    ),
    TheirKey::new(
        "connect.cassandra.default.value",
        Text,
        Meaning::Only(
            &["UNSET"],
            "what a record does not have is left as it is; list the columns whose fields may be missing \
             in another connector, or let producers write null",
        ),
    ),
    cassandra::URL,
];

const RETRIES: &str = "the same with `connect.cassandra.error.policy=RETRY`; else failures of the database are \
                       retried until they end";

fn error_policy(translation: &mut Translation<'_>, name: &str, value: &str) {
    match value.to_ascii_uppercase().as_str() {
        "NOOP" => translation.set("errors.tolerance", name, "all"),
        "THROW" | "RETRY" | "" => {}
        _ => translation.refuse_value(
            name,
            value,
            "String must be one of (case insensitive): NOOP, THROW, RETRY",
        ),
    }
}

fn retries(translation: &mut Translation<'_>, ours: &'static str, name: &str, value: &str) {
    let policy = translation.given(ERROR_POLICY).unwrap_or_default();
    if policy.eq_ignore_ascii_case("RETRY") {
        translation.set(ours, name, value);
    } else {
        translation.warn(
            name,
            "has no effect: connect.cassandra.error.policy is not RETRY",
        );
    }
}

fn finish(translation: &mut Translation<'_>) {
    translation.class = Some("CassandraSink");
    // Names that are not quoted, and its statements quote none.
    let keyspace = translation.given(KEYSPACE).unwrap_or_default();
    let keyspace = keyspace.to_ascii_lowercase();
    if keyspace.is_empty() {
        translation.demand(KEYSPACE);
    }
    NODES.set_url(translation, &keyspace);
    // A null is written there, whatever becomes of columns that a record does not have.
    translation.set_unless_given("cassandra.null.to.unset", KCQL, "false");
    let statements = lenses::statements(translation);
    let delete = delete(translation, &statements);
    let mut mappings = Vec::new();
    for statement in &statements {
        match mapping(statement, &keyspace, &delete) {
            Ok(mapping) => mappings.push(mapping),
            Err(problem) => lenses::refuse_statement(translation, &problem),
        }
    }
    if !mappings.is_empty() {
        translation.set("cassandra.mapping", KCQL, &cassandra::together(&mappings));
    }
    let ttls = statements
        .iter()
        .filter_map(|statement| statement.ttl.clone());
    let ttls: Vec<String> = ttls.collect();
    lenses::agree(
        translation,
        statements.len(),
        "cassandra.ttl.seconds",
        &ttls,
    );
}

/// Every selected column; those of the delete statement from the record's key.
fn mapping(
    statement: &Statement,
    keyspace: &str,
    delete: &[MappedColumn],
) -> Result<TableMapping, String> {
    if statement.table.contains('.') {
        return Err(format!(
            "INSERT INTO must be followed by a table of {KEYSPACE}, not {}",
            statement.table
        ));
    }
    let by_key = |column: &&MappedColumn| {
        !delete
            .iter()
            .any(|key| key.name.eq_ignore_ascii_case(&column.name))
    };
    let selected = statement.columns.iter().filter(by_key).cloned();
    Ok(TableMapping {
        topic: statement.topic.clone(),
        table: format!("{keyspace}.{}", statement.table.to_ascii_lowercase()),
        columns: delete.iter().cloned().chain(selected).collect(),
    })
}

/// What a delete takes from the record's key; nothing when deletes are off, or cannot be had.
fn delete(translation: &mut Translation<'_>, statements: &[Statement]) -> Vec<MappedColumn> {
    let is_on = translation
        .given(DELETE_ENABLED)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_on {
        return Vec::new();
    }
    let text = translation.given(DELETE_STATEMENT).unwrap_or_default();
    let fields = translation.given(DELETE_FIELDS).unwrap_or_default();
    let fields: Vec<&str> = fields
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .collect();
    let found = delete_columns(text).and_then(|(table, columns)| {
        let is_same = |statement: &Statement| statement.table.eq_ignore_ascii_case(&table);
        if !statements.iter().all(is_same) {
            return Err("it must delete from the table of every statement of \
                        connect.cassandra.kcql: use a connector for each table"
                .to_owned());
        }
        key_columns(&columns, &fields)
    });
    match found {
        Ok(columns) => {
            // The statement may name a part of the key, and then deletes all rows that begin so.
            translation.set_unless_given("cassandra.delete.prefix", DELETE_STATEMENT, "true");
            columns
        }
        Err(problem) => {
            let message = format!("Invalid value for configuration {DELETE_STATEMENT}: {problem}");
            translation
                .errors
                .push((DELETE_STATEMENT.to_owned(), message));
            Vec::new()
        }
    }
}

fn key_columns(columns: &[String], fields: &[&str]) -> Result<Vec<MappedColumn>, String> {
    let column = |name: &String, source| MappedColumn {
        name: name.clone(),
        source,
    };
    match (columns, fields) {
        ([only], []) => Ok(vec![column(only, Source::Key(None))]),
        (columns, fields) if columns.len() == fields.len() => {
            let pairs = columns.iter().zip(fields);
            let columns =
                pairs.map(|(name, field)| column(name, Source::Key(Some((*field).to_owned()))));
            Ok(columns.collect())
        }
        _ => Err(format!(
            "it has {} parameters, and {DELETE_FIELDS} names {} fields",
            columns.len(),
            fields.len()
        )),
    }
}

/// Table and columns of `DELETE FROM table WHERE a = ? AND b = ?`.
fn delete_columns(text: &str) -> Result<(String, Vec<String>), String> {
    const FORM: &str = "it must be DELETE FROM table WHERE column = ? AND column = ? ..";
    let spaced = text
        .replace('=', " = ")
        .replace('?', " ? ")
        .replace(';', " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let is = |word: &str, keyword: &str| word.eq_ignore_ascii_case(keyword);
    let [delete, from, table, condition, rest @ ..] = words.as_slice() else {
        return Err(FORM.to_owned());
    };
    let begins = is(delete, "DELETE") && is(from, "FROM") && is(condition, "WHERE");
    if !begins || rest.is_empty() {
        return Err(FORM.to_owned());
    }
    let mut columns = Vec::new();
    for part in rest.split(|word| is(word, "AND")) {
        match part {
            [column, "=", "?"] => columns.push((*column).to_ascii_lowercase()),
            _ => return Err(FORM.to_owned()),
        }
    }
    let table = table.rsplit('.').next().unwrap_or(table);
    Ok((table.to_owned(), columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_statements() {
        let check = |text: &str, table: &str, columns: &[&str]| {
            let (found_table, found) = delete_columns(text).unwrap();
            assert_eq!(
                (found_table.as_str(), found),
                (
                    table,
                    columns.iter().map(|name| (*name).to_owned()).collect()
                )
            );
        };
        check(
            "DELETE FROM orders WHERE id = ? and product=?",
            "orders",
            &["id", "product"],
        );
        check("delete from demo.orders where ID=?;", "orders", &["id"]);
        for bad in [
            "",
            "DELETE FROM orders",
            "DELETE FROM orders WHERE",
            "DELETE FROM orders WHERE id",
            "DELETE FROM orders WHERE id = 5",
            "DELETE a FROM orders WHERE id = ?",
            "DELETE FROM orders USING TIMESTAMP 5 WHERE id = ?",
            "DELETE FROM orders WHERE id = ? AND",
        ] {
            assert!(delete_columns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn columns_and_fields_go_in_pairs() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let whole = key_columns(&names(&["id"]), &[]).unwrap();
        assert_eq!(whole[0].source, Source::Key(None));
        let two = key_columns(&names(&["id", "at"]), &["id", "day"]).unwrap();
        assert_eq!(two[1].source, Source::Key(Some("day".to_owned())));
        assert!(key_columns(&names(&["id", "at"]), &["id"]).is_err());
        assert!(key_columns(&names(&["id", "at"]), &[]).is_err());
    }
}
