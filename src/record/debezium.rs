//! Values that Debezium writes as structs, and that are one value to a database: decimals with a scale
//! of their own; dates, times and durations by their parts (`Structured*`, since version 3.7); sparse
//! vectors.
//!
//! Times become ISO 8601 texts, which columns of every kind of time read: the parts may be finer,
//! wider or stranger than any type of ours (`0000-00-00`, infinity).

use std::borrow::Cow;
use std::fmt::Write as _;

use super::schema::{Kind, Schema, names};
use super::{Datum, Struct, Value};
use crate::decimal;

/// What the names of times by their parts begin with. The precision, and the column that they are
/// of, may follow.
const STRUCTURED: &str = "io.debezium.time.Structured";

const PICOS_PER_SECOND: i128 = 1_000_000_000_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A struct that is one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    /// `VariableScaleDecimal`.
    Decimal,
    /// `StructuredDate`.
    Date,
    /// `StructuredTime`.
    Time,
    /// `StructuredTimestamp`.
    Timestamp,
    /// `StructuredZonedTime`.
    ZonedTime,
    /// `StructuredZonedTimestamp`.
    ZonedTimestamp,
    /// `StructuredDuration`.
    Duration,
    /// `SparseDoubleVector`.
    SparseVector,
}

impl Single {
    /// Of a struct's schema, by its name.
    pub fn of(schema: &Schema) -> Option<Self> {
        let (name, Kind::Struct(_)) = (schema.name.as_deref()?, &schema.kind) else {
            return None;
        };
        match name {
            names::VARIABLE_DECIMAL => return Some(Self::Decimal),
            names::SPARSE_VECTOR => return Some(Self::SparseVector),
            _ => {}
        }
        let kind = name.strip_prefix(STRUCTURED)?;
        // Longer names before those that they begin with.
        let kinds = [
            ("ZonedTimestamp", Self::ZonedTimestamp),
            ("ZonedTime", Self::ZonedTime),
            ("Timestamp", Self::Timestamp),
            ("Time", Self::Time),
            ("Date", Self::Date),
            ("Duration", Self::Duration),
        ];
        let found = kinds.into_iter().find(|(name, _)| kind.starts_with(name));
        found.map(|(_, single)| single)
    }
}

/// The one value that a struct stands for. `None`: it is a struct like any other.
///
/// # Errors
/// When its parts make no value.
pub fn single(structure: &Struct) -> Option<Result<Value<'static>, &'static str>> {
    let single = Single::of(structure.schema())?;
    if single == Single::Decimal {
        let decimal = variable_decimal(structure)?;
        return Some(decimal.map(|plain| Value::Decimal(Cow::Owned(plain))));
    }
    let text = match single {
        Single::SparseVector => sparse_vector(structure),
        _ => time(single, structure),
    };
    Some(text.map(|text| Value::Text(Cow::Owned(text))))
}

/// The number that it is, when it is a decimal that brings its own scale.
pub(super) fn variable_decimal(structure: &Struct) -> Option<Result<String, &'static str>> {
    if structure.schema().name.as_deref() != Some(names::VARIABLE_DECIMAL) {
        return None;
    }
    let (Datum::Int32(scale), Datum::Bytes(digits)) = (
        structure.get_named("scale", true)?,
        structure.get_named("value", true)?,
    ) else {
        return None;
    };
    Some(decimal::from_unscaled(digits, i64::from(*scale)))
}

fn time(single: Single, structure: &Struct) -> Result<String, &'static str> {
    match structure.get_named("specialValue", true) {
        Some(Datum::String(special)) if special == "POSITIVE_INFINITY" => {
            return Ok("infinity".to_owned());
        }
        Some(Datum::String(special)) if special == "NEGATIVE_INFINITY" => {
            return Ok("-infinity".to_owned());
        }
        Some(Datum::String(_)) => return Err("a special value that is not known"),
        _ => {}
    }
    let parts = Parts(structure);
    match single {
        Single::Date => parts.date(),
        Single::Time => parts.clock(),
        Single::Timestamp => Ok(format!("{}T{}", parts.date()?, parts.clock()?)),
        Single::ZonedTime => Ok(format!("{}{}", parts.clock()?, parts.offset()?)),
        Single::ZonedTimestamp => Ok(format!(
            "{}T{}{}",
            parts.date()?,
            parts.clock()?,
            parts.offset()?
        )),
        _ => Ok(parts.duration()),
    }
}

/// The fields of a structured time; those that are missing or null are 0.
struct Parts<'s>(&'s Struct);

impl Parts<'_> {
    fn given(&self, name: &str) -> Option<i64> {
        match self.0.get_named(name, true)? {
            Datum::Int8(number) => Some(i64::from(*number)),
            Datum::Int16(number) => Some(i64::from(*number)),
            Datum::Int32(number) => Some(i64::from(*number)),
            Datum::Int64(number) => Some(*number),
            _ => None,
        }
    }

    fn part(&self, name: &str) -> i64 {
        self.given(name).unwrap_or(0)
    }

    /// The fraction of the second; early versions count nanoseconds.
    fn picos(&self) -> i128 {
        match self.given("picoseconds") {
            Some(picos) => i128::from(picos),
            None => i128::from(self.part("nanos")) * 1_000,
        }
    }

    fn date(&self) -> Result<String, &'static str> {
        let year = self.given("year").ok_or("a date without its year")?;
        let (month, day) = (self.part("month"), self.part("day"));
        match year {
            0..=9_999 => Ok(format!("{year:04}-{month:02}-{day:02}")),
            year => Ok(format!("{year:+05}-{month:02}-{day:02}")),
        }
    }

    fn clock(&self) -> Result<String, &'static str> {
        let nanos = self.picos() / 1_000;
        if !(0..NANOS_PER_SECOND).contains(&nanos) {
            return Err("a fraction of more than a second");
        }
        let [hour, minute, second] = ["hour", "minute", "second"].map(|name| self.part(name));
        let mut text = format!("{hour:02}:{minute:02}:{second:02}");
        push_fraction(&mut text, nanos, 9);
        Ok(text)
    }

    fn offset(&self) -> Result<String, &'static str> {
        let seconds = match (
            self.given("offsetSeconds"),
            self.0.get_named("zoneId", true),
        ) {
            (Some(seconds), _) => seconds,
            (None, Some(Datum::String(zone))) if matches!(zone.as_str(), "Z" | "UTC" | "GMT") => 0,
            _ => return Err("a time in a zone without its distance from UTC"),
        };
        let sign = if seconds < 0 { '-' } else { '+' };
        let seconds = seconds.unsigned_abs();
        let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        Ok(match rest {
            0 => format!("{sign}{hours:02}:{minutes:02}"),
            rest => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
        })
    }

    fn duration(&self) -> String {
        let [years, months, days, hours, minutes] =
            ["years", "months", "days", "hours", "minutes"].map(|name| self.part(name));
        let seconds = i128::from(self.part("seconds")) * PICOS_PER_SECOND + self.picos();
        let sign = if seconds < 0 { "-" } else { "" };
        let picos = seconds.abs();
        let mut text = format!(
            "P{years}Y{months}M{days}DT{hours}H{minutes}M{sign}{}",
            picos / PICOS_PER_SECOND
        );
        push_fraction(&mut text, picos % PICOS_PER_SECOND / 1_000, 9);
        text.push('S');
        text
    }
}

/// `.5`, as many digits as there are.
fn push_fraction(text: &mut String, fraction: i128, digits: usize) {
    if fraction > 0 {
        let written = format!("{fraction:0digits$}");
        text.push('.');
        text.push_str(written.trim_end_matches('0'));
    }
}

/// `{1:0.5,4:2}/5`, as PostgreSQL's `sparsevec` reads it: places count from 1.
fn sparse_vector(structure: &Struct) -> Result<String, &'static str> {
    const NO_VECTOR: &str = "a sparse vector without its dimensions and places";
    let dimensions = Parts(structure).given("dimensions").ok_or(NO_VECTOR)?;
    // Avro has no maps but those of texts, so a list of pairs stands for one.
    let places: Option<Vec<_>> = match structure.get_named("vector", true) {
        Some(Datum::Entries(entries)) => entries
            .iter()
            .map(|(place, value)| place_of(Some(place), Some(value)))
            .collect(),
        Some(Datum::Array(pairs)) => pairs.iter().map(pair_of).collect(),
        _ => None,
    };
    let mut text = "{".to_owned();
    for (index, (place, value)) in places.ok_or(NO_VECTOR)?.into_iter().enumerate() {
        let separator = if index > 0 { "," } else { "" };
        write!(text, "{separator}{place}:{value}").map_err(|_| NO_VECTOR)?;
    }
    write!(text, "}}/{dimensions}").map_err(|_| NO_VECTOR)?;
    Ok(text)
}

fn pair_of(pair: &Datum) -> Option<(i16, f64)> {
    match pair {
        Datum::Struct(pair) => place_of(pair.get_named("key", true), pair.get_named("value", true)),
        _ => None,
    }
}

fn place_of(place: Option<&Datum>, value: Option<&Datum>) -> Option<(i16, f64)> {
    match (place?, value?) {
        (Datum::Int16(place), Datum::Float64(value)) => Some((*place, *value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::Field;

    fn structure(name: &str, fields: &[(&str, Datum)]) -> Struct {
        let field = |(name, datum): &(&str, Datum)| Field {
            name: (*name).into(),
            schema: Arc::new(
                Schema::new(match datum {
                    Datum::Int8(_) => Kind::Int8,
                    Datum::Int64(_) => Kind::Int64,
                    Datum::String(_) => Kind::String,
                    _ => Kind::Int32,
                })
                .optional(),
            ),
        };
        let schema = Schema::new(Kind::Struct(fields.iter().map(field).collect()));
        let schema = schema.named(Some(name.into())).unwrap();
        let values = fields.iter().map(|(_, datum)| datum.clone());
        Struct::new(Arc::new(schema), values.collect())
    }

    fn check(name: &str, fields: &[(&str, Datum)], expected: Result<&str, &str>) {
        let name = format!("io.debezium.time.Structured{name}");
        let found = single(&structure(&name, fields)).unwrap();
        let expected = expected
            .map(|text| Value::Text(text.to_owned().into()))
            .map_err(|reason| {
                assert!(found.as_ref().is_err_and(|found| found.contains(reason)));
            });
        assert_eq!(found.map_err(drop), expected, "{name}");
    }

    fn date() -> Vec<(&'static str, Datum)> {
        vec![
            ("year", Datum::Int32(2026)),
            ("month", Datum::Int8(7)),
            ("day", Datum::Int8(1)),
        ]
    }

    fn clock() -> Vec<(&'static str, Datum)> {
        vec![
            ("hour", Datum::Int8(9)),
            ("minute", Datum::Int8(5)),
            ("second", Datum::Int8(7)),
            ("picoseconds", Datum::Int64(120_000_000_999)),
        ]
    }

    #[test]
    fn times_by_their_parts_are_texts() {
        check("Date", &date(), Ok("2026-07-01"));
        check("DateSourceColumn6964", &date(), Ok("2026-07-01"));
        check("Date", &[("year", Datum::Int32(0))], Ok("0000-00-00"));
        check("Date", &[("year", Datum::Int32(-44))], Ok("-0044-00-00"));
        check(
            "Date",
            &[("month", Datum::Int8(1))],
            Err("without its year"),
        );
        check("TimePrecision6", &clock(), Ok("09:05:07.12"));
        check("Time", &[("hour", Datum::Int8(24))], Ok("24:00:00"));
        let nanos = [("nanos", Datum::Int32(1))];
        check("Time", &nanos, Ok("00:00:00.000000001"));
        let both = [date(), clock()].concat();
        check("TimestampPrecision3", &both, Ok("2026-07-01T09:05:07.12"));
        let zoned = |offset| [both.clone(), vec![("offsetSeconds", Datum::Int32(offset))]].concat();
        check(
            "ZonedTimestamp",
            &zoned(7_200),
            Ok("2026-07-01T09:05:07.12+02:00"),
        );
        check(
            "ZonedTimestamp",
            &zoned(-1_830),
            Ok("2026-07-01T09:05:07.12-00:30:30"),
        );
        check("ZonedTimestamp", &both, Err("distance from UTC"));
        let utc = [clock(), vec![("zoneId", Datum::String("UTC".to_owned()))]].concat();
        check("ZonedTime", &utc, Ok("09:05:07.12+00:00"));
        let special = |text: &str| [("specialValue", Datum::String(text.to_owned()))];
        check("Timestamp", &special("POSITIVE_INFINITY"), Ok("infinity"));
        check("Date", &special("NEGATIVE_INFINITY"), Ok("-infinity"));
        check("Date", &special("NaD"), Err("not known"));
    }

    #[test]
    fn durations_keep_their_parts() {
        let parts = [
            ("years", Datum::Int32(1)),
            ("months", Datum::Int32(-2)),
            ("hours", Datum::Int32(3)),
            ("seconds", Datum::Int64(-4)),
            ("nanos", Datum::Int32(-500_000_000)),
        ];
        check("Duration", &parts, Ok("P1Y-2M0DT3H0M-4.5S"));
        check("Duration", &[], Ok("P0Y0M0DT0H0M0S"));
    }

    #[test]
    fn sparse_vectors_are_postgresqls() {
        let mut vector = structure(
            names::SPARSE_VECTOR,
            &[("dimensions", Datum::Int32(5)), ("vector", Datum::Null)],
        );
        assert!(single(&vector).unwrap().is_err());
        let entries = vec![
            (Datum::Int16(1), Datum::Float64(0.5)),
            (Datum::Int16(4), Datum::Float64(2.0)),
        ];
        let schema = Arc::clone(vector.schema());
        vector = Struct::new(schema, vec![Datum::Int32(5), Datum::Entries(entries)]);
        let expected = Value::Text("{1:0.5,4:2}/5".into());
        assert_eq!(single(&vector), Some(Ok(expected)));
    }

    #[test]
    fn other_structs_are_structs() {
        assert_eq!(single(&structure("io.debezium.time.Structure", &[])), None);
        assert_eq!(single(&structure("shop.Order", &date())), None);
    }
}
