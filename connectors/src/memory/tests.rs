use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::error::ErrorClass;
use crate::row::fixture::{integer_target, push_kind, push_row};
use crate::row::{Cell, TableRows};
use crate::table::{Target, WriteMode};

fn scope() -> ProgressScope {
    ProgressScope {
        cluster_id: "cluster".to_owned(),
        connector: "orders".to_owned(),
    }
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: "orders".into(),
        partition,
    }
}

fn sink(target: &Target) -> MemorySink {
    MemorySink::new(scope()).with_table(target.table.clone())
}

/// Starts partitions 0 and 1 at 0 and claims both.
async fn claimed(sink: &MemorySink, claim_id: Uuid) -> Box<dyn Session> {
    let mut session = sink.open().await.unwrap();
    let starts = StartRows {
        topic: "orders".into(),
        topic_id: "t1".to_owned(),
        first: true,
        offsets: vec![(0, 0), (1, 0)],
    };
    session.write_starts(&starts).await.unwrap();
    let answers = session.claim(&claim_request(claim_id, 1)).await.unwrap();
    assert!(
        matches!(answers[0], ClaimAnswer::Claimed { .. }),
        "{answers:?}"
    );
    session
}

fn claim_request(claim_id: Uuid, generation: i32) -> ClaimRequest {
    ClaimRequest {
        claim_id,
        generation,
        force: false,
        owner: "worker-1".to_owned(),
        partitions: vec![key(0), key(1)],
        compacted: std::collections::BTreeSet::new(),
    }
}

fn batch(target: &Arc<Target>, claim_id: Uuid, ranges: [(i64, i64); 2], values: &[i64]) -> Batch {
    let mut rows = TableRows::new(Arc::clone(target));
    for value in values {
        push_row(&mut rows, &[Cell::Int(*value)], false);
    }
    let position = |(partition, (from, to)): (usize, (i64, i64))| PositionMove {
        key: key(i32::try_from(partition).unwrap()),
        claim_id,
        from,
        to,
        leader_epoch: 0,
        times: Vec::new(),
    };
    Batch {
        positions: ranges.into_iter().enumerate().map(position).collect(),
        tables: vec![rows],
        positions_stored: true,
    }
}

#[tokio::test]
async fn a_write_moves_rows_and_positions_together() {
    let target = integer_target(1, 1, WriteMode::Insert);
    let sink = sink(&target);
    let claim_id = Uuid::new_v4();
    let mut session = claimed(&sink, claim_id).await;
    let written = session
        .write(&batch(&target, claim_id, [(0, 2), (0, 0)], &[1, 2]))
        .await;
    assert_eq!(written.unwrap(), WriteOutcome::Committed);
    let snapshot = sink.snapshot();
    assert_eq!(snapshot.tables["t"], [[Value::Int(1)], [Value::Int(2)]]);
    assert_eq!(snapshot.progress[&key(0)].next_offset, 2);
    assert_eq!(snapshot.commits[0].rows.len(), 2);
    assert_eq!(snapshot.commits[0].session, 1);
}

#[tokio::test]
async fn one_fenced_partition_leaves_nothing() {
    let target = integer_target(1, 1, WriteMode::Insert);
    let sink = sink(&target);
    let claim_id = Uuid::new_v4();
    let mut session = claimed(&sink, claim_id).await;
    let outcome = session
        .write(&batch(&target, claim_id, [(0, 1), (5, 6)], &[1]))
        .await;
    assert_eq!(outcome.unwrap(), WriteOutcome::Fenced(vec![1]));
    claimed(&sink, Uuid::new_v4()).await;
    let outcome = session
        .write(&batch(&target, claim_id, [(0, 1), (0, 1)], &[1]))
        .await;
    assert_eq!(outcome.unwrap(), WriteOutcome::Fenced(vec![0, 1]));
    let snapshot = sink.snapshot();
    assert_eq!(snapshot.tables["t"], Vec::<StoredRow>::new());
    assert_eq!(snapshot.progress[&key(0)].next_offset, 0);
    assert_eq!(snapshot.commits, []);
}

#[tokio::test]
async fn claims_yield_to_newer_generations() {
    let target = integer_target(1, 1, WriteMode::Insert);
    let sink = sink(&target);
    let mut session = sink.open().await.unwrap();
    let first = session
        .claim(&claim_request(Uuid::new_v4(), 7))
        .await
        .unwrap();
    assert_eq!(
        first,
        [ClaimAnswer::TopicUnknown, ClaimAnswer::TopicUnknown]
    );
    claimed(&sink, Uuid::new_v4()).await;
    session
        .claim(&claim_request(Uuid::new_v4(), 7))
        .await
        .unwrap();
    let older = session
        .claim(&claim_request(Uuid::new_v4(), 6))
        .await
        .unwrap();
    assert_eq!(older[0], ClaimAnswer::HeldByNewer { generation: 7 });
    let mut forced = claim_request(Uuid::new_v4(), 6);
    forced.force = true;
    forced.partitions.push(key(9));
    let forced = session.claim(&forced).await.unwrap();
    assert!(matches!(forced[0], ClaimAnswer::Claimed { .. }));
    assert_eq!(forced[2], ClaimAnswer::PartitionUnknown);
}

#[tokio::test]
async fn a_renewal_tells_whether_a_lost_commit_happened() {
    for (fault, stands_at) in [(Fault::LostReplyDone, 2), (Fault::LostReplyNotDone, 0)] {
        let target = integer_target(1, 1, WriteMode::Insert);
        let sink = sink(&target).faults(Faults::scripted([(Call::Write, fault)]));
        let claim_id = Uuid::new_v4();
        let mut session = claimed(&sink, claim_id).await;
        let unknown = session
            .write(&batch(&target, claim_id, [(0, 2), (0, 0)], &[1]))
            .await;
        assert!(unknown.unwrap_err().commit_unknown());
        let renewal = RenewRequest {
            new_claim_id: Uuid::new_v4(),
            partitions: vec![(key(0), claim_id), (key(1), Uuid::new_v4())],
        };
        assert!(session.renew(&renewal).await.unwrap_err().connection_lost());
        let mut session = sink.open().await.unwrap();
        for _ in 0..2 {
            let answers = session.renew(&renewal).await.unwrap();
            assert_eq!(
                answers,
                [
                    RenewAnswer::Held {
                        next_offset: stands_at
                    },
                    RenewAnswer::Lost
                ]
            );
        }
    }
}

#[tokio::test]
async fn refused_rows_are_found_and_nothing_is_kept() {
    let target = integer_target(1, 1, WriteMode::Insert);
    let sink = sink(&target).refusing(Arc::new(|_, row| {
        (row[0] == Value::Int(3)).then(|| "three is refused".to_owned())
    }));
    let claim_id = Uuid::new_v4();
    let mut session = claimed(&sink, claim_id).await;
    let batch = batch(&target, claim_id, [(0, 6), (0, 0)], &[1, 2, 3, 2, 4]);
    let error = session.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record);
    let rejects = session.find_rejects(&batch).await.unwrap();
    let found: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.row, reject.reason.as_str()))
        .collect();
    assert_eq!(
        found,
        [(2, "three is refused"), (3, "duplicate primary key in t")]
    );
    assert_eq!(sink.snapshot().tables["t"], Vec::<StoredRow>::new());

    sink.set_faults(Faults::from_fn({
        let mut steps = 0;
        move |call| {
            steps += usize::from(call == Call::FindRejects);
            (steps == 3).then_some(Fault::LostBeforeCommit)
        }
    }));
    let error = session.find_rejects(&batch).await.unwrap_err();
    assert!(error.connection_lost());
}

#[tokio::test]
async fn upserts_merge_and_deletes_remove() {
    let target = integer_target(2, 1, WriteMode::Upsert);
    let sink = sink(&target);
    let mut session = sink.open().await.unwrap();
    let write = |records: &[(&[Cell<'_>], bool)]| {
        let mut rows = TableRows::new(Arc::clone(&target));
        for (cells, delete) in records {
            push_row(&mut rows, cells, *delete);
        }
        Batch {
            positions: batch(&target, Uuid::nil(), [(0, 0), (0, 0)], &[]).positions,
            tables: vec![rows],
            positions_stored: false,
        }
    };
    let first = write(&[
        (&[Cell::Int(1), Cell::Int(10)], false),
        (&[Cell::Int(2)], false),
    ]);
    session.write(&first).await.unwrap();
    let second = write(&[(&[Cell::Int(1)], false), (&[Cell::Int(2)], true)]);
    session.write(&second).await.unwrap();
    let snapshot = sink.snapshot();
    assert_eq!(snapshot.tables["t"], [[Value::Int(1), Value::Int(10)]]);
    assert_eq!(snapshot.commits[1].positions, []);
}

proptest! {
    /// A writer that does what the contract says: renew after each loss, send again or go on.
    #[test]
    fn a_writer_that_renews_neither_loses_nor_repeats(seed in any::<u64>(), per_mille in 0..700u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let target = integer_target(1, 0, WriteMode::Insert);
            let sink = sink(&target);
            let mut claim_id = Uuid::new_v4();
            let mut session = claimed(&sink, claim_id).await;
            sink.set_faults(Faults::seeded(seed, per_mille, 50));
            let mut next = 0;
            while next < 20 {
                let batch = batch(&target, claim_id, [(next, next + 1), (0, 0)], &[next]);
                match session.write(&batch).await {
                    Ok(outcome) => {
                        assert_eq!(outcome, WriteOutcome::Committed);
                        next += 1;
                    }
                    Err(error) if error.connection_lost() => {
                        let renewal = RenewRequest {
                            new_claim_id: Uuid::new_v4(),
                            partitions: vec![(key(0), claim_id), (key(1), claim_id)],
                        };
                        (session, next) = renewed(&sink, &renewal).await;
                        claim_id = renewal.new_claim_id;
                    }
                    Err(_) => {}
                }
            }
            let expected: Vec<StoredRow> = (0..20).map(|value| vec![Value::Int(value)]).collect();
            assert_eq!(sink.snapshot().tables["t"], expected);
        });
    }
}

async fn renewed(sink: &MemorySink, renewal: &RenewRequest) -> (Box<dyn Session>, i64) {
    loop {
        let Ok(mut session) = sink.open().await else {
            continue;
        };
        let Ok(answers) = session.renew(renewal).await else {
            continue;
        };
        let RenewAnswer::Held { next_offset } = answers[0] else {
            panic!("lost to nobody");
        };
        return (session, next_offset);
    }
}

/// Writes rows only, one batch per kind and cells; returns the table's rows.
async fn stand_after(
    sink: &MemorySink,
    target: &Arc<Target>,
    records: &[(&[Cell<'_>], RowKind)],
) -> Vec<StoredRow> {
    let mut rows = TableRows::new(Arc::clone(target));
    for (cells, kind) in records {
        push_kind(&mut rows, cells, *kind);
    }
    let batch = Batch {
        positions: vec![PositionMove {
            key: key(0),
            claim_id: Uuid::nil(),
            from: 0,
            to: 100,
            leader_epoch: 0,
            times: Vec::new(),
        }],
        tables: vec![rows],
        positions_stored: false,
    };
    let mut session = sink.open().await.unwrap();
    let outcome = session.write(&batch).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Committed);
    sink.snapshot().tables["t"].clone()
}

#[tokio::test]
async fn every_mode_meets_rows_its_own_way() {
    let int = Cell::Int;
    let write = RowKind::Write;
    let value = |id, n| vec![Value::Int(id), Value::Int(n)];
    let upserts = integer_target(2, 1, WriteMode::Upsert);
    let sink = sink(&upserts);
    let first = [int(1), int(10)];
    stand_after(&sink, &upserts, &[(&first, write)]).await;

    let again = [int(1), int(11)];
    let new = [int(2), int(20)];
    let updates = integer_target(2, 1, WriteMode::Update);
    let found = stand_after(&sink, &updates, &[(&again, write), (&new, write)]).await;
    assert_eq!(found, [value(1, 11)]);

    let ignores = integer_target(2, 1, WriteMode::InsertIgnore);
    let found = stand_after(&sink, &ignores, &[(&first, write), (&new, write)]).await;
    assert_eq!(found, [value(1, 11), value(2, 20)]);

    let guarded = Arc::new(Target {
        guard: Some(1),
        ..(*upserts).clone()
    });
    let older = [int(1), int(5)];
    let newer = [int(2), int(21)];
    let found = stand_after(&sink, &guarded, &[(&older, write), (&newer, write)]).await;
    assert_eq!(found, [value(1, 11), value(2, 21)]);

    let records: [(&[Cell<'_>], RowKind); 3] =
        [(&first, write), (&[], RowKind::Truncate), (&new, write)];
    let found = stand_after(&sink, &upserts, &records).await;
    assert_eq!(found, [value(2, 20)]);
}

#[tokio::test]
async fn tables_evolve_and_a_table_that_changed_is_noticed() {
    let target = integer_target(1, 1, WriteMode::Upsert);
    let sink = sink(&target);
    let record: [(&[Cell<'_>], RowKind); 1] = [(&[Cell::Int(1)], RowKind::Write)];
    stand_after(&sink, &target, &record).await;
    let mut session = sink.open().await.unwrap();
    let wanted = [NewColumn {
        name: "more".to_owned(),
        column_type: crate::ColumnType::Bool,
        nullable: false,
        default: None,
    }];
    let name = TableName::parse("t");
    let evolved = session.evolve_table(&name, &wanted).await.unwrap();
    assert!(evolved.columns[1].nullable);
    assert_eq!(session.evolve_table(&name, &wanted).await.unwrap(), evolved);
    let rows = stand_after(&sink, &target, &record).await;
    assert_eq!(rows, [[Value::Int(1), Value::Default]]);

    sink.drop_table("t");
    let gone = session
        .write(&batch(&target, Uuid::nil(), [(0, 0), (0, 0)], &[1]))
        .await;
    assert!(matches!(gone, Ok(WriteOutcome::Fenced(_))), "{gone:?}");
    let mut rows_only = batch(&target, Uuid::nil(), [(0, 0), (0, 0)], &[1]);
    rows_only.positions_stored = false;
    let error = session.write(&rows_only).await.unwrap_err();
    assert!(error.table_changed(), "{error}");
}
