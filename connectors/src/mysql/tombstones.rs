//! Statements that look at the table that remembers deletes. Pure.
//!
//! The order of the steps makes it safe, though no transaction sees what others have not committed. Who
//! deletes remembers first and looks for the row then; who writes does so first and looks for the
//! tombstone then. Both looks wait for rows that others have not committed, so of two that meet, one sees
//! the other, or both wait for each other, which the server ends.

use super::form::Form;
use super::sql::{keys, name, newer, old, qualified, quoted};
use crate::table::Target;

/// The row of a delete: the two tables may have one name, in two databases.
const TOMBSTONE: &str = "`deleted row`";

/// A delete removes what is older than it, and a write that is older than a delete does not stay. Both
/// guards are the tables' own: what is remembered has been written before.
pub(super) fn bury(target: &Target, forms: &[Form], columns: &[usize], row_count: usize) -> String {
    let keys = keys(target, forms, columns, row_count);
    let Some((tombstones, guard)) = target.tombstones.as_ref().zip(target.guard) else {
        return format!("DELETE FROM {} WHERE {keys}", qualified(&target.table.name));
    };
    let tombstone = |column: usize| format!("{TOMBSTONE}.{}", name(target, column));
    let same_key: Vec<String> = columns
        .iter()
        .map(|column| format!("{} = {}", old(target, *column), tombstone(*column)))
        .collect();
    let table = qualified(&target.table.name);
    format!(
        "DELETE {table} FROM {table} INNER JOIN {} AS {TOMBSTONE} ON {} WHERE {} AND ({keys})",
        qualified(&tombstones.table.name),
        same_key.join(" AND "),
        newer(&old(target, guard), &tombstone(guard))
    )
}

/// Waits until deletes of these keys that others have begun to remember are committed, or undone: what
/// comes next sees them. Without it a row that is written at the same time would stay. Who remembers a
/// delete looks for the row afterwards, and waits for it, so one of the two always sees the other.
pub(super) fn await_others(
    target: &Target,
    forms: &[Form],
    columns: &[usize],
    row_count: usize,
) -> String {
    let tombstones = target.tombstones.as_deref().unwrap_or(target);
    format!(
        "SELECT 1 FROM {} AS {} WHERE {} LOCK IN SHARE MODE",
        qualified(&tombstones.table.name),
        quoted(&target.table.name.name),
        keys(target, forms, columns, row_count)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::row::fixture::integer_target;
    use crate::table::{TableName, WriteMode};

    fn remembering() -> Target {
        let plain = integer_target(3, 2, WriteMode::Upsert);
        let mut tombstones = Target::clone(&plain);
        tombstones.table.name = TableName::parse("app.t_deleted");
        Target {
            guard: Some(2),
            tombstones: Some(Arc::new(tombstones)),
            ..Target::clone(&plain)
        }
    }

    #[test]
    fn statements() {
        let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        assert_eq!(
            bury(&remembering(), &forms, &[0, 1], 1),
            "DELETE `t` FROM `t` INNER JOIN `app`.`t_deleted` AS `deleted row` ON \
             `t`.`c0` = `deleted row`.`c0` AND `t`.`c1` = `deleted row`.`c1` WHERE \
             (`t`.`c2` IS NULL OR `t`.`c2` < `deleted row`.`c2`) AND ((`t`.`c0` = ? AND `t`.`c1` = ?))"
        );
        assert_eq!(
            await_others(&remembering(), &forms, &[0], 2),
            "SELECT 1 FROM `app`.`t_deleted` AS `t` WHERE `t`.`c0` IN (?,?) LOCK IN SHARE MODE"
        );
    }
}
