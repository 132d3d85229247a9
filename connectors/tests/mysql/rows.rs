//! Values there and back, and the statements that carry them.

use std::sync::Arc;

use rowdock_connectors::{
    Batch, Cell, ErrorClass, Origin, RowKind, Session, TableName, TableRows, Target, Timestamp,
    WriteMode,
};

use super::servers;
use crate::conformance::databases::mysql::Schema;
use crate::conformance::support::{
    Record, Server, int, put, rows, rows_only, session_without_positions, target,
};

/// Writes one value into a table of one column and returns what stands there, or why it does not.
async fn stored(
    server: &Schema,
    session: &mut dyn Session,
    definition: &str,
    cell: Cell<'_>,
    shown: &str,
) -> Result<String, String> {
    server.run("DROP TABLE IF EXISTS v").await;
    server
        .run(&format!("CREATE TABLE v (c {definition})"))
        .await;
    let target = target(session, "v", &["c"], 0, WriteMode::Insert).await;
    let mut written = TableRows::new(target);
    written.columns[0].push(cell).expect("fits its column");
    written.finish_row(Origin {
        position: 0,
        offset: 0,
        kind: RowKind::Write,
    });
    match session.write(&rows_only(vec![written])).await {
        Ok(_) => Ok(server
            .texts(&format!("SELECT {shown} FROM v"))
            .await
            .remove(0)),
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Record, "{definition}: {error}");
            assert!(!error.connection_lost(), "{error}");
            Err(error.to_string())
        }
    }
}

fn at(seconds: i64, nanos: u32) -> Cell<'static> {
    Cell::Timestamp(Timestamp { seconds, nanos })
}

#[tokio::test]
async fn every_type_there_and_back() {
    let digits = "9".repeat(35) + "." + &"8".repeat(30);
    let noon = 12 * 3_600 * 1_000_000_000 + 123_456_789;
    let wkb = [
        1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x24, 0x40, 0, 0, 0, 0, 0, 0, 0x34, 0x40,
    ];
    let cases: &[(&str, Cell<'_>, &str, &str)] = &[
        ("tinyint(1)", int(1), "c", "1"),
        ("tinyint", int(-128), "c", "-128"),
        ("tinyint unsigned", int(255), "c", "255"),
        ("smallint unsigned", int(65_535), "c", "65535"),
        ("mediumint", int(-8_388_608), "c", "-8388608"),
        ("int unsigned", int(4_294_967_295), "c", "4294967295"),
        ("bigint", int(i64::MIN), "c", "-9223372036854775808"),
        (
            "bigint unsigned",
            Cell::Decimal("18446744073709551615"),
            "c",
            "18446744073709551615",
        ),
        ("bit(1)", Cell::Bool(true), "c + 0", "1"),
        ("bit(12)", Cell::Text("101010111100"), "HEX(c)", "ABC"),
        (
            "bit(64)",
            Cell::Text("1111111111111111111111111111111111111111111111111111111111111111"),
            "HEX(c)",
            "FFFFFFFFFFFFFFFF",
        ),
        ("tinyint(1)", int(-128), "c", "-128"),
        ("mediumint unsigned", int(16_777_215), "c", "16777215"),
        ("int unsigned zerofill", int(7), "c + 0", "7"),
        ("year", int(2026), "c", "2026"),
        ("float", Cell::Float(0.1), "c = CAST(0.1 AS FLOAT)", "1"),
        (
            "double",
            Cell::Float(f64::MIN_POSITIVE),
            "c",
            "2.2250738585072014e-308",
        ),
        ("decimal(65,30)", Cell::Decimal(&digits), "c", &digits),
        ("decimal(10,2)", Cell::Decimal("-1.5"), "c", "-1.50"),
        ("varchar(3)", Cell::Text("a😀ü"), "HEX(c)", "61F09F9880C3BC"),
        ("varchar(3)", Cell::Text(""), "CONCAT('<', c, '>')", "<>"),
        (
            "varchar(9)",
            Cell::Text("a\0'\\\"b"),
            "HEX(c)",
            "6100275C2262",
        ),
        ("char(3)", Cell::Text("é"), "c", "é"),
        (
            "varchar(3) CHARACTER SET latin1",
            Cell::Text("é"),
            "HEX(c)",
            "E9",
        ),
        ("longtext", Cell::Text("long"), "c", "long"),
        ("enum('a','it''s')", Cell::Text("it's"), "c + 0", "2"),
        ("set('a','b','c')", Cell::Text("a,c"), "c + 0", "5"),
        (
            "varbinary(4)",
            Cell::Bytes(&[0, 255, 0x80, b'\'']),
            "HEX(c)",
            "00FF8027",
        ),
        ("binary(3)", Cell::Bytes(&[7]), "HEX(c)", "070000"),
        ("longblob", Cell::Bytes(&[]), "LENGTH(c)", "0"),
        ("date", Cell::Date(-719_162), "c", "0001-01-01"),
        ("date", Cell::Date(2_932_896), "c", "9999-12-31"),
        ("time(6)", Cell::Time(noon), "c", "12:00:00.123456"),
        ("time", Cell::Time(noon), "c", "12:00:00"),
        ("time", Cell::Time(86_400_000_000_000), "c", "24:00:00"),
        (
            "time",
            Cell::Time(-3_020_399_000_000_000),
            "c",
            "-838:59:59",
        ),
        ("time(6)", Cell::Time(-1_000), "c", "-00:00:00.000001"),
        ("year", int(0), "c", "0000"),
        ("tinytext", Cell::Text("😀"), "HEX(c)", "F09F9880"),
        ("mediumblob", Cell::Bytes(&[0]), "HEX(c)", "00"),
        (
            "datetime(6)",
            at(-1, 999_999_999),
            "c",
            "1969-12-31 23:59:59.999999",
        ),
        (
            "datetime(3)",
            at(0, 999_999_999),
            "c",
            "1970-01-01 00:00:00.999",
        ),
        (
            "datetime",
            at(1_700_000_000, 600_000_000),
            "c",
            "2023-11-14 22:13:20",
        ),
        (
            "timestamp(6)",
            at(1_700_000_000, 1_000),
            "UNIX_TIMESTAMP(c)",
            "1700000000.000001",
        ),
        (
            "json",
            Cell::Json("{\"a\": [1, \"ü\"]}"),
            "JSON_UNQUOTE(JSON_EXTRACT(c, '$.a[1]'))",
            "ü",
        ),
        ("point", Cell::Bytes(&wkb), "ST_AsText(c)", "POINT(10 20)"),
        ("int", Cell::Null, "c IS NULL", "1"),
    ];
    for server in servers().await {
        let mut session = session_without_positions(&server).await;
        for (definition, cell, shown, expected) in cases {
            let found = stored(&server, &mut *session, definition, *cell, shown).await;
            assert_eq!(found.as_deref(), Ok(*expected), "{definition}");
        }
    }
}

/// A type that only MySQL has.
#[tokio::test]
async fn vectors_there_and_back() {
    let server = Schema::at("ROWDOCK_TEST_MYSQL").await;
    let mut session = session_without_positions(&server).await;
    let shown = "VECTOR_TO_STRING(c)";
    let vector = Cell::Text("[1, -2.5, 3e2]");
    let found = stored(&server, &mut *session, "vector(3)", vector, shown).await;
    let expected = "[1.00000e+00,-2.50000e+00,3.00000e+02]";
    assert_eq!(found.as_deref(), Ok(expected));
    for bad in ["[1,2,3,4]", "[1,s3cret]", "s3cret"] {
        let bad = Cell::Text(bad);
        let found = stored(&server, &mut *session, "vector(3)", bad, shown).await;
        let reason = found.expect_err("no vector of three");
        assert!(!reason.contains("s3cret"), "{reason}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_not_bent() {
    let cases: &[(&str, Cell<'_>)] = &[
        ("tinyint", int(128)),
        ("tinyint unsigned", int(-1)),
        ("smallint", int(32_768)),
        ("mediumint", int(8_388_608)),
        ("int", int(2_147_483_648)),
        ("bigint unsigned", Cell::Decimal("-1")),
        ("bit(3)", Cell::Text("1000")),
        ("time", Cell::Time(3_020_400_000_000_000)),
        ("year", int(26)),
        ("year", int(1_900)),
        ("float", Cell::Float(1e300)),
        ("double", Cell::Float(f64::INFINITY)),
        ("decimal(4,2)", Cell::Decimal("100.00")),
        ("varchar(2)", Cell::Text("abc")),
        (
            "tinytext",
            Cell::Text(
                "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
            ),
        ),
        ("varchar(9) CHARACTER SET latin1", Cell::Text("😀")),
        ("varchar(9) CHARACTER SET utf8mb3", Cell::Text("😀")),
        ("enum('a','b')", Cell::Text("c")),
        ("enum('a','b')", Cell::Text("1")),
        ("set('a','b')", Cell::Text("a,c")),
        ("set('a','b')", Cell::Text("3")),
        ("varbinary(1)", Cell::Bytes(&[1, 2])),
        ("date", Cell::Date(2_932_897)),
        ("timestamp", at(-1, 0)),
        ("timestamp", at(99_000_000_000, 0)),
        ("datetime", at(i64::MAX, 0)),
        ("json", Cell::Json("{")),
        ("point", Cell::Bytes(&[1, 2, 3])),
        ("int NOT NULL", Cell::Null),
        ("int CHECK (c > 0)", int(-1)),
    ];
    for server in servers().await {
        let mut session = session_without_positions(&server).await;
        for (definition, cell) in cases {
            let found = stored(&server, &mut *session, definition, *cell, "c").await;
            let reason = found.expect_err(definition);
            assert!(!reason.is_empty(), "{definition}");
            assert!(server.texts("SELECT 1 FROM v").await.is_empty());
        }
    }
}

/// Values of 16 MiB, beside an empty one; larger ones than the server takes are the row's fault.
#[tokio::test]
async fn large_values_are_written_or_refused_by_their_size() {
    let [mysql, mariadb] = servers().await;
    let large = "x".repeat(16 * 1024 * 1024);
    for (server, is_written) in [(mysql, true), (mariadb, false)] {
        server
            .run("CREATE TABLE t (id bigint PRIMARY KEY, n longtext, note longtext)")
            .await;
        let mut session = session_without_positions(&server).await;
        let columns = ["id", "n", "note"];
        let target = target(&mut *session, "t", &columns, 1, WriteMode::Insert).await;
        let records = [
            put(1, Cell::Text("a"), Cell::Text("b")),
            put(2, Cell::Text(&large), Cell::Text("")),
            put(3, Cell::Null, Cell::Text("c")),
        ];
        let written = rows_only(vec![rows(&target, &records)]);
        let outcome = session.write(&written).await;
        let lengths = "SELECT CONCAT(id, ':', LENGTH(n), ':', LENGTH(note)) FROM t ORDER BY id";
        if is_written {
            outcome.expect("written");
            assert_eq!(
                server.texts(lengths).await,
                ["1:1:1", "2:16777216:0", "null"]
            );
            continue;
        }
        let error = outcome.expect_err("too large for this server");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        assert!(error.to_string().contains("max_allowed_packet"), "{error}");
        let found = session.find_rejects(&written).await.expect("found");
        assert_eq!(
            found.iter().map(|reject| reject.row).collect::<Vec<_>>(),
            [1]
        );
    }
}

/// Keys that only the table finds equal keep the log's order.
#[tokio::test]
async fn keys_that_the_table_finds_equal_keep_their_order() {
    for server in servers().await {
        server
            .run("CREATE TABLE t (k varchar(20) PRIMARY KEY, n int, note varchar(9)) COLLATE utf8mb4_unicode_ci")
            .await;
        let mut session = session_without_positions(&server).await;
        let columns = ["k", "n", "note"];
        let target = target(&mut *session, "t", &columns, 1, WriteMode::Upsert).await;
        let put = |k: &'static str, n, note| (vec![Cell::Text(k), int(n), note], RowKind::Write);
        let gone = |k: &'static str| (vec![Cell::Text(k)], RowKind::Delete);
        let records = [
            put("anna", 1, Cell::Text("x")),
            put("ANNA", 2, Cell::Absent),
            put("Bob ", 1, Cell::Null),
            gone("bob"),
            put("zoé", 1, Cell::Null),
            put("ZOE", 2, Cell::Null),
            put("anna", 3, Cell::Absent),
            gone("carl"),
            put("Carl", 1, Cell::Null),
        ];
        let written = rows_only(vec![rows(&target, &records)]);
        session.write(&written).await.expect("written");
        let found = server
            .texts("SELECT CONCAT_WS(',', LOWER(k), n, note) FROM t ORDER BY k")
            .await;
        assert_eq!(found, ["anna,3,x", "carl,1", "zoé,2"]);
    }
}

#[tokio::test]
async fn composite_keys_are_deleted_whatever_they_are_made_of() {
    for server in servers().await {
        server
            .run("CREATE TABLE t (d decimal(20,4), at datetime(6), f varchar(9), n int, PRIMARY KEY (d, at, f))")
            .await;
        let mut session = session_without_positions(&server).await;
        let columns = ["d", "at", "f", "n"];
        let target = target(&mut *session, "t", &columns, 3, WriteMode::Upsert).await;
        let key =
            |d: &'static str, nanos| vec![Cell::Decimal(d), at(5, nanos), Cell::Text("x"), int(1)];
        // Equal as doubles.
        let (first, second) = ("1234567890123456.0001", "1234567890123456.0002");
        let records = [
            (key(first, 1_000), RowKind::Write),
            (key(second, 1_000), RowKind::Write),
            (key(first, 2_000), RowKind::Write),
        ];
        let written = rows_only(vec![rows(&target, &records)]);
        session.write(&written).await.expect("written");
        let records = [(key(first, 1_000), RowKind::Delete)];
        let deleted = rows_only(vec![rows(&target, &records)]);
        session.write(&deleted).await.expect("deleted");
        let found = server
            .texts("SELECT CONCAT(d, ' ', MICROSECOND(at)) FROM t ORDER BY d, at")
            .await;
        assert_eq!(
            found,
            ["1234567890123456.0001 2", "1234567890123456.0002 1"]
        );
    }
}

/// Bytes that the column fills up with zeros.
#[tokio::test]
async fn keys_that_are_filled_up_are_found_again() {
    for server in servers().await {
        server
            .run("CREATE TABLE t (k binary(8), part int, n int, PRIMARY KEY (k, part))")
            .await;
        let mut session = session_without_positions(&server).await;
        let columns = ["k", "part", "n"];
        let upserts = target(&mut *session, "t", &columns, 2, WriteMode::Upsert).await;
        let updates = target(&mut *session, "t", &columns, 2, WriteMode::Update).await;
        let key = |k: &'static [u8], n| vec![Cell::Bytes(k), int(1), int(n)];
        let put = |k, n| (key(k, n), RowKind::Write);
        let gone = |k: &'static [u8]| (key(k, 0)[..2].to_vec(), RowKind::Delete);
        for n in [1, 2] {
            let records = [put(b"a", n), put(b"whole 8B", n), put(b"b", n)];
            let found = filled_up(&server, &mut *session, &upserts, &records).await;
            let keys = ["6100000000000000", "6200000000000000", "77686F6C65203842"];
            assert_eq!(found, keys.map(|key| format!("{key},{n}")));
        }
        let found = filled_up(&server, &mut *session, &updates, &[put(b"a", 3)]).await;
        assert_eq!(found[0], "6100000000000000,3");
        let records = [gone(b"a"), gone(b"whole 8B"), gone(b"c")];
        let found = filled_up(&server, &mut *session, &upserts, &records).await;
        assert_eq!(found, ["6200000000000000,2"]);
        // In the order of the log.
        let records = [put(b"d", 1), put(b"d\0", 2), gone(b"d"), gone(b"b\0")];
        let found = filled_up(&server, &mut *session, &upserts, &records).await;
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Writes, and returns what stands there then.
async fn filled_up(
    server: &Schema,
    session: &mut dyn Session,
    target: &Arc<Target>,
    records: &[Record<'_>],
) -> Vec<String> {
    let written = rows_only(vec![rows(target, records)]);
    session.write(&written).await.expect("written");
    let found = "SELECT CONCAT_WS(',', HEX(k), n) FROM t ORDER BY k";
    server.texts(found).await
}

#[tokio::test]
async fn generated_and_numbered_columns() {
    for server in servers().await {
        server
            .run("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int, twice int AS (n * 2) STORED)")
            .await;
        let mut session = session_without_positions(&server).await;
        let described = session.describe_table(&TableName::parse("t")).await;
        let table = described.expect("described").expect("exists");
        assert!(table.columns[0].has_default && !table.columns[0].generated);
        assert!(table.columns[2].generated);
        let target = Arc::new(Target {
            written: vec![0, 1],
            key: vec![0],
            mode: WriteMode::Upsert,
            guard: None,
            tombstones: None,
            table,
        });
        let records = [
            (vec![int(0), int(5)], RowKind::Write),
            (vec![int(-3), int(6)], RowKind::Write),
        ];
        let written: Batch = rows_only(vec![rows(&target, &records)]);
        session.write(&written).await.expect("written");
        let found = server
            .texts("SELECT CONCAT_WS(',', id, twice) FROM t ORDER BY id")
            .await;
        assert_eq!(found, ["-3,12", "0,10"]);
    }
}

/// What the mapping is told of each type, so that what does not fit never gets here.
#[tokio::test]
async fn columns_are_described_with_their_limits() {
    use rowdock_connectors::{ColumnType, Notation};
    let range = |low, high| ColumnType::IntRange { low, high };
    let cases = [
        ("tinyint(1)", range(-128, 127)),
        ("tinyint", range(-128, 127)),
        ("tinyint unsigned", range(0, 255)),
        ("smallint unsigned", range(0, 65_535)),
        ("mediumint", range(-8_388_608, 8_388_607)),
        ("int unsigned", range(0, 4_294_967_295)),
        ("bigint unsigned", ColumnType::UInt64),
        ("year", range(0, 2155)),
        ("bit(1)", ColumnType::Bool),
        (
            "bit(9)",
            ColumnType::Literal(Notation::Bits {
                length: Some(9),
                varying: false,
            }),
        ),
        ("time(3)", ColumnType::TimeSpan),
        ("binary(3)", ColumnType::SizedBytes { max_bytes: 3 }),
        ("varbinary(9)", ColumnType::SizedBytes { max_bytes: 9 }),
        ("tinyblob", ColumnType::SizedBytes { max_bytes: 255 }),
        ("blob", ColumnType::SizedBytes { max_bytes: 65_535 }),
        ("longblob", ColumnType::Bytes),
        ("tinytext", ColumnType::SizedText { max_bytes: 255 }),
        (
            "mediumtext",
            ColumnType::SizedText {
                max_bytes: 16_777_215,
            },
        ),
        ("longtext", ColumnType::Text { max_chars: None }),
        (
            "text CHARACTER SET latin1",
            ColumnType::Text { max_chars: None },
        ),
        ("varchar(7)", ColumnType::Text { max_chars: Some(7) }),
        ("enum('a')", ColumnType::Text { max_chars: None }),
        ("point", ColumnType::Geometry),
    ];
    for server in servers().await {
        let columns: Vec<String> = cases
            .iter()
            .enumerate()
            .map(|(place, (definition, _))| format!("c{place} {definition}"))
            .collect();
        let table = format!("CREATE TABLE t ({})", columns.join(", "));
        server.run(&table).await;
        let mut session = session_without_positions(&server).await;
        let described = session.describe_table(&TableName::parse("t")).await;
        let table = described.expect("described").expect("exists");
        for (column, (definition, expected)) in table.columns.iter().zip(&cases) {
            assert_eq!(column.column_type, *expected, "{definition}");
        }
    }
}
