//! SQL text: names, literals and the statements of a write. Pure.
//!
//! Every value of a record is bound; only quoted names are part of the text. The few values that
//! Rowdock makes itself (topics, claim ids, offsets) are literals, so that statements over many
//! partitions can go out together.

use crate::error::SinkError;
use crate::table::{TableName, Target};

use super::check::KeyCheck;
use super::form::Form;
use super::given::Given;
use super::tombstones;

/// The server's limit for names.
const IDENTIFIER_CHARS_MAX: usize = 64;

/// Rows of a table that one statement deletes without a condition: far fewer than take a server as long as
/// a statement may. All in one would never end for a large table.
pub(super) const EMPTIED_ROWS_MAX: u64 = 50_000;

/// Which of the two servers, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    MySql,
    /// From 9.0 on, which has vectors.
    MySql9,
    /// 10.6, which has no UUIDs yet.
    MariaDb106,
    MariaDb,
}

impl Flavor {
    pub(super) fn is_mariadb(self) -> bool {
        matches!(self, Self::MariaDb106 | Self::MariaDb)
    }

    /// Compares byte by byte, and does not fill up with blanks.
    pub(super) fn exact_collation(self) -> &'static str {
        match self {
            Self::MySql | Self::MySql9 => "utf8mb4_0900_bin",
            Self::MariaDb106 | Self::MariaDb => "utf8mb4_nopad_bin",
        }
    }
}

/// What a statement does with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    Insert,
    /// Insert, and nothing where the key is there.
    Ignore,
    Upsert,
    /// Each key once per statement.
    Update,
    /// One row per statement.
    UpdateEach,
    Delete,
    /// Delete what is older than its tombstone.
    Bury,
    /// Wait for those who remember deletes of these keys.
    AwaitTombstones,
    /// Without a condition, up to [`EMPTIED_ROWS_MAX`] rows.
    DeleteAll,
}

impl Verb {
    /// Compares keys that are given with those of the table, and does nothing else with them.
    pub(super) fn compares_keys(self) -> bool {
        matches!(self, Self::Update | Self::UpdateEach | Self::Delete)
    }
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name, quoted part by part.
pub(super) fn qualified(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&name.name)),
        None => quoted(&name.name),
    }
}

/// A text as a literal; the session's `sql_mode` lets the backslash escape.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str("\\\\"),
            '\0' => literal.push_str("\\0"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// The text of a literal; `None` when it is not a single one.
pub(super) fn unquoted(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => meant(characters.next()?),
            '\'' if characters.next() != Some('\'') => return None,
            other => other,
        });
    }
    Some(text)
}

/// What stands there once its backslashes are taken for what they mean.
pub(super) fn unescaped(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => meant(characters.next()?),
            other => other,
        });
    }
    Some(text)
}

/// What a character behind a backslash stands for.
fn meant(character: char) -> char {
    match character {
        '0' => '\0',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'Z' => '\u{1a}',
        other => other,
    }
}

/// Refuses names that the server cannot hold. `kind` is what is named: `table`.
///
/// # Errors
/// *Stop*, naming it.
pub(super) fn check_identifier(kind: &str, name: &str) -> Result<(), SinkError> {
    match identifier_problem(name) {
        None => Ok(()),
        Some(problem) => Err(SinkError::stop(format!(
            "{kind} name {name:?} {problem}; choose another name"
        ))),
    }
}

/// Why the server cannot hold a name, to be read behind it; `None`: it can.
pub fn identifier_problem(name: &str) -> Option<&'static str> {
    let is_beyond_basic_plane = |character: char| u32::from(character) > 0xffff;
    if name.is_empty() {
        Some("is empty")
    } else if name.contains('\0') {
        Some("contains the character U+0000")
    } else if name.contains(is_beyond_basic_plane) {
        Some("contains a character of four bytes, which names cannot hold")
    } else if name.ends_with(' ') {
        Some("ends with a blank")
    } else if name.chars().count() > IDENTIFIER_CHARS_MAX {
        Some("is longer than the 64 characters that the server allows")
    } else {
        None
    }
}

/// As [`check_identifier`], for both parts of a table's name.
pub(super) fn check_table_name(name: &TableName) -> Result<(), SinkError> {
    if let Some(schema) = &name.schema {
        check_identifier("database", schema)?;
    }
    check_identifier("table", &name.name)
}

/// The text of a statement over these columns (indexes into [`Target::written`]), for this many
/// rows. `forms` has one entry per written column. `marked` are the columns that rows may lack: each row
/// then ends with a [mark](super::given).
pub(super) fn statement(
    target: &Target,
    forms: &[Form],
    flavor: Flavor,
    verb: Verb,
    columns: &[usize],
    marked: &[usize],
    row_count: usize,
) -> String {
    let given = Given {
        target,
        forms,
        flavor,
        columns,
        marked,
        row_count,
    };
    match verb {
        Verb::Insert => insert(target, forms, columns, row_count),
        Verb::Upsert if !marked.is_empty() => given.upsert(),
        Verb::Update => given.update(),
        Verb::Upsert => {
            let mut text = insert(target, forms, columns, row_count);
            push_conflict_clause(&mut text, target, forms, flavor, columns);
            text
        }
        Verb::Ignore => {
            let mut text = insert(target, forms, columns, row_count);
            push_conflict_clause(&mut text, target, forms, flavor, &target.key);
            text
        }
        Verb::UpdateEach => update_each(target, forms, columns),
        Verb::DeleteAll => format!(
            "DELETE FROM {} LIMIT {EMPTIED_ROWS_MAX}",
            qualified(&target.table.name)
        ),
        Verb::Delete => {
            let table = qualified(&target.table.name);
            let keys = keys(target, forms, columns, row_count);
            format!("DELETE FROM {table} WHERE {keys}")
        }
        Verb::Bury => tombstones::bury(target, forms, columns, row_count),
        Verb::AwaitTombstones => tombstones::await_others(target, forms, columns, row_count),
    }
}

fn insert(target: &Target, forms: &[Form], columns: &[usize], row_count: usize) -> String {
    let names: Vec<String> = columns.iter().map(|column| name(target, *column)).collect();
    let places: Vec<&str> = columns
        .iter()
        .map(|column| forms[*column].placeholder.as_str())
        .collect();
    let mut text = format!(
        "INSERT INTO {} ({}) VALUES ",
        qualified(&target.table.name),
        names.join(",")
    );
    let row = format!("({})", places.join(","));
    push_repeated(&mut text, &row, ",", row_count);
    text
}

fn push_conflict_clause(
    text: &mut String,
    target: &Target,
    forms: &[Form],
    flavor: Flavor,
    columns: &[usize],
) {
    let new = |column: usize| match flavor {
        Flavor::MySql | Flavor::MySql9 => format!("`new row`.{}", name(target, column)),
        Flavor::MariaDb106 | Flavor::MariaDb => format!("VALUES({})", name(target, column)),
    };
    if !flavor.is_mariadb() {
        text.push_str(" AS `new row`");
    }
    text.push_str(" ON DUPLICATE KEY UPDATE ");
    text.push_str(&conflict_changes(target, forms, columns, new, |_| None));
}

/// Only a conflict on the key itself updates the row. On any other unique key the check sets a key
/// column to what the server refuses there: a row is never overwritten by one of another key. The
/// check comes first, before any column has its new value.
pub(super) fn conflict_changes(
    target: &Target,
    forms: &[Form],
    columns: &[usize],
    new: impl Fn(usize) -> String,
    counts: impl Fn(usize) -> Option<String>,
) -> String {
    let old = |column: usize| old(target, column);
    let same_key: Vec<String> = target
        .key
        .iter()
        .map(|column| format!("{} <=> {}", old(*column), new(*column)))
        .collect();
    let mut changes = Vec::with_capacity(columns.len());
    if let Some(check) = KeyCheck::of(target, forms) {
        changes.push(format!(
            "{} = IF({}, {}, {})",
            old(check.column),
            same_key.join(" AND "),
            old(check.column),
            check.refused
        ));
    }
    let guard = target.guard.filter(|guard| columns.contains(guard));
    let is_newer = guard.map(|guard| newer(&old(guard), &new(guard)));
    changes.extend(column_changes(target, columns, new, |column| {
        let conditions: Vec<String> = is_newer.iter().cloned().chain(counts(column)).collect();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }));
    changes.join(", ")
}

/// What a row that is there becomes: the columns besides the key, each under its condition, if it has
/// one. That of [`Target::guard`] comes last, since all others look at its old value.
pub(super) fn column_changes(
    target: &Target,
    columns: &[usize],
    new: impl Fn(usize) -> String,
    condition: impl Fn(usize) -> Option<String>,
) -> Vec<String> {
    let guard = target.guard.filter(|guard| columns.contains(guard));
    let written = columns.iter().filter(|column| !target.key.contains(column));
    let before_guard = written.filter(|column| Some(**column) != guard);
    let change = |column: &usize| {
        let (old_value, new_value) = (old(target, *column), new(*column));
        match condition(*column) {
            Some(holds) => format!("{old_value} = IF({holds}, {new_value}, {old_value})"),
            None => format!("{old_value} = {new_value}"),
        }
    };
    before_guard.chain(guard.as_ref()).map(change).collect()
}

/// A column of the row that is there.
pub(super) fn old(target: &Target, column: usize) -> String {
    let table = quoted(&target.table.name.name);
    format!("{table}.{}", name(target, column))
}

/// Whether a row with this value in its guard column gives way.
pub(super) fn newer(old: &str, new: &str) -> String {
    format!("({old} IS NULL OR {old} < {new})")
}

/// Of one row, where the table alone knows which keys are the same.
fn update_each(target: &Target, forms: &[Form], columns: &[usize]) -> String {
    let is_key = |column: &&usize| target.key.contains(column);
    let set: Vec<String> = columns
        .iter()
        .filter(|column| !is_key(column))
        .map(|column| format!("{} = {}", name(target, *column), forms[*column].placeholder))
        .collect();
    let mut conditions: Vec<String> = columns
        .iter()
        .filter(is_key)
        .map(|column| format!("{} = {}", name(target, *column), forms[*column].comparand))
        .collect();
    if let Some(guard) = target.guard.filter(|guard| columns.contains(guard)) {
        conditions.push(newer(&name(target, guard), &forms[guard].comparand));
    }
    format!(
        "UPDATE {} SET {} WHERE {}",
        qualified(&target.table.name),
        set.join(", "),
        conditions.join(" AND ")
    )
}

/// The columns whose values a statement over these columns takes, in the order in which it does.
pub(super) fn bound(target: &Target, verb: Verb, columns: &[usize]) -> Vec<usize> {
    if verb != Verb::UpdateEach {
        return columns.to_vec();
    }
    let (mut bound, keys): (Vec<usize>, Vec<usize>) = columns
        .iter()
        .partition(|column| !target.key.contains(column));
    bound.extend(keys);
    bound.extend(target.guard.filter(|guard| columns.contains(guard)));
    bound
}

/// The rows of some keys. Keys of one column as a list; of several as alternatives, which every version
/// looks up in the index, as it does not with lists of tuples.
pub(super) fn keys(target: &Target, forms: &[Form], columns: &[usize], row_count: usize) -> String {
    let mut text = String::new();
    if let [column] = columns {
        text.push_str(&format!("{} IN (", old(target, *column)));
        push_repeated(&mut text, &forms[*column].comparand, ",", row_count);
        text.push(')');
        return text;
    }
    let conditions: Vec<String> = columns
        .iter()
        .map(|column| format!("{} = {}", old(target, *column), forms[*column].comparand))
        .collect();
    let row = format!("({})", conditions.join(" AND "));
    push_repeated(&mut text, &row, " OR ", row_count);
    text
}

pub(super) fn push_repeated(text: &mut String, part: &str, between: &str, count: usize) {
    text.reserve(count * (part.len() + between.len()));
    for index in 0..count {
        if index > 0 {
            text.push_str(between);
        }
        text.push_str(part);
    }
}

pub(super) fn name(target: &Target, column: usize) -> String {
    quoted(&target.column(column).name)
}

#[cfg(test)]
mod tests;
