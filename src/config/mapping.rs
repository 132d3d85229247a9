//! `cassandra.mapping`: which values of a topic's records are which columns of which tables.
//!
//! ```text
//! orders -> shop.orders_by_id: id=key.id, name=value.name, read_at=now(), __ttl=value.ttl;
//! orders -> shop.orders_by_day: day=value.day, id=key.id, total=value.total
//! ```
//!
//! The language of each entry is the DataStax sink's: `column=field`, where a field is `key`, `value`,
//! `key.name`, `value.name`, `header.name` or `now()`, and names that are no plain words stand in
//! double quotes. A topic may have several entries: each of its records is a row of each table.
//! Ours besides: `*=value` stands for all fields of the value that the entry does not name otherwise,
//! each in the column of its name; and where no field is called `a.b`, it is field `b` of `a`.

use std::fmt;

/// Columns of one table; a guard against configs that are large in another way than bytes.
const COLUMNS_MAX: usize = 1_000;

/// The column that says how long its row lives.
pub const TTL_COLUMN: &str = "__ttl";
/// The column with its row's write timestamp.
pub const TIMESTAMP_COLUMN: &str = "__timestamp";

/// One entry: what a topic's records are in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMapping {
    /// The topic.
    pub topic: String,
    /// The table, with its keyspace.
    pub table: String,
    /// Column by column.
    pub columns: Vec<MappedColumn>,
}

/// A column and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedColumn {
    /// The column's name, or [`TTL_COLUMN`] or [`TIMESTAMP_COLUMN`].
    pub name: String,
    /// The value.
    pub source: Source,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The record's key, whole or a field of it.
    Key(Option<String>),
    /// The record's value, whole or a field of it.
    Value(Option<String>),
    /// A header.
    Header(String),
    /// `now()`: a time-based UUID of the record.
    Now,
    /// `*=value`: every field of the value, each to the column of its name.
    Fields,
}

/// What stands in the place of a column's name for [`Source::Fields`].
const ALL_FIELDS: &str = "*";

impl MappedColumn {
    /// `*=value`.
    pub fn all_fields() -> Self {
        Self {
            name: ALL_FIELDS.to_owned(),
            source: Source::Fields,
        }
    }
}

impl TableMapping {
    /// What stands for the topic where a topic has several tables: a name that no topic has.
    pub fn route(&self) -> String {
        format!("{} -> {}", self.topic, self.table)
    }

    /// Whether this column is filled by a record's key or headers, which a record without a value has
    /// too.
    pub fn is_told_without_value(&self, column: &str) -> bool {
        let fills = |mapped: &&MappedColumn| mapped.name.eq_ignore_ascii_case(column);
        let source = self.columns.iter().find(fills).map(|mapped| &mapped.source);
        matches!(source, Some(Source::Key(_) | Source::Header(_)))
    }

    /// Whether it names this column.
    pub fn has(&self, column: &str) -> bool {
        let names = |mapped: &MappedColumn| !is_of_all(mapped) && mapped.name == column;
        self.columns.iter().any(names)
    }
}

impl fmt::Display for TableMapping {
    /// As it is read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.route())?;
        for (index, column) in self.columns.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            match &column.source {
                Source::Fields => write!(formatter, "{separator}{ALL_FIELDS}=value")?,
                source => write!(formatter, "{separator}{}={source}", Name(&column.name))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(None) => formatter.write_str("key"),
            Self::Value(None) | Self::Fields => formatter.write_str("value"),
            Self::Key(Some(field)) => write!(formatter, "key.{}", Name(field)),
            Self::Value(Some(field)) => write!(formatter, "value.{}", Name(field)),
            Self::Header(name) => write!(formatter, "header.{}", Name(name)),
            Self::Now => formatter.write_str("now()"),
        }
    }
}

/// A name, in quotes where it needs them.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return formatter.write_str(self.0);
        }
        write!(formatter, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

fn is_plain(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.bytes().all(is_word)
}

/// Reads all entries.
///
/// # Errors
/// Says what is wrong with the first that cannot be read.
pub fn parse(text: &str) -> Result<Vec<TableMapping>, String> {
    let mut mappings: Vec<TableMapping> = Vec::new();
    for entry in split(text, ';')? {
        let (route, columns) = entry
            .split_once(':')
            .ok_or("every entry must be topic -> keyspace.table: column=field, ..")?;
        let (topic, table) = route
            .split_once("->")
            .ok_or("every entry must begin with topic -> keyspace.table:")?;
        let mapping = TableMapping {
            topic: topic.trim().to_owned(),
            table: table.trim().to_owned(),
            columns: parse_columns(columns)?,
        };
        if mapping.topic.is_empty() || mapping.table.is_empty() {
            return Err("every entry must begin with topic -> keyspace.table:".to_owned());
        }
        if mappings
            .iter()
            .any(|known| known.route() == mapping.route())
        {
            return Err(format!("{} is mapped twice", mapping.route()));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}

/// Reads `column=field, ..`.
///
/// # Errors
/// Says what is wrong with the first part that cannot be read.
pub fn parse_columns(text: &str) -> Result<Vec<MappedColumn>, String> {
    let mut columns: Vec<MappedColumn> = Vec::new();
    for part in split(text, ',')? {
        let sides = split(part, '=')?;
        let [name, source] = sides[..] else {
            return Err(format!("{part:?} is not column=field"));
        };
        let column = match (name, source) {
            (ALL_FIELDS, "value") => MappedColumn::all_fields(),
            (ALL_FIELDS, _) => return Err("* can only be value: *=value".to_owned()),
            _ => MappedColumn {
                name: unquoted(name)?,
                source: parse_source(source)?,
            },
        };
        let is_twice = |known: &MappedColumn| {
            known.name == column.name && is_of_all(known) == is_of_all(&column)
        };
        if columns.iter().any(is_twice) {
            return Err(format!("column {:?} is mapped twice", column.name));
        }
        columns.push(column);
        if columns.len() > COLUMNS_MAX {
            return Err(format!("more than {COLUMNS_MAX} columns"));
        }
    }
    if columns.is_empty() {
        return Err("a mapping must name at least one column".to_owned());
    }
    Ok(columns)
}

fn is_of_all(column: &MappedColumn) -> bool {
    column.source == Source::Fields
}

fn parse_source(text: &str) -> Result<Source, String> {
    match text {
        "key" => return Ok(Source::Key(None)),
        "value" => return Ok(Source::Value(None)),
        "now()" => return Ok(Source::Now),
        _ => {}
    }
    let known = "a field must be key, value, key.name, value.name, header.name or now()";
    let (side, field) = text.split_once('.').ok_or(known)?;
    let field = unquoted(field)?;
    match side {
        "key" => Ok(Source::Key(Some(field))),
        "value" => Ok(Source::Value(Some(field))),
        "header" => Ok(Source::Header(field)),
        _ => Err(known.to_owned()),
    }
}

/// Parts between separators that are outside quotes, without blanks around them; empty ones are left
/// out.
fn split(text: &str, separator: char) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut in_quotes = false;
    for (at, character) in text.char_indices() {
        if character == '"' {
            in_quotes = !in_quotes;
        } else if character == separator && !in_quotes {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
    }
    if in_quotes {
        return Err("a quote is not closed".to_owned());
    }
    parts.push(&text[start..]);
    let trimmed = parts.into_iter().map(str::trim);
    Ok(trimmed.filter(|part| !part.is_empty()).collect())
}

fn unquoted(name: &str) -> Result<String, String> {
    let inner = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.is_empty() => Ok(inner.replace("\"\"", "\"")),
        None if is_plain(name) => Ok(name.to_owned()),
        _ => Err(format!("{name:?} is no name; put it into double quotes")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(name: &str, source: Source) -> MappedColumn {
        MappedColumn {
            name: name.to_owned(),
            source,
        }
    }

    #[test]
    fn entries() {
        let text = "orders -> shop.by_id: id=key.id, \"N a\"=value.\"n, =;e\", h=header.trace;\n\
                    orders -> shop.by_day: day = value.day, all=value, k=key, t=now(), __ttl=value.ttl;";
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.len(), 2);
        assert_eq!(
            (parsed[0].topic.as_str(), parsed[0].table.as_str()),
            ("orders", "shop.by_id")
        );
        assert_eq!(
            parsed[0].columns,
            [
                column("id", Source::Key(Some("id".to_owned()))),
                column("N a", Source::Value(Some("n, =;e".to_owned()))),
                column("h", Source::Header("trace".to_owned())),
            ]
        );
        assert_eq!(parsed[1].columns[1], column("all", Source::Value(None)));
        assert_eq!(parsed[1].columns[3], column("t", Source::Now));
        assert!(parsed[1].has(TTL_COLUMN) && !parsed[0].has(TTL_COLUMN));
        assert_eq!(parse("").unwrap(), []);
        let all = parse_columns("*=value, \"*\"=key.star").unwrap();
        assert_eq!(all[0], MappedColumn::all_fields());
        assert_eq!(all[1], column("*", Source::Key(Some("star".to_owned()))));
    }

    #[test]
    fn what_cannot_be_read() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("orders", "topic -> keyspace.table");
        check("orders: a=key", "must begin with");
        check(" -> t: a=key", "must begin with");
        check("o -> t:", "at least one column");
        check("o -> t: a", "is not column=field");
        check("o -> t: a=b", "a field must be");
        check("o -> t: a=values.b", "a field must be");
        check("o -> t: a=key, a=value", "mapped twice");
        check("o -> t: a=key; o -> t: b=key", "mapped twice");
        check("o -> t: \"a=key", "not closed");
        check("o -> t: a b=key", "double quotes");
        check("o -> t: a=uuid()", "a field must be");
        check("o -> t: *=key", "can only be value");
        check("o -> t: *=value, *=value", "mapped twice");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            columns in prop::collection::btree_map("\\PC{1,6}", prop_oneof![
                Just(Source::Key(None)),
                Just(Source::Value(None)),
                Just(Source::Now),
                "\\PC{1,6}".prop_map(|name| Source::Key(Some(name))),
                "\\PC{1,6}".prop_map(|name| Source::Value(Some(name))),
                "\\PC{1,6}".prop_map(Source::Header),
            ], 1..5),
        ) {
            let mapping = TableMapping {
                topic: "t".to_owned(),
                table: "k.t".to_owned(),
                columns: columns
                    .into_iter()
                    .map(|(name, source)| MappedColumn { name, source })
                    .collect(),
            };
            prop_assert_eq!(parse(&mapping.to_string()), Ok(vec![mapping]));
        }

        #[test]
        fn nothing_panics(text in "[a-z.>=,;:\"() -]{0,40}") {
            let _read = parse(&text);
        }
    }
}
