use super::*;
use crate::mysql::form::Form;
use crate::row::fixture::integer_target;
use crate::table::WriteMode;

#[test]
fn codes_have_classes() {
    let check = |class: ErrorClass, codes: &[u16]| {
        for code in codes {
            assert_eq!(classify(*code, "HY000").class, class, "{code}");
        }
    };
    check(
        Retry,
        &[
            1020, 1021, 1030, 1037, 1040, 1053, 1114, 1152, 1158, 1180, 1203, 1205, 1206, 1213,
            1290, 1317, 1412, 1615, 1792, 1836, 1927, 1969, 3024, 3101, 3168, 3169, 3572, 4031,
        ],
    );
    check(
        Record,
        &[
            1048, 1062, 1118, 1216, 1264, 1265, 1292, 1300, 1301, 1364, 1366, 1369, 1406, 1416,
            1452, 1526, 1644, 1690, 3037, 3140, 3157, 3819, 3988, 4025,
        ],
    );
    check(
        Stop,
        &[
            1044, 1045, 1046, 1049, 1052, 1054, 1064, 1105, 1130, 1142, 1146, 1197, 1227, 1267,
            1271, 1442, 1665, 1820, 3098, 3159, 3118, 65_535,
        ],
    );
}

#[test]
fn unknown_codes_go_by_their_state() {
    let check = |state: &str, class: ErrorClass| {
        assert_eq!(classify(30_001, state).class, class, "{state}");
    };
    check("45000", Record);
    check("23000", Record);
    check("40001", Retry);
    check("08S01", Retry);
    check("42000", Stop);
    check("", Stop);
}

#[test]
fn the_shortest_range_decides_and_none_is_there_twice() {
    assert!(classify(1040, "").condition.contains("too many"));
    let mut ranges: Vec<_> = TABLE.iter().map(|entry| (entry.0, entry.1)).collect();
    ranges.sort_unstable();
    ranges.dedup();
    assert_eq!(ranges.len(), TABLE.len());
    assert!(TABLE.iter().all(|(first, last, ..)| first <= last));
}

#[test]
fn sessions_that_are_of_no_more_use() {
    let check = |code: u16, expected: bool| {
        let error = mysql_async::ServerError {
            code,
            state: "HY000".to_owned(),
            message: String::new(),
        };
        let error = statement_error("write a batch", &error);
        assert_eq!(error.connection_lost(), expected, "{code}");
    };
    for code in [1053, 1152, 1927, 3169, 4031] {
        check(code, true);
    }
    // Read-only servers, which other hosts take the place of.
    for code in [1290, 1792, 1836] {
        check(code, true);
    }
    for code in [1021, 1036, 1205, 1213, 1969, 3024] {
        check(code, false);
    }
}

#[test]
fn user_locks_that_there_are_none_of() {
    let check = |code: u16, state: &str, expected: bool| {
        let error = mysql_async::ServerError {
            code,
            state: state.to_owned(),
            message: String::new(),
        };
        assert_eq!(is_no_lock(&error), expected, "{code}");
    };
    check(1105, "HY000", true);
    check(1235, "42000", true);
    check(1205, "HY000", false);
    check(1213, "40001", false);
    check(1053, "08S01", false);
}

fn refused(code: u16, message: &str) -> String {
    let error = mysql_async::ServerError {
        code,
        state: "23000".to_owned(),
        message: message.to_owned(),
    };
    let target = integer_target(1, 1, WriteMode::Upsert);
    let checks = [false, true].map(|replaces_null| Form {
        replaces_null,
        ..Form::plain()
    });
    let [of_null, of_a_number] = checks.map(|form| {
        let check = KeyCheck::of(&target, &[form]);
        row_error("write rows", &error, check).to_string()
    });
    match code {
        1264 | 1292 => of_a_number,
        _ => of_null,
    }
}

#[test]
fn reasons_name_the_rule_and_never_the_value() {
    let check = |code, message: &str, expected: &str| {
        let reason = refused(code, message);
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("s3cret"), "{reason}");
    };
    check(
        1062,
        "Duplicate entry 's3cret' for key 't.PRIMARY'",
        "key \"t.PRIMARY\"",
    );
    check(
        1062,
        "Duplicate entry 's3cret' for key 's3cret' for key 't.PRIMARY'",
        "key \"t.PRIMARY\"",
    );
    check(
        1406,
        "Data too long for column 'note' at row 3",
        "column \"note\"",
    );
    check(
        1366,
        "Incorrect string value: 's3cret' for column `d`.`t`.`note` at row 1",
        "column \"d`.`t`.`note\"",
    );
    check(
        1292,
        "Incorrect datetime value: 's3cret for column 'x' at row' for column 'at' at row 1",
        "column \"at\"",
    );
    check(
        3140,
        "Invalid JSON text: \"s3cret\" at position 0 in value for column 't.doc'.",
        "t.doc",
    );
    check(
        3819,
        "Check constraint 'positive' is violated.",
        "constraint \"positive\"",
    );
    check(
        4025,
        "CONSTRAINT `positive` failed for `d`.`t`",
        "constraint \"positive\"",
    );
    check(
        1364,
        "Field 'n' doesn't have a default value",
        "column \"n\"",
    );
    check(
        1048,
        "Column 'n' cannot be null",
        "must have a value, column \"n\"",
    );
    check(1048, "Column 'c0' cannot be null", "another unique key");
    check(
        1264,
        "Out of range value for column 'c0' at row 1",
        "another unique key",
    );
    check(
        1292,
        "Incorrect datetime value: '99999999999999999999999' for column `d`.`t`.`c0` at row 1",
        "another unique key",
    );
    check(
        1264,
        "Out of range value for column 'n' at row 1",
        "out of the column's range, column \"n\"",
    );
    check(1644, "s3cret", "trigger");
    check(
        1452,
        "a foreign key constraint fails (`d`.`t`, CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `p` (`id`))",
        "foreign key without its row, constraint \"fk\" (error 1452)",
    );
    check(
        1451,
        "a foreign key constraint fails (`d`.`t`, CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `p` (`id`))",
        "another row needs, constraint \"fk\" (error 1451)",
    );
}
