//! One side of a record, its key or its value, into cells.

mod aside;
mod owned;

use std::sync::Arc;

use rowdock_connectors::{ColumnType, Notation, TableRows, Target};

pub(super) use aside::Asides;

use super::filter::FieldFilter;
use super::fit::Rules;
use super::infer;
use super::names::{FieldNames, FieldRule};
use super::push;
use super::straight::Straight;
use super::unavailable::Unavailable;
use crate::config::connector::UnknownFields;
use crate::decode::change::Change;
use crate::decode::{Decode as _, Encoded, Format, ReadError, Visitor};
use crate::record::schema::{Field, names};
use crate::record::{RecordError, Schema, Stage, Value};

/// Reads one side of a record: its key or its value.
#[derive(Debug)]
pub(super) struct SideReader {
    stage: Stage,
    format: Format,
    columns: SideColumns,
}

/// Which columns a side fills.
#[derive(Debug)]
pub(super) struct SideColumns {
    /// Written columns that fields of this side may fill, by column of the table.
    pub(super) accepts: Vec<Option<usize>>,
    /// The short way into each written column.
    straight: Vec<Straight>,
    /// Written column of a side that is no object but a single value.
    pub(super) single: Option<usize>,
    /// What a field without a column means.
    pub(super) unknown: UnknownFields,
    /// What a second field for one column means, where the first has the column's exact name.
    pub(super) second: UnknownFields,
    /// How values are fitted.
    rules_of_values: Rules,
    /// Which fields are left out on purpose.
    filter: FieldFilter,
    /// Fields that are no column's by themselves.
    pub(super) asides: Asides,
    /// Values that are not there.
    unavailable: Option<Unavailable>,
    /// This record has had such a value.
    has_seen_unavailable: bool,
    /// A delete tells its key by the row that was there.
    pub(super) wants_before: bool,
    /// Field rules found out so far, per schema; the current one first.
    rules: Vec<(Option<Arc<Schema>>, FieldRules)>,
}

/// What the fields of one schema mean.
#[derive(Debug, Default)]
struct FieldRules {
    /// By place in the schema.
    by_index: Vec<Option<FieldRule>>,
    /// By name, for fields without a place.
    by_name: FieldNames,
    /// Columns for whose numbers others stand.
    recounted: Vec<(usize, Recount)>,
}

/// What a number means, where its schema's name or source says more than its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recount {
    /// The signed form of an unsigned integer of 64 bits.
    Unsigned,
    /// An interval's nanoseconds; others count microseconds.
    Nanoseconds,
}

/// What a side holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Null, or nothing at all.
    Null,
    /// Fields, or a single value: they are in the row now.
    Filled,
    /// A change event that writes no row.
    Change(Change),
}

/// More schemas than versions of one topic that are live at once.
const SCHEMAS_AT_HAND: usize = 8;

impl SideReader {
    pub(super) fn new(stage: Stage, format: Format, columns: SideColumns) -> Self {
        Self {
            stage,
            format,
            columns,
        }
    }

    /// Changes what a field without a column means; returns what it meant before.
    pub(super) fn set_unknown(&mut self, unknown: UnknownFields) -> UnknownFields {
        std::mem::replace(&mut self.columns.unknown, unknown)
    }

    /// Whether some value of the record read last is not there.
    pub(super) fn has_seen_unavailable(&self) -> bool {
        self.columns.has_seen_unavailable
    }

    #[inline]
    pub(super) fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        self.format.is_ready(encoded)
    }

    /// Reads the side into the row.
    #[inline]
    pub(super) fn read(
        &mut self,
        encoded: Encoded<'_>,
        target: &Target,
        rows: &mut TableRows,
    ) -> Result<Content, RecordError> {
        let mut writer = RowWriter::new(self.stage, &mut self.columns, target, rows);
        match self.format.read(encoded, &mut writer) {
            Ok(()) => writer.finish(),
            Err(ReadError::Refused(error)) => Err(error),
            Err(ReadError::Malformed(reason)) => Err(RecordError::new(self.stage, reason)),
        }
    }
}

impl SideColumns {
    pub(super) fn new(
        accepts: Vec<Option<usize>>,
        unknown: UnknownFields,
        rules_of_values: Rules,
        target: &Target,
    ) -> Self {
        let columns = 0..target.written.len();
        let straight = columns.map(|column| {
            let column_type = &target.column(column).column_type;
            Straight::into_column(column_type, target.table.text_allows_nul)
        });
        Self {
            straight: straight.collect(),
            accepts,
            single: None,
            unknown,
            second: unknown,
            rules_of_values,
            filter: FieldFilter::default(),
            asides: Asides::default(),
            unavailable: None,
            has_seen_unavailable: false,
            wants_before: false,
            rules: Vec::new(),
        }
    }

    /// Fields that the filter does not want are left out on purpose, and so are value fields that
    /// have a key column's name.
    pub(super) fn filtering(
        mut self,
        filter: FieldFilter,
        key_columns: &[usize],
        target: &Target,
    ) -> Self {
        for (column, accepted) in self.accepts.iter_mut().enumerate() {
            let is_key = accepted.is_some_and(|written| target.key.contains(&written));
            if !is_key && !filter.wants(&target.table.columns[column].name) {
                *accepted = None;
            }
        }
        debug_assert!(
            key_columns
                .iter()
                .all(|key| !self.accepts.contains(&Some(*key)))
        );
        self.filter = filter;
        self
    }

    /// What stands for values that are not there.
    pub(super) fn set_unavailable(&mut self, unavailable: Option<Unavailable>) {
        if let Some(unavailable) = &unavailable {
            for way in &mut self.straight {
                *way = way.but_for(unavailable.text_lengths());
            }
        }
        self.unavailable = unavailable;
    }

    fn is_unavailable(&mut self, value: &Value<'_>) -> bool {
        let stands_for_none = |unavailable: &Unavailable| unavailable.is(value);
        let is_unavailable = self.unavailable.as_ref().is_some_and(stands_for_none);
        self.has_seen_unavailable |= is_unavailable;
        is_unavailable
    }

    /// Brings the rules of this schema to the front.
    #[inline]
    fn choose_rules(&mut self, schema: Option<&Arc<Schema>>, target: &Target) {
        let is_first = self.rules.first();
        if !is_first.is_some_and(|(known, _)| is_same(known.as_ref(), schema)) {
            self.find_rules(schema, target);
        }
        if let Some((_, rules)) = self.rules.first_mut() {
            rules.by_name.start_record();
        }
    }

    fn find_rules(&mut self, schema: Option<&Arc<Schema>>, target: &Target) {
        let mut known = self.rules.iter();
        match known.position(|(known, _)| is_same(known.as_ref(), schema)) {
            Some(found) => self.rules[..=found].rotate_right(1),
            None => {
                self.rules.truncate(SCHEMAS_AT_HAND - 1);
                let rules = FieldRules {
                    recounted: recounted(schema, &self.accepts, target),
                    ..FieldRules::default()
                };
                self.rules.insert(0, (schema.cloned(), rules));
            }
        }
    }

    /// Whether the value of this field is that of its column, which has one already: the same field may
    /// come twice, and of several the one of exactly the column's name may count.
    #[cold]
    fn counts(&self, column: usize, name: &str, target: &Target) -> Result<bool, RecordError> {
        let Some(rival) = self.rival(column, name) else {
            return Ok(true);
        };
        let known = &*target.column(column).name;
        let is_told = known == name || known == rival;
        if is_told && self.second == UnknownFields::Ignore {
            return Ok(known == name);
        }
        let table = &target.table.name;
        let reason =
            format!("fields \"{rival}\" and \"{name}\" are both column \"{known}\" of {table}");
        Err(RecordError::new(Stage::TaskPut, reason))
    }

    /// Another field of this record that fills the column.
    fn rival(&self, column: usize, name: &str) -> Option<&str> {
        let (schema, rules) = self.rules.first()?;
        let fills = |rule: FieldRule| rule == FieldRule::Column(column);
        let fields = schema.as_ref().and_then(|schema| schema.fields());
        let of_schema = fields.unwrap_or_default().iter().zip(&rules.by_index);
        let of_schema = of_schema.filter(|(_, rule)| rule.is_some_and(fills));
        let of_schema = of_schema.map(|(field, _)| &*field.name);
        let seen = rules.by_name.seen().filter(|(_, rule)| fills(*rule));
        let mut all = of_schema.chain(seen.map(|(seen, _)| seen));
        all.find(|other| *other != name)
    }

    /// What this number stands for, where it is not itself.
    fn recount(&self, column: usize, value: &Value<'_>) -> Option<Value<'static>> {
        let (_, rules) = self.rules.first()?;
        let mut recounted = rules.recounted.iter();
        let (_, recount) = recounted.find(|(recounted, _)| *recounted == column)?;
        let number: i64 = match value {
            Value::Int(number) => *number,
            Value::Number(text) => text.parse().ok()?,
            _ => return None,
        };
        match recount {
            Recount::Nanoseconds => Some(Value::Time(number)),
            Recount::Unsigned if number >= 0 => None,
            Recount::Unsigned => Some(Value::Decimal(number.cast_unsigned().to_string().into())),
        }
    }

    #[inline]
    fn rule(&mut self, name: &str, index: Option<usize>, target: &Target) -> FieldRule {
        let (accepts, filter) = (&self.accepts, &self.filter);
        let asides = &self.asides;
        let decide = |name: &str| match asides.slot(name, target) {
            Some(slot) => FieldRule::Column(slot),
            None => rule_of(name, accepts, filter, target),
        };
        let Some((_, rules)) = self.rules.first_mut() else {
            return FieldRule::Unknown;
        };
        let Some(index) = index else {
            return rules.by_name.rule(name, decide);
        };
        if let Some(Some(rule)) = rules.by_index.get(index) {
            return *rule;
        }
        let rule = decide(name);
        if rules.by_index.len() <= index {
            rules.by_index.resize(index + 1, None);
        }
        rules.by_index[index] = Some(rule);
        rule
    }
}

/// Puts what a format finds into the row.
struct RowWriter<'m> {
    stage: Stage,
    columns: &'m mut SideColumns,
    target: &'m Target,
    rows: &'m mut TableRows,
    /// Cells in each column before this row.
    row: usize,
    content: Content,
}

impl Visitor for RowWriter<'_> {
    /// The written column; those behind the last are fields set aside.
    type Slot = usize;

    #[inline]
    fn object(&mut self, schema: Option<&Arc<Schema>>) {
        self.columns.choose_rules(schema, self.target);
    }

    #[inline]
    fn predicted(&self) -> Option<(&str, Option<usize>)> {
        let (_, rules) = self.columns.rules.first()?;
        let (name, rule) = rules.by_name.predicted()?;
        match rule {
            FieldRule::Column(column) => Some((name, Some(column))),
            FieldRule::Unwanted => Some((name, None)),
            FieldRule::Unknown => None,
        }
    }

    #[inline]
    fn follow(&mut self) {
        if let Some((_, rules)) = self.columns.rules.first_mut() {
            rules.by_name.follow();
        }
    }

    #[inline]
    fn wants(&mut self, name: &str, index: Option<usize>) -> Result<Option<usize>, RecordError> {
        // What was decided before needs no call.
        if let (Some(index), Some((_, rules))) = (index, self.columns.rules.first())
            && let Some(Some(FieldRule::Column(column))) = rules.by_index.get(index)
        {
            return Ok(Some(*column));
        }
        self.wanted(name, index)
    }

    #[inline]
    fn field(&mut self, column: usize, name: &str, value: &Value<'_>) -> Result<(), RecordError> {
        let Some(cells) = self.rows.columns.get_mut(column) else {
            return self.columns.asides.keep(column, name, value, self.target);
        };
        let straight = self.columns.straight.get(column);
        let is_first = cells.len() == self.row;
        if is_first && straight.is_some_and(|way| way.push(value, cells)) {
            return Ok(());
        }
        if !is_first && !self.columns.counts(column, name, self.target)? {
            return Ok(());
        }
        // Of a repeated field the last one counts, as everywhere in JSON.
        cells.truncate(self.row);
        if self.columns.is_unavailable(value) {
            return Ok(());
        }
        let rules = self.columns.rules_of_values;
        let recounted = self.columns.recount(column, value);
        let value = recounted.as_ref().unwrap_or(value);
        push(self.target, column, name, value, rules, self.rows)
    }

    fn change(&mut self, change: Change) -> Result<(), RecordError> {
        self.content = Content::Change(change);
        Ok(())
    }

    fn wants_before(&self) -> bool {
        self.columns.wants_before
    }

    fn single(&mut self, value: &Value<'_>) -> Result<(), RecordError> {
        if *value == Value::Null {
            if self.content == Content::Filled {
                self.content = Content::Null;
            }
            return Ok(());
        }
        match self.columns.single {
            Some(column) => {
                let rules = self.columns.rules_of_values;
                push(self.target, column, self.side(), value, rules, self.rows)
            }
            None => Err(self.no_column(value)),
        }
    }
}

impl<'m> RowWriter<'m> {
    fn new(
        stage: Stage,
        columns: &'m mut SideColumns,
        target: &'m Target,
        rows: &'m mut TableRows,
    ) -> Self {
        columns.asides.start_record();
        columns.has_seen_unavailable = false;
        Self {
            stage,
            row: rows.len(),
            content: Content::Filled,
            columns,
            target,
            rows,
        }
    }

    /// What the side holds, now that all of it is read.
    #[inline]
    fn finish(mut self) -> Result<Content, RecordError> {
        if !self.columns.asides.is_empty() {
            self.settle_asides()?;
        }
        Ok(self.content)
    }

    fn wanted(&mut self, name: &str, index: Option<usize>) -> Result<Option<usize>, RecordError> {
        match self.columns.rule(name, index, self.target) {
            FieldRule::Column(column) => Ok(Some(column)),
            FieldRule::Unwanted => Ok(None),
            FieldRule::Unknown if self.columns.unknown == UnknownFields::Ignore => Ok(None),
            FieldRule::Unknown => Err(unknown_field(name, self.target)),
        }
    }

    fn side(&self) -> &'static str {
        match self.stage {
            Stage::KeyConverter => "the record's key",
            _ => "the record's value",
        }
    }

    fn no_column(&self, value: &Value<'_>) -> RecordError {
        let kind = value.kind();
        let reason = match self.stage {
            Stage::KeyConverter => {
                "a primitive key fills one column, but the table's key has several".to_owned()
            }
            _ => format!(
                "the value is not an object with fields but {kind}, and {} has no column for it; \
                 string.output.value.column.name names one",
                self.target.table.name
            ),
        };
        RecordError::new(self.stage, reason)
    }
}

#[inline]
fn is_same(known: Option<&Arc<Schema>>, schema: Option<&Arc<Schema>>) -> bool {
    match (known, schema) {
        (Some(known), Some(schema)) => Arc::ptr_eq(known, schema),
        (None, None) => true,
        _ => false,
    }
}

/// Written columns whose numbers are not themselves, by the fields' schemas.
fn recounted(
    schema: Option<&Arc<Schema>>,
    accepts: &[Option<usize>],
    target: &Target,
) -> Vec<(usize, Recount)> {
    let fields = schema.and_then(|schema| schema.fields());
    let recount = |field: &Field| {
        let column = target.table.column_index(&field.name)?;
        let recount = match &target.table.columns[column].column_type {
            ColumnType::UInt64 if infer::wraps(&field.schema) => Recount::Unsigned,
            ColumnType::Literal(Notation::Interval)
                if field.schema.name.as_deref() == Some(names::NANO_DURATION) =>
            {
                Recount::Nanoseconds
            }
            _ => return None,
        };
        Some((accepts[column]?, recount))
    };
    fields
        .unwrap_or_default()
        .iter()
        .filter_map(recount)
        .collect()
}

fn rule_of(
    name: &str,
    accepts: &[Option<usize>],
    filter: &FieldFilter,
    target: &Target,
) -> FieldRule {
    match target.table.column_index(name) {
        Some(column) => match accepts[column] {
            Some(column) => FieldRule::Column(column),
            None => FieldRule::Unwanted,
        },
        None if !filter.wants(name) => FieldRule::Unwanted,
        None => FieldRule::Unknown,
    }
}

#[cold]
fn unknown_field(name: &str, target: &Target) -> RecordError {
    RecordError::new(
        Stage::TaskPut,
        format!(
            "field \"{name}\" has no column in {}; add the column, list the wanted fields in \
             fields.whitelist, or set fields.unknown=ignore",
            target.table.name
        ),
    )
}
