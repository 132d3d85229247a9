//! Fields that are set aside until all of a record has been read: they say something of other columns,
//! or of the record as a whole.
//!
//! * `timezone.fields`: a point in time and its zone are two fields and become one value.
//! * `timestamp.fields.list`: a number counts parts of a second, as the config says.
//! * `__deleted`, in events that Debezium's `ExtractNewRecordState` has flattened: the row that the
//!   record shows was deleted.

use rowdock_connectors::{ColumnType, Target, Timestamp};

use super::{Content, RowWriter};
use crate::config::connector::SinkKeys;
use crate::decode::change::Change;
use crate::map::declared::{self, DELETED};
use crate::map::fit;
use crate::map::push;
use crate::record::zone::Zone;
use crate::record::{RecordError, Stage, Value, iso, timestamp};

/// The fields, and what they hold in this record.
#[derive(Debug, Default)]
pub(in crate::map) struct Asides {
    fields: Vec<Aside>,
}

#[derive(Debug)]
struct Aside {
    name: String,
    role: Role,
    kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A point in time; its zone is the next aside.
    Time,
    /// The zone of the aside before.
    Zone,
    /// So many parts of a second since 1970, or a text.
    Parts(i64),
    /// Whether the row was deleted.
    Deleted,
}

/// What the record has in such a field.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Absent,
    Null,
    /// A point in time, or (`false`) what a clock showed.
    Moment(Timestamp, bool),
    Text(String),
    Flag(bool),
}

impl Asides {
    /// Those that the config names.
    pub(in crate::map) fn new(keys: &SinkKeys) -> Self {
        let aside = |name: &str, role| Aside {
            name: name.to_owned(),
            role,
            kept: Kept::Absent,
        };
        let mut fields = Vec::new();
        for (time, zone) in &keys.zoned_fields {
            fields.push(aside(time, Role::Time));
            fields.push(aside(zone, Role::Zone));
        }
        for field in &keys.timestamp_fields {
            fields.push(aside(field, Role::Parts(keys.timestamp_parts)));
        }
        if declared::has_deleted_field(keys) {
            fields.push(aside(DELETED, Role::Deleted));
        }
        Self { fields }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Forgets what a record before this one has left, which was refused in its middle.
    #[inline]
    pub(super) fn start_record(&mut self) {
        for field in &mut self.fields {
            field.kept = Kept::Absent;
        }
    }

    /// The slot of a field that is set aside: they are counted behind the written columns.
    pub(super) fn slot(&self, name: &str, target: &Target) -> Option<usize> {
        let place = self.fields.iter().position(|field| field.name == name)?;
        let has_column = target.table.column_index(name).is_some();
        match self.fields[place].role {
            Role::Time | Role::Parts(_) if !has_column => None,
            _ => Some(target.written.len() + place),
        }
    }

    #[cold]
    pub(super) fn keep(
        &mut self,
        slot: usize,
        name: &str,
        value: &Value<'_>,
        target: &Target,
    ) -> Result<(), RecordError> {
        let place = slot - target.written.len();
        // Two times may have one zone.
        let is_zone = self.fields[place].role == Role::Zone;
        for field in &mut self.fields[place..] {
            let is_meant = field.name == name && (field.role == Role::Zone) == is_zone;
            if is_meant {
                field.kept = kept(field.role, name, value)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, place: usize) -> Kept {
        std::mem::replace(&mut self.fields[place].kept, Kept::Absent)
    }
}

const TRUE_OR_FALSE: &str = "only true and false tell whether a row was deleted";

fn kept(role: Role, name: &str, value: &Value<'_>) -> Result<Kept, RecordError> {
    let refused = |rule: &str| {
        let reason = format!("field \"{name}\": {} does not fit: {rule}", value.kind());
        RecordError::new(Stage::TaskPut, reason)
    };
    Ok(match (role, value) {
        (_, Value::Null) => Kept::Null,
        (Role::Time, value) => {
            let (at, is_instant) = fit::moment(value).map_err(|rule| refused(&rule))?;
            Kept::Moment(at, is_instant)
        }
        (Role::Parts(per_second), Value::Int(parts)) => {
            Kept::Moment(timestamp(*parts, per_second), true)
        }
        (Role::Parts(per_second), Value::Number(text)) => {
            let parts = text
                .parse()
                .map_err(|_| refused("only whole numbers count time"))?;
            Kept::Moment(timestamp(parts, per_second), true)
        }
        (Role::Parts(_), value) => {
            let (at, is_instant) = fit::moment(value).map_err(|rule| refused(&rule))?;
            Kept::Moment(at, is_instant)
        }
        (Role::Zone, Value::Text(text)) => Kept::Text(text.to_string()),
        (Role::Zone, _) => return Err(refused("a zone is a text")),
        (Role::Deleted, Value::Bool(deleted)) => Kept::Flag(*deleted),
        (Role::Deleted, Value::Text(text)) => match &**text {
            "true" => Kept::Flag(true),
            "false" => Kept::Flag(false),
            _ => return Err(refused(TRUE_OR_FALSE)),
        },
        (Role::Deleted, _) => return Err(refused(TRUE_OR_FALSE)),
    })
}

impl RowWriter<'_> {
    #[cold]
    pub(super) fn settle_asides(&mut self) -> Result<(), RecordError> {
        for place in 0..self.columns.asides.fields.len() {
            match self.columns.asides.fields[place].role {
                Role::Time => {
                    let time = self.columns.asides.take(place);
                    let zone = self.columns.asides.take(place + 1);
                    let name = self.columns.asides.fields[place].name.clone();
                    let zone_name = self.columns.asides.fields[place + 1].name.clone();
                    self.settle_zone(&zone_name, &zone)?;
                    self.settle_time(&name, &time, &zone)?;
                }
                Role::Zone => {}
                Role::Parts(_) => {
                    let time = self.columns.asides.take(place);
                    let name = self.columns.asides.fields[place].name.clone();
                    self.settle_time(&name, &time, &Kept::Absent)?;
                }
                Role::Deleted => match self.columns.asides.take(place) {
                    Kept::Flag(true) => self.content = Content::Change(Change::Delete),
                    // Somebody may want to see it.
                    Kept::Flag(false) => self.put(DELETED, &Value::Bool(false))?,
                    Kept::Null => self.put(DELETED, &Value::Null)?,
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// The zone may have a column of its own.
    fn settle_zone(&mut self, name: &str, zone: &Kept) -> Result<(), RecordError> {
        match zone {
            Kept::Text(text) => self.put(name, &Value::Text(text.as_str().into())),
            Kept::Null => self.put(name, &Value::Null),
            _ => Ok(()),
        }
    }

    fn settle_time(&mut self, name: &str, time: &Kept, zone: &Kept) -> Result<(), RecordError> {
        let (at, is_instant) = match time {
            Kept::Moment(at, is_instant) => (*at, *is_instant),
            Kept::Null => return self.put(name, &Value::Null),
            _ => return Ok(()),
        };
        let Kept::Text(zone) = zone else {
            return self.put(name, &unzoned(at, is_instant));
        };
        let refused =
            |rule: &str| RecordError::new(Stage::TaskPut, format!("field \"{name}\": {rule}"));
        let zone = Zone::parse(zone)
            .ok_or_else(|| refused("the field beside it names no known time zone"))?;
        let (instant, local) = both(zone, at, is_instant)
            .ok_or_else(|| refused("the date is out of the calendar's range"))?;
        let column = self.target.table.column_index(name);
        let column_type = column.map(|column| &self.target.table.columns[column].column_type);
        match column_type {
            Some(ColumnType::Timestamp) => self.put(name, &Value::LocalTimestamp(local)),
            Some(ColumnType::Text { .. } | ColumnType::SizedText { .. }) => {
                let seconds = local.seconds - instant.seconds;
                let text = iso::local_timestamp(local).map_err(refused)?;
                self.put(name, &Value::Text((text + &distance(seconds)).into()))
            }
            _ => self.put(name, &Value::Timestamp(instant)),
        }
    }

    fn put(&mut self, name: &str, value: &Value<'_>) -> Result<(), RecordError> {
        let column = self.target.table.column_index(name);
        let Some(written) = column.and_then(|column| self.columns.accepts[column]) else {
            return Ok(());
        };
        self.rows.columns[written].truncate(self.row);
        let rules = self.columns.rules_of_values;
        push(self.target, written, name, value, rules, self.rows)
    }
}

fn unzoned(at: Timestamp, is_instant: bool) -> Value<'static> {
    match is_instant {
        true => Value::Timestamp(at),
        false => Value::LocalTimestamp(at),
    }
}

/// `+02:00`, or `Z`.
fn distance(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    match seconds {
        0 => "Z".to_owned(),
        _ => format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

/// The point in time, and what a clock shows then.
fn both(zone: Zone, at: Timestamp, is_instant: bool) -> Option<(Timestamp, Timestamp)> {
    Some(match is_instant {
        true => (at, zone.local_of(at)?),
        false => (zone.instant_of(at)?, at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_as_text() {
        assert_eq!(distance(0), "Z");
        assert_eq!(distance(-19_800), "-05:30");
        assert_eq!(distance(7_200), "+02:00");
    }
}
