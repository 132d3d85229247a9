//! Types that the database has and others have not. Pure.

use crate::mysql::sql::{Flavor, literal};
use crate::table::{ColumnType, Notation, Special};

/// The servers' bound of `bit(n)`. A single bit is what booleans are kept in.
const BITS: std::ops::RangeInclusive<u32> = 2..=64;
/// The servers' bounds of `enum` and `set`.
const ENUM_LABELS_MAX: usize = 65_535;
const SET_LABELS_MAX: usize = 64;
const LABEL_CHARS_MAX: usize = 255;
/// All that the definition of a column may take in the catalog of the server, with room to spare.
const LABELS_BYTES_MAX: usize = 32_768;
/// Beyond it bytes become a blob: a row holds 65,535 bytes, all its `varbinary` together.
const VARBINARY_BYTES_MAX: u32 = 4_000;
/// The server's bound of `vector(n)`, which keeps no more than a value has.
const VECTOR_ENTRIES_MAX: usize = 16_383;
const BLOB_BYTES_MAX: u32 = 65_535;
const MEDIUM_BLOB_BYTES_MAX: u32 = 16_777_215;

/// The type of a column that shall hold this; `None` when the database has no such type.
pub(super) fn native_type(kind: &Special, plain: &ColumnType, flavor: Flavor) -> Option<String> {
    let name = match kind {
        Special::Notation(Notation::Bits {
            length: Some(length),
            varying: false,
        }) if BITS.contains(length) => return Some(format!("bit({length})")),
        Special::Labels { labels, several } => return labels_type(labels, *several, flavor),
        Special::Year => "year",
        Special::Whole { low, high } => integer(*low, *high)?,
        Special::UnsignedLong => "bigint unsigned",
        Special::Geometry { is_point: true } => "point",
        Special::Geometry { is_point: false } | Special::Geography => "geometry",
        Special::Bytes { max_bytes } => return bytes_type(*max_bytes),
        Special::Fraction { digits } => match plain {
            ColumnType::Time => return Some(format!("time({digits})")),
            // The type called timestamp ends in 2038.
            _ => return Some(format!("datetime({digits})")),
        },
        Special::Vector | Special::HalfVector if flavor == Flavor::MySql9 => {
            return Some(format!("vector({VECTOR_ENTRIES_MAX})"));
        }
        Special::Notation(_)
        | Special::Vector
        | Special::HalfVector
        | Special::Extension(_)
        | Special::Xml
        | Special::TextSearch
        | Special::Money
        | Special::ObjectId => return None,
    };
    Some(name.to_owned())
}

fn bytes_type(max_bytes: u32) -> Option<String> {
    if max_bytes == 0 || max_bytes > MEDIUM_BLOB_BYTES_MAX {
        return None;
    }
    Some(if max_bytes <= VARBINARY_BYTES_MAX {
        format!("varbinary({max_bytes})")
    } else if max_bytes <= BLOB_BYTES_MAX {
        "blob".to_owned()
    } else {
        "mediumblob".to_owned()
    })
}

pub(super) fn integer(low: i64, high: i64) -> Option<&'static str> {
    Some(match (low, high) {
        (-128, 127) => "tinyint",
        (0, 255) => "tinyint unsigned",
        (0, 65_535) => "smallint unsigned",
        (-8_388_608, 8_388_607) => "mediumint",
        (0, 16_777_215) => "mediumint unsigned",
        (0, 4_294_967_295) => "int unsigned",
        _ => return None,
    })
}

/// Compared byte by byte, so that labels which differ in case only are two. `None` for labels that the
/// server would refuse or change.
fn labels_type(labels: &[String], several: bool, flavor: Flavor) -> Option<String> {
    let (name, labels_max) = match several {
        true => ("set", SET_LABELS_MAX),
        false => ("enum", ENUM_LABELS_MAX),
    };
    let is_kept = |label: &String| {
        label.chars().count() <= LABEL_CHARS_MAX
            && !label.ends_with(' ')
            && !label.contains('\0')
            && !(several && (label.is_empty() || label.contains(',')))
    };
    let mut sorted: Vec<&String> = labels.iter().collect();
    sorted.sort_unstable();
    let is_repeated = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    let bytes: usize = labels.iter().map(String::len).sum();
    let can_be = (1..=labels_max).contains(&labels.len())
        && labels.iter().all(is_kept)
        && !is_repeated
        && bytes <= LABELS_BYTES_MAX;
    if !can_be {
        return None;
    }
    let collation = flavor.exact_collation();
    let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
    Some(format!(
        "{name}({}) CHARACTER SET utf8mb4 COLLATE {collation}",
        labels.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &Special, plain: &ColumnType, expected: Option<&str>) {
        let found = native_type(kind, plain, Flavor::MariaDb);
        assert_eq!(found.as_deref(), expected, "{kind}");
    }

    #[test]
    fn types_to_be_created() {
        let bits = |length, varying| Special::Notation(Notation::Bits { length, varying });
        check(&bits(Some(64), false), &ColumnType::Bytes, Some("bit(64)"));
        check(&bits(Some(65), false), &ColumnType::Bytes, None);
        check(&bits(Some(1), false), &ColumnType::Bytes, None);
        check(&bits(Some(9), true), &ColumnType::Bytes, None);
        let bytes = |max_bytes, expected| {
            check(&Special::Bytes { max_bytes }, &ColumnType::Bytes, expected);
        };
        bytes(16, Some("varbinary(16)"));
        bytes(4_001, Some("blob"));
        bytes(65_536, Some("mediumblob"));
        bytes(16_777_216, None);
        let whole = |low, high, expected| {
            check(&Special::Whole { low, high }, &ColumnType::Int64, expected);
        };
        whole(0, 255, Some("tinyint unsigned"));
        whole(0, 16_777_215, Some("mediumint unsigned"));
        whole(0, 256, None);
        let fraction = Special::Fraction { digits: 3 };
        check(&fraction, &ColumnType::Time, Some("time(3)"));
        check(&fraction, &ColumnType::TimestampTz, Some("datetime(3)"));
        for (flavor, expected) in [
            (Flavor::MariaDb, None),
            (Flavor::MySql, None),
            (Flavor::MySql9, Some("vector(16383)")),
        ] {
            let found = native_type(&Special::Vector, &ColumnType::Json, flavor);
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn labels_that_the_server_keeps() {
        let check = |labels: &[&str], several, expected: Option<&str>| {
            let labels = labels.iter().map(|&label| label.to_owned()).collect();
            let text = ColumnType::Text { max_chars: None };
            let rest = " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
            let expected = expected.map(|expected| format!("{expected}{rest}"));
            let kind = Special::Labels { labels, several };
            super::tests::check(&kind, &text, expected.as_deref());
        };
        check(
            &["a", "A", "it's", r"\"],
            false,
            Some(r"enum('a','A','it''s','\\')"),
        );
        check(&["a,b", ""], false, Some("enum('a,b','')"));
        check(&["a", "b"], true, Some("set('a','b')"));
        check(&["a,b"], true, None);
        check(&[""], true, None);
        check(&[], false, None);
        check(&["a", "b", "a"], false, None);
        check(&["a "], false, None);
        check(&[&"x".repeat(LABEL_CHARS_MAX + 1)], false, None);
        let many: Vec<String> = (0..=SET_LABELS_MAX)
            .map(|label| label.to_string())
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, true, None);
    }
}
