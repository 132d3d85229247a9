//! Soft deletes, guards and the memory of deletes.

use super::*;
use crate::config::mapping;

fn versioned() -> Table {
    let mut table = orders();
    table
        .columns
        .push(column("version", ColumnType::Int64, true));
    table.columns.push(column("gone", ColumnType::Bool, true));
    table
}

#[test]
fn soft_deletes_mark_the_row_and_carry_the_guard_of_the_key() {
    let keys = SinkKeys {
        guard_field: Some("version".to_owned()),
        soft_delete_field: Some("gone".to_owned()),
        ..keys(KeyMode::RecordKey, &["id"])
    };
    let mut mapping = Mapping::new(versioned(), &keys, &SCHEMALESS, &SCHEMALESS);
    let row = mapping
        .map(
            Some(r#"{"id":1,"version":3}"#),
            Some(r#"{"note":"n","gone":true}"#),
        )
        .unwrap();
    assert_eq!(row[0], Cell::Int(1));
    assert_eq!(row[3..], [Cell::Int(3), Cell::Bool(false)]);
    let row = mapping.map(Some(r#"{"id":1,"version":5}"#), None).unwrap();
    let expected = [
        Cell::Int(1),
        Cell::Absent,
        Cell::Absent,
        Cell::Int(5),
        Cell::Bool(true),
    ];
    assert_eq!(row, expected);
    assert_eq!(mapping.rows.origins[1].kind, RowKind::Write);
    for value in [None, Some(r#"{"note":"x"}"#)] {
        let refused = mapping.map(Some(r#"{"id":1}"#), value).unwrap_err();
        assert!(refused.contains("upsert.guard.field"), "{refused}");
    }
}

#[test]
fn mapped_rows_go_by_the_part_of_the_key_that_is_told_without_a_value() {
    let check = |columns: &str, by_prefix: bool, expected: &[&str]| {
        let mut table = versioned();
        table.primary_key = ["id", "version", "note"].map(str::to_owned).to_vec();
        // The first two are the partition key.
        table.unique_keys = vec![table.primary_key[..2].to_vec()];
        let keys = SinkKeys {
            deletes_by_prefix: by_prefix,
            insert_mode: WriteMode::Upsert,
            mappings: mapping::parse(&format!("orders -> orders: {columns}")).unwrap(),
            ..keys(KeyMode::RecordKey, &[])
        };
        let target = plan::target(table, &keys, "orders -> orders").unwrap();
        let key = target.key.iter().map(|key| &*target.column(*key).name);
        assert_eq!(key.collect::<Vec<_>>(), expected, "{columns}");
    };
    let whole = ["id", "version", "note"];
    check(
        "id=key.id, version=header.v, note=value.n",
        true,
        &whole[..2],
    );
    check("id=key.id, version=key.v, *=value", true, &whole[..2]);
    check("id=key.id, version=header.v, note=value.n", false, &whole);
    check("id=key.id, version=key.v, note=key.n", true, &whole);
    check("id=key.id, version=value.v, note=key.n", true, &whole);
}

#[test]
fn tombstones_have_the_key_and_the_guard_of_their_table() {
    let keys = SinkKeys {
        guard_field: Some("version".to_owned()),
        tombstone_table: Some("${table}_gone".to_owned()),
        delete_enabled: true,
        insert_mode: WriteMode::Upsert,
        ..keys(KeyMode::RecordKey, &["id"])
    };
    let target = plan::target(versioned(), &keys, "orders").unwrap();
    let name = plan::tombstone_table(&keys, &TableName::parse("app.t")).unwrap();
    assert_eq!(name.to_string(), "app.t_gone");
    let wanted = plan::new_tombstones(&target, name.clone());
    let names: Vec<&str> = wanted.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["id", "version"]);
    assert_eq!(wanted.primary_key, ["id"]);
    let of_columns = |keep: &[&str]| {
        let mut table = versioned();
        table.name = name.clone();
        table.columns.retain(|column| keep.contains(&&*column.name));
        table
    };
    let whole = plan::with_tombstones(target.clone(), of_columns(&["id", "version"]));
    let whole = whole.unwrap().tombstones.unwrap();
    assert_eq!((whole.key.as_slice(), whole.guard), (&[0][..], Some(1)));
    let check = |table: Table, part: &str| {
        let refused = plan::with_tombstones(target.clone(), table).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    };
    check(of_columns(&["id"]), "no column \"version\"");
    let mut narrow = of_columns(&["id", "version"]);
    narrow.columns[1].column_type = ColumnType::Int16;
    check(narrow, "must be the same");
    let mut keyless = of_columns(&["id", "version"]);
    keyless.primary_key.clear();
    keyless.unique_keys.clear();
    check(keyless.clone(), "primary key or unique constraint");
    keyless.kind = TableKind::View;
    check(keyless, "a VIEW has none");
}

#[test]
fn guards_and_soft_deletes_need_columns_of_their_kind() {
    let check = |guard: Option<&str>, soft: Option<&str>, part: &str| {
        let keys = SinkKeys {
            guard_field: guard.map(str::to_owned),
            soft_delete_field: soft.map(str::to_owned),
            ..keys(KeyMode::RecordKey, &["id"])
        };
        let refused = plan::target(versioned(), &keys, "orders").unwrap_err();
        assert!(refused.contains(part), "{refused}");
    };
    check(Some("missing"), None, "is not in table");
    check(Some("note"), None, "must be a number");
    check(None, Some("missing"), "is not in table");
    check(None, Some("version"), "must be boolean");
    let mut numbered = versioned();
    numbered.columns[3].insert_only = true;
    let guarded = SinkKeys {
        guard_field: Some("version".to_owned()),
        ..keys(KeyMode::RecordKey, &["id"])
    };
    let refused = plan::target(numbered, &guarded, "orders").unwrap_err();
    assert!(refused.contains("GENERATED BY DEFAULT"), "{refused}");
    // Of one byte, as MySQL's booleans are.
    let mut table = versioned();
    let version = table.column_index("version").unwrap();
    table.columns[version].column_type = ColumnType::IntRange {
        low: -128,
        high: 127,
    };
    let keys = SinkKeys {
        soft_delete_field: Some("version".to_owned()),
        ..keys(KeyMode::RecordKey, &["id"])
    };
    assert!(plan::target(table, &keys, "orders").is_ok());
}
