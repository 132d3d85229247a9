//! A visitor for tests: keeps everything it is given.

use std::sync::Arc;
use std::time::Duration;

use super::change::Change;
use super::{Decode, Encoded, ReadError, Visitor};
use crate::config::converter::{IdFraming, RegistryAuth, RegistryOptions, RegistryTls};
use crate::record::{RecordError, Schema, Value};

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Probe {
    /// The schema, when an object was found.
    pub(crate) schema: Option<Option<Arc<Schema>>>,
    /// Names, places and values of the fields; one value without a name when it was no object.
    pub(crate) fields: Vec<(String, Option<usize>, Value<'static>)>,
    /// What it does, when it is no row.
    pub(crate) change: Option<Change>,
}

impl Visitor for Probe {
    type Slot = Option<usize>;

    fn object(&mut self, schema: Option<&Arc<Schema>>) {
        self.schema = Some(schema.cloned());
    }

    fn wants(
        &mut self,
        _name: &str,
        index: Option<usize>,
    ) -> Result<Option<Self::Slot>, RecordError> {
        Ok(Some(index))
    }

    fn field(
        &mut self,
        slot: Self::Slot,
        name: &str,
        value: &Value<'_>,
    ) -> Result<(), RecordError> {
        self.fields.push((name.to_owned(), slot, owned(value)));
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), RecordError> {
        self.change = Some(change);
        Ok(())
    }

    fn single(&mut self, value: &Value<'_>) -> Result<(), RecordError> {
        self.fields.push((String::new(), None, owned(value)));
        Ok(())
    }
}

/// Everything that the bytes hold, or why they cannot be read.
pub(crate) fn read(format: &mut impl Decode, bytes: &[u8]) -> Result<Probe, String> {
    let mut probe = Probe::default();
    let encoded = Encoded {
        bytes,
        headers: &(),
    };
    match format.read(encoded, &mut probe) {
        Ok(()) => Ok(probe),
        Err(ReadError::Malformed(reason)) => Err(reason),
        Err(ReadError::Refused(error)) => Err(error.to_string()),
    }
}

/// A value of its own. A number's text is leaked: tests are short.
pub(crate) fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(*value),
        Value::Number(text) => Value::Number(Box::leak((*text).to_owned().into_boxed_str())),
        Value::Int(number) => Value::Int(*number),
        Value::Float32(number) => Value::Float32(*number),
        Value::Float64(number) => Value::Float64(*number),
        Value::Text(text) => Value::Text(text.clone().into_owned().into()),
        Value::Json(text) => Value::Json(text.clone().into_owned().into()),
        Value::Bytes(bytes) => Value::Bytes(bytes.clone().into_owned().into()),
        Value::Decimal(text) => Value::Decimal(text.clone().into_owned().into()),
        Value::Date(days) => Value::Date(*days),
        Value::Time(nanos) => Value::Time(*nanos),
        Value::Timestamp(at) => Value::Timestamp(*at),
        Value::LocalTimestamp(at) => Value::LocalTimestamp(*at),
        Value::Uuid(bytes) => Value::Uuid(*bytes),
    }
}

/// Options for a registry that is asked nothing.
pub(crate) fn registry_options(ids: IdFraming) -> RegistryOptions {
    RegistryOptions {
        urls: Vec::new(),
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
        ids,
        by_global_id: false,
        connect_timeout: Duration::ZERO,
        read_timeout: Duration::ZERO,
        pause_max: Duration::ZERO,
        default_for_null: true,
    }
}
