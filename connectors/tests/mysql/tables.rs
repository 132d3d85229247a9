//! Tables: described as the catalog has them, created, changed and refused.

use std::time::Duration;

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{
    ColumnType, ErrorClass, NewColumn, NewTable, Session, Sink, Table, TableName,
};

use super::servers;
use crate::conformance::databases::mysql::mariadb;
use crate::conformance::support::{Server, options, session_without_positions, until};

/// `name type null default generated`, as the sink sees a column.
fn shown(table: &Table) -> Vec<String> {
    let columns = table.columns.iter();
    columns
        .map(|column| {
            format!(
                "{} {} {}{}{}",
                column.name,
                column.column_type,
                if column.nullable { "null" } else { "required" },
                if column.has_default { " default" } else { "" },
                if column.generated { " generated" } else { "" },
            )
        })
        .collect()
}

async fn described(session: &mut dyn Session, name: &str) -> Table {
    let described = session.describe_table(&TableName::parse(name)).await;
    described.expect("described").expect("exists")
}

#[tokio::test]
async fn tables_are_described_as_the_catalog_has_them() {
    for server in servers().await {
        server
            .run(
                "CREATE TABLE `odd ``table```(\
                     id bigint unsigned AUTO_INCREMENT, `Two` smallint NOT NULL, \
                     amount decimal(10,2) DEFAULT 0, short varchar(7), code char(3) NOT NULL DEFAULT 'x', \
                     doc json, at timestamp(3) NULL, on_day date, flag tinyint(1), \
                     twice int AS (`Two` * 2) VIRTUAL, spot point, \
                     PRIMARY KEY (`Two`, id), KEY (id), UNIQUE (code), UNIQUE (short), \
                     UNIQUE (code, on_day), UNIQUE (`Two`, code(2)))",
            )
            .await;
        let mut session = session_without_positions(&server).await;
        let table = described(&mut *session, "odd `table`").await;
        assert_eq!(
            shown(&table),
            [
                "id 64-bit unsigned integer required default",
                "Two 16-bit integer required",
                "amount decimal(10,2) null default",
                "short text(7) null",
                "code text(3) required default",
                "doc json null",
                "at timestamp with time zone null",
                "on_day date null",
                "flag integer from -128 to 127 null",
                "twice 32-bit integer null default generated",
                "spot geometry null",
            ]
        );
        assert_eq!(table.primary_key, ["Two", "id"]);
        assert_eq!(
            table.unique_keys,
            [vec!["code"]],
            "whole columns that are never null"
        );
        let elsewhere = format!("{}.odd `table`", server.name);
        assert_eq!(
            described(&mut *session, &elsewhere).await.columns,
            table.columns
        );
    }
}

#[tokio::test]
async fn tables_without_transactions_are_refused() {
    for server in servers().await {
        server.run("CREATE TABLE t (n int) ENGINE = MyISAM").await;
        let mut session = session_without_positions(&server).await;
        let refused = session.describe_table(&TableName::parse("t")).await;
        let error = refused.expect_err("no transactions");
        assert_eq!(error.class(), ErrorClass::Stop);
        let message = error.to_string();
        assert!(
            message.contains("ALTER TABLE `t` ENGINE = InnoDB"),
            "{message}"
        );
    }
}

fn all_types() -> NewTable {
    let column = |(name, column_type): (&str, ColumnType)| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    let text = |max_chars| ColumnType::Text { max_chars };
    let decimal = |limits: Option<(u32, u32)>| ColumnType::Decimal {
        precision: limits.map(|(precision, _)| precision),
        scale: limits.map(|(_, scale)| scale),
    };
    let columns = [
        ("id", text(None)),
        ("raw_id", ColumnType::Bytes),
        ("yes", ColumnType::Bool),
        ("two", ColumnType::Int16),
        ("four", ColumnType::Int32),
        ("eight", ColumnType::Int64),
        ("single", ColumnType::Float32),
        ("double", ColumnType::Float64),
        ("amount", decimal(Some((12, 3)))),
        ("any_amount", decimal(None)),
        ("code", text(Some(8))),
        ("note", text(None)),
        ("raw", ColumnType::Bytes),
        ("day", ColumnType::Date),
        ("clock", ColumnType::Time),
        ("local", ColumnType::Timestamp),
        ("instant", ColumnType::TimestampTz),
        ("uuid", ColumnType::Uuid),
        ("doc", ColumnType::Json),
    ];
    NewTable {
        name: TableName::parse("everything"),
        columns: columns.into_iter().map(column).collect(),
        primary_key: vec!["id".to_owned(), "raw_id".to_owned()],
    }
}

#[tokio::test]
async fn every_type_can_be_created() {
    for server in servers().await {
        let mut session = session_without_positions(&server).await;
        let table = session.create_table(&all_types()).await.expect("created");
        let found = shown(&table);
        for expected in [
            "id text(255) required",
            "raw_id bytes(255) required",
            "yes integer from -128 to 127 null",
            "eight 64-bit integer null",
            "single 32-bit float null",
            "any_amount decimal(65,30) null",
            "code text(8) null",
            "note text null",
            "instant timestamp null",
            "doc json null",
        ] {
            assert!(
                found.iter().any(|column| column == expected),
                "{expected}: {found:?}"
            );
        }
        // Keys that differ in nothing but case, accent or a blank are different keys.
        let add = "INSERT INTO everything (id, raw_id) VALUES ('a', ''), ('A', ''), ('a ', ''), ('ä', '')";
        server.run(add).await;
    }
}

fn nullable(name: &str, column_type: ColumnType) -> NewColumn {
    NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    }
}

#[tokio::test]
async fn columns_are_added_and_widened() {
    for server in servers().await {
        server
            .run(
                "CREATE TABLE t (id varchar(20) PRIMARY KEY, n int NOT NULL COMMENT 'it''s', \
                 v varchar(3) COLLATE utf8mb4_bin, d decimal(5,2), defaulted smallint DEFAULT (1 + 6))",
            )
            .await;
        server
            .run("INSERT INTO t VALUES ('a', 1, 'x', 1.5, 2)")
            .await;
        let mut session = session_without_positions(&server).await;
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        let wanted = [
            nullable("d", decimal(None, None)),
            nullable("n", ColumnType::Int64),
            nullable("v", ColumnType::Text { max_chars: Some(9) }),
            nullable("added", ColumnType::Json),
        ];
        let name = TableName::parse("t");
        // What has been changed is no change any more.
        for _ in 0..2 {
            let table = session.evolve_table(&name, &wanted).await.expect("evolved");
            assert_eq!(
                shown(&table),
                [
                    "id text(20) required",
                    "n 64-bit integer required",
                    "v text(9) null",
                    "d decimal(65,30) null",
                    "defaulted 16-bit integer null default",
                    "added json null",
                ]
            );
        }
        let kept = server
            .texts(
                "SELECT CONCAT_WS('/', COLUMN_COMMENT, COLLATION_NAME) FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME IN ('n', 'v') ORDER BY COLUMN_NAME",
            )
            .await;
        assert_eq!(kept, ["it's", "/utf8mb4_bin"]);
        // A computed default would be lost, an index cannot hold it, and there is no wider one.
        for (refused, said) in [
            (
                nullable("defaulted", ColumnType::Int32),
                "MODIFY COLUMN `defaulted` int",
            ),
            (
                nullable(
                    "id",
                    ColumnType::Text {
                        max_chars: Some(4_096),
                    },
                ),
                "MODIFY COLUMN `id` longtext",
            ),
            (nullable("d", decimal(Some(66), Some(30))), "decimal(65,30)"),
        ] {
            let refused = session.evolve_table(&name, &[refused]).await;
            let error = refused.expect_err(said);
            assert_eq!(error.class(), ErrorClass::Record, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

#[tokio::test]
async fn unsigned_columns_and_keys_are_widened() {
    let unsigned = |high| ColumnType::IntRange { low: 0, high };
    let text = |max_chars| ColumnType::Text {
        max_chars: Some(max_chars),
    };
    for server in servers().await {
        server
            .run(
                "CREATE TABLE t (a varchar(700) NOT NULL, b varchar(20) NOT NULL DEFAULT 'x', \
                 tiny tinyint unsigned DEFAULT 7, more int unsigned NOT NULL, most bigint unsigned, \
                 signed smallint unsigned, flag tinyint(1), filled smallint unsigned zerofill, \
                 PRIMARY KEY (a, b)) DEFAULT CHARACTER SET utf8mb4",
            )
            .await;
        server
            .run("INSERT INTO t VALUES ('a', 'b', 255, 4294967295, 18446744073709551615, 65535, -1, 9)")
            .await;
        let mut session = session_without_positions(&server).await;
        let wanted = [
            nullable("b", text(64)),
            nullable("tiny", unsigned(4_294_967_295)),
            nullable("more", ColumnType::UInt64),
            nullable("most", ColumnType::Int64),
            nullable("signed", ColumnType::Int32),
            nullable("flag", ColumnType::Int32),
        ];
        let name = TableName::parse("t");
        let evolved = session.evolve_table(&name, &wanted).await;
        assert_eq!(
            shown(&evolved.expect("evolved")),
            [
                "a text(700) required",
                "b text(64) required default",
                "tiny integer from 0 to 4294967295 null default",
                "more 64-bit unsigned integer required",
                "most decimal(20,0) null",
                "signed 32-bit integer null",
                "flag 32-bit integer null",
                "filled integer from 0 to 65535 null",
            ]
        );
        let row = "SELECT CONCAT_WS(',', a, b, tiny, more, most, signed, flag) FROM t";
        let kept = "a,b,255,4294967295,18446744073709551615,65535,-1";
        assert_eq!(server.texts(row).await, [kept]);
        // More than the index has room for, and what would look otherwise.
        for (refused, said) in [
            (nullable("b", text(128)), "MODIFY COLUMN `b` varchar(128)"),
            (
                nullable("filled", ColumnType::Int32),
                "fills its numbers up",
            ),
        ] {
            let refused = session.evolve_table(&name, &[refused]).await;
            let error = refused.expect_err(said);
            assert_eq!(error.class(), ErrorClass::Record, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

/// The catalog shows some of these cut or bent.
const DEFAULTED: &str = "\
    CREATE TABLE t (id int PRIMARY KEY, small smallint NOT NULL DEFAULT -7, \
        single float DEFAULT 1234567, amount decimal(5,2) DEFAULT -1.50, whole int DEFAULT (9), \
        short varchar(20) NOT NULL DEFAULT 'it''s \\\\ \\0 \\n 😀', latin varchar(9) CHARACTER SET latin1 DEFAULT 'ü', \
        tiny tinytext DEFAULT ('it''s'), raw varbinary(8) DEFAULT x'00ff275c', \
        `large` blob DEFAULT (x'00ff'), nothing varchar(9) DEFAULT '', word varchar(9) DEFAULT 'NULL', \
        bare varchar(9)) DEFAULT CHARACTER SET utf8mb4";

#[tokio::test]
async fn widened_columns_keep_their_defaults() {
    let text = |max_chars| ColumnType::Text { max_chars };
    let bytes = |max_bytes| ColumnType::SizedBytes { max_bytes };
    let wanted = [
        (
            "small",
            ColumnType::Int64,
            "64-bit integer required default",
        ),
        ("single", ColumnType::Float64, "64-bit float null default"),
        (
            "amount",
            ColumnType::Decimal {
                precision: Some(9),
                scale: Some(3),
            },
            "decimal(9,3) null default",
        ),
        ("whole", ColumnType::Int64, "64-bit integer null default"),
        ("short", text(None), "text required default"),
        ("latin", text(Some(32)), "text(32) null default"),
        ("tiny", text(None), "text null default"),
        ("raw", bytes(64), "bytes(64) null default"),
        ("large", ColumnType::Bytes, "bytes null default"),
        ("nothing", text(None), "text null default"),
        ("word", text(Some(32)), "text(32) null default"),
        ("bare", text(Some(32)), "text(32) null"),
    ];
    let columns = wanted.clone().map(|(name, column_type, _)| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    });
    for server in servers().await {
        server.run(DEFAULTED).await;
        server.run("INSERT INTO t (id) VALUES (1)").await;
        let mut session = session_without_positions(&server).await;
        let evolved = session.evolve_table(&TableName::parse("t"), &columns).await;
        let found = shown(&evolved.expect("evolved"));
        for (name, _, expected) in &wanted {
            let expected = format!("{name} {expected}");
            assert!(found.contains(&expected), "{expected}: {found:?}");
        }
        server.run("INSERT INTO t (id) VALUES (2)").await;
        let rows = "SELECT CONCAT_WS('/', small, single, amount, whole, HEX(short), HEX(latin), tiny, \
                    HEX(raw), HEX(`large`), HEX(nothing), word, bare IS NULL) FROM t ORDER BY id";
        let row =
            "-7/1234567/-1.500/9/69742773205C2000200A20F09F9880/FC/it's/00FF275C/00FF//NULL/1";
        assert_eq!(server.texts(rows).await, [row, row]);
    }
}

/// Their bounds come to more than a row may hold.
#[tokio::test]
async fn tables_of_many_long_texts_are_created_and_extended() {
    let text = || ColumnType::Text {
        max_chars: Some(4_000),
    };
    for server in servers().await {
        let names = ["a", "b", "c", "d", "e"];
        let wanted = NewTable {
            name: TableName::parse("t"),
            columns: names.map(|name| nullable(name, text())).to_vec(),
            primary_key: Vec::new(),
        };
        let mut session = session_without_positions(&server).await;
        let table = session.create_table(&wanted).await.expect("created");
        let bounded = shown(&table);
        let is_bounded = |column: &&String| column.contains("text(4000)");
        assert_eq!(bounded.iter().filter(is_bounded).count(), 3, "{bounded:?}");
        let wanted = [nullable("f", text()), nullable("g", text())];
        let evolved = session.evolve_table(&table.name, &wanted).await;
        let evolved = shown(&evolved.expect("evolved"));
        assert!(evolved.contains(&"g text null".to_owned()), "{evolved:?}");
    }
}

/// As with a large table: here it is somebody else who keeps the definition waiting for longer than a
/// statement may take.
#[tokio::test]
async fn a_definition_may_take_longer_than_a_statement() {
    const STATEMENT: Duration = Duration::from_secs(2);
    for server in servers().await {
        server.run("CREATE TABLE t (id bigint PRIMARY KEY)").await;
        let mut options = options(&server.url(), "orders", false);
        options.timeouts.statement = STATEMENT;
        options.timeouts.lock = Duration::from_secs(60);
        let sink = MySqlSink::new(options).expect("options");
        let mut session = sink.open().await.expect("session");
        let mut other = server.client().await;
        other.run("BEGIN").await.expect("begun");
        other.run("SELECT id FROM t").await.expect("read");
        let evolving = tokio::spawn(async move {
            let wanted = [nullable("added", ColumnType::Int64)];
            session.evolve_table(&TableName::parse("t"), &wanted).await
        });
        let waiting = format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{}' AND TIME > {} AND \
             STATE = 'Waiting for table metadata lock'",
            server.name,
            STATEMENT.as_secs()
        );
        until("the definition has waited", async || {
            evolving.is_finished() || !server.texts(&waiting).await.is_empty()
        })
        .await;
        other.run("COMMIT").await.expect("ended");
        let evolved = evolving.await.expect("joined").expect("evolved");
        assert_eq!(evolved.columns.len(), 2);
    }
}

/// A definition that is written out again without it would be without it. MySQL's checks are the table's.
#[tokio::test]
async fn checks_of_columns_are_kept() {
    for server in servers().await {
        server
            .run("CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0), free int)")
            .await;
        let mut session = session_without_positions(&server).await;
        let name = TableName::parse("t");
        let wanted = [nullable("n", ColumnType::Int64)];
        let evolved = session.evolve_table(&name, &wanted).await;
        if let Err(error) = evolved {
            assert_eq!(error.class(), ErrorClass::Record, "{error}");
            assert!(error.to_string().contains("MODIFY COLUMN `n`"), "{error}");
        }
        let wanted = [nullable("free", ColumnType::Int64)];
        let evolved = session.evolve_table(&name, &wanted).await;
        evolved.expect("has no check");
        let mut client = server.client().await;
        let refused = client.run("INSERT INTO t (id, n) VALUES (1, -1)").await;
        refused.expect_err("the check is gone");
    }
}

#[tokio::test]
async fn columns_of_mariadb_with_more_to_them_are_left_to_people() {
    let server = mariadb().await;
    server
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(100) COMPRESSED, \
             w int WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING",
        )
        .await;
    let mut session = session_without_positions(&server).await;
    let text = ColumnType::Text {
        max_chars: Some(200),
    };
    for wanted in [nullable("v", text), nullable("w", ColumnType::Int64)] {
        let name = TableName::parse("t");
        let refused = session.evolve_table(&name, &[wanted]).await;
        let error = refused.expect_err("more to it");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        let said = error.to_string();
        assert!(said.contains("written out again"), "{said}");
    }
}

#[tokio::test]
async fn what_cannot_be_created_is_shown() {
    for server in servers().await {
        let mut session = session_without_positions(&server).await;
        let mut elsewhere = all_types();
        elsewhere.name = TableName::parse("no_such_database.t");
        let refused = session.create_table(&elsewhere).await;
        let error = refused.expect_err("no database");
        assert_eq!(error.class(), ErrorClass::Stop);
        let message = error.to_string();
        assert!(
            message.contains("CREATE TABLE IF NOT EXISTS `no_such_database`.`t`"),
            "{message}"
        );
        // The session goes on.
        session.create_table(&all_types()).await.expect("created");
    }
}

/// MariaDB's catalog alone shows it now and then without keys, without columns, or not at all, while the
/// changed one takes its place.
#[tokio::test]
async fn a_table_is_there_while_somebody_changes_it() {
    const CHANGES: usize = 60;
    for server in servers().await {
        server.run("CREATE TABLE t (id bigint PRIMARY KEY)").await;
        let mut session = session_without_positions(&server).await;
        let changing = async {
            for change in 0..CHANGES {
                let column_type = if change % 2 == 0 { "int" } else { "bigint" };
                server
                    .run(&format!("ALTER TABLE t MODIFY id {column_type}"))
                    .await;
            }
        };
        let describing = async {
            loop {
                let table = described(&mut *session, "t").await;
                assert_eq!((table.columns.len(), table.primary_key.len()), (1, 1));
            }
        };
        tokio::select! {
            () = changing => {}
            () = describing => {}
        }
    }
}
