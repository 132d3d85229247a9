//! The text of the statements that move rows. Pure.
//!
//! Whatever the number of rows, a statement has one parameter per column, an array, so its text
//! depends on the columns alone and stays prepared.
//!
//! | step   | statement                                                                  |
//! |--------|----------------------------------------------------------------------------|
//! | copy   | `COPY t (..) FROM STDIN (FORMAT binary)`                                    |
//! | insert | `INSERT INTO t (..) SELECT .. FROM unnest($1::int8[], ..)`                  |
//! | upsert | the same, `ON CONFLICT (key) DO UPDATE SET c = EXCLUDED.c`, `WHERE` the guard says so |
//! | ignore | the same, `ON CONFLICT (key) DO NOTHING`                                    |
//! | update | `UPDATE t SET c = .. FROM unnest($1::int8[], ..) WHERE t.key = ..`          |
//! | empty  | `TRUNCATE t`, or `DELETE FROM t` where that is not possible                  |
//! | delete | `DELETE FROM t USING unnest($1::int8[], ..) WHERE t.key = ..`               |
//! | bury   | the same, `WHERE` the guard that is remembered of the key says so              |
//!
//! **Tombstones.** Nobody may write a row of a key while its delete is being remembered: a transaction
//! does not see what others have not committed, so both would be there. Transactions that remember
//! deletes have the table of tombstones to themselves, others share it: by an advisory lock, since those
//! who only read it must not be held up, and need no rights.
//!
//! **Casts.** An array travels with its elements' base type and is assigned to the column, which
//! applies the column's length and precision as an `INSERT` of that value would: too long is an
//! error. An explicit cast would cut silently, so it is used only where PostgreSQL has no
//! assignment from text: enums and types of extensions, neither of which has a length; and types
//! with a notation of their own, whose lengths the mapping has looked at.

mod wire;

pub(super) use wire::{WireType, type_id};

use crate::error::SinkError;
use crate::table::{ColumnDef, ColumnType, TableName, Target, type_length};

/// PostgreSQL cuts longer identifiers without an error, which would make two names one.
const IDENTIFIER_BYTES_MAX: usize = 63;

/// Digits after the second that times and timestamps have unless their type says less.
const TIME_DIGITS_MAX: u32 = 6;
/// What the names of the built-in types of times and timestamps end with: none without quotes can.
const TIME_ZONE: &str = " time zone";

/// What a statement does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    /// Plain insert through the copy protocol.
    Copy,
    /// Plain insert from arrays.
    Insert,
    /// Insert or update from arrays.
    Upsert,
    /// Insert from arrays what has a new key.
    Ignore,
    /// Update by key from arrays.
    Update,
    /// Delete all rows at once.
    Truncate,
    /// Delete all rows one by one.
    DeleteAll,
    /// Delete by key.
    Delete,
    /// Delete by key what is older than its tombstone.
    Bury,
    /// Keep others from remembering deletes until the transaction ends.
    ShareTombstones,
    /// Keep others from writing rows, too.
    OwnTombstones,
}

impl Verb {
    /// Its statement has no values.
    pub(super) fn is_bare(self) -> bool {
        matches!(
            self,
            Self::Truncate | Self::DeleteAll | Self::ShareTombstones | Self::OwnTombstones
        )
    }
}

/// Of the advisory locks on tables of tombstones; the other number is the table's.
const TOMBSTONES_LOCK: i32 = 1_983_402_117;

/// An identifier in double quotes.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A table's name, quoted part by part.
pub(super) fn qualified(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&name.name)),
        None => quoted(&name.name),
    }
}

/// Refuses identifiers that PostgreSQL would cut or cannot hold. `kind` is what is named: `table`.
///
/// # Errors
/// *Stop*, naming the identifier.
pub(super) fn check_identifier(kind: &str, identifier: &str) -> Result<(), SinkError> {
    match identifier_problem(identifier) {
        None => Ok(()),
        Some(problem) => Err(SinkError::stop(format!(
            "{kind} name {identifier:?} {problem}; choose another name"
        ))),
    }
}

/// Why PostgreSQL cannot hold a name, or would cut it, to be read behind it; `None`: it can.
pub fn identifier_problem(identifier: &str) -> Option<&'static str> {
    if identifier.is_empty() {
        Some("is empty")
    } else if identifier.contains('\0') {
        Some("contains the character U+0000")
    } else if identifier.len() > IDENTIFIER_BYTES_MAX {
        Some("is longer than the 63 bytes that postgresql allows")
    } else {
        None
    }
}

/// As [`check_identifier`], for both parts of a table's name.
pub(super) fn check_table_name(name: &TableName) -> Result<(), SinkError> {
    if let Some(schema) = &name.schema {
        check_identifier("schema", schema)?;
    }
    check_identifier("table", &name.name)
}

/// The text of a step over these columns (indexes into [`Target::written`]).
pub(super) fn statement(target: &Target, verb: Verb, columns: &[usize]) -> String {
    let table = qualified(&target.table.name);
    match verb {
        Verb::Copy => format!(
            "COPY {table} ({}) FROM STDIN (FORMAT binary)",
            names(target, columns)
        ),
        Verb::Insert => insert(target, &table, columns),
        Verb::Upsert => insert(target, &table, columns) + &on_conflict(target, columns),
        Verb::Ignore => format!(
            "{} ON CONFLICT ({}) DO NOTHING",
            insert(target, &table, columns),
            names(target, &target.key)
        ),
        Verb::Update => update(target, &table, columns),
        Verb::Truncate => format!("TRUNCATE {table}"),
        Verb::DeleteAll => format!("DELETE FROM {table}"),
        Verb::Delete => delete(target, &table, columns),
        Verb::Bury => bury(target, &table, columns),
        Verb::ShareTombstones => lock_tombstones(target, "pg_advisory_xact_lock_shared"),
        Verb::OwnTombstones => lock_tombstones(target, "pg_advisory_xact_lock"),
    }
}

/// A query that fails, once prepared, when a column's type changes, and has no row when the table is not
/// [`COPYABLE`] any more; and that keeps both from changing until the transaction ends. A copy is guarded
/// by it: its binary values would be taken for those of another type of the same size, and rules would be
/// passed by.
pub(super) fn guard(target: &Target, columns: &[usize]) -> String {
    let table = qualified(&target.table.name);
    format!(
        "SELECT nothing.* FROM pg_catalog.pg_class \
         LEFT JOIN (SELECT {} FROM {table} LIMIT 0) AS nothing ON true \
         WHERE pg_class.oid = to_regclass('{}') AND {COPYABLE}",
        names(target, columns),
        table.replace('\'', "''")
    )
}

/// Of a row of `pg_class`: `COPY` does in the table what `INSERT` does.
pub(super) const COPYABLE: &str = "\
    pg_class.relkind IN ('r', 'p') AND NOT pg_class.relhasrules \
    AND NOT row_security_active(pg_class.oid)";

/// `OVERRIDING SYSTEM VALUE` lets a record fill an identity column, as `COPY` does; without such
/// a column it means nothing. It means nothing to an update either, [`is_updated`].
fn insert(target: &Target, table: &str, columns: &[usize]) -> String {
    if columns.is_empty() {
        return format!("INSERT INTO {table} SELECT FROM generate_series(1, $1::int4)");
    }
    let values = columns
        .iter()
        .enumerate()
        .map(|(place, column)| assigned(target, place, *column));
    format!(
        "INSERT INTO {table} AS target ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}",
        names(target, columns),
        join(values),
        source(target, columns)
    )
}

/// The value at this place of the source, as it is assigned to its column.
fn assigned(target: &Target, place: usize, column: usize) -> String {
    match insert_cast(target.column(column)) {
        Some(cast) => format!("source.c{place}::{cast}"),
        None => format!("source.c{place}"),
    }
}

fn on_conflict(target: &Target, columns: &[usize]) -> String {
    let updated: Vec<String> = columns
        .iter()
        .filter(|column| is_updated(target, **column))
        .map(|column| quoted(&target.column(*column).name))
        .map(|name| format!("{name} = EXCLUDED.{name}"))
        .collect();
    let key = names(target, &target.key);
    if updated.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    let guard = match target.guard {
        Some(guard) => {
            let name = quoted(&target.column(guard).name);
            format!(" WHERE {}", newer(&name, &format!("EXCLUDED.{name}")))
        }
        None => String::new(),
    };
    format!(
        " ON CONFLICT ({key}) DO UPDATE SET {}{guard}",
        join(updated.into_iter())
    )
}

/// Whether a row that is there is given the record's value in this column.
pub(super) fn is_updated(target: &Target, column: usize) -> bool {
    !target.key.contains(&column) && !target.column(column).insert_only
}

/// Whether the row that is there gives way to `value` in its guard column.
fn newer(column: &str, value: &str) -> String {
    format!("(target.{column} IS NULL OR target.{column} < {value})")
}

fn update(target: &Target, table: &str, columns: &[usize]) -> String {
    let placed = || columns.iter().copied().enumerate();
    let set = placed()
        .filter(|(_, column)| is_updated(target, *column))
        .map(|(place, column)| {
            let name = quoted(&target.column(column).name);
            format!("{name} = {}", assigned(target, place, column))
        });
    let keys = placed().filter(|(_, column)| target.key.contains(column));
    let mut conditions: Vec<String> = keys
        .map(|(place, column)| same(target, place, column))
        .collect();
    let guard = placed().find(|(_, column)| target.guard == Some(*column));
    if let Some((place, column)) = guard {
        let name = quoted(&target.column(column).name);
        conditions.push(newer(&name, &compared(target, place, column)));
    }
    format!(
        "UPDATE {table} AS target SET {} FROM {} WHERE {}",
        join(set),
        source(target, columns),
        conditions.join(" AND ")
    )
}

fn delete(target: &Target, table: &str, columns: &[usize]) -> String {
    let placed = columns.iter().copied().enumerate();
    let conditions: Vec<String> = placed
        .map(|(place, column)| same(target, place, column))
        .collect();
    format!(
        "DELETE FROM {table} AS target USING {} WHERE {}",
        source(target, columns),
        conditions.join(" AND ")
    )
}

/// Both guards are the table's own: what is remembered has been written before.
fn bury(target: &Target, table: &str, columns: &[usize]) -> String {
    let Some((tombstones, guard)) = target.tombstones.as_ref().zip(target.guard) else {
        return delete(target, table, columns);
    };
    let mut conditions = Vec::with_capacity(2 * columns.len() + 1);
    for (place, column) in columns.iter().enumerate() {
        let name = quoted(&target.column(*column).name);
        conditions.push(same(target, place, *column));
        conditions.push(format!("tombstone.{name} = target.{name}"));
    }
    let guard = quoted(&target.column(guard).name);
    conditions.push(newer(&guard, &format!("tombstone.{guard}")));
    format!(
        "DELETE FROM {table} AS target USING {}, {} AS tombstone WHERE {}",
        source(target, columns),
        qualified(&tombstones.table.name),
        conditions.join(" AND ")
    )
}

fn lock_tombstones(target: &Target, lock: &str) -> String {
    let name = target
        .tombstones
        .as_ref()
        .map(|tombstones| &tombstones.table.name);
    let name = name.map(qualified).unwrap_or_default().replace('\'', "''");
    format!("SELECT {lock}({TOMBSTONES_LOCK}, '{name}'::pg_catalog.regclass::pg_catalog.oid::int4)")
}

/// Whether a key column of the table is that of the source.
fn same(target: &Target, place: usize, column: usize) -> String {
    let name = quoted(&target.column(column).name);
    format!("target.{name} = {}", compared(target, place, column))
}

/// The value at this place of the source, as it is compared with its column.
fn compared(target: &Target, place: usize, column: usize) -> String {
    match comparison_cast(target.column(column)) {
        Some(cast) => format!("source.c{place}::{cast}"),
        None => format!("source.c{place}"),
    }
}

fn source(target: &Target, columns: &[usize]) -> String {
    let parameters = columns.iter().enumerate().map(|(place, column)| {
        let wire_type = WireType::of(target.column(*column));
        format!("${}::{}[]", place + 1, wire_type.sql_name())
    });
    let names = (0..columns.len()).map(|place| format!("c{place}"));
    format!("unnest({}) AS source({})", join(parameters), join(names))
}

fn names(target: &Target, columns: &[usize]) -> String {
    join(
        columns
            .iter()
            .map(|column| quoted(&target.column(*column).name)),
    )
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The values can go through a binary copy: those in a notation of their type cannot.
pub(super) fn can_be_copied(target: &Target, columns: &[usize]) -> bool {
    let is_binary = |column: &usize| {
        let column = target.column(*column);
        !column.column_type.is_notation() && column.native_type_id != type_id::MONEY
    };
    columns.iter().all(is_binary)
}

fn insert_cast(column: &ColumnDef) -> Option<&str> {
    match column.column_type {
        ColumnType::Text { .. } if !is_builtin_text(column) => Some(&column.native_type),
        ColumnType::Literal(_) | ColumnType::Array(_) | ColumnType::Unsupported => {
            Some(&column.native_type)
        }
        _ => None,
    }
}

/// Comparing needs the column's own type where text would be compared as text instead: blanks at
/// the end of `char(n)` would count and no index would be used; and where a time is stored rounded.
fn comparison_cast(column: &ColumnDef) -> Option<&str> {
    match (&column.column_type, column.native_type_id) {
        (ColumnType::Text { .. }, type_id::BPCHAR) => Some("pg_catalog.bpchar"),
        (_, type_id::NAME) => Some("pg_catalog.name"),
        (_, type_id::MONEY) => Some("pg_catalog.money"),
        _ if time_digits(column).is_some_and(|digits| digits < TIME_DIGITS_MAX) => {
            Some(&column.native_type)
        }
        _ => insert_cast(column),
    }
}

/// How many digits after the second a column of times or timestamps keeps for certain: of a domain over
/// one, none. `None` for other columns.
pub(super) fn time_digits(column: &ColumnDef) -> Option<u32> {
    let is_time = matches!(
        column.column_type,
        ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz
    );
    is_time.then(|| match column.native_type.ends_with(TIME_ZONE) {
        true => type_length(&column.native_type).unwrap_or(TIME_DIGITS_MAX),
        false => 0,
    })
}

fn is_builtin_text(column: &ColumnDef) -> bool {
    matches!(
        column.native_type_id,
        type_id::TEXT | type_id::VARCHAR | type_id::BPCHAR
    )
}

#[cfg(test)]
mod tests;
