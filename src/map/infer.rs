//! The table for records that have none yet (`auto.create`).
//!
//! With a schema, the schema says it. Without, the first records do: the union of their fields,
//! each with the narrowest type that holds all values seen. A field that was only ever null
//! becomes text.

use std::collections::HashMap;

use rowdock_connectors::{ColumnType, NewColumn, NewTable, TableName};

use super::filter::FieldFilter;
use super::plan::KAFKA_KEY_COLUMNS;
use crate::config::connector::{Converter, KeyMode, SinkKeys};
use crate::decode::envelope::Opener;
use crate::decode::json;
use crate::record::{Datum, Kind, Logical, OwnedRecord, RawRecord, Schema, Side, Value};

/// The table that fits these records.
///
/// # Errors
/// When no table can be made of them: says why.
pub fn table(
    name: TableName,
    records: &[RawRecord<'_>],
    keys: &SinkKeys,
    key_converter: &Converter,
    value_converter: &Converter,
) -> Result<NewTable, String> {
    let mut value_columns = Columns::default();
    let mut key_columns = Columns::default();
    let mut value_opener = opener(value_converter);
    let mut key_opener = opener(key_converter);
    for record in records {
        if let Some(text) = record.value.and_then(|bytes| json::text(bytes).ok()) {
            value_columns.learn(text, value_opener.as_mut(), None);
        }
        if let Some(text) = record.key.and_then(|bytes| json::text(bytes).ok())
            && keys.key_mode == KeyMode::RecordKey
        {
            let primitive = keys.key_fields.first().map(String::as_str);
            match key_converter {
                Converter::String => key_columns.see(primitive.unwrap_or_default(), Some(TEXT)),
                Converter::Json { .. } => key_columns.learn(text, key_opener.as_mut(), primitive),
            }
        }
    }
    if value_columns.order.is_empty() {
        return Err(no_fields(&name));
    }
    assemble(name, value_columns, key_columns, keys)
}

/// The table that fits these records, as transforms made them.
///
/// # Errors
/// When no table can be made of them: says why.
pub fn table_of_owned(
    name: TableName,
    records: &[OwnedRecord],
    keys: &SinkKeys,
) -> Result<NewTable, String> {
    let mut value_columns = Columns::default();
    let mut key_columns = Columns::default();
    for record in records {
        value_columns.learn_side(&record.value, None);
        if keys.key_mode == KeyMode::RecordKey {
            let primitive = keys.key_fields.first().map(String::as_str);
            key_columns.learn_side(&record.key, primitive);
        }
    }
    if value_columns.order.is_empty() {
        return Err(no_fields(&name));
    }
    assemble(name, value_columns, key_columns, keys)
}

fn no_fields(name: &TableName) -> String {
    format!(
        "table {name} does not exist and cannot be created from the first records: none of \
         them is an object with fields"
    )
}

const TEXT: ColumnType = ColumnType::Text { max_chars: None };

fn opener(converter: &Converter) -> Option<Opener> {
    match converter {
        Converter::Json {
            schemas_enable: true,
            schemas_cache_size,
        } => Some(Opener::new(*schemas_cache_size)),
        _ => None,
    }
}

fn assemble(
    name: TableName,
    values: Columns,
    key_fields: Columns,
    keys: &SinkKeys,
) -> Result<NewTable, String> {
    let filter = FieldFilter::new(&keys.fields_include, &keys.fields_exclude);
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
        return Err(format!(
            "table {name} cannot be created: pk.fields must name the key's columns"
        ));
    }
    for (position, key) in primary_key.iter().enumerate() {
        let column_type = match keys.key_mode {
            KeyMode::Kafka => [TEXT, ColumnType::Int32, ColumnType::Int64]
                .get(position)
                .cloned()
                .unwrap_or(TEXT),
            KeyMode::RecordKey => key_fields.column_type(key).ok_or_else(|| {
                format!("table {name} cannot be created: no record has key field \"{key}\"")
            })?,
            _ => values.column_type(key).ok_or_else(|| {
                format!("table {name} cannot be created: no record has field \"{key}\", which pk.fields names")
            })?,
        };
        columns.push(NewColumn {
            name: key.clone(),
            column_type,
            nullable: false,
        });
    }
    for field in &values.order {
        if filter.wants(field) && !primary_key.contains(field) {
            columns.push(NewColumn {
                name: field.clone(),
                column_type: values.column_type(field).unwrap_or(TEXT),
                nullable: values.nullable(field),
            });
        }
    }
    Ok(NewTable {
        name,
        columns,
        primary_key,
    })
}

/// What is known of the fields so far.
#[derive(Default)]
struct Columns {
    order: Vec<String>,
    types: HashMap<String, Option<ColumnType>>,
    /// Fields that a schema requires.
    required: HashMap<String, bool>,
}

impl Columns {
    fn column_type(&self, field: &str) -> Option<ColumnType> {
        self.types
            .get(field)
            .map(|known| known.clone().unwrap_or(TEXT))
    }

    fn nullable(&self, field: &str) -> bool {
        !self.required.get(field).copied().unwrap_or(false)
    }

    /// Learns from one side of a record; what cannot be read teaches nothing. `primitive` names
    /// the column of a value that is no object.
    fn learn(&mut self, text: &str, opener: Option<&mut Opener>, primitive: Option<&str>) {
        let (schema, body) = match opener {
            Some(opener) => match opener.open(text) {
                Ok((schema, body)) => (schema, body),
                Err(_) => return,
            },
            None => (None, text),
        };
        match schema.as_deref() {
            Some(schema) => self.learn_schema(schema, primitive),
            None => self.learn_values(body, primitive),
        }
    }

    fn learn_schema(&mut self, schema: &Schema, primitive: Option<&str>) {
        match (schema.fields(), primitive) {
            (Some(fields), _) => {
                for field in fields {
                    self.see(&field.name, Some(column_type(&field.schema)));
                    let required = !field.schema.optional && field.schema.default.is_none();
                    self.required
                        .entry(field.name.to_string())
                        .and_modify(|known| *known &= required)
                        .or_insert(required);
                }
            }
            (None, Some(name)) => self.see(name, Some(column_type(schema))),
            (None, None) => {}
        }
    }

    fn learn_side(&mut self, side: &Side, primitive: Option<&str>) {
        match (&side.datum, &side.schema) {
            (Datum::Struct(value), _) => self.learn_schema(value.schema(), primitive),
            (Datum::Map(map), _) => {
                for (name, datum) in map.iter() {
                    self.see(
                        name,
                        datum.value().map_or(Some(TEXT), |value| value_type(&value)),
                    );
                }
            }
            (_, Some(schema)) => self.learn_schema(schema, primitive),
            (datum, None) => {
                if let (Some(name), Ok(value)) = (primitive, datum.value()) {
                    self.see(name, value_type(&value));
                }
            }
        }
    }

    fn learn_values(&mut self, body: &str, primitive: Option<&str>) {
        let mut found = Vec::new();
        let walked = json::walk_object(body, |name, raw| {
            let value = json::value(raw)?;
            found.push((name.to_owned(), value_type(&value)));
            Ok::<(), String>(())
        });
        if walked.is_ok() {
            for (name, column_type) in found {
                self.see(&name, column_type);
            }
            return;
        }
        if let (Some(name), Ok(raw)) = (primitive, json::check_value(body))
            && let Ok(value) = json::value(raw)
        {
            self.see(name, value_type(&value));
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
        Value::Timestamp(_) => Some(ColumnType::Timestamp),
        Value::Text(_) => Some(TEXT),
    }
}

fn widest(one: Option<ColumnType>, other: Option<ColumnType>) -> Option<ColumnType> {
    let is_number = |column_type: &ColumnType| {
        matches!(
            column_type,
            ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. }
        )
    };
    match (one, other) {
        (None, known) | (known, None) => known,
        (Some(one), Some(other)) if one == other => Some(one),
        (Some(ColumnType::Int64), Some(other)) if is_number(&other) => Some(other),
        (Some(one), Some(ColumnType::Int64)) if is_number(&one) => Some(one),
        (Some(one), Some(other)) if is_number(&one) && is_number(&other) => {
            Some(ColumnType::Decimal {
                precision: None,
                scale: None,
            })
        }
        (Some(ColumnType::Json), Some(_)) | (Some(_), Some(ColumnType::Json)) => {
            Some(ColumnType::Json)
        }
        _ => Some(TEXT),
    }
}

pub(super) fn column_type(schema: &Schema) -> ColumnType {
    match (schema.logical, &schema.kind) {
        (Logical::Decimal { .. }, _) => ColumnType::Decimal {
            precision: None,
            scale: None,
        },
        (Logical::Date, _) => ColumnType::Date,
        (Logical::Time, _) => ColumnType::Time,
        (Logical::Timestamp, _) => ColumnType::Timestamp,
        (Logical::None, kind) => match kind {
            Kind::Int8 | Kind::Int16 => ColumnType::Int16,
            Kind::Int32 => ColumnType::Int32,
            Kind::Int64 => ColumnType::Int64,
            Kind::Float32 => ColumnType::Float32,
            Kind::Float64 => ColumnType::Float64,
            Kind::Boolean => ColumnType::Bool,
            Kind::String => TEXT,
            Kind::Bytes => ColumnType::Bytes,
            Kind::Array(_) | Kind::Map { .. } | Kind::Struct(_) => ColumnType::Json,
        },
    }
}
