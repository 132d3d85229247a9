//! Differences that are meant, each with its reason.

use super::cases::{Case, Record};

/// Of configs: why one side refuses what the other takes.
pub(super) fn config(reason: &str) -> Option<&'static str> {
    let known = [
        (
            "Illegal pattern character",
            "a bad pattern of TimestampRouter: Connect fails at each record, we at the config",
        ),
        (
            ".replacement: No group",
            "a replacement with a group that there is not: Connect fails at each record, we at the config",
        ),
    ];
    let found = known.iter().find(|(part, _)| reason.contains(part));
    found.map(|(_, meaning)| *meaning)
}

/// Of records.
pub(super) fn record(
    case: &Case,
    record: &Record,
    ours: &str,
    theirs: &str,
) -> Option<&'static str> {
    let both_pass = ours.starts_with("record\t") && theirs.starts_with("record\t");
    let converts = case
        .config
        .values()
        .any(|value| value.contains("TimestampConverter"));
    let has = |value: &str| case.config.values().any(|known| known == value);
    let we_pass = !ours.starts_with("failed");
    if we_pass && theirs.contains("null used for required field: \"time\"") {
        return Some(
            "InsertField without a time for a required field: Connect fails one transform later",
        );
    }
    if we_pass && theirs.contains("passed a value of type class java.util.Date") {
        return Some(
            "dates without a schema, made by another transform: Connect's Flatten knows none",
        );
    }
    if we_pass && theirs.contains("Cannot list fields on non-struct type") {
        return Some("SetSchemaMetadata of a schema without fields: a mistake of Connect's");
    }
    if both_pass && converts && (has("microseconds") || has("nanoseconds")) {
        return Some("Unix times in micro- and nanoseconds: Connect cuts them to milliseconds");
    }
    if converts && ours.contains("the timestamp is out of range") {
        return Some("times beyond the calendar: Connect takes the last moment there is");
    }
    if both_pass && converts && has("string") && is_before_1582(record) {
        return Some("dates before 1582: Connect shows them in the Julian calendar");
    }
    None
}

/// Whether the record holds a number that is such a time in any unit.
fn is_before_1582(record: &Record) -> bool {
    const SECONDS: i64 = -12_219_292_800;
    let value = record.value.iter().chain(&record.key);
    let mut numbers = value.flat_map(|text| text.split([':', ',', '}', '[', ']']));
    numbers.any(|number| number.parse::<i64>().is_ok_and(|number| number < SECONDS))
}
