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

pub mod fit;
pub mod infer;
mod names;
pub mod plan;

use std::sync::Arc;

use rowdock_connectors::{Cell, Origin, TableRows, Target};

use crate::config::connector::{Converter, KeyMode, SinkKeys, UnknownFields};
use crate::decode::envelope::{Opener, Schema};
use crate::decode::json::{self, WalkError};
use crate::record::{RawRecord, RecordError, Stage, Value};
use names::{FieldNames, FieldRule};

/// Turns records of one topic into rows of one table.
#[derive(Debug)]
pub struct TopicMapper {
    target: Arc<Target>,
    key: KeySource,
    key_reader: SideReader,
    value_reader: SideReader,
    delete_enabled: bool,
    /// Written columns that must have a value: key, and NOT NULL without a default.
    required: Vec<usize>,
}

/// Where the key's cells come from.
#[derive(Debug, Clone)]
enum KeySource {
    /// No key, or key fields among the value's fields.
    Value,
    /// Written columns of topic, partition and offset.
    Kafka([usize; 3]),
    /// The record's key; written column of a primitive key, when there is just one.
    Record { primitive: Option<usize> },
}

/// Reads one side of a record: its key or its value.
#[derive(Debug)]
struct SideReader {
    stage: Stage,
    format: Format,
    unknown: UnknownFields,
    /// Written columns that fields of this side may fill, by column of the table.
    accepts: Vec<Option<usize>>,
    /// Field names seen, per schema; the current one first. `None`: without schema.
    names: Vec<(Option<Arc<Schema>>, FieldNames)>,
}

#[derive(Debug)]
enum Format {
    Json,
    Envelope(Opener),
    String,
}

/// More schemas than versions of one topic that are live at once.
const SCHEMAS_AT_HAND: usize = 8;

impl TopicMapper {
    /// A mapper for this target. `target` comes from [`plan::target`].
    pub fn new(
        target: Arc<Target>,
        keys: &SinkKeys,
        key_converter: &Converter,
        value_converter: &Converter,
    ) -> Self {
        let key = match keys.key_mode {
            KeyMode::None | KeyMode::RecordValue => KeySource::Value,
            KeyMode::Kafka => match target.key.as_slice() {
                [topic, partition, offset] => KeySource::Kafka([*topic, *partition, *offset]),
                _ => KeySource::Value,
            },
            KeyMode::RecordKey => KeySource::Record {
                primitive: match target.key.as_slice() {
                    [only] => Some(*only),
                    _ => None,
                },
            },
        };
        let key_columns: &[usize] = match &key {
            KeySource::Value => &[],
            KeySource::Kafka(_) | KeySource::Record { .. } => &target.key,
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
        let required = (0..target.written.len())
            .filter(|index| {
                let column = target.column(*index);
                target.key.contains(index) || (!column.nullable && !column.has_default)
            })
            .collect();
        Self {
            // A key field's value wins over a value field of the same name, and fields of the key
            // that are no key columns are not wanted.
            key_reader: SideReader::new(
                Stage::KeyConverter,
                key_converter,
                UnknownFields::Ignore,
                accepts(&|written| key_columns.contains(&written)),
            ),
            value_reader: SideReader::new(
                Stage::ValueConverter,
                value_converter,
                keys.unknown_fields,
                accepts(&|written| !key_columns.contains(&written)),
            )
            .ignoring(&keys.fields_include, key_columns, &target),
            delete_enabled: keys.delete_enabled,
            required,
            key,
            target,
        }
    }

    /// The table and columns that are written.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Appends the record's row. `origin` says where it came from; its `delete` is set here.
    ///
    /// # Errors
    /// When the record cannot be read or does not fit; `rows` is then as before.
    pub fn map(
        &mut self,
        record: &RawRecord<'_>,
        origin: Origin,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let mapped = self.fill(record, rows);
        match mapped {
            Ok(delete) => {
                rows.finish_row(Origin { delete, ..origin });
                Ok(())
            }
            Err(error) => {
                rows.roll_back_row();
                Err(error)
            }
        }
    }

    /// Fills the row's cells; says whether the record is a delete.
    fn fill(&mut self, record: &RawRecord<'_>, rows: &mut TableRows) -> Result<bool, RecordError> {
        match &self.key {
            KeySource::Value => {}
            KeySource::Kafka(columns) => {
                let columns = *columns;
                self.fill_coordinates(columns, record, rows)?;
            }
            KeySource::Record { primitive } => {
                let primitive = *primitive;
                self.fill_key(primitive, record, rows)?;
            }
        }
        let text = match record.value {
            Some(bytes) => json::text(bytes)
                .map_err(|reason| RecordError::new(Stage::ValueConverter, reason))?,
            None => "null",
        };
        let filled = self.value_reader.read_object(text, &self.target, rows)?;
        if !filled {
            return self.check_delete(rows);
        }
        self.check_required(rows)?;
        Ok(false)
    }

    fn check_delete(&self, rows: &TableRows) -> Result<bool, RecordError> {
        if !self.delete_enabled {
            return Err(RecordError::new(
                Stage::TaskPut,
                "the record has no value: a delete; set delete.enabled=true with \
                 pk.mode=record_key to apply deletes",
            ));
        }
        for index in &self.target.key {
            self.check_present(*index, rows)?;
        }
        Ok(true)
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
        let present = column.len() > row && !matches!(column.get(row), Cell::Null | Cell::Absent);
        if present {
            return Ok(());
        }
        let definition = self.target.column(index);
        let role = if self.target.key.contains(&index) {
            "is part of the key"
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
        let partition = record.partition.to_string();
        let offset = record.offset.to_string();
        let values = [
            Value::Text(record.topic.into()),
            Value::Number(&partition),
            Value::Number(&offset),
        ];
        for (column, value) in columns.iter().zip(&values) {
            push(&self.target, *column, "kafka coordinates", value, rows)?;
        }
        Ok(())
    }

    fn fill_key(
        &mut self,
        primitive: Option<usize>,
        record: &RawRecord<'_>,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let failed = |reason: String| RecordError::new(Stage::KeyConverter, reason);
        let Some(bytes) = record.key else {
            return Err(RecordError::new(
                Stage::TaskPut,
                "the record has no key, and pk.mode=record_key takes the row's key from it",
            ));
        };
        let text = json::text(bytes).map_err(failed)?;
        self.key_reader
            .read_key(text, primitive, &self.target, rows)
    }
}

impl SideReader {
    fn new(
        stage: Stage,
        converter: &Converter,
        unknown: UnknownFields,
        accepts: Vec<Option<usize>>,
    ) -> Self {
        let format = match converter {
            Converter::Json {
                schemas_enable: true,
                schemas_cache_size,
            } => Format::Envelope(Opener::new(*schemas_cache_size)),
            Converter::Json { .. } => Format::Json,
            Converter::String => Format::String,
        };
        Self {
            stage,
            format,
            unknown,
            accepts,
            names: Vec::new(),
        }
    }

    /// With `fields.whitelist`, or when the key has columns of its own, other fields are left out
    /// on purpose and are no unknown fields.
    fn ignoring(mut self, include: &[String], key_columns: &[usize], target: &Target) -> Self {
        if !include.is_empty() {
            self.unknown = UnknownFields::Ignore;
            for (column, accepted) in self.accepts.iter_mut().enumerate() {
                let name = &target.table.columns[column].name;
                let wanted = include.iter().any(|field| field.eq_ignore_ascii_case(name));
                let is_key = accepted.is_some_and(|written| target.key.contains(&written));
                if !wanted && !is_key {
                    *accepted = None;
                }
            }
        }
        debug_assert!(
            key_columns
                .iter()
                .all(|key| !self.accepts.contains(&Some(*key)))
        );
        self
    }

    /// Reads an object's fields into the row. `false`: there is no object, but null.
    fn read_object(
        &mut self,
        text: &str,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<bool, RecordError> {
        let (schema, body) = self.open(text)?;
        if body.trim_ascii() == "null" {
            return Ok(false);
        }
        if matches!(self.format, Format::String) {
            return Err(self.failed("the value is plain text, not an object with fields"));
        }
        self.read_fields(schema.as_ref(), body, target, rows)?;
        Ok(true)
    }

    /// Reads a key: an object's fields, or one primitive for one column.
    fn read_key(
        &mut self,
        text: &str,
        primitive: Option<usize>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        if matches!(self.format, Format::String) {
            return self.push_primitive(&Value::Text(text.into()), primitive, target, rows);
        }
        let (schema, body) = self.open(text)?;
        if body.trim_ascii_start().starts_with('{') {
            return self.read_fields(schema.as_ref(), body, target, rows);
        }
        let raw = json::check_value(body).map_err(|reason| self.failed(reason))?;
        let value = match &schema {
            Some(schema) => schema.read(raw),
            None => json::value(raw),
        };
        let value = value.map_err(|reason| self.failed(reason))?;
        self.push_primitive(&value, primitive, target, rows)
    }

    fn push_primitive(
        &self,
        value: &Value<'_>,
        primitive: Option<usize>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        match primitive {
            Some(column) => push(target, column, "the record's key", value, rows),
            None => {
                Err(self
                    .failed("a primitive key fills one column, but the table's key has several"))
            }
        }
    }

    fn open<'a>(&mut self, text: &'a str) -> Result<(Option<Arc<Schema>>, &'a str), RecordError> {
        match &mut self.format {
            // A null value has no envelope either.
            Format::Envelope(opener) if text != "null" => opener
                .open(text)
                .map_err(|reason| RecordError::new(self.stage, reason)),
            _ => Ok((None, text)),
        }
    }

    fn read_fields(
        &mut self,
        schema: Option<&Arc<Schema>>,
        body: &str,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        if let Some(schema) = schema
            && schema.fields().is_none()
        {
            let kind = schema.kind.name();
            return Err(self.failed(format!("the schema is {kind}, not a struct with fields")));
        }
        self.choose_names(schema);
        let stage = self.stage;
        let unknown = self.unknown;
        let accepts = &self.accepts;
        let Some((_, names)) = self.names.first_mut() else {
            return Ok(());
        };
        names.start_record();
        let row = rows.len();
        let walked = json::walk_object(body, |name, raw| {
            let rule = names.rule(name, |name| rule_of(name, schema, accepts, target));
            let (column, field) = match rule {
                FieldRule::Column { column, field } => (column, field),
                FieldRule::Unwanted => return Ok(()),
                FieldRule::Unknown if unknown == UnknownFields::Ignore => return Ok(()),
                FieldRule::Unknown => return Err(unknown_field(name, target)),
            };
            let field_schema = field.and_then(|field| Some(&schema?.fields()?[field].schema));
            let value = match field_schema {
                Some(field_schema) => field_schema.read(raw),
                None => json::value(raw),
            };
            let value = value
                .map_err(|reason| RecordError::new(stage, format!("field \"{name}\": {reason}")))?;
            // Of a repeated field the last one counts, as everywhere in JSON.
            rows.columns[column].truncate(row);
            push(target, column, name, &value, rows)
        });
        match walked {
            Ok(()) => {}
            Err(WalkError::Field(error)) => return Err(error),
            Err(WalkError::Malformed(reason)) => return Err(self.failed(reason)),
        }
        match schema {
            Some(schema) => self.fill_missing(schema, target, rows),
            None => Ok(()),
        }
    }

    /// With a schema, a missing field is its default or null, not "not there".
    fn fill_missing(
        &self,
        schema: &Schema,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let row = rows.len();
        for field in schema.fields().unwrap_or_default() {
            let column = target
                .table
                .column_index(&field.name)
                .and_then(|column| self.accepts[column]);
            let Some(column) = column.filter(|column| rows.columns[*column].len() == row) else {
                continue;
            };
            let value = field
                .schema
                .missing()
                .map_err(|reason| self.failed(format!("field \"{}\": {reason}", field.name)))?;
            push(target, column, &field.name, &value, rows)?;
        }
        Ok(())
    }

    /// Brings the names of this schema to the front.
    fn choose_names(&mut self, schema: Option<&Arc<Schema>>) {
        let same = |known: &Option<Arc<Schema>>| match (known, schema) {
            (Some(known), Some(schema)) => Arc::ptr_eq(known, schema),
            (None, None) => true,
            _ => false,
        };
        match self.names.iter().position(|(known, _)| same(known)) {
            Some(0) => {}
            Some(found) => self.names[..=found].rotate_right(1),
            None => {
                self.names.truncate(SCHEMAS_AT_HAND - 1);
                self.names
                    .insert(0, (schema.cloned(), FieldNames::default()));
            }
        }
    }

    fn failed(&self, reason: impl Into<String>) -> RecordError {
        RecordError::new(self.stage, reason)
    }
}

fn rule_of(
    name: &str,
    schema: Option<&Arc<Schema>>,
    accepts: &[Option<usize>],
    target: &Target,
) -> FieldRule {
    let field = schema
        .and_then(|schema| schema.fields())
        .and_then(|fields| fields.iter().position(|field| field.name == name));
    match target.table.column_index(name) {
        Some(column) => match accepts[column] {
            Some(column) => FieldRule::Column { column, field },
            None => FieldRule::Unwanted,
        },
        None => FieldRule::Unknown,
    }
}

fn unknown_field(name: &str, target: &Target) -> RecordError {
    RecordError::new(
        Stage::TaskPut,
        format!(
            "field \"{name}\" has no column in {}; add the column, list the wanted fields in \
             fields.whitelist, or set fields.unknown=ignore",
            target.table.name
        ),
    )
}

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
