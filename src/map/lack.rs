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
mod tests {
    use rowdock_connectors::{DefaultValue, Table, TableKind, TableName, WriteMode};

    use super::*;
    use crate::config::converter::JsonOptions;
    use crate::decode::Format;
    use crate::map::tests::{entries, keys};

    fn format(schemas_enable: bool) -> Format {
        Format::json(&JsonOptions {
            schemas_enable,
            ..JsonOptions::default()
        })
    }

    fn decimal(precision: u32, scale: u32) -> ColumnType {
        ColumnType::Decimal {
            precision: Some(precision),
            scale: Some(scale),
        }
    }

    fn text(max_chars: Option<u32>) -> ColumnType {
        ColumnType::Text { max_chars }
    }

    /// Key `id`; a column for each kind of width.
    fn target() -> Target {
        let columns = [
            ("id", ColumnType::Int32),
            ("small", ColumnType::Int16),
            ("amount", decimal(6, 2)),
            ("name", text(Some(5))),
            ("real", ColumnType::Float32),
            ("day", ColumnType::Date),
            ("doc", ColumnType::Json),
            ("raw", ColumnType::SizedBytes { max_bytes: 3 }),
        ];
        let columns: Vec<ColumnDef> = columns
            .into_iter()
            .map(|(name, column_type)| ColumnDef {
                name: name.to_owned(),
                column_type,
                native_type: String::new(),
                native_type_id: 0,
                nullable: true,
                has_default: false,
                generated: false,
                insert_only: false,
            })
            .collect();
        Target {
            written: (0..columns.len()).collect(),
            key: vec![0],
            mode: WriteMode::Upsert,
            guard: None,
            tombstones: None,
            table: Table {
                name: TableName::parse("t"),
                kind: TableKind::default(),
                columns,
                primary_key: vec!["id".to_owned()],
                unique_keys: Vec::new(),
                text_allows_nul: false,
                has_zero_dates: false,
            },
        }
    }

    fn record<'a>(key: Option<&'a str>, value: &'a str) -> RawRecord<'a> {
        RawRecord {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            headers: &(),
        }
    }

    fn evolution(schemas_enable: bool, exclude: &[&str]) -> Evolution {
        let mut keys = keys(KeyMode::RecordKey, &[]);
        keys.fields_exclude = entries(exclude);
        evolution_of(schemas_enable, &keys)
    }

    fn evolution_of(schemas_enable: bool, keys: &SinkKeys) -> Evolution {
        let decoder = RecordDecoder::new(format(false), format(schemas_enable));
        Evolution::new(decoder, keys, "t")
    }

    fn check(value: &str, expected: &[(&str, ColumnType)]) {
        let mut evolution = evolution(false, &["skipped"]);
        let found = evolution.lacking(&record(Some("1"), value), None, &target());
        let found: Vec<(String, ColumnType)> = found
            .expect("nothing is refused")
            .into_iter()
            .map(|column| (column.name, column.column_type))
            .collect();
        let expected: Vec<(String, ColumnType)> = expected
            .iter()
            .map(|(name, column_type)| ((*name).to_owned(), column_type.clone()))
            .collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn missing_columns_are_lacking_unless_nothing_is_known_of_their_type() {
        check(
            r#"{"a":1,"b":1.5,"c":"x","d":true,"e":{"f":1},"skipped":1,"SMALL":3}"#,
            &[
                ("a", ColumnType::Int64),
                ("b", ColumnType::Float64),
                ("c", text(None)),
                ("d", ColumnType::Bool),
                ("e", ColumnType::Json),
            ],
        );
        check(r#"{"a":null}"#, &[]);
        // The key's value comes from the key.
        check(r#"{"id":99999999999}"#, &[]);
    }

    #[test]
    fn columns_are_as_wide_as_the_value_needs() {
        check(
            r#"{"small":32767,"amount":1234.5,"name":"abcde","real":1}"#,
            &[],
        );
        check(r#"{"small":-32769}"#, &[("small", ColumnType::Int32)]);
        check(
            r#"{"small":9223372036854775807}"#,
            &[("small", ColumnType::Int64)],
        );
        check(
            r#"{"small":9223372036854775808}"#,
            &[("small", decimal(19, 0))],
        );
        check(r#"{"small":1.5}"#, &[]);
        check(r#"{"small":"x"}"#, &[]);
        check(r#"{"amount":12345.678}"#, &[("amount", decimal(8, 3))]);
        check(r#"{"amount":0.001}"#, &[("amount", decimal(3, 3))]);
        check(r#"{"name":"abcdef"}"#, &[("name", text(Some(32)))]);
        let long = "x".repeat(33);
        check(
            &format!(r#"{{"name":"{long}"}}"#),
            &[("name", text(Some(64)))],
        );
        check(r#"{"name":"a\u0000b"}"#, &[]);
        let bytes = |max_bytes| ColumnType::SizedBytes { max_bytes };
        check(r#"{"raw":"AAEC"}"#, &[]);
        check(r#"{"raw":"AAECAw=="}"#, &[("raw", bytes(32))]);
        let long = "AAEC".repeat(11);
        check(&format!(r#"{{"raw":"{long}"}}"#), &[("raw", bytes(64))]);
        check(r#"{"raw":"AAEC?"}"#, &[]);
        check(r#"{"real":1e39}"#, &[("real", ColumnType::Float64)]);
        check(r#"{"day":"soon"}"#, &[]);
        check("[1]", &[("record_value", ColumnType::Json)]);
        check("{", &[]);
    }

    /// As `auto.create` makes them.
    #[test]
    fn fields_are_what_the_config_says() {
        let keys = SinkKeys {
            change_events: true,
            timestamp_fields: vec!["paid_at".to_owned()],
            zoned_fields: vec![("sent_at".to_owned(), "zone".to_owned())],
            ..keys(KeyMode::RecordKey, &[])
        };
        let plain = r#"{"paid_at":1,"sent_at":1,"zone":"UTC","__deleted":"false","unset_at":null}"#;
        let of_schema = r#"{"schema":{"type":"struct","fields":[{"field":"paid_at","type":"int64"},
            {"field":"sent_at","type":"int64","optional":true},
            {"field":"__deleted","type":"string"}]},
            "payload":{"paid_at":1,"__deleted":"false"}}"#;
        for (schemas_enable, value) in [(false, plain), (true, of_schema)] {
            let mut evolution = evolution_of(schemas_enable, &keys);
            let found = evolution.lacking(&record(Some("1"), value), None, &target());
            let found = found.expect("nothing is refused").into_iter();
            let found: Vec<_> = found
                .map(|column| (column.name, column.column_type))
                .collect();
            let expected = [
                ("paid_at".to_owned(), ColumnType::Timestamp),
                ("sent_at".to_owned(), ColumnType::TimestampTz),
            ];
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn names_that_are_one_column_are_asked_for_once() {
        for (columns_ignore_case, expected) in [(true, 1), (false, 2)] {
            let keys = SinkKeys {
                columns_ignore_case,
                ..keys(KeyMode::RecordKey, &[])
            };
            let mut evolution = evolution_of(false, &keys);
            let found =
                evolution.lacking(&record(Some("1"), r#"{"new":1,"New":2}"#), None, &target());
            assert_eq!(found.map(|columns| columns.len()), Ok(expected));
        }
    }

    #[test]
    fn what_the_event_does_not_have_needs_no_room() {
        let keys = SinkKeys {
            change_events: true,
            ..keys(KeyMode::RecordKey, &[])
        };
        let mut evolution = evolution_of(false, &keys);
        let value = r#"{"name":"__debezium_unavailable_value","small":99999}"#;
        let found = evolution.lacking(&record(Some("1"), value), None, &target());
        let found = found.expect("nothing is refused").into_iter();
        let names: Vec<String> = found.map(|column| column.name).collect();
        assert_eq!(names, ["small"]);
    }

    #[test]
    fn keys_are_widened_too() {
        let mut evolution = evolution(false, &[]);
        let mut lacking = |key| {
            let found = evolution.lacking(&record(Some(key), "{}"), None, &target());
            found.expect("nothing is refused").pop()
        };
        assert_eq!(lacking("7"), None);
        let wider = lacking("5000000000").map(|column| (column.name, column.column_type));
        assert_eq!(wider, Some(("id".to_owned(), ColumnType::Int64)));
        let wider = lacking(r#"{"id":5000000000,"more":1}"#);
        assert_eq!(wider.map(|column| column.name).as_deref(), Some("id"));
    }

    #[test]
    fn a_schema_gives_type_and_default_of_new_columns() {
        let value = r#"{"schema":{"type":"struct","fields":[
            {"field":"a","type":"int16","default":7},{"field":"b","type":"string","optional":true}]},
            "payload":{"a":1,"b":null}}"#;
        let mut evolution = evolution(true, &[]);
        let found = evolution.lacking(&record(Some("1"), value), None, &target());
        let columns: Vec<_> = found
            .expect("nothing is refused")
            .into_iter()
            .map(|column| (column.column_type, column.default))
            .collect();
        let seven = Some(DefaultValue::Int(7));
        assert_eq!(columns, [(ColumnType::Int16, seven), (text(None), None)]);
        // With another default it is the same column, which cannot be had.
        let refused = NewColumn {
            name: "a".to_owned(),
            column_type: ColumnType::Int16,
            nullable: true,
            default: None,
        };
        evolution.refuse(vec![(refused, "no".to_owned())]);
        let again = evolution.lacking(&record(Some("1"), value), None, &target());
        assert_eq!(again, Err("no".to_owned()));
    }

    /// As the sinks of such databases create them.
    #[test]
    fn unsigned_columns_become_what_the_source_is() {
        let check = |source: &str, value: &str, expected: Option<ColumnType>| {
            let mut target = target();
            let unsigned = ColumnType::IntRange {
                low: 0,
                high: 65_535,
            };
            target.table.columns[1].column_type = unsigned;
            let value = format!(
                r#"{{"schema":{{"type":"struct","fields":[{{"field":"small","type":"int64",
                "parameters":{{"__debezium.source.column.type":"{source}"}}}}]}},
                "payload":{{"small":{value}}}}}"#
            );
            let mut evolution = evolution(true, &[]);
            let found = evolution.lacking(&record(Some("1"), &value), None, &target);
            let found = found.expect("nothing is refused").pop();
            let found = found.map(|column| column.column_type);
            assert_eq!(found, expected, "{source} {value}");
        };
        let wider = ColumnType::IntRange {
            low: 0,
            high: 4_294_967_295,
        };
        check("INT UNSIGNED", "65536", Some(wider));
        check("INT UNSIGNED", "65535", None);
        check("BIGINT UNSIGNED", "65536", Some(ColumnType::UInt64));
        check("BIGINT UNSIGNED", "-1", Some(ColumnType::UInt64));
        check("BIGINT", "65536", Some(ColumnType::Int32));
        check("BIGINT", "-1", Some(ColumnType::Int32));
    }

    #[test]
    fn what_was_refused_is_not_asked_for_again() {
        let mut evolution = evolution(false, &[]);
        let refused = |name: &str, column_type| NewColumn {
            name: name.to_owned(),
            column_type,
            nullable: true,
            default: None,
        };
        evolution.refuse(vec![
            (refused("a", ColumnType::Int64), "no".to_owned()),
            (refused("amount", decimal(70, 0)), "too wide".to_owned()),
        ]);
        let mut lacking = |value: &str| {
            let found = evolution.lacking(&record(Some("1"), value), None, &target());
            found.map(|columns| columns.len())
        };
        assert_eq!(lacking(r#"{"a":1,"b":1}"#), Err("no".to_owned()));
        assert_eq!(lacking(r#"{"b":1}"#), Ok(1));
        let digits = "7".repeat(70);
        let too_wide = lacking(&format!(r#"{{"amount":{digits}}}"#));
        assert_eq!(too_wide, Err("too wide".to_owned()));
        // What is less wide may be had.
        assert_eq!(lacking(r#"{"amount":12345}"#), Ok(1));
    }
}
