//! Fields that a header of the record names are left out.

use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, OwnedRecord, Side};
use crate::transform::replace_field::ReplaceField;

/// Headers name few different sets of fields; those past this many are made anew.
const SETS_KEPT: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct DropFields {
    header: String,
    from_key: bool,
    only_optional: bool,
    /// By the names that they leave out: the one used last first.
    exclusions: Vec<(Vec<String>, ReplaceField)>,
}

impl DropFields {
    /// `None`: no header is configured.
    pub(super) fn new(options: &Options) -> Option<Self> {
        let header = options.text(&keys::UNWRAP_DROP_HEADER)?;
        if header.trim().is_empty() {
            return None;
        }
        Some(Self {
            header: header.to_owned(),
            from_key: options.is_true(&keys::UNWRAP_DROP_FROM_KEY),
            only_optional: options.is_true(&keys::UNWRAP_DROP_OPTIONAL),
            exclusions: Vec::new(),
        })
    }

    /// Leaves them out of this record.
    ///
    /// # Errors
    /// When the header is no list of texts, or there is no schema to look at.
    pub(super) fn apply(&mut self, record: &mut OwnedRecord) -> Result<(), String> {
        let mut headers = record.headers.iter();
        let names = match headers.find(|header| header.name == self.header) {
            None => return Ok(()),
            Some(header) => names(&header.datum)
                .ok_or_else(|| format!("header \"{}\" is no list of names", self.header))?,
        };
        if names.is_empty() {
            return Ok(());
        }
        if self.from_key && !record.key.datum.is_null() {
            self.drop(&mut record.key, &names)?;
        }
        self.drop(&mut record.value, &names)
    }

    fn drop(&mut self, side: &mut Side, names: &[String]) -> Result<(), String> {
        let dropped: Vec<String> = if self.only_optional {
            let schema = side.schema.as_ref().ok_or("fields without a schema")?;
            let fields = schema
                .fields()
                .ok_or("Cannot list fields on non-struct type")?;
            let is_dropped = |name: &str| names.iter().any(|known| known == name);
            let dropped = fields
                .iter()
                .filter(|field| field.schema.optional && is_dropped(&field.name));
            dropped.map(|field| field.name.to_string()).collect()
        } else {
            names.to_vec()
        };
        if dropped.is_empty() {
            return Ok(());
        }
        let changed = std::mem::replace(side, Side::NULL);
        *side = self.exclusion(dropped).replace(changed)?;
        Ok(())
    }

    fn exclusion(&mut self, names: Vec<String>) -> &mut ReplaceField {
        let found = self
            .exclusions
            .iter()
            .position(|(known, _)| *known == names);
        match found {
            Some(found) => self.exclusions[..=found].rotate_right(1),
            None => {
                self.exclusions.truncate(SETS_KEPT - 1);
                let exclusion = ReplaceField::excluding(names.clone());
                self.exclusions.insert(0, (names, exclusion));
            }
        }
        &mut self.exclusions[0].1
    }
}

/// The texts of a list; none of null.
fn names(datum: &Datum) -> Option<Vec<String>> {
    let items = match datum {
        Datum::Null => return Some(Vec::new()),
        Datum::Array(items) => items,
        _ => return None,
    };
    let names = items.iter().map(|item| match item {
        Datum::String(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}
