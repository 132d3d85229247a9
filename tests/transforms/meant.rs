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
        (
            ".replace.null.with.default: Expected value",
            "a switch that is neither on nor off: Debezium takes it for off",
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
    let seen = Seen {
        case,
        record,
        ours,
        theirs,
    };
    seen.mistakes_of_theirs()
        .or_else(|| seen.choices_of_ours())
        .or_else(|| seen.of_cloud_events())
}

struct Seen<'a> {
    case: &'a Case,
    record: &'a Record,
    ours: &'a str,
    theirs: &'a str,
}

impl Seen<'_> {
    /// Whether the config has this value.
    fn has(&self, value: &str) -> bool {
        self.case.config.values().any(|known| known == value)
    }

    /// Whether a transform of this name is in it.
    fn applies(&self, name: &str) -> bool {
        let mut values = self.case.config.values();
        values.any(|value| value.rsplit('.').next().unwrap().split('$').next() == Some(name))
    }

    fn we_pass(&self) -> bool {
        !self.ours.starts_with("failed")
    }

    fn both_pass(&self) -> bool {
        self.ours.starts_with("record\t") && self.theirs.starts_with("record\t")
    }

    /// Connect fails where there is no need to.
    fn mistakes_of_theirs(&self) -> Option<&'static str> {
        let known = [
            (
                "null used for required field: \"time\"",
                "InsertField without a time for a required field: Connect fails one transform later",
            ),
            (
                "passed a value of type class java.util.Date",
                "dates without a schema, made by another transform: Connect's Flatten knows none",
            ),
            (
                "Cannot list fields on non-struct type",
                "SetSchemaMetadata of a schema without fields: a mistake of Connect's",
            ),
            (
                "SchemaBuilderException: Invalid default value",
                "Cast of a whole date, time or decimal with a default: a mistake of Connect's",
            ),
        ];
        let mut found = known.iter().filter(|(part, _)| self.theirs.contains(part));
        let (_, meaning) = found.next().filter(|_| self.we_pass())?;
        Some(meaning)
    }

    /// Nothing is lost here, and order is kept.
    fn choices_of_ours(&self) -> Option<&'static str> {
        let converts = self.applies("TimestampConverter");
        if self.has("id:name") && !(self.case.key_schemas && self.case.value_schemas) {
            return Some(
                "two names become one in an object without a schema: Java's hashes choose",
            );
        }
        if self.both_pass() && converts && (self.has("microseconds") || self.has("nanoseconds")) {
            return Some("Unix times in micro- and nanoseconds: Connect cuts them to milliseconds");
        }
        if converts && self.ours.contains("the timestamp is out of range") {
            return Some("times beyond the calendar: Connect takes the last moment there is");
        }
        if self.both_pass() && converts && self.has("string") && is_before_1582(self.record) {
            return Some("dates before 1582: Connect shows them in the Julian calendar");
        }
        None
    }

    fn of_cloud_events(&self) -> Option<&'static str> {
        const FAULTS: [&str; 4] = [
            "because \"data\" is null",
            "Unsupported type of CloudEvent field",
            "SchemaAndValue.schema()\" is null",
            "\"schemaName\" is null",
        ];
        if !self.applies("ConvertCloudEventToSaveableForm") {
            return None;
        }
        if self.we_pass() && FAULTS.iter().any(|fault| self.theirs.contains(fault)) {
            return Some(
                "what is no CloudEvent, and data that is null or without a schema: Debezium fails",
            );
        }
        let value = self.record.value.as_deref().unwrap_or_default();
        let written_otherwise = [
            "org.apache.kafka.connect.data.",
            "io.debezium.time.",
            ":\"float\"",
            ":\"double\"",
        ];
        if self.both_pass() && written_otherwise.iter().any(|part| value.contains(part)) {
            return Some(
                "a CloudEvent's data as JSON: ours has decimals as numbers, dates as such, plain floats",
            );
        }
        None
    }
}

/// Whether the record holds a number that is such a time in any unit.
fn is_before_1582(record: &Record) -> bool {
    const SECONDS: i64 = -12_219_292_800;
    let value = record.value.iter().chain(&record.key);
    let mut numbers = value.flat_map(|text| text.split([':', ',', '}', '[', ']']));
    numbers.any(|number| number.parse::<i64>().is_ok_and(|number| number < SECONDS))
}
