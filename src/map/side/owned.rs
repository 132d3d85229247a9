//! The same for a side that was decoded as a whole, because transforms worked on it.

use rowdock_connectors::{TableRows, Target};

use super::{Content, RowWriter, SideReader};
use crate::decode::Visitor as _;
use crate::record::{Datum, RecordError, Side};

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
                    writer.push_owned(&field.name, Some(index), value.get(index))?;
                }
            }
            Datum::Map(map) => {
                writer.object(None);
                for (name, value) in map.iter() {
                    writer.push_owned(name, None, value)?;
                }
            }
            other => {
                let value = other.value();
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
        index: Option<usize>,
        datum: &Datum,
    ) -> Result<(), RecordError> {
        let Some(column) = self.wants(name, index)? else {
            return Ok(());
        };
        let value = datum.value().map_err(|reason| {
            RecordError::new(self.stage, format!("field \"{name}\": {reason}"))
        })?;
        self.field(column, name, &value)
    }
}
