//! SQL text: names and the statements of a write. Pure.
//!
//! Every value is bound; only quoted identifiers are part of the text.

use std::fmt;

use crate::table::{TableName, Target, WriteMode};

/// The rows of a statement that joins them with the table, and the table beside itself: names that no table
/// is likely to have.
const GIVEN: &str = "\"given row\"";
const THERE: &str = "\"row there\"";

/// What a statement says about conflicts that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnConflict {
    /// Nothing. What the table's triggers say counts for them.
    Unsaid,
    /// `OR ABORT`, for a table whose definition says something else (`UNIQUE ON CONFLICT IGNORE`): it could
    /// drop a row, replace another or end the transaction behind our back. It counts for all that the
    /// table's triggers do, too.
    Abort,
}

impl fmt::Display for OnConflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unsaid => "",
            Self::Abort => " OR ABORT",
        })
    }
}

/// An identifier in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table's name inside the file. SQLite has no schemas, so a dot is part of the name, unless
/// the part before it is `main`, SQLite's own word for the file.
pub(super) fn local_name(name: &TableName) -> String {
    match &name.schema {
        Some(schema) if !schema.eq_ignore_ascii_case("main") => name.to_string(),
        _ => name.name.clone(),
    }
}

/// `INSERT` of `row_count` rows with these columns, or of one row of defaults without columns.
///
/// `on_conflict` is one of those of the statements below, too.
pub(super) fn insert_sql(
    target: &Target,
    on_conflict: OnConflict,
    columns: &[usize],
    row_count: usize,
) -> String {
    let table = quoted(&local_name(&target.table.name));
    let insert = format!("INSERT{on_conflict} INTO main.{table}");
    if columns.is_empty() {
        return format!("{insert} DEFAULT VALUES");
    }
    let names = column_names(target, columns);
    let mut sql = format!("{insert} ({}) VALUES ", names.join(", "));
    push_tuples(&mut sql, columns.len(), row_count);
    match target.mode {
        WriteMode::Upsert if !target.key.is_empty() => {
            sql.push_str(&conflict_clause(target, columns));
        }
        WriteMode::InsertIgnore if !target.key.is_empty() => {
            let key = column_names(target, &target.key).join(", ");
            sql.push_str(&format!(" ON CONFLICT ({key}) DO NOTHING"));
        }
        _ => {}
    }
    sql
}

fn conflict_clause(target: &Target, columns: &[usize]) -> String {
    let replaced: Vec<String> = columns
        .iter()
        .filter(|column| !target.key.contains(column))
        .map(|column| column_name(target, *column))
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let key = column_names(target, &target.key).join(", ");
    if replaced.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    let guard = match target.guard {
        Some(guard) => {
            let name = column_name(target, guard);
            format!(
                " WHERE {}",
                newer(target, &name, &format!("excluded.{name}"))
            )
        }
        None => String::new(),
    };
    format!(
        " ON CONFLICT ({key}) DO UPDATE SET {}{guard}",
        replaced.join(", ")
    )
}

/// Whether the row that is there gives way to `value` in its guard column.
fn newer(target: &Target, column: &str, value: &str) -> String {
    let table = quoted(&local_name(&target.table.name));
    format!("({table}.{column} IS NULL OR {table}.{column} < {value})")
}

/// `UPDATE` of the rows with the keys of `row_count` rows with these columns, which hold the key
/// and at least one more.
///
/// Values of a subquery have no affinity, so they are compared as the column they meet would
/// store them.
pub(super) fn update_sql(
    target: &Target,
    on_conflict: OnConflict,
    columns: &[usize],
    marked: &[usize],
    row_count: usize,
) -> String {
    let table = quoted(&local_name(&target.table.name));
    let set: Vec<String> = columns
        .iter()
        .filter(|column| !target.key.contains(column))
        .map(|column| {
            let name = column_name(target, *column);
            let value = given_or(&format!("{table}.{name}"), columns, marked, *column);
            format!("{name} = {value}")
        })
        .collect();
    let mut conditions: Vec<String> = columns
        .iter()
        .filter(|column| target.key.contains(column))
        .map(|column| {
            let name = column_name(target, *column);
            format!("{table}.{name} = {}", given(columns, *column))
        })
        .collect();
    if let Some(guard) = target.guard.filter(|guard| columns.contains(guard)) {
        let name = column_name(target, guard);
        conditions.push(newer(target, &name, &given(columns, guard)));
    }
    format!(
        "UPDATE{on_conflict} main.{table} SET {} FROM {} WHERE {}",
        set.join(", "),
        given_rows(columns, marked, row_count),
        conditions.join(" AND ")
    )
}

/// An upsert of rows that may lack the marked columns.
///
/// The clause for conflicts can name the table's columns and the row that was to be inserted, and
/// nothing else. So it is the row to be inserted that takes what it lacks from the row that is there; of a
/// key that is not there, it is null. Keys are met by their bytes, see
/// [`Checked::takes_marks`](super::schema::Checked::takes_marks).
pub(super) fn marked_upsert_sql(
    target: &Target,
    on_conflict: OnConflict,
    columns: &[usize],
    marked: &[usize],
    row_count: usize,
) -> String {
    let table = quoted(&local_name(&target.table.name));
    let values: Vec<String> = columns
        .iter()
        .map(|column| {
            let there = format!("{THERE}.{}", column_name(target, *column));
            given_or(&there, columns, marked, *column)
        })
        .collect();
    let same_key: Vec<String> = target
        .key
        .iter()
        .map(|column| {
            let name = column_name(target, *column);
            format!(
                "{THERE}.{name} = {} COLLATE BINARY",
                given(columns, *column)
            )
        })
        .collect();
    format!(
        "INSERT{on_conflict} INTO main.{table} ({}) SELECT {} FROM {} LEFT JOIN main.{table} AS {THERE} \
         ON {} WHERE true{}",
        column_names(target, columns).join(", "),
        values.join(", "),
        given_rows(columns, marked, row_count),
        same_key.join(" AND "),
        conflict_clause(target, columns)
    )
}

/// Rows of a statement that joins them with the table. The columns of `VALUES` are `column1`, `column2`
/// and so on; that of the marks comes last.
fn given_rows(columns: &[usize], marked: &[usize], row_count: usize) -> String {
    let mut text = "(VALUES ".to_owned();
    let width = columns.len() + usize::from(!marked.is_empty());
    push_tuples(&mut text, width, row_count);
    text.push_str(") AS ");
    text.push_str(GIVEN);
    text
}

/// The value of one of the columns in the row that is given.
fn given(columns: &[usize], column: usize) -> String {
    let place = columns.iter().position(|other| *other == column);
    format!("{GIVEN}.column{}", place.map_or(0, |place| place + 1))
}

/// That value, or `otherwise` where the row does not have it.
fn given_or(otherwise: &str, columns: &[usize], marked: &[usize], column: usize) -> String {
    let value = given(columns, column);
    match marked.iter().position(|other| *other == column) {
        None => value,
        Some(bit) => format!(
            "CASE WHEN {GIVEN}.column{} & {} THEN {value} ELSE {otherwise} END",
            columns.len() + 1,
            1_u64 << bit
        ),
    }
}

/// `DELETE` of all rows.
pub(super) fn truncate_sql(target: &Target) -> String {
    format!(
        "DELETE FROM main.{}",
        quoted(&local_name(&target.table.name))
    )
}

/// `DELETE` of the rows with `row_count` keys. The key's columns are qualified: SQLite takes a bare
/// quoted name that is no column for a string.
pub(super) fn delete_sql(target: &Target, row_count: usize) -> String {
    let table = quoted(&local_name(&target.table.name));
    let qualified = |column: &usize| format!("{table}.{}", column_name(target, *column));
    let key: Vec<String> = target.key.iter().map(qualified).collect();
    let mut sql = format!(
        "DELETE FROM main.{table} WHERE ({}) IN (VALUES ",
        key.join(", ")
    );
    push_tuples(&mut sql, key.len(), row_count);
    sql.push(')');
    sql
}

/// `DELETE` of the rows with `row_count` keys that are older than the tombstones of their keys.
pub(super) fn bury_sql(target: &Target, row_count: usize) -> String {
    let mut sql = delete_sql(target, row_count);
    let Some((tombstones, guard)) = target.tombstones.as_ref().zip(target.guard) else {
        return sql;
    };
    let table = quoted(&local_name(&target.table.name));
    let of_key = quoted(&local_name(&tombstones.table.name));
    let mut conditions: Vec<String> = column_names(target, &target.key)
        .into_iter()
        // The left side's collation counts: the table's own.
        .map(|name| format!("{table}.{name} = {of_key}.{name}"))
        .collect();
    let guard = column_name(target, guard);
    conditions.push(newer(target, &guard, &format!("{of_key}.{guard}")));
    sql.push_str(&format!(
        " AND EXISTS (SELECT 1 FROM main.{of_key} WHERE {})",
        conditions.join(" AND ")
    ));
    sql
}

/// `(?,?),(?,?)`
fn push_tuples(sql: &mut String, width: usize, count: usize) {
    let mut tuple = "?,".repeat(width);
    tuple.pop();
    sql.reserve(count * (tuple.len() + 3));
    for index in 0..count {
        sql.push_str(if index == 0 { "(" } else { ",(" });
        sql.push_str(&tuple);
        sql.push(')');
    }
}

fn column_names(target: &Target, columns: &[usize]) -> Vec<String> {
    let names = columns.iter().map(|column| column_name(target, *column));
    names.collect()
}

fn column_name(target: &Target, column: usize) -> String {
    quoted(&target.column(column).name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::fixture::integer_target;

    #[test]
    fn rows_older_than_their_tombstones_are_deleted() {
        let plain = integer_target(2, 1, WriteMode::Upsert);
        let mut tombstones = Target::clone(&plain);
        tombstones.table.name = TableName::parse("gone");
        let target = Target {
            guard: Some(1),
            tombstones: Some(std::sync::Arc::new(tombstones)),
            ..Target::clone(&plain)
        };
        assert_eq!(
            bury_sql(&target, 2),
            "DELETE FROM main.\"t\" WHERE (\"t\".\"c0\") IN (VALUES (?),(?)) AND EXISTS (SELECT 1 FROM \
             main.\"gone\" WHERE \"t\".\"c0\" = \"gone\".\"c0\" AND (\"t\".\"c1\" IS NULL OR \
             \"t\".\"c1\" < \"gone\".\"c1\"))"
        );
    }

    #[test]
    fn statements_name_only_what_is_written() {
        let insert = integer_target(3, 1, WriteMode::Insert);
        assert_eq!(
            insert_sql(&insert, OnConflict::Unsaid, &[0, 2], 2),
            "INSERT INTO main.\"t\" (\"c0\", \"c2\") VALUES (?,?),(?,?)"
        );
        assert_eq!(
            insert_sql(&insert, OnConflict::Abort, &[], 1),
            "INSERT OR ABORT INTO main.\"t\" DEFAULT VALUES"
        );
        let upsert = integer_target(3, 2, WriteMode::Upsert);
        assert_eq!(
            insert_sql(&upsert, OnConflict::Abort, &[0, 1, 2], 1),
            "INSERT OR ABORT INTO main.\"t\" (\"c0\", \"c1\", \"c2\") VALUES (?,?,?) \
             ON CONFLICT (\"c0\", \"c1\") DO UPDATE SET \"c2\" = excluded.\"c2\""
        );
        assert_eq!(
            insert_sql(&upsert, OnConflict::Unsaid, &[0, 1], 1),
            "INSERT INTO main.\"t\" (\"c0\", \"c1\") VALUES (?,?) \
             ON CONFLICT (\"c0\", \"c1\") DO NOTHING"
        );
        assert_eq!(
            delete_sql(&upsert, 2),
            "DELETE FROM main.\"t\" WHERE (\"t\".\"c0\", \"t\".\"c1\") IN (VALUES (?,?),(?,?))"
        );
    }

    #[test]
    fn marked_rows_take_what_they_lack_from_the_row_that_is_there() {
        let upsert = integer_target(3, 1, WriteMode::Upsert);
        assert_eq!(
            marked_upsert_sql(&upsert, OnConflict::Unsaid, &[0, 1, 2], &[2], 2),
            "INSERT INTO main.\"t\" (\"c0\", \"c1\", \"c2\") SELECT \"given row\".column1, \
             \"given row\".column2, CASE WHEN \"given row\".column4 & 1 THEN \"given row\".column3 ELSE \"row there\".\"c2\" END \
             FROM (VALUES (?,?,?,?),(?,?,?,?)) AS \"given row\" LEFT JOIN main.\"t\" AS \"row there\" \
             ON \"row there\".\"c0\" = \"given row\".column1 COLLATE BINARY WHERE true ON CONFLICT (\"c0\") \
             DO UPDATE SET \"c1\" = excluded.\"c1\", \"c2\" = excluded.\"c2\""
        );
        assert_eq!(
            update_sql(&upsert, OnConflict::Abort, &[0, 1, 2], &[1, 2], 1),
            "UPDATE OR ABORT main.\"t\" SET \"c1\" = CASE WHEN \"given row\".column4 & 1 THEN \"given row\".column2 \
             ELSE \"t\".\"c1\" END, \"c2\" = CASE WHEN \"given row\".column4 & 2 THEN \"given row\".column3 \
             ELSE \"t\".\"c2\" END FROM (VALUES (?,?,?,?)) AS \"given row\" WHERE \"t\".\"c0\" = \"given row\".column1"
        );
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(
            quoted("a\"; DROP TABLE b; --"),
            "\"a\"\"; DROP TABLE b; --\""
        );
        let local = |text: &str| local_name(&TableName::parse(text));
        assert_eq!(local("orders"), "orders");
        assert_eq!(local("main.orders"), "orders");
        assert_eq!(local("shop.orders"), "shop.orders");
    }
}
