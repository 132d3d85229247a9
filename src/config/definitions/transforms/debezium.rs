//! Debezium's, as sinks use them. Names, types and defaults are those of Debezium 3.6, and with
//! them the keys of older versions that configs still have.

use super::{ConfigKey, Kind, NON_EMPTY_LIST, PluginClass, Rule, TransformKind, own};

/// How deletes and tombstones are handled.
const DELETE_MODES: &[&str] = &[
    "drop",
    "tombstone",
    "rewrite",
    "rewrite-with-tombstone",
    "delete-to-tombstone",
];

/// Styles of names.
const NAMING_STYLES: &[&str] = &[
    "default",
    "snake_case",
    "camel_case",
    "UPPER_CASE",
    "lower_case",
];

pub(crate) static UNWRAP_DELETES: ConfigKey = own(
    "delete.tombstone.handling.mode",
    Kind::Text,
    "What becomes of deletes and of the tombstones behind them. `drop`: neither is left. `tombstone`: the delete becomes a tombstone, and the one behind it is dropped. `rewrite`: the delete becomes the old row with `__deleted` = `true` (all others have `false`). `rewrite-with-tombstone`: likewise, and the tombstone stays. `delete-to-tombstone`: as `tombstone`, without a schema.",
)
.default("tombstone")
.rule(Rule::OneOfIgnoringCase(DELETE_MODES));

pub(crate) static UNWRAP_OLD_DELETES: ConfigKey = own(
    "delete.handling.mode",
    Kind::Text,
    "Of Debezium before version 3: `drop`, `none` (the delete becomes a tombstone) or `rewrite`. Given this or `drop.tombstones`, they count in the place of `delete.tombstone.handling.mode`, unless that is given another value than its default.",
)
.rule(Rule::OneOfIgnoringCase(&["drop", "none", "rewrite"]))
.low();

pub(crate) static UNWRAP_OLD_TOMBSTONES: ConfigKey = own(
    "drop.tombstones",
    Kind::Text,
    "Of Debezium before version 3: `true` drops tombstones, `false` leaves them.",
)
.rule(Rule::OneOfIgnoringCase(&["true", "false"]))
.low();

pub(crate) static UNWRAP_ROUTE: ConfigKey = own(
    "route.by.field",
    Kind::Text,
    "A text field of the row whose value becomes the topic, and so chooses the table.",
)
.default("")
.low();

pub(crate) static UNWRAP_FIELDS_PREFIX: ConfigKey = own(
    "add.fields.prefix",
    Kind::Text,
    "What names of added fields begin with.",
)
.default("__")
.low();

pub(crate) static UNWRAP_FIELDS: ConfigKey = own(
    "add.fields",
    Kind::List,
    "Fields of the event to add to the row: `op`, `ts_ms`, `table` (of `source`), `source.lsn`, `transaction.id`, .., each with another name after a colon if wanted: `op:operation`.",
)
.default("")
.low();

pub(crate) static UNWRAP_HEADERS_PREFIX: ConfigKey = own(
    "add.headers.prefix",
    Kind::Text,
    "What names of added headers begin with.",
)
.default("__")
.low();

pub(crate) static UNWRAP_HEADERS: ConfigKey = own(
    "add.headers",
    Kind::List,
    "Fields of the event to add as headers, written as in `add.fields`.",
)
.default("")
.low();

pub(crate) static UNWRAP_DROP_HEADER: ConfigKey = own(
    "drop.fields.header.name",
    Kind::Text,
    "Name of a header with a list of fields that are left out of the row.",
)
.low();

pub(crate) static UNWRAP_DROP_FROM_KEY: ConfigKey = own(
    "drop.fields.from.key",
    Kind::Boolean,
    "Whether they are left out of the key as well.",
)
.default("false")
.low();

pub(crate) static UNWRAP_DROP_OPTIONAL: ConfigKey = own(
    "drop.fields.keep.schema.compatible",
    Kind::Boolean,
    "Whether only optional ones are left out.",
)
.default("true")
.low();

pub(crate) static UNWRAP_REPLACE_NULL: ConfigKey = own(
    "replace.null.with.default",
    Kind::Boolean,
    "Whether a null stands for the default of its field where the row is rewritten.",
)
.default("true")
.low();

pub(crate) static FIELD_NAME_PREFIX: ConfigKey = own(
    "column.naming.prefix",
    Kind::Text,
    "What names of fields then begin with.",
)
.default("")
.low();

pub(crate) static FIELD_NAME_SUFFIX: ConfigKey = own(
    "column.naming.suffix",
    Kind::Text,
    "What names of fields then end with.",
)
.default("")
.low();

pub(crate) static FIELD_NAME_STYLE: ConfigKey = own(
    "column.naming.style",
    Kind::Text,
    "Style of the names of fields.",
)
.default("default")
.rule(Rule::OneOfIgnoringCase(NAMING_STYLES))
.low();

pub(crate) static COLLECTION_NAME_PREFIX: ConfigKey = own(
    "collection.naming.prefix",
    Kind::Text,
    "What the topic's name then begins with.",
)
.default("")
.low();

pub(crate) static COLLECTION_NAME_SUFFIX: ConfigKey = own(
    "collection.naming.suffix",
    Kind::Text,
    "What the topic's name then ends with.",
)
.default("")
.low();

pub(crate) static COLLECTION_NAME_STYLE: ConfigKey = own(
    "collection.naming.style",
    Kind::Text,
    "Style of the topic's name.",
)
.default("default")
.rule(Rule::OneOfIgnoringCase(NAMING_STYLES))
.low();

pub(crate) static CLOUD_EVENT_FIELDS: ConfigKey = own(
    "fields.mapping",
    Kind::List,
    "Fields of the CloudEvent that are kept, each with another name after a colon if wanted: `id,data:payload`.",
)
.required()
.rule(NON_EMPTY_LIST)
.high();

pub(crate) static CLOUD_EVENT_SERIALIZER: ConfigKey = own(
    "serializer.type",
    Kind::Text,
    "How CloudEvents are written: `json` without a schema, or `avro` with one.",
)
.required()
.rule(Rule::OneOfIgnoringCase(&["json", "avro"]))
.high();

pub(crate) static CLOUD_EVENT_SCHEMA: ConfigKey = own(
    "schema.cloudevents.name",
    Kind::Text,
    "Name of the schema of CloudEvents in Avro; if not given, one that ends with `CloudEvents.Envelope`.",
)
.low();

pub(super) static TRANSFORMS: &[PluginClass<TransformKind>] = &[
    PluginClass {
        kind: TransformKind::ExtractNewRecordState,
        name: "io.debezium.transforms.ExtractNewRecordState",
        is_sided: false,
        keys: &[
            &UNWRAP_DELETES,
            &UNWRAP_ROUTE,
            &UNWRAP_FIELDS_PREFIX,
            &UNWRAP_FIELDS,
            &UNWRAP_HEADERS_PREFIX,
            &UNWRAP_HEADERS,
            &UNWRAP_DROP_HEADER,
            &UNWRAP_DROP_FROM_KEY,
            &UNWRAP_DROP_OPTIONAL,
            &UNWRAP_REPLACE_NULL,
            &UNWRAP_OLD_DELETES,
            &UNWRAP_OLD_TOMBSTONES,
        ],
        doc: "A change event becomes the row that it is about. Events are known by the name of their schema, so those without one stay as they are; `change.events=debezium` of the sink knows both.",
    },
    PluginClass {
        kind: TransformKind::FieldNameTransformation,
        name: "io.debezium.connector.jdbc.transforms.FieldNameTransformation",
        is_sided: false,
        keys: &[&FIELD_NAME_PREFIX, &FIELD_NAME_SUFFIX, &FIELD_NAME_STYLE],
        doc: "Other names for the fields of key and value, or of a change event's `before` and `after`.",
    },
    PluginClass {
        kind: TransformKind::CollectionNameTransformation,
        name: "io.debezium.connector.jdbc.transforms.CollectionNameTransformation",
        is_sided: false,
        keys: &[
            &COLLECTION_NAME_PREFIX,
            &COLLECTION_NAME_SUFFIX,
            &COLLECTION_NAME_STYLE,
        ],
        doc: "Another name for the topic, and so another table.",
    },
    PluginClass {
        kind: TransformKind::ConvertCloudEventToSaveableForm,
        name: "io.debezium.connector.jdbc.transforms.ConvertCloudEventToSaveableForm",
        is_sided: false,
        keys: &[
            &CLOUD_EVENT_FIELDS,
            &CLOUD_EVENT_SERIALIZER,
            &CLOUD_EVENT_SCHEMA,
        ],
        doc: "Chosen fields of a CloudEvent become columns, its data as one JSON text. Debezium had it up to version 3.1.",
    },
];
