//! Tables in memory: rows, keys, constraints, and statements that leave nothing when they fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{ErrorClass, SinkError};
use crate::fold::{self, Plan};
use crate::row::{Batch, Cell, TableRows, Timestamp};
use crate::table::{ColumnDef, NewTable, Table, TableName, Target, WriteMode};

/// A stored cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Never given: the column's default.
    Default,
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Float.
    Float(f64),
    /// Decimal, plain notation.
    Decimal(String),
    /// Text.
    Text(String),
    /// JSON document.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Date and time.
    Timestamp(Timestamp),
    /// 128-bit identifier.
    Uuid([u8; 16]),
}

/// A stored row: one value per column of its table.
pub type StoredRow = Vec<Value>;

/// Says why a row is refused, if it is; sees the row as it would stand.
pub type Refusal = Arc<dyn Fn(&Table, &StoredRow) -> Option<String> + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Store {
    tables: BTreeMap<String, StoredTable>,
    refusal: Option<Refusal>,
}

#[derive(Clone)]
struct StoredTable {
    definition: Table,
    rows: BTreeMap<u64, StoredRow>,
    /// Primary key to row; empty without a primary key.
    by_key: HashMap<String, u64>,
    next_id: u64,
}

/// What stood in a row before it was changed.
struct Undo {
    table: String,
    id: u64,
    before: Option<StoredRow>,
}

impl Store {
    pub(super) fn add_table(&mut self, definition: Table) {
        let table = StoredTable {
            rows: BTreeMap::new(),
            by_key: HashMap::new(),
            next_id: 0,
            definition,
        };
        self.tables.insert(table.definition.name.to_string(), table);
    }

    pub(super) fn set_refusal(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
    }

    pub(super) fn definition(&self, name: &TableName) -> Option<&Table> {
        self.tables
            .get(&name.to_string())
            .map(|table| &table.definition)
    }

    pub(super) fn create_table(&mut self, wanted: &NewTable) -> Table {
        if let Some(existing) = self.definition(&wanted.name) {
            return existing.clone();
        }
        let columns = wanted.columns.iter().map(|column| ColumnDef {
            name: column.name.clone(),
            column_type: column.column_type.clone(),
            native_type: column.column_type.to_string(),
            native_type_id: 0,
            nullable: column.nullable && !wanted.primary_key.contains(&column.name),
            has_default: false,
            generated: false,
        });
        let created = Table {
            name: wanted.name.clone(),
            columns: columns.collect(),
            primary_key: wanted.primary_key.clone(),
            unique_keys: Vec::new(),
            text_allows_nul: true,
        };
        self.add_table(created.clone());
        created
    }

    pub(super) fn rows_by_table(&self) -> BTreeMap<String, Vec<StoredRow>> {
        let rows_of = |table: &StoredTable| table.rows.values().cloned().collect();
        let named = self
            .tables
            .iter()
            .map(|(name, table)| (name.clone(), rows_of(table)));
        named.collect()
    }

    /// Writes all rows of the batch, or none.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let mut undo = Vec::new();
        let applied = batch
            .tables
            .iter()
            .try_for_each(|rows| self.apply_plan(&fold::plan(rows), &mut undo));
        if applied.is_err() {
            for change in undo.into_iter().rev() {
                if let Some(table) = self.tables.get_mut(&change.table) {
                    table.set(change.id, change.before);
                }
            }
        }
        applied
    }

    fn apply_plan(&mut self, plan: &Plan<'_>, undo: &mut Vec<Undo>) -> Result<(), SinkError> {
        let target = &plan.rows.target;
        let name = target.table.name.to_string();
        let Some(table) = self.tables.get_mut(&name) else {
            return Err(SinkError::stop(format!("no such table: {name}")));
        };
        for phase in &plan.phases {
            for row in &phase.deletes {
                let key = given_key(table, target, &table.fresh_row(&plan.rows, *row))?;
                if let Some(id) = table.by_key.get(&key).copied() {
                    let before = table.set(id, None);
                    undo.push(Undo {
                        table: name.clone(),
                        id,
                        before,
                    });
                }
            }
            for row in phase.writes.iter(&plan.rows) {
                let (id, stored) = table.row_to_store(&plan.rows, row)?;
                table.check(&stored)?;
                let reason = self
                    .refusal
                    .as_ref()
                    .and_then(|refuse| refuse(&table.definition, &stored));
                if let Some(reason) = reason {
                    return Err(SinkError::new(ErrorClass::Record, reason));
                }
                let before = table.set(id, Some(stored));
                undo.push(Undo {
                    table: name.clone(),
                    id,
                    before,
                });
            }
        }
        Ok(())
    }
}

impl StoredTable {
    /// The row as it would stand, and its place.
    fn row_to_store(
        &mut self,
        rows: &TableRows,
        row: usize,
    ) -> Result<(u64, StoredRow), SinkError> {
        let fresh = self.fresh_row(rows, row);
        let existing = match rows.target.mode {
            WriteMode::Upsert => {
                let key = given_key(self, &rows.target, &fresh)?;
                self.by_key.get(&key).copied()
            }
            WriteMode::Insert => None,
        };
        if let Some(id) = existing {
            let merged = fresh
                .into_iter()
                .zip(&self.rows[&id])
                .map(|(new, old)| match new {
                    Value::Default => old.clone(),
                    new => new,
                });
            return Ok((id, merged.collect()));
        }
        if self
            .key_of(&fresh)
            .is_some_and(|key| self.by_key.contains_key(&key))
        {
            let message = format!("duplicate primary key in {}", self.definition.name);
            return Err(SinkError::new(ErrorClass::Record, message));
        }
        self.next_id += 1;
        Ok((self.next_id, fresh))
    }

    fn fresh_row(&self, rows: &TableRows, row: usize) -> StoredRow {
        let mut stored = vec![Value::Default; self.definition.columns.len()];
        for (column, written) in rows.columns.iter().zip(&rows.target.written) {
            stored[*written] = value_of(column.get(row));
        }
        stored
    }

    fn check(&self, row: &StoredRow) -> Result<(), SinkError> {
        for (column, value) in self.definition.columns.iter().zip(row) {
            let is_missing = match value {
                Value::Null => true,
                Value::Default => !column.has_default,
                _ => false,
            };
            if is_missing && !column.nullable {
                let message = format!("null in not-null column {}", column.name);
                return Err(SinkError::new(ErrorClass::Record, message));
            }
        }
        Ok(())
    }

    /// Puts a row in its place, or takes it away; returns what stood there.
    fn set(&mut self, id: u64, row: Option<StoredRow>) -> Option<StoredRow> {
        let new_key = row.as_ref().and_then(|row| self.key_of(row));
        let before = match row {
            Some(row) => self.rows.insert(id, row),
            None => self.rows.remove(&id),
        };
        if let Some(old_key) = before.as_ref().and_then(|row| self.key_of(row)) {
            self.by_key.remove(&old_key);
        }
        if let Some(new_key) = new_key {
            self.by_key.insert(new_key, id);
        }
        before
    }

    fn key_of(&self, row: &StoredRow) -> Option<String> {
        if self.definition.primary_key.is_empty() {
            return None;
        }
        let index_of = |name: &String| self.definition.column_index(name);
        let indexes = self.definition.primary_key.iter().filter_map(index_of);
        let cells: Vec<&Value> = indexes.map(|index| &row[index]).collect();
        Some(format!("{cells:?}"))
    }
}

/// The key of an upsert or a delete, which must be the table's primary key.
fn given_key(table: &StoredTable, target: &Target, row: &StoredRow) -> Result<String, SinkError> {
    let mut given: Vec<&str> = target
        .key
        .iter()
        .map(|key| target.column(*key).name.as_str())
        .collect();
    let mut primary: Vec<&str> = table
        .definition
        .primary_key
        .iter()
        .map(String::as_str)
        .collect();
    given.sort_unstable();
    primary.sort_unstable();
    match table.key_of(row) {
        Some(key) if given == primary => Ok(key),
        _ => Err(SinkError::stop(format!(
            "upserts and deletes need the primary key of {}",
            table.definition.name
        ))),
    }
}

fn value_of(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Absent => Value::Default,
        Cell::Null => Value::Null,
        Cell::Bool(value) => Value::Bool(value),
        Cell::Int(value) => Value::Int(value),
        Cell::Float(value) => Value::Float(value),
        Cell::Decimal(value) => Value::Decimal(value.to_owned()),
        Cell::Text(value) => Value::Text(value.to_owned()),
        Cell::Json(value) => Value::Json(value.to_owned()),
        Cell::Bytes(value) => Value::Bytes(value.to_owned()),
        Cell::Date(value) => Value::Date(value),
        Cell::Time(value) => Value::Time(value),
        Cell::Timestamp(value) => Value::Timestamp(value),
        Cell::Uuid(value) => Value::Uuid(value),
    }
}
