//! A record's key and value by the connector's converters, as owned values.

use std::sync::Arc;

use super::{Decode as _, Encoded, Format};
use crate::record::{Coordinates, OwnedRecord, RawRecord, RecordError, Side, Stage};

/// Decodes whole records. One per task.
#[derive(Debug)]
pub struct RecordDecoder {
    key: SideDecoder,
    value: SideDecoder,
    /// The topic seen last: its name is shared by its records.
    topic: Arc<str>,
}

impl RecordDecoder {
    /// A decoder for records of these formats.
    pub fn new(key: Format, value: Format) -> Self {
        Self {
            key: SideDecoder {
                stage: Stage::KeyConverter,
                format: key,
            },
            value: SideDecoder {
                stage: Stage::ValueConverter,
                format: value,
            },
            topic: "".into(),
        }
    }

    /// The schemas of both sides are at hand. Else they have been asked for, and the record must wait.
    pub fn is_ready(&mut self, record: &RawRecord<'_>) -> bool {
        let key = Encoded::key(record);
        let value = Encoded::value(record);
        // Both are asked for at once.
        let key_is_ready = key.is_none_or(|key| self.key.format.is_ready(key));
        value.is_none_or(|value| self.value.format.is_ready(value)) && key_is_ready
    }

    /// Decodes key and value; headers are left to whoever needs them ([`super::header`]).
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn decode(&mut self, record: &RawRecord<'_>) -> Result<OwnedRecord, RecordError> {
        let key = self.key.decode(Encoded::key(record))?;
        let value = self.value.decode(Encoded::value(record))?;
        if *self.topic != *record.topic {
            self.topic = record.topic.into();
        }
        let origin = Coordinates {
            topic: Arc::clone(&self.topic),
            partition: record.partition,
            offset: record.offset,
        };
        Ok(OwnedRecord::new(origin, record.timestamp_ms, key, value))
    }

    /// Decodes a record; of a change event, its row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decode_unwrapped(&mut self, record: &RawRecord<'_>) -> Result<OwnedRecord, RecordError> {
        let mut whole = self.decode(record)?;
        self.unwrap(&mut whole)?;
        Ok(whole)
    }

    /// Puts the row of a change event in its place, where values are change events. After the
    /// transforms: they work on events.
    ///
    /// # Errors
    /// When it is a change event of no known kind.
    pub fn unwrap(&mut self, record: &mut OwnedRecord) -> Result<(), RecordError> {
        let value = std::mem::replace(&mut record.value, Side::NULL);
        let unwrapped = self.value.format.unwrap(value);
        (record.value, record.change) =
            unwrapped.map_err(|reason| RecordError::new(self.value.stage, reason))?;
        Ok(())
    }
}

/// Decodes keys, or values.
#[derive(Debug)]
struct SideDecoder {
    stage: Stage,
    format: Format,
}

impl SideDecoder {
    fn decode(&mut self, encoded: Option<Encoded<'_>>) -> Result<Side, RecordError> {
        let Some(encoded) = encoded else {
            return Ok(Side::NULL);
        };
        self.format
            .whole(encoded)
            .map_err(|reason| RecordError::new(self.stage, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::converter::{JsonOptions, Primitive};
    use crate::record::Datum;

    fn decoder(schemas_enable: bool) -> RecordDecoder {
        let json = JsonOptions {
            schemas_enable,
            ..JsonOptions::default()
        };
        RecordDecoder::new(Format::Primitive(Primitive::Text), Format::json(&json))
    }

    fn record<'a>(key: Option<&'a str>, value: Option<&'a str>) -> RawRecord<'a> {
        RawRecord {
            topic: "orders",
            partition: 3,
            offset: 7,
            timestamp_ms: Some(1),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers: &(),
        }
    }

    #[test]
    fn decodes_both_sides_and_keeps_the_coordinates() {
        let mut decoder = decoder(true);
        let envelope = r#"{"schema":{"type":"int32"},"payload":5}"#;
        let one = decoder.decode(&record(Some("k"), Some(envelope))).unwrap();
        let two = decoder.decode(&record(None, Some(envelope))).unwrap();
        assert_eq!(one.key.datum, Datum::String("k".into()));
        assert_eq!(one.value.datum, Datum::Int32(5));
        assert_eq!(two.key, Side::NULL);
        assert_eq!((&*one.topic, one.origin().offset), ("orders", 7));
        let schemas = one.value.schema.zip(two.value.schema).unwrap();
        assert!(Arc::ptr_eq(&schemas.0, &schemas.1), "one schema, shared");
        let tombstone = decoder.decode(&record(Some("k"), None)).unwrap();
        assert_eq!(tombstone.value, Side::NULL);
    }

    #[test]
    fn errors_tell_the_stage() {
        let error = decoder(false).decode(&record(None, Some("{"))).unwrap_err();
        assert_eq!(error.stage, Stage::ValueConverter);
        let mut not_utf8 = record(None, None);
        not_utf8.key = Some(&[0xff]);
        let error = decoder(false).decode(&not_utf8).unwrap_err();
        assert_eq!(error.stage, Stage::KeyConverter);
    }
}
