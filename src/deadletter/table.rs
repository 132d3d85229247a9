//! The dead letter table: in the target database, written in the transaction of the batch.
//!
//! A dead letter is one more row of the batch, with the origin of the record that it stands for. So
//! it is there exactly once, if and when the position has moved past the record; it is cut out
//! with its partition; and it needs no acknowledgement of its own. Its key is the record's
//! coordinates, and it replaces a row that has them already: without exactly-once a record may
//! be rejected again.

use std::sync::Arc;

use chrono::Utc;
use rowdock_connectors::{
    ColumnType, NewColumn, NewTable, Origin, RowKind, SinkError, Table, TableName, TableRows,
    Target, Timestamp, WriteMode,
};
use serde_json::{Value as Json, json};

use crate::batch::{Original, ReadBatch, Reject};
use crate::config::connector::{ConnectorConfig, KeyMode, SinkKeys};
use crate::map::fit::{Rules, fit};
use crate::map::plan;
use crate::record::Value;

/// Longest reason that is kept: a text column of any database holds it.
const REASON_CHARS_MAX: usize = 2000;

/// The key: a record's coordinates.
const KEY: [&str; 4] = rowdock_connectors::LETTER_KEY;

/// Columns that a table must have, with the types of a table that is created here.
fn columns() -> Vec<NewColumn> {
    let column = |name: &str, column_type: ColumnType, nullable: bool| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable,
        default: None,
    };
    let text = || ColumnType::Text { max_chars: None };
    vec![
        column("connector", text(), false),
        column("topic", text(), false),
        column("kafka_partition", ColumnType::Int32, false),
        column("kafka_offset", ColumnType::Int64, false),
        column("task", ColumnType::Int32, false),
        column("stage", text(), false),
        column("reason", text(), false),
        column("rejected_at", ColumnType::TimestampTz, false),
        column("record_time", ColumnType::TimestampTz, true),
        column("record_key", ColumnType::Bytes, true),
        column("record_value", ColumnType::Bytes, true),
        column("record_headers", ColumnType::Json, true),
    ]
}

/// The dead letter table of one task.
pub(super) struct LetterTable {
    name: TableName,
    target: Option<Arc<Target>>,
}

impl LetterTable {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: TableName::parse(name),
            target: None,
        }
    }

    /// The table as it is created, until it is known.
    pub(super) fn wanted(&self) -> Option<NewTable> {
        let wanted = NewTable {
            name: self.name.clone(),
            columns: columns(),
            primary_key: KEY.map(str::to_owned).to_vec(),
        };
        self.target.is_none().then_some(wanted)
    }

    /// Takes the table as the catalog describes it.
    pub(super) fn found(&mut self, table: Table, sink: &SinkKeys) -> Result<(), SinkError> {
        let missing = columns()
            .into_iter()
            .find(|wanted| table.column_index(&wanted.name).is_none());
        if let Some(missing) = missing {
            return Err(SinkError::stop(format!(
                "dead letter table {} has no column {}: rename or drop the table, and it is created \
                 as it must be",
                self.name, missing.name
            )));
        }
        let keys = SinkKeys {
            insert_mode: WriteMode::Upsert,
            key_mode: KeyMode::RecordValue,
            key_fields: KEY.map(str::to_owned).to_vec(),
            fields_include: Vec::new(),
            fields_exclude: Vec::new(),
            // These are of the records' tables.
            table_kinds: Vec::new(),
            soft_delete_field: None,
            guard_field: None,
            tombstone_table: None,
            ..sink.clone()
        };
        // Its fields are of no topic.
        let target = plan::target(table, &keys, "")
            .map_err(|problem| SinkError::stop(format!("dead letter table: {problem}")))?;
        self.target = Some(Arc::new(target));
        Ok(())
    }

    /// Looks the table up anew, if it is the one of this name.
    pub(super) fn forget(&mut self, name: &TableName) {
        self.target.take_if(|target| target.table.name == *name);
    }

    /// Whether these rows are dead letters.
    pub(super) fn has(&self, rows: &TableRows) -> bool {
        let target = self.target.as_ref();
        target.is_some_and(|target| Arc::ptr_eq(target, &rows.target))
    }

    /// Adds the row of a reject to its batch.
    pub(super) fn add(
        &self,
        batch: &mut ReadBatch,
        reject: &Reject,
        config: &ConnectorConfig,
        task: u32,
    ) -> Result<(), SinkError> {
        let Some(target) = &self.target else {
            return Err(SinkError::retry(format!(
                "dead letter table {} is not known yet",
                self.name
            )));
        };
        let rows = match batch.rows.tables.iter().position(|rows| self.has(rows)) {
            Some(known) => known,
            None => {
                let rows = TableRows::new(Arc::clone(target));
                batch.rows.tables.push(rows);
                batch.rows.tables.len() - 1
            }
        };
        let mut filled = std::mem::replace(
            &mut batch.rows.tables[rows],
            TableRows::new(Arc::clone(target)),
        );
        let added = fill(&mut filled, batch, reject, config, task);
        if added.is_err() {
            filled.roll_back_row();
        }
        batch.rows.tables[rows] = filled;
        added.map_err(|problem| {
            SinkError::stop(format!(
                "dead letter table {} cannot take a dead letter: {problem}",
                self.name
            ))
        })
    }
}

fn fill(
    rows: &mut TableRows,
    batch: &ReadBatch,
    reject: &Reject,
    config: &ConnectorConfig,
    task: u32,
) -> Result<(), String> {
    let key = &batch.rows.positions[reject.position].key;
    let original = batch
        .original(reject.position, reject.offset)
        .unwrap_or_default();
    let (stage, reason) = (reject.error.stage.to_string(), reason(reject));
    let headers = headers(&original).map(|headers| headers.to_string());
    let now = Utc::now();
    let values = [
        ("connector", Value::Text((&*config.name).into())),
        ("topic", Value::Text((&*key.topic).into())),
        ("kafka_partition", Value::Int(key.partition.into())),
        ("kafka_offset", Value::Int(reject.offset)),
        ("task", Value::Int(task.into())),
        ("stage", Value::Text((&*stage).into())),
        ("reason", Value::Text((&*reason).into())),
        ("rejected_at", time(now.timestamp_millis())),
        (
            "record_time",
            original.timestamp_ms.map_or(Value::Null, time),
        ),
        ("record_key", original.key.map_or(Value::Null, bytes)),
        ("record_value", original.value.map_or(Value::Null, bytes)),
        (
            "record_headers",
            headers.map_or(Value::Null, |text| Value::Json(text.into())),
        ),
    ];
    for (name, value) in &values {
        push(rows, name, value)?;
    }
    rows.finish_row(Origin {
        position: u32::try_from(reject.position).unwrap_or(u32::MAX),
        offset: reject.offset,
        kind: RowKind::Write,
    });
    Ok(())
}

fn push(rows: &mut TableRows, name: &str, value: &Value<'_>) -> Result<(), String> {
    let target = Arc::clone(&rows.target);
    let written = target.table.column_index(name).and_then(|column| {
        let mut written = target.written.iter();
        written.position(|index| *index == column)
    });
    let written = written.ok_or_else(|| format!("it has no column {name} that can be written"))?;
    let column_type = &target.column(written).column_type;
    let rules = Rules {
        text_allows_nul: target.table.text_allows_nul,
        takes_zero_dates: target.table.has_zero_dates,
        zone: None,
    };
    let fitted = fit(value, column_type, rules)
        .map_err(|rule| format!("column {name} ({column_type}): {rule}"))?;
    rows.columns[written]
        .push(fitted.cell())
        .map_err(|mismatch| format!("column {name}: {mismatch}"))
}

fn bytes(bytes: &[u8]) -> Value<'_> {
    Value::Bytes(bytes.into())
}

fn time(millis: i64) -> Value<'static> {
    let nanos = millis.rem_euclid(1000) * 1_000_000;
    Value::Timestamp(Timestamp {
        seconds: millis.div_euclid(1000),
        nanos: u32::try_from(nanos).unwrap_or_default(),
    })
}

/// Without what some databases do not take in texts.
fn reason(reject: &Reject) -> String {
    let reason = reject.error.to_string();
    reason
        .chars()
        .filter(|character| *character != '\0')
        .take(REASON_CHARS_MAX)
        .collect()
}

/// `[{"name": .., "text": ..}, {"name": .., "base64": ..}]`, in order; a header without a value
/// has its name alone.
fn headers(original: &Original<'_>) -> Option<Json> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    if original.headers.is_empty() {
        return None;
    }
    let one = |(name, value): &(String, Option<Vec<u8>>)| {
        let name = name.replace('\0', "\u{fffd}");
        match value.as_deref().map(std::str::from_utf8) {
            None => json!({"name": name}),
            Some(Ok(text)) if !text.contains('\0') => json!({"name": name, "text": text}),
            Some(_) => {
                let bytes = value.as_deref().unwrap_or_default();
                json!({"name": name, "base64": BASE64.encode(bytes)})
            }
        }
    };
    Some(Json::Array(original.headers.iter().map(one).collect()))
}

#[cfg(test)]
mod tests {
    use rowdock_connectors::sqlite::SqliteSink;
    use rowdock_connectors::{
        PartitionKey, ProgressScope, Sink as _, SinkOptions, SinkTimeouts, WriteOutcome,
    };
    use sqlx::{ConnectOptions as _, Row as _};

    use super::*;
    use crate::config::worker::WorkerSettings;
    use crate::record::{RawRecord, RecordError, Stage};

    fn config(url: &str) -> ConnectorConfig {
        let raw = [
            ("name", "orders"),
            ("connector.class", "SqliteSink"),
            ("topics", "t"),
            ("connection.url", url),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.table", "letters"),
            // Of the records, not of the letters.
            ("fields.exclude.list", "reason,stage"),
        ];
        let raw = raw.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        ConnectorConfig::parse(&raw.into_iter().collect(), &WorkerSettings::default()).unwrap()
    }

    /// A batch with one rejected record, whose bytes were kept.
    fn batch(config: &ConnectorConfig) -> ReadBatch {
        let mut builder = crate::batch::BatchBuilder::new(config.batch, true, false);
        let key = PartitionKey {
            topic: "t".into(),
            partition: 3,
        };
        let position = builder.position(0, 7, || (key, crate::batch::AssignmentTag(1)));
        let headers = vec![
            ("text".to_owned(), Some(b"a".to_vec())),
            ("bytes".to_owned(), Some(vec![0xff])),
            ("none".to_owned(), None),
        ];
        let record = RawRecord {
            topic: "t",
            partition: 3,
            offset: 7,
            timestamp_ms: Some(-1),
            key: None,
            value: Some(b"{"),
            headers: &headers,
        };
        builder.advance(position, 8, 0);
        let target = Arc::new(Target {
            table: Table {
                name: TableName::parse("t"),
                kind: rowdock_connectors::TableKind::default(),
                columns: Vec::new(),
                primary_key: Vec::new(),
                unique_keys: Vec::new(),
                text_allows_nul: true,
                has_zero_dates: false,
            },
            written: Vec::new(),
            key: Vec::new(),
            mode: WriteMode::Insert,
            guard: None,
            tombstones: None,
        });
        let appended = builder.append(position, 0, &target, &record, |_, _| {
            Err(RecordError::new(Stage::ValueConverter, "ends\0too early").into())
        });
        appended.unwrap();
        builder.finish()
    }

    #[tokio::test]
    async fn letters_are_rows_of_a_real_database() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let config = config(&format!("jdbc:sqlite:{}", file.display()));
        let sink = SqliteSink::new(SinkOptions {
            url: config.sink.url.clone(),
            user: None,
            password: None,
            scope: ProgressScope {
                cluster_id: "c".into(),
                connector: "orders".into(),
            },
            progress_table: "progress".into(),
            stores_positions: false,
            application_name: "test".into(),
            timeouts: SinkTimeouts::default(),
        });
        let mut session = sink.unwrap().open().await.unwrap();
        let mut table = LetterTable::new("letters");
        let wanted = table.wanted().unwrap();
        let found = session.create_table(&wanted).await.unwrap();
        table.found(found, &config.sink).unwrap();
        assert!(table.wanted().is_none());
        // Twice: without exactly-once a record may be rejected again, and stays one row.
        for _ in 0..2 {
            let mut batch = batch(&config);
            let reject = batch.rejects[0].clone();
            table.add(&mut batch, &reject, &config, 5).unwrap();
            let written = session.write(&batch.rows).await.unwrap();
            assert_eq!(written, WriteOutcome::Committed);
        }
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query(
            "SELECT connector, topic, kafka_partition, kafka_offset, task, stage, reason, \
             record_key, record_value, record_headers FROM letters",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(rows.len(), 1);
        let text = |index: usize| rows[0].get::<String, _>(index);
        let number = |index: usize| rows[0].get::<i64, _>(index);
        assert_eq!((text(0), text(1)), ("orders".into(), "t".into()));
        assert_eq!((number(2), number(3), number(4)), (3, 7, 5));
        assert_eq!(
            (text(5), text(6)),
            ("VALUE_CONVERTER".into(), "endstoo early".into())
        );
        assert_eq!(rows[0].get::<Option<Vec<u8>>, _>(7), None);
        assert_eq!(rows[0].get::<Vec<u8>, _>(8), b"{");
        assert_eq!(
            text(9),
            r#"[{"name":"text","text":"a"},{"base64":"/w==","name":"bytes"},{"name":"none"}]"#
        );
    }
}
