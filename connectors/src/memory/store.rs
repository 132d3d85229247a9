//! Tables in memory: rows, keys, constraints, and statements that leave nothing when they fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{ErrorClass, SinkError};
use crate::evolve::{self, Change};
use crate::fold::{self, Plan};
use crate::row::{Batch, Cell, TableRows, Timestamp};
use crate::table::{
    ColumnDef, ColumnType, NewColumn, NewTable, Table, TableKind, TableName, Target, WriteMode,
};

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
            nullable: column.nullable && !wanted.primary_key.contains(&column.name),
            ..nullable_column(&column.name, column.column_type.plain())
        });
        let created = Table {
            name: wanted.name.clone(),
            kind: TableKind::default(),
            columns: columns.collect(),
            primary_key: wanted.primary_key.clone(),
            unique_keys: Vec::new(),
            text_allows_nul: true,
            has_zero_dates: false,
        };
        self.add_table(created.clone());
        created
    }

    pub(super) fn evolve_table(
        &mut self,
        name: &TableName,
        wanted: &[NewColumn],
    ) -> Result<Table, SinkError> {
        let Some(table) = self.tables.get_mut(&name.to_string()) else {
            return Err(no_such_table(&name.to_string()));
        };
        for change in evolve::changes(&table.definition, wanted) {
            match change {
                Change::Add {
                    name, column_type, ..
                } => {
                    let added = nullable_column(&name, column_type.plain());
                    table.definition.columns.push(added);
                    for row in table.rows.values_mut() {
                        row.push(Value::Default);
                    }
                }
                Change::Widen { column, to } => {
                    for existing in &mut table.definition.columns {
                        if existing.name == column.name {
                            existing.native_type = to.to_string();
                            existing.column_type = to.clone();
                        }
                    }
                }
            }
        }
        Ok(table.definition.clone())
    }

    pub(super) fn drop_table(&mut self, name: &str) {
        self.tables.remove(name);
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
        if let Some(tombstones) = &plan.tombstones {
            self.apply_plan(&fold::plan(tombstones), undo)?;
        }
        let target = &plan.rows.target;
        let graves = self.graves(target)?;
        let name = target.table.name.to_string();
        let Some(table) = self.tables.get_mut(&name) else {
            return Err(no_such_table(&name));
        };
        table.require_columns(target)?;
        if plan.truncate {
            let ids: Vec<u64> = table.rows.keys().copied().collect();
            for id in ids {
                let before = table.set(id, None);
                undo.push(Undo {
                    table: name.clone(),
                    id,
                    before,
                });
            }
        }
        for phase in &plan.phases {
            for row in &phase.deletes {
                let key = given_key(table, target, &table.fresh_row(&plan.rows, *row))?;
                let gives_way = |id: &u64| match graves.get(&key) {
                    Some(guard) => is_newer(target, guard, &table.rows[id]),
                    None => true,
                };
                if let Some(id) = table.by_key.get(&key).copied().filter(gives_way) {
                    let before = table.set(id, None);
                    undo.push(Undo {
                        table: name.clone(),
                        id,
                        before,
                    });
                }
            }
            for row in phase.writes.iter(&plan.rows) {
                let Some((id, stored)) = table.row_to_store(&plan.rows, row)? else {
                    continue;
                };
                let grave = table.key_of(&stored).and_then(|key| graves.get(&key));
                if grave.is_some_and(|guard| is_newer(target, guard, &stored)) {
                    continue;
                }
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

impl Store {
    /// By key, what is remembered of deletes, as rows of the target's table with nothing but a guard.
    fn graves(&self, target: &Target) -> Result<BTreeMap<String, StoredRow>, SinkError> {
        let Some((tombstones, guard)) = target.tombstones.as_ref().zip(target.guard) else {
            return Ok(BTreeMap::new());
        };
        let name = tombstones.table.name.to_string();
        let table = self.tables.get(&name).ok_or_else(|| no_such_table(&name))?;
        let place = tombstones.written[tombstones.key.len()];
        let grave = |row: &StoredRow| {
            let mut grave = vec![Value::Default; target.table.columns.len()];
            grave[target.written[guard]] = row[place].clone();
            Some((table.key_of(row)?, grave))
        };
        Ok(table.rows.values().filter_map(grave).collect())
    }
}

impl StoredTable {
    /// The columns must still be where the target has them.
    fn require_columns(&self, target: &Target) -> Result<(), SinkError> {
        let same = |index: &usize| {
            let known = &target.table.columns[*index];
            let found = self.definition.columns.get(*index);
            found.is_some_and(|found| found.name == known.name)
        };
        if target.written.iter().all(same) {
            return Ok(());
        }
        let message = format!("table {} has changed", self.definition.name);
        Err(SinkError::stop(message).with_changed_table())
    }

    /// The row as it would stand, and its place; `None` when the mode says that nothing happens.
    fn row_to_store(
        &mut self,
        rows: &TableRows,
        row: usize,
    ) -> Result<Option<(u64, StoredRow)>, SinkError> {
        let fresh = self.fresh_row(rows, row);
        let mode = rows.target.mode;
        let existing = match mode {
            WriteMode::Upsert | WriteMode::Update | WriteMode::InsertIgnore => {
                let key = given_key(self, &rows.target, &fresh)?;
                self.by_key.get(&key).copied()
            }
            WriteMode::Insert => None,
        };
        match (mode, existing) {
            (WriteMode::InsertIgnore, Some(_)) | (WriteMode::Update, None) => return Ok(None),
            (_, Some(id)) => {
                let old = &self.rows[&id];
                if !is_newer(&rows.target, &fresh, old) {
                    return Ok(None);
                }
                let merged = fresh.into_iter().zip(old).map(|(new, old)| match new {
                    Value::Default => old.clone(),
                    new => new,
                });
                return Ok(Some((id, merged.collect())));
            }
            (_, None) => {}
        }
        if self
            .key_of(&fresh)
            .is_some_and(|key| self.by_key.contains_key(&key))
        {
            let message = format!("duplicate primary key in {}", self.definition.name);
            return Err(SinkError::new(ErrorClass::Record, message));
        }
        self.next_id += 1;
        Ok(Some((self.next_id, fresh)))
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

fn no_such_table(name: &str) -> SinkError {
    SinkError::stop(format!("no such table: {name}")).with_changed_table()
}

fn nullable_column(name: &str, column_type: &ColumnType) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        column_type: column_type.clone(),
        native_type: column_type.to_string(),
        native_type_id: 0,
        nullable: true,
        has_default: false,
        generated: false,
        insert_only: false,
    }
}

/// What the guard says.
fn is_newer(target: &Target, new: &StoredRow, old: &StoredRow) -> bool {
    let Some(guard) = target.guard else {
        return true;
    };
    let column = target.written[guard];
    match (&new[column], &old[column]) {
        (_, Value::Null | Value::Default) => true,
        (Value::Int(new), Value::Int(old)) => new > old,
        (Value::Float(new), Value::Float(old)) => new > old,
        (Value::Decimal(new), Value::Decimal(old)) => {
            fold::compare_values(Cell::Decimal(new), Cell::Decimal(old)).is_gt()
        }
        (Value::Date(new), Value::Date(old)) => new > old,
        (Value::Time(new), Value::Time(old)) => new > old,
        (Value::Timestamp(new), Value::Timestamp(old)) => new > old,
        _ => false,
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
