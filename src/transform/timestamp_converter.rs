//! `TimestampConverter`: between texts, Unix times, and Connect's dates, times and timestamps.
//!
//! What is finer than a millisecond is kept wherever the target can hold it; Kafka Connect cuts it
//! off. A text has what its pattern says.

use std::sync::Arc;

use rowdock_connectors::Timestamp;

use super::date_format::DateFormat;
use super::object::{self, Object};
use super::{About, Fault, SideTransform, fault, moment, now};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::schema::{LOGICAL_DATE, LOGICAL_TIME, LOGICAL_TIMESTAMP};
use crate::record::{Datum, Field, Kind, Schema, SchemaCache, Side, Struct};

const PURPOSE: &str = "converting timestamp formats";

const OUT_OF_RANGE: &str = "the timestamp is out of range";

/// See the module.
#[derive(Debug)]
pub(super) struct TimestampConverter {
    /// `None`: the whole key or value.
    field: Option<String>,
    conversion: Conversion,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

#[derive(Debug)]
struct Conversion {
    target: Form,
    format: Option<DateFormat>,
    parts_per_second: i64,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl TimestampConverter {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let target = match options.text(&keys::TIMESTAMP_TARGET) {
            Some("string") => Form::Text,
            Some("unix") => Form::Unix,
            Some("Date") => Form::Date,
            Some("Time") => Form::Time,
            _ => Form::Timestamp,
        };
        let key = &keys::TIMESTAMP_FORMAT;
        let format = match options.text(key) {
            Some(pattern) => Some(DateFormat::compile(pattern, now()).map_err(|reason| {
                fault(key)(format!(
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string \
                     timestamps: {reason}"
                ))
            })?),
            None if target == Form::Text => {
                return Err(fault(key)(
                    "TimestampConverter requires format option to be specified when using string \
                     timestamps"
                        .to_owned(),
                ));
            }
            None => None,
        };
        let parts_per_second = match options.text(&keys::TIMESTAMP_PRECISION) {
            Some("seconds") => 1,
            Some("microseconds") => 1_000_000,
            Some("nanoseconds") => 1_000_000_000,
            _ => 1_000,
        };
        Ok(Self {
            field: options.text(&keys::TIMESTAMP_FIELD).map(str::to_owned),
            conversion: Conversion {
                target,
                format,
                parts_per_second,
            },
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }

    fn whole(&mut self, side: Side) -> Result<Side, String> {
        let conversion = &self.conversion;
        let Some(basis) = &side.schema else {
            return conversion.convert(side.datum, None).map(Side::schemaless);
        };
        let form = Form::of_schema(basis)?;
        let schema = self.schemas.get(basis, || {
            Ok::<_, String>(Arc::new(conversion.target.schema(basis.optional)))
        })?;
        Ok(Side {
            schema: Some(schema),
            datum: conversion.convert(side.datum, Some(form))?,
        })
    }

    fn field(&mut self, side: Side, name: &str) -> Result<Side, String> {
        let conversion = &self.conversion;
        if let (Some(basis), Datum::Null) = (&side.schema, &side.datum) {
            let schema = self
                .schemas
                .get(basis, || converted(basis, name, conversion.target))?;
            return Ok(Side {
                schema: Some(schema),
                datum: Datum::Null,
            });
        }
        let within = |reason: String| format!("field \"{name}\": {reason}");
        match object::required(side, PURPOSE)? {
            Object::Map(mut map) => {
                let value = match map.get_mut(name) {
                    Some(place) => std::mem::replace(place, Datum::Null),
                    None => Datum::Null,
                };
                map.insert(name, conversion.convert(value, None).map_err(within)?);
                Ok(Side::schemaless(Datum::Map(map)))
            }
            Object::Struct(value) => {
                let basis = Arc::clone(value.schema());
                let schema = self
                    .schemas
                    .get(&basis, || converted(&basis, name, conversion.target))?;
                let mut values = value.into_values(self.defaults);
                if let Some((index, field)) = basis.field(name) {
                    let form = Form::of_schema(&field.schema).map_err(within)?;
                    let old = std::mem::replace(&mut values[index], Datum::Null);
                    values[index] = conversion.convert(old, Some(form)).map_err(within)?;
                }
                Ok(object::struct_side(Struct::new(schema, values)))
            }
        }
    }
}

impl SideTransform for TimestampConverter {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        match self.field.clone() {
            None => self.whole(side),
            Some(_) if side.datum.is_null() && side.schema.is_none() => Ok(side),
            Some(name) => self.field(side, &name),
        }
    }
}

fn converted(basis: &Schema, name: &str, target: Form) -> Result<Arc<Schema>, String> {
    let Some(fields) = basis.fields() else {
        return Err(object::no_struct(&Datum::Null, PURPOSE));
    };
    let fields = fields.iter().map(|field| {
        if *field.name != *name {
            return field.clone();
        }
        Field {
            name: Arc::clone(&field.name),
            schema: Arc::new(target.schema(field.schema.optional)),
        }
    });
    let schema = object::schema_like(basis, Kind::Struct(fields.collect()))?;
    Ok(Arc::new(Schema {
        optional: basis.optional,
        ..schema
    }))
}

impl Conversion {
    fn convert(&self, value: Datum, form: Option<Form>) -> Result<Datum, String> {
        if value.is_null() {
            return Ok(Datum::Null);
        }
        let form = match form {
            Some(form) => form,
            None => Form::of_value(&value)?,
        };
        let at = self.read(&value, form)?;
        if !moment::is_countable(at) {
            return Err(OUT_OF_RANGE.to_owned());
        }
        self.write(at).ok_or_else(|| OUT_OF_RANGE.to_owned())
    }

    fn read(&self, value: &Datum, form: Form) -> Result<Timestamp, String> {
        match (form, value) {
            (Form::Text, Datum::String(text)) => {
                let format = self.format.as_ref().ok_or(
                    "a text needs the option format, which says how its date and time are written",
                )?;
                format.parse(text).ok_or_else(|| {
                    "Could not parse timestamp: the text does not match the pattern of format"
                        .to_owned()
                })
            }
            (Form::Unix, Datum::Int64(value)) => {
                Ok(moment::from_scaled(*value, self.parts_per_second))
            }
            (Form::Date | Form::Time | Form::Timestamp, value) => {
                moment::of(value).ok_or_else(|| format!("{} is no date or time", value.kind()))
            }
            (_, other) => Err(format!("{} is no timestamp", other.kind())),
        }
    }

    fn write(&self, at: Timestamp) -> Option<Datum> {
        match self.target {
            Form::Text => Some(Datum::String(self.format.as_ref()?.format(at))),
            Form::Unix => moment::scaled(at, self.parts_per_second).map(Datum::Int64),
            Form::Date => moment::date(at),
            Form::Time => Some(moment::time(at)),
            Form::Timestamp => Some(Datum::Timestamp(at)),
        }
    }
}

impl Form {
    fn schema(self, optional: bool) -> Schema {
        let schema = match self {
            Self::Text => Schema::new(Kind::String),
            Self::Unix => Schema::new(Kind::Int64),
            Self::Date => Schema::date(),
            Self::Time => Schema::time(),
            Self::Timestamp => Schema::timestamp(),
        };
        Schema { optional, ..schema }
    }

    fn of_schema(schema: &Schema) -> Result<Self, String> {
        match (schema.name.as_deref(), &schema.kind) {
            (Some(LOGICAL_TIMESTAMP), _) => Ok(Self::Timestamp),
            (Some(LOGICAL_DATE), _) => Ok(Self::Date),
            (Some(LOGICAL_TIME), _) => Ok(Self::Time),
            (_, Kind::String) => Ok(Self::Text),
            (_, Kind::Int64) => Ok(Self::Unix),
            _ => Err(format!(
                "a schema of type {} does not correspond to a known timestamp type format",
                schema.type_name()
            )),
        }
    }

    fn of_value(value: &Datum) -> Result<Self, String> {
        match value {
            Datum::Date(_) | Datum::Time(_) | Datum::Timestamp(_) => Ok(Self::Timestamp),
            Datum::Int64(_) => Ok(Self::Unix),
            Datum::String(_) => Ok(Self::Text),
            other => Err(format!(
                "TimestampConverter does not support {} as a timestamp",
                other.kind()
            )),
        }
    }
}
