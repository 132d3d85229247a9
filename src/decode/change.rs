//! Change events, as Debezium writes them: `{"op": "u", "before": {..}, "after": {..}, ..}` in any
//! format, unwrapped on the way, so that the row is read straight out of the event's bytes.
//!
//! | record                                  | what it does                                   |
//! |-----------------------------------------|------------------------------------------------|
//! | op c, r, u                              | writes the fields of `after`                   |
//! | op d                                    | deletes the row of its key                     |
//! | op t                                    | empties the table                              |
//! | op m, heartbeats, transaction metadata, schema changes | nothing                         |
//! | a CloudEvent                            | whatever its `data` does                       |
//! | no value                                | deletes the row of its key                     |
//! | anything else                           | is a row as it stands: the event was flattened |

use std::sync::Arc;

use super::{Decode, Encoded, Format, ReadError, Visitor};
pub use crate::record::Change;
use crate::record::{Datum, RecordError, Schema, Side, Value};

/// Reads another format's change events.
#[derive(Debug)]
pub struct ChangeEvents {
    inner: Box<Format>,
    /// Records that are no rows were spoken of.
    warned: bool,
}

/// Where the event is within the record, and what it does.
enum Found {
    /// This part of it is a row.
    Row(&'static [&'static str]),
    /// It is no row.
    Change(Change),
    /// A row was deleted: this part shows it.
    Delete(&'static [&'static str]),
}

const BEFORE: &[&str] = &["before"];
const DATA_BEFORE: &[&str] = &["data", "before"];
const DATA_PAYLOAD_BEFORE: &[&str] = &["data", "payload", "before"];
const WHOLE: &[&str] = &[];
const AFTER: &[&str] = &["after"];
const DATA: &[&str] = &["data"];
const DATA_AFTER: &[&str] = &["data", "after"];
const DATA_PAYLOAD: &[&str] = &["data", "payload"];
const DATA_PAYLOAD_AFTER: &[&str] = &["data", "payload", "after"];

impl ChangeEvents {
    /// Reads the events that this format gives.
    pub fn new(inner: Format) -> Self {
        Self {
            inner: Box::new(inner),
            warned: false,
        }
    }

    pub(super) fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        self.inner.is_ready(encoded)
    }

    fn find(&mut self, encoded: Encoded<'_>) -> Result<Found, ReadError> {
        find(|part| {
            let mut head = Head::default();
            self.inner.read_part(encoded, part, &mut head)?;
            Ok(head)
        })
    }

    /// The row of an event that was decoded as a whole, and perhaps transformed; or what it does
    /// instead, of a delete with the row that was there.
    ///
    /// # Errors
    /// When it is a change event of no known kind.
    pub fn unwrap(&mut self, value: Side) -> Result<(Side, Option<Change>), String> {
        let found = find(|part| Ok(Head::of(part_of(&value, part)))).map_err(reason)?;
        match found {
            Found::Row(part) => Ok((into_part(value, part), None)),
            // What it deletes may have to be told by the row that was there.
            Found::Delete(before) => Ok((into_part(value, before), Some(Change::Delete))),
            Found::Change(change) => {
                if change == Change::Nothing {
                    self.warn_once();
                }
                Ok((Side::NULL, Some(change)))
            }
        }
    }

    fn warn_once(&mut self) {
        if !self.warned {
            self.warned = true;
            tracing::warn!(
                "the topic holds records that are no rows (schema changes, heartbeats, messages or \
                 transaction metadata); they are passed over"
            );
        }
    }
}

impl Decode for ChangeEvents {
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        if !part.is_empty() {
            return self.inner.read_part(encoded, part, visitor);
        }
        match self.find(encoded)? {
            Found::Row(part) => self.inner.read_part(encoded, part, visitor),
            Found::Change(change) => {
                if change == Change::Nothing {
                    self.warn_once();
                }
                Ok(visitor.change(change)?)
            }
            Found::Delete(before) => {
                visitor.change(Change::Delete)?;
                match visitor.wants_before() {
                    true => self.inner.read_part(encoded, before, visitor),
                    false => Ok(()),
                }
            }
        }
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        let Some(schema) = self.inner.schema(encoded)? else {
            return Ok(None);
        };
        let found = self.find(encoded).map_err(reason)?;
        let Found::Row(part) = found else {
            // Another record tells the table's columns.
            return Err("a change event without a row".to_owned());
        };
        let mut schema = schema;
        for name in part {
            let field = schema
                .field(name)
                .map(|(_, field)| Arc::clone(&field.schema));
            schema = field.ok_or("a change event without its row's schema")?;
        }
        Ok(Some(schema))
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        self.inner.whole(encoded)
    }
}

/// Looks at the record's own fields, and at those of a CloudEvent's data.
fn find(mut head_of: impl FnMut(&[&str]) -> Result<Head, ReadError>) -> Result<Found, ReadError> {
    let head = head_of(WHOLE)?;
    if !head.is_cloud_event() {
        return head.found(WHOLE, AFTER, BEFORE);
    }
    let data = head_of(DATA)?;
    if !data.is_json_envelope() {
        return data.found(DATA, DATA_AFTER, DATA_BEFORE);
    }
    let payload = head_of(DATA_PAYLOAD)?;
    payload.found(DATA_PAYLOAD, DATA_PAYLOAD_AFTER, DATA_PAYLOAD_BEFORE)
}

fn reason(error: ReadError) -> String {
    match error {
        ReadError::Malformed(reason) => reason,
        ReadError::Refused(error) => error.to_string(),
    }
}

/// What is behind these names, one inside the other.
fn part_of<'a>(value: &'a Side, part: &[&str]) -> Option<&'a Datum> {
    part.iter()
        .try_fold(&value.datum, |datum, name| match datum {
            Datum::Struct(parent) => parent.get_named(name, false),
            Datum::Map(parent) => parent.get(name),
            _ => None,
        })
}

fn into_part(value: Side, part: &[&str]) -> Side {
    part.iter().fold(value, |side, name| match side.datum {
        Datum::Struct(mut parent) => match parent.schema().field(name) {
            Some((index, field)) => Side {
                schema: Some(Arc::clone(&field.schema)),
                datum: parent.take(index),
            },
            None => Side::NULL,
        },
        Datum::Map(mut parent) => Side::schemaless(parent.remove(name).unwrap_or(Datum::Null)),
        _ => Side::NULL,
    })
}

/// The fields by which a record shows what it is.
#[derive(Debug, Default)]
struct Head {
    schema_name: Option<Arc<str>>,
    is_object: bool,
    names: Vec<Known>,
    fields: usize,
    op: Option<Op>,
}

/// Names that tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Op,
    Before,
    After,
    SpecVersion,
    Data,
    Schema,
    Payload,
    Ddl,
    DatabaseName,
    TableChanges,
    TimeMillis,
    Source,
    Message,
    Status,
    EventCount,
    DataCollections,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Write,
    Delete,
    Truncate,
    Message,
    Unknown,
}

impl Op {
    fn of(op: &str) -> Self {
        match op {
            "c" | "r" | "u" => Self::Write,
            "d" => Self::Delete,
            "t" => Self::Truncate,
            "m" => Self::Message,
            _ => Self::Unknown,
        }
    }
}

impl Known {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "op" => Self::Op,
            "before" => Self::Before,
            "after" => Self::After,
            "specversion" => Self::SpecVersion,
            "data" => Self::Data,
            "schema" => Self::Schema,
            "payload" => Self::Payload,
            "ddl" => Self::Ddl,
            "databaseName" => Self::DatabaseName,
            "tableChanges" => Self::TableChanges,
            "ts_ms" => Self::TimeMillis,
            "source" => Self::Source,
            "message" => Self::Message,
            "status" => Self::Status,
            "event_count" => Self::EventCount,
            "data_collections" => Self::DataCollections,
            _ => return None,
        })
    }
}

impl Head {
    fn of(datum: Option<&Datum>) -> Self {
        let mut head = Self::default();
        match datum {
            Some(Datum::Struct(value)) => {
                let schema = value.schema();
                head.is_object = true;
                head.schema_name.clone_from(&schema.name);
                let fields = schema.fields().unwrap_or_default().iter();
                for (field, datum) in fields.zip(value.values()) {
                    head.learn(&field.name, datum);
                }
            }
            Some(Datum::Map(map)) => {
                head.is_object = true;
                map.iter().for_each(|(name, datum)| head.learn(name, datum));
            }
            _ => {}
        }
        head
    }

    /// Takes note of a field; whether it is one of those that tell.
    fn see(&mut self, name: &str) -> Option<Known> {
        self.fields += 1;
        let known = Known::of(name);
        self.names.extend(known);
        known
    }

    fn learn(&mut self, name: &str, datum: &Datum) {
        if self.see(name) == Some(Known::Op) {
            self.op = Some(match datum {
                Datum::String(op) => Op::of(op),
                _ => Op::Unknown,
            });
        }
    }

    fn has(&self, names: &[Known]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }

    fn is_cloud_event(&self) -> bool {
        self.has(&[Known::SpecVersion, Known::Data])
    }

    /// A CloudEvent's data may have a schema beside it.
    fn is_json_envelope(&self) -> bool {
        self.fields == 2 && self.has(&[Known::Schema, Known::Payload])
    }

    fn is_no_row(&self) -> bool {
        let name = self.schema_name.as_deref().unwrap_or_default();
        name.ends_with(".SchemaChangeValue")
            || name == "io.debezium.connector.common.Heartbeat"
            || name.starts_with("io.debezium.connector.common.Transaction")
            || self.has(&[Known::Ddl, Known::DatabaseName])
            || self.has(&[Known::DatabaseName, Known::TableChanges])
            || self.has(&[Known::Status, Known::EventCount, Known::DataCollections])
            || (self.fields == 1 && self.has(&[Known::TimeMillis]))
    }

    /// Plain records may have a field `op`, too. Of messages and truncates the rows are not even null.
    fn is_event(&self) -> bool {
        let has_rows = self.has(&[Known::Before]) || self.has(&[Known::After]);
        let needs_none = match self.op {
            Some(Op::Truncate) => self.has(&[Known::Source]),
            Some(Op::Message) => self.has(&[Known::Source, Known::Message]),
            _ => false,
        };
        self.has(&[Known::Op]) && (has_rows || needs_none)
    }

    /// What it does; `whole`, `after` and `before` are where it and its rows are.
    fn found(
        &self,
        whole: &'static [&'static str],
        after: &'static [&'static str],
        before: &'static [&'static str],
    ) -> Result<Found, ReadError> {
        if self.is_no_row() {
            return Ok(Found::Change(Change::Nothing));
        }
        Ok(match self.op {
            _ if !self.is_object || !self.is_event() => Found::Row(whole),
            Some(Op::Write) => Found::Row(after),
            Some(Op::Delete) => Found::Delete(before),
            Some(Op::Truncate) => Found::Change(Change::Truncate),
            Some(Op::Message) => Found::Change(Change::Nothing),
            Some(Op::Unknown) | None => {
                return Err(ReadError::Malformed(
                    "a change event whose op is none of c, r, u, d, t, m".to_owned(),
                ));
            }
        })
    }
}

impl Visitor for Head {
    type Slot = ();

    fn object(&mut self, schema: Option<&Arc<Schema>>) {
        self.is_object = true;
        self.schema_name = schema.and_then(|schema| schema.name.clone());
    }

    fn wants(&mut self, name: &str, _index: Option<usize>) -> Result<Option<()>, RecordError> {
        let known = self.see(name);
        Ok((known == Some(Known::Op)).then_some(()))
    }

    fn field(&mut self, _slot: (), _name: &str, value: &Value<'_>) -> Result<(), RecordError> {
        self.op = Some(match value {
            Value::Text(op) => Op::of(op),
            _ => Op::Unknown,
        });
        Ok(())
    }

    fn single(&mut self, _value: &Value<'_>) -> Result<(), RecordError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::converter::JsonOptions;
    use crate::decode::probe;

    fn events(schemas_enable: bool) -> ChangeEvents {
        ChangeEvents::new(Format::json(&JsonOptions {
            schemas_enable,
            ..JsonOptions::default()
        }))
    }

    fn check(text: &str, expected: Result<&[(&str, Value<'static>)], Change>) {
        let found = probe::read(&mut events(false), text.as_bytes()).unwrap();
        match expected {
            Err(change) => assert_eq!(found.change, Some(change), "{text}"),
            Ok(fields) => {
                assert_eq!(found.change, None, "{text}");
                let found: Vec<_> = found
                    .fields
                    .iter()
                    .map(|(name, _, value)| (name.as_str(), value.clone()))
                    .collect();
                assert_eq!(found, fields, "{text}");
            }
        }
    }

    #[test]
    fn events_do_what_their_op_says() {
        let row: &[(&str, Value<'static>)] = &[("id", Value::Number("1"))];
        for op in ["c", "r", "u"] {
            let text = format!(
                r#"{{"before":null,"after":{{"id":1}},"source":{{"op":"d"}},"op":"{op}"}}"#
            );
            check(&text, Ok(row));
        }
        check(
            r#"{"before":{"id":1},"after":null,"op":"d"}"#,
            Err(Change::Delete),
        );
        check(r#"{"source":{},"op":"t"}"#, Err(Change::Truncate));
        check(
            r#"{"op":"m","before":null,"message":{}}"#,
            Err(Change::Nothing),
        );
        check(
            r#"{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"p","content":"YQ=="}}"#,
            Err(Change::Nothing),
        );
        check(
            r#"{"status":"BEGIN","id":"7:9","event_count":null,"data_collections":null,"ts_ms":1}"#,
            Err(Change::Nothing),
        );
        check(r#"{"ts_ms":1}"#, Err(Change::Nothing));
        check(
            r#"{"source":{},"databaseName":"d","ddl":"CREATE ..","tableChanges":[]}"#,
            Err(Change::Nothing),
        );
        // Flattened, or never an event.
        check(r#"{"id":1}"#, Ok(row));
        check(
            r#"{"op":"sum","id":1}"#,
            Ok(&[("op", Value::Text("sum".into())), row[0].clone()]),
        );
        for op in ["t", "m"] {
            let text = format!(r#"{{"op":"{op}","id":1}}"#);
            let op = ("op", Value::Text(op.into()));
            check(&text, Ok(&[op, row[0].clone()]));
        }
        check("null", Ok(&[("", Value::Null)]));
        let reason = probe::read(&mut events(false), br#"{"op":"x","after":{}}"#).unwrap_err();
        assert!(reason.contains("none of c, r, u, d, t, m"), "{reason}");
    }

    #[test]
    fn cloud_events_are_opened() {
        let row: &[(&str, Value<'static>)] = &[("id", Value::Number("1"))];
        let event = |data: &str| format!(r#"{{"specversion":"1.0","id":"7","data":{data}}}"#);
        check(&event(r#"{"op":"c","after":{"id":1}}"#), Ok(row));
        check(
            &event(r#"{"schema":{},"payload":{"op":"c","after":{"id":1}}}"#),
            Ok(row),
        );
        check(
            &event(r#"{"op":"d","before":{"id":1},"after":null}"#),
            Err(Change::Delete),
        );
        check(&event(r#"{"id":1}"#), Ok(row));
    }

    #[test]
    fn the_rows_schema_is_that_of_after() {
        let row = r#"{"type":"struct","optional":true,"fields":[{"field":"id","type":"int64"},
            {"field":"at","type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp"}]"#;
        let text = format!(
            r#"{{"schema":{{"type":"struct","name":"s.t.Envelope","fields":[
                {row},"field":"before"}},{row},"field":"after"}},
                {{"field":"op","type":"string"}}]}},
              "payload":{{"before":null,"after":{{"id":1,"at":1}},"op":"u"}}}}"#
        );
        let mut events = events(true);
        let found = probe::read(&mut events, text.as_bytes()).unwrap();
        let at = crate::record::timestamp(1, 1_000_000);
        let values: Vec<_> = found
            .fields
            .into_iter()
            .map(|(_, _, value)| value)
            .collect();
        assert_eq!(values, [Value::Number("1"), Value::LocalTimestamp(at)]);
        let encoded = Encoded {
            bytes: text.as_bytes(),
            headers: &(),
        };
        let schema = events.schema(encoded).unwrap().unwrap();
        assert_eq!(schema.fields().unwrap().len(), 2);
    }
}
