//! Debezium's `ExtractNewRecordState`: a change event becomes the row that it is about.
//!
//! An event is known by its schema's name, which ends with `.Envelope`. What becomes of a record:
//!
//! | record                      | becomes                                                   |
//! |-----------------------------|-----------------------------------------------------------|
//! | an event with an `after`    | its `after`                                               |
//! | one with a `before` alone   | what [`Deletes`] says                                     |
//! | one with neither (truncate) | nothing                                                   |
//! | a tombstone                 | itself or nothing                                         |
//! | anything else               | itself                                                    |
//!
//! It is made of the same parts as Debezium's, so that their order and their treatment of nulls,
//! which differ from part to part, are the same.

use std::sync::Arc;

use super::insert_field::InsertField;
use super::{About, Applied, Fault, Transform, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Header, Kind, OwnedRecord, Schema, SchemaCache, Side, Struct};

mod addition;
mod drop_fields;

use addition::Addition;
use drop_fields::DropFields;

const PURPOSE: &str = "source field insertion";
const ENVELOPE: &str = ".Envelope";
const BEFORE: &str = "before";
const AFTER: &str = "after";
const OPERATION: &str = "op";
const DELETED: &str = "__deleted";

/// See the module.
#[derive(Debug)]
pub(super) struct ExtractNewRecordState {
    deletes: Deletes,
    keeps_tombstones: bool,
    fields: Vec<Addition>,
    headers: Vec<Addition>,
    route_by: Option<String>,
    drops: Option<DropFields>,
    schemas: SchemaCache<Extended>,
}

/// What deletes become.
#[derive(Debug)]
enum Deletes {
    /// Nothing.
    Dropped,
    /// Null, with the schema of `after`.
    Tombstones,
    /// Null without a schema.
    BareTombstones,
    /// The row as it was, marked as deleted; all others are marked as being there.
    Rows {
        deleted: Box<InsertField>,
        there: Box<InsertField>,
    },
}

/// A row's schema with the fields that are added to it, and the event's that they are from.
#[derive(Debug, Clone)]
struct Extended {
    event: Arc<Schema>,
    schema: Arc<Schema>,
}

impl ExtractNewRecordState {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let defaults = options.is_true(&keys::UNWRAP_REPLACE_NULL);
        let (deletes, keeps_tombstones) = handling(options);
        let marks = |text: &str| Box::new(InsertField::constant(DELETED, text, defaults));
        Ok(Self {
            deletes: match deletes.as_str() {
                "drop" => Deletes::Dropped,
                "delete-to-tombstone" => Deletes::BareTombstones,
                "rewrite" | "rewrite-with-tombstone" => Deletes::Rows {
                    deleted: marks("true"),
                    there: marks("false"),
                },
                _ => Deletes::Tombstones,
            },
            keeps_tombstones,
            fields: Addition::all(options, &keys::UNWRAP_FIELDS, &keys::UNWRAP_FIELDS_PREFIX)?,
            headers: Addition::all(options, &keys::UNWRAP_HEADERS, &keys::UNWRAP_HEADERS_PREFIX)?,
            route_by: options.text(&keys::UNWRAP_ROUTE).map(str::to_owned),
            drops: DropFields::new(options),
            schemas: SchemaCache::default(),
        })
    }

    /// A record whose row is written.
    fn written(
        &mut self,
        mut record: OwnedRecord,
        mut event: Struct,
        after: usize,
    ) -> Result<OwnedRecord, String> {
        let added = self.added(&event)?;
        record.value = take(&mut event, after);
        if let Deletes::Rows { there, .. } = &mut self.deletes
            && matches!(record.value.datum, Datum::Struct(_))
        {
            mark(there, &mut record)?;
        }
        let Datum::Struct(row) = &record.value.datum else {
            return Err(object::no_struct(&record.value.datum, PURPOSE));
        };
        if let Some(field) = &self.route_by {
            route(&mut record.topic, row, field)?;
        }
        self.add(&mut record, &event, added)?;
        if let Some(drops) = &mut self.drops {
            drops.apply(&mut record)?;
        }
        Ok(record)
    }

    /// A record whose row is deleted.
    fn deleted(
        &mut self,
        mut record: OwnedRecord,
        mut event: Struct,
        [before, after]: [usize; 2],
    ) -> Applied {
        let topic = match (&self.deletes, &self.route_by) {
            (Deletes::Dropped, _) => return Ok(None),
            (_, None) => None,
            (_, Some(field)) => {
                let mut topic = Arc::clone(&record.topic);
                match event.raw(before) {
                    Datum::Struct(row) => route(&mut topic, row, field)?,
                    other => return Err(object::no_struct(other, PURPOSE)),
                }
                Some(topic)
            }
        };
        let added = match self.deletes {
            Deletes::Rows { .. } => self.added(&event)?,
            _ => Vec::new(),
        };
        match &mut self.deletes {
            Deletes::Dropped | Deletes::BareTombstones => {}
            Deletes::Tombstones => record.value = take(&mut event, after),
            Deletes::Rows { deleted, .. } => {
                record.value = take(&mut event, before);
                if matches!(record.value.datum, Datum::Struct(_)) {
                    mark(deleted, &mut record)?;
                }
            }
        }
        record.topic = topic.unwrap_or(record.topic);
        if let Some(drops) = &mut self.drops {
            drops.apply(&mut record)?;
        }
        if !record.value.datum.is_null() {
            self.add(&mut record, &event, added)?;
        }
        Ok(Some(record))
    }

    /// The fields to add, with their values.
    fn added(&mut self, event: &Struct) -> Result<Vec<(Field, Datum)>, String> {
        let fields = self.fields.iter_mut();
        let found = fields.map(|addition| addition.find_plain(event));
        found.filter_map(Result::transpose).collect()
    }

    fn add(
        &mut self,
        record: &mut OwnedRecord,
        event: &Struct,
        added: Vec<(Field, Datum)>,
    ) -> Result<(), String> {
        let row = match std::mem::replace(&mut record.value, Side::NULL).datum {
            Datum::Struct(row) => row,
            other => return Err(object::no_struct(&other, PURPOSE)),
        };
        let (fields, new_values): (Vec<Field>, Vec<Datum>) = added.into_iter().unzip();
        let basis = Arc::clone(row.schema());
        let derive = || {
            Ok::<_, String>(Extended {
                event: Arc::clone(event.schema()),
                schema: object::extended(&basis, &fields)?,
            })
        };
        let mut known = self.schemas.get(&basis, derive)?;
        if !Arc::ptr_eq(&known.event, event.schema()) {
            known = derive()?;
        }
        let mut values = row.into_values(false);
        values.extend(new_values);
        record.value = object::struct_side(Struct::new(known.schema, values));
        Ok(())
    }
}

impl Transform for ExtractNewRecordState {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        if record.value.datum.is_null() {
            let of_operation = self.headers.iter().filter(|added| added.names(OPERATION));
            let headers = of_operation.map(|added| Header {
                name: added.name().to_owned(),
                schema: Some(Arc::new(Schema::new(Kind::String))),
                datum: Datum::String("d".to_owned()),
            });
            record.headers.extend(headers);
            return Ok(self.keeps_tombstones.then_some(record));
        }
        if !is_envelope(&record.value) {
            return Ok(Some(record));
        }
        let event = match std::mem::replace(&mut record.value, Side::NULL).datum {
            Datum::Struct(event) => event,
            other => return Err(object::no_struct(&other, PURPOSE)),
        };
        for addition in &mut self.headers {
            if let Some((field, datum)) = addition.find(&event)? {
                record.headers.push(Header {
                    name: field.name.to_string(),
                    schema: Some(field.schema),
                    datum,
                });
            }
        }
        let after = place(&event, AFTER)?;
        if !event.get(after).is_null() {
            return self.written(record, event, after).map(Some);
        }
        let before = place(&event, BEFORE)?;
        if event.get(before).is_null() {
            return Ok(None);
        }
        self.deleted(record, event, [before, after])
    }

    fn reads_headers(&self) -> bool {
        self.drops.is_some()
    }
}

/// How deletes are handled, in lower case, and whether tombstones stay.
fn handling(options: &Options) -> (String, bool) {
    let mode = options.text(&keys::UNWRAP_DELETES).unwrap_or("tombstone");
    let mode = mode.to_ascii_lowercase();
    let old_mode = options.text(&keys::UNWRAP_OLD_DELETES);
    let old_drop = options.text(&keys::UNWRAP_OLD_TOMBSTONES);
    if mode != "tombstone" || (old_mode.is_none() && old_drop.is_none()) {
        let keeps_tombstones = mode == "rewrite-with-tombstone";
        return (mode, keeps_tombstones);
    }
    let old_mode = old_mode.unwrap_or("drop").to_ascii_lowercase();
    let drops = old_drop.is_none_or(|drops| drops.eq_ignore_ascii_case("true"));
    (old_mode, !drops)
}

fn is_envelope(value: &Side) -> bool {
    let name = value
        .schema
        .as_ref()
        .and_then(|schema| schema.name.as_deref());
    name.is_some_and(|name| name.ends_with(ENVELOPE))
}

fn place(event: &Struct, name: &str) -> Result<usize, String> {
    let found = event.schema().field(name);
    let (index, _) = found.ok_or_else(|| format!("Unknown field: {name}"))?;
    Ok(index)
}

/// A field of the event, as a side.
fn take(event: &mut Struct, index: usize) -> Side {
    let fields = event.schema().fields().unwrap_or_default();
    Side {
        schema: fields.get(index).map(|field| Arc::clone(&field.schema)),
        datum: event.take(index),
    }
}

fn mark(insertion: &mut InsertField, record: &mut OwnedRecord) -> Result<(), String> {
    let value = std::mem::replace(&mut record.value, Side::NULL);
    record.value = insertion.insert(value, &About::of(record))?;
    Ok(())
}

/// A text field's value becomes the topic, unless it is blank.
fn route(topic: &mut Arc<str>, row: &Struct, field: &str) -> Result<(), String> {
    let found = row.schema().field(field);
    let (index, found) = found.ok_or_else(|| format!("{field} is not a valid field name"))?;
    match (&found.schema.kind, row.raw(index)) {
        (Kind::String, Datum::String(text)) if !text.trim().is_empty() => {
            *topic = text.as_str().into()
        }
        (Kind::String, _) => {}
        (kind, _) => {
            let kind = kind.name();
            return Err(format!("Field '{field}' is not of type STRING but {kind}"));
        }
    }
    Ok(())
}
