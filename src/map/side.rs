//! One side of a record, its key or its value, into cells.

use std::sync::Arc;

use rowdock_connectors::{TableRows, Target};

use super::filter::FieldFilter;
use super::names::{FieldNames, FieldRule};
use super::push;
use crate::config::connector::{Converter, UnknownFields};
use crate::decode::envelope::{self, Opener};
use crate::decode::json::{self, WalkError};
use crate::record::{RecordError, Schema, Stage, Value};

mod owned;

/// Reads one side of a record: its key or its value.
#[derive(Debug)]
pub(super) struct SideReader {
    stage: Stage,
    format: Format,
    unknown: UnknownFields,
    filter: FieldFilter,
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

impl SideReader {
    pub(super) fn new(
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
            filter: FieldFilter::default(),
            accepts,
            names: Vec::new(),
        }
    }

    /// Fields that the filter does not want are left out on purpose, and so are value fields that
    /// have a key column's name.
    pub(super) fn filtering(
        mut self,
        filter: FieldFilter,
        key_columns: &[usize],
        target: &Target,
    ) -> Self {
        for (column, accepted) in self.accepts.iter_mut().enumerate() {
            let is_key = accepted.is_some_and(|written| target.key.contains(&written));
            if !is_key && !filter.wants(&target.table.columns[column].name) {
                *accepted = None;
            }
        }
        debug_assert!(
            key_columns
                .iter()
                .all(|key| !self.accepts.contains(&Some(*key)))
        );
        self.filter = filter;
        self
    }

    /// Changes what a field without a column means; returns what it meant before.
    pub(super) fn set_unknown(&mut self, unknown: UnknownFields) -> UnknownFields {
        std::mem::replace(&mut self.unknown, unknown)
    }

    /// Reads an object's fields into the row. `false`: there is no object, but null.
    pub(super) fn read_object(
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
    pub(super) fn read_key(
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
            Some(schema) => envelope::read(schema, raw),
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
            let kind = schema.type_name();
            return Err(self.failed(format!("the schema is {kind}, not a struct with fields")));
        }
        self.choose_names(schema);
        let stage = self.stage;
        let unknown = self.unknown;
        let (accepts, filter) = (&self.accepts, &self.filter);
        let Some((_, names)) = self.names.first_mut() else {
            return Ok(());
        };
        names.start_record();
        let row = rows.len();
        let walked = json::walk_object(body, |name, raw| {
            let rule = names.rule(name, |name| rule_of(name, schema, accepts, filter, target));
            let (column, field) = match rule {
                FieldRule::Column { column, field } => (column, field),
                FieldRule::Unwanted => return Ok(()),
                FieldRule::Unknown if unknown == UnknownFields::Ignore => return Ok(()),
                FieldRule::Unknown => return Err(unknown_field(name, target)),
            };
            let field_schema = field.and_then(|field| Some(&schema?.fields()?[field].schema));
            let value = match field_schema {
                Some(field_schema) => envelope::read(field_schema, raw),
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
            let value = envelope::missing(&field.schema)
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
    filter: &FieldFilter,
    target: &Target,
) -> FieldRule {
    let field = schema
        .and_then(|schema| schema.fields())
        .and_then(|fields| fields.iter().position(|field| *field.name == *name));
    match target.table.column_index(name) {
        Some(column) => match accepts[column] {
            Some(column) => FieldRule::Column { column, field },
            None => FieldRule::Unwanted,
        },
        None if !filter.wants(name) => FieldRule::Unwanted,
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
