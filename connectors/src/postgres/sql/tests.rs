use super::*;
use crate::table::{Table, TableKind, WriteMode};

fn column(name: &str, column_type: ColumnType, native_type: &str, id: u32) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        column_type,
        native_type: native_type.to_owned(),
        native_type_id: id,
        nullable: true,
        has_default: false,
        generated: false,
        insert_only: false,
    }
}

fn text(max_chars: Option<u32>) -> ColumnType {
    ColumnType::Text { max_chars }
}

fn target(key: Vec<usize>) -> Target {
    let columns = vec![
        column("id", ColumnType::Int64, "bigint", 20),
        column("say \"hi\"", text(Some(3)), "character varying(3)", 1043),
        column("mood", text(None), "app.mood", 16500),
        column("code", text(Some(2)), "character(2)", 1042),
        column("doc", ColumnType::Json, "jsonb", 3802),
        column("raw", ColumnType::Json, "json", 114),
        column("span", ColumnType::Unsupported, "interval", 1186),
    ];
    Target {
        written: (0..columns.len()).collect(),
        key,
        mode: WriteMode::Upsert,
        guard: None,
        tombstones: None,
        table: Table {
            name: TableName::parse("app.orders"),
            kind: TableKind::default(),
            columns,
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            text_allows_nul: false,
            has_zero_dates: false,
        },
    }
}

#[test]
fn statements() {
    let check = |verb, key: &[usize], columns: &[usize], expected: &str| {
        assert_eq!(statement(&target(key.to_vec()), verb, columns), expected);
    };
    check(
        Verb::Copy,
        &[],
        &[0, 1],
        r#"COPY "app"."orders" ("id", "say ""hi""") FROM STDIN (FORMAT binary)"#,
    );
    check(
        Verb::Insert,
        &[],
        &[0, 2, 4, 5, 6],
        "INSERT INTO \"app\".\"orders\" AS target (\"id\", \"mood\", \"doc\", \"raw\", \"span\") \
         OVERRIDING SYSTEM VALUE SELECT source.c0, source.c1::app.mood, source.c2, source.c3, \
         source.c4::interval \
         FROM unnest($1::int8[], $2::text[], $3::jsonb[], $4::json[], $5::text[]) \
         AS source(c0, c1, c2, c3, c4)",
    );
    check(
        Verb::Insert,
        &[],
        &[],
        "INSERT INTO \"app\".\"orders\" SELECT FROM generate_series(1, $1::int4)",
    );
    check(
        Verb::Upsert,
        &[0],
        &[0, 3],
        "INSERT INTO \"app\".\"orders\" AS target (\"id\", \"code\") OVERRIDING SYSTEM VALUE \
         SELECT source.c0, source.c1 FROM unnest($1::int8[], $2::text[]) AS source(c0, c1) \
         ON CONFLICT (\"id\") DO UPDATE SET \"code\" = EXCLUDED.\"code\"",
    );
    check(
        Verb::Upsert,
        &[0],
        &[0],
        "INSERT INTO \"app\".\"orders\" AS target (\"id\") OVERRIDING SYSTEM VALUE \
         SELECT source.c0 FROM unnest($1::int8[]) AS source(c0) ON CONFLICT (\"id\") DO NOTHING",
    );
    check(
        Verb::Delete,
        &[0, 3, 2],
        &[0, 3, 2],
        "DELETE FROM \"app\".\"orders\" AS target \
         USING unnest($1::int8[], $2::text[], $3::text[]) AS source(c0, c1, c2) \
         WHERE target.\"id\" = source.c0 AND target.\"code\" = source.c1::pg_catalog.bpchar \
         AND target.\"mood\" = source.c2::app.mood",
    );
}

#[test]
fn times_are_compared_as_they_are_rounded() {
    let check = |column_type: ColumnType, native_type: &str, digits, cast: Option<&str>| {
        let column = column("at", column_type, native_type, 0);
        assert_eq!(time_digits(&column), digits, "{native_type}");
        assert_eq!(comparison_cast(&column), cast, "{native_type}");
    };
    let (local, instant) = (ColumnType::Timestamp, ColumnType::TimestampTz);
    let whole = "timestamp without time zone";
    check(local.clone(), whole, Some(6), None);
    let rounded = "timestamp(3) with time zone";
    check(instant, rounded, Some(3), Some(rounded));
    let rounded = "time(0) without time zone";
    check(ColumnType::Time, rounded, Some(0), Some(rounded));
    // The digits of a domain are not in its name.
    for domain in ["app.moment", "\"my time zone\""] {
        check(local.clone(), domain, Some(0), Some(domain));
    }
    check(ColumnType::Date, "date", None, None);
}

/// As `EXCLUDED` is: a value that is stored rounded is not newer than itself.
#[test]
fn the_guard_of_an_update_is_compared_as_it_is_stored() {
    let mut target = target(vec![0]);
    let moment = "timestamp(0) without time zone";
    target.table.columns[4] = column("at", ColumnType::Timestamp, moment, 1114);
    target.guard = Some(4);
    let found = statement(&target, Verb::Update, &[0, 1, 4]);
    let expected = format!("(target.\"at\" IS NULL OR target.\"at\" < source.c2::{moment})");
    assert!(found.ends_with(&expected), "{found}");
}

#[test]
fn other_modes() {
    let check = |verb, guard: Option<usize>, columns: &[usize], expected: &str| {
        let target = Target {
            guard,
            ..target(vec![0, 3])
        };
        assert_eq!(statement(&target, verb, columns), expected);
    };
    check(
        Verb::Ignore,
        None,
        &[0, 3],
        "INSERT INTO \"app\".\"orders\" AS target (\"id\", \"code\") OVERRIDING SYSTEM VALUE \
         SELECT source.c0, source.c1 FROM unnest($1::int8[], $2::text[]) AS source(c0, c1) \
         ON CONFLICT (\"id\", \"code\") DO NOTHING",
    );
    check(
        Verb::Update,
        Some(4),
        &[0, 2, 3, 4],
        "UPDATE \"app\".\"orders\" AS target SET \"mood\" = source.c1::app.mood, \
         \"doc\" = source.c3 FROM unnest($1::int8[], $2::text[], $3::text[], $4::jsonb[]) \
         AS source(c0, c1, c2, c3) WHERE target.\"id\" = source.c0 \
         AND target.\"code\" = source.c2::pg_catalog.bpchar \
         AND (target.\"doc\" IS NULL OR target.\"doc\" < source.c3)",
    );
    check(
        Verb::Upsert,
        Some(4),
        &[0, 3, 4],
        "INSERT INTO \"app\".\"orders\" AS target (\"id\", \"code\", \"doc\") \
         OVERRIDING SYSTEM VALUE SELECT source.c0, source.c1, source.c2 \
         FROM unnest($1::int8[], $2::text[], $3::jsonb[]) AS source(c0, c1, c2) \
         ON CONFLICT (\"id\", \"code\") DO UPDATE SET \"doc\" = EXCLUDED.\"doc\" \
         WHERE (target.\"doc\" IS NULL OR target.\"doc\" < EXCLUDED.\"doc\")",
    );
    check(Verb::Truncate, None, &[], "TRUNCATE \"app\".\"orders\"");
    check(Verb::DeleteAll, None, &[], "DELETE FROM \"app\".\"orders\"");
}

#[test]
fn what_only_a_new_row_takes_is_not_updated() {
    let check = |verb, expected: &str| {
        let mut target = target(vec![0]);
        target.table.columns[2].insert_only = true;
        let found = statement(&target, verb, &[0, 2, 4]);
        assert!(found.contains(expected), "{found}");
        assert!(!found.contains("\"mood\" ="), "{found}");
    };
    check(Verb::Upsert, "(\"id\", \"mood\", \"doc\")");
    check(Verb::Upsert, "DO UPDATE SET \"doc\" = EXCLUDED.\"doc\"");
    check(Verb::Update, "SET \"doc\" = source.c2 FROM");
}

#[test]
fn names_are_quoted() {
    assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    assert_eq!(qualified(&TableName::parse("orders")), "\"orders\"");
    assert_eq!(qualified(&TableName::parse("a.b.c")), "\"a\".\"b.c\"");
}

#[test]
fn unfit_identifiers_are_refused() {
    let check = |name: &str, problem: &str| {
        let error = check_identifier("column", name).expect_err(name);
        assert!(error.to_string().contains(problem), "{error}");
    };
    check("", "is empty");
    check("a\0b", "U+0000");
    check(&"ü".repeat(32), "63 bytes");
    assert!(check_identifier("column", &"x".repeat(63)).is_ok());
}
