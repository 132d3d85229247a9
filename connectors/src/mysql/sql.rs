//! SQL text: names, literals and the statements of a write. Pure.
//!
//! Every value of a record is bound; only quoted names are part of the text. The few values that
//! Rowdock makes itself (topics, claim ids, offsets) are literals, so that statements over many
//! partitions can go out together.

use crate::error::SinkError;
use crate::table::{TableName, Target};

use super::form::Form;

/// The server's limit for names.
const IDENTIFIER_CHARS_MAX: usize = 64;

/// Which of the two servers, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    MySql,
    MariaDb,
}

/// What a statement does with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    Insert,
    /// Insert, and nothing where the key is there.
    Ignore,
    Upsert,
    /// One row per statement.
    Update,
    Delete,
    /// Without a condition.
    DeleteAll,
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

/// Refuses names that the server cannot hold. `kind` is what is named: `table`.
///
/// # Errors
/// *Stop*, naming it.
pub(super) fn check_identifier(kind: &str, name: &str) -> Result<(), SinkError> {
    let is_beyond_basic_plane = |character: char| u32::from(character) > 0xffff;
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains('\0') {
        "contains the character U+0000"
    } else if name.contains(is_beyond_basic_plane) {
        "contains a character of four bytes, which names cannot hold"
    } else if name.ends_with(' ') {
        "ends with a blank"
    } else if name.chars().count() > IDENTIFIER_CHARS_MAX {
        "is longer than the 64 characters that the server allows"
    } else {
        return Ok(());
    };
    Err(SinkError::stop(format!(
        "{kind} name {name:?} {problem}; choose another name"
    )))
}

/// As [`check_identifier`], for both parts of a table's name.
pub(super) fn check_table_name(name: &TableName) -> Result<(), SinkError> {
    if let Some(schema) = &name.schema {
        check_identifier("database", schema)?;
    }
    check_identifier("table", &name.name)
}

/// The text of a statement over these columns (indexes into [`Target::written`]), for this many
/// rows. `forms` has one entry per written column.
pub(super) fn statement(
    target: &Target,
    forms: &[Form],
    flavor: Flavor,
    verb: Verb,
    columns: &[usize],
    row_count: usize,
) -> String {
    match verb {
        Verb::Insert => insert(target, forms, columns, row_count),
        Verb::Upsert => {
            let mut text = insert(target, forms, columns, row_count);
            push_conflict_clause(&mut text, target, flavor, columns);
            text
        }
        Verb::Ignore => {
            let mut text = insert(target, forms, columns, row_count);
            push_conflict_clause(&mut text, target, flavor, &target.key);
            text
        }
        Verb::Update => update(target, forms, columns),
        Verb::DeleteAll => format!("DELETE FROM {}", qualified(&target.table.name)),
        Verb::Delete => delete(target, forms, columns, row_count),
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

/// Only a conflict on the key itself updates the row. On any other unique key the check sets a key
/// column to null, which the server refuses: a row is never overwritten by one of another key. The
/// check comes first, before any column has its new value; and the column of [`Target::guard`] comes
/// last, since all others look at its old value.
fn push_conflict_clause(text: &mut String, target: &Target, flavor: Flavor, columns: &[usize]) {
    let new = |column: usize| match flavor {
        Flavor::MySql => format!("`new row`.{}", name(target, column)),
        Flavor::MariaDb => format!("VALUES({})", name(target, column)),
    };
    let table = quoted(&target.table.name.name);
    let old = |column: usize| format!("{table}.{}", name(target, column));
    if flavor == Flavor::MySql {
        text.push_str(" AS `new row`");
    }
    let same_key: Vec<String> = target
        .key
        .iter()
        .map(|column| format!("{} <=> {}", old(*column), new(*column)))
        .collect();
    let mut changes = Vec::with_capacity(columns.len());
    if let Some(first) = target.key.first() {
        changes.push(format!(
            "{} = IF({}, {}, NULL)",
            old(*first),
            same_key.join(" AND "),
            old(*first)
        ));
    }
    let guard = target.guard.filter(|guard| columns.contains(guard));
    let written = columns.iter().filter(|column| !target.key.contains(column));
    let before_guard = written.filter(|column| Some(**column) != guard);
    for column in before_guard.chain(guard.as_ref()) {
        let (old_value, new_value) = (old(*column), new(*column));
        changes.push(match guard {
            Some(guard) => {
                let is_newer = newer(&old(guard), &new(guard));
                format!("{old_value} = IF({is_newer}, {new_value}, {old_value})")
            }
            None => format!("{old_value} = {new_value}"),
        });
    }
    text.push_str(" ON DUPLICATE KEY UPDATE ");
    text.push_str(&changes.join(", "));
}

/// Whether a row with this value in its guard column gives way.
fn newer(old: &str, new: &str) -> String {
    format!("({old} IS NULL OR {old} < {new})")
}

/// Of one row: a join with many would compare texts by other rules than the key's.
fn update(target: &Target, forms: &[Form], columns: &[usize]) -> String {
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
    if verb != Verb::Update {
        return columns.to_vec();
    }
    let (mut bound, keys): (Vec<usize>, Vec<usize>) = columns
        .iter()
        .partition(|column| !target.key.contains(column));
    bound.extend(keys);
    bound.extend(target.guard.filter(|guard| columns.contains(guard)));
    bound
}

/// The column that the guard of an upsert sets to null.
pub(super) fn guard_column(target: &Target) -> Option<&str> {
    let first = target.key.first()?;
    Some(&target.column(*first).name)
}

/// Keys of one column as a list; of several as alternatives, which every version looks up in the
/// index, as it does not with lists of tuples.
fn delete(target: &Target, forms: &[Form], columns: &[usize], row_count: usize) -> String {
    let mut text = format!("DELETE FROM {} WHERE ", qualified(&target.table.name));
    if let [column] = columns {
        text.push_str(&format!("{} IN (", name(target, *column)));
        push_repeated(&mut text, &forms[*column].comparand, ",", row_count);
        text.push(')');
        return text;
    }
    let conditions: Vec<String> = columns
        .iter()
        .map(|column| format!("{} = {}", name(target, *column), forms[*column].comparand))
        .collect();
    let row = format!("({})", conditions.join(" AND "));
    push_repeated(&mut text, &row, " OR ", row_count);
    text
}

fn push_repeated(text: &mut String, part: &str, between: &str, count: usize) {
    text.reserve(count * (part.len() + between.len()));
    for index in 0..count {
        if index > 0 {
            text.push_str(between);
        }
        text.push_str(part);
    }
}

fn name(target: &Target, column: usize) -> String {
    quoted(&target.column(column).name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::fixture::integer_target;
    use crate::table::WriteMode;

    fn check(
        key: usize,
        flavor: Flavor,
        verb: Verb,
        columns: &[usize],
        rows: usize,
        expected: &str,
    ) {
        let target = integer_target(3, key, WriteMode::Upsert);
        let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        assert_eq!(
            statement(&target, &forms, flavor, verb, columns, rows),
            expected
        );
    }

    #[test]
    fn statements() {
        use Flavor::{MariaDb, MySql};
        check(
            0,
            MySql,
            Verb::Insert,
            &[0, 2],
            2,
            "INSERT INTO `t` (`c0`,`c2`) VALUES (?,?),(?,?)",
        );
        check(
            0,
            MySql,
            Verb::Insert,
            &[],
            2,
            "INSERT INTO `t` () VALUES (),()",
        );
        check(
            1,
            MySql,
            Verb::Upsert,
            &[0, 1],
            1,
            "INSERT INTO `t` (`c0`,`c1`) VALUES (?,?) AS `new row` ON DUPLICATE KEY UPDATE \
             `t`.`c0` = IF(`t`.`c0` <=> `new row`.`c0`, `t`.`c0`, NULL), \
             `t`.`c1` = `new row`.`c1`",
        );
        check(
            2,
            MariaDb,
            Verb::Upsert,
            &[0, 1],
            1,
            "INSERT INTO `t` (`c0`,`c1`) VALUES (?,?) ON DUPLICATE KEY UPDATE \
             `t`.`c0` = IF(`t`.`c0` <=> VALUES(`c0`) AND `t`.`c1` <=> VALUES(`c1`), `t`.`c0`, NULL)",
        );
        check(
            1,
            MySql,
            Verb::Delete,
            &[0],
            3,
            "DELETE FROM `t` WHERE `c0` IN (?,?,?)",
        );
        check(
            2,
            MySql,
            Verb::Delete,
            &[0, 1],
            2,
            "DELETE FROM `t` WHERE (`c0` = ? AND `c1` = ?) OR (`c0` = ? AND `c1` = ?)",
        );
    }

    #[test]
    fn other_modes() {
        let target = |guard| Target {
            guard,
            ..Target::clone(&integer_target(3, 1, WriteMode::Update))
        };
        let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        let check = |verb, guard, columns: &[usize], rows, expected: &str| {
            let flavor = Flavor::MariaDb;
            let text = statement(&target(guard), &forms, flavor, verb, columns, rows);
            assert_eq!(text, expected);
        };
        check(
            Verb::Ignore,
            None,
            &[0, 1],
            1,
            "INSERT INTO `t` (`c0`,`c1`) VALUES (?,?) ON DUPLICATE KEY UPDATE \
             `t`.`c0` = IF(`t`.`c0` <=> VALUES(`c0`), `t`.`c0`, NULL)",
        );
        check(
            Verb::Upsert,
            Some(1),
            &[0, 1, 2],
            1,
            "INSERT INTO `t` (`c0`,`c1`,`c2`) VALUES (?,?,?) ON DUPLICATE KEY UPDATE \
             `t`.`c0` = IF(`t`.`c0` <=> VALUES(`c0`), `t`.`c0`, NULL), \
             `t`.`c2` = IF((`t`.`c1` IS NULL OR `t`.`c1` < VALUES(`c1`)), VALUES(`c2`), `t`.`c2`), \
             `t`.`c1` = IF((`t`.`c1` IS NULL OR `t`.`c1` < VALUES(`c1`)), VALUES(`c1`), `t`.`c1`)",
        );
        check(
            Verb::Update,
            Some(1),
            &[0, 1, 2],
            1,
            "UPDATE `t` SET `c1` = ?, `c2` = ? WHERE `c0` = ? AND (`c1` IS NULL OR `c1` < ?)",
        );
        assert_eq!(
            bound(&target(Some(1)), Verb::Update, &[0, 1, 2]),
            [1, 2, 0, 1]
        );
        assert_eq!(bound(&target(None), Verb::Update, &[0, 2]), [2, 0]);
        assert_eq!(bound(&target(None), Verb::Upsert, &[0, 2]), [0, 2]);
        check(Verb::DeleteAll, None, &[], 0, "DELETE FROM `t`");
    }

    #[test]
    fn names_and_literals_are_quoted() {
        assert_eq!(quoted("a`b"), "`a``b`");
        assert_eq!(qualified(&TableName::parse("a.b.c")), "`a`.`b.c`");
        assert_eq!(literal("it's \\ \0"), "'it''s \\\\ \\0'");
    }

    #[test]
    fn unfit_names_are_refused() {
        let check = |name: &str, problem: &str| {
            let error = check_identifier("column", name).expect_err(name);
            assert!(error.to_string().contains(problem), "{error}");
        };
        check("", "is empty");
        check("a\0b", "U+0000");
        check("a ", "blank");
        check("😀", "four bytes");
        check(&"ü".repeat(65), "64 characters");
        assert!(check_identifier("column", &"ü".repeat(64)).is_ok());
    }
}
