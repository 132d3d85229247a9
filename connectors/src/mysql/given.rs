//! Statements that join the table with the rows that are given: updates of many rows, and rows that lack
//! different columns. Pure.
//!
//! ```sql
//! UPDATE (SELECT `id`, `a`, 9223372036854775807 AS `given columns` FROM `t` WHERE FALSE
//!         UNION ALL VALUES ROW(?,?,?), ..) AS `given row`
//! STRAIGHT_JOIN `t` ON `t`.`id` = `given row`.`id`
//! SET `t`.`a` = IF(`given row`.`given columns` & 1, `given row`.`a`, `t`.`a`)
//! ```
//!
//! * The first part of the union has no rows. It gives the others the types and collations of the table's
//!   own columns, so that a text is compared with the key by the key's rules.
//! * What the server takes a parameter for in a union is less than what is bound to it: times lose their
//!   fractions, doubles their last digit, and bits become a text of digits. Those are cast.
//! * The rows are read in their order, which is that of their keys, and each looks its row up: whatever
//!   the server's statistics say, it must not read, and lock, the whole table.
//! * Each row ends with its [mark](crate::statement::mark) where some lack columns.

use super::form::{Form, type_word};
use super::sql::{
    Flavor, column_changes, conflict_changes, name, newer, old, push_repeated, qualified,
};
use crate::table::Target;

/// A mark in a statement's packet, with its type.
pub(super) const MARK_BYTES: usize = 11;

const ROW: &str = "`given row`";
const MARK: &str = "`given columns`";

/// A statement's rows.
pub(super) struct Given<'a> {
    pub(super) target: &'a Target,
    pub(super) forms: &'a [Form],
    pub(super) flavor: Flavor,
    pub(super) columns: &'a [usize],
    /// Those of the columns that rows may lack; none: rows have no mark.
    pub(super) marked: &'a [usize],
    pub(super) row_count: usize,
}

impl Given<'_> {
    /// Rows whose key is there are changed; each key is given once.
    pub(super) fn update(&self) -> String {
        let target = self.target;
        let is_key = |column: &&usize| target.key.contains(column);
        let keys = self.columns.iter().filter(is_key);
        let mut conditions: Vec<String> = keys
            .map(|column| format!("{} = {}", old(target, *column), new(target, *column)))
            .collect();
        // What the row must be older than is a condition of the join: no column changes otherwise.
        if let Some(guard) = target.guard.filter(|guard| self.columns.contains(guard)) {
            conditions.push(newer(&old(target, guard), &new(target, guard)));
        }
        let changes = column_changes(
            target,
            self.columns,
            |column| new(target, column),
            |column| self.counts(column),
        );
        format!(
            "UPDATE {} STRAIGHT_JOIN {} ON {} SET {}",
            self.rows(),
            qualified(&target.table.name),
            conditions.join(" AND "),
            changes.join(", ")
        )
    }

    /// Rows are inserted; where the key is there, the columns that the row has are changed.
    pub(super) fn upsert(&self) -> String {
        let target = self.target;
        let names = self.columns.iter().map(|column| name(target, *column));
        let values = self.columns.iter().map(|column| new(target, *column));
        let changes = conflict_changes(
            target,
            self.forms,
            self.columns,
            |column| new(target, column),
            |column| self.counts(column),
        );
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} ON DUPLICATE KEY UPDATE {changes}",
            qualified(&target.table.name),
            names.collect::<Vec<_>>().join(","),
            values.collect::<Vec<_>>().join(","),
            self.rows(),
        )
    }

    /// Whether the row has this column; nothing to ask when all rows have it.
    fn counts(&self, column: usize) -> Option<String> {
        let place = self.marked.iter().position(|marked| *marked == column)?;
        Some(format!("{ROW}.{MARK} & {}", 1_u64 << place))
    }

    fn rows(&self) -> String {
        let target = self.target;
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| typed_name(target, *column))
            .collect();
        let mut places: Vec<&str> = self
            .columns
            .iter()
            .map(|column| self.place(*column))
            .collect();
        let mut text = format!("(SELECT {}", names.join(","));
        if !self.marked.is_empty() {
            // As large as a mark can be: by its digits MariaDB decides what the union holds.
            text.push_str(&format!(",{} AS {MARK}", i64::MAX));
            places.push("?");
        }
        text.push_str(&format!(
            " FROM {} WHERE FALSE UNION ALL VALUES ",
            qualified(&target.table.name)
        ));
        let word = match self.flavor {
            Flavor::MySql | Flavor::MySql9 => "ROW",
            Flavor::MariaDb106 | Flavor::MariaDb => "",
        };
        let row = format!("{word}({})", places.join(","));
        push_repeated(&mut text, &row, ",", self.row_count);
        text.push_str(&format!(") AS {ROW}"));
        text
    }

    /// What is compared must be of a type that compares exactly; other values are converted when they
    /// are stored, by the rules for storing.
    fn place(&self, column: usize) -> &str {
        match type_word(&self.target.column(column).native_type) {
            "bit" => return "CAST(? AS UNSIGNED)",
            "float" | "double" => return "CAST(? AS DOUBLE)",
            "datetime" | "timestamp" => return "CAST(? AS DATETIME(6))",
            "time" => return "CAST(? AS TIME(6))",
            _ => {}
        }
        let is_compared = self.target.key.contains(&column) || self.target.guard == Some(column);
        let form = &self.forms[column];
        match is_compared {
            true => &form.comparand,
            false => &form.placeholder,
        }
    }
}

/// A column of the table, of the type that the given rows' are to have.
fn typed_name(target: &Target, column: usize) -> String {
    let name = name(target, column);
    match type_word(&target.column(column).native_type) {
        "bit" => format!("{name}+0 AS {name}"),
        _ => name,
    }
}

fn new(target: &Target, column: usize) -> String {
    format!("{ROW}.{}", name(target, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::fixture::integer_target;
    use crate::table::WriteMode;

    fn check(
        (flavor, guard): (Flavor, Option<usize>),
        columns: &[usize],
        marked: &[usize],
        make: impl Fn(&Given<'_>) -> String,
        expected: &str,
    ) {
        let target = Target {
            guard,
            ..Target::clone(&integer_target(3, 1, WriteMode::Update))
        };
        let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        let given = Given {
            target: &target,
            forms: &forms,
            flavor,
            columns,
            marked,
            row_count: 2,
        };
        assert_eq!(make(&given), expected);
    }

    #[test]
    fn statements() {
        check(
            (Flavor::MySql, None),
            &[0, 1],
            &[],
            |given| given.update(),
            "UPDATE (SELECT `c0`,`c1` FROM `t` WHERE FALSE UNION ALL VALUES ROW(?,?),ROW(?,?)) \
             AS `given row` STRAIGHT_JOIN `t` ON `t`.`c0` = `given row`.`c0` \
             SET `t`.`c1` = `given row`.`c1`",
        );
        check(
            (Flavor::MariaDb, Some(1)),
            &[0, 1, 2],
            &[2],
            |given| given.update(),
            "UPDATE (SELECT `c0`,`c1`,`c2`,9223372036854775807 AS `given columns` FROM `t` WHERE FALSE \
             UNION ALL VALUES (?,?,?,?),(?,?,?,?)) AS `given row` STRAIGHT_JOIN `t` \
             ON `t`.`c0` = `given row`.`c0` AND (`t`.`c1` IS NULL OR `t`.`c1` < `given row`.`c1`) \
             SET `t`.`c2` = IF(`given row`.`given columns` & 1, `given row`.`c2`, `t`.`c2`), \
             `t`.`c1` = `given row`.`c1`",
        );
        check(
            (Flavor::MySql, None),
            &[0, 1, 2],
            &[1, 2],
            |given| given.upsert(),
            "INSERT INTO `t` (`c0`,`c1`,`c2`) SELECT `given row`.`c0`,`given row`.`c1`,`given row`.`c2` \
             FROM (SELECT `c0`,`c1`,`c2`,9223372036854775807 AS `given columns` FROM `t` WHERE FALSE UNION ALL \
             VALUES ROW(?,?,?,?),ROW(?,?,?,?)) AS `given row` ON DUPLICATE KEY UPDATE \
             `t`.`c0` = IF(`t`.`c0` <=> `given row`.`c0`, `t`.`c0`, NULL), \
             `t`.`c1` = IF(`given row`.`given columns` & 1, `given row`.`c1`, `t`.`c1`), \
             `t`.`c2` = IF(`given row`.`given columns` & 2, `given row`.`c2`, `t`.`c2`)",
        );
    }

    #[test]
    fn what_a_union_would_take_from_a_value_is_cast() {
        let mut target = Target::clone(&integer_target(3, 1, WriteMode::Update));
        target.table.columns[1].native_type = "bit(3)".to_owned();
        target.table.columns[2].native_type = "datetime(3)".to_owned();
        let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        let given = Given {
            target: &target,
            forms: &forms,
            flavor: Flavor::MySql,
            columns: &[0, 1, 2],
            marked: &[],
            row_count: 1,
        };
        let rows = "(SELECT `c0`,`c1`+0 AS `c1`,`c2` FROM `t` WHERE FALSE UNION ALL \
                    VALUES ROW(?,CAST(? AS UNSIGNED),CAST(? AS DATETIME(6))))";
        assert!(given.update().contains(rows), "{}", given.update());
    }
}
