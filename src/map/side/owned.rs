//! The same for a side that was decoded as a whole, because transforms worked on it.

use std::sync::Arc;

use rowdock_connectors::{TableRows, Target};

use super::{FieldRule, SideReader, push, rule_of, unknown_field};
use crate::config::connector::UnknownFields;
use crate::record::{Datum, RecordError, Schema, Side};

impl SideReader {
    /// Reads the fields of a struct or map into the row. `false`: there is nothing, but null.
    pub(in crate::map) fn read_owned_object(
        &mut self,
        side: &Side,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<bool, RecordError> {
        match &side.datum {
            Datum::Null => Ok(false),
            Datum::Map(_) | Datum::Struct(_) => {
                self.read_owned_fields(&side.datum, target, rows)?;
                Ok(true)
            }
            other => {
                let found = other.kind();
                Err(self.failed(format!("the value is {found}, not an object with fields")))
            }
        }
    }

    /// Reads a key: fields, or one primitive for one column.
    pub(in crate::map) fn read_owned_key(
        &mut self,
        side: &Side,
        primitive: Option<usize>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        match &side.datum {
            Datum::Map(_) | Datum::Struct(_) => self.read_owned_fields(&side.datum, target, rows),
            other => {
                let value = other.value().map_err(|reason| self.failed(reason))?;
                self.push_primitive(&value, primitive, target, rows)
            }
        }
    }

    fn read_owned_fields(
        &mut self,
        datum: &Datum,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        match datum {
            Datum::Struct(value) => {
                let schema = value.schema();
                self.start_owned(Some(schema));
                for (index, field) in schema.fields().unwrap_or_default().iter().enumerate() {
                    self.push_owned(&field.name, value.get(index), Some(schema), target, rows)?;
                }
            }
            Datum::Map(map) => {
                self.start_owned(None);
                for (name, value) in map.iter() {
                    self.push_owned(name, value, None, target, rows)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start_owned(&mut self, schema: Option<&Arc<Schema>>) {
        self.choose_names(schema);
        if let Some((_, names)) = self.names.first_mut() {
            names.start_record();
        }
    }

    fn push_owned(
        &mut self,
        name: &str,
        datum: &Datum,
        schema: Option<&Arc<Schema>>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let (accepts, filter) = (&self.accepts, &self.filter);
        let Some((_, names)) = self.names.first_mut() else {
            return Ok(());
        };
        let column = match names.rule(name, |name| rule_of(name, schema, accepts, filter, target)) {
            FieldRule::Column { column, .. } => column,
            FieldRule::Unwanted => return Ok(()),
            FieldRule::Unknown if self.unknown == UnknownFields::Ignore => return Ok(()),
            FieldRule::Unknown => return Err(unknown_field(name, target)),
        };
        let value = datum
            .value()
            .map_err(|reason| self.failed(format!("field \"{name}\": {reason}")))?;
        // Names that differ only in case may share a column: the last one counts.
        let row = rows.len();
        rows.columns[column].truncate(row);
        push(target, column, name, &value, rows)
    }
}
