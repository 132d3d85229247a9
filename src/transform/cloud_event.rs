//! Debezium's `ConvertCloudEventToSaveableForm`: chosen fields of a CloudEvent as columns, its data
//! as one text in JSON.

use std::sync::Arc;

use super::{Applied, Fault, Transform, fault, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{
    Datum, Field, Kind, Map, OwnedRecord, Schema, SchemaCache, Side, Struct, json,
};

/// Fields that every CloudEvent has.
const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];
const DATA: &str = "data";
const ENVELOPE: &str = "CloudEvents.Envelope";

/// See the module.
#[derive(Debug)]
pub(super) struct CloudEvent {
    columns: Vec<Column>,
    form: Form,
    schemas: SchemaCache<Arc<Schema>>,
}

#[derive(Debug)]
struct Column {
    field: String,
    name: Arc<str>,
}

/// How CloudEvents are written.
#[derive(Debug)]
enum Form {
    /// As objects without a schema.
    Json,
    /// As structs with this schema; `None`: with one whose name ends with [`ENVELOPE`].
    Avro(Option<String>),
}

impl CloudEvent {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let mut columns: Vec<Column> = Vec::new();
        for item in options.list(&keys::CLOUD_EVENT_FIELDS) {
            let mut parts = item.split(':');
            let field = parts.next().filter(|field| !field.is_empty());
            let field = field
                .ok_or_else(|| format!("no name of a field: {item}"))
                .map_err(fault(&keys::CLOUD_EVENT_FIELDS))?;
            let name = parts.next().filter(|name| !name.is_empty());
            columns.retain(|known| known.field != field);
            columns.push(Column {
                field: field.to_owned(),
                name: name.unwrap_or(field).into(),
            });
        }
        let serializer = options.text(&keys::CLOUD_EVENT_SERIALIZER);
        let is_json = serializer.is_some_and(|name| name.eq_ignore_ascii_case("json"));
        Ok(Self {
            columns,
            form: match is_json {
                true => Form::Json,
                false => Form::Avro(options.text(&keys::CLOUD_EVENT_SCHEMA).map(str::to_owned)),
            },
            schemas: SchemaCache::default(),
        })
    }

    fn of_map(&self, event: &Map) -> Result<Side, String> {
        let mut fields = Vec::new();
        let mut values = Vec::new();
        for column in &self.columns {
            let datum = match event.get(&column.field) {
                Some(Datum::String(text)) => Datum::String(text.clone()),
                Some(data @ Datum::Map(_)) if column.field == DATA => text_of(payload(data))?,
                None | Some(Datum::Null) => {
                    return Err(format!("the CloudEvent's {} is null", column.field));
                }
                Some(other) => {
                    let (field, kind) = (&column.field, other.kind());
                    return Err(format!("the CloudEvent's {field} is {kind}"));
                }
            };
            object::add_field(&mut fields, column.of(Arc::new(Schema::new(Kind::String))))?;
            values.push(datum);
        }
        let schema = Arc::new(Schema::new(Kind::Struct(fields)));
        Ok(object::struct_side(Struct::new(schema, values)))
    }

    fn of_struct(&mut self, event: &Struct) -> Result<Side, String> {
        let columns = &self.columns;
        let schema = self
            .schemas
            .get(event.schema(), || schema_of(columns, event.schema()))?;
        let values = self.columns.iter().map(|column| {
            let found = event.get_named(&column.field, true);
            match found.unwrap_or(&Datum::Null) {
                data @ Datum::Struct(_) if column.field == DATA => text_of(data),
                other => Ok(other.clone()),
            }
        });
        let values: Result<Vec<Datum>, String> = values.collect();
        Ok(object::struct_side(Struct::new(schema, values?)))
    }
}

impl Column {
    fn of(&self, schema: Arc<Schema>) -> Field {
        Field {
            name: Arc::clone(&self.name),
            schema,
        }
    }
}

impl Transform for CloudEvent {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        let value = &record.value;
        let changed = match (&self.form, &value.schema, &value.datum) {
            (Form::Json, None, Datum::Map(event))
                if REQUIRED.iter().all(|name| event.get(name).is_some()) =>
            {
                self.of_map(event)?
            }
            (Form::Avro(name), Some(schema), Datum::Struct(event))
                if is_named(schema, name.as_deref())
                    && REQUIRED.iter().all(|name| schema.field(name).is_some()) =>
            {
                self.of_struct(event)?
            }
            _ => return Ok(Some(record)),
        };
        record.value = changed;
        Ok(Some(record))
    }
}

fn is_named(schema: &Schema, wanted: Option<&str>) -> bool {
    let name = schema.name.as_deref().unwrap_or_default();
    match wanted {
        Some(wanted) => name == wanted,
        None => name.ends_with(ENVELOPE),
    }
}

fn schema_of(columns: &[Column], event: &Schema) -> Result<Arc<Schema>, String> {
    let mut fields = Vec::new();
    for column in columns {
        let (_, field) = event
            .field(&column.field)
            .ok_or_else(|| format!("Unknown field: {}", column.field))?;
        let is_document = column.field == DATA && field.schema.fields().is_some();
        let schema = match is_document {
            true => Arc::new(Schema::new(Kind::String)),
            false => Arc::clone(&field.schema),
        };
        object::add_field(&mut fields, column.of(schema))?;
    }
    Ok(Arc::new(Schema::new(Kind::Struct(fields))))
}

/// Data may have a schema beside it.
fn payload(data: &Datum) -> &Datum {
    match data {
        Datum::Map(map) if map.len() == 2 && map.get("schema").is_some() => {
            map.get("payload").unwrap_or(data)
        }
        _ => data,
    }
}

fn text_of(data: &Datum) -> Result<Datum, String> {
    json::text(data, None)
        .map(Datum::String)
        .map_err(str::to_owned)
}
