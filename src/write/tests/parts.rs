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

/// A search that is too long for its deadline is one in each half, where it may be short enough.
#[test]
fn a_batch_that_is_searched_for_too_long_is_written_in_halves() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let batch = harness.records(1, &[4, 5, 6, 8]);
        let script = [(Call::FindRejects, Fault::Late); 2];
        harness.database.set_faults(Faults::scripted(script));
        let durable = harness.write_loop.store(batch).await.unwrap();
        assert_eq!(durable.last(), Some(&(key(1), 9)));
        let snapshot = harness.database.snapshot();
        let rows = snapshot.commits.iter().map(|commit| commit.rows.len());
        assert_eq!(rows.collect::<Vec<_>>(), [1, 2], "two halves");
    });
}

/// One that was not answered asks for claims that are given up since; it must not be sent for others.
#[test]
fn a_renewal_of_nothing_that_is_held_is_forgotten() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let write_loop = &mut harness.write_loop;
        write_loop.state.renewal = Some(RenewRequest {
            new_claim_id: Uuid::new_v4(),
            partitions: vec![(key(1), Uuid::new_v4())],
        });
        write_loop.state.held.clear();
        write_loop.state.session = None;
        write_loop.ready_session().await.unwrap();
        assert!(write_loop.state.renewal.is_none());
    });
}

/// Whether the topic is still the same is not known: the records that follow are not written.
#[test]
fn a_task_that_stops_amid_a_doubt_writes_nothing_more() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        let batch = harness.records(1, &[4]);
        harness.stop.send_replace(true);
        let write_loop = &mut harness.write_loop;
        let doubted = write_loop.handle(ToWriter::TopicChanged).await;
        assert!(matches!(doubted, Err(Halt::Stopping)), "{doubted:?}");
        write_loop.store(batch).await.unwrap();
        assert!(harness.database.snapshot().commits.is_empty());
    });
}
