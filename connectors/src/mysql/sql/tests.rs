use super::*;
use crate::row::fixture::integer_target;
use crate::table::WriteMode;

fn check(key: usize, flavor: Flavor, verb: Verb, columns: &[usize], rows: usize, expected: &str) {
    let target = integer_target(3, key, WriteMode::Upsert);
    let forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
    assert_eq!(
        statement(&target, &forms, flavor, verb, columns, &[], rows),
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
        "DELETE FROM `t` WHERE `t`.`c0` IN (?,?,?)",
    );
    check(
        2,
        MySql,
        Verb::Delete,
        &[0, 1],
        2,
        "DELETE FROM `t` WHERE (`t`.`c0` = ? AND `t`.`c1` = ?) OR (`t`.`c0` = ? AND `t`.`c1` = ?)",
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
        let text = statement(&target(guard), &forms, flavor, verb, columns, &[], rows);
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
        Verb::UpdateEach,
        Some(1),
        &[0, 1, 2],
        1,
        "UPDATE `t` SET `c1` = ?, `c2` = ? WHERE `c0` = ? AND (`c1` IS NULL OR `c1` < ?)",
    );
    assert_eq!(
        bound(&target(Some(1)), Verb::UpdateEach, &[0, 1, 2]),
        [1, 2, 0, 1]
    );
    assert_eq!(bound(&target(None), Verb::UpdateEach, &[0, 2]), [2, 0]);
    assert_eq!(bound(&target(Some(1)), Verb::Update, &[0, 1]), [0, 1]);
    assert_eq!(bound(&target(None), Verb::Upsert, &[0, 2]), [0, 2]);
    check(Verb::DeleteAll, None, &[], 0, "DELETE FROM `t` LIMIT 50000");
}

#[test]
fn a_key_that_the_server_fills_in_is_checked_by_a_number_that_it_cannot_be() {
    let check = |key: usize, filled_in: &[usize], expected: &str| {
        let target = integer_target(3, key, WriteMode::InsertIgnore);
        let mut forms: Vec<Form> = (0..3).map(|_| Form::plain()).collect();
        for column in filled_in {
            forms[*column].replaces_null = true;
        }
        let flavor = Flavor::MySql;
        let text = statement(&target, &forms, flavor, Verb::Ignore, &[0, 1], &[], 1);
        let (_, changes) = text.split_once(" UPDATE ").expect("a clause");
        assert_eq!(changes.replace("`new row`", "new"), expected);
    };
    check(
        1,
        &[0],
        "`t`.`c0` = IF(`t`.`c0` <=> new.`c0`, `t`.`c0`, 99999999999999999999999)",
    );
    check(
        2,
        &[0],
        "`t`.`c1` = IF(`t`.`c0` <=> new.`c0` AND `t`.`c1` <=> new.`c1`, `t`.`c1`, NULL)",
    );
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
