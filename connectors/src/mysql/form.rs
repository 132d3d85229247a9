//! How the values of one column travel, and when the table finds two of them equal. Pure.

use super::sql::Flavor;
use crate::table::{ColumnDef, ColumnType, Notation, type_length};

/// One column, as statements and encoders need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) encoding: Encoding,
    /// In `VALUES`: `?`, or a function around it.
    pub(super) placeholder: String,
    /// Where it is compared: `?`, or a cast of it to a type that compares exactly.
    pub(super) comparand: String,
    pub(super) equality: Equality,
    /// A row that is to get null here gets the next number, zero or the time instead, without an error.
    pub(super) replaces_null: bool,
}

/// What is done to a value before it is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// Rounded to a single.
    Single,
    /// A decimal that is bound as an unsigned integer.
    Unsigned,
    /// Binary digits that are bound as an unsigned integer.
    Bits,
    /// The server takes years of two digits for others.
    Year,
    /// Text of an enum or set: the server takes numbers for the position of a label.
    Labels(Vec<String>),
    /// Well-known binary, which must be whole.
    Geometry,
    /// Text of a vector, bound as the bytes that the column holds: MariaDB makes null of a text that it
    /// cannot read.
    Singles,
    /// A time or timestamp with this many digits after the second; the rest is cut off.
    Fraction(u32),
}

/// When the table finds two values equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Equality {
    /// When they are the same as the fold has it.
    Exact,
    /// Texts of printable ASCII that do not end with a blank: when they are the same, and if
    /// `ignores_case` without regard to case. Of other texts nothing is known.
    Text { ignores_case: bool },
    /// When they are the same after a cut or a rounding: see [`Encoding`].
    Rounded,
    /// Bytes that are filled up with zeros.
    Padded,
    /// Nothing is known.
    Unknown,
}

/// What the catalog says beyond [`ColumnDef`].
#[derive(Debug, Clone, Default)]
pub(super) struct Traits {
    pub(super) collation: Option<String>,
    /// Spatial reference system that the column requires.
    pub(super) srid: Option<u32>,
    pub(super) comment: Option<String>,
    pub(super) default: StoredDefault,
    /// `AUTO_INCREMENT`: the server numbers it.
    pub(super) is_numbered: bool,
    /// Has more to it than is known here, such as a change with every update, or a check of its own.
    pub(super) is_odd: bool,
}

/// What the catalog says of a column's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum StoredDefault {
    /// There is none, or one that only its text in the catalog tells, and that is not known here.
    #[default]
    None,
    /// A value, in the catalog's words.
    Value(String),
    /// An expression of MySQL's, which may be a value in brackets.
    Expression(String),
}

impl Form {
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self {
            encoding: Encoding::Plain,
            placeholder: "?".to_owned(),
            comparand: "?".to_owned(),
            equality: Equality::Exact,
            replaces_null: false,
        }
    }

    pub(super) fn of(column: &ColumnDef, traits: &Traits, flavor: Flavor) -> Self {
        let encoding = encoding(column, flavor);
        Self {
            placeholder: placeholder(column, traits, flavor),
            comparand: comparand(column, &encoding),
            equality: equality(column, traits, &encoding),
            encoding,
            // With `explicit_defaults_for_timestamp=OFF`.
            replaces_null: traits.is_numbered || type_word(&column.native_type) == "timestamp",
        }
    }
}

/// The type's name without length, sign and charset: `bigint` of `bigint(20) unsigned`.
pub(super) fn type_word(native_type: &str) -> &str {
    let end = native_type.find(['(', ' ']).unwrap_or(native_type.len());
    &native_type[..end]
}

pub(super) fn is_unsigned(native_type: &str) -> bool {
    native_type.contains(" unsigned")
}

pub(super) fn is_geometry(type_word: &str) -> bool {
    matches!(
        type_word,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}

fn encoding(column: &ColumnDef, flavor: Flavor) -> Encoding {
    let word = type_word(&column.native_type);
    match (&column.column_type, word) {
        (ColumnType::Float32, _) => Encoding::Single,
        (ColumnType::UInt64, _) => Encoding::Unsigned,
        (ColumnType::Literal(Notation::Bits { .. }), _) => Encoding::Bits,
        (_, "year") => Encoding::Year,
        (_, word) if is_geometry(word) => Encoding::Geometry,
        (_, "vector") if flavor.is_mariadb() => Encoding::Singles,
        (_, "enum" | "set") => Encoding::Labels(labels(&column.native_type)),
        (
            ColumnType::Time
            | ColumnType::TimeSpan
            | ColumnType::Timestamp
            | ColumnType::TimestampTz,
            _,
        ) => Encoding::Fraction(type_length(&column.native_type).unwrap_or(0)),
        _ => Encoding::Plain,
    }
}

/// From `enum('a','it''s')`.
pub(super) fn labels(native_type: &str) -> Vec<String> {
    let Some((_, list)) = native_type.split_once('(') else {
        return Vec::new();
    };
    let mut labels = Vec::new();
    let mut label: Option<String> = None;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match (&mut label, character) {
            (None, '\'') => label = Some(String::new()),
            (None, _) => {}
            (Some(text), '\'') if characters.peek() == Some(&'\'') => {
                text.push('\'');
                characters.next();
            }
            (Some(_), '\'') => labels.extend(label.take()),
            (Some(text), other) => text.push(other),
        }
    }
    labels
}

fn placeholder(column: &ColumnDef, traits: &Traits, flavor: Flavor) -> String {
    let word = type_word(&column.native_type);
    if is_geometry(word) {
        return match traits.srid {
            // Well-known binary is in the order of x and y, whatever the reference system says.
            Some(srid) if srid != 0 => {
                format!("ST_GeomFromWKB(CAST(? AS BINARY),{srid},'axis-order=long-lat')")
            }
            _ => "ST_GeomFromWKB(CAST(? AS BINARY))".to_owned(),
        };
    }
    match word {
        // The column takes no text.
        "vector" if flavor.is_mariadb() => "CAST(? AS BINARY)".to_owned(),
        "vector" => "STRING_TO_VECTOR(?)".to_owned(),
        _ => "?".to_owned(),
    }
}

/// A decimal is bound as text, which would be compared as a double; bytes that the column fills up with
/// zeros are compared as they lie there.
fn comparand(column: &ColumnDef, encoding: &Encoding) -> String {
    match &column.column_type {
        _ if type_word(&column.native_type) == "binary" => {
            let bytes = type_length(&column.native_type).unwrap_or(1);
            format!("CAST(? AS BINARY({bytes}))")
        }
        ColumnType::Decimal {
            precision: Some(precision),
            scale,
        } if *encoding == Encoding::Plain => {
            format!("CAST(? AS DECIMAL({precision},{}))", scale.unwrap_or(0))
        }
        _ => "?".to_owned(),
    }
}

fn equality(column: &ColumnDef, traits: &Traits, encoding: &Encoding) -> Equality {
    if type_word(&column.native_type) == "binary" {
        return Equality::Padded;
    }
    match (&column.column_type, encoding) {
        (_, Encoding::Single | Encoding::Fraction(_)) => Equality::Rounded,
        (ColumnType::Text { .. } | ColumnType::SizedText { .. }, _) => {
            text_equality(type_word(&column.native_type), traits.collation.as_deref())
        }
        _ => Equality::Exact,
    }
}

/// Collations in which the letters of ASCII are themselves, with or without regard to case. Others
/// may find `ij`, `I` and `J`, or `ccs` and `cscs` equal.
const CASELESS: &[&str] = &[
    "ascii_general_ci",
    "latin1_general_ci",
    "latin1_swedish_ci",
    "utf8_general_ci",
    "utf8_unicode_ci",
    "utf8mb3_general_ci",
    "utf8mb3_unicode_ci",
    "utf8mb3_uca1400_ai_ci",
    "utf8mb4_0900_ai_ci",
    "utf8mb4_0900_as_ci",
    "utf8mb4_general_ci",
    "utf8mb4_general_nopad_ci",
    "utf8mb4_uca1400_ai_ci",
    "utf8mb4_uca1400_as_ci",
    "utf8mb4_unicode_520_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_unicode_nopad_ci",
];

fn text_equality(type_word: &str, collation: Option<&str>) -> Equality {
    match collation {
        // A network address, or a vector: several texts stand for one.
        None => Equality::Unknown,
        // Neither of these fills up with blanks, but the column takes those at the end away.
        Some("utf8mb4_0900_bin" | "utf8mb4_nopad_bin") if type_word == "char" => Equality::Text {
            ignores_case: false,
        },
        Some("binary" | "utf8mb4_0900_bin" | "utf8mb4_nopad_bin") => Equality::Exact,
        Some(name) if name.ends_with("_bin") || name.ends_with("_cs") => Equality::Text {
            ignores_case: false,
        },
        Some(name) if CASELESS.contains(&name) => Equality::Text { ignores_case: true },
        Some(_) => Equality::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(column_type: ColumnType, native_type: &str) -> ColumnDef {
        ColumnDef {
            name: "c".to_owned(),
            column_type,
            native_type: native_type.to_owned(),
            native_type_id: 0,
            nullable: true,
            has_default: false,
            generated: false,
            insert_only: false,
        }
    }

    fn form(column_type: ColumnType, native_type: &str, collation: Option<&str>) -> Form {
        let traits = Traits {
            collation: collation.map(str::to_owned),
            ..Traits::default()
        };
        Form::of(&column(column_type, native_type), &traits, Flavor::MySql9)
    }

    const TEXT: ColumnType = ColumnType::Text { max_chars: None };

    #[test]
    fn values_are_encoded_as_their_column_needs() {
        let check = |column_type, native_type: &str, expected: Encoding| {
            assert_eq!(
                form(column_type, native_type, None).encoding,
                expected,
                "{native_type}"
            );
        };
        check(ColumnType::Int32, "int unsigned", Encoding::Plain);
        check(ColumnType::Float32, "float", Encoding::Single);
        check(ColumnType::Timestamp, "datetime", Encoding::Fraction(0));
        check(ColumnType::Time, "time(3)", Encoding::Fraction(3));
        check(ColumnType::Int16, "year(4)", Encoding::Year);
        check(ColumnType::Int16, "year", Encoding::Year);
        let bits = Notation::Bits {
            length: Some(9),
            varying: false,
        };
        check(ColumnType::Literal(bits), "bit(9)", Encoding::Bits);
        check(ColumnType::TimeSpan, "time(3)", Encoding::Fraction(3));
        let wide = ColumnType::Decimal {
            precision: Some(20),
            scale: Some(0),
        };
        let unsigned = "bigint(20) unsigned";
        check(ColumnType::UInt64, unsigned, Encoding::Unsigned);
        check(wide.clone(), "decimal(20,0)", Encoding::Plain);
        let words = ["a", "it's", "b,c)"].map(str::to_owned).to_vec();
        check(TEXT, "enum('a','it''s','b,c)')", Encoding::Labels(words));
    }

    #[test]
    fn decimals_are_compared_as_decimals_and_geometries_made_from_bytes() {
        let ten_two = ColumnType::Decimal {
            precision: Some(10),
            scale: Some(2),
        };
        let decimal = form(ten_two, "decimal(10,2)", None);
        assert_eq!(decimal.comparand, "CAST(? AS DECIMAL(10,2))");
        assert_eq!(decimal.placeholder, "?");
        let filled_up = form(ColumnType::SizedBytes { max_bytes: 8 }, "binary(8)", None);
        assert_eq!(filled_up.comparand, "CAST(? AS BINARY(8))");
        assert_eq!(filled_up.placeholder, "?");
        let point = column(ColumnType::Bytes, "point");
        let here = |srid| {
            let traits = Traits {
                srid,
                ..Traits::default()
            };
            Form::of(&point, &traits, Flavor::MySql).placeholder
        };
        assert_eq!(here(None), "ST_GeomFromWKB(CAST(? AS BINARY))");
        assert_eq!(here(Some(0)), "ST_GeomFromWKB(CAST(? AS BINARY))");
        assert_eq!(
            here(Some(4326)),
            "ST_GeomFromWKB(CAST(? AS BINARY),4326,'axis-order=long-lat')"
        );
    }

    #[test]
    fn vectors_are_read_by_mysql_and_told_mariadb() {
        let vector = column(TEXT, "vector(3)");
        let check = |flavor, placeholder: &str, encoding| {
            let form = Form::of(&vector, &Traits::default(), flavor);
            assert_eq!(
                (form.placeholder.as_str(), form.encoding),
                (placeholder, encoding)
            );
        };
        check(Flavor::MySql9, "STRING_TO_VECTOR(?)", Encoding::Plain);
        check(Flavor::MariaDb, "CAST(? AS BINARY)", Encoding::Singles);
    }

    #[test]
    fn what_counts_as_equal() {
        let check = |native_type: &str, column_type, collation, expected: Equality| {
            assert_eq!(
                form(column_type, native_type, collation).equality,
                expected,
                "{native_type} {collation:?}"
            );
        };
        let caseless = Equality::Text { ignores_case: true };
        let blanks = Equality::Text {
            ignores_case: false,
        };
        check("varchar(9)", TEXT, Some("utf8mb4_0900_ai_ci"), caseless);
        check("varchar(9)", TEXT, Some("utf8mb4_bin"), blanks);
        check("char(9)", TEXT, Some("utf8mb4_0900_bin"), blanks);
        check("char(9)", TEXT, Some("utf8mb4_nopad_bin"), blanks);
        check("inet6", TEXT, None, Equality::Unknown);
        check("varchar(9)", TEXT, Some("utf8mb4_0900_as_cs"), blanks);
        check(
            "varchar(9)",
            TEXT,
            Some("utf8mb4_0900_bin"),
            Equality::Exact,
        );
        check(
            "varchar(9)",
            TEXT,
            Some("utf8mb4_hu_0900_ai_ci"),
            Equality::Unknown,
        );
        check(
            "varchar(9)",
            TEXT,
            Some("utf8mb4_roman_ci"),
            Equality::Unknown,
        );
        check("binary(4)", ColumnType::Bytes, None, Equality::Padded);
        check("varbinary(4)", ColumnType::Bytes, None, Equality::Exact);
        check(
            "datetime(6)",
            ColumnType::Timestamp,
            None,
            Equality::Rounded,
        );
        check("bigint", ColumnType::Int64, None, Equality::Exact);
    }
}
