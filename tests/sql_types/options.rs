//! Options that say how records become rows, on real tables.

use super::harness::{Given, Harness, keyed, servers};

fn given(value: &str, headers: &[(&str, &str)]) -> Given {
    Given {
        value: value.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
            .collect(),
        ..Given::default()
    }
}

#[tokio::test]
async fn zones_of_the_database_and_of_the_record() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (id int, local timestamp, instant timestamptz, day date)")
        .await;
    let berlin = [("db.timezone", "Europe/Berlin")];
    let records = [
        r#"{"id":1,"local":"2026-07-01T10:00:00Z","instant":"2026-07-01T10:00:00","day":"2026-07-01"}"#,
        r#"{"id":2,"local":"2026-07-01 10:00","instant":"2026-07-01T10:00:00Z","day":"2026-07-01"}"#,
    ];
    harness.stored("t", &berlin, &records).await;
    let row = |id| format!("SELECT concat_ws(' ', local, instant, day) FROM t WHERE id = {id}");
    assert_eq!(
        harness.text(&row(1)).await,
        "2026-07-01 12:00:00 2026-07-01 08:00:00+00 2026-07-01"
    );
    assert_eq!(
        harness.text(&row(2)).await,
        "2026-07-01 10:00:00 2026-07-01 10:00:00+00 2026-07-01"
    );
    let kathmandu = [("db.timezone", "+05:45")];
    let records = [
        r#"{"id":3,"local":"2026-07-01T20:00:00Z","instant":"2026-07-01T10:00:00","day":"2026-07-01"}"#,
    ];
    harness.stored("t", &kathmandu, &records).await;
    assert_eq!(
        harness.text(&row(3)).await,
        "2026-07-02 01:45:00 2026-07-01 04:15:00+00 2026-07-01"
    );
}

#[tokio::test]
async fn a_time_and_its_zone_become_one_value() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (id int, at timestamptz, local timestamp, told text, zone text)")
        .await;
    let keys = [("timezone.fields", "at:zone, local:zone, told:zone")];
    let records = [
        r#"{"id":1,"zone":"Europe/Berlin","at":1782900000000,"local":1782900000000,"told":1782900000000}"#,
        r#"{"id":2,"at":"2026-07-01T10:00:00","told":null,"zone":"-03:30"}"#,
        r#"{"id":3,"at":1782900000000}"#,
    ];
    harness.stored("t", &keys, &records).await;
    let row = |id| format!("SELECT concat_ws('|', at, local, told, zone) FROM t WHERE id = {id}");
    assert_eq!(
        harness.text(&row(1)).await,
        "2026-07-01 10:00:00+00|2026-07-01 12:00:00|2026-07-01T12:00:00+02:00|Europe/Berlin"
    );
    assert_eq!(harness.text(&row(2)).await, "2026-07-01 13:30:00+00|-03:30");
    assert_eq!(harness.text(&row(3)).await, "2026-07-01 10:00:00+00");
    let refused = harness
        .write("t", &keys, &[r#"{"at":0,"zone":"Mars"}"#.to_owned()])
        .await;
    assert!(refused[0].contains("no known time zone"), "{refused:?}");
    // A table that is made for them has one column for both.
    let keys = [("timezone.fields", "at:zone"), ("auto.create", "true")];
    harness
        .stored("made", &keys, &[r#"{"at":0,"zone":"Asia/Tokyo"}"#])
        .await;
    let columns = "SELECT string_agg(column_name || ' ' || data_type, ',') \
                   FROM information_schema.columns \
                   WHERE table_name = 'made' AND table_schema = current_schema()";
    assert_eq!(harness.text(columns).await, "at timestamp with time zone");
}

#[tokio::test]
async fn numbers_count_what_the_config_says() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (a timestamp, b timestamp)")
        .await;
    let nanos = [
        ("timestamp.fields.list", "a"),
        ("timestamp.precision.mode", "nanoseconds"),
    ];
    harness
        .stored(
            "t",
            &nanos,
            &[r#"{"a":1782900000123456789,"b":1782900000123}"#],
        )
        .await;
    let micros = [("timestamp.fields.list", "a")];
    harness
        .stored("t", &micros, &[r#"{"a":1782900000123456}"#])
        .await;
    assert_eq!(
        harness.text("SELECT string_agg(a || '', ',') FROM t").await,
        "2026-07-01 10:00:00.123456,2026-07-01 10:00:00.123456"
    );
    let b = "SELECT max(b)::text FROM t";
    assert_eq!(harness.text(b).await, "2026-07-01 10:00:00.123");
}

#[tokio::test]
async fn keys_may_lie_in_headers() {
    let harness = Harness::new(servers()[0]).await;
    let keys = [
        ("pk.mode", "record_header"),
        ("pk.fields", "id,part"),
        ("insert.mode", "upsert"),
        ("delete.enabled", "true"),
        ("auto.create", "true"),
    ];
    let here = |id: &'static str| [("id", id), ("part", "eu"), ("other", "x")];
    let records = [
        given(r#"{"note":"a"}"#, &here("1")),
        given(r#"{"note":"b"}"#, &here("2")),
        given(r#"{"note":"c","id":9}"#, &here("1")),
        given("", &here("2")),
        given(r#"{"note":"d"}"#, &[("id", "3")]),
    ];
    let refused = harness.write_given("t", &keys, &records).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("\"part\""), "{refused:?}");
    let rows = "SELECT string_agg(concat_ws(' ', id, part, note), ',') FROM t";
    assert_eq!(harness.text(rows).await, "1 eu c");
}

#[tokio::test]
async fn a_guarded_delete_may_have_its_guard_in_a_header() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (id int PRIMARY KEY, version int, gone bool, note text)")
        .await;
    let keys = [
        ("pk.mode", "record_key"),
        ("insert.mode", "upsert"),
        ("delete.enabled", "true"),
        ("delete.soft.field", "gone"),
        ("upsert.guard.field", "version"),
    ];
    let keyed = |value: &str, version: &[(&str, &str)]| Given {
        key: Some("{\"id\":1}".to_owned()),
        ..given(value, version)
    };
    let records = [
        keyed(r#"{"version":3,"note":"a"}"#, &[]),
        keyed("", &[("version", "2")]),
        keyed("", &[]),
    ];
    let refused = harness.write_given("t", &keys, &records).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    let row = "SELECT concat_ws(' ', version, gone, note) FROM t";
    assert_eq!(harness.text(row).await, "3 f a");
    let refused = harness
        .write_given("t", &keys, &[keyed("", &[("version", "4")])])
        .await;
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(harness.text(row).await, "4 t a");
}

#[tokio::test]
async fn change_events_tell_which_row_was_deleted() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (id int PRIMARY KEY, note text)")
        .await;
    let keys = [
        ("change.events", "debezium"),
        ("pk.mode", "record_value"),
        ("pk.fields", "id"),
        ("insert.mode", "upsert"),
        ("delete.enabled", "true"),
    ];
    let records = [
        r#"{"op":"c","before":null,"after":{"id":1,"note":"a"}}"#,
        r#"{"op":"c","before":null,"after":{"id":2,"note":"b"}}"#,
        r#"{"id":3,"note":"c","__deleted":"false"}"#,
        r#"{"id":4,"note":"d"}"#,
        r#"{"op":"d","before":{"id":1,"note":"a"},"after":null}"#,
        r#"{"id":4,"note":null,"__deleted":"true"}"#,
    ];
    harness.stored("t", &keys, &records).await;
    let rows = "SELECT string_agg(id || note, ',' ORDER BY id) FROM t";
    assert_eq!(harness.text(rows).await, "2b,3c");
    // A table that is made of them has no column that would keep the deleted rows.
    let made: Vec<_> = keys.into_iter().chain([("auto.create", "true")]).collect();
    harness.stored("made", &made, &records[2..]).await;
    let made = "SELECT string_agg(to_jsonb(made)::text, ',') FROM made";
    assert_eq!(harness.text(made).await, r#"{"id": 3, "note": "c"}"#);
    let without_row = r#"{"op":"d","before":null,"after":null}"#.to_owned();
    let refused = harness.write("t", &keys, &[without_row]).await;
    assert!(refused[0].contains("part of the key"), "{refused:?}");
}

/// What an update has left alone, and its event does not have.
#[tokio::test]
async fn values_that_an_event_does_not_have_stay() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, n int, note text, doc jsonb, raw bytea, \
                 list text[], numbers int[], names hstore)",
        )
        .await;
    let upsert: Vec<_> = keyed("upsert", "id")
        .into_iter()
        .chain([("change.events", "debezium")])
        .collect();
    let given = r#"{"op":"c","before":null,"after":{"id":1,"n":1,"note":"a","doc":{"b":2},
        "raw":"AAE=","list":["c"],"numbers":[3],"names":{"d":"e"}}}"#;
    let numbers: Vec<String> = "__debezium_unavailable_value"
        .bytes()
        .map(|byte| byte.to_string())
        .collect();
    let updated = |n: i32| {
        format!(
            r#"{{"op":"u","before":null,"after":{{"id":1,"n":{n},"note":"__debezium_unavailable_value",
            "doc":"__debezium_unavailable_value","raw":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
            "list":["__debezium_unavailable_value"],"numbers":[{}],
            "names":{{"__debezium_unavailable_value":"__debezium_unavailable_value"}}}}}}"#,
            numbers.join(",")
        )
    };
    // In the batch of the row itself, and in one of its own.
    harness.stored("t", &upsert, &[given, &updated(2)]).await;
    let row = "SELECT concat_ws('|', n, note, doc, raw, list, numbers, names) FROM t";
    let expected = r#"|a|{"b": 2}|\x0001|{c}|{3}|"d"=>"e""#;
    assert_eq!(harness.text(row).await, format!("2{expected}"));
    harness.stored("t", &upsert, &[&updated(3)]).await;
    assert_eq!(harness.text(row).await, format!("3{expected}"));
    let update = ("insert.mode", "update");
    let update: Vec<_> = upsert.iter().copied().chain([update]).collect();
    harness.stored("t", &update, &[&updated(4)]).await;
    assert_eq!(harness.text(row).await, format!("4{expected}"));
}

#[tokio::test]
async fn values_nulls_and_defaults_mix_in_one_batch() {
    let harness = Harness::new(servers()[0]).await;
    for (mode, table) in [("insert", "inserted"), ("upsert", "upserted")] {
        harness
            .run(&format!(
                "CREATE TABLE {table} (id int PRIMARY KEY, a text NOT NULL DEFAULT 'd', b text, \
                     c int DEFAULT 5)"
            ))
            .await;
        let records = [
            r#"{"id":1,"a":"x","b":null,"c":1}"#,
            r#"{"id":2,"b":"y"}"#,
            r#"{"id":3,"a":"z","c":null}"#,
            r#"{"id":4,"b":null,"c":null}"#,
            r#"{"id":5}"#,
        ];
        harness.stored(table, &keyed(mode, "id"), &records).await;
        let rows = format!(
            "SELECT string_agg(concat_ws('|', a, coalesce(b, '-'), coalesce(c::text, '-')), ' ' \
             ORDER BY id) FROM {table}"
        );
        let expected = "x|-|1 d|y|5 z|-|- d|-|- d|-|5";
        assert_eq!(harness.text(&rows).await, expected, "{mode}");
        let null = [r#"{"id":6,"a":null}"#.to_owned()];
        let refused = harness.write(table, &keyed(mode, "id"), &null).await;
        assert_eq!(refused.len(), 1, "{mode}: {refused:?}");
    }
}

#[tokio::test]
async fn names_are_kept_or_folded() {
    let harness = Harness::new(servers()[0]).await;
    let record = r#"{"Id":1,"select":2,"größe":3,"a b\"c":4}"#;
    let keys = [
        ("auto.create", "true"),
        ("pk.mode", "record_value"),
        ("pk.fields", "Id"),
    ];
    harness.stored("Order", &keys, &[record]).await;
    let never: Vec<(&str, &str)> = keys
        .into_iter()
        .chain([
            ("quote.sql.identifiers", "never"),
            ("insert.mode", "upsert"),
        ])
        .collect();
    for _ in 0..2 {
        harness.stored("Orders.New", &never, &[record]).await;
    }
    let columns = |table: &str| {
        format!(
            "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) \
             FROM information_schema.columns \
             WHERE table_name = '{table}' AND table_schema = current_schema()"
        )
    };
    assert_eq!(
        harness.text(&columns("Order")).await,
        "Id,select,größe,a b\"c"
    );
    assert_eq!(
        harness.text(&columns("orders.new")).await,
        "id,select,größe,a b\"c"
    );
    assert_eq!(
        harness
            .text("SELECT count(*)::text FROM \"orders.new\"")
            .await,
        "1"
    );
}

#[tokio::test]
async fn tables_that_are_not_plain() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run(
            "CREATE TABLE base (id int PRIMARY KEY, n int DEFAULT 7, \
                 number int GENERATED ALWAYS AS IDENTITY, \
                 twice int GENERATED ALWAYS AS (n * 2) STORED); \
             CREATE VIEW shown AS SELECT id, n FROM base; \
             CREATE TABLE parted (id int, day date, n int, PRIMARY KEY (id, day)) \
                 PARTITION BY RANGE (day); \
             CREATE TABLE part PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        )
        .await;
    for mode in ["insert", "upsert", "update"] {
        // What the database computes is left out, whatever the record says.
        let records = [r#"{"id":1,"n":5,"twice":99}"#, r#"{"id":2,"twice":1}"#];
        if mode != "insert" {
            harness.stored("base", &keyed(mode, "id"), &records).await;
        } else {
            harness.stored("base", &[], &records).await;
        }
        let rows = "SELECT string_agg(concat_ws(' ', id, n, twice), ',' ORDER BY id) FROM base";
        assert_eq!(harness.text(rows).await, "1 5 10,2 7 14", "{mode}");
    }
    harness.stored("shown", &[], &[r#"{"id":3,"n":1}"#]).await;
    for n in 1..=2 {
        let record = format!(r#"{{"id":3,"n":{n},"number":{n}}}"#);
        for table in ["shown", "base"] {
            let keys = [&keyed("upsert", "id")[..], &[("fields.unknown", "ignore")]].concat();
            harness.stored(table, &keys, &[&record]).await;
        }
    }
    let refused = harness.refused_target("shown", &keyed("upsert", "n")).await;
    assert!(refused.contains("the table behind it"), "{refused}");
    let keys = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "id,day"),
        ("table.types", "PARTITIONED TABLE,TABLE"),
    ];
    for n in 1..=2 {
        let record = format!(r#"{{"id":1,"day":"2026-05-01","n":{n}}}"#);
        harness.stored("parted", &keys, &[&record]).await;
    }
    let found = "SELECT concat_ws(' ', (SELECT n FROM parted), (SELECT count(*) FROM base))";
    assert_eq!(harness.text(found).await, "2 3");
    let only_tables = [&keys[..3], &[("table.types", "TABLE")]].concat();
    let config = harness.refused_target("parted", &only_tables).await;
    assert!(config.contains("PARTITIONED TABLE"), "{config}");
    // There is no partition for it.
    let outside = r#"{"id":1,"day":"2030-05-01","n":1}"#.to_owned();
    assert_eq!(harness.write("parted", &keys, &[outside]).await.len(), 1);
    // Fields that a view does not have.
    let refused = harness
        .write("shown", &[], &[r#"{"id":4,"more":1}"#.to_owned()])
        .await;
    assert!(
        refused[0].contains("field \"more\" has no column"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn arrays_of_a_schema_become_arrays() {
    let harness = Harness::new(servers()[0]).await;
    let keys = [
        ("auto.create", "true"),
        ("value.converter.schemas.enable", "true"),
    ];
    let value = r#"{"schema":{"type":"struct","fields":[
        {"field":"tags","type":"array","items":{"type":"string"},"optional":true},
        {"field":"grid","type":"array","items":{"type":"array","items":{"type":"int32"}}},
        {"field":"map","type":"map","keys":{"type":"string"},"values":{"type":"int32"}},
        {"field":"rows","type":"array","items":{"type":"struct","fields":[{"field":"a","type":"int8"}]}},
        {"field":"amounts","type":"array","items":{"type":"bytes","optional":true,
            "name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}}]},
        "payload":{"tags":["a","b"],"grid":[[1,2],[3,4]],"map":{"x":1},"rows":[{"a":1}],
            "amounts":["ALxhTg==",null]}}"#;
    harness.stored("t", &keys, &[value]).await;
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) \
                 FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(
        harness.text(types).await,
        "text[],integer[],jsonb,jsonb,numeric[]"
    );
    let row = "SELECT concat_ws(' ', tags, grid, map, rows, amounts) FROM t";
    assert_eq!(
        harness.text(row).await,
        "{a,b} {{1,2},{3,4}} {\"x\": 1} [{\"a\": 1}] {123456.78,NULL}"
    );
}
