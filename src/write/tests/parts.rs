//! Batches that are not written as a whole: up to the record where the task stops, or in halves.

use super::*;

/// The first bad record counts, whoever finds it: what is before it is written, nothing behind it.
#[test]
fn the_task_stops_at_the_first_bad_record() {
    let check = |offsets: &[i64], stage: &str, expected: i64, rows: usize| {
        runtime().block_on(async {
            let mut harness = Harness::new(false).await;
            let batch = harness.records(1, offsets);
            let trace = stopped(&mut harness, batch).await;
            let place = format!("topic orders, partition 1, offset {expected}: ");
            assert!(
                trace.starts_with(&place) && trace.contains(stage),
                "{trace}"
            );
            let snapshot = harness.database.snapshot();
            assert_eq!(snapshot.progress[&key(1)].next_offset, expected);
            let written: usize = snapshot
                .commits
                .iter()
                .map(|commit| commit.rows.len())
                .sum();
            assert_eq!(written, rows);
        });
    };
    check(&[4, 5, 6], "TASK_PUT", 5, 1);
    check(&[4, 20, 21], "VALUE_CONVERTER", 20, 1);
    // The database finds one before the one that was found when mapping, and one behind it.
    check(&[4, 5, 20], "TASK_PUT", 5, 1);
    check(&[4, 20, 24], "VALUE_CONVERTER", 20, 1);
    check(&[3, 4], "VALUE_CONVERTER", 3, 0);
}

#[test]
fn a_stop_outlasts_that_its_batch_is_written_in_halves() {
    runtime().block_on(async {
        let mut harness = Harness::new(false).await;
        let batch = harness.records(1, &[4, 14, 20, 21]);
        let script = [(Call::Write, Fault::RefusedAsAWhole); 3];
        harness.database.set_faults(Faults::scripted(script));
        let trace = stopped(&mut harness, batch).await;
        assert!(trace.contains("partition 1, offset 20"), "{trace}");
        let snapshot = harness.database.snapshot();
        assert_eq!(snapshot.commits.len(), 2, "two halves");
        assert_eq!(snapshot.progress[&key(1)].next_offset, 20);
    });
}

/// What cannot be done in time is done in parts, and by nobody else any sooner.
#[test]
fn a_batch_that_takes_too_long_is_written_in_halves() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let batch = harness.records(1, &[0, 1, 2, 4]);
        // The whole, its first half and its first quarter: each twice.
        let script = [(Call::Write, Fault::Late); 6];
        harness.database.set_faults(Faults::scripted(script));
        let durable = harness.write_loop.store(batch).await.unwrap();
        assert_eq!(durable.last(), Some(&(key(1), 5)));
        let snapshot = harness.database.snapshot();
        let rows = snapshot.commits.iter().map(|commit| commit.rows.len());
        assert_eq!(rows.collect::<Vec<_>>(), [1, 1, 1, 1]);
        let mut commands = harness.commands.try_iter();
        assert!(
            !commands.any(|command| matches!(command, ToConsumer::Leave)),
            "the database is in reach"
        );
    });
}
