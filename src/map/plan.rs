//! From a config and a table's definition to what is written: columns, key, mode; and whether that
//! can work at all, so that a hopeless connector stops at once with a reason instead of rejecting
//! every record.

use std::sync::Arc;

use rowdock_connectors::{
    ColumnDef, ColumnType, NewColumn, NewTable, Table, TableKind, TableName, Target, WriteMode,
};

use super::filter::FieldFilter;
use super::route;
use crate::config::connector::{KAFKA_KEY_COLUMNS, KeyMode, SinkKeys, TopicDots};
use crate::config::table_format;

/// The table that records of this topic go to: `table.name.format` with `${topic}` filled in.
/// A dot in the format separates the schema; one that comes from the topic's name is what
/// `table.name.dots` says. Where records choose their table, `topic` is a [`route`].
pub fn table_name(keys: &SinkKeys, topic: &str) -> TableName {
    let name = match route::is_by_record(&keys.table_name_format) {
        true => route::table_name(topic),
        false => filled_name(keys, topic),
    };
    match keys.folds_names {
        true => TableName {
            schema: name.schema.map(|schema| schema.to_ascii_lowercase()),
            name: name.name.to_ascii_lowercase(),
        },
        false => name,
    }
}

fn filled_name(keys: &SinkKeys, topic: &str) -> TableName {
    if let Some(table) = keys.tables_of_topics.get(topic) {
        return match keys.topic_dots {
            TopicDots::Schema => split_at_last_dot(table),
            TopicDots::Keep | TopicDots::Underscore => TableName::parse(table),
        };
    }
    if keys.table_name_normalize {
        let filled = keys.table_name_format.replace("${topic}", topic);
        return TableName {
            schema: None,
            name: normalized(&filled),
        };
    }
    let topic = match keys.topic_dots {
        TopicDots::Keep => topic,
        TopicDots::Underscore => &topic.replace('.', "_"),
        TopicDots::Schema => {
            return split_at_last_dot(&keys.table_name_format.replace("${topic}", topic));
        }
    };
    let format = TableName::parse(&keys.table_name_format);
    let fill = |part: &str| part.replace("${topic}", topic);
    TableName {
        schema: format.schema.as_deref().map(fill),
        name: fill(&format.name),
    }
}

/// Refuses a topic that `topics.to.tables.mapping` leaves out: with a mapping there is no format.
///
/// # Errors
/// Says which topic has no table.
pub fn check_mapped(keys: &SinkKeys, topic: &str) -> Result<(), String> {
    if keys.tables_of_topics.is_empty() || keys.tables_of_topics.contains_key(topic) {
        return Ok(());
    }
    Err(format!(
        "topic {topic} has no table in topics.to.tables.mapping; every topic must have one"
    ))
}

fn normalized(name: &str) -> String {
    let legal = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars()
        .map(|character| if legal(character) { character } else { '_' })
        .collect()
}

/// `server.shop.orders` is `orders` in the schema `shop`: what stands before those is the
/// database, which the connection has chosen already. Dots between quotes do not count.
fn split_at_last_dot(name: &str) -> TableName {
    let parts = table_format::parts(name).unwrap_or_else(|_| vec![name]);
    let (table, before) = parts.split_last().unwrap_or((&name, &[]));
    TableName {
        schema: before.last().map(|&schema| schema.to_owned()),
        name: (*table).to_owned(),
    }
}

/// What records of this topic write into its table. `topic` is what [`table_name`] is given.
///
/// # Errors
/// Says why this config and this table cannot go together, and what to change.
pub fn target(table: Table, keys: &SinkKeys, topic: &str) -> Result<Target, String> {
    check_kind(&table, keys)?;
    let key_names = key_names(&table, keys, topic)?;
    let mut key_columns = Vec::with_capacity(key_names.len());
    for name in &key_names {
        let column = table.column_index(name).ok_or_else(|| {
            format!(
                "key column \"{name}\" is not in table {}; check pk.fields",
                table.name
            )
        })?;
        if table.columns[column].generated {
            return Err(format!(
                "key column \"{name}\" of table {} is generated and cannot be written",
                table.name
            ));
        }
        key_columns.push(column);
    }
    if needs_unique_key(keys.insert_mode) && has_catalog_of_keys(&table) {
        check_unique(&table, &key_columns, keys.insert_mode)?;
    }
    let filter = FieldFilter::new(keys, topic);
    let wanted = |column: &usize| {
        let definition = &table.columns[*column];
        let included = filter.wants(&definition.name);
        key_columns.contains(column) || (included && !definition.generated)
    };
    let written: Vec<usize> = (0..table.columns.len()).filter(wanted).collect();
    if written.is_empty() {
        return Err(format!(
            "no column of table {} is written: fields.whitelist or fields.exclude.list leaves out \
             all of them",
            table.name
        ));
    }
    if keys.insert_mode != WriteMode::Update {
        check_left_out(&table, &written)?;
    }
    let place = |column: &usize| written.iter().position(|kept| kept == column);
    let key = key_columns.iter().filter_map(place).collect();
    let guard = match &keys.guard_field {
        Some(name) => Some(guard(&table, &written, name)?),
        None => None,
    };
    let target = Target {
        table,
        written,
        key,
        mode: keys.insert_mode,
        guard,
        tombstones: None,
    };
    if let Some(name) = &keys.soft_delete_field {
        soft_delete(&target, name)?;
    }
    Ok(target)
}

/// Refuses a kind of tables that `table.types` leaves out.
fn check_kind(table: &Table, keys: &SinkKeys) -> Result<(), String> {
    let kinds = &keys.table_kinds;
    if kinds.is_empty() || kinds.contains(&table.kind) {
        return Ok(());
    }
    Err(format!(
        "{} is a {}, which table.types does not name; add it there to write to it",
        table.name,
        table.kind.name()
    ))
}

/// The table that remembers the deletes of this one, if there is to be one.
pub fn tombstone_table(keys: &SinkKeys, table: &TableName) -> Option<TableName> {
    let format = TableName::parse(keys.tombstone_table.as_ref()?);
    Some(TableName {
        schema: format.schema.or_else(|| table.schema.clone()),
        name: format.name.replace("${table}", &table.name),
    })
}

/// That table as it is to be created.
pub fn new_tombstones(target: &Target, name: TableName) -> NewTable {
    let column = |written: usize| NewColumn {
        name: target.column(written).name.clone(),
        column_type: target.column(written).column_type.clone(),
        nullable: false,
        default: None,
    };
    let key = target.key.iter().map(|key| column(*key));
    NewTable {
        name,
        primary_key: key.clone().map(|column| column.name).collect(),
        columns: key.chain(target.guard.map(column)).collect(),
    }
}

/// The same target with the table that remembers its deletes.
///
/// # Errors
/// Says why this table cannot do so.
pub fn with_tombstones(target: Target, tombstones: Table) -> Result<Target, String> {
    let mut written = Vec::with_capacity(target.key.len() + 1);
    for index in target.key.iter().chain(&target.guard) {
        let wanted = target.column(*index);
        let is_wanted = |column: &ColumnDef| column.name == wanted.name;
        let place = tombstones.columns.iter().position(is_wanted);
        let Some(place) = place else {
            return Err(format!(
                "delete.tombstone.table: {} has no column \"{}\"; it needs the key's columns and the guard",
                tombstones.name, wanted.name
            ));
        };
        let found = &tombstones.columns[place];
        if found.column_type != wanted.column_type {
            return Err(format!(
                "delete.tombstone.table: column \"{}\" of {} is {}, and {} in {}; it must be the same",
                wanted.name,
                tombstones.name,
                found.native_type,
                wanted.native_type,
                target.table.name
            ));
        }
        written.push(place);
    }
    let key_columns = target.key.len();
    check_unique(&tombstones, &written[..key_columns], WriteMode::Upsert)?;
    check_left_out(&tombstones, &written)?;
    let tombstones = Target {
        table: tombstones,
        written,
        key: (0..key_columns).collect(),
        mode: WriteMode::Upsert,
        guard: Some(key_columns),
        tombstones: None,
    };
    Ok(Target {
        tombstones: Some(Arc::new(tombstones)),
        ..target
    })
}

/// The written column of the guard, which must have an order that every database agrees on.
fn guard(table: &Table, written: &[usize], name: &str) -> Result<usize, String> {
    let column = written_column(table, written, "upsert.guard.field", name)?;
    let definition = &table.columns[written[column]];
    if definition.insert_only {
        return Err(format!(
            "upsert.guard.field: column \"{name}\" of table {} is GENERATED ALWAYS AS IDENTITY, which no \
             update changes; make it GENERATED BY DEFAULT",
            table.name
        ));
    }
    let has_order = !matches!(
        definition.column_type,
        ColumnType::Text { .. }
            | ColumnType::Bytes
            | ColumnType::Json
            | ColumnType::Bool
            | ColumnType::Uuid
            | ColumnType::SizedText { .. }
            | ColumnType::SizedBytes { .. }
            | ColumnType::Geometry
            | ColumnType::Literal(_)
            | ColumnType::Array(_)
            | ColumnType::Unsupported
    );
    if has_order {
        return Ok(column);
    }
    Err(format!(
        "upsert.guard.field: column \"{name}\" of table {} is {}; it must be a number, date or time",
        table.name, definition.native_type
    ))
}

/// The written column of `delete.soft.field`.
///
/// # Errors
/// When there is no such column, or it is not boolean.
pub(super) fn soft_delete(target: &Target, name: &str) -> Result<usize, String> {
    let table = &target.table;
    let column = written_column(table, &target.written, "delete.soft.field", name)?;
    match target.column(column).column_type {
        // A number of one byte is MySQL's boolean.
        ColumnType::Bool
        | ColumnType::IntRange {
            low: -128,
            high: 127,
        } => Ok(column),
        _ => Err(format!(
            "delete.soft.field: column \"{name}\" of table {} is {}; it must be boolean",
            table.name,
            target.column(column).native_type
        )),
    }
}

fn written_column(
    table: &Table,
    written: &[usize],
    setting: &str,
    name: &str,
) -> Result<usize, String> {
    let column = table.column_index(name);
    let place = column.and_then(|column| written.iter().position(|kept| *kept == column));
    place.ok_or_else(|| {
        format!(
            "{setting}: column \"{name}\" is not in table {}, or not written",
            table.name
        )
    })
}

fn key_names(table: &Table, keys: &SinkKeys, topic: &str) -> Result<Vec<String>, String> {
    match keys.key_mode {
        KeyMode::None => Ok(Vec::new()),
        KeyMode::Kafka if keys.key_fields.is_empty() => Ok(KAFKA_KEY_COLUMNS
            .iter()
            .map(|&name| name.to_owned())
            .collect()),
        _ if !keys.key_fields.is_empty() => Ok(keys.key_fields.clone()),
        _ if !table.primary_key.is_empty() => Ok(key_of_table(table, keys, topic)),
        _ => Err(format!(
            "table {} has no primary key, so pk.fields must name the key's columns",
            table.name
        )),
    }
}

/// Whether only the database can say that it finds rows by this target's key.
pub fn has_unknown_key(target: &Target) -> bool {
    needs_unique_key(target.mode) && !has_catalog_of_keys(&target.table)
}

fn needs_unique_key(mode: WriteMode) -> bool {
    matches!(mode, WriteMode::Upsert | WriteMode::InsertIgnore)
}

/// The keys of what lies behind views and foreign tables are not theirs.
fn has_catalog_of_keys(table: &Table) -> bool {
    matches!(table.kind, TableKind::Table | TableKind::Partitioned)
}

/// Its primary key; or of a mapped table the beginning of it that a record without a value can tell, if
/// rows can be deleted by that together.
fn key_of_table(table: &Table, keys: &SinkKeys, route: &str) -> Vec<String> {
    let mut mappings = keys.mappings.iter().filter(|_| keys.deletes_by_prefix);
    let told = mappings
        .find(|mapping| mapping.route() == route)
        .map(|mapping| {
            let key = table.primary_key.iter();
            let told = key.take_while(|column| mapping.is_told_without_value(column));
            told.cloned().collect::<Vec<_>>()
        });
    let prefix = told.filter(|told| table.unique_keys.contains(told));
    prefix.unwrap_or_else(|| table.primary_key.clone())
}

/// A conflict is found by a unique constraint on exactly the key; without one the database cannot
/// tell what a conflict is.
fn check_unique(table: &Table, key: &[usize], mode: WriteMode) -> Result<(), String> {
    let names: Vec<&str> = key
        .iter()
        .map(|column| table.columns[*column].name.as_str())
        .collect();
    let same = |unique: &Vec<String>| {
        unique.len() == names.len() && unique.iter().all(|name| names.contains(&name.as_str()))
    };
    if same(&table.primary_key) || table.unique_keys.iter().any(same) {
        return Ok(());
    }
    let columns = names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let mode = match mode {
        WriteMode::InsertIgnore => "insert_ignore",
        _ => "upsert",
    };
    let advice = match has_catalog_of_keys(table) {
        true => format!(
            "create it with: ALTER TABLE {} ADD UNIQUE ({columns})",
            table.name
        ),
        false => format!("a {} has none: name the table behind it", table.kind.name()),
    };
    Err(format!(
        "insert.mode={mode} needs a primary key or unique constraint on exactly ({columns}) of \
         table {}; {advice}",
        table.name
    ))
}

/// A column that must have a value and never gets one fails every insert.
fn check_left_out(table: &Table, written: &[usize]) -> Result<(), String> {
    let never_filled = table
        .columns
        .iter()
        .enumerate()
        .find(|(column, definition)| {
            !written.contains(column)
                && !definition.nullable
                && !definition.has_default
                && !definition.generated
        });
    match never_filled {
        Some((_, column)) => Err(format!(
            "column \"{}\" of table {} is NOT NULL and has no default, but fields.whitelist or \
             fields.exclude.list leaves it out",
            column.name, table.name
        )),
        None => Ok(()),
    }
}
