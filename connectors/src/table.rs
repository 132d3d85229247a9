//! Tables: as the catalog describes them, as a connector wants them created, and as the target of
//! a batch.

use std::fmt;
use std::sync::Arc;

mod column_type;
mod default;
#[cfg(test)]
pub(crate) mod pages;
mod special;

pub use column_type::{ColumnType, Notation, TIME_SPAN_NANOS_MAX};
pub use default::DefaultValue;
pub(crate) use default::hex;
pub use special::Special;

/// A table's name, as parts; quoting is each database's own business.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// Schema, when the configuration names one; else the session's default.
    pub schema: Option<String>,
    /// The table itself.
    pub name: String,
}

impl TableName {
    /// Splits `schema.table` at its first dot; a name without a dot has no schema.
    pub fn parse(text: &str) -> Self {
        match text.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => Self {
                schema: Some(schema.to_owned()),
                name: name.to_owned(),
            },
            _ => Self {
                schema: None,
                name: text.to_owned(),
            },
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// A column as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    /// Its name, in the catalog's own case.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// The database's own name of the type, such as `jsonb` or `character varying(20)`.
    pub native_type: String,
    /// The database's own id of the type (PostgreSQL's type OID); 0 where there is none.
    pub native_type_id: u32,
    /// Accepts NULL.
    pub nullable: bool,
    /// Has a default, is an identity or is generated: a record may do without it.
    pub has_default: bool,
    /// Computed by the database: must never be written.
    pub generated: bool,
    /// Takes a value with a new row only: PostgreSQL's `GENERATED ALWAYS AS IDENTITY`. No update may set it.
    pub insert_only: bool,
}

/// The number in the brackets of a type: 6 of `datetime(6)`, 3 of `timestamp(3) with time zone`.
pub(crate) fn type_length(native_type: &str) -> Option<u32> {
    let (_, rest) = native_type.split_once('(')?;
    let (number, _) = rest.split_once([')', ','])?;
    number.parse().ok()
}

/// What rows can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableKind {
    /// An ordinary table.
    #[default]
    Table,
    /// Its rows lie in partitions.
    Partitioned,
    /// A query by a name.
    View,
    /// A table of another server.
    Foreign,
}

impl TableKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Table, Self::Partitioned, Self::View, Self::Foreign];

    /// Its name in JDBC.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Partitioned => "PARTITIONED TABLE",
            Self::View => "VIEW",
            Self::Foreign => "FOREIGN TABLE",
        }
    }
}

/// A table as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, as asked for.
    pub name: TableName,
    /// What it is, where the database tells these apart.
    pub kind: TableKind,
    /// Its columns, in catalog order.
    pub columns: Vec<ColumnDef>,
    /// Names of the primary key's columns, in key order; empty without a primary key.
    pub primary_key: Vec<String>,
    /// Column sets of further unique constraints and plain unique indexes, each in index order:
    /// an upsert may conflict on any of them.
    pub unique_keys: Vec<Vec<String>>,
    /// Text columns can hold the character U+0000.
    pub text_allows_nul: bool,
    /// Columns of dates, and of dates and times, can hold `0000-00-00`, whose cells are
    /// [`ZERO_DATE`](crate::row::ZERO_DATE) and [`Timestamp::ZERO_DATE`](crate::Timestamp::ZERO_DATE).
    pub has_zero_dates: bool,
}

impl Table {
    /// Finds a column: by its exact name, else, when just one differs in case only, that one.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        if let Some(exact) = self.columns.iter().position(|column| column.name == name) {
            return Some(exact);
        }
        let mut matches = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
        match (matches.next(), matches.next()) {
            (Some((index, _)), None) => Some(index),
            _ => None,
        }
    }
}

/// A column to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// What it shall hold; each database picks its own type for that.
    pub column_type: ColumnType,
    /// Accepts NULL. Key columns never do.
    pub nullable: bool,
    /// What it holds in rows that do not say: in new ones, and in those that are there when it is added.
    pub default: Option<DefaultValue>,
}

/// A table to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTable {
    /// Its name.
    pub name: TableName,
    /// Its columns, in order.
    pub columns: Vec<NewColumn>,
    /// Names of the primary key's columns; empty for none.
    pub primary_key: Vec<String>,
}

impl NewColumn {
    /// The same columns without defaults; `None` when none of them has one.
    pub fn without_defaults(columns: &[Self]) -> Option<Vec<Self>> {
        let has_default = columns.iter().any(|column| column.default.is_some());
        let plain = |column: &Self| Self {
            default: None,
            ..column.clone()
        };
        has_default.then(|| columns.iter().map(plain).collect())
    }
}

/// How rows meet rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Plain insert: a key that is there already is a record error.
    Insert,
    /// Insert, or replace the given columns of the row with the same key.
    Upsert,
    /// Replace the given columns of the row with the same key; nothing when there is none.
    Update,
    /// Insert; nothing when the key is there already. Only that conflict is passed over: any
    /// other rule that the row breaks is a record error.
    InsertIgnore,
}

/// Where the rows of one [`TableRows`](crate::TableRows) go: a table, the columns that are
/// written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The table.
    pub table: Table,
    /// The written columns: indexes into `table.columns`. Column `i` of the rows is `written[i]`.
    pub written: Vec<usize>,
    /// The key, as indexes into `written`; empty without a key.
    pub key: Vec<usize>,
    /// How rows meet rows that are there already.
    pub mode: WriteMode,
    /// `upsert.guard.field`, as an index into `written`: with [`WriteMode::Upsert`] and
    /// [`WriteMode::Update`] a row that is there is replaced only where its value in this column
    /// is null or less than the record's. Numbers, dates and times only. Deletes look at it only with
    /// [`tombstones`](Self::tombstones).
    pub guard: Option<usize>,
    /// `delete.tombstone.table`, of a target with a guard: the table that remembers of each deleted key
    /// the greatest guard of its deletes. A delete removes the row only if the row's guard is null or
    /// less than its own, and a write that is less than what is remembered leaves no row. The written
    /// columns of this target are the key's, in the key's order, and the guard behind them, which is
    /// its guard, too; they have the types of this table's.
    pub tombstones: Option<Arc<Target>>,
}

impl Target {
    /// The definition of written column `index`.
    pub fn column(&self, index: usize) -> &ColumnDef {
        &self.table.columns[self.written[index]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_first_dot() {
        let check = |text: &str, schema: Option<&str>, name: &str| {
            let parsed = TableName::parse(text);
            assert_eq!(
                (parsed.schema.as_deref(), parsed.name.as_str()),
                (schema, name),
                "{text}"
            );
            assert_eq!(parsed.to_string(), text);
        };
        check("orders", None, "orders");
        check("shop.orders", Some("shop"), "orders");
        check("shop.orders.eu", Some("shop"), "orders.eu");
        check(".orders", None, ".orders");
        check("orders.", None, "orders.");
        check("", None, "");
    }

    #[test]
    fn columns_are_found_by_name_and_then_without_case_if_unambiguous() {
        let column = |name: &&str| ColumnDef {
            name: (*name).to_owned(),
            column_type: ColumnType::Bool,
            native_type: String::new(),
            native_type_id: 0,
            nullable: true,
            has_default: false,
            generated: false,
            insert_only: false,
        };
        let table = Table {
            name: TableName::parse("t"),
            kind: TableKind::default(),
            columns: ["id", "Total", "note", "NOTE"].iter().map(column).collect(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            text_allows_nul: true,
            has_zero_dates: false,
        };
        let check = |name: &str, expected| assert_eq!(table.column_index(name), expected, "{name}");
        check("id", Some(0));
        check("ID", Some(0));
        check("total", Some(1));
        check("note", Some(2));
        check("NOTE", Some(3));
        check("Note", None);
        check("missing", None);
        check("", None);
    }
}
