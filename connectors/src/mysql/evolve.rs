//! Changing tables: columns are added and widened, in one statement.
//!
//! To change a column's type its whole definition must be written out. Columns with more to them
//! than type, collation, nullability, comment and a plain default are left to people.

use super::connect::Connector;
use super::link::{Failure, Link};
use super::schema::default::clause;
use super::schema::native::{self, DECIMAL_PRECISION_MAX, DECIMAL_SCALE_MAX};
use super::schema::{self, Described, size};
use super::sql::{self, Flavor, literal};
use crate::error::{ErrorClass, SinkError};
use crate::evolve::{self, Change};
use crate::table::{ColumnDef, ColumnType, DefaultValue, NewColumn, Table, TableName};

mod kept;

/// Bytes that an index of InnoDB's takes of all its columns.
const INDEX_BYTES_MAX: u32 = 3_072;
/// The server's error for a table whose rows might be larger than it stores.
const ROW_TOO_LARGE: u16 = 1118;
/// Attempts against others who change the table without knowing the lock.
const ATTEMPTS_MAX: usize = 3;

/// See [`Session::evolve_table`](crate::Session::evolve_table).
pub(super) async fn evolve(
    connector: &Connector,
    link: &mut Link,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let mut attempt = 1;
    loop {
        match evolve_once(connector, link, name, wanted).await {
            Err(error) if error.table_changed() && attempt < ATTEMPTS_MAX => attempt += 1,
            evolved => return evolved,
        }
    }
}

async fn evolve_once(
    connector: &Connector,
    link: &mut Link,
    name: &TableName,
    wanted: &[NewColumn],
) -> Result<Table, SinkError> {
    let action = format!("change table {name}");
    let flavor = link.server.flavor;
    // A definition commits whatever is open, so it has a connection of its own.
    let mut definer = schema::lock_definitions(connector, &action).await?;
    let described = described(&mut definer, name).await?;
    let changes = changes(&described.table, wanted, flavor);
    if changes.is_empty() {
        definer.close().await;
        return Ok(described.table);
    }
    let kept = kept::defaults(&mut definer, &action, &described, &changes).await?;
    let mut statement = self::statement(&described, &changes, &kept, Bounds::Kept, flavor)?;
    let mut changed = definer.try_run(&action, &statement).await;
    if matches!(&changed, Err(Failure::Refused(refusal)) if refusal.code == ROW_TOO_LARGE) {
        statement = self::statement(&described, &changes, &kept, Bounds::Dropped, flavor)?;
        changed = definer.try_run(&action, &statement).await;
    }
    if let Err(failure) = changed {
        let error = failure.of_statement(&action);
        let may_pass = error.connection_lost() || error.class() == ErrorClass::Retry;
        if may_pass {
            // It was another connection that was lost.
            return Err(SinkError::retry(error.to_string()));
        }
        if error.table_changed() {
            return Err(error);
        }
        return Err(evolve::refused(name, &changes, &error, &statement));
    }
    tracing::info!(table = %name, changes = changes.len(), "table is changed: {statement}");
    // The lock ends with the connection.
    definer.close().await;
    let changed = self::described(link, name).await?;
    Ok(changed.table)
}

async fn described(link: &mut Link, name: &TableName) -> Result<Described, SinkError> {
    schema::describe(link, name).await?.ok_or_else(|| {
        let message = format!("table {name} is gone: create it or set auto.create");
        SinkError::stop(message).with_changed_table()
    })
}

/// Without those from the widest decimal that there is to one without bounds, which is the same here.
fn changes(table: &Table, wanted: &[NewColumn], flavor: Flavor) -> Vec<Change> {
    let mut changes = evolve::changes(table, wanted);
    changes.retain(|change| match change {
        Change::Widen {
            column,
            to: to @ ColumnType::Decimal {
                precision: None, ..
            },
        } => native::plain_type(to, flavor).as_deref() != Some(column.native_type.as_str()),
        _ => true,
    });
    changes
}

/// Whether new columns of texts and bytes have bounds. Without them they are not part of the row, which has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Kept,
    Dropped,
}

impl Bounds {
    fn of(self, native_type: String) -> String {
        match (self, size::unbounded(&native_type)) {
            (Self::Dropped, Some(unbounded)) => unbounded.to_owned(),
            _ => native_type,
        }
    }
}

/// All changes in one statement, so that the table is locked, and rewritten, once. `kept` are defaults of
/// columns to be widened.
fn statement(
    described: &Described,
    changes: &[Change],
    kept: &[(String, DefaultValue)],
    bounds: Bounds,
    flavor: Flavor,
) -> Result<String, SinkError> {
    let table = &described.table;
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
                let native_type = native::plain_type(column_type, flavor)
                    .ok_or_else(|| schema::cannot_create(name))?;
                let native_type = bounds.of(native_type);
                let default = default.as_ref();
                let default = default.and_then(|value| clause(&native_type, value, flavor));
                actions.push(format!(
                    "ADD COLUMN {} {native_type} NULL{}",
                    sql::quoted(name),
                    default.unwrap_or_default()
                ));
            }
            Change::Widen { column, to } => {
                let native_type = native::plain_type(to, flavor)
                    .ok_or_else(|| schema::cannot_create(&column.name))?;
                let default = kept.iter().find(|(name, _)| *name == column.name);
                let default = default.and_then(|(_, value)| clause(&native_type, value, flavor));
                let modify = format!(
                    "MODIFY COLUMN {} {native_type}{}",
                    sql::quoted(&column.name),
                    rest_of(described, column, default.as_deref())
                );
                if let Some(reason) = why_by_hand(described, column, to, default.is_some()) {
                    let by_hand = format!("{on_table} {modify}");
                    let name = &table.name;
                    return Err(evolve::impossible(name, column, to, reason, &by_hand));
                }
                actions.push(modify);
            }
        }
    }
    Ok(format!("{on_table} {}", actions.join(", ")))
}

/// The servers' decimals are bounded, and more digits after the point are fewer before it.
fn holds_digits(from: &ColumnType, to: &ColumnType) -> bool {
    let digits = |column_type: &ColumnType| match column_type {
        ColumnType::Decimal {
            precision: Some(precision),
            scale,
        } => (*precision, scale.unwrap_or(0)),
        _ => (0, 0),
    };
    let (precision, scale) = match to {
        ColumnType::Decimal {
            precision: None, ..
        } => {
            let (precision, scale) = digits(from);
            (precision.saturating_sub(scale) + DECIMAL_SCALE_MAX, scale)
        }
        _ => digits(to),
    };
    precision <= DECIMAL_PRECISION_MAX && scale <= DECIMAL_SCALE_MAX
}

fn rest_of(described: &Described, column: &ColumnDef, default: Option<&str>) -> String {
    let traits = described.traits_of(column);
    let mut rest = String::new();
    if let Some(collation) = traits.and_then(|traits| traits.collation.as_deref()) {
        rest.push_str(&format!(" COLLATE {collation}"));
    }
    rest.push_str(if column.nullable {
        " NULL"
    } else {
        " NOT NULL"
    });
    rest.push_str(default.unwrap_or_default());
    if let Some(comment) = traits.and_then(|traits| traits.comment.as_deref()) {
        rest.push_str(&format!(" COMMENT {}", literal(comment)));
    }
    rest
}

fn why_by_hand(
    described: &Described,
    column: &ColumnDef,
    to: &ColumnType,
    keeps_default: bool,
) -> Option<&'static str> {
    if column.generated {
        return Some("the column is generated");
    }
    if !fits_keys(described, column, to) {
        return Some("the column is in a key, and what an index holds is bounded");
    }
    if !holds_digits(&column.column_type, to) {
        return Some("there is no decimal that holds so many digits");
    }
    let is_odd = described
        .traits_of(column)
        .is_some_and(|traits| traits.is_odd);
    if column.native_type.starts_with("binary") {
        return Some("zeros at the end of its values would begin to count");
    }
    if is_odd || column.has_default && !keeps_default {
        return Some(
            "the column has a default that is no plain value, or more, which would have to be written out again",
        );
    }
    column
        .native_type
        .contains("zerofill")
        .then_some("the column fills its numbers up with zeros")
}

/// Whether every key that the column is in has room for it. MariaDB does not refuse what is too long for a
/// unique index: it makes an index of hashes, which finds nothing by its order.
fn fits_keys(described: &Described, column: &ColumnDef, to: &ColumnType) -> bool {
    let is_bounded = match to {
        ColumnType::Text { max_chars } => max_chars.is_some(),
        ColumnType::SizedBytes { .. } => true,
        ColumnType::Bytes => false,
        _ => return true,
    };
    let table = &described.table;
    let mut keys = std::iter::once(&table.primary_key).chain(&table.unique_keys);
    let bytes_of = |name: &String| {
        let found = table.columns.iter().find(|found| found.name == *name);
        let collation = found.and_then(|found| described.traits_of(found)?.collation.as_deref());
        match found {
            Some(found) if found.name == column.name => index_bytes(to, collation),
            Some(found) => index_bytes(&found.column_type, collation),
            None => 0,
        }
    };
    keys.all(|key| {
        let bytes = key.iter().map(bytes_of).fold(0, u32::saturating_add);
        !key.contains(&column.name) || is_bounded && bytes <= INDEX_BYTES_MAX
    })
}

/// What an index takes for a value at most.
fn index_bytes(column_type: &ColumnType, collation: Option<&str>) -> u32 {
    let of_character = match collation {
        Some(name) if name.starts_with("latin1") || name.starts_with("ascii") => 1,
        Some(name) if name.starts_with("utf8mb3") || name.starts_with("utf8_") => 3,
        _ => 4,
    };
    match column_type {
        ColumnType::Text {
            max_chars: Some(chars),
        } => chars.saturating_mul(of_character),
        ColumnType::SizedBytes { max_bytes } => *max_bytes,
        _ => size::OTHER_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Traits;
    use super::*;

    fn column(name: &str, column_type: ColumnType, native_type: &str) -> ColumnDef {
        ColumnDef {
            name: name.to_owned(),
            column_type,
            native_type: native_type.to_owned(),
            native_type_id: 0,
            nullable: name != "id",
            has_default: matches!(name, "defaulted" | "kept"),
            generated: false,
            insert_only: false,
        }
    }

    fn text(max_chars: Option<u32>) -> ColumnType {
        ColumnType::Text { max_chars }
    }

    fn bytes(max_bytes: u32) -> ColumnType {
        ColumnType::SizedBytes { max_bytes }
    }

    fn decimal(limits: Option<(u32, u32)>) -> ColumnType {
        ColumnType::Decimal {
            precision: limits.map(|(precision, _)| precision),
            scale: limits.map(|(_, scale)| scale),
        }
    }

    fn unsigned(high: i64) -> ColumnType {
        ColumnType::IntRange { low: 0, high }
    }

    fn orders() -> Described {
        let columns = vec![
            column("id", text(Some(20)), "varchar(20)"),
            column("n", ColumnType::Int32, "int"),
            column("v", text(Some(3)), "varchar(3)"),
            column("d", decimal(Some((65, 30))), "decimal(65,30)"),
            column("whole", decimal(Some((65, 10))), "decimal(65,10)"),
            column("defaulted", ColumnType::Int16, "smallint"),
            column("kept", ColumnType::Int16, "smallint"),
            column("b", bytes(8), "varbinary(8)"),
            column("large", bytes(65_535), "blob"),
            column("fixed", bytes(8), "binary(8)"),
            column("u", unsigned(65_535), "smallint unsigned"),
            column("filled", unsigned(65_535), "smallint(5) unsigned zerofill"),
        ];
        let traits = columns.iter().map(|column| Traits {
            collation: matches!(column.column_type, ColumnType::Text { .. })
                .then(|| "utf8mb4_bin".to_owned()),
            comment: (column.name == "v").then(|| "it's".to_owned()),
            ..Traits::default()
        });
        Described {
            traits: traits.collect(),
            table: Table {
                name: TableName::parse("shop.orders"),
                kind: crate::table::TableKind::default(),
                columns,
                primary_key: vec!["id".to_owned()],
                unique_keys: Vec::new(),
                text_allows_nul: true,
                has_zero_dates: false,
            },
        }
    }

    fn evolved(wanted: &[(&str, ColumnType)]) -> Result<String, SinkError> {
        let described = orders();
        let wanted: Vec<NewColumn> = wanted
            .iter()
            .map(|(name, column_type)| NewColumn {
                name: (*name).to_owned(),
                column_type: column_type.clone(),
                nullable: true,
                default: Some(DefaultValue::Json("[]".to_owned())),
            })
            .collect();
        let changes = changes(&described.table, &wanted, Flavor::MySql);
        if changes.is_empty() {
            return Ok(String::new());
        }
        let kept = [
            ("kept".to_owned(), DefaultValue::Int(-7)),
            ("v".to_owned(), DefaultValue::Text("it's".to_owned())),
        ];
        statement(&described, &changes, &kept, Bounds::Kept, Flavor::MySql)
    }

    #[test]
    fn one_statement_makes_all_changes() {
        let wanted = [
            ("n`n", ColumnType::Json),
            ("n", ColumnType::Int64),
            ("v", text(Some(9))),
            ("b", bytes(32)),
            ("large", bytes(131_072)),
            ("kept", ColumnType::Int64),
        ];
        assert_eq!(
            evolved(&wanted).expect("possible"),
            "ALTER TABLE `shop`.`orders` ADD COLUMN `n``n` json NULL DEFAULT ('[]'), \
             MODIFY COLUMN `n` bigint NULL, \
             MODIFY COLUMN `v` varchar(9) COLLATE utf8mb4_bin NULL DEFAULT 'it''s' COMMENT 'it''s', \
             MODIFY COLUMN `b` varbinary(32) NULL, MODIFY COLUMN `large` longblob NULL, \
             MODIFY COLUMN `kept` bigint NULL DEFAULT -7"
        );
    }

    #[test]
    fn new_columns_that_a_row_has_no_room_for_have_no_bounds() {
        let add = |name: &str, column_type| Change::Add {
            name: name.to_owned(),
            column_type,
            default: None,
        };
        let changes = [
            add("x", text(Some(4_000))),
            add("y", bytes(9)),
            add("z", ColumnType::Int64),
        ];
        let changed = statement(&orders(), &changes, &[], Bounds::Dropped, Flavor::MySql);
        assert_eq!(
            changed.expect("possible"),
            "ALTER TABLE `shop`.`orders` ADD COLUMN `x` longtext NULL, ADD COLUMN `y` longblob NULL, \
             ADD COLUMN `z` bigint NULL"
        );
    }

    #[test]
    fn the_widest_decimal_is_any_decimal() {
        assert_eq!(evolved(&[("d", decimal(None))]).expect("nothing to do"), "");
        let widened = evolved(&[("n", decimal(None))]).expect("possible");
        assert!(widened.contains("`n` decimal(65,30)"), "{widened}");
    }

    #[test]
    fn unsigned_columns_stay_unsigned_where_the_source_is() {
        let check = |name: &str, column_type: ColumnType, expected: &str| {
            let widened = evolved(&[(name, column_type)]).expect("possible");
            let expected = format!("ALTER TABLE `shop`.`orders` MODIFY COLUMN `{name}` {expected}");
            assert_eq!(widened, expected);
        };
        check("u", unsigned(16_777_215), "mediumint unsigned NULL");
        check("u", unsigned(4_294_967_295), "int unsigned NULL");
        check("u", ColumnType::UInt64, "bigint unsigned NULL");
        check("u", ColumnType::Int32, "int NULL");
        check("u", decimal(Some((20, 0))), "decimal(20,0) NULL");
        let key = "varchar(768) COLLATE utf8mb4_bin NOT NULL";
        check("id", text(Some(768)), key);
    }

    #[test]
    fn what_would_be_lost_is_left_to_people() {
        let check = |name: &str, column_type: ColumnType, expected: &str| {
            let error = evolved(&[(name, column_type)]).expect_err(name);
            assert_eq!(error.class(), ErrorClass::Record);
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("ALTER TABLE"), "{message}");
        };
        check("defaulted", ColumnType::Int64, "a default");
        check("filled", ColumnType::Int64, "zeros");
        check("fixed", bytes(32), "zeros");
        check("id", text(None), "in a key");
        check("id", text(Some(769)), "in a key");
        check("d", decimal(Some((36, 0))), "so many digits");
        check("n", decimal(Some((66, 0))), "so many digits");
        check("whole", decimal(None), "so many digits");
        check("whole", decimal(Some((10, 20))), "so many digits");
        check("n", decimal(Some((40, 31))), "so many digits");
    }
}
