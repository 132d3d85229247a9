//! Targets and rows for the unit tests of this crate.

use std::sync::Arc;

use super::{Cell, Origin, RowKind, TableRows};
use crate::table::{ColumnDef, ColumnType, Table, TableKind, TableName, Target, WriteMode};

/// Columns `c0`, `c1`, .. of these types; the first `key_columns` are the key.
pub(crate) fn target(types: &[ColumnType], key_columns: usize, mode: WriteMode) -> Arc<Target> {
    let column = |(index, column_type): (usize, &ColumnType)| ColumnDef {
        name: format!("c{index}"),
        column_type: column_type.clone(),
        native_type: column_type.to_string(),
        native_type_id: 0,
        nullable: index >= key_columns,
        has_default: false,
        generated: false,
        insert_only: false,
    };
    let columns: Vec<ColumnDef> = types.iter().enumerate().map(column).collect();
    Arc::new(Target {
        written: (0..columns.len()).collect(),
        key: (0..key_columns).collect(),
        mode,
        guard: None,
        tombstones: None,
        table: Table {
            name: TableName::parse("t"),
            kind: TableKind::default(),
            primary_key: (0..key_columns).map(|index| format!("c{index}")).collect(),
            columns,
            unique_keys: Vec::new(),
            text_allows_nul: true,
            has_zero_dates: false,
        },
    })
}

/// A target with integer columns only.
pub(crate) fn integer_target(columns: usize, key_columns: usize, mode: WriteMode) -> Arc<Target> {
    target(&vec![ColumnType::Int64; columns], key_columns, mode)
}

/// Appends a row; its offset is its index.
pub(crate) fn push_row(rows: &mut TableRows, cells: &[Cell<'_>], delete: bool) {
    let kind = if delete {
        RowKind::Delete
    } else {
        RowKind::Write
    };
    push_kind(rows, cells, kind);
}

/// As [`push_row`], of any kind.
pub(crate) fn push_kind(rows: &mut TableRows, cells: &[Cell<'_>], kind: RowKind) {
    for (column, cell) in rows.columns.iter_mut().zip(cells) {
        column.push(*cell).expect("cell fits its column");
    }
    let offset = i64::try_from(rows.len()).expect("few rows");
    rows.finish_row(Origin {
        position: 0,
        offset,
        kind,
    });
}

/// Rows without deletes.
pub(crate) fn int_rows<const N: usize>(
    target: &Arc<Target>,
    records: &[[Cell<'_>; N]],
) -> TableRows {
    let mut rows = TableRows::new(Arc::clone(target));
    for record in records {
        push_row(&mut rows, record, false);
    }
    rows
}
