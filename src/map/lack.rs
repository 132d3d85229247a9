//! What a table lacks for a record that does not fit it (`auto.evolve`).
//!
//! Asked only for records that were refused, so it may take its time: the record is decoded as a
//! whole and each field is compared with its column. A field without a column lacks it, with the
//! type that `auto.create` would give it; a field whose value does not fit its column lacks width,
//! as much as this value needs. A field that is null lacks nothing, since null says nothing of a
//! type.
//!
//! Nothing is asked for twice of a table as it is: whatever the database made of a request, the
//! records that still need it are bad then, as they are without `auto.evolve`.

use std::collections::HashSet;

use rowdock_connectors::{Cell, ColumnDef, ColumnType, NewColumn, Special, Target, evolve};

use super::declared::Declared;
use super::filter::FieldFilter;
use super::fit::{self, Rules};
use super::infer;
use super::unavailable::Unavailable;
use crate::config::connector::{KeyMode, SinkKeys};
use crate::decimal;
use crate::decode::sides::RecordDecoder;
use crate::record::zone::Zone;
use crate::record::{Datum, OwnedRecord, RawRecord, Schema, Side, Value};

/// Shortest column that is asked for, in characters of texts and in bytes: values grow, and every change
/// locks the table.
const LENGTH_MIN: usize = 32;

/// Refusals that are remembered, more than any table has columns. With so many, nothing is asked for
/// any more.
const REFUSED_MAX: usize = 10_000;

/// Finds out what is lacking, and knows what cannot be had.
#[derive(Debug)]
pub(super) struct Evolution {
    decoder: RecordDecoder,
    filter: FieldFilter,
    zone: Option<Zone>,
    declared: Declared,
    unavailable: Option<Unavailable>,
    /// Names are those that the database would make of them unquoted.
    folds_names: bool,
    /// Names that differ in case only are one column.
    columns_ignore_case: bool,
    /// Key fields come from the record's key, not from its value.
    key_apart: bool,
    /// Column of values that are no objects.
    single_value_column: String,
    /// What cannot be had, and why; a wider or a narrower column may be possible.
    refused: Vec<(NewColumn, String)>,
}

impl Evolution {
    pub(super) fn new(decoder: RecordDecoder, keys: &SinkKeys, topic: &str) -> Self {
        Self {
            decoder,
            filter: FieldFilter::new(keys, topic),
            zone: keys.zone,
            declared: Declared::new(keys),
            unavailable: Unavailable::of(keys),
            folds_names: keys.folds_names,
            columns_ignore_case: keys.columns_ignore_case,
            key_apart: keys.key_mode == KeyMode::RecordKey,
            single_value_column: keys.single_value_column.clone(),
            refused: Vec::new(),
        }
    }

    /// These columns cannot be had, this wide.
    pub(super) fn refuse(&mut self, columns: Vec<(NewColumn, String)>) {
        self.refused.extend(columns);
    }

    /// The columns that this record needs and the table does not have, or not wide enough.
    ///
    /// # Errors
    /// When one of them cannot be had: why.
    pub(super) fn lacking(
        &mut self,
        record: &RawRecord<'_>,
        transformed: Option<&OwnedRecord>,
        target: &Target,
    ) -> Result<Vec<NewColumn>, String> {
        let decoded = match transformed {
            Some(_) => None,
            None => self.decoder.decode_unwrapped(record).ok(),
        };
        let mut lacking = Vec::new();
        if let Some(whole) = transformed.or(decoded.as_ref()) {
            let is_key = |name: &str| {
                let named = |key: &usize| target.column(*key).name.eq_ignore_ascii_case(name);
                target.key.iter().any(named)
            };
            let single = &self.single_value_column;
            let rules = Rules {
                text_allows_nul: target.table.text_allows_nul,
                takes_zero_dates: target.table.has_zero_dates,
                zone: self.zone,
            };
            let declared = &self.declared;
            let mut look = |name: &str, datum: &Datum, schema: Option<&Schema>| {
                lacking.extend(lack(name, datum, schema, target, rules, declared));
            };
            let is_there = |datum: &Datum, schema: Option<&Schema>| {
                let value = datum.value_of(schema);
                let mut placeholder = self.unavailable.iter();
                !value.is_ok_and(|value| placeholder.any(|placeholder| placeholder.is(&value)))
            };
            fields_of(&whole.value, single, &mut |name, datum, schema| {
                let is_wanted = self.filter.wants(name) && declared.needs_column(name);
                let is_key = self.key_apart && is_key(name);
                if is_wanted && !is_key && is_there(datum, schema) {
                    look(name, datum, schema);
                }
            });
            if self.key_apart {
                let single = match target.key.as_slice() {
                    [key] => &target.column(*key).name,
                    _ => "",
                };
                fields_of(&whole.key, single, &mut |name, datum, schema| {
                    if is_key(name) {
                        look(name, datum, schema);
                    }
                });
            }
        }
        if self.folds_names {
            for column in &mut lacking {
                column.name.make_ascii_lowercase();
            }
        }
        if self.columns_ignore_case {
            // The record is refused, once the first is there.
            let mut names = HashSet::new();
            lacking.retain(|column| names.insert(column.name.to_ascii_lowercase()));
        }
        let refused = |wanted: &NewColumn| {
            let is_full = self.refused.len() >= REFUSED_MAX;
            // With another default it would be the same column.
            let is_it = |(known, _): &&(NewColumn, String)| {
                is_full || known.name == wanted.name && known.column_type == wanted.column_type
            };
            self.refused.iter().find(is_it)
        };
        match lacking.iter().find_map(refused) {
            Some((_, reason)) => Err(reason.clone()),
            None => Ok(lacking),
        }
    }
}

/// `single` names the column of a side that is no object.
fn fields_of(side: &Side, single: &str, look: &mut dyn FnMut(&str, &Datum, Option<&Schema>)) {
    match &side.datum {
        Datum::Struct(value) => {
            let fields = value.schema().fields().unwrap_or_default();
            for (index, field) in fields.iter().enumerate() {
                look(&field.name, value.raw(index), Some(&field.schema));
            }
        }
        Datum::Map(map) if side.schema.is_none() => {
            for (name, datum) in map.iter() {
                look(name, datum, None);
            }
        }
        Datum::Null => {}
        datum if !single.is_empty() => look(single, datum, side.schema.as_deref()),
        _ => {}
    }
}

fn lack(
    name: &str,
    datum: &Datum,
    schema: Option<&Schema>,
    target: &Target,
    rules: Rules,
    declared: &Declared,
) -> Option<NewColumn> {
    let value = datum.value_of(schema).ok()?;
    let new_column = |name: &str, column_type, default| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default,
    };
    let Some(index) = target.table.column_index(name) else {
        if let Some(time) = declared.time_type(name) {
            let is_known = schema.is_some() || value != Value::Null;
            return is_known.then(|| new_column(name, time, None));
        }
        let Some(schema) = schema else {
            return infer::value_type(&value)
                .map(|column_type| new_column(name, column_type, None));
        };
        let column_type = infer::column_type(schema);
        let default = infer::default_value(schema, &column_type, rules.zone);
        return Some(new_column(name, column_type, default));
    };
    let column = &target.table.columns[index];
    if column.generated {
        // Never written, however wide.
        return None;
    }
    let needed = needed_type(&value, column, rules)?;
    let needed = of_the_source(schema, column).unwrap_or(needed);
    let wider = evolve::widened(&column.column_type, &needed)?;
    let wraps = schema.is_some_and(infer::wraps);
    if wraps && column.column_type == ColumnType::UInt64 {
        // A negative number stands for one that fits.
        return None;
    }
    if !(wraps && wider == ColumnType::UInt64) {
        fit::fit(&value, &wider, rules).ok()?;
    }
    Some(new_column(&column.name, needed, None))
}

/// What an unsigned column becomes when the value's column at home is unsigned: that.
fn of_the_source(schema: Option<&Schema>, column: &ColumnDef) -> Option<ColumnType> {
    let ColumnType::IntRange { low: 0, high } = column.column_type else {
        return None;
    };
    match infer::column_type(schema?) {
        ColumnType::Special {
            kind: Special::UnsignedLong,
            ..
        } => Some(ColumnType::UInt64),
        ColumnType::Special {
            kind:
                Special::Whole {
                    low: 0,
                    high: wanted,
                },
            ..
        } if wanted > high => Some(ColumnType::IntRange {
            low: 0,
            high: wanted,
        }),
        _ => None,
    }
}

/// The narrowest type that holds the value, when the column does not.
fn needed_type(value: &Value<'_>, column: &ColumnDef, rules: Rules) -> Option<ColumnType> {
    if fit::fit(value, &column.column_type, rules).is_ok() {
        return None;
    }
    match (&column.column_type, value) {
        (ColumnType::SizedText { .. }, Value::Text(_)) => {
            Some(ColumnType::Text { max_chars: None })
        }
        (ColumnType::Text { .. }, Value::Text(text)) => {
            let max_chars = u32::try_from(length(text.chars().count())).ok();
            Some(ColumnType::Text { max_chars })
        }
        (ColumnType::SizedBytes { .. }, value) => {
            let fitted = fit::fit(value, &ColumnType::Bytes, rules).ok()?;
            let Cell::Bytes(bytes) = fitted.cell() else {
                return None;
            };
            let max_bytes = u32::try_from(length(bytes.len()));
            Some(
                max_bytes.map_or(ColumnType::Bytes, |max_bytes| ColumnType::SizedBytes {
                    max_bytes,
                }),
            )
        }
        (ColumnType::Float32, _) => Some(ColumnType::Float64),
        (column_type, value) => {
            let plain = match value {
                Value::Int(number) => number.to_string(),
                Value::Number(text) => decimal::plain(text)?.into_owned(),
                Value::Decimal(text) | Value::Text(text) => decimal::plain(text)?.into_owned(),
                _ => return None,
            };
            needed_number(&plain, matches!(column_type, ColumnType::Decimal { .. }))
        }
    }
}

/// Of a column for values of this length.
fn length(of_value: usize) -> usize {
    of_value.max(LENGTH_MIN).next_power_of_two()
}

/// Fractions make no decimals of integer columns.
fn needed_number(plain: &str, keeps_fractions: bool) -> Option<ColumnType> {
    let scale = u32::try_from(decimal::significant_scale(plain)).ok()?;
    if scale > 0 && !keeps_fractions {
        return None;
    }
    let whole = plain.split_once('.').map_or(plain, |(whole, _)| whole);
    if !keeps_fractions && let Ok(number) = whole.parse::<i64>() {
        return Some(match i32::try_from(number) {
            Ok(_) => ColumnType::Int32,
            Err(_) => ColumnType::Int64,
        });
    }
    let digits = u32::try_from(decimal::whole_digits(plain)).ok()?;
    Some(ColumnType::Decimal {
        precision: Some((digits + scale).max(1)),
        scale: Some(scale),
    })
}

#[cfg(test)]
mod tests;
