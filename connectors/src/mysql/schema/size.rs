//! How large a row of a new table may be. Pure.
//!
//! The server adds up what all columns of bounded texts and bytes may hold, whatever they do hold, and
//! refuses a table beyond 65,535 bytes. Those without a bound lie elsewhere and do not count.

use crate::mysql::form::type_word;
use crate::table::{NewTable, type_length};

/// Bytes of all columns together: the server's bound, with room for those of other types.
const ROW_BYTES_MAX: u32 = 60_000;
/// What a number, a time or a label takes at most: that of the widest decimal.
pub(in crate::mysql) const OTHER_BYTES_MAX: u32 = 32;
/// Before a value, for its length.
const LENGTH_BYTES: u32 = 2;
pub(super) const CHARACTER_BYTES_MAX: u32 = 4;

/// Takes the bound from the longest columns, as many as it takes for a row to fit. Columns of the key keep
/// theirs, which the index needs. `types` has one entry per column of the table.
pub(super) fn make_fit(table: &NewTable, types: &mut [String]) {
    let is_key = |column: usize| table.primary_key.contains(&table.columns[column].name);
    loop {
        let sizes = types.iter().map(|native_type| bytes(native_type));
        if sizes.fold(0, u32::saturating_add) <= ROW_BYTES_MAX {
            return;
        }
        let longest = (0..types.len())
            .filter(|column| !is_key(*column) && unbounded(&types[*column]).is_some())
            .max_by_key(|column| bytes(&types[*column]));
        let Some(longest) = longest else {
            return;
        };
        if let Some(unbounded) = unbounded(&types[longest]) {
            unbounded.clone_into(&mut types[longest]);
        }
    }
}

/// The type of the same kind without a bound; `None` for all that has none to lose.
pub(in crate::mysql) fn unbounded(native_type: &str) -> Option<&'static str> {
    match type_word(native_type) {
        "varchar" => Some("longtext"),
        "varbinary" => Some("longblob"),
        _ => None,
    }
}

fn bytes(native_type: &str) -> u32 {
    let length = type_length(native_type).unwrap_or(0);
    match type_word(native_type) {
        "varchar" | "char" => length.saturating_mul(CHARACTER_BYTES_MAX) + LENGTH_BYTES,
        "varbinary" | "binary" => length + LENGTH_BYTES,
        _ => OTHER_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnType, NewColumn, TableName};

    fn check(types: &[&str], expected: &[&str]) {
        let column = |name: usize| NewColumn {
            name: name.to_string(),
            column_type: ColumnType::Unsupported,
            nullable: true,
            default: None,
        };
        let table = NewTable {
            name: TableName::parse("t"),
            columns: (0..types.len()).map(column).collect(),
            primary_key: vec!["0".to_owned()],
        };
        let mut found: Vec<String> = types.iter().map(|&name| name.to_owned()).collect();
        make_fit(&table, &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn the_longest_columns_lose_their_bounds() {
        let four = ["bigint", "varchar(3000)", "varchar(4000)", "varchar(4000)"];
        check(&four, &four);
        check(
            &[
                "varchar(750)",
                "varchar(4000)",
                "varchar(3999)",
                "varchar(4000)",
                "varchar(3000)",
            ],
            &[
                "varchar(750)",
                "varchar(4000)",
                "varchar(3999)",
                "longtext",
                "varchar(3000)",
            ],
        );
        check(&["varbinary(65535)"], &["varbinary(65535)"]);
        check(
            &["int", "varbinary(60000)", "longtext"],
            &["int", "longblob", "longtext"],
        );
    }
}
