//! The default that a new column has.

use rowdock_connectors::{ColumnType, DefaultValue};
use serde_json::Value as Json;

use crate::map::fit::{self, Rules};
use crate::record::zone::Zone;
use crate::record::{Schema, Value};

/// Longer defaults are left out: a server keeps them in its catalog, where there is less room than in a
/// row, and shows them with every look at the table.
const DEFAULT_BYTES_MAX: usize = 4_000;

/// The default of a field's schema as a value of its column, as a record's null would be stored. `None`
/// when the schema has none, or one that such a column cannot hold.
pub(in crate::map) fn default_value(
    schema: &Schema,
    column_type: &ColumnType,
    zone: Option<Zone>,
) -> Option<DefaultValue> {
    let value = schema.default.as_ref()?.value_of(Some(schema)).ok()?;
    let default = match column_type.plain() {
        // Where columns hold no points in time, it would have to be what clocks of the zone show.
        ColumnType::TimestampTz if zone.is_some() => return None,
        array @ ColumnType::Array(_) => match (fitted(&value, array, zone)?, json(&value, zone)?) {
            (DefaultValue::Text(notation), json) => DefaultValue::Array { notation, json },
            _ => return None,
        },
        ColumnType::Json => DefaultValue::Json(json(&value, zone)?),
        plain => fitted(&value, plain, zone)?,
    };
    (default.data_bytes() <= DEFAULT_BYTES_MAX).then_some(default)
}

fn fitted(value: &Value<'_>, column_type: &ColumnType, zone: Option<Zone>) -> Option<DefaultValue> {
    let rules = Rules {
        text_allows_nul: true,
        takes_zero_dates: false,
        zone,
    };
    let fitted = fit::fit(value, column_type, rules).ok()?;
    DefaultValue::of_cell(fitted.cell())
}

/// A text that says that it is a document need not be one.
fn json(value: &Value<'_>, zone: Option<Zone>) -> Option<String> {
    match fitted(value, &ColumnType::Json, zone)? {
        DefaultValue::Json(text) if text.len() > DEFAULT_BYTES_MAX => None,
        DefaultValue::Json(text) => serde_json::from_str::<Json>(&text).ok().map(|_| text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rowdock_connectors::Timestamp;

    use super::super::column_type;
    use super::*;
    use crate::record::schema::names;
    use crate::record::{Datum, Kind};

    fn with(schema: Schema, default: Datum) -> Schema {
        Schema {
            default: Some(default),
            ..schema
        }
    }

    fn named(kind: Kind, name: &str) -> Schema {
        Schema::new(kind).named(Some(name.into())).unwrap()
    }

    fn check(schema: Schema, default: Datum, expected: Option<DefaultValue>) {
        let schema = with(schema, default);
        let found = default_value(&schema, &column_type(&schema), None);
        assert_eq!(found, expected, "{schema:?}");
    }

    #[test]
    fn defaults_are_values_of_their_columns() {
        let text = |text: &str| Some(DefaultValue::Text(text.to_owned()));
        let nested = || Kind::Array(Arc::new(Schema::new(Kind::String)));
        check(
            Schema::new(Kind::Boolean),
            Datum::Boolean(true),
            Some(DefaultValue::Bool(true)),
        );
        check(
            Schema::new(Kind::Int8),
            Datum::Int8(-5),
            Some(DefaultValue::Int(-5)),
        );
        check(
            Schema::new(Kind::Int64),
            Datum::Int64(i64::MIN),
            Some(DefaultValue::Int(i64::MIN)),
        );
        check(
            Schema::new(Kind::Float32),
            Datum::Float32(1.5),
            Some(DefaultValue::Float(1.5)),
        );
        check(
            Schema::new(Kind::Float64),
            Datum::Float64(-0.1),
            Some(DefaultValue::Float(-0.1)),
        );
        check(
            Schema::new(Kind::String),
            Datum::String("it's\0".to_owned()),
            text("it's\0"),
        );
        check(
            Schema::new(Kind::Bytes),
            Datum::Bytes(vec![0]),
            Some(DefaultValue::Bytes(vec![0])),
        );
        let decimal = Datum::Decimal("1.50".to_owned());
        check(
            Schema::decimal(2),
            decimal,
            Some(DefaultValue::Decimal("1.50".to_owned())),
        );
        check(Schema::date(), Datum::Date(1), Some(DefaultValue::Date(1)));
        check(Schema::time(), Datum::Time(1), Some(DefaultValue::Time(1)));
        let at = Timestamp {
            seconds: 1,
            nanos: 2,
        };
        check(
            Schema::timestamp(),
            Datum::Timestamp(at),
            Some(DefaultValue::Timestamp(at)),
        );
        let array = DefaultValue::Array {
            notation: r#"{"a","b"}"#.to_owned(),
            json: r#"["a","b"]"#.to_owned(),
        };
        let items = ["a", "b"].map(|item| Datum::String(item.to_owned()));
        check(
            Schema::new(nested()),
            Datum::Array(items.to_vec()),
            Some(array),
        );
        let document = Datum::String("{\"a\":1}".to_owned());
        let json = DefaultValue::Json("{\"a\":1}".to_owned());
        check(named(Kind::String, names::JSON), document, Some(json));
        let zoned = Datum::String("1970-01-01T01:00:01+01:00".to_owned());
        let instant = Timestamp {
            seconds: 1,
            nanos: 0,
        };
        check(
            named(Kind::String, names::ZONED_TIMESTAMP),
            zoned,
            Some(DefaultValue::Timestamp(instant)),
        );
    }

    #[test]
    fn what_the_column_cannot_hold_is_no_default() {
        check(Schema::new(Kind::Int8).optional(), Datum::Null, None);
        let text = |text: &str| Datum::String(text.to_owned());
        check(named(Kind::String, names::JSON), text("{"), None);
        check(named(Kind::String, names::UUID), text("none"), None);
        check(
            named(Kind::String, names::ZONED_TIMESTAMP),
            text("now()"),
            None,
        );
        let long = "x".repeat(DEFAULT_BYTES_MAX + 1);
        check(Schema::new(Kind::String), text(&long), None);
        assert_eq!(
            default_value(&Schema::new(Kind::Int8), &ColumnType::Int16, None),
            None
        );
    }

    #[test]
    fn zones_count_as_they_do_in_rows() {
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        let zone = Zone::parse("+01:00");
        let check = |schema: Schema, default: Datum, expected: Option<i64>| {
            let schema = with(schema, default);
            let found = default_value(&schema, &column_type(&schema), zone);
            let expected = expected.map(|seconds| DefaultValue::Timestamp(at(seconds)));
            assert_eq!(found, expected, "{schema:?}");
        };
        let datum = || Datum::Timestamp(at(0));
        check(Schema::timestamp(), datum(), Some(3_600));
        check(
            named(Kind::Int64, "io.debezium.time.Timestamp"),
            datum(),
            Some(0),
        );
        let zoned = Datum::String("1970-01-01T00:00:00Z".to_owned());
        check(named(Kind::String, names::ZONED_TIMESTAMP), zoned, None);
    }
}
