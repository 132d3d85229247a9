//! Choosing: which values of a record are which columns, of one table or of several.
//!
//! Comes after the transforms, for connectors with `cassandra.mapping`. What a record is in each of its
//! topic's tables is a record of its own: its topic names the table, its value has a field for each
//! column, and its key has the same fields, of which the table's key takes its own. When all that is
//! taken from the value is missing, because the record has none, the row of the key is deleted.
//!
//! `now()` must not be the time of writing, which is another each time: it is a UUID of version 1 made
//! of the record's time and coordinates, the same whenever the record is read.

use std::sync::Arc;

use crate::config::converter::HeaderConverter;
use crate::config::mapping::{Source, TableMapping};
use crate::decode::header;
use crate::record::{
    Datum, Field, Header, Kind, Map, OwnedRecord, RawRecord, RecordError, Schema, Side, Stage,
    Struct,
};

/// From the beginning of the Gregorian calendar to 1970, in the UUID's ticks of 100 nanoseconds.
const TICKS_BEFORE_EPOCH: u64 = 0x01b2_1dd2_1381_4000;
const TICKS_PER_MILLI: u64 = 10_000;

/// Parameters of the hash (FNV-1a) that tells partitions apart.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0100_0000_01b3;

/// Shapes of rows that are remembered: more than versions of schemas, and sets of headers, that are live
/// at once.
const SHAPES_MAX: usize = 16;

/// The mappings of a connector.
#[derive(Debug)]
pub struct Selection {
    tables: Vec<(Arc<str>, TableMapping)>,
    deletes: bool,
    /// Some column is a header.
    headers: Option<HeaderConverter>,
    shapes: Shapes,
}

/// The value of a column, and its schema where it has one.
struct Chosen {
    name: String,
    datum: Datum,
    schema: Option<Arc<Schema>>,
}

/// Schemas of rows: the same values shall have the same one, by which others know them.
#[derive(Debug)]
struct Shapes {
    known: Vec<Arc<Schema>>,
    /// Of a value that has none, beside others that have.
    plain: Arc<Schema>,
}

impl Selection {
    /// `None` without mappings. `deletes`: a record without a value deletes.
    pub fn new(
        mappings: &[TableMapping],
        deletes: bool,
        header_converter: HeaderConverter,
    ) -> Option<Self> {
        let mut columns = mappings.iter().flat_map(|mapping| &mapping.columns);
        let has_headers = columns.any(|column| matches!(column.source, Source::Header(_)));
        let tables = mappings
            .iter()
            .map(|mapping| (mapping.route().into(), mapping.clone()));
        (!mappings.is_empty()).then(|| Self {
            tables: tables.collect(),
            deletes,
            headers: has_headers.then_some(header_converter),
            shapes: Shapes {
                known: Vec::new(),
                plain: Arc::new(Schema::new(Kind::String).optional()),
            },
        })
    }

    /// What a record is in each table of its topic.
    ///
    /// # Errors
    /// When no entry maps the topic that the record has after its transforms, or a header that is asked
    /// for cannot be read.
    pub fn select(
        &mut self,
        record: &OwnedRecord,
        raw: &RawRecord<'_>,
    ) -> Result<Vec<OwnedRecord>, RecordError> {
        let headers = match self.headers {
            Some(converter) => {
                let read = |raw| header::read(converter, raw);
                raw.headers
                    .headers()
                    .into_iter()
                    .map(read)
                    .collect::<Result<Vec<_>, _>>()?
            }
            None => Vec::new(),
        };
        let mut selected = Vec::new();
        for (route, mapping) in &self.tables {
            if *mapping.topic == *record.topic {
                let row = self.shapes.side(chosen(mapping, record, &headers));
                let value = match is_gone(mapping, record, self.deletes) {
                    true => Side::NULL,
                    false => row.clone(),
                };
                let origin = record.origin().clone();
                let mut row = OwnedRecord::new(origin, record.timestamp_ms, row, value);
                row.topic = Arc::clone(route);
                selected.push(row);
            }
        }
        if selected.is_empty() {
            let reason = format!(
                "cassandra.mapping has no entry for topic {}, which is the record's after its transforms",
                record.topic
            );
            return Err(RecordError::new(Stage::TaskPut, reason));
        }
        Ok(selected)
    }
}

/// All that is taken from the value is missing, because the record has none.
fn is_gone(mapping: &TableMapping, record: &OwnedRecord, deletes: bool) -> bool {
    let is_of_value = |source: &Source| matches!(source, Source::Value(_) | Source::Fields);
    let mut columns = mapping.columns.iter();
    deletes && record.value.datum.is_null() && columns.any(|column| is_of_value(&column.source))
}

fn chosen(mapping: &TableMapping, record: &OwnedRecord, headers: &[Header]) -> Vec<Chosen> {
    let mut row = Vec::with_capacity(mapping.columns.len());
    for column in &mapping.columns {
        if column.source == Source::Fields {
            push_fields(&record.value, mapping, &mut row);
            continue;
        }
        if let Some((datum, schema)) = value_of(&column.source, record, headers) {
            row.push(Chosen {
                name: column.name.clone(),
                datum,
                schema,
            });
        }
    }
    row
}

impl Shapes {
    /// A row; a struct when there is a schema that says what some value is.
    fn side(&mut self, row: Vec<Chosen>) -> Side {
        if row.iter().all(|chosen| chosen.schema.is_none()) {
            let entries = row.into_iter().map(|chosen| (chosen.name, chosen.datum));
            return Side::schemaless(Datum::Map(Map::from_entries(entries.collect())));
        }
        let schema = self.schema(&row);
        let values = row.into_iter().map(|chosen| chosen.datum).collect();
        Side {
            schema: Some(Arc::clone(&schema)),
            datum: Datum::Struct(Struct::new(schema, values)),
        }
    }

    fn schema(&mut self, row: &[Chosen]) -> Arc<Schema> {
        let of = |chosen: &Chosen| Arc::clone(chosen.schema.as_ref().unwrap_or(&self.plain));
        let is_its = |known: &Arc<Schema>| {
            let fields = known.fields().unwrap_or_default();
            let mut pairs = fields.iter().zip(row);
            fields.len() == row.len()
                && pairs.all(|(field, chosen)| {
                    let schema = chosen.schema.as_ref().unwrap_or(&self.plain);
                    *field.name == *chosen.name && Arc::ptr_eq(&field.schema, schema)
                })
        };
        match self.known.iter().position(is_its) {
            Some(found) => self.known[..=found].rotate_right(1),
            None => {
                let fields = row.iter().map(|chosen| Field {
                    name: chosen.name.as_str().into(),
                    schema: of(chosen),
                });
                let schema = Schema::new(Kind::Struct(fields.collect()));
                self.known.truncate(SHAPES_MAX - 1);
                self.known.insert(0, Arc::new(schema));
            }
        }
        Arc::clone(&self.known[0])
    }
}

/// `None`: the record has no such value.
fn value_of(
    source: &Source,
    record: &OwnedRecord,
    headers: &[Header],
) -> Option<(Datum, Option<Arc<Schema>>)> {
    let of_side = |side: &Side, field: &Option<String>| {
        let whole = (&side.datum, side.schema.as_ref());
        let (datum, schema) = match field {
            None => whole,
            Some(name) => field_of(whole, name)?,
        };
        Some((datum.clone(), schema.cloned()))
    };
    match source {
        Source::Key(field) => of_side(&record.key, field),
        Source::Value(field) => of_side(&record.value, field),
        Source::Header(name) => {
            // Of several headers of one name, the last one counts.
            let found = headers.iter().rfind(|header| header.name == *name);
            found.map(|header| (header.datum.clone(), header.schema.clone()))
        }
        Source::Now => Some((Datum::String(time_uuid(record).to_string()), None)),
        // Not one value.
        Source::Fields => None,
    }
}

/// All fields of the value, but those whose column the mapping fills otherwise.
fn push_fields(value: &Side, mapping: &TableMapping, row: &mut Vec<Chosen>) {
    let is_free = |name: &str| {
        let mut columns = mapping.columns.iter();
        !columns.any(|column| column.name.eq_ignore_ascii_case(name))
    };
    match &value.datum {
        Datum::Map(map) => {
            let free = map.iter().filter(|(name, _)| is_free(name));
            let schema = schema_of_values(value.schema.as_ref());
            row.extend(free.map(|(name, datum)| Chosen {
                name: name.to_owned(),
                datum: datum.clone(),
                schema: schema.cloned(),
            }));
        }
        Datum::Struct(value) => {
            let fields = value.schema().fields().unwrap_or_default().iter();
            let free = fields.enumerate().filter(|(_, field)| is_free(&field.name));
            row.extend(free.map(|(index, field)| Chosen {
                name: field.name.to_string(),
                datum: value.get(index).clone(),
                schema: Some(Arc::clone(&field.schema)),
            }));
        }
        _ => {}
    }
}

/// A value and its schema, where it has one.
type Schemed<'a> = (&'a Datum, Option<&'a Arc<Schema>>);

/// The field of this name; where there is none and the name has dots, what is inside one.
fn field_of<'a>(whole: Schemed<'a>, name: &str) -> Option<Schemed<'a>> {
    let found = match whole {
        (Datum::Map(map), schema) => map.get(name).map(|datum| (datum, schema_of_values(schema))),
        (Datum::Struct(value), _) => value.schema().field(name).map(|(index, field)| {
            let schema = Some(&field.schema);
            (value.get(index), schema)
        }),
        _ => None,
    };
    found.or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        field_of(field_of(whole, outer)?, inner)
    })
}

/// Of a map of this schema.
fn schema_of_values(of_map: Option<&Arc<Schema>>) -> Option<&Arc<Schema>> {
    match &of_map?.kind {
        Kind::Map { value, .. } => Some(value),
        _ => None,
    }
}

/// The record's own: its time with its offset in the ticks below a millisecond, and its partition in the
/// place of the node.
fn time_uuid(record: &OwnedRecord) -> uuid::Uuid {
    let origin = record.origin();
    let millis = record
        .timestamp_ms
        .and_then(|ms| u64::try_from(ms).ok())
        .unwrap_or(0);
    let offset = u64::try_from(origin.offset).unwrap_or(0);
    let ticks = TICKS_BEFORE_EPOCH
        .wrapping_add(millis.wrapping_mul(TICKS_PER_MILLI))
        .wrapping_add(offset % TICKS_PER_MILLI);
    let mut hash = HASH_START;
    let partition = origin.partition.to_be_bytes();
    for byte in origin.topic.bytes().chain(partition) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(HASH_PRIME);
    }
    let [_, _, node @ ..] = hash.to_be_bytes();
    // The sequence tells records apart whose offsets differ by a multiple of the ticks.
    let [.., high, low] = (offset / TICKS_PER_MILLI).to_be_bytes();
    let time = ticks.to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&time[4..]);
    bytes[4..6].copy_from_slice(&time[2..4]);
    bytes[6..8].copy_from_slice(&time[..2]);
    bytes[6] = bytes[6] & 0x0f | 0x10;
    bytes[8] = high & 0x3f | 0x80;
    bytes[9] = low;
    bytes[10..].copy_from_slice(&node);
    // No machine has such an address.
    bytes[10] |= 1;
    uuid::Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mapping;
    use crate::record::{Coordinates, Value, timestamp};

    fn record(offset: i64, key: Datum, value: Datum) -> OwnedRecord {
        let origin = Coordinates {
            topic: "orders".into(),
            partition: 3,
            offset,
        };
        let side = Side::schemaless;
        OwnedRecord::new(origin, Some(1_763_720_130_123), side(key), side(value))
    }

    fn map(entries: &[(&str, Datum)]) -> Datum {
        let entries = entries
            .iter()
            .map(|(name, datum)| ((*name).to_owned(), datum.clone()));
        Datum::Map(Map::from_entries(entries.collect()))
    }

    fn raw() -> RawRecord<'static> {
        RawRecord {
            topic: "orders",
            partition: 3,
            offset: 0,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: &(),
        }
    }

    fn selection(text: &str, deletes: bool) -> Selection {
        let mappings = mapping::parse(text).unwrap();
        Selection::new(&mappings, deletes, HeaderConverter::Simple).unwrap()
    }

    #[test]
    fn one_record_is_a_row_of_each_table() {
        let mut selection = selection(
            "orders -> k.a: id=key.id, n=value.n; orders -> k.b: n=value.n, all=value; other -> k.c: n=value",
            true,
        );
        let whole = map(&[("n", Datum::Int32(5))]);
        let record = record(7, map(&[("id", Datum::Int32(1))]), whole.clone());
        let rows = selection.select(&record, &raw()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(&*rows[0].topic, "orders -> k.a");
        let expected = map(&[("id", Datum::Int32(1)), ("n", Datum::Int32(5))]);
        assert_eq!(
            (&rows[0].key.datum, &rows[0].value.datum),
            (&expected, &expected)
        );
        let expected = map(&[("n", Datum::Int32(5)), ("all", whole)]);
        assert_eq!(rows[1].value.datum, expected);
        assert_eq!(rows[1].origin().offset, 7);
    }

    #[test]
    fn a_topic_without_an_entry_is_told() {
        let mut selection = selection("orders -> k.a: id=key", true);
        let mut record = record(0, Datum::Int32(1), Datum::Null);
        record.topic = "renamed".into();
        let refused = selection.select(&record, &raw()).unwrap_err();
        let reason = refused.to_string();
        assert!(reason.contains("no entry for topic renamed"), "{reason}");
    }

    #[test]
    fn all_fields_of_the_value_fill_the_columns_of_their_names() {
        let mut selection = selection("orders -> k.a: ID=key.id, *=value, part=value.n.x", true);
        let value = map(&[
            ("n", map(&[("x", Datum::Int32(7))])),
            ("id", Datum::Int32(9)),
            ("a.b", Datum::Int32(3)),
        ]);
        let key = map(&[("id", Datum::Int32(1))]);
        let rows = selection
            .select(&record(0, key.clone(), value), &raw())
            .unwrap();
        let expected = map(&[
            ("ID", Datum::Int32(1)),
            ("n", map(&[("x", Datum::Int32(7))])),
            ("a.b", Datum::Int32(3)),
            ("part", Datum::Int32(7)),
        ]);
        assert_eq!(rows[0].value.datum, expected);
        let rows = selection
            .select(&record(0, key, Datum::Null), &raw())
            .unwrap();
        assert_eq!(rows[0].value, Side::NULL);
        assert_eq!(rows[0].key.datum, map(&[("ID", Datum::Int32(1))]));
        let mut dotted = self::selection("orders -> k.a: n=value.a.b", true);
        let value = map(&[
            ("a.b", Datum::Int32(3)),
            ("a", map(&[("b", Datum::Int32(4))])),
        ]);
        let rows = dotted
            .select(&record(0, Datum::Null, value), &raw())
            .unwrap();
        assert_eq!(rows[0].value.datum, map(&[("n", Datum::Int32(3))]));
    }

    #[test]
    fn a_record_without_a_value_deletes_when_it_may() {
        let text = "orders -> k.a: id=key.id, n=value.n, missing=key.other";
        let record = record(0, map(&[("id", Datum::Int32(1))]), Datum::Null);
        let rows = selection(text, true).select(&record, &raw()).unwrap();
        assert_eq!(rows[0].value, Side::NULL);
        assert_eq!(rows[0].key.datum, map(&[("id", Datum::Int32(1))]));
        let rows = selection(text, false).select(&record, &raw()).unwrap();
        assert_eq!(rows[0].value.datum, map(&[("id", Datum::Int32(1))]));
    }

    /// Whose time it is, and that a text is JSON, only schemas say.
    #[test]
    fn values_keep_their_schemas() {
        let field = |name: &str, schema: Schema| Field {
            name: name.into(),
            schema: Arc::new(schema),
        };
        let named = |kind: Kind, name: &str| Schema::new(kind).named(Some(name.into())).unwrap();
        let inner = Schema::new(Kind::Struct(vec![
            field("at", named(Kind::Int64, "io.debezium.time.MicroTimestamp")),
            field("doc", named(Kind::String, "io.debezium.data.Json")),
        ]));
        let inner = Arc::new(inner);
        let schema = Arc::new(Schema::new(Kind::Struct(vec![Field {
            name: "in".into(),
            schema: Arc::clone(&inner),
        }])));
        let values = vec![Datum::Int64(1), Datum::String("[1]".into())];
        let value = Datum::Struct(Struct::new(inner, values));
        let value = Side {
            schema: Some(Arc::clone(&schema)),
            datum: Datum::Struct(Struct::new(schema, vec![value])),
        };
        let mut whole = record(0, map(&[("id", Datum::Int32(1))]), Datum::Null);
        whole.value = value;
        let text = "orders -> k.a: id=key.id, at=value.in.at, doc=value.in.doc, made=now()";
        let mut selection = selection(text, true);
        let mut shapes = Vec::new();
        for _ in 0..2 {
            let rows = selection.select(&whole, &raw()).unwrap();
            let Datum::Struct(row) = &rows[0].value.datum else {
                panic!("{rows:?}");
            };
            let fields = row.schema().fields().unwrap();
            let at = |index: usize| {
                row.raw(index)
                    .value_of(Some(&fields[index].schema))
                    .unwrap()
            };
            assert_eq!(at(0), Value::Int(1));
            assert_eq!(at(1), Value::LocalTimestamp(timestamp(1, 1_000_000)));
            assert_eq!(at(2), Value::Json("[1]".into()));
            assert!(matches!(at(3), Value::Text(_)));
            assert_eq!(rows[0].key, rows[0].value);
            shapes.push(Arc::clone(row.schema()));
        }
        assert!(Arc::ptr_eq(&shapes[0], &shapes[1]), "made once");
    }

    #[test]
    fn now_is_the_records_own() {
        let at = |offset| time_uuid(&record(offset, Datum::Null, Datum::Null));
        assert_eq!(at(5), at(5));
        assert_eq!(at(5).get_version_num(), 1);
        let different: std::collections::BTreeSet<_> = (0..30_000).map(at).collect();
        assert_eq!(different.len(), 30_000);
        let (seconds, nanos) = at(5).get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_763_720_130, 123_000_500));
    }
}
