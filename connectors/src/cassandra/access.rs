//! How a target's rows are written: its statements, prepared, and the roles of its columns.

use std::sync::Arc;

use scylla::frame::response::result::{CollectionType, ColumnType};
use scylla::statement::prepared::PreparedStatement;

use super::connect::Link;
use super::schema::{self, Described};
use super::settings::{CassandraSettings, RowConsistency, TtlField};
use super::statement::{self, Parameter, Statement};
use super::types;
use crate::error::SinkError;
use crate::table::Target;

/// Targets whose statements are kept: more than a connector has tables, unless their columns change
/// all the time.
const TARGETS_MAX: usize = 1_000;

/// What writes one target's rows.
pub(super) struct Access {
    pub(super) target: Arc<Target>,
    /// `INSERT`, or `UPDATE` of counters.
    pub(super) write: Prepared,
    /// `None`: the target's key does not select rows.
    delete: Option<Prepared>,
    /// Places of the partition key's columns in the rows.
    pub(super) partition_key: Vec<usize>,
    /// Rows are sums, which no repetition leaves as they are.
    pub(super) counts: bool,
    /// Rows are dead letters: what is set for records is not said of them.
    pub(super) keeps_letters: bool,
    /// How many seconds from their record's time rows live that do not say it themselves; 0: for ever.
    pub(super) ttl_seconds: i64,
    /// Place of the column that says when the row ends.
    pub(super) ttl: Option<(usize, TtlField)>,
    /// Place of the column with the write timestamp.
    pub(super) timestamp: Option<usize>,
}

impl Access {
    /// Some parameter is of a type that can be changed by itself.
    pub(super) fn has_own_types(&self) -> bool {
        let mut parameters = self.write.parameters.iter();
        parameters.any(|(_, parameter_type)| is_own(parameter_type))
    }

    /// The statement that deletes by the target's key.
    ///
    /// # Errors
    /// *Stop* when that key does not select rows.
    pub(super) fn delete(&self) -> Result<&Prepared, SinkError> {
        self.delete.as_ref().ok_or_else(|| {
            let table = &self.target.table;
            SinkError::stop(format!(
                "rows of table {} cannot be deleted by the key that pk.fields names: it must be the \
                 table's key, or its partition key and a beginning of the rest; the key is ({})",
                table.name,
                table.primary_key.join(", ")
            ))
        })
    }
}

/// A statement that is ready to be sent.
pub(super) struct Prepared {
    pub(super) statement: PreparedStatement,
    /// With the type that the server gives it.
    pub(super) parameters: Vec<(Parameter, ColumnType<'static>)>,
}

/// The targets of this session.
#[derive(Default)]
pub(super) struct Accesses(Vec<Arc<Access>>);

impl Accesses {
    /// How this target's rows are written; prepared when it is new.
    pub(super) async fn of(
        &mut self,
        link: &Link,
        settings: &CassandraSettings,
        target: &Arc<Target>,
        is_exact: bool,
    ) -> Result<Arc<Access>, SinkError> {
        let known =
            |access: &&Arc<Access>| Arc::ptr_eq(&access.target, target) || access.target == *target;
        if let Some(known) = self.0.iter().find(known) {
            return Ok(Arc::clone(known));
        }
        let access = Arc::new(prepare(link, settings, target, is_exact).await?);
        if self.0.len() >= TARGETS_MAX {
            self.0.clear();
        }
        self.0.push(Arc::clone(&access));
        Ok(access)
    }

    /// A table is not what it was.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

async fn prepare(
    link: &Link,
    settings: &CassandraSettings,
    target: &Arc<Target>,
    is_exact: bool,
) -> Result<Access, SinkError> {
    let table = &target.table;
    let described = schema::describe(link, settings, &table.name).await?;
    let described = described.filter(|described| described.table == *table);
    let described = described.ok_or_else(|| {
        let message = format!("table {} is not what it was", table.name);
        SinkError::stop(message).with_changed_table()
    })?;
    let counts = described.counts();
    if counts && is_exact {
        return Err(SinkError::stop(format!(
            "table {} has counters, and a record that is written again would be counted again: set \
             delivery.guarantee=at_least_once to accept that, or write to a table without counters",
            table.name
        )));
    }
    if counts && settings.consistency == RowConsistency::Any {
        return Err(SinkError::stop(format!(
            "table {} has counters, which cassandra does not count with cassandra.consistency=ANY; set \
             ONE or more",
            table.name
        )));
    }
    let place = |name: &str| {
        target
            .written
            .iter()
            .position(|column| table.columns[*column].name == name)
    };
    let ttl = settings.ttl_field.clone();
    let ttl = ttl.and_then(|field| place(&field.name).map(|place| (place, field)));
    let timestamp = settings.timestamp_field.as_deref().and_then(place);
    let full_name = link.resolve(&table.name)?;
    let write = write_statement(full_name, target, &described, settings)?;
    let delete = delete_statement(full_name, target, &described);
    let is_repeatable = !counts && !has_lists(target);
    Ok(Access {
        write: prepared(link, write, is_repeatable).await?,
        delete: match delete {
            Some(delete) => Some(prepared(link, delete, !counts).await?),
            None => None,
        },
        keeps_letters: described.keeps_letters(),
        ttl_seconds: ttl_seconds(&described, settings),
        partition_key: described
            .partition_key
            .iter()
            .filter_map(|name| place(name))
            .collect(),
        counts,
        ttl,
        timestamp,
        target: Arc::clone(target),
    })
}

async fn prepared(
    link: &Link,
    statement: Statement,
    is_repeatable: bool,
) -> Result<Prepared, SinkError> {
    let prepared = link.prepare_write(&statement.text, is_repeatable).await?;
    let types = prepared.get_variable_col_specs();
    let typed = statement.parameters.into_iter().zip(types.iter());
    let typed = typed.map(|(parameter, spec)| (parameter, spec.typ().clone().into_owned()));
    Ok(Prepared {
        parameters: typed.collect(),
        statement: prepared,
    })
}

/// A type of one's own, or with one inside.
fn is_own(parameter_type: &ColumnType<'_>) -> bool {
    match parameter_type {
        ColumnType::UserDefinedType { .. } => true,
        ColumnType::Collection { typ, .. } => match typ {
            CollectionType::List(element) | CollectionType::Set(element) => is_own(element),
            CollectionType::Map(key, value) => is_own(key) || is_own(value),
            _ => false,
        },
        ColumnType::Vector { typ, .. } => is_own(typ),
        ColumnType::Tuple(types) => types.iter().any(is_own),
        _ => false,
    }
}

/// By the settings, or else by the table itself, which would count from the time of writing.
fn ttl_seconds(described: &Described, settings: &CassandraSettings) -> i64 {
    match settings.ttl_seconds {
        0 => described.ttl_seconds,
        seconds => seconds,
    }
}

/// Some written column is a list that has every element twice when it is written again.
fn has_lists(target: &Target) -> bool {
    let mut columns = own_columns(target).into_iter();
    columns.any(|(_, place)| types::is_unfrozen_list(&target.column(place).native_type))
}

/// Written columns that are the table's own, by name and place.
fn own_columns(target: &Target) -> Vec<(&str, usize)> {
    let places = 0..target.written.len();
    let definitions = places.map(|place| (target.column(place), place));
    definitions
        .filter(|(column, _)| !schema::is_write_column(&column.native_type))
        .map(|(column, place)| (column.name.as_str(), place))
        .collect()
}

fn write_statement(
    full_name: (&str, &str),
    target: &Target,
    described: &Described,
    settings: &CassandraSettings,
) -> Result<Statement, SinkError> {
    let columns = own_columns(target);
    let is_key = |name: &str| described.table.primary_key.iter().any(|key| key == name);
    let missing = described
        .table
        .primary_key
        .iter()
        .find(|key| !columns.iter().any(|(name, _)| name == key));
    if let Some(missing) = missing {
        return Err(SinkError::stop(format!(
            "column {missing:?} of table {} is part of its key, and is not written: every row needs \
             its whole key",
            target.table.name
        )));
    }
    if !described.counts() {
        let may_end = settings.ttl_field.is_some() || ttl_seconds(described, settings) > 0;
        let ends = may_end && !described.keeps_letters();
        return Ok(statement::insert(full_name, &columns, ends));
    }
    let (key, counters): (Vec<_>, Vec<_>) = columns.into_iter().partition(|(name, _)| is_key(name));
    Ok(statement::count(full_name, &counters, &key))
}

/// The key must be the partition key, with nothing, a beginning, or all of the clustering key.
fn delete_statement(
    full_name: (&str, &str),
    target: &Target,
    described: &Described,
) -> Option<Statement> {
    let places = target.key.iter();
    let key: Vec<(&str, usize)> = places
        .map(|place| (target.column(*place).name.as_str(), *place))
        .collect();
    let selected = described.table.primary_key.get(..key.len())?;
    let is_given = |name: &String| key.iter().any(|(given, _)| given == name);
    let selects = key.len() >= described.partition_key.len() && selected.iter().all(is_given);
    selects.then(|| statement::delete(full_name, &key, described.counts()))
}
