//! The table for records that have none yet (`auto.create`).
//!
//! With a schema, the schema says it. Without, the first records do: the union of their fields,
//! each with the narrowest type that holds all values seen. A field that was only ever null
//! becomes text.
//!
//! A topic may begin with records of which no table can be made: deletes of rows that compaction
//! has removed since, values that cannot be read. They are accounted for without a table
//! ([`without_table`]), and those behind them say what it is.

use std::collections::HashMap;
use std::sync::Arc;

use rowdock_connectors::{
    ColumnType, DefaultValue, NewColumn, NewTable, Special, TableName, evolve,
};

use super::DELETE_NOT_ENABLED;
use super::declared::Declared;
use super::filter::FieldFilter;
use super::plan;
use crate::config::connector::{KAFKA_KEY_COLUMNS, KeyMode, SinkKeys};
use crate::decode::{Decode as _, Encoded, Format, Visitor, header};
use crate::record::{
    Change, Datum, Header, OwnedRecord, RawRecord, RecordError, Schema, Side, Stage, Value,
};

mod default;
mod schema;

pub(super) use default::default_value;
pub(super) use schema::{column_type, wraps};

/// Why no table can be made of the first records.
#[derive(Debug, PartialEq)]
pub enum NoTable {
    /// Every one of them lacks what a table needs; others may have it.
    Records(String),
    /// Whatever the records are.
    Settings(String),
}

/// The table that fits these records of a topic.
///
/// # Errors
/// When no table can be made of them: says why.
pub fn table(
    topic: &str,
    records: &[RawRecord<'_>],
    keys: &SinkKeys,
    key_format: &mut Format,
    value_format: &mut Format,
) -> Result<NewTable, NoTable> {
    let mut value_columns = Columns::default();
    let mut key_columns = Columns::default();
    let single_keys = keys.key_fields.first().map_or("", String::as_str);
    for record in records {
        if let Some(encoded) = Encoded::value(record) {
            value_columns.learn(encoded, value_format, &keys.single_value_column, "");
        }
        if let Some(encoded) = Encoded::key(record)
            && keys.key_mode == KeyMode::RecordKey
        {
            key_columns.learn(encoded, key_format, single_keys, single_keys);
        }
        if keys.key_mode == KeyMode::RecordHeader {
            let headers = record.headers.headers().into_iter();
            let read = headers.filter_map(|raw| header::read(keys.header_converter, raw).ok());
            key_columns.learn_headers(read);
        }
    }
    assemble(topic, value_columns, key_columns, keys)
}

/// The table that fits these records of a topic, as transforms made them.
///
/// # Errors
/// When no table can be made of them: says why.
pub fn table_of_owned(
    topic: &str,
    records: &[OwnedRecord],
    keys: &SinkKeys,
) -> Result<NewTable, NoTable> {
    let mut value_columns = Columns::default();
    let mut key_columns = Columns::default();
    for record in records {
        value_columns.learn_side(&record.value, &keys.single_value_column, "");
        if keys.key_mode == KeyMode::RecordKey {
            let single = keys.key_fields.first().map_or("", String::as_str);
            key_columns.learn_side(&record.key, single, single);
        }
        if keys.key_mode == KeyMode::RecordHeader {
            key_columns.learn_headers(record.headers.iter().cloned());
        }
    }
    assemble(topic, value_columns, key_columns, keys)
}

/// What becomes of a record that waits for a table which cannot be made of it (`reason`), as it was
/// decoded, and unwrapped if it is a change event. `Ok`: nothing, its position moves on.
///
/// # Errors
/// When it cannot be stored: it is bad.
pub fn without_table(
    record: &OwnedRecord,
    keys: &SinkKeys,
    reason: &str,
) -> Result<(), RecordError> {
    let deletes = match record.change {
        // There is nothing to empty.
        Some(Change::Nothing | Change::Truncate) => return Ok(()),
        Some(Change::Delete) => true,
        None => record.value.datum.is_null(),
    };
    let bad = |reason| Err(RecordError::new(Stage::TaskPut, reason));
    match deletes {
        false => bad(reason.to_owned()),
        true if !keys.delete_enabled && !keys.change_events => bad(DELETE_NOT_ENABLED.to_owned()),
        // What was deleted when has to be remembered: a late record must not bring it back.
        true if keys.delete_enabled && keys.guard_field.is_some() => bad(format!(
            "{reason}; the record is a delete, which upsert.guard.field needs a table to remember"
        )),
        // There is nothing to delete.
        true => Ok(()),
    }
}

fn no_fields(name: &TableName) -> String {
    format!(
        "table {name} does not exist and cannot be created from the first records: none of \
         them is an object with fields"
    )
}

fn lacking(name: &TableName, what: &str) -> NoTable {
    NoTable::Records(format!(
        "table {name} does not exist and cannot be created: no record has {what}"
    ))
}

fn no_columns(name: &TableName) -> String {
    format!(
        "table {name} does not exist and cannot be created: fields.whitelist or \
         fields.exclude.list leaves out every field"
    )
}

const TEXT: ColumnType = ColumnType::Text { max_chars: None };

fn assemble(
    topic: &str,
    values: Columns,
    key_fields: Columns,
    keys: &SinkKeys,
) -> Result<NewTable, NoTable> {
    let name = plan::table_name(keys, topic);
    if values.order.is_empty() {
        return Err(NoTable::Records(no_fields(&name)));
    }
    let filter = FieldFilter::new(keys, topic);
    let declared = Declared::new(keys);
    let mut columns: Vec<NewColumn> = Vec::new();
    let primary_key: Vec<String> = match keys.key_mode {
        KeyMode::None => Vec::new(),
        KeyMode::Kafka if keys.key_fields.is_empty() => KAFKA_KEY_COLUMNS
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        KeyMode::RecordKey if keys.key_fields.is_empty() => key_fields.order.clone(),
        KeyMode::RecordValue if keys.key_fields.is_empty() => values.order.clone(),
        _ => keys.key_fields.clone(),
    };
    if keys.key_mode != KeyMode::None && primary_key.is_empty() {
        if keys.key_mode == KeyMode::RecordKey && !key_fields.seen {
            return Err(lacking(&name, "a key"));
        }
        return Err(NoTable::Settings(format!(
            "table {name} cannot be created: pk.fields must name the key's columns"
        )));
    }
    for (position, key) in primary_key.iter().enumerate() {
        let column_type = match keys.key_mode {
            KeyMode::Kafka => [TEXT, ColumnType::Int32, ColumnType::Int64]
                .get(position)
                .cloned()
                .unwrap_or(TEXT),
            KeyMode::RecordKey => key_fields
                .column_type(key)
                .ok_or_else(|| lacking(&name, &format!("key field \"{key}\"")))?,
            KeyMode::RecordHeader => key_fields
                .column_type(key)
                .ok_or_else(|| lacking(&name, &format!("header \"{key}\"")))?,
            _ => values.column_type(key).ok_or_else(|| {
                lacking(&name, &format!("field \"{key}\", which pk.fields names"))
            })?,
        };
        let column_type = key_type(column_type);
        let default = match keys.key_mode {
            KeyMode::RecordKey => key_fields.default_value(key, &column_type, keys),
            KeyMode::RecordValue => values.default_value(key, &column_type, keys),
            KeyMode::None | KeyMode::Kafka | KeyMode::RecordHeader => None,
        };
        columns.push(NewColumn {
            name: column_name(key, keys),
            column_type,
            nullable: false,
            default,
        });
    }
    for field in &values.order {
        let is_wanted = filter.wants(field) && declared.needs_column(field);
        if is_wanted && !primary_key.contains(field) {
            let (column_type, default) = match declared.time_type(field) {
                // What its default means is said elsewhere: by the config, or by another field.
                Some(time) => (time, None),
                None => {
                    let column_type = values.column_type(field).unwrap_or(TEXT);
                    let default = values.default_value(field, &column_type, keys);
                    (column_type, default)
                }
            };
            let column = NewColumn {
                name: column_name(field, keys),
                column_type,
                nullable: values.nullable(field),
                default,
            };
            push_column(&mut columns, column, primary_key.len(), keys);
        }
    }
    if columns.is_empty() {
        return Err(NoTable::Settings(no_columns(&name)));
    }
    Ok(NewTable {
        name,
        columns,
        primary_key: primary_key
            .iter()
            .map(|key| column_name(key, keys))
            .collect(),
    })
}

/// Fields that are one column to the database make one that holds any of them; a record that has several is
/// refused by its mapping. The first `key_columns` are as they are.
fn push_column(
    columns: &mut Vec<NewColumn>,
    column: NewColumn,
    key_columns: usize,
    keys: &SinkKeys,
) {
    let is_same = |known: &NewColumn| match keys.columns_ignore_case {
        true => known.name.eq_ignore_ascii_case(&column.name),
        false => known.name == column.name,
    };
    match columns.iter().position(is_same) {
        None => columns.push(column),
        Some(place) if place < key_columns => {}
        Some(place) => {
            let known = &mut columns[place];
            let both = widest(Some(known.column_type.clone()), Some(column.column_type));
            known.column_type = both.unwrap_or(TEXT);
            known.nullable = true;
        }
    }
}

/// Keys are compared and indexed, which not every special type can be, or not by what its texts say.
fn key_type(column_type: ColumnType) -> ColumnType {
    match &column_type {
        ColumnType::Special {
            kind: Special::Whole { .. } | Special::UnsignedLong,
            ..
        } => column_type,
        other => other.plain().clone(),
    }
}

/// What the column of a field is called.
pub(super) fn column_name(field: &str, keys: &SinkKeys) -> String {
    match keys.folds_names {
        true => field.to_ascii_lowercase(),
        false => field.to_owned(),
    }
}

/// What is known of the fields so far.
#[derive(Default)]
struct Columns {
    /// Some record has this side.
    seen: bool,
    order: Vec<String>,
    types: HashMap<String, Option<ColumnType>>,
    /// Fields that a schema requires.
    required: HashMap<String, bool>,
    /// The last schema of each field: that has its default.
    schemas: HashMap<String, Arc<Schema>>,
}

impl Columns {
    fn column_type(&self, field: &str) -> Option<ColumnType> {
        self.types
            .get(field)
            .map(|known| known.clone().unwrap_or(TEXT))
    }

    fn default_value(
        &self,
        field: &str,
        column_type: &ColumnType,
        keys: &SinkKeys,
    ) -> Option<DefaultValue> {
        default_value(self.schemas.get(field)?, column_type, keys.zone)
    }

    fn nullable(&self, field: &str) -> bool {
        !self.required.get(field).copied().unwrap_or(false)
    }

    /// Learns from one side of a record; what cannot be read teaches nothing. `single` names the
    /// column of a side that is no object by its schema, `schemaless` that of one that just looks
    /// like it; without a name such a side teaches nothing either.
    fn learn(&mut self, encoded: Encoded<'_>, format: &mut Format, single: &str, schemaless: &str) {
        self.seen = true;
        match format.schema(encoded) {
            Ok(Some(schema)) => self.learn_schema(&schema, single),
            Ok(None) => {
                let mut found = Found {
                    single: schemaless,
                    fields: Vec::new(),
                };
                if format.read(encoded, &mut found).is_ok() {
                    for (name, column_type) in found.fields {
                        self.see(&name, column_type);
                    }
                }
            }
            Err(_) => {}
        }
    }

    fn learn_schema(&mut self, schema: &Schema, single: &str) {
        let Some(fields) = schema.fields() else {
            if !single.is_empty() {
                self.see(single, Some(column_type(schema)));
            }
            return;
        };
        // What one schema has and another has not is required by neither.
        for (known, required) in &mut self.required {
            *required &= schema.field(known).is_some();
        }
        let is_first = self.required.is_empty();
        for field in fields {
            self.see(&field.name, Some(column_type(&field.schema)));
            let known = Arc::clone(&field.schema);
            self.schemas.insert(field.name.to_string(), known);
            let required = !field.schema.optional && field.schema.default.is_none();
            let required = required && (is_first || self.required.contains_key(&*field.name));
            self.required
                .entry(field.name.to_string())
                .and_modify(|known| *known &= required)
                .or_insert(required);
        }
    }

    /// The same from what transforms made of a side.
    fn learn_side(&mut self, side: &Side, single: &str, schemaless: &str) {
        self.seen |= !side.datum.is_null();
        match (&side.datum, &side.schema) {
            (Datum::Struct(value), _) => self.learn_schema(value.schema(), single),
            (Datum::Map(map), None) => {
                for (name, datum) in map.iter() {
                    self.see(
                        name,
                        datum.value().map_or(Some(TEXT), |value| value_type(&value)),
                    );
                }
            }
            (_, Some(schema)) => self.learn_schema(schema, single),
            (datum, None) => {
                if let (false, Ok(value)) = (schemaless.is_empty(), datum.value()) {
                    self.see(schemaless, value_type(&value));
                }
            }
        }
    }

    fn learn_headers(&mut self, headers: impl Iterator<Item = Header>) {
        for header in headers {
            let column_type = match (&header.schema, header.datum.value()) {
                (Some(schema), _) => Some(column_type(schema)),
                (None, Ok(value)) => value_type(&value),
                (None, Err(_)) => Some(TEXT),
            };
            self.see(&header.name, column_type);
        }
    }

    fn see(&mut self, name: &str, column_type: Option<ColumnType>) {
        match self.types.get_mut(name) {
            None => {
                self.order.push(name.to_owned());
                self.types.insert(name.to_owned(), column_type);
            }
            Some(known) => *known = widest(known.take(), column_type),
        }
    }
}

/// The fields of a record without a schema, with the narrowest types of their values.
struct Found<'a> {
    single: &'a str,
    fields: Vec<(String, Option<ColumnType>)>,
}

impl Visitor for Found<'_> {
    type Slot = ();

    fn object(&mut self, _schema: Option<&Arc<Schema>>) {}

    fn wants(&mut self, _name: &str, _index: Option<usize>) -> Result<Option<()>, RecordError> {
        Ok(Some(()))
    }

    fn field(&mut self, _slot: (), name: &str, value: &Value<'_>) -> Result<(), RecordError> {
        self.fields.push((name.to_owned(), value_type(value)));
        Ok(())
    }

    fn single(&mut self, value: &Value<'_>) -> Result<(), RecordError> {
        if !self.single.is_empty() && *value != Value::Null {
            self.fields
                .push((self.single.to_owned(), value_type(value)));
        }
        Ok(())
    }
}

/// The type of a column for such values; `None` for null.
pub(super) fn value_type(value: &Value<'_>) -> Option<ColumnType> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(ColumnType::Bool),
        Value::Number(text) if text.parse::<i64>().is_ok() => Some(ColumnType::Int64),
        Value::Number(text)
            if text
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit()) =>
        {
            Some(ColumnType::Decimal {
                precision: None,
                scale: None,
            })
        }
        Value::Int(_) => Some(ColumnType::Int64),
        Value::Number(_) | Value::Float32(_) | Value::Float64(_) => Some(ColumnType::Float64),
        Value::Json(_) => Some(ColumnType::Json),
        Value::Bytes(_) => Some(ColumnType::Bytes),
        Value::Decimal(_) => Some(ColumnType::Decimal {
            precision: None,
            scale: None,
        }),
        Value::Date(_) => Some(ColumnType::Date),
        Value::Time(_) => Some(ColumnType::Time),
        Value::Timestamp(_) | Value::LocalTimestamp(_) => Some(ColumnType::Timestamp),
        Value::Uuid(_) => Some(ColumnType::Uuid),
        Value::Text(_) => Some(TEXT),
    }
}

/// The narrowest type that holds values of both; text holds all.
fn widest(one: Option<ColumnType>, other: Option<ColumnType>) -> Option<ColumnType> {
    use ColumnType::{Decimal, Float32, Float64, Int16, Int32, Int64, Json};
    let (one, other) = match (one, other) {
        (None, known) | (known, None) => return known,
        (Some(one), Some(other)) if one == other => return Some(one),
        (Some(one), Some(other)) => (one.plain().clone(), other.plain().clone()),
    };
    Some(match (&one, &other) {
        _ if one == other => one,
        (Json, _) | (_, Json) => Json,
        (Int16 | Int32 | Int64, Float32 | Float64) | (Float32 | Float64, Int16 | Int32 | Int64) => {
            Float64
        }
        (Decimal { .. }, Float32 | Float64) | (Float32 | Float64, Decimal { .. }) => Decimal {
            precision: None,
            scale: None,
        },
        _ => evolve::widened(&one, &other)
            .or_else(|| evolve::widened(&other, &one))
            .unwrap_or(TEXT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_for_two_records_holds_both() {
        use ColumnType::{Bool, Bytes, Date, Float32, Float64, Int16, Int32, Int64, Json};
        let decimal = |digits: Option<(u32, u32)>| ColumnType::Decimal {
            precision: digits.map(|(precision, _)| precision),
            scale: digits.map(|(_, scale)| scale),
        };
        let text = |max_chars| ColumnType::Text { max_chars };
        let year = ColumnType::or_plain(Special::Year, Int32);
        let check = |one: ColumnType, other: ColumnType, expected: ColumnType| {
            for (one, other) in [(&one, &other), (&other, &one)] {
                let found = widest(Some(one.clone()), Some(other.clone()));
                assert_eq!(found.as_ref(), Some(&expected), "{one} and {other}");
            }
            assert_eq!(widest(None, Some(one.clone())), Some(one));
        };
        check(Int32, Int32, Int32);
        check(Int16, Int32, Int32);
        check(Int32, Int64, Int64);
        check(Int32, Float64, Float64);
        check(Int16, Float32, Float64);
        check(Float32, Float64, Float64);
        check(Int64, decimal(None), decimal(None));
        check(Float64, decimal(Some((9, 2))), decimal(None));
        check(
            decimal(Some((9, 2))),
            decimal(Some((9, 4))),
            decimal(Some((11, 4))),
        );
        check(text(Some(5)), text(Some(9)), text(Some(9)));
        check(text(Some(5)), TEXT, TEXT);
        check(Json, Int64, Json);
        check(Date, Int64, TEXT);
        check(Bool, Int32, TEXT);
        check(Bytes, Date, TEXT);
        check(year.clone(), year.clone(), year.clone());
        check(year.clone(), Int32, Int32);
        check(year, Int64, Int64);
    }
}
