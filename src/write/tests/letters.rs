//! Rejected records: the dead letter table, and when there are too many.

use super::*;
use crate::config::connector::Ratio;

fn with_table() -> ConnectorConfig {
    let mut config = config(true);
    config.errors.dead_letter_table = Some("letters".into());
    config
}

fn with_limits(max_consecutive: Option<u64>, max_ratio: Option<&str>) -> ConnectorConfig {
    let mut config = with_table();
    config.errors.limits = RejectLimits {
        max_consecutive,
        max_ratio: max_ratio.map(|text| Ratio::parse(text).unwrap()),
    };
    config
}

/// Coordinates of the rows in the dead letter table, with stage and reason.
fn letters(snapshot: &Snapshot) -> BTreeMap<(i64, i64), (String, String)> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let number = |value: &Value| match value {
        Value::Int(number) => *number,
        other => panic!("{other:?}"),
    };
    let rows = snapshot.tables.get("letters").cloned().unwrap_or_default();
    let count = rows.len();
    let letters: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            assert_eq!(
                (text(&row[0]), text(&row[1])),
                ("orders".into(), "orders".into())
            );
            (
                (number(&row[2]), number(&row[3])),
                (text(&row[5]), text(&row[6])),
            )
        })
        .collect();
    assert_eq!(letters.len(), count, "each record has one letter");
    letters
}

/// Every record up to `end` is in exactly one of the two tables, and every row was written once.
fn verify_with_letters(snapshot: &Snapshot, end: i64) {
    let letters = letters(snapshot);
    let mut written = BTreeMap::new();
    for row in snapshot.commits.iter().flat_map(|commit| &commit.rows) {
        let times = written.entry((row.key.partition, row.offset)).or_insert(0);
        *times += 1;
        assert_eq!(*times, 1, "{:?} {}", row.key, row.offset);
    }
    for partition in 0..PARTITIONS {
        assert_eq!(snapshot.progress[&key(partition)].next_offset, end);
        for offset in 0..end {
            assert_eq!(written.contains_key(&(partition, offset)), !is_gap(offset));
            let letter = letters.get(&(partition.into(), offset));
            let is_bad = !is_gap(offset) && (is_unmappable(offset) || is_refused(offset));
            assert_eq!(letter.is_some(), is_bad, "{partition} {offset}");
            if let Some((stage, reason)) = letter {
                let unmappable = is_unmappable(offset);
                assert_eq!(
                    stage,
                    if unmappable {
                        "VALUE_CONVERTER"
                    } else {
                        "TASK_PUT"
                    }
                );
                assert!(reason.contains(if unmappable {
                    "bad"
                } else {
                    "check constraint"
                }));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn each_rejected_record_is_in_the_table_once_whatever_fails(
        seed: u64,
        fault_per_mille in 0_u32..400,
        steps in prop::collection::vec((1_i64..30, prop::option::weighted(0.2, 0..PARTITIONS)), 1..15),
    ) {
        runtime().block_on(async {
            const END: i64 = 80;
            let mut harness = Harness::with_config(with_table()).await;
            harness.database.set_faults(Faults::seeded(seed, fault_per_mille, 40));
            let mut steps = steps.into_iter();
            let mut idle_rounds = 0;
            while idle_rounds < 2 {
                let (count, rival) = steps.next().unwrap_or((40, None));
                harness.claim_missing().await;
                let batch = harness.read(count, END);
                if let Some(partition) = rival {
                    harness.rival_claims(partition).await;
                }
                let done = batch.rows.positions.is_empty();
                let stored = harness.write_loop.store(batch).await;
                prop_assert!(stored.is_ok(), "{stored:?}");
                harness.obey();
                let all_are_ours = i32::try_from(harness.reading.len()) == Ok(PARTITIONS);
                idle_rounds = if done && all_are_ours { idle_rounds + 1 } else { 0 };
            }
            verify_with_letters(&harness.database.snapshot(), END);
            Ok(())
        })?;
    }
}

#[test]
fn a_table_that_is_none_for_dead_letters_stops_the_task() {
    runtime().block_on(async {
        let mut config = with_table();
        config.errors.dead_letter_table = Some("orders".into());
        let mut harness = Harness::with_config(config).await;
        let batch = harness.read(10, 10);
        let Err(Halt::Failed(trace)) = harness.write_loop.store(batch).await else {
            panic!("must fail");
        };
        assert!(
            trace.contains("table orders has no column connector"),
            "{trace}"
        );
        assert!(harness.database.snapshot().commits.is_empty());
    });
}

#[test]
fn a_table_that_is_dropped_is_created_again() {
    runtime().block_on(async {
        let mut harness = Harness::with_config(with_table()).await;
        let early = harness.read(10, 10);
        harness.write_loop.store(early).await.unwrap();
        harness.database.drop_table("letters");
        // Dropped with its batch, whose records are read again, and rejected again.
        for _ in 0..2 {
            let batch = harness.read(20, 30);
            harness.write_loop.store(batch).await.unwrap();
            harness.obey();
        }
        let snapshot = harness.database.snapshot();
        assert_eq!(snapshot.progress[&key(0)].next_offset, 30);
        let letters = letters(&snapshot);
        let of_first = letters.keys().filter(|(partition, _)| *partition == 0);
        let expected = (10..30)
            .filter(|offset| !is_gap(*offset) && (is_unmappable(*offset) || is_refused(*offset)));
        assert!(
            of_first.map(|(_, offset)| *offset).eq(expected),
            "{letters:?}"
        );
    });
}

#[test]
fn too_many_rejects_in_a_row_stop_the_task_with_the_tolerated_ones_kept() {
    runtime().block_on(async {
        let mut harness = Harness::with_config(with_limits(Some(2), None)).await;
        // Nothing but unmappable records, the rest compacted away.
        let batch = harness.records(1, &[3, 20, 37, 54]);
        let trace = stopped(&mut harness, batch).await;
        assert!(
            trace.contains("partition 1, offset 37") && trace.contains("errors.max.consecutive=2"),
            "{trace}"
        );
        let snapshot = harness.database.snapshot();
        assert_eq!(snapshot.progress[&key(1)].next_offset, 37);
        let letters = letters(&snapshot);
        assert_eq!(
            letters.keys().copied().collect::<Vec<_>>(),
            [(1, 3), (1, 20)]
        );
        assert!(snapshot.tables["letters"][0].contains(&Value::Bytes(b"bytes".to_vec())));
    });
}

#[test]
fn too_large_a_share_of_rejects_stops_the_task() {
    runtime().block_on(async {
        // About one in nine records is bad.
        let mut harness = Harness::with_config(with_limits(None, Some("0.2"))).await;
        let batch = harness.read(200, 200);
        harness.write_loop.store(batch).await.unwrap();
        let mut strict = Harness::with_config(with_limits(None, Some("0.05"))).await;
        let batch = strict.read(200, 200);
        let Err(Halt::Failed(trace)) = strict.write_loop.store(batch).await else {
            panic!("must fail");
        };
        assert!(
            trace.contains("errors.max.ratio=0.05") && trace.contains("offset 3"),
            "{trace}"
        );
        assert_eq!(strict.database.snapshot().progress[&key(0)].next_offset, 3);
    });
}
