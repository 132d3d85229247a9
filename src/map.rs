//! From a record to a row of its table. Pure: no Kafka, no database, no clock.
//!
//! A [`TopicMapper`] is built once per topic and table from the connector's config and the table's
//! definition. It walks over a record's fields, looks each name up among the columns, fits the
//! value ([`fit`]) and appends the cell. A record that does not fit leaves no trace in the rows.
//!
//! Fields are looked up by prediction: producers write the same fields in the same order, so the
//! field after `a` was `b` last time and is compared with `b` first ([`names`]).
//!
//! * [`plan`]: which columns are written, which are the key, and whether that can work.
//! * [`infer`]: the table for records that have none yet.
//! * [`straight`]: the short way for values that are what their column holds.
//! * [`lack`]: what a table lacks for a record that does not fit it.

mod filter;
pub mod fit;
pub mod infer;
mod lack;
mod names;
pub mod plan;
mod side;
mod straight;

use std::sync::Arc;

use rowdock_connectors::{CellState, NewColumn, Origin, RowKind, TableRows, Target, WriteMode};

use crate::config::connector::{KeyMode, SinkKeys, UnknownFields};
use crate::decode::change::Change;
use crate::decode::sides::RecordDecoder;
use crate::decode::{Encoded, Format};
use crate::record::{OwnedRecord, RawRecord, RecordError, Stage, Value};
use filter::FieldFilter;
use lack::Evolution;
use side::{Content, SideColumns, SideReader};

/// Turns records of one topic into rows of one table.
#[derive(Debug)]
pub struct TopicMapper {
    target: Arc<Target>,
    key: KeySource,
    key_reader: SideReader,
    value_reader: SideReader,
    delete_enabled: bool,
    /// Written column that is true in deleted rows.
    soft_delete: Option<usize>,
    truncate_enabled: bool,
    change_events: bool,
    /// Written columns that must have a value: key, and NOT NULL without a default, unless rows
    /// are only updated.
    required: Vec<usize>,
    /// With `auto.evolve`.
    evolution: Option<Evolution>,
}

/// Why a record is not in the rows.
#[derive(Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// It cannot be stored.
    Bad(RecordError),
    /// It can be when its table has these columns, this wide.
    Lacking(Vec<NewColumn>),
}

impl From<RecordError> for Unmapped {
    fn from(error: RecordError) -> Self {
        Self::Bad(error)
    }
}

/// Where the key's cells come from.
#[derive(Debug, Clone, Copy)]
enum KeySource {
    /// No key, or key fields among the value's fields.
    Value,
    /// Written columns of topic, partition and offset.
    Kafka([usize; 3]),
    /// The record's key.
    Record,
}

impl TopicMapper {
    /// A mapper for this target. `target` comes from [`plan::target`].
    pub fn new(
        target: Arc<Target>,
        keys: &SinkKeys,
        key_format: Format,
        value_format: Format,
    ) -> Self {
        let key = match keys.key_mode {
            KeyMode::None | KeyMode::RecordValue => KeySource::Value,
            KeyMode::Kafka => match target.key.as_slice() {
                [topic, partition, offset] => KeySource::Kafka([*topic, *partition, *offset]),
                _ => KeySource::Value,
            },
            KeyMode::RecordKey => KeySource::Record,
        };
        let key_columns: &[usize] = match &key {
            KeySource::Value => &[],
            KeySource::Kafka(_) | KeySource::Record => &target.key,
        };
        let filter = FieldFilter::new(&keys.fields_include, &keys.fields_exclude);
        let unknown = if keys.auto_evolve {
            UnknownFields::Fail
        } else {
            keys.unknown_fields
        };
        let accepts = |wanted: &dyn Fn(usize) -> bool| {
            let mut accepts = vec![None; target.table.columns.len()];
            for (written, column) in target.written.iter().enumerate() {
                if wanted(written) {
                    accepts[*column] = Some(written);
                }
            }
            accepts
        };
        // Of a delete the guard can only be in the key.
        let has_key_apart = keys.key_mode == KeyMode::RecordKey;
        let soft_field = keys.soft_delete_field.as_deref();
        let soft_delete = soft_field.and_then(|name| plan::soft_delete(&target, name).ok());
        let required = (0..target.written.len())
            .filter(|index| {
                let column = target.column(*index);
                let makes_rows = target.mode != WriteMode::Update;
                let is_needed = makes_rows && !column.nullable && !column.has_default;
                target.key.contains(index) || target.guard == Some(*index) || is_needed
            })
            .collect();
        // A key field's value wins over a value field of the same name, and fields of the key
        // that are no key columns are not wanted.
        let mut of_key = SideColumns::new(
            accepts(&|written| {
                key_columns.contains(&written) || (has_key_apart && target.guard == Some(written))
            }),
            UnknownFields::Ignore,
            &target,
        );
        of_key.single = match target.key.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let mut of_value = SideColumns::new(
            accepts(&|written| !key_columns.contains(&written)),
            unknown,
            &target,
        )
        .filtering(filter, key_columns, &target);
        of_value.single = target
            .table
            .column_index(&keys.single_value_column)
            .and_then(|column| of_value.accepts[column]);
        Self {
            key_reader: SideReader::new(Stage::KeyConverter, key_format, of_key),
            value_reader: SideReader::new(Stage::ValueConverter, value_format, of_value),
            evolution: None,
            delete_enabled: keys.delete_enabled,
            soft_delete,
            truncate_enabled: keys.truncate_enabled,
            change_events: keys.change_events,
            required,
            key,
            target,
        }
    }

    /// Tells what the table lacks for records that do not fit it, which `decoder` decodes.
    #[must_use]
    pub fn evolving(mut self, decoder: RecordDecoder, keys: &SinkKeys) -> Self {
        self.evolution = Some(Evolution::new(decoder, keys));
        self
    }

    /// The table and columns that are written.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The schemas that the record needs are at hand. Else they have been asked for, and the record
    /// must wait.
    #[inline]
    pub fn is_ready(&mut self, record: &RawRecord<'_>) -> bool {
        let key = match self.key {
            KeySource::Record => Encoded::key(record),
            KeySource::Value | KeySource::Kafka(_) => None,
        };
        let key_is_ready = key.is_none_or(|key| self.key_reader.is_ready(key));
        let value = Encoded::value(record);
        value.is_none_or(|value| self.value_reader.is_ready(value)) && key_is_ready
    }

    /// Appends the record's row, unless it is no row (a heartbeat among change events). `origin` says where it came from; its `kind` is set here. What
    /// transforms made of the record is mapped in the place of its bytes.
    ///
    /// # Errors
    /// When the record cannot be read or does not fit; `rows` is then as before.
    #[inline]
    pub fn map(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        origin: Origin,
        rows: &mut TableRows,
    ) -> Result<(), Unmapped> {
        let error = match self.try_map(record, transformed, origin, rows) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let Some(evolution) = &mut self.evolution else {
            return Err(Unmapped::Bad(error));
        };
        match evolution.lacking(record, transformed, &self.target) {
            Err(reason) => Err(RecordError::new(Stage::TaskPut, reason).into()),
            Ok(lacking) if !lacking.is_empty() => Err(Unmapped::Lacking(lacking)),
            // Unknown fields were null, if there were any: they need no column.
            Ok(_) => {
                let unknown = self.value_reader.set_unknown(UnknownFields::Ignore);
                let mapped = self.try_map(record, transformed, origin, rows);
                self.value_reader.set_unknown(unknown);
                mapped.map_err(Unmapped::Bad)
            }
        }
    }

    /// The table cannot be made to hold these columns: records that need them are bad.
    pub fn refuse_evolution(&mut self, columns: &[String], reason: &str) {
        if let Some(evolution) = &mut self.evolution {
            evolution.refuse(columns, reason);
        }
    }

    fn try_map(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        origin: Origin,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        match self.fill(record, transformed, rows) {
            Ok(Some(kind)) => {
                rows.finish_row(Origin { kind, ..origin });
                Ok(())
            }
            Ok(None) => {
                rows.roll_back_row();
                Ok(())
            }
            Err(error) => {
                rows.roll_back_row();
                Err(error)
            }
        }
    }

    /// Fills the row's cells; says what the record does. `None`: nothing.
    fn fill(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        rows: &mut TableRows,
    ) -> Result<Option<RowKind>, RecordError> {
        let reader = &mut self.value_reader;
        let content = match (transformed, Encoded::value(record)) {
            (
                Some(OwnedRecord {
                    change: Some(change),
                    ..
                }),
                _,
            ) => Content::Change(*change),
            (Some(whole), _) => reader.read_owned(&whole.value, &self.target, rows)?,
            (None, Some(encoded)) => reader.read(encoded, &self.target, rows)?,
            (None, None) => Content::Null,
        };
        let deletes = match content {
            Content::Filled => false,
            Content::Null | Content::Change(Change::Delete) => true,
            // It has no key of its own.
            Content::Change(Change::Truncate) if self.truncate_enabled => {
                return Ok(Some(RowKind::Truncate));
            }
            Content::Change(Change::Truncate | Change::Nothing) => return Ok(None),
        };
        if deletes && self.change_events && !self.delete_enabled {
            // As Debezium's sink does when deletes are not enabled.
            return Ok(None);
        }
        match self.key {
            KeySource::Value => {}
            KeySource::Kafka(columns) => self.fill_coordinates(columns, record, rows)?,
            KeySource::Record => self.fill_key(record, transformed, rows)?,
        }
        if deletes {
            self.check_delete(rows)?;
            return match self.soft_delete {
                Some(_) => self.mark_deleted(true, rows).map(Some),
                None => Ok(Some(RowKind::Delete)),
            };
        }
        if self.soft_delete.is_some() {
            self.mark_deleted(false, rows)?;
        }
        self.check_required(rows)?;
        Ok(Some(RowKind::Write))
    }

    fn mark_deleted(&self, deleted: bool, rows: &mut TableRows) -> Result<RowKind, RecordError> {
        if let Some(column) = self.soft_delete {
            let row = rows.len();
            rows.columns[column].truncate(row);
            let value = Value::Bool(deleted);
            push(&self.target, column, "delete", &value, rows)?;
        }
        Ok(RowKind::Write)
    }

    fn check_delete(&self, rows: &TableRows) -> Result<(), RecordError> {
        if !self.delete_enabled {
            return Err(RecordError::new(
                Stage::TaskPut,
                "the record has no value: a delete; set delete.enabled=true with \
                 pk.mode=record_key to apply deletes",
            ));
        }
        for index in self.target.key.iter().chain(&self.target.guard) {
            self.check_present(*index, rows)?;
        }
        Ok(())
    }

    fn check_required(&self, rows: &TableRows) -> Result<(), RecordError> {
        for index in &self.required {
            self.check_present(*index, rows)?;
        }
        Ok(())
    }

    fn check_present(&self, index: usize, rows: &TableRows) -> Result<(), RecordError> {
        let row = rows.len();
        let column = &rows.columns[index];
        let present = column.len() > row && column.state(row) == CellState::Value;
        if present {
            return Ok(());
        }
        let definition = self.target.column(index);
        let role = if self.target.key.contains(&index) {
            "is part of the key"
        } else if self.target.guard == Some(index) {
            "is upsert.guard.field; of a delete it must be a field of the key"
        } else {
            "is NOT NULL and has no default"
        };
        Err(RecordError::new(
            Stage::TaskPut,
            format!(
                "no value for column \"{}\" of {}, which {role}",
                definition.name, self.target.table.name
            ),
        ))
    }

    fn fill_coordinates(
        &self,
        columns: [usize; 3],
        record: &RawRecord<'_>,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let values = [
            Value::Text(record.topic.into()),
            Value::Int(record.partition.into()),
            Value::Int(record.offset),
        ];
        for (column, value) in columns.iter().zip(&values) {
            push(&self.target, *column, "kafka coordinates", value, rows)?;
        }
        Ok(())
    }

    fn fill_key(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let reader = &mut self.key_reader;
        // A null in the bytes leaves the key's cells empty, which is found when they are checked.
        match (transformed, Encoded::key(record)) {
            (Some(whole), _) if !whole.key.datum.is_null() => {
                reader.read_owned(&whole.key, &self.target, rows)?;
            }
            (None, Some(encoded)) => {
                reader.read(encoded, &self.target, rows)?;
            }
            _ => return Err(RecordError::new(Stage::TaskPut, NO_KEY)),
        }
        Ok(())
    }
}

const NO_KEY: &str = "the record has no key, and pk.mode=record_key takes the row's key from it";

fn push(
    target: &Target,
    column: usize,
    field: &str,
    value: &Value<'_>,
    rows: &mut TableRows,
) -> Result<(), RecordError> {
    let definition = target.column(column);
    let failed = |rule: &str| {
        RecordError::new(
            Stage::TaskPut,
            format!(
                "field \"{field}\": {} does not fit column \"{}\" ({}): {rule}",
                value.kind(),
                definition.name,
                definition.native_type
            ),
        )
    };
    let fitted = fit::fit(value, &definition.column_type, target.table.text_allows_nul)
        .map_err(|rule| failed(&rule))?;
    rows.columns[column]
        .push(fitted.cell())
        .map_err(|mismatch| failed(&mismatch.to_string()))
}

#[cfg(test)]
mod tests;
