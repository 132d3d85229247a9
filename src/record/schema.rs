//! Schemas in Connect's data model: what a value is, and what it is called.
//!
//! A schema is made once, by the decoder that met it or by a transform that changed it, and shared
//! by every record that has it. So two records have the same schema when their [`Arc`]s are the
//! same, and whoever derives something from a schema keeps it beside that `Arc`
//! ([`SchemaCache`]). See `org.apache.kafka.connect.data.Schema` for the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::datum::Datum;

/// Name of Connect's logical type for decimals: bytes, with parameter `scale`.
pub const LOGICAL_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Name of Connect's logical type for dates: int32, days since the epoch.
pub const LOGICAL_DATE: &str = "org.apache.kafka.connect.data.Date";
/// Name of Connect's logical type for times of day: int32, milliseconds.
pub const LOGICAL_TIME: &str = "org.apache.kafka.connect.data.Time";
/// Name of Connect's logical type for points in time: int64, milliseconds since the epoch.
pub const LOGICAL_TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

/// Parameter of a decimal: all its digits, where the producer's schema says how many.
pub const DECIMAL_PRECISION: &str = "connect.decimal.precision";

/// Parameter of a point in time in which Avro's name of the type is kept, where it says that the zone is
/// not told.
pub const AVRO_LOGICAL_TYPE: &str = "logicalType";
/// What Avro's names of such types begin with.
pub const AVRO_LOCAL: &str = "local-timestamp-";

/// Names by which other producers tell what texts and structs mean.
pub mod names {
    /// Debezium: a text that is a JSON document.
    pub const JSON: &str = "io.debezium.data.Json";
    /// Debezium: a text that is a UUID.
    pub const UUID: &str = "io.debezium.data.Uuid";
    /// Debezium: a point in time as ISO 8601 text with its offset.
    pub const ZONED_TIMESTAMP: &str = "io.debezium.time.ZonedTimestamp";
    /// Debezium: a duration in nanoseconds, whereas those of other names count microseconds.
    pub const NANO_DURATION: &str = "io.debezium.time.NanoDuration";
    /// Debezium: a decimal that brings its own scale.
    pub const VARIABLE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";
    /// Debezium: a vector by its places that are not zero.
    pub const SPARSE_VECTOR: &str = "io.debezium.data.SparseDoubleVector";
    /// Avro: one of several types.
    pub const AVRO_UNION: &str = "io.confluent.connect.avro.Union";
}

/// More digits than any database keeps after the point.
pub const DECIMAL_SCALE_MAX: u32 = 16_383;

/// What the names of Debezium's dates and times begin with.
const DEBEZIUM_TIME: &str = "io.debezium.time.";

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Its type.
    pub kind: Kind,
    /// What the type's values stand for; follows from `kind`, `name` and `parameters`.
    pub logical: Logical,
    /// May be null.
    pub optional: bool,
    /// Stands in for null and for a missing field.
    pub default: Option<Datum>,
    /// Name of a struct, or of a logical type.
    pub name: Option<Arc<str>>,
    /// Version, as its producer counts.
    pub version: Option<i32>,
    /// Description.
    pub doc: Option<Arc<str>>,
    /// Parameters by name, such as a decimal's `scale`.
    pub parameters: BTreeMap<String, String>,
}

/// A type of Connect's data model.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are Connect's own")]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    /// Values of one schema.
    Array(Arc<Schema>),
    /// From values of one schema to values of another.
    Map {
        key: Arc<Schema>,
        value: Arc<Schema>,
    },
    Struct(Vec<Field>),
}

/// What a type's values stand for. Values of these are held as such ([`Datum::Decimal`],
/// [`Datum::Date`], ...), not as the integers or bytes that a format writes for them; but for
/// [Debezium's times](Schema::is_debezium_time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// Just themselves.
    None,
    /// Decimals with this many digits after the point.
    Decimal {
        /// At most [`DECIMAL_SCALE_MAX`].
        scale: u32,
    },
    /// Dates.
    Date,
    /// Times of day.
    Time,
    /// Points in time.
    Timestamp,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub schema: Arc<Schema>,
}

impl Schema {
    /// A required, nameless schema of this type.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            logical: Logical::None,
            optional: false,
            default: None,
            name: None,
            version: None,
            doc: None,
            parameters: BTreeMap::new(),
        }
    }

    /// May be null.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Connect's `Decimal`. The scale is at most [`DECIMAL_SCALE_MAX`].
    pub fn decimal(scale: u32) -> Self {
        let parameters = BTreeMap::from([("scale".to_owned(), scale.to_string())]);
        Self {
            logical: Logical::Decimal { scale },
            parameters,
            ..Self::logical(Kind::Bytes, LOGICAL_DECIMAL, Logical::None)
        }
    }

    /// Connect's `Date`.
    pub fn date() -> Self {
        Self::logical(Kind::Int32, LOGICAL_DATE, Logical::Date)
    }

    /// Connect's `Time`. Values may be finer than the milliseconds that its name promises.
    pub fn time() -> Self {
        Self::logical(Kind::Int32, LOGICAL_TIME, Logical::Time)
    }

    /// Connect's `Timestamp`. Values may be finer than the milliseconds that its name promises.
    pub fn timestamp() -> Self {
        Self::logical(Kind::Int64, LOGICAL_TIMESTAMP, Logical::Timestamp)
    }

    fn logical(kind: Kind, name: &str, logical: Logical) -> Self {
        Self {
            logical,
            name: Some(name.into()),
            version: Some(1),
            ..Self::new(kind)
        }
    }

    /// Gives it a name, and the meaning that goes with it.
    ///
    /// # Errors
    /// When the name is that of a decimal and the parameters have no usable scale.
    pub fn named(mut self, name: Option<Arc<str>>) -> Result<Self, String> {
        self.logical = Logical::of(&self.kind, name.as_deref(), &self.parameters)?;
        self.name = name;
        Ok(self)
    }

    /// The struct's fields, when it is one.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// The struct's field of this name: where, and what.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let fields = self.fields()?;
        let index = fields.iter().position(|field| *field.name == *name)?;
        Some((index, fields.get(index)?))
    }

    /// A text that is a JSON document.
    pub fn is_json_text(&self) -> bool {
        self.kind == Kind::String && self.name.as_deref() == Some(names::JSON)
    }

    /// An integer that Debezium says to be a date or time. Its values are held as that integer, which is
    /// all that Kafka Connect and so its transforms know of them, until they are
    /// [a column's](Datum::value_of).
    pub fn is_debezium_time(&self) -> bool {
        let name = self.name.as_deref();
        self.logical != Logical::None && name.is_some_and(|name| name.starts_with(DEBEZIUM_TIME))
    }

    /// How many parts of a second a format's integers count, where they are times or points in
    /// time.
    pub fn parts_per_second(&self) -> i64 {
        let name = self.name.as_deref().unwrap_or_default();
        match name.strip_prefix(DEBEZIUM_TIME) {
            Some("MicroTime" | "MicroTimestamp") => 1_000_000,
            Some("NanoTime" | "NanoTimestamp") => 1_000_000_000,
            _ => 1_000,
        }
    }

    /// Whether its dates and times are those of a clock in a zone that is not told. Connect's own
    /// are points in time.
    pub fn is_local(&self) -> bool {
        let name = self.name.as_deref();
        let of_avro = || self.parameters.get(AVRO_LOGICAL_TYPE);
        name.is_some_and(|name| name.starts_with(DEBEZIUM_TIME))
            || of_avro().is_some_and(|name| name.starts_with(AVRO_LOCAL))
    }

    /// What the type is called in messages: `Decimal`, `int32`, `struct`.
    pub fn type_name(&self) -> &'static str {
        match self.logical {
            Logical::None => self.kind.name(),
            Logical::Decimal { .. } => "Decimal",
            Logical::Date => "Date",
            Logical::Time => "Time",
            Logical::Timestamp => "Timestamp",
        }
    }
}

impl Kind {
    /// Connect's name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Map { .. } => "map",
            Self::Struct(_) => "struct",
        }
    }
}

impl Logical {
    /// What values of this type stand for, under this name.
    ///
    /// # Errors
    /// When a decimal has no usable scale.
    pub fn of(
        kind: &Kind,
        name: Option<&str>,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        Ok(match (name, kind) {
            (Some(LOGICAL_DECIMAL), Kind::Bytes) => Self::Decimal {
                scale: decimal_scale(parameters)?,
            },
            (Some(LOGICAL_DATE), Kind::Int32) => Self::Date,
            (Some(LOGICAL_TIME), Kind::Int32) => Self::Time,
            (Some(LOGICAL_TIMESTAMP), Kind::Int64) => Self::Timestamp,
            (Some(name), kind) => match (name.strip_prefix(DEBEZIUM_TIME), kind) {
                (Some("Date"), Kind::Int32) => Self::Date,
                (Some("Time"), Kind::Int32) => Self::Time,
                (Some("MicroTime" | "NanoTime"), Kind::Int64) => Self::Time,
                (Some("Timestamp" | "MicroTimestamp" | "NanoTimestamp"), Kind::Int64) => {
                    Self::Timestamp
                }
                _ => Self::None,
            },
            _ => Self::None,
        })
    }
}

fn decimal_scale(parameters: &BTreeMap<String, String>) -> Result<u32, String> {
    parameters
        .get("scale")
        .and_then(|scale| scale.parse().ok())
        .filter(|scale| *scale <= DECIMAL_SCALE_MAX)
        .ok_or_else(|| {
            format!("the schema has a Decimal without a scale of 0 to {DECIMAL_SCALE_MAX}")
        })
}

/// What was derived from schemas, by their identity: the schema used last first. Holds few, since
/// a topic has few versions live at once, and forgets the one that was not used for longest.
#[derive(Debug)]
pub struct SchemaCache<T> {
    entries: Vec<(Arc<Schema>, T)>,
}

/// As many as Connect's transforms keep.
const SCHEMAS_CACHED: usize = 16;

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<T: Clone> SchemaCache<T> {
    /// What is derived from this schema, derived now when it is new.
    ///
    /// # Errors
    /// Those of `derive`; nothing is kept then.
    pub fn get<E>(
        &mut self,
        schema: &Arc<Schema>,
        derive: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let found = self
            .entries
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, schema));
        match found {
            Some(0) => {}
            Some(found) => self.entries[..=found].rotate_right(1),
            None => {
                let derived = derive()?;
                self.entries.truncate(SCHEMAS_CACHED - 1);
                self.entries.insert(0, (Arc::clone(schema), derived));
            }
        }
        Ok(self.entries[0].1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_meaning_only_to_their_own_types() {
        let check = |kind: Kind, name: &str, expected: Logical| {
            let named = Schema::new(kind).named(Some(name.into())).unwrap();
            assert_eq!(named.logical, expected, "{name}");
        };
        check(Kind::Int32, LOGICAL_DATE, Logical::Date);
        check(Kind::Int64, LOGICAL_DATE, Logical::None);
        check(Kind::Int32, LOGICAL_TIME, Logical::Time);
        check(Kind::Int64, LOGICAL_TIMESTAMP, Logical::Timestamp);
        check(Kind::String, "com.acme.Thing", Logical::None);
        check(Kind::Int64, "io.debezium.time.MicroTime", Logical::Time);
        check(Kind::Int32, "io.debezium.time.MicroTime", Logical::None);
        check(
            Kind::Int64,
            "io.debezium.time.NanoTimestamp",
            Logical::Timestamp,
        );
        let without_scale = Schema::new(Kind::Bytes).named(Some(LOGICAL_DECIMAL.into()));
        assert!(without_scale.is_err(), "a decimal needs its scale");
        assert_eq!(Schema::decimal(2).logical, Logical::Decimal { scale: 2 });
    }

    #[test]
    fn the_cache_derives_once_per_schema_and_forgets_the_oldest() {
        let mut cache = SchemaCache::default();
        let mut derived = 0;
        let schemas: Vec<_> = (0..=SCHEMAS_CACHED)
            .map(|_| Arc::new(Schema::new(Kind::Int8)))
            .collect();
        let mut get = |schema: &Arc<Schema>| {
            let answer = cache.get(schema, || {
                derived += 1;
                Ok::<_, ()>(derived)
            });
            answer.unwrap()
        };
        for _ in 0..2 {
            for (index, schema) in schemas[..SCHEMAS_CACHED].iter().enumerate() {
                assert_eq!(get(schema), index + 1, "equal schemas are not the same one");
            }
        }
        assert_eq!(get(&schemas[SCHEMAS_CACHED]), SCHEMAS_CACHED + 1);
        assert_eq!(get(&schemas[1]), 2, "used after the first");
        assert_eq!(get(&schemas[0]), SCHEMAS_CACHED + 2, "forgotten");
    }
}
