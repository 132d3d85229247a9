//! Apache Kafka's own. Names, types and defaults are those of Kafka 4.1.

use super::{
    ConfigKey, Kind, NON_EMPTY_LIST, NON_EMPTY_STRING, PluginClass, PredicateKind, Rule,
    TransformKind, own,
};

pub(crate) static REPLACE_NULL: ConfigKey = own(
    "replace.null.with.default",
    Kind::Boolean,
    "Whether a null stands for the default of its field.",
)
.default("true");

pub(crate) static CAST_SPEC: ConfigKey = own(
    "spec",
    Kind::List,
    "Fields and what they are made, as in `id:int64,price:float64`; or one type for the whole key or value. Types: `int8`, `int16`, `int32`, `int64`, `float32`, `float64`, `boolean`, `string`. Numbers that are too large lose their high bits, as in Java.",
)
.required()
.high();

pub(crate) static DROP_HEADERS: ConfigKey =
    own("headers", Kind::List, "Names of the headers to remove.")
        .required()
        .rule(NON_EMPTY_LIST)
        .high();

pub(crate) static EXTRACT_FIELD: ConfigKey = own(
    "field",
    Kind::Text,
    "Name of the field that takes the place of the whole, or its path with `field.syntax.version=V2`.",
)
.required();

pub(crate) static FIELD_SYNTAX: ConfigKey = own(
    "field.syntax.version",
    Kind::Text,
    "`V1`: a name is a name. `V2`: dots lead into nested fields, and backticks around a name keep its dots.",
)
.default("V1")
.rule(Rule::OneOfIgnoringCase(&["V1", "V2"]))
.high();

pub(crate) static FLATTEN_DELIMITER: ConfigKey = own(
    "delimiter",
    Kind::Text,
    "Text between the names that are joined.",
)
.default(".");

pub(crate) static HEADER_FROM_FIELDS: ConfigKey = own("fields", Kind::List, "Names of the fields.")
    .required()
    .rule(NON_EMPTY_LIST)
    .high();

pub(crate) static HEADER_FROM_HEADERS: ConfigKey = own(
    "headers",
    Kind::List,
    "Names of the headers, one for each field, in the same order.",
)
.required()
.rule(NON_EMPTY_LIST)
.high();

pub(crate) static HEADER_FROM_OPERATION: ConfigKey = own(
    "operation",
    Kind::Text,
    "`move`: the fields are removed; `copy`: they stay.",
)
.required()
.rule(Rule::OneOf(&["move", "copy"]))
.high();

pub(crate) static HOIST_FIELD: ConfigKey = own(
    "field",
    Kind::Text,
    "Name of the one field that the whole becomes.",
)
.required();

pub(crate) static INSERT_TOPIC_FIELD: ConfigKey = own(
    "topic.field",
    Kind::Text,
    "Field for the topic, as transforms before this one made it. For this and the next four: `!` after the name makes the field a required one.",
);

pub(crate) static INSERT_PARTITION_FIELD: ConfigKey =
    own("partition.field", Kind::Text, "Field for the partition.");

pub(crate) static INSERT_OFFSET_FIELD: ConfigKey =
    own("offset.field", Kind::Text, "Field for the offset.");

pub(crate) static INSERT_TIMESTAMP_FIELD: ConfigKey = own(
    "timestamp.field",
    Kind::Text,
    "Field for the record's time: a timestamp, or milliseconds where there is no schema.",
);

pub(crate) static INSERT_STATIC_FIELD: ConfigKey = own(
    "static.field",
    Kind::Text,
    "Field for the text of `static.value`.",
);

pub(crate) static INSERT_STATIC_VALUE: ConfigKey =
    own("static.value", Kind::Text, "Text for `static.field`.");

pub(crate) static INSERT_HEADER: ConfigKey = own("header", Kind::Text, "Name of the header.")
    .required()
    .high();

pub(crate) static INSERT_HEADER_VALUE: ConfigKey =
    own("value.literal", Kind::Text, "Value of the header.")
        .required()
        .high();

pub(crate) static MASK_FIELDS: ConfigKey = own(
    "fields",
    Kind::List,
    "Names of the fields whose values become 0, false, an empty text, ...",
)
.required()
.rule(NON_EMPTY_LIST)
.high();

pub(crate) static MASK_REPLACEMENT: ConfigKey = own(
    "replacement",
    Kind::Text,
    "What texts and numbers become instead, in their own type.",
)
.rule(NON_EMPTY_STRING)
.low();

pub(crate) static ROUTER_REGEX: ConfigKey = own(
    "regex",
    Kind::Text,
    "Regular expression that the whole name of the topic must match. No look-around, no back-references.",
)
.required()
.high();

pub(crate) static ROUTER_REPLACEMENT: ConfigKey = own(
    "replacement",
    Kind::Text,
    "What the first match becomes; `$1` or `${name}` stand for groups.",
)
.required()
.high();

pub(crate) static REPLACE_EXCLUDE: ConfigKey = own(
    "exclude",
    Kind::List,
    "Fields to leave out; stronger than `include`.",
)
.default("");

pub(crate) static REPLACE_INCLUDE: ConfigKey = own(
    "include",
    Kind::List,
    "Fields to keep; when given, all others are left out.",
)
.default("");

pub(crate) static REPLACE_BLACKLIST: ConfigKey = own(
    "blacklist",
    Kind::List,
    "The name of `exclude` before Kafka 3.",
)
.default("")
.low();

pub(crate) static REPLACE_WHITELIST: ConfigKey = own(
    "whitelist",
    Kind::List,
    "The name of `include` before Kafka 3.",
)
.default("")
.low();

pub(crate) static REPLACE_RENAMES: ConfigKey = own(
    "renames",
    Kind::List,
    "Fields to rename, as in `old:new,other:another`.",
)
.default("");

pub(crate) static SCHEMA_NAME: ConfigKey =
    own("schema.name", Kind::Text, "Name for the schema.").high();

pub(crate) static SCHEMA_VERSION: ConfigKey =
    own("schema.version", Kind::Int, "Version for the schema.").high();

pub(crate) static TIMESTAMP_FIELD: ConfigKey = own(
    "field",
    Kind::Text,
    "Name of the field. Empty: the whole key or value is converted.",
)
.default("")
.high();

pub(crate) static TIMESTAMP_TARGET: ConfigKey = own("target.type", Kind::Text, "What it becomes.")
    .required()
    .rule(Rule::OneOf(&[
        "string",
        "unix",
        "Date",
        "Time",
        "Timestamp",
    ]))
    .high();

pub(crate) static TIMESTAMP_FORMAT: ConfigKey = own(
    "format",
    Kind::Text,
    "How texts are written, as Java's `SimpleDateFormat` says it, in UTC and English. Needed where a text is read or made.",
)
.default("");

pub(crate) static TIMESTAMP_PRECISION: ConfigKey = own(
    "unix.precision",
    Kind::Text,
    "What an integer counts. Micro- and nanoseconds are kept where the target can hold them.",
)
.default("milliseconds")
.rule(Rule::OneOf(&[
    "nanoseconds",
    "microseconds",
    "milliseconds",
    "seconds",
]))
.low();

pub(crate) static ROUTER_TOPIC_FORMAT: ConfigKey = own(
    "topic.format",
    Kind::Text,
    "The new name, in which `${topic}` and `${timestamp}` stand for the old name and the formatted time.",
)
.default("${topic}-${timestamp}")
.high();

pub(crate) static ROUTER_TIMESTAMP_FORMAT: ConfigKey = own(
    "timestamp.format",
    Kind::Text,
    "How the time is written, as Java's `SimpleDateFormat` says it, in UTC.",
)
.default("yyyyMMdd")
.high();

pub(crate) static VALUE_TO_KEY_FIELDS: ConfigKey = own(
    "fields",
    Kind::List,
    "Names of the value's fields that become the key.",
)
.required()
.rule(NON_EMPTY_LIST)
.high();

pub(crate) static HAS_HEADER_KEY: ConfigKey = own("name", Kind::Text, "Name of the header.")
    .required()
    .rule(NON_EMPTY_STRING);

pub(crate) static TOPIC_PATTERN: ConfigKey = own(
    "pattern",
    Kind::Text,
    "Regular expression that the whole name of the topic must match, as transforms before this one made it.",
)
.required()
.rule(NON_EMPTY_STRING);

macro_rules! transform {
    ($kind:ident, $sided:literal, [$($key:ident),*], $doc:literal) => {
        PluginClass {
            kind: TransformKind::$kind,
            name: concat!("org.apache.kafka.connect.transforms.", stringify!($kind)),
            is_sided: $sided,
            keys: &[$(&$key),*],
            doc: $doc,
        }
    };
}

macro_rules! predicate {
    ($kind:ident, [$($key:ident),*], $doc:literal) => {
        PluginClass {
            kind: PredicateKind::$kind,
            name: concat!("org.apache.kafka.connect.transforms.predicates.", stringify!($kind)),
            is_sided: false,
            keys: &[$(&$key),*],
            doc: $doc,
        }
    };
}

pub(super) static TRANSFORMS: &[PluginClass<TransformKind>] = &[
    transform!(
        Cast,
        true,
        [CAST_SPEC, REPLACE_NULL],
        "Fields, or the whole, to another primitive type."
    ),
    transform!(DropHeaders, false, [DROP_HEADERS], "Removes headers."),
    transform!(
        ExtractField,
        true,
        [EXTRACT_FIELD, FIELD_SYNTAX, REPLACE_NULL],
        "One field in the place of the whole."
    ),
    transform!(
        Filter,
        false,
        [],
        "Drops the records that its predicate holds for; their positions move on."
    ),
    transform!(
        Flatten,
        true,
        [FLATTEN_DELIMITER],
        "Nested fields become fields of the whole, with joined names."
    ),
    transform!(
        HeaderFrom,
        true,
        [
            HEADER_FROM_FIELDS,
            HEADER_FROM_HEADERS,
            HEADER_FROM_OPERATION,
            REPLACE_NULL
        ],
        "Copies or moves fields into headers."
    ),
    transform!(
        HoistField,
        true,
        [HOIST_FIELD],
        "The whole becomes the one field of an object."
    ),
    transform!(
        InsertField,
        true,
        [
            INSERT_TOPIC_FIELD,
            INSERT_PARTITION_FIELD,
            INSERT_OFFSET_FIELD,
            INSERT_TIMESTAMP_FIELD,
            INSERT_STATIC_FIELD,
            INSERT_STATIC_VALUE,
            REPLACE_NULL
        ],
        "Adds topic, partition, offset, time or a fixed text as fields."
    ),
    transform!(
        InsertHeader,
        false,
        [INSERT_HEADER, INSERT_HEADER_VALUE],
        "Adds a header to every record."
    ),
    transform!(
        MaskField,
        true,
        [MASK_FIELDS, MASK_REPLACEMENT, REPLACE_NULL],
        "Replaces the values of fields by nothing, or by a fixed value."
    ),
    transform!(
        RegexRouter,
        false,
        [ROUTER_REGEX, ROUTER_REPLACEMENT],
        "Another topic, and so another table, by a regular expression."
    ),
    transform!(
        ReplaceField,
        true,
        [
            REPLACE_EXCLUDE,
            REPLACE_INCLUDE,
            REPLACE_RENAMES,
            REPLACE_NULL,
            REPLACE_BLACKLIST,
            REPLACE_WHITELIST
        ],
        "Leaves fields out, or renames them."
    ),
    transform!(
        SetSchemaMetadata,
        true,
        [SCHEMA_NAME, SCHEMA_VERSION, REPLACE_NULL],
        "Another name or version for the schema."
    ),
    transform!(
        TimestampConverter,
        true,
        [
            TIMESTAMP_FIELD,
            TIMESTAMP_TARGET,
            TIMESTAMP_FORMAT,
            TIMESTAMP_PRECISION,
            REPLACE_NULL
        ],
        "Between texts, Unix times, dates, times and timestamps."
    ),
    transform!(
        TimestampRouter,
        false,
        [ROUTER_TOPIC_FORMAT, ROUTER_TIMESTAMP_FORMAT],
        "Another topic, and so another table, by the record's time."
    ),
    transform!(
        ValueToKey,
        false,
        [VALUE_TO_KEY_FIELDS, REPLACE_NULL],
        "Fields of the value become the key."
    ),
];

pub(super) static PREDICATES: &[PluginClass<PredicateKind>] = &[
    predicate!(
        HasHeaderKey,
        [HAS_HEADER_KEY],
        "There is a header of this name."
    ),
    predicate!(RecordIsTombstone, [], "The value is null."),
    predicate!(
        TopicNameMatches,
        [TOPIC_PATTERN],
        "The whole name of the topic matches."
    ),
];
