use super::*;

#[test]
fn codes_have_classes() {
    let check = |class: ErrorClass, codes: &[&str]| {
        for code in codes {
            assert_eq!(classify(code).class, class, "{code}");
        }
    };
    check(
        Retry,
        &[
            "08000", "08001", "08003", "08004", "08006", "08007", "08P01", "25006", "25P02",
            "25P03", "25P04", "40001", "40002", "40003", "40P01", "53000", "53100", "53200",
            "53300", "53400", "55006", "55P03", "57000", "57014", "57P01", "57P02", "57P03",
            "57P04", "57P05", "58000", "58030", "72000",
        ],
    );
    check(
        Record,
        &[
            "21000", "22000", "22001", "22003", "22004", "22008", "22021", "22P02", "22P05",
            "23000", "23502", "23503", "23505", "23514", "23P01", "42622", "44000", "54000",
            "54001", "P0000", "P0001", "P0999", "38000", "ZX001", "45000", "99999",
        ],
    );
    check(
        Stop,
        &[
            "0A000", "22P03", "22P04", "2200H", "25001", "26000", "28000", "28P01", "3D000",
            "3F000", "42501", "42601", "42703", "42804", "42883", "428C9", "42P01", "42P10",
            "54011", "54023", "55000", "58P01", "F0000", "XX000", "XX001", "10608", "zx001", "ZX1",
            "",
        ],
    );
}

#[test]
fn the_longest_beginning_decides() {
    assert_eq!(classify("23505").condition, "key that is there already");
    assert_eq!(classify("23999").condition, "integrity rule violated");
    assert_eq!(classify("24000").condition, "unexpected error");
    assert_eq!(classify("ZZZZZ"), MADE_UP);
    let known = |code: &&str| CLASSES.contains(&&code[..2]);
    assert!(
        TABLE[1..]
            .iter()
            .map(|entry| entry.0)
            .all(|code| known(&code))
    );
    let mut codes: Vec<_> = TABLE.iter().map(|entry| entry.0).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), TABLE.len(), "no code twice");
}

#[test]
fn who_raised_an_error_is_told_once() {
    let check = |code: &str, expected: &str| {
        let text = raised("write rows", classify(code).condition);
        assert_eq!(text, format!("cannot write rows: {expected}"));
    };
    check(
        "P0001",
        "a trigger or function of the table raised an exception",
    );
    check(
        "ZX001",
        "a trigger or function of the table raised an error of its own",
    );
    check(
        "53100",
        "a trigger or function of the table raised an error that says: the server's disk is full",
    );
}

#[test]
fn a_binary_copy_names_its_column() {
    let check = |context: &str, expected: Option<&str>| {
        assert_eq!(copied_column(context), expected, "{context}");
    };
    check("COPY orders, line 7, column amount", Some("amount"));
    check(
        "SQL function \"f\"\nCOPY orders, line 1, column a, b",
        Some("a, b"),
    );
    check("COPY orders, line 7", None);
    check("COPY orders, line 7, column amount: \"12\"", None);
    check("PL/pgSQL function f() line 3", None);
}
