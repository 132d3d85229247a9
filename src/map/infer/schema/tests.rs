use super::*;

fn schema(kind: Kind, name: &str, parameters: &[(&str, &str)]) -> Schema {
    let mut schema = Schema::new(kind);
    for (name, value) in parameters {
        let name = match *name {
            "type" | "length" | "scale" => format!("__debezium.source.column.{name}"),
            other => other.to_owned(),
        };
        schema.parameters.insert(name, (*value).to_owned());
    }
    let name = (!name.is_empty()).then(|| name.into());
    schema.named(name).expect("a schema")
}

/// What is asked for, and the plain type behind it.
fn check(kind: Kind, name: &str, parameters: &[(&str, &str)], expected: &str, plain: &str) {
    let name = name.replace('~', "io.debezium.");
    let found = column_type(&schema(kind, &name, parameters));
    let both = (found.to_string(), found.plain().to_string());
    let expected = (expected.to_owned(), plain.to_owned());
    assert_eq!(both, expected, "{name} {parameters:?}");
}

#[test]
fn names_ask_for_types_that_not_every_database_has() {
    let none = Kind::Struct(Vec::new());
    let text = || Kind::String;
    check(
        Kind::Int8,
        "",
        &[],
        "integer from -128 to 127",
        "16-bit integer",
    );
    check(
        text(),
        "~time.ZonedTime",
        &[],
        "time with time zone",
        "text",
    );
    check(text(), "~time.Interval", &[], "interval", "text");
    check(
        Kind::Int64,
        "~time.MicroDuration",
        &[],
        "interval",
        "64-bit integer",
    );
    // An interval would count them as microseconds.
    check(
        Kind::Int64,
        "~time.NanoDuration",
        &[],
        "64-bit integer",
        "64-bit integer",
    );
    check(Kind::Int32, "~time.Year", &[], "year", "32-bit integer");
    check(text(), "~data.Xml", &[], "XML", "text");
    check(text(), "~data.Tsvector", &[], "words for searches", "text");
    check(text(), "~data.Ltree", &[], "ltree of an extension", "text");
    check(
        none.clone(),
        "~data.geometry.Point",
        &[],
        "point as a geometry",
        "json",
    );
    check(
        none.clone(),
        "~data.geometry.Geography",
        &[],
        "geography",
        "json",
    );
    check(
        none.clone(),
        "~time.StructuredZonedTimePrecision6",
        &[],
        "time with time zone",
        "text",
    );
    check(none, "~time.StructuredDuration", &[], "interval", "text");
    let bits = |length, source, expected: &str| {
        let parameters = [("length ", length), ("type", source)];
        let mut schema = schema(Kind::Bytes, "io.debezium.data.Bits", &parameters[1..]);
        schema
            .parameters
            .insert("length".to_owned(), length.to_owned());
        assert_eq!(column_type(&schema).to_string(), expected);
    };
    bits("9", "BIT", "bits(9)");
    bits("9", "VARBIT", "bits(9)");
    bits("2147483647", "VARBIT", "bits");
    let single = std::sync::Arc::new(schema(Kind::Float32, "", &[]));
    let vector = Kind::Array(single);
    let plain = "array of 32-bit float";
    check(vector.clone(), "~data.FloatVector", &[], "vector", plain);
    let half = [("type", "HALFVEC")];
    let expected = "vector of half precision";
    check(vector, "~data.FloatVector", &half, expected, plain);
    let double = std::sync::Arc::new(schema(Kind::Float64, "", &[]));
    check(
        Kind::Array(double),
        "~data.DoubleVector",
        &[],
        "vector of an extension",
        "array of 64-bit float",
    );
    check(
        Kind::Struct(Vec::new()),
        "~data.SparseDoubleVector",
        &[],
        "sparsevec of an extension",
        "text",
    );
    // In arrays they stay as they were.
    let element = std::sync::Arc::new(schema(Kind::Int8, "", &[]));
    let array = "array of 16-bit integer";
    check(Kind::Array(element), "", &[], array, array);
}

#[test]
fn labels_are_told_apart() {
    let check = |allowed: &str, expected: &[&str]| {
        let schema = schema(
            Kind::String,
            "io.debezium.data.Enum",
            &[("allowed", allowed)],
        );
        let ColumnType::Special { kind, plain } = column_type(&schema) else {
            panic!("{allowed}: no labels");
        };
        let labels = expected.iter().map(|&label| label.to_owned()).collect();
        assert_eq!(
            kind,
            Special::Labels {
                labels,
                several: false
            }
        );
        assert_eq!(*plain, TEXT);
    };
    check("a,b", &["a", "b"]);
    check("it's, b", &["it's", " b"]);
    check(r"a\,b,c\\d,e\f", &["a,b", r"c\d", r"e\f"]);
    check("", &[""]);
    let without = schema(Kind::String, "io.debezium.data.EnumSet", &[]);
    assert_eq!(column_type(&without), TEXT);
}

#[test]
fn sources_tell_what_their_columns_were() {
    let of = |kind, source: &str, length: &str, expected: &str, plain: &str| {
        let parameters = [("type", source), ("length", length)];
        check(kind, "", &parameters, expected, plain);
    };
    let text = || Kind::String;
    of(text(), "VARCHAR", "20", "text(20)", "text(20)");
    of(text(), "bpchar", "3", "text(3)", "text(3)");
    of(text(), "CHAR", "", "text(1)", "text(1)");
    of(text(), "varchar", "2147483647", "text", "text");
    of(text(), "VARBINARY", "15", "text", "text");
    of(text(), "INET", "", "network address", "text");
    of(text(), "CIDR", "", "network", "text");
    of(text(), "MACADDR8", "", "hardware address", "text");
    of(text(), "INT4RANGE", "", "range of 32-bit integer", "text");
    of(
        text(),
        "tstzrange",
        "",
        "range of timestamp with time zone",
        "text",
    );
    of(text(), "CITEXT", "", "citext of an extension", "text");
    let texts = Kind::Map {
        key: std::sync::Arc::new(schema(text(), "", &[])),
        value: std::sync::Arc::new(schema(text(), "", &[])),
    };
    of(texts, "HSTORE", "", "hstore of an extension", "json");
    of(Kind::Int64, "OID", "", "object id", "64-bit integer");
    of(
        Kind::Int16,
        "TINYINT UNSIGNED",
        "3",
        "integer from 0 to 255",
        "16-bit integer",
    );
    of(
        Kind::Int64,
        "INT UNSIGNED ZEROFILL",
        "",
        "integer from 0 to 4294967295",
        "64-bit integer",
    );
    of(
        Kind::Int64,
        "BIGINT UNSIGNED",
        "",
        "64-bit unsigned integer",
        "64-bit integer",
    );
    of(
        Kind::Int32,
        "serial",
        "",
        "32-bit integer",
        "32-bit integer",
    );
    of(Kind::Bytes, "VARBINARY", "15", "bytes(15)", "bytes");
    of(Kind::Bytes, "MEDIUMBLOB", "", "bytes(16777215)", "bytes");
    of(Kind::Bytes, "BYTEA", "2147483647", "bytes", "bytes");
}

#[test]
fn sources_tell_digits() {
    let check = |scale: u32, told: &[(&str, &str)], expected: &str| {
        let told = schema(Kind::Bytes, "", told).parameters;
        let mut schema = Schema::decimal(scale);
        schema.parameters.extend(told.clone());
        let found = column_type(&schema);
        assert_eq!(found.to_string(), expected, "{told:?}");
        // All that is known of a decimal without precision is its scale.
        let ColumnType::Decimal { scale: found, .. } = found.plain() else {
            panic!("no decimal")
        };
        assert_eq!(*found, Some(scale));
    };
    check(2, &[], "decimal");
    check(
        2,
        &[
            (DECIMAL_PRECISION, "12"),
            ("type", "DECIMAL"),
            ("length", "9"),
        ],
        "decimal(12,2)",
    );
    check(2, &[("type", "NUMERIC"), ("length", "9")], "decimal(9,2)");
    check(5, &[(DECIMAL_PRECISION, "3")], "decimal");
    check(0, &[(DECIMAL_PRECISION, "0")], "decimal");
    check(
        2,
        &[("type", "MONEY"), ("length", "2147483647")],
        "amount of money",
    );
    check(3, &[("type", "MONEY")], "decimal");
    check(
        0,
        &[("type", "BIGINT UNSIGNED"), ("length", "20")],
        "64-bit unsigned integer",
    );
}

#[test]
fn sources_tell_fractions_of_seconds() {
    let micros = |parameters: &[(&str, &str)], expected: &str| {
        check(
            Kind::Int64,
            "~time.MicroTimestamp",
            parameters,
            expected,
            "timestamp",
        );
    };
    micros(&[], "timestamp");
    micros(&[("length", "3")], "time with 3 digits after the second");
    // PostgreSQL's length is that of the text.
    micros(
        &[("length", "29"), ("scale", "6")],
        "time with 6 digits after the second",
    );
    micros(&[("length", "29"), ("scale", "0")], "timestamp");
    micros(&[("length", "26")], "timestamp");
    let precision = [("io.debezium.time.precision", "3")];
    let named = "~time.StructuredTimestampPrecision3";
    let expected = "time with 3 digits after the second";
    check(
        Kind::Struct(Vec::new()),
        named,
        &precision,
        expected,
        "timestamp",
    );
    check(
        Kind::String,
        "~time.ZonedTimestamp",
        &[("length", "2")],
        "time with 2 digits after the second",
        "timestamp with time zone",
    );
}
