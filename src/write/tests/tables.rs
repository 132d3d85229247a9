//! Tables that change under the write loop, and tables that it changes.

use rowdock_connectors::{ErrorClass, NewColumn};

use super::*;

/// The table with a column before the one that is written.
fn changed_table() -> Table {
    let mut changed = table();
    let mut first = changed.columns[0].clone();
    first.name = "first".to_owned();
    first.nullable = true;
    changed.columns.insert(0, first);
    changed
}

async fn known_table(harness: &mut Harness) {
    let topic: Arc<str> = "orders".into();
    let known = harness.write_loop.make_table_known(&topic).await;
    assert!(known.is_ok());
    harness.obey();
}

#[test]
fn a_batch_for_a_table_that_changed_is_read_again_and_written_once() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let end = 40;
        let early = harness.read(10, end);
        harness.database.drop_table("orders");
        let database = harness.database.clone().with_table(changed_table());
        let late = harness.read(10, end);
        for batch in [early, late] {
            let stored = harness.write_loop.store(batch).await.unwrap();
            assert_eq!(stored, []);
        }
        assert_eq!(database.snapshot().commits.len(), 0);
        harness.obey();
        assert_eq!(harness.target.table, changed_table());
        assert_eq!(harness.reading[&0].1, 0, "read again from the start");
        while harness.reading.values().any(|(_, next)| *next < end) {
            let batch = harness.read(10, end);
            harness.write_loop.store(batch).await.unwrap();
            harness.obey();
        }
        verify(&database.snapshot(), end);
    });
}

#[test]
fn a_table_that_is_gone_stops_the_task_unless_it_may_be_created() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let batch = harness.read(5, 5);
        harness.database.drop_table("orders");
        let halted = harness.write_loop.store(batch).await;
        assert!(
            matches!(&halted, Err(Halt::Failed(trace)) if trace.contains("auto.create")),
            "{halted:?}"
        );
    });
}

#[test]
fn an_error_of_a_table_that_is_as_it_was_counts_for_itself() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let batch = harness.read(5, 5);
        let error = SinkError::stop("no such column").with_changed_table();
        let changed = harness.write_loop.has_changed(&batch, &error).await;
        assert!(matches!(changed, Ok(false)), "{changed:?}");
    });
}

/// A row that fitted the table as it was may be refused by the one that is there.
#[test]
fn a_refused_row_may_come_from_a_table_that_has_changed() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let batch = harness.read(5, 5);
        let error = SinkError::new(ErrorClass::Record, "value too long");
        let changed = harness.write_loop.has_changed(&batch, &error).await;
        assert!(matches!(changed, Ok(false)), "{changed:?}");
        harness.database.drop_table("orders");
        let _changed = harness.database.clone().with_table(changed_table());
        let changed = harness.write_loop.has_changed(&batch, &error).await;
        assert!(matches!(changed, Ok(true)), "{changed:?}");
        harness.obey();
        assert_eq!(harness.target.table, changed_table());
    });
}

fn wanted(name: &str, column_type: ColumnType) -> Vec<NewColumn> {
    vec![NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    }]
}

/// Asks for one more column of the table.
async fn add_more(harness: &mut Harness) -> Result<(), Halt> {
    let columns = wanted("more", ColumnType::Bool);
    let topic = "orders".into();
    harness.write_loop.evolve_table(topic, columns).await
}

#[test]
fn tables_are_evolved_through_faults() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        harness.database.set_faults(Faults::scripted([
            (Call::EvolveTable, Fault::Refused),
            (Call::EvolveTable, Fault::LostReplyDone),
        ]));
        let evolved = add_more(&mut harness).await;
        assert!(evolved.is_ok(), "{evolved:?}");
        harness.obey();
        let names: Vec<&str> = harness
            .target
            .table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["id", "more"]);
        assert_eq!(harness.target.written, [0, 1]);
    });
}

/// Whatever came of a change: the table is told anew a while later, once.
#[test]
fn what_was_refused_may_be_possible_later() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let evolved = add_more(&mut harness).await;
        assert!(evolved.is_ok(), "{evolved:?}");
        harness.obey();
        let evolved = harness.target.table.clone();
        for (wait_s, table_now, expected) in [
            (29, changed_table(), &evolved),
            (1, changed_table(), &changed_table()),
            (60, table(), &changed_table()),
        ] {
            let _changed = harness.database.clone().with_table(table_now);
            tokio::time::advance(Duration::from_secs(wait_s)).await;
            let looked = harness.write_loop.forget_refusals().await;
            assert!(looked.is_ok(), "{looked:?}");
            harness.obey();
            assert_eq!(&harness.target.table, expected, "after {wait_s} s");
        }
    });
}

/// Each attempt would keep others from the table.
#[test]
fn what_took_too_long_is_not_tried_again_soon() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        let too_long = Faults::scripted([(Call::EvolveTable, Fault::RefusedLate)]);
        harness.database.set_faults(too_long);
        let evolved = add_more(&mut harness).await;
        assert!(evolved.is_ok(), "{evolved:?}");
        let _changed = harness.database.clone().with_table(changed_table());
        for (wait_s, expected) in [(3_599, table()), (1, changed_table())] {
            tokio::time::advance(Duration::from_secs(wait_s)).await;
            let looked = harness.write_loop.forget_refusals().await;
            assert!(looked.is_ok(), "{looked:?}");
            harness.obey();
            assert_eq!(harness.target.table, expected, "after {wait_s} s");
        }
    });
}

#[test]
fn evolving_a_table_that_is_gone_stops_the_task() {
    runtime().block_on(async {
        let mut harness = Harness::new(true).await;
        known_table(&mut harness).await;
        harness.database.drop_table("orders");
        let halted = add_more(&mut harness).await;
        assert!(
            matches!(&halted, Err(Halt::Failed(trace)) if trace.contains("does not exist")),
            "{halted:?}"
        );
    });
}

/// A table of versions, and its tombstones, which somebody has not widened with it.
fn guarded(name: &str, id: ColumnType) -> Table {
    let mut guarded = table();
    guarded.name = TableName::parse(name);
    guarded.columns[0].column_type = id;
    let mut version = table().columns[0].clone();
    version.name = "version".to_owned();
    guarded.columns.push(version);
    guarded.primary_key = vec!["id".to_owned()];
    guarded
}

#[test]
fn tombstones_are_widened_with_their_table() {
    let keys = |auto_evolve| SinkKeys {
        insert_mode: WriteMode::Upsert,
        key_mode: KeyMode::RecordKey,
        key_fields: vec!["id".to_owned()],
        delete_enabled: true,
        guard_field: Some("version".to_owned()),
        tombstone_table: Some("${table}_deleted".to_owned()),
        auto_evolve,
        ..config(true).sink
    };
    runtime().block_on(async {
        let database = Harness::new(true).await.database;
        let orders = guarded("orders", ColumnType::Int64);
        let database = database.with_table(guarded("orders_deleted", ColumnType::Int32));
        let mut session = database.open().await.unwrap();
        let name = &orders.name;
        for (auto_evolve, expected) in [(false, None), (true, Some(ColumnType::Int64))] {
            let keys = keys(auto_evolve);
            let table = Some(orders.clone());
            let target = super::super::tables::target(&mut *session, &keys, "orders", name, table);
            let target = target.await.ok().flatten();
            let tombstones = target.and_then(|target| target.tombstones.clone());
            let found = tombstones.map(|tombstones| tombstones.column(0).column_type.clone());
            assert_eq!(found, expected);
        }
    });
}
