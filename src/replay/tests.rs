//! Letters through the pipeline into a database in memory that fails and loses answers, beside a
//! rival that sends the same letters; no Kafka, no clock.

use std::slice;

use proptest::prelude::*;
use rowdock_connectors::memory::{Faults, MemorySink, Refusal, Value};
use rowdock_connectors::{ColumnDef, ColumnType, ProgressScope, Table, TableKind, TableName};

use super::*;
use crate::config::worker::WorkerSettings;
use crate::sessions::RequestSessions;

fn config(more: &[(&str, &str)]) -> Arc<ConnectorConfig> {
    let own = [
        ("name", "orders"),
        ("connector.class", "SqliteSink"),
        ("topics", "orders"),
        ("connection.url", "jdbc:sqlite:unused.db"),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "letters"),
    ];
    let all = own.iter().chain(more);
    let raw = all.map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
    Arc::new(ConnectorConfig::parse(&raw.collect(), &WorkerSettings::default()).unwrap())
}

/// What the database refuses, and what cannot be read.
fn is_refused(offset: i64) -> bool {
    offset % 7 == 3
}
fn is_malformed(offset: i64) -> bool {
    offset % 11 == 5
}

fn letter(partition: i32, offset: i64) -> Letter {
    let value = match is_malformed(offset) {
        true => "{".to_owned(),
        false => format!("{{\"id\":{}}}", i64::from(partition) * 1000 + offset),
    };
    Letter {
        topic: "orders".into(),
        partition,
        offset,
        stage: "TASK_PUT".to_owned(),
        reason: "bad".to_owned(),
        timestamp_ms: None,
        key: None,
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        ended_task: false,
    }
}

fn database() -> MemorySink {
    let scope = ProgressScope {
        cluster_id: "c/replay".to_owned(),
        connector: "orders".to_owned(),
    };
    let column = ColumnDef {
        name: "id".to_owned(),
        column_type: ColumnType::Int64,
        native_type: "bigint".to_owned(),
        native_type_id: 0,
        nullable: false,
        has_default: false,
        generated: false,
        insert_only: false,
    };
    let refusal: Refusal = Arc::new(|_, row| match row[0] {
        Value::Int(id) if is_refused(id % 1000) => Some("refused".to_owned()),
        _ => None,
    });
    MemorySink::new(scope)
        .with_table(Table {
            name: TableName::parse("orders"),
            kind: TableKind::default(),
            columns: vec![column],
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            text_allows_nul: true,
            has_zero_dates: false,
        })
        .refusing(refusal)
}

async fn pass(database: &MemorySink, config: &Arc<ConnectorConfig>) -> Pass {
    let sessions = RequestSessions::default();
    let lease = sessions
        .lease(config, "c".to_owned(), "replay")
        .await
        .unwrap();
    let lease = lease.at(Box::new(database.clone()));
    Pass::new(Arc::clone(config), lease, "worker/orders-replay".to_owned()).unwrap()
}

fn stored_ids(database: &MemorySink) -> Vec<i64> {
    let rows = &database.snapshot().tables["orders"];
    let id = |row: &Vec<Value>| match row[0] {
        Value::Int(id) => id,
        ref other => panic!("{other:?}"),
    };
    let mut ids: Vec<i64> = rows.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn each_letter_is_stored_once_whatever_fails(
        seed: u64,
        fault_per_mille in 0_u32..300,
        offsets in prop::collection::btree_set(0_i64..500, 1..60),
    ) {
        runtime().block_on(async {
            let database = database();
            database.set_faults(Faults::seeded(seed, fault_per_mille, 30));
            let config = config(&[]);
            let letters: Vec<Letter> = offsets
                .iter()
                .map(|offset| letter(i32::try_from(offset % 3).unwrap(), *offset))
                .collect();
            let (mut one, mut rival) = (pass(&database, &config).await, pass(&database, &config).await);
            let (first, second) = tokio::join!(one.send(&letters), rival.send(&letters[..letters.len() / 2]));
            prop_assert!(second.is_ok(), "{second:?}");
            let first = first.unwrap();
            for (letter, outcome) in letters.iter().zip(&first) {
                let is_bad = is_refused(letter.offset) || is_malformed(letter.offset);
                match outcome {
                    Outcome::Rejected(_) => prop_assert!(is_bad, "{letter:?}"),
                    Outcome::Stored | Outcome::ReplayedBefore => prop_assert!(!is_bad, "{letter:?}"),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            let good = offsets.iter().filter(|offset| !is_refused(**offset) && !is_malformed(**offset));
            let mut expected: Vec<i64> = good.map(|offset| offset % 3 * 1000 + offset).collect();
            expected.sort_unstable();
            prop_assert_eq!(stored_ids(&database), expected);
            // And again: nothing happens.
            let again = one.send(&letters).await.unwrap();
            let stored = again.iter().filter(|outcome| **outcome == Outcome::Stored).count();
            prop_assert_eq!(stored, 0);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn another_record_with_the_same_coordinates_is_told() {
    let database = database();
    let mut pass = pass(&database, &config(&[])).await;
    let old = letter(0, 1);
    let mut new = letter(0, 1);
    new.value = Some(b"{\"id\":2}".to_vec());
    assert_eq!(
        pass.send(slice::from_ref(&old)).await.unwrap(),
        [Outcome::Stored]
    );
    assert_eq!(
        pass.send(&[new.clone()]).await.unwrap(),
        [Outcome::OtherRecord]
    );
    assert_eq!(
        pass.send(slice::from_ref(&old)).await.unwrap(),
        [Outcome::ReplayedBefore]
    );
    assert_eq!(stored_ids(&database), [1]);
    let sent_before = pass.sent_before().await.unwrap();
    let mut report = Report::new(Place::Topic, true);
    let both = without_repetitions(vec![old.clone(), new.clone(), old], &mut report);
    assert_eq!((both.len(), report.repeated, report.unusable), (1, 1, 1));
    would_send(&both, &sent_before, &mut report);
    would_send(&[new, letter(0, 9)], &sent_before, &mut report);
    assert_eq!(
        (report.replayed_before, report.unusable, report.would_send),
        (1, 2, 1)
    );
}

#[tokio::test]
async fn what_a_transform_leaves_out_is_settled() {
    let database = database();
    let transforms = [
        ("transforms", "drop"),
        (
            "transforms.drop.type",
            "org.apache.kafka.connect.transforms.Filter",
        ),
        ("transforms.drop.predicate", "all"),
        ("predicates", "all"),
        (
            "predicates.all.type",
            "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        ),
        ("predicates.all.pattern", ".*"),
    ];
    let mut dropping = pass(&database, &config(&transforms)).await;
    assert_eq!(
        dropping.send(&[letter(0, 1)]).await.unwrap(),
        [Outcome::Filtered]
    );
    let mut storing = pass(&database, &config(&[])).await;
    assert_eq!(
        storing.send(&[letter(0, 1)]).await.unwrap(),
        [Outcome::ReplayedBefore]
    );
    assert!(stored_ids(&database).is_empty());
}

#[tokio::test]
async fn a_missing_table_is_created_or_named() {
    let database = database();
    let missing = config(&[("table.name.format", "elsewhere")]);
    let error = pass(&database, &missing)
        .await
        .send(&[letter(0, 1)])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("auto.create=true"), "{error}");
    let created = config(&[("table.name.format", "elsewhere"), ("auto.create", "true")]);
    let letters = [letter(0, 1), letter(0, 2), letter(0, 5)];
    let outcomes = pass(&database, &created)
        .await
        .send(&letters)
        .await
        .unwrap();
    assert_eq!(outcomes[..2], [Outcome::Stored, Outcome::Stored]);
    assert!(matches!(outcomes[2], Outcome::Rejected(_)));
    assert_eq!(database.snapshot().tables["elsewhere"].len(), 2);
}

#[tokio::test]
async fn nothing_is_replayed_where_there_are_no_transactions() {
    let replay = Replay {
        positions: Positions {
            config: Arc::new(ConnectorConfig {
                class: SinkClass::Cassandra,
                ..(*config(&[])).clone()
            }),
            consumer_properties: Vec::new(),
            sessions: RequestSessions::default(),
        },
        worker_id: "worker".to_owned(),
    };
    let request = Request {
        all: true,
        force: true,
        ..Request::default()
    };
    let refused = replay.run(&request).await.unwrap_err();
    assert!(refused.to_string().contains("cassandra"), "{refused}");
}

#[test]
fn a_record_that_its_task_reads_again_is_sent_by_force_only() {
    let letters = [(1, false), (2, true)].map(|(offset, ended_task)| Letter {
        ended_task,
        ..letter(0, offset)
    });
    for (force, expected) in [(false, vec![1]), (true, vec![1, 2])] {
        let mut report = Report::new(Place::Topic, false);
        let sent = sendable(letters.to_vec(), force, &mut report);
        let offsets: Vec<i64> = sent.iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, expected);
        assert_eq!(report.unusable, u64::from(!force));
        let told = report.letters.first().map(|listed| listed.offset);
        assert_eq!(told, (!force).then_some(Some(2)));
    }
}

#[test]
fn old_records_over_newer_rows_are_refused() {
    let check = |more: &[(&str, &str)], word: Option<&str>| {
        let risk = risk(&config(more).sink);
        match (&risk, word) {
            (None, None) => {}
            (Some(risk), Some(word)) => assert!(risk.contains(word), "{risk}"),
            _ => panic!("{more:?}: {risk:?}"),
        }
    };
    let upsert = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("key.converter", "JsonConverter"),
    ];
    check(&[], None);
    check(&upsert, Some("upsert.guard.field"));
    check(
        &[&upsert[..], &[("upsert.guard.field", "version")]].concat(),
        None,
    );
    check(
        &[&upsert[..], &[("insert.mode", "insert_ignore")]].concat(),
        None,
    );
    let deleting = [
        &upsert[..],
        &[("insert.mode", "insert"), ("delete.enabled", "true")],
    ];
    check(&deleting.concat(), Some("delete.enabled"));
}
