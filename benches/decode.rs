//! What reading a record costs, per format, on one core: bytes to cells of a table's columns, with
//! and without a transform on the way, beside a plain parser on the same bytes.
//!
//! One order, written in every format: eleven fields, of which eight have a column; one is nested.
//! `make bench-decode`, or `cargo bench --bench decode --features plain-parsers`. Other work on the
//! machine shifts whole runs, so what formats cost in comparison is measured apart: each way in turn,
//! many short rounds, and of each round's ratio to schemaless JSON the median. The goals are printed
//! with what came of them.
//!
//! `ROWDOCK_BENCH_DECODE="avro"` sends records of one format through, and nothing else: for a profiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use rowdock::config::connector::ConnectorConfig;
use rowdock::config::converter::{
    Converter, IdFraming, JsonOptions, RegisteredFormat, RegistryAuth, RegistryOptions, RegistryTls,
};
use rowdock::config::worker::WorkerSettings;
use rowdock::decode::Formats;
use rowdock::decode::sides::RecordDecoder;
use rowdock::map::{TopicMapper, plan};
use rowdock::record::{OwnedRecord, RawRecord};
use rowdock::transform::Chain;
use rowdock_connectors::{
    ColumnDef, ColumnType, Origin, RowKind, Table, TableKind, TableName, TableRows,
};

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
        kind: TableKind::default(),
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
                insert_only: false,
            })
            .collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        text_allows_nul: false,
        has_zero_dates: false,
    }
}

fn json(schemas_enable: bool) -> Converter {
    Converter::Json(JsonOptions {
        schemas_enable,
        ..JsonOptions::default()
    })
}

const JSON_SCHEMA: &str = r#"{"type":"object","title":"Order","properties":{"id":{"type":"integer"},"customer":{"type":"string"},"email":{"type":["string","null"]},"quantity":{"type":"integer","connect.type":"int32"},"price":{"type":"number"},"express":{"type":"boolean"},"placed_at":{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp"},"note":{"type":["string","null"]},"region":{"type":"string"},"channel":{"type":"string"},"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string"}}}}}"#;

const PROTOBUF_SCHEMA: &str = r#"syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
message Order { int64 id = 1; string customer = 2; optional string email = 3; int32 quantity = 4; double price = 5; bool express = 6;
google.protobuf.Timestamp placed_at = 7; optional string note = 8; string region = 9; string channel = 10; Address address = 11; }
message Address { string street = 1; string city = 2; string zip = 3; }"#;

fn protobuf_bytes() -> Vec<u8> {
    fn number(field: u8, mut rest: u64) -> Vec<u8> {
        let mut bytes = vec![field << 3];
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    }
    fn sized(field: u8, content: &[u8]) -> Vec<u8> {
        let head = [field << 3 | 2, u8::try_from(content.len()).unwrap()];
        [&head, content].concat()
    }
    let address = [
        sized(1, b"Main street 12"),
        sized(2, b"Ulm"),
        sized(3, b"89073"),
    ];
    let placed_at = [number(1, 1_769_854_830), number(2, 123_000_000)];
    [
        vec![0, 0, 0, 0, 1, 0],
        number(1, 8_714_532),
        sized(2, b"customer-00471"),
        sized(3, b"c471@example.com"),
        number(4, 12),
        [&[5 << 3 | 1][..], &1999.95_f64.to_le_bytes()].concat(),
        number(6, 1),
        sized(7, &placed_at.concat()),
        sized(8, b"leave it at the door"),
        sized(9, b"north"),
        sized(10, b"web"),
        sized(11, &address.concat()),
    ]
    .concat()
}

/// A registry that knows one schema.
fn registered(format: RegisteredFormat, kind: &str, schema: &'static str) -> Converter {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = serde_json::json!({ "schema": schema, "schemaType": kind }).to_string();
    std::thread::spawn(move || {
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
        pause_max: Duration::ZERO,
        default_for_null: true,
    };
    Converter::Registered(format, Box::new(options))
}

/// The way of records without transforms, or with some.
struct Bench {
    mapper: TopicMapper,
    rows: TableRows,
    transforms: Option<(RecordDecoder, Chain)>,
}

/// What a record goes through before it is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The mapper alone, as if there were no transforms in the program.
    Mapper,
    /// A connector without transforms.
    Direct,
    /// A chain of none: what it would cost if every record were decoded as a whole.
    EmptyChain,
    /// One that renames a field.
    Renamed,
}

impl Way {
    const ALL: [Self; 4] = [Self::Direct, Self::Mapper, Self::EmptyChain, Self::Renamed];

    fn of(self, format: &str) -> String {
        match self {
            Self::Direct => format.to_owned(),
            Self::Mapper => format!("{format}, mapper alone"),
            Self::EmptyChain => format!("{format}, chain of none"),
            Self::Renamed => format!("{format}, field renamed"),
        }
    }
}

const TRANSFORM: [(&str, &str); 3] = [
    ("transforms", "rename"),
    ("transforms.rename.type", "ReplaceField$Value"),
    ("transforms.rename.renames", "channel:way"),
];

impl Bench {
    fn new(converter: &Converter, way: Way) -> Self {
        let transforms = match way {
            Way::Renamed => &TRANSFORM[..],
            _ => &[],
        };
        let raw = [
            ("name", "bench"),
            ("connector.class", "PostgresSink"),
            ("topics", "orders"),
            ("connection.url", "postgresql://localhost/bench"),
            ("fields.unknown", "ignore"),
        ];
        let raw = raw.iter().chain(transforms);
        let raw = raw.map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
        let config = ConnectorConfig::parse(&raw.collect(), &WorkerSettings::default()).unwrap();
        let target = Arc::new(plan::target(table(), &config.sink, "orders").unwrap());
        let formats = Formats::start(converter, converter, |_| {}).unwrap();
        let transforms = matches!(way, Way::EmptyChain | Way::Renamed).then(|| {
            let chain = Chain::new(&config.transforms, config.header_converter).unwrap();
            (RecordDecoder::new(formats.key(), formats.value()), chain)
        });
        let (key, value) = (formats.key(), formats.value());
        Self {
            mapper: TopicMapper::new(Arc::clone(&target), &config.sink, "orders", key, value),
            rows: TableRows::new(target),
            transforms,
        }
    }

    fn record(&mut self, value: &[u8]) {
        let record = raw(value);
        let transformed = match &mut self.transforms {
            None => return self.map(&record),
            Some((decoder, chain)) => {
                while !decoder.is_ready(&record) {
                    std::thread::yield_now();
                }
                let whole = decoder.decode(&record).unwrap();
                Some(chain.apply(whole, &record).unwrap().unwrap())
            }
        };
        self.fill(&record, transformed.as_ref());
    }

    /// The same, where nobody asks whether there are transforms.
    fn map(&mut self, record: &RawRecord<'_>) {
        while !self.mapper.is_ready(record) {
            std::thread::yield_now();
        }
        self.fill(record, None);
    }

    #[inline]
    fn fill(&mut self, record: &RawRecord<'_>, transformed: Option<&OwnedRecord>) {
        let origin = Origin {
            position: 0,
            offset: 7,
            kind: RowKind::Write,
        };
        self.mapper
            .map(record, transformed, origin, &mut self.rows)
            .unwrap();
        // As large as a batch; then with the same room again.
        if self.rows.len() == 5_000 {
            self.rows = self.rows.empty_with_same_room();
        }
    }

    fn run(&mut self, way: Way, value: &[u8]) {
        match way {
            Way::Mapper => self.map(&raw(value)),
            _ => self.record(value),
        }
    }
}

fn raw(value: &[u8]) -> RawRecord<'_> {
    RawRecord {
        topic: "orders",
        partition: 0,
        offset: 7,
        timestamp_ms: None,
        key: None,
        value: Some(value),
        headers: &(),
    }
}

/// Each format: its name, its converter, the order in it.
fn cases() -> Vec<(&'static str, Converter, Vec<u8>)> {
    let envelope = format!(r#"{{"schema":{ENVELOPE_SCHEMA},"payload":{PAYLOAD}}}"#);
    let json_schema = [&[0, 0, 0, 0, 1], PAYLOAD.as_bytes()].concat();
    let of_registry = |format, kind, schema| registered(format, kind, schema);
    vec![
        ("schemaless json", json(false), PAYLOAD.into()),
        ("envelope json", json(true), envelope.into()),
        (
            "avro",
            of_registry(RegisteredFormat::Avro, "AVRO", AVRO_SCHEMA),
            avro_bytes(),
        ),
        (
            "json schema",
            of_registry(RegisteredFormat::JsonSchema, "JSON", JSON_SCHEMA),
            json_schema,
        ),
        (
            "protobuf",
            of_registry(RegisteredFormat::Protobuf, "PROTOBUF", PROTOBUF_SCHEMA),
            protobuf_bytes(),
        ),
    ]
}

fn formats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record to cells");
    group.throughput(Throughput::Elements(1));
    for (name, converter, value) in cases() {
        for way in [Way::Direct, Way::Renamed] {
            let mut bench = Bench::new(&converter, way);
            group.bench_function(way.of(name), |timer| {
                timer.iter(|| bench.run(way, black_box(&value)));
            });
        }
    }
    group.finish();
}

/// What others make of the same bytes: a tree of values, without a look at a table.
type Parse = Box<dyn FnMut(&[u8])>;
type Plain = (&'static str, Parse);

fn plain_parsers() -> Vec<(&'static str, Plain)> {
    let json = || -> Parse {
        Box::new(|bytes| drop(serde_json::from_slice::<serde_json::Value>(bytes).unwrap()))
    };
    let order = order_message();
    let protobuf =
        move |bytes: &[u8]| drop(DynamicMessage::decode(order.clone(), &bytes[6..]).unwrap());
    let framed = |mut parse: Parse| -> Parse { Box::new(move |bytes| parse(&bytes[5..])) };
    let mut parsers: Vec<(&'static str, Plain)> = vec![
        ("schemaless json", ("serde_json::Value", json())),
        ("envelope json", ("serde_json::Value", json())),
        ("json schema", ("serde_json::Value", framed(json()))),
        (
            "protobuf",
            ("prost_reflect::DynamicMessage", Box::new(protobuf)),
        ),
    ];
    parsers.extend(plain_avro());
    parsers
}

#[cfg(feature = "plain-parsers")]
fn plain_avro() -> Option<(&'static str, Plain)> {
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    // For as long as the bench runs: the reader borrows its schema.
    let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(AVRO_SCHEMA).unwrap()));
    let reader = GenericDatumReader::builder(schema).build().unwrap();
    let parse = move |bytes: &[u8]| drop(reader.read_value(&mut &bytes[5..]).unwrap());
    Some(("avro", ("apache_avro::types::Value", Box::new(parse))))
}

#[cfg(not(feature = "plain-parsers"))]
fn plain_avro() -> Option<(&'static str, Plain)> {
    None
}

fn order_message() -> MessageDescriptor {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("order.proto"), PROTOBUF_SCHEMA).unwrap();
    let files = protox::compile(["order.proto"], [folder.path()]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    pool.get_message_by_name("shop.Order").unwrap()
}

const ROUNDS: usize = 200;
const RECORDS_PER_ROUND: u32 = 2_000;

/// One way through the program, or past it.
struct Run {
    name: String,
    record: Box<dyn FnMut()>,
    /// Per record, in each round.
    nanos: Vec<f64>,
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for (format, converter, value) in cases() {
        for way in Way::ALL {
            let (mut bench, value) = (Bench::new(&converter, way), value.clone());
            runs.push(Run {
                name: way.of(format),
                record: Box::new(move || bench.run(way, black_box(&value))),
                nanos: Vec::new(),
            });
        }
    }
    let values: Vec<_> = cases()
        .into_iter()
        .map(|(name, _, value)| (name, value))
        .collect();
    for (format, (parser, mut parse)) in plain_parsers() {
        let found = values.iter().find(|(name, _)| *name == format);
        let value = found.unwrap().1.clone();
        runs.push(Run {
            name: format!("{format}, {parser}"),
            record: Box::new(move || parse(black_box(&value))),
            nanos: Vec::new(),
        });
    }
    runs
}

/// All ways in turn: what each costs in comparison with schemaless JSON, and whether that is what it
/// should be.
fn comparison(_: &mut Criterion) {
    let mut runs = runs();
    for _ in 0..ROUNDS {
        for run in &mut runs {
            let began = Instant::now();
            for _ in 0..RECORDS_PER_ROUND {
                (run.record)();
            }
            let nanos = began.elapsed().as_secs_f64() * 1e9;
            run.nanos.push(nanos / f64::from(RECORDS_PER_ROUND));
        }
    }
    println!("{:<48} {:>10} {:>8}", "in turn", "ns/record", "ratio");
    for run in &runs {
        let (time, ratio) = (median(run.nanos.clone()), ratio(run, &runs[0]));
        println!("{:<48} {time:>10.0} {ratio:>8.2}", run.name);
    }
    println!();
    let named = |name: &str| runs.iter().find(|run| run.name == name).unwrap();
    for (name, of, limit) in GOALS {
        let ratio = ratio(named(name), named(of));
        let verdict = if ratio <= limit { "met" } else { "MISSED" };
        println!("goal: {name} costs at most {limit:.2} x {of}: {ratio:.2}, {verdict}");
    }
}

/// That a connector without transforms pays nothing for them is within what two measurements of the
/// same differ by.
const GOALS: [(&str, &str, f64); 4] = [
    ("envelope json", "schemaless json", 1.5),
    ("avro", "schemaless json", 0.6),
    ("schemaless json", "schemaless json, mapper alone", 1.02),
    ("avro", "avro, mapper alone", 1.02),
];

fn ratio(run: &Run, basis: &Run) -> f64 {
    let rounds = run.nanos.iter().zip(&basis.nanos);
    median(rounds.map(|(one, basis)| one / basis).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Records for a profiler to look at.
const RECORDS_PROFILED: u32 = 20_000;

fn profiled(format: &str) {
    let found = cases().into_iter().find(|(name, ..)| *name == format);
    let (_, converter, value) = found.expect("the name of a format");
    let mut bench = Bench::new(&converter, Way::Direct);
    for _ in 0..RECORDS_PROFILED {
        bench.record(black_box(&value));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = formats, comparison
}

fn main() {
    match std::env::var("ROWDOCK_BENCH_DECODE") {
        Ok(format) => profiled(&format),
        Err(_) => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
