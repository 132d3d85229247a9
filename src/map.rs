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
//! * [`unavailable`]: values that a change event does not have.
//! * [`lack`]: what a table lacks for a record that does not fit it.
//! * [`route`]: the table that a record chooses by its fields, headers or time.

mod declared;
mod filter;
pub mod fit;
pub mod infer;
mod lack;
mod names;
pub mod plan;
pub mod route;
mod side;
mod straight;
mod unavailable;

use std::sync::Arc;

use rowdock_connectors::{CellState, NewColumn, Origin, RowKind, TableRows, Target, WriteMode};

use crate::config::connector::{KeyMode, SinkKeys, UnknownFields};
use crate::config::converter::HeaderConverter;
use crate::decode::change::Change;
use crate::decode::sides::RecordDecoder;
use crate::decode::{Encoded, Format, header};
use crate::record::{OwnedRecord, RawRecord, RecordError, Stage, Value};
use filter::FieldFilter;
use fit::Rules;
use lack::Evolution;
use side::{Asides, Content, SideColumns, SideReader};
use unavailable::Unavailable;

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
    rules: Rules,
    header_converter: HeaderConverter,
    /// With `auto.evolve`.
    evolution: Option<Evolution>,
}

const DELETE_NOT_ENABLED: &str = "the record has no value: a delete; set delete.enabled=true with \
                                  pk.mode=record_key or record_header to apply deletes";

/// Why a record is not in the rows.
#[derive(Debug, PartialEq)]
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
    /// The record's headers.
    Headers,
}

impl TopicMapper {
    /// A mapper of this topic's records for this target. `target` comes from [`plan::target`].
    pub fn new(
        target: Arc<Target>,
        keys: &SinkKeys,
        topic: &str,
        key_format: Format,
        value_format: Format,
    ) -> Self {
        let key = KeySource::of(keys, &target);
        let rules = Rules {
            text_allows_nul: target.table.text_allows_nul,
            takes_zero_dates: target.table.has_zero_dates,
            zone: keys.zone,
        };
        let soft_field = keys.soft_delete_field.as_deref();
        let soft_delete = soft_field.and_then(|name| plan::soft_delete(&target, name).ok());
        let of_key = key_columns(&target, key, rules);
        let filter = FieldFilter::new(keys, topic);
        let of_value = value_columns(&target, key, rules, keys, filter);
        Self {
            key_reader: SideReader::new(Stage::KeyConverter, key_format, of_key),
            value_reader: SideReader::new(Stage::ValueConverter, value_format, of_value),
            evolution: None,
            delete_enabled: keys.delete_enabled,
            soft_delete,
            truncate_enabled: keys.truncate_enabled,
            change_events: keys.change_events,
            required: required(&target),
            rules,
            header_converter: keys.header_converter,
            key,
            target,
        }
    }

    /// Tells what the table lacks for records that do not fit it, which `decoder` decodes.
    #[must_use]
    pub fn evolving(mut self, decoder: RecordDecoder, keys: &SinkKeys, topic: &str) -> Self {
        self.evolution = Some(Evolution::new(decoder, keys, topic));
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
            KeySource::Value | KeySource::Kafka(_) | KeySource::Headers => None,
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

    /// The table cannot be made to hold these columns, each with why: records that need them are
    /// bad.
    pub fn refuse_evolution(&mut self, columns: Vec<(NewColumn, String)>) {
        if let Some(evolution) = &mut self.evolution {
            evolution.refuse(columns);
        }
    }

    /// This mapper's table is the answer to a request for these columns. Records that lack them all
    /// the same are bad: asking again would change nothing.
    pub fn evolution_answered(&mut self, asked: Vec<NewColumn>) {
        let table = &self.target.table;
        let reason = |column: NewColumn| {
            let now = match table.column_index(&column.name) {
                Some(index) => table.columns[index].native_type.as_str(),
                None => "not there",
            };
            let reason = format!(
                "the record needs column \"{}\" of table {} to hold {}; it was asked for and is {now}: \
                 change the table by hand",
                column.name, table.name, column.column_type
            );
            (column, reason)
        };
        let columns = asked.into_iter().map(reason).collect();
        self.refuse_evolution(columns);
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
        let content = match (transformed, Encoded::value(record)) {
            (Some(whole), _) => self.read_whole(whole, rows)?,
            (None, Some(encoded)) => self.value_reader.read(encoded, &self.target, rows)?,
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
        if matches!(content, Content::Null) && self.is_tombstone_of_an_event() {
            return Ok(None);
        }
        match self.key {
            KeySource::Value => {}
            KeySource::Kafka(columns) => self.fill_coordinates(columns, record, rows)?,
            KeySource::Record => self.fill_key(record, transformed, rows)?,
            KeySource::Headers => self.fill_headers(None, record, transformed, rows)?,
        }
        if deletes {
            self.fill_guard(record, transformed, rows)?;
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

    /// Whether a record without a value only tells the log's compaction what the event before it has
    /// told: that is so where events tell their rows, as Debezium's sink holds, too.
    fn is_tombstone_of_an_event(&self) -> bool {
        self.change_events && matches!(self.key, KeySource::Value)
    }

    /// What transforms made of the value; of a delete perhaps the row that was there, which tells its
    /// key.
    fn read_whole(
        &mut self,
        whole: &OwnedRecord,
        rows: &mut TableRows,
    ) -> Result<Content, RecordError> {
        let reader = &mut self.value_reader;
        match whole.change {
            None => reader.read_owned(&whole.value, &self.target, rows),
            Some(Change::Delete) if matches!(self.key, KeySource::Value) => {
                reader.read_owned(&whole.value, &self.target, rows)?;
                Ok(Content::Change(Change::Delete))
            }
            Some(change) => Ok(Content::Change(change)),
        }
    }

    fn mark_deleted(&self, deleted: bool, rows: &mut TableRows) -> Result<RowKind, RecordError> {
        if let Some(column) = self.soft_delete {
            let row = rows.len();
            rows.columns[column].truncate(row);
            let value = Value::Bool(deleted);
            push(&self.target, column, "delete", &value, self.rules, rows)?;
        }
        Ok(RowKind::Write)
    }

    fn check_delete(&self, rows: &TableRows) -> Result<(), RecordError> {
        if !self.delete_enabled {
            return Err(RecordError::new(Stage::TaskPut, DELETE_NOT_ENABLED));
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
            "is upsert.guard.field; of a delete it must be a field of the key, or a header"
        } else if self.value_reader.has_seen_unavailable() {
            "is NOT NULL and has no default; if it is one of those whose value the event does not have, \
             the row can keep it with insert.mode=update only"
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
            let field = "kafka coordinates";
            push(&self.target, *column, field, value, self.rules, rows)?;
        }
        Ok(())
    }

    /// Of a delete the guard may be a header, whatever the key is.
    fn fill_guard(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let is_missing = |guard: usize| rows.columns[guard].len() == rows.len();
        match (self.target.guard, self.key) {
            (Some(guard), KeySource::Record) if is_missing(guard) => {
                self.fill_headers(Some(guard), record, transformed, rows)
            }
            _ => Ok(()),
        }
    }

    /// The key's columns, and the guard, that are named as headers are; or only this written column.
    fn fill_headers(
        &mut self,
        only: Option<usize>,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let reader = &mut self.key_reader;
        let target = &*self.target;
        let only = only.map(|column| target.column(column).name.as_str());
        let is_meant = |name: &str| only.is_none_or(|only| only.eq_ignore_ascii_case(name));
        if let Some(whole) = transformed {
            let meant = whole.headers.iter().filter(|header| is_meant(&header.name));
            return reader.read_headers(meant, target, rows);
        }
        let mut headers = Vec::new();
        for header in record.headers.headers() {
            if is_meant(&header.0) && reader.has_column(&header.0, target) {
                headers.push(header::read(self.header_converter, header)?);
            }
        }
        reader.read_headers(headers.iter(), target, rows)
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

impl KeySource {
    fn of(keys: &SinkKeys, target: &Target) -> Self {
        match keys.key_mode {
            KeyMode::None | KeyMode::RecordValue => Self::Value,
            KeyMode::Kafka => match target.key.as_slice() {
                [topic, partition, offset] => Self::Kafka([*topic, *partition, *offset]),
                _ => Self::Value,
            },
            KeyMode::RecordKey => Self::Record,
            KeyMode::RecordHeader => Self::Headers,
        }
    }

    /// Key columns that no field of the value fills.
    fn columns_apart(self, target: &Target) -> &[usize] {
        match self {
            Self::Value => &[],
            Self::Kafka(_) | Self::Record | Self::Headers => &target.key,
        }
    }
}

/// By column of the table, the written columns that a side may fill.
fn accepts(target: &Target, is_wanted: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
    let mut accepts = vec![None; target.table.columns.len()];
    for (written, column) in target.written.iter().enumerate() {
        if is_wanted(written) {
            accepts[*column] = Some(written);
        }
    }
    accepts
}

/// Written columns that must have a value.
fn required(target: &Target) -> Vec<usize> {
    let is_required = |index: &usize| {
        let column = target.column(*index);
        let makes_rows = target.mode != WriteMode::Update;
        let is_needed = makes_rows && !column.nullable && !column.has_default;
        target.key.contains(index) || target.guard == Some(*index) || is_needed
    };
    (0..target.written.len()).filter(is_required).collect()
}

/// What the key, or a header, may fill. Its fields that are no key columns are not wanted.
fn key_columns(target: &Target, key: KeySource, rules: Rules) -> SideColumns {
    let apart = key.columns_apart(target);
    // Of a delete the guard can only be in the key, or a header.
    let has_guard = matches!(key, KeySource::Record | KeySource::Headers);
    let is_guard = |written| has_guard && target.guard == Some(written);
    let accepted = accepts(target, |written| {
        apart.contains(&written) || is_guard(written)
    });
    let mut columns = SideColumns::new(accepted, UnknownFields::Ignore, rules, target);
    columns.single = match target.key.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    columns
}

/// What the value may fill: a key field's value wins over a value field of the same name.
fn value_columns(
    target: &Target,
    key: KeySource,
    rules: Rules,
    keys: &SinkKeys,
    filter: FieldFilter,
) -> SideColumns {
    let apart = key.columns_apart(target);
    let unknown = match keys.auto_evolve {
        true => UnknownFields::Fail,
        false => keys.unknown_fields,
    };
    let accepted = accepts(target, |written| !apart.contains(&written));
    let mut columns =
        SideColumns::new(accepted, unknown, rules, target).filtering(filter, apart, target);
    columns.set_unavailable(Unavailable::of(keys));
    columns.second = keys.unknown_fields;
    columns.asides = Asides::new(keys);
    columns.wants_before = keys.key_mode == KeyMode::RecordValue;
    columns.single = target
        .table
        .column_index(&keys.single_value_column)
        .and_then(|column| columns.accepts[column]);
    columns
}

const NO_KEY: &str = "the record has no key, and pk.mode=record_key takes the row's key from it";

fn push(
    target: &Target,
    column: usize,
    field: &str,
    value: &Value<'_>,
    rules: Rules,
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
    let fitted = fit::fit(value, &definition.column_type, rules).map_err(|rule| failed(&rule))?;
    rows.columns[column]
        .push(fitted.cell())
        .map_err(|mismatch| failed(&mismatch.to_string()))
}

#[cfg(test)]
mod tests;
