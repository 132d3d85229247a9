//! What reading a record costs, per format, on one core: bytes to cells of a table's columns,
//! beside a plain parser on the same bytes.
//!
//! One order, written in every format: eleven fields, of which eight have a column; one is nested.
//! `cargo bench --bench decode`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rowdock::config::connector::ConnectorConfig;
use rowdock::config::converter::{
    Converter, IdFraming, JsonOptions, RegisteredFormat, RegistryAuth, RegistryOptions, RegistryTls,
};
use rowdock::config::worker::WorkerSettings;
use rowdock::decode::Formats;
use rowdock::map::{TopicMapper, plan};
use rowdock::record::RawRecord;
use rowdock_connectors::{ColumnDef, ColumnType, Origin, RowKind, Table, TableName, TableRows};

const PAYLOAD: &str = r#"{"id":8714532,"customer":"customer-00471","email":"c471@example.com","quantity":12,"price":1999.95,"express":true,"placed_at":1769854830123,"note":"leave it at the door","region":"north","channel":"web","address":{"street":"Main street 12","city":"Ulm","zip":"89073"}}"#;

const ENVELOPE_SCHEMA: &str = r#"{"type":"struct","optional":false,"name":"shop.Order","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","optional":false,"field":"customer"},{"type":"string","optional":true,"field":"email"},{"type":"int32","optional":false,"field":"quantity"},{"type":"double","optional":false,"field":"price"},{"type":"boolean","optional":false,"field":"express"},{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"placed_at"},{"type":"string","optional":true,"field":"note"},{"type":"string","optional":false,"field":"region"},{"type":"string","optional":false,"field":"channel"},{"type":"struct","fields":[{"type":"string","field":"street"},{"type":"string","field":"city"},{"type":"string","field":"zip"}],"field":"address"}]}"#;

const AVRO_SCHEMA: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"email","type":["null","string"]},{"name":"quantity","type":"int"},{"name":"price","type":"double"},{"name":"express","type":"boolean"},{"name":"placed_at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"note","type":["null","string"]},{"name":"region","type":"string"},{"name":"channel","type":"string"},{"name":"address","type":{"type":"record","name":"Address","fields":[{"name":"street","type":"string"},{"name":"city","type":"string"},{"name":"zip","type":"string"}]}}]}"#;

fn avro_bytes() -> Vec<u8> {
    fn long(number: i64) -> Vec<u8> {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    }
    fn text(text: &str) -> Vec<u8> {
        [
            long(i64::try_from(text.len()).unwrap()),
            text.as_bytes().to_vec(),
        ]
        .concat()
    }
    [
        vec![0, 0, 0, 0, 1],
        long(8_714_532),
        text("customer-00471"),
        long(1),
        text("c471@example.com"),
        long(12),
        1999.95_f64.to_le_bytes().to_vec(),
        vec![1],
        long(1_769_854_830_123),
        long(1),
        text("leave it at the door"),
        text("north"),
        text("web"),
        text("Main street 12"),
        text("Ulm"),
        text("89073"),
    ]
    .concat()
}

fn table() -> Table {
    let columns = [
        ("id", ColumnType::Int64),
        ("customer", ColumnType::Text { max_chars: None }),
        ("quantity", ColumnType::Int32),
        ("price", ColumnType::Float64),
        ("express", ColumnType::Bool),
        ("placed_at", ColumnType::Timestamp),
        ("note", ColumnType::Text { max_chars: None }),
        ("region", ColumnType::Text { max_chars: None }),
    ];
    Table {
        name: TableName::parse("orders"),
        columns: columns
            .into_iter()
            .map(|(name, column_type)| ColumnDef {
                name: name.to_owned(),
                native_type: column_type.to_string(),
                column_type,
                native_type_id: 0,
                nullable: true,
                has_default: false,
                generated: false,
            })
            .collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: false,
    }
}

fn json(schemas_enable: bool) -> Converter {
    Converter::Json(JsonOptions {
        schemas_enable,
        ..JsonOptions::default()
    })
}

/// A registry that knows one schema.
fn avro() -> Converter {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = serde_json::json!({ "schema": AVRO_SCHEMA }).to_string();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            assert!(read > 0);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let options = RegistryOptions {
        urls: vec![url],
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
        ids: IdFraming::Confluent,
        by_global_id: false,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        default_for_null: true,
    };
    Converter::Registered(RegisteredFormat::Avro, Box::new(options))
}

struct Bench {
    mapper: TopicMapper,
    rows: TableRows,
}

impl Bench {
    fn new(converter: &Converter) -> Self {
        let raw = [
            ("name", "bench"),
            ("connector.class", "PostgresSink"),
            ("topics", "orders"),
            ("connection.url", "postgresql://localhost/bench"),
            ("fields.unknown", "ignore"),
        ];
        let raw = raw.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        let config = ConnectorConfig::parse(&raw.into(), &WorkerSettings::default()).unwrap();
        let target = Arc::new(plan::target(table(), &config.sink).unwrap());
        let formats = Formats::start(converter, converter, |_| {}).unwrap();
        let (key, value) = (formats.key(), formats.value());
        Self {
            mapper: TopicMapper::new(Arc::clone(&target), &config.sink, key, value),
            rows: TableRows::new(target),
        }
    }

    fn record(&mut self, value: &[u8]) {
        let record = RawRecord {
            topic: "orders",
            partition: 0,
            offset: 7,
            timestamp_ms: None,
            key: None,
            value: Some(value),
            headers: &(),
        };
        while !self.mapper.is_ready(&record) {
            std::thread::yield_now();
        }
        let origin = Origin {
            position: 0,
            offset: 7,
            kind: RowKind::Write,
        };
        self.mapper
            .map(&record, None, origin, &mut self.rows)
            .unwrap();
        // As large as a batch; then with the same room again.
        if self.rows.len() == 5_000 {
            self.rows = self.rows.empty_with_same_room();
        }
    }
}

fn formats(criterion: &mut Criterion) {
    let envelope = format!(r#"{{"schema":{ENVELOPE_SCHEMA},"payload":{PAYLOAD}}}"#);
    let avro_value = avro_bytes();
    let cases: [(&str, Converter, &[u8]); 3] = [
        ("schemaless json", json(false), PAYLOAD.as_bytes()),
        ("envelope json", json(true), envelope.as_bytes()),
        ("avro", avro(), &avro_value),
    ];
    let mut group = criterion.benchmark_group("record to cells");
    group.throughput(Throughput::Elements(1));
    for (name, converter, value) in cases {
        let mut bench = Bench::new(&converter);
        group.bench_function(name, |timer| timer.iter(|| bench.record(black_box(value))));
    }
    group.bench_function(
        "plain parser: schemaless json to serde_json::Value",
        |timer| {
            timer.iter(|| {
                serde_json::from_slice::<serde_json::Value>(black_box(PAYLOAD.as_bytes())).unwrap()
            });
        },
    );
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = formats
}
criterion_main!(benches);
