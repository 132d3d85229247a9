//! A field of the event that is added to the row or to the headers.

use std::sync::Arc;

use crate::config::definitions::ConfigKey;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Schema, SchemaCache, Struct};
use crate::transform::{Fault, fault, object};

/// Where a field is looked for that is named alone.
const SOURCE: &str = "source";

/// See the module.
#[derive(Debug)]
pub(super) struct Addition {
    /// The part of the event that it is looked for in first. `None`: the event itself.
    parent: Option<String>,
    field: String,
    /// Its name there.
    name: Arc<str>,
    places: SchemaCache<Option<Place>>,
}

/// Where a field is in events of one schema, and what it becomes.
#[derive(Debug, Clone)]
struct Place {
    /// Null where this part is null.
    parent: Option<usize>,
    /// In the parent, not in the event itself.
    is_within: bool,
    index: usize,
    field: Field,
}

impl Addition {
    /// Those that a key lists.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn all(
        options: &Options,
        list: &'static ConfigKey,
        prefix: &ConfigKey,
    ) -> Result<Vec<Self>, Fault> {
        let prefix = options.text(prefix).unwrap_or_default();
        let additions = options
            .list(list)
            .iter()
            .map(|item| Self::new(prefix, item));
        additions
            .collect::<Result<_, String>>()
            .map_err(fault(list))
    }

    /// From `field`, `part.field`, either with `:name` behind it.
    fn new(prefix: &str, item: &str) -> Result<Self, String> {
        let unexpected = || format!("Unexpected field name: {item}");
        let mut parts = item.trim_end_matches(':').split(':');
        let written = parts.next().filter(|written| !written.is_empty());
        let (written, renamed) = (written.ok_or_else(unexpected)?, parts.next());
        if parts.next().is_some() {
            return Err(unexpected());
        }
        let mut steps = written.trim_end_matches('.').split('.');
        let first = steps.next().filter(|first| !first.is_empty());
        let first = first.ok_or_else(unexpected)?;
        let (parent, field, default_name) = match steps.next() {
            Some(field) => (Some(first), field, format!("{first}_{field}")),
            None => (parent_of(first), first, first.to_owned()),
        };
        Ok(Self {
            parent: parent.map(str::to_owned),
            field: field.to_owned(),
            name: format!("{prefix}{}", renamed.unwrap_or(&default_name)).into(),
            places: SchemaCache::default(),
        })
    }

    /// Its name in the row or among the headers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is this field of the event.
    pub(super) fn names(&self, field: &str) -> bool {
        self.field == field
    }

    /// The field and its value, if the event has it.
    ///
    /// # Errors
    /// When the event lacks the part that it should be in.
    pub(super) fn find(&mut self, event: &Struct) -> Result<Option<(Field, Datum)>, String> {
        let (parent, field, name) = (self.parent.as_deref(), &self.field, &self.name);
        let place = self.places.get(event.schema(), || {
            Place::new(event.schema(), parent, field, name)
        })?;
        let Some(place) = place else {
            return Ok(None);
        };
        let datum = place.value(event).clone();
        Ok(Some((place.field, datum)))
    }

    /// The same for a field of the row, which cannot have parts of its own.
    ///
    /// # Errors
    /// As [`find`](Self::find), and when it has.
    pub(super) fn find_plain(&mut self, event: &Struct) -> Result<Option<(Field, Datum)>, String> {
        let found = self.find(event)?;
        match &found {
            Some((_, datum @ (Datum::Struct(_) | Datum::Map(_) | Datum::Entries(_)))) => {
                let (field, kind) = (&self.field, datum.kind());
                Err(format!("{field} cannot be added as a field: it is {kind}"))
            }
            _ => Ok(found),
        }
    }
}

/// Where Debezium keeps fields of these names.
fn parent_of(field: &str) -> Option<&str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some("transaction"),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        "updateDescription" => Some("updateDescription"),
        _ => Some(SOURCE),
    }
}

impl Place {
    fn new(
        event: &Schema,
        parent: Option<&str>,
        field: &str,
        name: &Arc<str>,
    ) -> Result<Option<Self>, String> {
        let parent = match parent {
            None => None,
            Some(parent) => Some(
                event
                    .field(parent)
                    .ok_or_else(|| format!("the change event has no {parent}"))?,
            ),
        };
        let within = match parent {
            None => None,
            Some((_, part)) if part.schema.fields().is_some() => part.schema.field(field),
            Some((_, part)) => {
                return Err(format!("{} of the change event is no struct", part.name));
            }
        };
        let Some((index, found)) = within.or_else(|| event.field(field)) else {
            return Ok(None);
        };
        let kind = match &found.schema.kind {
            Kind::Struct(_) => Kind::Struct(Vec::new()),
            kind => kind.clone(),
        };
        Ok(Some(Self {
            parent: parent.map(|(index, _)| index),
            is_within: within.is_some(),
            index,
            field: Field {
                name: Arc::clone(name),
                schema: Arc::new(object::schema_like(&found.schema, kind)?.optional()),
            },
        }))
    }

    fn value<'a>(&self, event: &'a Struct) -> &'a Datum {
        match self.parent.map(|parent| event.raw(parent)) {
            Some(Datum::Struct(part)) if self.is_within => part.raw(self.index),
            Some(Datum::Null) => &Datum::Null,
            _ => event.raw(self.index),
        }
    }
}
