//! Requests for tables, and what answers them.

use rowdock_connectors::{Cell, ColumnDef, ColumnType, PartitionKey, Table, TableKind, TableName};

use super::*;
use crate::batch::AssignmentTag;
use crate::config::worker::WorkerSettings;
use crate::map::plan;
use crate::record::RawHeader;

/// An intake with one partition.
struct Reading {
    intake: Intake,
    slots: Slots,
    slot: usize,
    next: i64,
}

impl Reading {
    fn begin() -> Self {
        Self::with(&[])
    }

    fn with(more: &[(&str, &str)]) -> Self {
        let config = [
            ("name", "orders"),
            ("connector.class", "SqliteSink"),
            ("topics", "orders"),
            ("connection.url", "jdbc:sqlite:unused.db"),
            ("value.converter", "JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("key.converter", "StringConverter"),
            ("errors.tolerance", "all"),
            ("auto.create", "true"),
            ("auto.evolve", "true"),
        ];
        let all = config.iter().chain(more);
        let raw = all.map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
        let config = ConnectorConfig::parse(&raw.collect(), &WorkerSettings::default()).unwrap();
        let formats =
            Formats::start(&config.key_converter, &config.value_converter, |_| {}).unwrap();
        let mut slots = Slots::default();
        let key = PartitionKey {
            topic: "orders".into(),
            partition: 0,
        };
        let slot = slots.add(key, AssignmentTag(1));
        slots.get_mut(slot).unwrap().state = SlotState::Reading;
        Self {
            intake: Intake::new(Arc::new(config), formats, true).unwrap(),
            slots,
            slot,
            next: 0,
        }
    }

    fn take(&mut self, value: &str) {
        self.take_with(value, Vec::new());
    }

    fn take_with(&mut self, value: &str, headers: Vec<RawHeader>) {
        self.take_record(None, Some(value), headers);
    }

    fn take_keyed(&mut self, value: Option<&str>) {
        self.take_record(Some("7"), value, Vec::new());
    }

    fn take_record(&mut self, key: Option<&str>, value: Option<&str>, headers: Vec<RawHeader>) {
        let record = RawRecord {
            topic: "orders",
            partition: 0,
            offset: self.next,
            timestamp_ms: None,
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers: &headers,
        };
        self.intake.take(self.slot, &record, -1, &mut self.slots);
        self.next += 1;
    }

    fn told(&mut self, columns: Option<&[&str]>, asked: Vec<NewColumn>) {
        let keys = &self.intake.config.sink;
        let target = columns.map(|columns| plan::target(table(columns), keys, "orders").unwrap());
        self.intake
            .set_table(0, "orders", target.map(Arc::new), asked);
        self.intake.replay(&mut self.slots);
    }

    /// What is asked for now: the names of the columns wanted.
    fn asks(&mut self) -> Option<Vec<NewColumn>> {
        match self.intake.request_table(&mut self.slots) {
            Some(TableRequest::Evolve(_, columns)) => Some(columns),
            Some(TableRequest::Create(_, table)) => Some(table.columns),
            Some(TableRequest::Describe(_) | TableRequest::Hopeless(_)) | None => None,
        }
    }

    /// The rows and the bad records of the batch so far.
    fn finish(&mut self) -> (usize, usize) {
        let rejects = self.intake.builder.reject_count();
        let batch = self.intake.builder.finish();
        let rows = batch.rows.tables.iter().map(|table| table.len());
        (rows.sum(), rejects)
    }
}

fn table(columns: &[&str]) -> Table {
    let column = |name: &&str| ColumnDef {
        name: (*name).to_owned(),
        column_type: ColumnType::Int64,
        native_type: "bigint".to_owned(),
        native_type_id: 0,
        nullable: true,
        has_default: false,
        generated: false,
        insert_only: false,
    };
    Table {
        name: TableName::parse("orders"),
        kind: TableKind::default(),
        columns: columns.iter().map(column).collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: true,
        has_zero_dates: false,
    }
}

fn names(columns: Option<Vec<NewColumn>>) -> Vec<String> {
    let columns = columns.into_iter().flatten();
    columns.map(|column| column.name).collect()
}

/// The client says once where a partition ends, while its last records may still be waiting.
#[test]
fn an_end_is_kept_until_the_records_before_it_are_taken_in() {
    let mut reading = Reading::begin();
    reading.told(None, Vec::new());
    reading.take(r#"{"id":1}"#);
    let slot = reading.slot;
    // Behind the record there is the mark of its transaction's end.
    reading.intake.end_of_partition(slot, 2, &mut reading.slots);
    let asked = reading.asks().unwrap();
    assert!(reading.intake.builder.is_empty());
    reading.told(Some(&["id"]), asked);
    let batch = reading.intake.builder.finish();
    assert_eq!((batch.rows.row_count(), batch.rows.positions[0].to), (1, 2));
    assert_eq!(reading.slots.get(slot).unwrap().next, 2);
}

#[test]
fn an_end_of_another_assignment_is_forgotten() {
    let mut reading = Reading::begin();
    reading.told(None, Vec::new());
    reading.take(r#"{"id":1}"#);
    let slot = reading.slot;
    reading.intake.end_of_partition(slot, 2, &mut reading.slots);
    reading.intake.forget(&[slot]);
    reading.told(Some(&["id"]), Vec::new());
    assert!(reading.intake.builder.is_empty());
}

#[test]
fn few_large_records_are_enough_to_ask_for_a_table() {
    let mut reading = Reading::with(&[("batch.max.bytes", "1048576")]);
    reading.told(None, Vec::new());
    let large = format!(r#"{{"id":1,"text":"{}"}}"#, "x".repeat(600_000));
    reading.take(&large);
    assert!(!reading.intake.wants_table());
    reading.take(&large);
    assert!(reading.intake.wants_table());
}

const WIDE: &str = r#"{"id":1,"more":2}"#;

/// Of two batches on their way to a table that has changed, each tells of it. By the second time the
/// records of the first may have asked for their columns already.
#[test]
fn a_table_found_changed_is_no_answer_to_a_request() {
    let mut reading = Reading::begin();
    reading.told(Some(&["id"]), Vec::new());
    reading.take(WIDE);
    let asked = reading.asks();
    assert_eq!(names(asked.clone()), ["more"]);
    reading.told(Some(&["id"]), Vec::new());
    assert!(reading.intake.is_waiting(), "the record waits on");
    let again = reading.asks();
    assert_eq!(again, asked);
    for answer in [asked, again] {
        reading.told(Some(&["id", "more"]), answer.unwrap());
    }
    assert_eq!(reading.finish(), (1, 0));
}

/// The open batch has rows of the table as it was, maybe of partitions that are not read again.
#[test]
fn rows_of_two_shapes_of_a_table_do_not_mix() {
    let mut reading = Reading::begin();
    reading.told(Some(&["id", "more"]), Vec::new());
    reading.take(WIDE);
    reading.told(Some(&["more", "id"]), Vec::new());
    reading.take(WIDE);
    let batch = reading.intake.builder.finish();
    let rows = batch.rows.tables.iter().map(|rows| {
        let cells = rows.columns.iter().enumerate();
        let named = cells.map(|(index, cells)| {
            let column = rows.target.column(index);
            (column.name.as_str(), cells.get(0))
        });
        named.collect::<Vec<_>>()
    });
    let [id, more] = [("id", Cell::Int(1)), ("more", Cell::Int(2))];
    let expected = [vec![id, more], vec![more, id]];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// A transform sends some records of the partition to another topic, and both go to one table.
#[test]
fn records_of_topics_that_share_a_table_stay_in_their_order() {
    let mut reading = Reading::with(&[
        ("table.name.format", "orders"),
        ("transforms", "other"),
        (
            "transforms.other.type",
            "org.apache.kafka.connect.transforms.RegexRouter",
        ),
        ("transforms.other.regex", ".*"),
        ("transforms.other.replacement", "other"),
        ("transforms.other.predicate", "marked"),
        ("predicates", "marked"),
        (
            "predicates.marked.type",
            "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        ),
        ("predicates.marked.name", "mark"),
    ]);
    for topic in ["orders", "other"] {
        let target = plan::target(table(&["id"]), &reading.intake.config.sink, topic).unwrap();
        let index = reading.slots.topic_index(&topic.into());
        reading
            .intake
            .set_table(index, topic, Some(Arc::new(target)), Vec::new());
    }
    let mark: RawHeader = ("mark".to_owned(), None);
    for (id, headers) in [(1, vec![]), (2, vec![mark]), (3, vec![])] {
        reading.take_with(&format!("{{\"id\":{id}}}"), headers);
    }
    let batch = reading.intake.builder.finish();
    let [rows] = batch.rows.tables.as_slice() else {
        panic!("{} tables", batch.rows.tables.len());
    };
    let ids: Vec<Cell<'_>> = (0..rows.len())
        .map(|row| rows.columns[0].get(row))
        .collect();
    assert_eq!(ids, [Cell::Int(1), Cell::Int(2), Cell::Int(3)]);
}

#[test]
fn what_the_answer_lacks_is_a_bad_record() {
    let mut reading = Reading::begin();
    reading.told(Some(&["id"]), Vec::new());
    reading.take(WIDE);
    let asked = reading.asks();
    reading.told(Some(&["id"]), asked.unwrap());
    assert!(!reading.intake.is_waiting());
    assert_eq!(reading.finish(), (0, 1));
}

#[test]
fn a_refusal_counts_though_the_table_was_told_of_meanwhile() {
    let mut reading = Reading::begin();
    reading.told(Some(&["id"]), Vec::new());
    reading.take(WIDE);
    let asked = reading.asks().unwrap();
    reading.told(Some(&["id"]), Vec::new());
    let refused = asked.into_iter().map(|column| (column, "no".to_owned()));
    reading.intake.refuse_evolution(0, refused.collect());
    reading.intake.replay(&mut reading.slots);
    assert!(!reading.intake.is_waiting());
    assert_eq!(reading.finish(), (0, 1));
}

/// A write loop that gives its database up drops the requests that it has.
#[test]
fn requests_that_are_not_answered_are_made_again() {
    let check = |known: Option<&[&str]>, expected: &[&str]| {
        let mut reading = Reading::begin();
        reading.told(known, Vec::new());
        reading.take(WIDE);
        assert_eq!(names(reading.asks()), expected);
        assert_eq!(names(reading.asks()), [""; 0], "asked for once");
        reading.intake.forget(&[reading.slot]);
        reading.intake.forget_requests();
        let key = reading.slots.get(reading.slot).unwrap().key.clone();
        reading.slot = reading.slots.add(key, AssignmentTag(2));
        reading.slots.get_mut(reading.slot).unwrap().state = SlotState::Reading;
        reading.next = 0;
        reading.take(WIDE);
        assert_eq!(names(reading.asks()), expected);
    };
    check(None, &["id", "more"]);
    check(Some(&["id"]), &["more"]);
}

/// What is asked for once `values` (`None`: no value) of the topic's beginning have been read and its
/// table is missing, and how many of them are bad; then once a record with a field has been, too.
#[test]
fn a_topic_may_begin_with_records_of_which_no_table_can_be_made() {
    let check = |more: &[(&str, &str)], values: &[Option<&str>], bad: usize| {
        let mut reading = Reading::with(more);
        reading.told(None, Vec::new());
        for value in values {
            reading.take_keyed(*value);
        }
        assert_eq!(names(reading.asks()), [""; 0], "{values:?}");
        assert!(!reading.intake.is_waiting(), "{values:?}");
        let slot = reading.slots.get(reading.slot).unwrap();
        assert_eq!(slot.next, reading.next, "{values:?}");
        assert_eq!(reading.intake.builder.reject_count(), bad, "{values:?}");
        reading.take_keyed(values[0]);
        reading.take_keyed(Some(WIDE));
        let columns = names(reading.asks());
        assert!(
            columns.iter().any(|name| name == "more"),
            "{more:?} {values:?}: {columns:?}"
        );
    };
    let many = vec![None; SAMPLE_RECORDS_MAX * 3 + 1];
    let deletes = [
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("insert.mode", "upsert"),
        ("delete.enabled", "true"),
    ];
    let through_a_transform = [
        ("transforms", "same"),
        (
            "transforms.same.type",
            "org.apache.kafka.connect.transforms.RegexRouter",
        ),
        ("transforms.same.regex", "nothing"),
        ("transforms.same.replacement", "other"),
    ];
    let both = [&deletes[..], &through_a_transform].concat();
    for deletes in [&deletes[..], &both] {
        check(deletes, &many, 0);
        check(deletes, &[None, Some("broken"), Some("[]")], 2);
    }
    for plain in [&[][..], &through_a_transform] {
        check(plain, &[None], 1);
        check(plain, &[Some("broken"), Some("5"), Some("{}"), None], 4);
    }
    let guarded = [
        ("upsert.guard.field", "more"),
        ("delete.tombstone.table", "${table}_gone"),
    ];
    check(&[&deletes[..], &guarded].concat(), &[None], 1);
}

#[test]
fn settings_of_which_no_table_can_be_made_are_told() {
    let mut reading = Reading::with(&[("fields.whitelist", "other")]);
    reading.told(None, Vec::new());
    reading.take(WIDE);
    let asked = reading.intake.request_table(&mut reading.slots);
    let Some(TableRequest::Hopeless(reason)) = asked else {
        panic!("a table is asked for");
    };
    assert!(reason.contains("fields.whitelist"), "{reason}");
    assert!(reading.intake.is_waiting());
}
