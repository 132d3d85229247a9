//! The same for a side that was decoded as a whole, because transforms worked on it.

use rowdock_connectors::{TableRows, Target};

use super::{Content, RowWriter, SideReader};
use crate::decode::Visitor as _;
use crate::record::{Datum, RecordError, Schema, Side};

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
                    let place = Some((index, &*field.schema));
                    writer.push_owned(&field.name, place, value.raw(index))?;
                }
            }
            // With a schema a map is one value, like an array.
            Datum::Map(map) if side.schema.is_none() => {
                writer.object(None);
                for (name, value) in map.iter() {
                    writer.push_owned(name, None, value)?;
                }
            }
            other => {
                let value = other.value_of(side.schema.as_deref());
                let value = value.map_err(|reason| RecordError::new(stage, reason))?;
                writer.single(&value)?;
            }
        }
        Ok(writer.content)
    }
}

impl RowWriter<'_> {
    fn push_owned(
        &mut self,
        name: &str,
        place: Option<(usize, &Schema)>,
        datum: &Datum,
    ) -> Result<(), RecordError> {
        let Some(column) = self.wants(name, place.map(|(index, _)| index))? else {
            return Ok(());
        };
        let value = datum.value_of(place.map(|(_, schema)| schema));
        let value = value.map_err(|reason| {
            RecordError::new(self.stage, format!("field \"{name}\": {reason}"))
        })?;
        self.field(column, name, &value)
    }
}
