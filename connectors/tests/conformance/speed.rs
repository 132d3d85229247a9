//! Batches that are not all alike must not fall to the speed of single rows. Measured on what the sink
//! itself does: no Kafka, no records, one session.

use std::sync::Arc;
use std::time::Instant;

use rowdock_connectors::{
    Cell, ColumnType, NewColumn, NewTable, RowKind, Session, TableName, TableRows, Target,
    WriteMode, WriteOutcome,
};

use super::Database;
use super::databases::mysql::{mariadb, mysql};
use super::databases::postgres::postgres_18;
use super::databases::sqlite::Sqlite;
use super::support::{Record, int, rows, rows_only, session_without_positions, target};

const BATCH_ROWS: i64 = 5_000;
const BATCHES: i64 = 8;
const KEYS: i64 = 20_000;

/// Fields besides the key.
const FIELDS: usize = 7;

/// Of the rate of rows that are all alike.
const SHARE_MIN: f64 = 0.4;

const NAMES: [&str; FIELDS + 1] = ["id", "a", "b", "c", "d", "e", "f", "g"];

/// What is special about the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Alike,
    /// Eight sets of fields.
    FewShapes,
    /// As many as there are.
    ManyShapes,
    /// Every fifth row is a delete.
    Deletes,
}

async fn table(session: &mut dyn Session, name: &str) -> Arc<Target> {
    let column = |name: &&str| NewColumn {
        name: (*name).to_owned(),
        column_type: match *name {
            "c" | "e" => ColumnType::Text {
                max_chars: Some(40),
            },
            "d" => ColumnType::Float64,
            _ => ColumnType::Int64,
        },
        nullable: *name != "id",
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse(name),
        columns: NAMES.iter().map(column).collect(),
        primary_key: vec!["id".to_owned()],
    };
    session.create_table(&wanted).await.expect("created");
    target(session, name, &NAMES, 1, WriteMode::Upsert).await
}

fn batch(target: &Arc<Target>, load: Load, number: i64, random: &mut fastrand::Rng) -> TableRows {
    let cell = |field: usize, value: i64| match field {
        2 | 4 => Cell::Text("some text of a usual length"),
        3 => Cell::Float(0.5),
        _ => int(value),
    };
    let records: Vec<Record<'_>> = (0..BATCH_ROWS)
        .map(|row| {
            // Every key before it comes back, in no order.
            let id = (number * BATCH_ROWS + row) % KEYS * 7_919 % KEYS;
            if load == Load::Deletes && row % 5 == 4 {
                return (vec![int(id)], RowKind::Delete);
            }
            let shape = match load {
                Load::Alike | Load::Deletes => 0,
                Load::FewShapes => random.u8(..) & 0b010_1010,
                Load::ManyShapes => random.u8(..),
            };
            let mut cells = vec![int(id)];
            cells.extend((0..FIELDS).map(|field| match shape >> field & 1 {
                0 => cell(field, row),
                _ => Cell::Absent,
            }));
            (cells, RowKind::Write)
        })
        .collect();
    rows(target, &records)
}

/// Rows a second, over keys that are all there.
async fn rate(session: &mut dyn Session, target: &Arc<Target>, load: Load) -> f64 {
    let mut random = fastrand::Rng::with_seed(3);
    let mut batches: Vec<_> = (0..BATCHES)
        .map(|number| rows_only(vec![batch(target, load, number, &mut random)]))
        .collect();
    // The first one prepares the statements.
    batches.insert(0, batches[0].clone());
    let mut began = Instant::now();
    for (place, batch) in batches.iter().enumerate() {
        if place == 1 {
            began = Instant::now();
        }
        let outcome = session.write(batch).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
    }
    (BATCH_ROWS * BATCHES) as f64 / began.elapsed().as_secs_f64()
}

async fn measure(name: &str, database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let upserts = table(&mut *session, "speed").await;
    let updates = Arc::new(Target {
        mode: WriteMode::Update,
        ..Target::clone(&upserts)
    });
    rate(&mut *session, &upserts, Load::Alike).await;
    let alike = rate(&mut *session, &upserts, Load::Alike).await;
    println!("{name}: upsert, rows alike: {alike:.0} rows/s");
    let mut slow = Vec::new();
    for (what, target, load) in [
        ("upsert, 8 shapes", &upserts, Load::FewShapes),
        ("upsert, 128 shapes", &upserts, Load::ManyShapes),
        ("update, rows alike", &updates, Load::Alike),
        ("update, 128 shapes", &updates, Load::ManyShapes),
        ("upsert, deletes between", &upserts, Load::Deletes),
    ] {
        let rate = rate(&mut *session, target, load).await;
        let share = rate / alike;
        println!("{name}: {what}: {rate:.0} rows/s, {:.0} %", share * 100.0);
        if share < SHARE_MIN {
            slow.push(format!("{what}: {share:.2}"));
        }
    }
    assert!(slow.is_empty(), "{name}: {slow:?}");
}

mod chaos_of_shapes {
    use super::*;

    #[tokio::test]
    #[ignore = "measures time: make chaos"]
    async fn in_postgres() {
        measure("postgres", &postgres_18().await).await;
    }

    #[tokio::test]
    #[ignore = "measures time: make chaos"]
    async fn in_mysql() {
        measure("mysql", &mysql().await).await;
    }

    #[tokio::test]
    #[ignore = "measures time: make chaos"]
    async fn in_mariadb() {
        measure("mariadb", &mariadb().await).await;
    }

    #[tokio::test]
    #[ignore = "measures time: make chaos"]
    async fn in_sqlite() {
        measure("sqlite", &Sqlite::new()).await;
    }
}
