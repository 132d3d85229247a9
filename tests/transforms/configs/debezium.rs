//! Debezium's transforms.

use fastrand::Rng;

use super::{Keys, pick};

/// Puts one's keys into the config; its class.
pub(super) fn transform(random: &mut Rng, keys: &mut Keys<'_>) -> String {
    let name = match random.u8(..6) {
        0..=2 => {
            unwrap(random, keys);
            "transforms.ExtractNewRecordState"
        }
        3 => {
            naming(random, keys, "column");
            "connector.jdbc.transforms.FieldNameTransformation"
        }
        4 => {
            naming(random, keys, "collection");
            "connector.jdbc.transforms.CollectionNameTransformation"
        }
        _ => {
            cloud_event(random, keys);
            "connector.jdbc.transforms.ConvertCloudEventToSaveableForm"
        }
    };
    format!("io.debezium.{name}")
}

fn unwrap(random: &mut Rng, keys: &mut Keys<'_>) {
    let modes = [
        "drop",
        "tombstone",
        "rewrite",
        "Rewrite-With-Tombstone",
        "delete-to-tombstone",
        "sometimes",
    ];
    let fields = [
        "op",
        "op,ts_ms",
        "table:tbl,source.lsn",
        "transaction.id,total_order",
        "a:b:c",
        "missing,op:",
        "source",
        "op,op",
        "before",
        "id",
        "name.x",
        "before.id",
    ];
    keys.at_times(random, 2, "delete.tombstone.handling.mode", &modes);
    keys.at_times(
        random,
        3,
        "route.by.field",
        &["name", "name", "id", "missing"],
    );
    keys.at_times(random, 2, "add.fields", &fields);
    keys.at_times(random, 4, "add.fields.prefix", &["", "x_"]);
    keys.at_times(random, 3, "add.headers", &fields);
    keys.at_times(random, 4, "add.headers.prefix", &["", "h."]);
    keys.at_times(random, 3, "drop.fields.header.name", &["h1"]);
    keys.at_times(random, 3, "drop.fields.from.key", &["true", "false"]);
    let keep = "drop.fields.keep.schema.compatible";
    keys.at_times(random, 2, keep, &["true", "false", "false"]);
}

fn naming(random: &mut Rng, keys: &mut Keys<'_>, what: &str) {
    let styles = [
        "snake_case",
        "camel_case",
        "UPPER_CASE",
        "lower_case",
        "Default",
        "kebab-case",
    ];
    keys.at_times(random, 1, &format!("{what}.naming.style"), &styles);
    keys.at_times(random, 3, &format!("{what}.naming.prefix"), &["pre_", "X"]);
    keys.at_times(random, 3, &format!("{what}.naming.suffix"), &["_post"]);
}

/// Java keeps no order of these columns, so there are few.
fn cloud_event(random: &mut Rng, keys: &mut Keys<'_>) {
    let mappings = ["id", "data:payload,id", "data", "time", "missing"];
    keys.set("fields.mapping", pick(random, &mappings));
    keys.at_times(
        random,
        1,
        "serializer.type",
        &["json", "avro", "AVRO", "xml"],
    );
    keys.at_times(random, 3, "schema.cloudevents.name", &["com.acme.Event"]);
}
