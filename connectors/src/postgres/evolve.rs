//! Changing tables: columns are added and widened, in one statement and one transaction.

use super::classify;
use super::link::Link;
use super::schema::{self, Extensions, LOCK_DEFINITIONS};
use super::sql::{self, type_id};
use super::transaction;
use crate::committed::Committed;
use crate::error::{ErrorClass, SinkError};
use crate::evolve::{self, Change};
use crate::table::{ColumnDef, ColumnType, NewColumn, Table, TableName};

/// Attempts against others who change the table without knowing the lock.
const ATTEMPTS_MAX: usize = 3;

/// See [`Session::evolve_table`](crate::Session::evolve_table).
pub(super) async fn evolve(
    link: &Link,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let mut attempt = 1;
    loop {
        let evolved = evolve_once(link, name, wanted).await;
        match transaction::or_roll_back(link, evolved).await {
            Err(error) if error.table_changed() && attempt < ATTEMPTS_MAX => attempt += 1,
            evolved => return evolved,
        }
    }
}

/// A transaction that is open afterwards when there is an error.
async fn evolve_once(
    link: &Link,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let action = format!("change table {name}");
    transaction::run(link, &action, &[transaction::BEGIN, LOCK_DEFINITIONS]).await?;
    let table = described(link, name).await?;
    let changes = evolve::changes(&table, wanted);
    if !changes.is_empty() {
        let extensions = Extensions::look_up(link, &action, wanted).await?;
        let statement = statement(&table, &changes, &extensions)?;
        alter(link, &action, &table, &changes, &statement).await?;
        tracing::info!(table = %name, changes = changes.len(), "table is changed: {statement}");
    }
    let changed = described(link, name).await?;
    match transaction::commit(link, &action).await {
        Committed::Yes => Ok(changed),
        // Whether it is changed is seen when it is described again.
        Committed::No(error) | Committed::Unknown(error) => Err(error),
    }
}

async fn described(link: &Link, name: &TableName) -> Result<Table, SinkError> {
    let described = schema::describe(link, name).await?;
    described.ok_or_else(|| {
        let message = format!("table {name} is gone: create it or set auto.create");
        SinkError::stop(message).with_changed_table()
    })
}

async fn alter(
    link: &Link,
    action: &str,
    table: &Table,
    changes: &[Change],
    statement: &str,
) -> Result<(), SinkError> {
    let altering = link.in_time(action, link.client().batch_execute(statement));
    let Err(error) = altering.await? else {
        return Ok(());
    };
    let has_changed = error.code().is_some_and(classify::is_changed_table);
    let failure = link.statement_failure(action, error);
    // What takes too long takes as long again, with the table locked. A lock is waited for half as long.
    let may_pass = failure.class() == ErrorClass::Retry && !failure.timed_out();
    if may_pass || failure.connection_lost() || has_changed {
        return Err(failure);
    }
    Err(evolve::refused(&table.name, changes, &failure, statement))
}

/// All changes in one statement, so that the table is locked, and rewritten, once.
fn statement(
    table: &Table,
    changes: &[Change],
    extensions: &Extensions,
) -> Result<String, SinkError> {
    let mut actions = Vec::with_capacity(changes.len());
    let on_table = format!("ALTER TABLE {}", sql::qualified(&table.name));
    for change in changes {
        match change {
            Change::Add {
                name,
                column_type,
                default,
            } => {
                sql::check_identifier("column", name).map_err(|error| evolve::unfit(&error))?;
                let native_type = schema::native_type(column_type, extensions)
                    .ok_or_else(|| schema::cannot_create(name))?;
                let default = schema::default_clause(&native_type, default.as_ref());
                actions.push(format!(
                    "ADD COLUMN {} {native_type}{default}",
                    sql::quoted(name)
                ));
            }
            Change::Widen { column, to } => {
                let name = sql::quoted(&column.name);
                let native_type = wider_type(column, to);
                let native_type = native_type.map_err(|(reason, by_hand)| {
                    let by_hand = format!("{on_table} ALTER COLUMN {name} TYPE {by_hand}");
                    evolve::impossible(&table.name, column, to, reason, &by_hand)
                })?;
                actions.push(format!("ALTER COLUMN {name} TYPE {native_type}"));
            }
        }
    }
    Ok(format!("{on_table} {}", actions.join(", ")))
}

/// The names of types that are widened, without lengths; others are those of domains over them.
const BUILT_IN: [&str; 8] = [
    "smallint",
    "integer",
    "bigint",
    "real",
    "numeric",
    "character varying",
    "character",
    "name",
];

/// The native type to change to; or why that is left to a person, and the type that person may use.
fn wider_type(column: &ColumnDef, to: &ColumnType) -> Result<String, (&'static str, String)> {
    let native = schema::native_type(to, &Extensions::default()).unwrap_or_default();
    let name = column.native_type.split('(').next().unwrap_or_default();
    if !BUILT_IN.contains(&name) {
        return Err((
            "the column's type is a domain, with rules of its own",
            native,
        ));
    }
    if column.native_type_id == type_id::BPCHAR {
        return match to {
            ColumnType::Text {
                max_chars: Some(chars),
            } => Ok(format!("character({chars})")),
            _ => Err((
                "blanks at the end of its values would begin to count",
                native,
            )),
        };
    }
    if column.generated {
        return Err(("the column is generated", native));
    }
    Ok(native)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::DefaultValue;

    fn column(name: &str, column_type: ColumnType, native_type: &str, id: u32) -> ColumnDef {
        ColumnDef {
            name: name.to_owned(),
            column_type,
            native_type: native_type.to_owned(),
            native_type_id: id,
            nullable: true,
            has_default: false,
            generated: false,
            insert_only: false,
        }
    }

    fn table() -> Table {
        Table {
            name: TableName::parse("app.orders"),
            kind: crate::table::TableKind::default(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            text_allows_nul: false,
            has_zero_dates: false,
        }
    }

    fn text(max_chars: Option<u32>) -> ColumnType {
        ColumnType::Text { max_chars }
    }

    fn decimal(precision: u32, scale: u32) -> ColumnType {
        ColumnType::Decimal {
            precision: Some(precision),
            scale: Some(scale),
        }
    }

    fn widen(column: ColumnDef, to: ColumnType) -> Change {
        Change::Widen { column, to }
    }

    #[test]
    fn one_statement_makes_all_changes() {
        let changes = [
            Change::Add {
                name: "say \"hi\"".to_owned(),
                column_type: ColumnType::Json,
                default: Some(DefaultValue::Json("[]".to_owned())),
            },
            widen(
                column("n", ColumnType::Int32, "integer", 23),
                ColumnType::Int64,
            ),
            widen(
                column("v", text(Some(3)), "character varying(3)", type_id::VARCHAR),
                text(Some(9)),
            ),
            widen(
                column("c", text(Some(3)), "character(3)", type_id::BPCHAR),
                text(Some(9)),
            ),
        ];
        assert_eq!(
            statement(&table(), &changes, &Extensions::default()).expect("possible"),
            "ALTER TABLE \"app\".\"orders\" ADD COLUMN \"say \"\"hi\"\"\" jsonb DEFAULT '[]', \
             ALTER COLUMN \"n\" TYPE bigint, ALTER COLUMN \"v\" TYPE varchar(9), \
             ALTER COLUMN \"c\" TYPE character(9)"
        );
    }

    #[test]
    fn what_would_change_meaning_is_left_to_people() {
        let check = |change: Change, expected: &[&str]| {
            let error =
                statement(&table(), &[change], &Extensions::default()).expect_err("refused");
            assert_eq!(error.class(), ErrorClass::Record);
            for part in expected {
                assert!(error.to_string().contains(part), "{error}");
            }
        };
        check(
            widen(
                column("n", ColumnType::Int32, "app.small", 23),
                ColumnType::Int64,
            ),
            &[
                "\"n\"",
                "app.small",
                "64-bit integer",
                "a domain",
                "TYPE bigint",
            ],
        );
        // Domains that are named like their types.
        for (domain, from, to) in [
            ("numeric_amount", decimal(9, 2), decimal(12, 2)),
            ("character_code", text(Some(3)), text(Some(9))),
            ("app.\"numeric(9,2)\"", decimal(9, 2), decimal(12, 2)),
        ] {
            let column = column("n", from, domain, 0);
            check(widen(column, to), &["\"n\"", domain, "a domain"]);
        }
        check(
            widen(
                column("c", text(Some(3)), "character(3)", type_id::BPCHAR),
                text(None),
            ),
            &["\"c\"", "character(3)", "blanks", "TYPE text"],
        );
        let long = Change::Add {
            name: "x".repeat(64),
            column_type: ColumnType::Bool,
            default: None,
        };
        check(long, &["63 bytes"]);
    }
}
