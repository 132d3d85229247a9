//! Random configs: one to three transforms with options that often make sense.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::cases::{NAMES, pick};

mod debezium;

const KAFKA: &str = "org.apache.kafka.connect.transforms";

/// `transforms`, `predicates` and what is below them.
pub(super) fn random(random: &mut Rng) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    let count = match random.u8(..6) {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    let aliases: Vec<String> = (0..count).map(|index| format!("t{index}")).collect();
    config.insert("transforms".to_owned(), aliases.join(","));
    for alias in &aliases {
        transform(random, alias, &mut config);
    }
    config
}

/// What its records should be, to make sense.
pub(super) enum Wanted {
    Anything,
    ChangeEvents,
    CloudEvents,
}

/// By the transforms that it has.
pub(super) fn wanted(config: &BTreeMap<String, String>) -> Wanted {
    let has = |name: &str| config.values().any(|value| value.ends_with(name));
    if has("ConvertCloudEventToSaveableForm") {
        Wanted::CloudEvents
    } else if has("ExtractNewRecordState") || has("FieldNameTransformation") {
        Wanted::ChangeEvents
    } else {
        Wanted::Anything
    }
}

/// Whether something in it looks at headers.
pub(super) fn reads_headers(config: &BTreeMap<String, String>) -> bool {
    config.values().any(|value| value.ends_with("HasHeaderKey"))
        || config
            .keys()
            .any(|key| key.ends_with("drop.fields.header.name"))
}

/// Puts one transform's keys into the config.
struct Keys<'a> {
    alias: &'a str,
    config: &'a mut BTreeMap<String, String>,
}

impl Keys<'_> {
    fn set(&mut self, key: &str, value: impl Into<String>) {
        let key = format!("transforms.{}.{key}", self.alias);
        self.config.insert(key, value.into());
    }

    /// One time in `rarity`.
    fn at_times(&mut self, random: &mut Rng, rarity: u8, key: &str, values: &[&str]) {
        if random.u8(..rarity) == 0 {
            self.set(key, pick(random, values));
        }
    }
}

fn transform(random: &mut Rng, alias: &str, config: &mut BTreeMap<String, String>) {
    predicate(random, alias, config);
    let mut keys = Keys { alias, config };
    let side = if random.u8(..5) == 0 {
        "$Key"
    } else {
        "$Value"
    };
    let sided = |name: &str| format!("{KAFKA}.{name}{side}");
    let plain = |name: &str| format!("{KAFKA}.{name}");
    let kind = match random.u8(..21) {
        0 => {
            cast(random, &mut keys);
            sided("Cast")
        }
        1 => {
            keys.set("headers", pick(random, &["h1", "h1,h2", "h9", ""]));
            plain("DropHeaders")
        }
        2 => {
            keys.set(
                "field",
                pick(
                    random,
                    &[
                        "id",
                        "name",
                        "nested",
                        "a.b",
                        "nested.id",
                        "`a.b`",
                        "`a",
                        "nested.nested.at",
                    ],
                ),
            );
            keys.at_times(random, 2, "field.syntax.version", &["V1", "V2", "v2"]);
            sided("ExtractField")
        }
        3 => plain("Filter"),
        4 => {
            keys.at_times(random, 2, "delimiter", &["_", ".", "", "--"]);
            sided("Flatten")
        }
        5 => {
            keys.set("fields", pick(random, &["id", "id,name", "at,at", ""]));
            keys.set("headers", pick(random, &["h1", "h1,h2", "x,y"]));
            keys.set("operation", pick(random, &["move", "copy", "steal"]));
            sided("HeaderFrom")
        }
        6 => {
            keys.set("field", pick(random, &["whole", "id"]));
            sided("HoistField")
        }
        7 => {
            insert_field(random, &mut keys);
            sided("InsertField")
        }
        8 => {
            keys.set("header", pick(random, &["h1", "h2"]));
            keys.set(
                "value.literal",
                pick(random, &["text", "1", "true", "70000"]),
            );
            plain("InsertHeader")
        }
        9 => {
            keys.set("fields", fields(random));
            keys.at_times(random, 2, "replacement", &["42", "hidden", "1.5", "300"]);
            sided("MaskField")
        }
        10 => {
            router(random, &mut keys);
            plain("RegexRouter")
        }
        11 => {
            replace_field(random, &mut keys);
            sided("ReplaceField")
        }
        12 => {
            keys.at_times(random, 2, "schema.name", &["com.acme.Other", "x"]);
            keys.at_times(random, 2, "schema.version", &["7", "x"]);
            sided("SetSchemaMetadata")
        }
        13 => {
            timestamp_converter(random, &mut keys);
            sided("TimestampConverter")
        }
        14 => {
            keys.at_times(
                random,
                2,
                "topic.format",
                &["${topic}_${timestamp}", "fixed", "${timestamp}"],
            );
            keys.at_times(
                random,
                2,
                "timestamp.format",
                &["yyyy-MM-dd", "yyMMddHH", "EEE, d MMM yyyy", "D.DDD", "q"],
            );
            plain("TimestampRouter")
        }
        15 => {
            keys.set(
                "fields",
                pick(random, &["id", "id,name", "name,at,amount", "id,id"]),
            );
            plain("ValueToKey")
        }
        _ => debezium::transform(random, &mut keys),
    };
    keys.at_times(
        random,
        6,
        "replace.null.with.default",
        &["true", "true", "maybe"],
    );
    keys.set("type", kind);
}

fn fields(random: &mut Rng) -> String {
    let fields: Vec<&str> = (0..random.usize(1..4))
        .map(|_| pick(random, &NAMES))
        .collect();
    fields.join(",")
}

fn cast(random: &mut Rng, keys: &mut Keys<'_>) {
    const TYPES: [&str; 10] = [
        "int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "String",
        "bytes",
    ];
    if random.u8(..5) == 0 {
        keys.set("spec", pick(random, &TYPES));
        return;
    }
    let casts: Vec<String> = (0..random.usize(1..4))
        .map(|_| format!("{}:{}", pick(random, &NAMES), pick(random, &TYPES[..9])))
        .collect();
    keys.set("spec", casts.join(","));
}

fn insert_field(random: &mut Rng, keys: &mut Keys<'_>) {
    keys.at_times(
        random,
        2,
        "topic.field",
        &["topic", "topic!", "topic?", "name"],
    );
    keys.at_times(random, 3, "partition.field", &["partition", "partition!"]);
    keys.at_times(random, 3, "offset.field", &["offset", "offset!"]);
    keys.at_times(random, 3, "timestamp.field", &["time", "time!"]);
    keys.at_times(random, 2, "static.field", &["fixed", "fixed!"]);
    keys.at_times(random, 2, "static.value", &["text"]);
}

fn router(random: &mut Rng, keys: &mut Keys<'_>) {
    let (regex, replacement) = *pick(
        random,
        &[
            &("(.*)\\.(.*)\\.(.*)", "$3"),
            &("(?<db>[^.]*)\\..*", "${db}-x"),
            &("o(r)?.*", "$1$10"),
            &("orders", "\\$other"),
            &("[a-z]+", "$0_$0"),
            &("t|orders", "x"),
            &("(", "x"),
            &("(a)", "$2"),
        ],
    );
    keys.set("regex", regex);
    keys.set("replacement", replacement);
}

fn replace_field(random: &mut Rng, keys: &mut Keys<'_>) {
    if random.bool() {
        keys.set("exclude", fields(random));
    }
    if random.u8(..3) == 0 {
        keys.set("include", fields(random));
    }
    keys.at_times(
        random,
        2,
        "renames",
        &[
            "id:key",
            "id:key,name:label",
            "id:name",
            "x:y",
            "id",
            "a:b:c",
            "at:name,name:at",
        ],
    );
}

fn timestamp_converter(random: &mut Rng, keys: &mut Keys<'_>) {
    keys.at_times(random, 4, "field", &["missing", ""]);
    if random.u8(..5) > 0 {
        keys.set("field", pick(random, &NAMES));
    }
    keys.set(
        "target.type",
        pick(
            random,
            &["string", "unix", "Date", "Time", "Timestamp", "date"],
        ),
    );
    keys.at_times(
        random,
        1,
        "format",
        &[
            "yyyy-MM-dd",
            "yyyy-MM-dd'T'HH:mm:ss.SSSX",
            "yy/M/d h:mm a",
            "EEEE, dd MMMM yyyy G",
            "yyyyMMddHHmmss",
            "'",
            "",
        ],
    );
    keys.at_times(
        random,
        2,
        "unix.precision",
        &["seconds", "milliseconds", "microseconds", "nanoseconds"],
    );
}

fn predicate(random: &mut Rng, alias: &str, config: &mut BTreeMap<String, String>) {
    if random.u8(..4) > 0 {
        return;
    }
    let name = format!("p-{alias}");
    let known = config.remove("predicates");
    let all = known.map_or_else(|| name.clone(), |known| format!("{known},{name}"));
    config.insert("predicates".to_owned(), all);
    config.insert(format!("transforms.{alias}.predicate"), name.clone());
    if random.bool() {
        let negate = random.bool().to_string();
        config.insert(format!("transforms.{alias}.negate"), negate);
    }
    let (kind, option) = *pick(
        random,
        &[
            &("HasHeaderKey", Some(("name", "h1"))),
            &("RecordIsTombstone", None),
            &("TopicNameMatches", Some(("pattern", "o.*"))),
            &("TopicNameMatches", Some(("pattern", "t|orders"))),
        ],
    );
    let kind = format!("{KAFKA}.predicates.{kind}");
    config.insert(format!("predicates.{name}.type"), kind);
    if let Some((key, value)) = option {
        config.insert(format!("predicates.{name}.{key}"), value.to_owned());
    }
}
