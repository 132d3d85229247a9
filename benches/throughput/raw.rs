//! The fastest ways to put the same rows into PostgreSQL, from a client that does nothing else: the
//! measure for everybody. Rows lie in memory as columns; every batch is one transaction.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::SinkExt as _;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::database::{self, Database};
use crate::order::Order;
use crate::report::RawWay;

/// Rows in one transaction, as many as the worker's default.
pub(crate) const BATCH_ROWS: usize = 5_000;

/// Between 1970 and 2000, PostgreSQL's first moment, in microseconds.
pub(crate) const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// One chunk of COPY data; larger ones gain nothing.
const COPY_CHUNK_BYTES: usize = 256 * 1024;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `COPY .. FROM STDIN (FORMAT binary)`.
    Copy,
    /// `INSERT .. SELECT * FROM unnest(..)`, one array per column.
    Unnest,
}

/// A row, or the value that it comes from.
#[derive(Deserialize)]
pub(crate) struct Row<'text> {
    id: i64,
    customer: &'text str,
    product: &'text str,
    quantity: i32,
    price: f64,
    #[serde(rename = "created_at")]
    created_at_ms: i64,
    note: &'text str,
    paid: bool,
}

/// Rows, as columns.
#[derive(Default)]
pub(crate) struct Columns {
    ids: Vec<i64>,
    customers: TextColumn,
    products: TextColumn,
    quantities: Vec<i32>,
    prices: Vec<f64>,
    created_at_ms: Vec<i64>,
    notes: TextColumn,
    paid: Vec<bool>,
}

/// Texts end to end.
#[derive(Default)]
struct TextColumn {
    text: String,
    ends: Vec<usize>,
}

impl Method {
    pub(crate) const ALL: [Self; 2] = [Self::Copy, Self::Unnest];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Unnest => "unnest",
        }
    }
}

impl Columns {
    /// Orders `0..records`.
    pub(crate) fn new(records: usize) -> anyhow::Result<Self> {
        let mut columns = Self::default();
        for id in 0..i64::try_from(records)? {
            let order = Order::new(id);
            columns.push(&Row {
                id: order.id,
                customer: &order.customer,
                product: &order.product,
                quantity: order.quantity,
                price: order.price,
                created_at_ms: order.created_at_ms,
                note: order.note,
                paid: order.paid,
            });
        }
        Ok(columns)
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) {
        self.ids.push(row.id);
        self.customers.push(row.customer);
        self.products.push(row.product);
        self.quantities.push(row.quantity);
        self.prices.push(row.price);
        self.created_at_ms.push(row.created_at_ms);
        self.notes.push(row.note);
        self.paid.push(row.paid);
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Appends rows as COPY's binary tuples.
    fn encode(&self, row: usize, buffer: &mut BytesMut) {
        buffer.put_i16(8);
        put(buffer, &self.ids[row].to_be_bytes());
        put(buffer, self.customers.get(row).as_bytes());
        put(buffer, self.products.get(row).as_bytes());
        put(buffer, &self.quantities[row].to_be_bytes());
        put(buffer, &self.prices[row].to_be_bytes());
        let created_at_us = self.created_at_ms[row] * 1000 - EPOCH_SHIFT_US;
        put(buffer, &created_at_us.to_be_bytes());
        put(buffer, self.notes.get(row).as_bytes());
        put(buffer, &[u8::from(self.paid[row])]);
    }
}

impl TextColumn {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }

    fn slices(&self, rows: Range<usize>) -> Vec<&str> {
        rows.map(|row| self.get(row)).collect()
    }
}

/// Writes all rows over so many connections, and checks that they are there.
pub(crate) fn write(
    database: &Database,
    columns: &Columns,
    method: Method,
    connections: usize,
) -> anyhow::Result<RawWay> {
    let table = format!("raw_{}_{connections}", method.name());
    database.create_table(&table)?;
    let cpu_before = database.cpu_time()?;
    let elapsed = write_in_threads(&database.url, columns, method, connections, &table)?;
    let cpu = database.cpu_time()?.zip(cpu_before);
    database.expect_orders(&table, columns.len())?;
    database.drop_table(&table)?;
    let millions = columns.len() as f64 / 1e6;
    Ok(RawWay {
        method: method.name(),
        connections,
        rows_per_s: columns.len() as f64 / elapsed.as_secs_f64(),
        database_cpu_s_per_million: cpu
            .map(|(after, before)| (after - before).as_secs_f64() / millions),
    })
}

/// Each connection takes every `connections`-th batch.
fn write_in_threads(
    url: &str,
    columns: &Columns,
    method: Method,
    connections: usize,
    table: &str,
) -> anyhow::Result<Duration> {
    let barrier = std::sync::Barrier::new(connections);
    let times = thread::scope(|scope| {
        let writers: Vec<_> = (0..connections)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || -> anyhow::Result<(Instant, Instant)> {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    runtime.block_on(async {
                        let client = database::connect(url).await;
                        barrier.wait();
                        let client = client?;
                        let started = Instant::now();
                        let mut writer = Writer::new(&client, method, table).await?;
                        for batch in (number..).step_by(connections) {
                            let start = batch * BATCH_ROWS;
                            if start >= columns.len() {
                                break;
                            }
                            let end = columns.len().min(start + BATCH_ROWS);
                            writer.write(columns, start..end).await?;
                        }
                        Ok((started, Instant::now()))
                    })
                })
            })
            .collect();
        let mut times = Vec::new();
        for writer in writers {
            match writer.join() {
                Ok(time) => times.push(time?),
                Err(_) => bail!("a raw writer ended early"),
            }
        }
        Ok(times)
    })?;
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    let (start, end) = start.zip(end).context("no connection was asked for")?;
    Ok(end - start)
}

/// One connection's statement and buffer.
pub(crate) struct Writer<'c> {
    client: &'c Client,
    method: Method,
    copy: String,
    unnest: tokio_postgres::Statement,
    buffer: BytesMut,
}

impl<'c> Writer<'c> {
    pub(crate) async fn new(
        client: &'c Client,
        method: Method,
        table: &str,
    ) -> anyhow::Result<Self> {
        let unnest = client
            .prepare(&format!(
                "insert into {table} select * from unnest($1::bigint[], $2::text[], $3::text[], \
                 $4::int[], $5::float8[], $6::timestamp[], $7::text[], $8::bool[])"
            ))
            .await?;
        Ok(Self {
            client,
            method,
            copy: format!("copy {table} from stdin (format binary)"),
            unnest,
            buffer: BytesMut::new(),
        })
    }

    pub(crate) async fn write(
        &mut self,
        columns: &Columns,
        rows: Range<usize>,
    ) -> anyhow::Result<()> {
        let written = match self.method {
            Method::Copy => self.copy(columns, rows.clone()).await?,
            Method::Unnest => self.unnest(columns, rows.clone()).await?,
        };
        if written != u64::try_from(rows.len())? {
            bail!("the database took {written} rows of {}", rows.len());
        }
        Ok(())
    }

    async fn copy(&mut self, columns: &Columns, rows: Range<usize>) -> anyhow::Result<u64> {
        let sink = self.client.copy_in::<_, Bytes>(&self.copy).await?;
        let mut sink = std::pin::pin!(sink);
        self.buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
        self.buffer.put_i32(0);
        self.buffer.put_i32(0);
        for row in rows {
            columns.encode(row, &mut self.buffer);
            if self.buffer.len() >= COPY_CHUNK_BYTES {
                sink.feed(self.buffer.split().freeze()).await?;
            }
        }
        self.buffer.put_i16(-1);
        sink.feed(self.buffer.split().freeze()).await?;
        Ok(sink.finish().await?)
    }

    async fn unnest(&mut self, columns: &Columns, rows: Range<usize>) -> anyhow::Result<u64> {
        let customers = columns.customers.slices(rows.clone());
        let products = columns.products.slices(rows.clone());
        let notes = columns.notes.slices(rows.clone());
        let created_at: Vec<SystemTime> = columns.created_at_ms[rows.clone()]
            .iter()
            .map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs()))
            .collect();
        let count = self
            .client
            .execute(
                &self.unnest,
                &[
                    &&columns.ids[rows.clone()],
                    &customers,
                    &products,
                    &&columns.quantities[rows.clone()],
                    &&columns.prices[rows.clone()],
                    &created_at,
                    &notes,
                    &&columns.paid[rows],
                ],
            )
            .await?;
        Ok(count)
    }
}

fn put(buffer: &mut BytesMut, field: &[u8]) {
    buffer.put_i32(i32::try_from(field.len()).unwrap_or(i32::MAX));
    buffer.put_slice(field);
}
