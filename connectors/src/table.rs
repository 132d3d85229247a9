//! Tables: as the catalog describes them, as a connector wants them created, and as the target of
//! a batch.

use std::fmt;

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

/// What a column holds, as far as mapping must know. The exact native type stays with the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE single.
    Float32,
    /// IEEE double.
    Float64,
    /// Exact decimal; `None` is unbounded. `precision` counts all digits, `scale` those after the point.
    Decimal {
        /// All digits.
        precision: Option<u32>,
        /// Digits after the point.
        scale: Option<u32>,
    },
    /// Characters; `max_chars` bounds their count.
    Text {
        /// Most characters, not bytes.
        max_chars: Option<u32>,
    },
    /// Raw bytes.
    Bytes,
    /// A day without a time.
    Date,
    /// A time of day without a zone.
    Time,
    /// Date and time without a zone.
    Timestamp,
    /// A point in time.
    TimestampTz,
    /// 128-bit identifier.
    Uuid,
    /// A JSON document.
    Json,
    /// A type this version cannot fill; a value for it is a record error, its absence is fine.
    Unsupported,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Bool => "boolean",
            Self::Int16 => "16-bit integer",
            Self::Int32 => "32-bit integer",
            Self::Int64 => "64-bit integer",
            Self::Float32 => "32-bit float",
            Self::Float64 => "64-bit float",
            Self::Decimal {
                precision: Some(precision),
                scale,
            } => {
                return write!(formatter, "decimal({precision},{})", scale.unwrap_or(0));
            }
            Self::Decimal { .. } => "decimal",
            Self::Text {
                max_chars: Some(chars),
            } => return write!(formatter, "text({chars})"),
            Self::Text { max_chars: None } => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamp with time zone",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Unsupported => "unsupported type",
        };
        formatter.write_str(name)
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
}

/// A table as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, as asked for.
    pub name: TableName,
    /// Its columns, in catalog order.
    pub columns: Vec<ColumnDef>,
    /// Names of the primary key's columns, in key order; empty without a primary key.
    pub primary_key: Vec<String>,
    /// Column sets of further unique constraints and plain unique indexes, each in index order:
    /// an upsert may conflict on any of them.
    pub unique_keys: Vec<Vec<String>>,
    /// Text columns can hold the character U+0000.
    pub text_allows_nul: bool,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// What it shall hold; each database picks its own type for that.
    pub column_type: ColumnType,
    /// Accepts NULL. Key columns never do.
    pub nullable: bool,
}

/// A table to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTable {
    /// Its name.
    pub name: TableName,
    /// Its columns, in order.
    pub columns: Vec<NewColumn>,
    /// Names of the primary key's columns; empty for none.
    pub primary_key: Vec<String>,
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
    /// is null or less than the record's. Numbers, dates and times only. Deletes do not look at it.
    pub guard: Option<usize>,
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
        };
        let table = Table {
            name: TableName::parse("t"),
            columns: ["id", "Total", "note", "NOTE"].iter().map(column).collect(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            text_allows_nul: true,
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

    #[test]
    fn types_have_names_for_people() {
        let check =
            |column_type: ColumnType, expected| assert_eq!(column_type.to_string(), expected);
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        check(decimal(Some(10), Some(2)), "decimal(10,2)");
        check(decimal(Some(10), None), "decimal(10,0)");
        check(decimal(None, None), "decimal");
        check(ColumnType::Text { max_chars: Some(5) }, "text(5)");
        check(ColumnType::Text { max_chars: None }, "text");
        check(ColumnType::TimestampTz, "timestamp with time zone");
    }
}
