//! Both ways of reading: field by field, and as a whole. They must agree on every input, in whether
//! it can be read and in every value.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decimal;
use crate::decode::change::Change;
use crate::decode::{Decode as _, Encoded, Format, ReadError, Visitor, tree};
use crate::record::{Datum, Kind, Logical, RawHeader, RecordError, Schema, Side, Value, json};

/// Names that are predicted one after the other, rightly or wrongly: many are in the corpus.
const PREDICTED: [&str; 8] = ["id", "note", "price", "paid", "before", "after", "a", "op"];

/// What was found: values by name, each in a form that is the same for both ways.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Place of the name that is predicted next.
    predicted: Option<usize>,
    is_object: bool,
    schema: Option<Arc<Schema>>,
    /// Of a name that comes twice the last value counts.
    values: BTreeMap<String, String>,
    change: Option<Change>,
}

/// Reads an input both ways; what came out, in a few words.
pub(super) fn check(format: &mut Format, bytes: &[u8]) -> String {
    let headers: &Vec<RawHeader> = &Vec::new();
    let encoded = Encoded { bytes, headers };
    if !format.is_ready(encoded) {
        return "not ready".to_owned();
    }
    let (read, direct) = read_directly(format, encoded, None);
    let (predicted, with_predictions) = read_directly(format, encoded, Some(0));
    assert_eq!(read, predicted, "predicting names changes the outcome");
    assert_eq!(direct.values, with_predictions.values, "and the values");
    let whole = format.whole(encoded).and_then(|side| format.unwrap(side));
    match (read, whole) {
        (Err(error), Err(other)) => {
            let reason = match error {
                ReadError::Malformed(reason) => reason,
                ReadError::Refused(error) => error.to_string(),
            };
            without_digits(&format!("{reason} / {other}"))
        }
        (Ok(()), Ok((side, change))) => {
            let whole = Found::of(&side, change);
            // The schema is the same one, and comparing it by value would take long.
            assert_eq!(
                (direct.is_object, &direct.values, direct.change),
                (whole.is_object, &whole.values, whole.change),
                "field by field (left) is not as a whole (right)"
            );
            kinds(&direct)
        }
        (Ok(()), Err(reason)) if looks_less(format, &direct, &reason) => without_digits(&reason),
        (read, whole) => panic!("field by field: {read:?}; as a whole: {whole:?}"),
    }
}

fn read_directly(
    format: &mut Format,
    encoded: Encoded<'_>,
    predicted: Option<usize>,
) -> (Result<(), ReadError>, Found) {
    let mut found = Found {
        schema: format.schema(encoded).ok().flatten(),
        predicted,
        ..Found::default()
    };
    (format.read(encoded, &mut found), found)
}

/// Reading field by field looks at less: of a change event only at its row, and into what has parts
/// without a schema only as far as its grammar.
fn looks_less(format: &Format, direct: &Found, reason: &str) -> bool {
    let has_parts = direct
        .values
        .values()
        .any(|value| value.starts_with("json:"));
    matches!(format, Format::ChangeEvents(_))
        || (has_parts && reason.contains("an escape that is no character"))
}

fn kinds(found: &Found) -> String {
    let kind = |value: &String| value.split(':').next().unwrap_or_default().to_owned();
    let kinds: Vec<String> = found.values.values().map(kind).collect();
    format!("{:?} {} {}", found.change, found.is_object, kinds.join(","))
}

fn without_digits(reason: &str) -> String {
    reason
        .chars()
        .filter(|character| !character.is_ascii_digit())
        .collect()
}

impl Found {
    fn of(side: &Side, change: Option<Change>) -> Self {
        let mut found = Self {
            change,
            ..Self::default()
        };
        if change.is_some() {
            return found;
        }
        match &side.datum {
            Datum::Struct(value) => {
                found.is_object = true;
                let fields = value.schema().fields().unwrap_or_default();
                for (field, datum) in fields.iter().zip(value.values()) {
                    found.put(&field.name, datum, Some(&field.schema));
                }
            }
            Datum::Map(map) if side.schema.is_none() => {
                found.is_object = true;
                map.iter()
                    .for_each(|(name, datum)| found.put(name, datum, None));
            }
            datum => found.put("", datum, side.schema.as_deref()),
        }
        found
    }

    fn put(&mut self, name: &str, datum: &Datum, schema: Option<&Schema>) {
        let value = match datum.value_of(schema) {
            Ok(value) => canonical(&value, schema),
            Err(reason) => format!("cannot be written: {reason}"),
        };
        self.values.insert(name.to_owned(), value);
    }
}

impl Visitor for Found {
    type Slot = Option<usize>;

    fn object(&mut self, schema: Option<&Arc<Schema>>) {
        self.is_object = true;
        self.schema = schema.cloned();
    }

    fn predicted(&self) -> Option<(&str, Option<Self::Slot>)> {
        let name = PREDICTED[self.predicted? % PREDICTED.len()];
        Some((name, Some(None)))
    }

    fn follow(&mut self) {
        self.predicted = self.predicted.map(|place| place + 1);
    }

    fn wants(
        &mut self,
        name: &str,
        index: Option<usize>,
    ) -> Result<Option<Self::Slot>, RecordError> {
        if self.predicted.is_some() {
            let place = PREDICTED.iter().position(|known| *known == name);
            self.predicted = Some(place.map_or(0, |place| place + 1));
        }
        Ok(Some(index))
    }

    fn field(
        &mut self,
        slot: Self::Slot,
        name: &str,
        value: &Value<'_>,
    ) -> Result<(), RecordError> {
        let fields = self.schema.as_ref().and_then(|schema| schema.fields());
        let field = fields
            .zip(slot)
            .and_then(|(fields, index)| fields.get(index));
        let canonical = canonical(value, field.map(|field| &*field.schema));
        self.values.insert(name.to_owned(), canonical);
        Ok(())
    }

    fn single(&mut self, value: &Value<'_>) -> Result<(), RecordError> {
        let canonical = canonical(value, self.schema.as_deref());
        self.values.insert(String::new(), canonical);
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), RecordError> {
        self.change = Some(change);
        Ok(())
    }
}

/// The kind of a value, a colon, and its content, whichever way it was read.
fn canonical(value: &Value<'_>, schema: Option<&Schema>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("bool:{value}"),
        Value::Number(text) if is_decimal(schema) => decimal_of(text),
        Value::Number(text) => number(text, schema),
        Value::Text(text) => number_or_text(text, schema),
        Value::Int(number) => format!("int:{number}"),
        Value::Float32(number) => format!("float:{:?}", f64::from(*number)),
        Value::Float64(number) => format!("float:{number:?}"),
        Value::Json(text) => format!("json:{}", plain_json(text)),
        Value::Bytes(bytes) => format!("bytes:{bytes:?}"),
        Value::Decimal(text) => decimal_of(text),
        Value::Date(days) => format!("date:{days}"),
        Value::Time(nanos) => format!("time:{nanos}"),
        Value::Timestamp(at) => format!("timestamp:{at:?}"),
        Value::LocalTimestamp(at) => format!("local timestamp:{at:?}"),
        Value::Uuid(bytes) => format!("text:{}", uuid::Uuid::from_bytes(*bytes)),
    }
}

fn is_decimal(schema: Option<&Schema>) -> bool {
    schema.is_some_and(|schema| matches!(schema.logical, Logical::Decimal { .. }))
}

fn decimal_of(text: &str) -> String {
    match decimal::plain(text) {
        Some(plain) if plain.contains('.') => {
            let trimmed = plain.trim_end_matches('0').trim_end_matches('.');
            format!("decimal:{trimmed}")
        }
        Some(plain) => format!("decimal:{plain}"),
        None => format!("decimal:too long:{text}"),
    }
}

fn number(text: &str, schema: Option<&Schema>) -> String {
    match schema.map(|schema| &schema.kind) {
        Some(Kind::Float32) => format!("float:{:?}", f64::from(text.parse::<f32>().unwrap())),
        Some(Kind::Float64) => format!("float:{:?}", text.parse::<f64>().unwrap()),
        _ => match text.parse::<i64>() {
            Ok(number) => format!("int:{number}"),
            Err(_) => format!("number:{text}"),
        },
    }
}

/// JSON has no such numbers as NaN, which are texts there.
fn number_or_text(text: &str, schema: Option<&Schema>) -> String {
    match schema.map(|schema| &schema.kind) {
        Some(Kind::Float32 | Kind::Float64) => number(text, schema),
        _ => format!("text:{text}"),
    }
}

/// Without spaces, and of a name that comes twice with the last value.
fn plain_json(text: &str) -> String {
    match tree::read(text, None, true) {
        Ok(datum) => json::text(&datum, None).unwrap(),
        Err(_) => text.to_owned(),
    }
}
