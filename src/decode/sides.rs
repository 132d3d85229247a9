//! A record's key and value by the connector's converters, as owned values.

use std::sync::Arc;

use super::envelope::Opener;
use super::{json, tree};
use crate::config::connector::Converter;
use crate::record::{
    Coordinates, Datum, Kind, OwnedRecord, RawRecord, RecordError, Schema, Side, Stage,
};

/// Decodes whole records. One per task.
#[derive(Debug)]
pub struct RecordDecoder {
    key: SideDecoder,
    value: SideDecoder,
    /// The topic seen last: its name is shared by its records.
    topic: Arc<str>,
}

impl RecordDecoder {
    /// A decoder for records of these converters.
    pub fn new(key_converter: &Converter, value_converter: &Converter) -> Self {
        Self {
            key: SideDecoder::new(Stage::KeyConverter, key_converter),
            value: SideDecoder::new(Stage::ValueConverter, value_converter),
            topic: "".into(),
        }
    }

    /// Decodes key and value; headers are left to whoever needs them ([`super::header`]).
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn decode(&mut self, record: &RawRecord<'_>) -> Result<OwnedRecord, RecordError> {
        let key = self.key.decode(record.key)?;
        let value = self.value.decode(record.value)?;
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
}

/// Decodes keys, or values.
#[derive(Debug)]
struct SideDecoder {
    stage: Stage,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Json,
    Envelope(Opener),
    /// With the schema that its values have.
    String(Arc<Schema>),
}

impl SideDecoder {
    fn new(stage: Stage, converter: &Converter) -> Self {
        let format = match converter {
            Converter::Json {
                schemas_enable: true,
                schemas_cache_size,
            } => Format::Envelope(Opener::new(*schemas_cache_size)),
            Converter::Json { .. } => Format::Json,
            Converter::String => Format::String(Arc::new(Schema::new(Kind::String).optional())),
        };
        Self { stage, format }
    }

    fn decode(&mut self, bytes: Option<&[u8]>) -> Result<Side, RecordError> {
        let Some(bytes) = bytes else {
            return Ok(Side::NULL);
        };
        self.read(bytes)
            .map_err(|reason| RecordError::new(self.stage, reason))
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Side, String> {
        let text = json::text(bytes)?;
        match &mut self.format {
            Format::Json => tree::read(text, None).map(Side::schemaless),
            // A null value has no envelope either.
            Format::Envelope(_) if text == "null" => Ok(Side::NULL),
            Format::Envelope(opener) => {
                let (schema, payload) = opener.open(text)?;
                let datum = tree::read(payload, schema.as_ref())?;
                Ok(Side { schema, datum })
            }
            Format::String(schema) => Ok(Side {
                schema: Some(Arc::clone(schema)),
                datum: Datum::String(text.to_owned()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(schemas_enable: bool) -> RecordDecoder {
        let json = Converter::Json {
            schemas_enable,
            schemas_cache_size: 10,
        };
        RecordDecoder::new(&Converter::String, &json)
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
