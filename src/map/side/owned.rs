//! The same for a side that was decoded as a whole, because transforms worked on it.

use rowdock_connectors::{TableRows, Target};

use super::{Content, RowWriter, SideReader};
use crate::decode::Visitor as _;
use crate::record::{Datum, Header, RecordError, Schema, Side};

impl SideReader {
    /// Puts the fields of a struct or map, or a single value, into the row.
    pub(in crate::map) fn read_owned(
        &mut self,
        side: &Side,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<Content, RecordError> {
        let stage = self.stage;
        let mut writer = RowWriter::new(stage, &mut self.columns, target, rows);
        match &side.datum {
            Datum::Struct(value) => {
                let schema = value.schema();
                writer.object(Some(schema));
                for (index, field) in schema.fields().unwrap_or_default().iter().enumerate() {
                    let field_schema = Some(&*field.schema);
                    writer.push_owned(&field.name, Some(index), value.raw(index), field_schema)?;
                }
            }
            // With a schema a map is one value, like an array.
            Datum::Map(map) if side.schema.is_none() => {
                writer.object(None);
                for (name, value) in map.iter() {
                    writer.push_owned(name, None, value, None)?;
                }
            }
            other => {
                let value = other.value_of(side.schema.as_deref());
                let value = value.map_err(|reason| RecordError::new(stage, reason))?;
                writer.single(&value)?;
            }
        }
        writer.finish()
    }

    /// Puts the headers that have a column into the row; of several of one name the last.
    pub(in crate::map) fn read_headers<'h>(
        &mut self,
        headers: impl Iterator<Item = &'h Header>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<(), RecordError> {
        let mut writer = RowWriter::new(self.stage, &mut self.columns, target, rows);
        writer.object(None);
        for header in headers {
            let schema = header.schema.as_deref();
            writer.push_owned(&header.name, None, &header.datum, schema)?;
        }
        Ok(())
    }

    /// Whether a header of this name has a column.
    pub(in crate::map) fn has_column(&self, name: &str, target: &Target) -> bool {
        let column = target.table.column_index(name);
        column.is_some_and(|column| self.columns.accepts[column].is_some())
    }
}

impl RowWriter<'_> {
    fn push_owned(
        &mut self,
        name: &str,
        index: Option<usize>,
        datum: &Datum,
        schema: Option<&Schema>,
    ) -> Result<(), RecordError> {
        let Some(column) = self.wants(name, index)? else {
            return Ok(());
        };
        let value = datum.value_of(schema);
        let value = value.map_err(|reason| {
            RecordError::new(self.stage, format!("field \"{name}\": {reason}"))
        })?;
        self.field(column, name, &value)
    }
}
