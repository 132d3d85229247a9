//! Values in Connect's data model, owned: what transforms work on.
//!
//! Nothing is lost on the way in: integers stay integers, numbers without a schema that no integer
//! holds keep their literal text, decimals their scale, and times their nanoseconds. To SQL columns
//! a datum goes as a [`Value`], like a field that was read directly.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rowdock_connectors::Timestamp;

use super::meaning::Meaning;
use super::schema::Schema;
use super::{Value, debezium, json};

/// A value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are Connect's own")]
pub enum Datum {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    /// A number without a schema that is no 64-bit integer, as written. Transforms take it for a
    /// float64, as Connect does; left alone, it arrives as it was.
    Number(String),
    String(String),
    Bytes(Vec<u8>),
    /// Plain notation; see [`crate::decimal`].
    Decimal(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    Timestamp(Timestamp),
    Array(Vec<Datum>),
    /// A map whose keys are texts; an object without a schema.
    Map(Map),
    /// A map with other keys.
    Entries(Vec<(Datum, Datum)>),
    Struct(Struct),
}

/// Values by name, in their order, no name twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    entries: Vec<(String, Datum)>,
}

/// Values of a struct's fields, in the schema's order, as many as it has fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    schema: Arc<Schema>,
    values: Vec<Datum>,
}

/// With fewer names than this, looking through them is faster than hashing.
const NAMES_TO_HASH: usize = 24;

impl Datum {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Int8(_) | Self::Int16(_) | Self::Int32(_) | Self::Int64(_) => "an integer",
            Self::Float32(_) | Self::Float64(_) | Self::Number(_) => "a number",
            Self::String(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::Timestamp(_) => "a timestamp",
            Self::Array(_) => "an array",
            Self::Map(_) | Self::Entries(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }

    /// It as one field's value. Collections become JSON.
    ///
    /// # Errors
    /// When a collection holds a date that is outside the calendar.
    pub fn value(&self) -> Result<Value<'_>, &'static str> {
        self.value_of(None)
    }

    /// The same for a value of this schema, whose name may tell that a text is JSON, a number a time, or a
    /// date and time what a clock shows.
    ///
    /// # Errors
    /// As [`value`](Self::value); and for a decimal that is absurdly long, or a number that is no such time.
    pub fn value_of(&self, schema: Option<&Schema>) -> Result<Value<'_>, &'static str> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Bool(*value),
            Self::Int8(value) => Value::Int(i64::from(*value)),
            Self::Int16(value) => Value::Int(i64::from(*value)),
            Self::Int32(value) => integer(i64::from(*value), schema)?,
            Self::Int64(value) => integer(*value, schema)?,
            Self::Float32(value) => Value::Float32(*value),
            Self::Float64(value) => Value::Float64(*value),
            Self::Number(text) => Value::Number(text),
            Self::String(text) if schema.is_some_and(Schema::is_json_text) => {
                Value::Json(Cow::Borrowed(text))
            }
            Self::String(text) => Value::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            Self::Decimal(text) => Value::Decimal(Cow::Borrowed(text)),
            Self::Date(days) => Value::Date(*days),
            Self::Time(nanos) => Value::Time(*nanos),
            Self::Timestamp(at) if schema.is_some_and(Schema::is_local) => {
                Value::LocalTimestamp(*at)
            }
            Self::Timestamp(at) => Value::Timestamp(*at),
            Self::Struct(value) => match debezium::single(value) {
                Some(single) => single?,
                None => Value::Json(Cow::Owned(json::text(self, schema)?)),
            },
            Self::Array(_) | Self::Map(_) | Self::Entries(_) => {
                Value::Json(Cow::Owned(json::text(self, schema)?))
            }
        })
    }

    /// Null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

fn integer(number: i64, schema: Option<&Schema>) -> Result<Value<'static>, &'static str> {
    let meaning = schema
        .filter(|schema| schema.is_debezium_time())
        .and_then(Meaning::of_schema);
    match meaning {
        Some(meaning) => meaning.of_integer(number),
        None => Ok(Value::Int(number)),
    }
}

impl Map {
    /// From names and values; of a repeated name the first place and the last value count, as
    /// everywhere in JSON.
    pub fn from_entries(entries: Vec<(String, Datum)>) -> Self {
        if entries.len() < NAMES_TO_HASH {
            let mut map = Self {
                entries: Vec::with_capacity(entries.len()),
            };
            for (name, value) in entries {
                map.insert(name, value);
            }
            return map;
        }
        let mut places = HashMap::with_capacity(entries.len());
        let mut kept: Vec<(String, Datum)> = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            match places.get(&name) {
                Some(place) => {
                    let place: usize = *place;
                    kept[place].1 = value;
                }
                None => {
                    places.insert(name.clone(), kept.len());
                    kept.push((name, value));
                }
            }
        }
        Self { entries: kept }
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        let found = self.entries.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// The value of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Datum> {
        let found = self.entries.iter_mut().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// Sets a name's value; a new name goes to the end.
    pub fn insert(&mut self, name: impl Into<String> + AsRef<str>, value: Datum) {
        match self.get_mut(name.as_ref()) {
            Some(place) => *place = value,
            None => self.entries.push((name.into(), value)),
        }
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &str) -> Option<Datum> {
        let place = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(place).1)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Names and values in order.
    pub fn into_entries(self) -> Vec<(String, Datum)> {
        self.entries
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No names.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Struct {
    /// A struct of this schema; as many values as the schema has fields. Missing ones are null,
    /// and values without a field are left out.
    pub fn new(schema: Arc<Schema>, mut values: Vec<Datum>) -> Self {
        let fields = schema.fields().map_or(0, <[_]>::len);
        debug_assert_eq!(values.len(), fields, "one value per field");
        values.resize(fields, Datum::Null);
        Self { schema, values }
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The value of a field, as it is: null is not replaced by the default.
    pub fn raw(&self, index: usize) -> &Datum {
        self.values.get(index).unwrap_or(&Datum::Null)
    }

    /// The value of a field, the default in the place of null.
    pub fn get(&self, index: usize) -> &Datum {
        let value = self.raw(index);
        if !value.is_null() {
            return value;
        }
        let field = self.schema.fields().and_then(|fields| fields.get(index));
        field
            .and_then(|field| field.schema.default.as_ref())
            .unwrap_or(value)
    }

    /// Takes the value of a field out, the default in the place of null. Null stays behind.
    pub fn take(&mut self, index: usize) -> Datum {
        match self.values.get_mut(index) {
            Some(value) if !value.is_null() => std::mem::replace(value, Datum::Null),
            _ => self.get(index).clone(),
        }
    }

    /// The value of a field by name, with or without `defaults` in the place of null. `None`: no
    /// such field.
    pub fn get_named(&self, name: &str, defaults: bool) -> Option<&Datum> {
        let (index, _) = self.schema.field(name)?;
        Some(if defaults {
            self.get(index)
        } else {
            self.raw(index)
        })
    }

    /// Values in the schema's order, nulls as they are.
    pub fn values(&self) -> &[Datum] {
        &self.values
    }

    /// Values in the schema's order, with or without `defaults` in the place of nulls.
    pub fn into_values(mut self, defaults: bool) -> Vec<Datum> {
        if !defaults {
            return self.values;
        }
        let fields = self.schema.fields().unwrap_or_default();
        for (field, value) in fields.iter().zip(&mut self.values) {
            if value.is_null()
                && let Some(default) = &field.schema.default
            {
                *value = default.clone();
            }
        }
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::schema::{Field, Kind};

    #[test]
    fn of_repeated_names_the_first_place_and_the_last_value_count() {
        for count in [3, NAMES_TO_HASH * 2] {
            let entries = (0..count).map(|index| (format!("n{}", index % 2), index));
            let map = Map::from_entries(
                entries
                    .map(|(name, index)| (name, Datum::Int64(i64::try_from(index).unwrap())))
                    .collect(),
            );
            let names: Vec<_> = map.iter().map(|(name, _)| name.to_owned()).collect();
            assert_eq!(names, ["n0", "n1"]);
            let last = i64::try_from(count - 1).unwrap();
            let even = last - last % 2;
            assert_eq!(map.get("n0"), Some(&Datum::Int64(even)));
        }
    }

    #[test]
    fn a_structs_null_stands_for_the_default() {
        let with_default = Schema {
            default: Some(Datum::Int8(7)),
            ..Schema::new(Kind::Int8)
        };
        let field = |name: &str, schema: Schema| Field {
            name: name.into(),
            schema: Arc::new(schema),
        };
        let schema = Schema::new(Kind::Struct(vec![
            field("a", with_default),
            field("b", Schema::new(Kind::Int8).optional()),
        ]));
        let value = Struct::new(Arc::new(schema), vec![Datum::Null, Datum::Null]);
        assert_eq!(value.get_named("a", true), Some(&Datum::Int8(7)));
        assert_eq!(value.get_named("b", true), Some(&Datum::Null));
        assert_eq!(value.get_named("c", true), None);
        assert_eq!(value.raw(0), &Datum::Null);
        assert_eq!(value.into_values(true), [Datum::Int8(7), Datum::Null]);
    }
}
