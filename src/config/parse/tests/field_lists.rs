//! `fields.whitelist` and `fields.exclude.list`.

use super::*;
use crate::config::connector::FieldEntry;

fn entry(topic: Option<&str>, field: &str) -> FieldEntry {
    FieldEntry {
        topic: topic.map(str::to_owned),
        field: field.to_owned(),
    }
}

#[test]
fn lists_of_fields_may_name_topics() {
    const KEYS: [&str; 2] = ["fields.whitelist", "fields.exclude.list"];
    let check = |list: &str, expected: &[FieldEntry]| {
        let sink = accepted(&[(KEYS[0], list), (KEYS[1], list)]).sink;
        assert_eq!(sink.fields_include, expected, "{list}");
        assert_eq!(sink.fields_exclude, expected, "{list}");
    };
    check(" ", &[]);
    check("a, b", &[entry(None, "a"), entry(None, "b")]);
    check(
        "orders:a,b",
        &[entry(Some("orders"), "a"), entry(None, "b")],
    );
    check(" orders : a:b ", &[entry(Some("orders"), "a:b")]);
    for (key, wrong) in KEYS.iter().zip([":a", "orders:"]) {
        let list = format!("a, {wrong}");
        let problem = format!(
            "Invalid value [{list}] for configuration {key}: every entry must be field or \
             topic:field, and \"{wrong}\" is neither"
        );
        assert_eq!(messages(&[(key, &list)]), [problem]);
    }
}

#[test]
fn an_entry_for_a_topic_that_is_not_read_is_told() {
    let check = |changes: &[(&str, &str)], expected: &[&str]| {
        let changes = [&[("fields.exclude.list", "a,order:b,orders:c")], changes].concat();
        assert_eq!(warnings(&changes), expected, "{changes:?}");
    };
    check(
        &[],
        &[
            "fields.exclude.list has an entry for topic order, which topics does not name: it counts for no record",
        ],
    );
    check(&[("topics", "orders,order")], &[]);
    check(&[("topics", ""), ("topics.regex", "o.*")], &[]);
    let renamed = [
        ("transforms", "r"),
        (
            "transforms.r.type",
            "org.apache.kafka.connect.transforms.RegexRouter",
        ),
        ("transforms.r.regex", ".*"),
        ("transforms.r.replacement", "order"),
    ];
    check(&renamed, &[]);
}
