//! The fastest ways to write the same rows over one connection, from a client that does nothing
//! else. Every batch is one transaction, as large as the worker's default.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Params, Value};
use sqlx::Connection as _;
use sqlx::{AssertSqlSafe, SqliteConnection};
use tokio_postgres::types::ToSql;

use super::engine::{Database, Engine, mysql_connect, sqlite_connect};
use super::load;
use crate::database;
use crate::order::Order;
use crate::raw::EPOCH_SHIFT_US;

/// Rows in one transaction, as many as the worker's default.
const BATCH_ROWS: usize = 5_000;
/// Rows per statement, where a batch takes several.
const STATEMENT_ROWS: usize = 1_000;
/// SQLite's statements are smaller: one of its own is parsed for each size.
const SQLITE_STATEMENT_ROWS: usize = 250;
const COLUMNS: &str = "id, customer, product, quantity, price, created_at, note, paid";
const WIDTH: usize = 8;

/// Writes all rows to the table `raw` and returns how long it took.
pub(crate) fn write(
    database: &Database,
    way: &str,
    is_upsert: bool,
    keys: usize,
    records: usize,
) -> anyhow::Result<Duration> {
    let orders: Vec<Order> = (0..records)
        .map(|number| {
            let mut order = Order::new(load::whole(number));
            order.id = load::whole(load::key(number, keys));
            order
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut writer = Writer::connect(database, is_upsert).await?;
        let started = Instant::now();
        for batch in orders.chunks(BATCH_ROWS) {
            writer.write(way, batch).await?;
        }
        Ok(started.elapsed())
    })
}

enum Writer {
    Postgres(Postgres),
    MySql(MySql),
    Sqlite(Sqlite),
}

impl Writer {
    async fn connect(database: &Database, is_upsert: bool) -> anyhow::Result<Self> {
        Ok(match database.engine {
            Engine::Postgres => Self::Postgres(Postgres::connect(&database.url, is_upsert).await?),
            Engine::MySql | Engine::MariaDb => {
                Self::MySql(MySql::connect(&database.url, is_upsert).await?)
            }
            Engine::Sqlite => Self::Sqlite(Sqlite {
                connection: sqlite_connect(&database.url).await?,
                conflict: conflict(is_upsert, "excluded."),
            }),
        })
    }

    async fn write(&mut self, way: &str, orders: &[Order]) -> anyhow::Result<()> {
        match (self, way) {
            (Self::Postgres(writer), "copy") => writer.copy(orders).await,
            (Self::Postgres(writer), "unnest") => writer.unnest(orders).await,
            (Self::Postgres(writer), "prepared rows") => writer.prepared(orders).await,
            (Self::MySql(writer), "prepared rows") => writer.prepared(orders).await,
            (Self::MySql(writer), "load data") => writer.load_data(orders).await,
            (Self::Sqlite(writer), "prepared rows") => {
                writer.prepared(orders, SQLITE_STATEMENT_ROWS).await
            }
            (Self::Sqlite(writer), "one row each") => writer.prepared(orders, 1).await,
            (Self::Sqlite(writer), "json") => writer.json(orders).await,
            (_, way) => bail!("no raw way {way}"),
        }
    }
}

/// The end of an upsert in the words of PostgreSQL and SQLite.
fn conflict(is_upsert: bool, new: &str) -> String {
    if !is_upsert {
        return String::new();
    }
    let changes: Vec<String> = COLUMNS
        .split(", ")
        .skip(1)
        .map(|column| format!("{column} = {new}{column}"))
        .collect();
    format!(" on conflict (id) do update set {}", changes.join(", "))
}

struct Postgres {
    client: tokio_postgres::Client,
    unnest: tokio_postgres::Statement,
    /// An insert of [`STATEMENT_ROWS`].
    rows: tokio_postgres::Statement,
    conflict: String,
    /// From the table that a copy goes to first, when rows are upserted.
    merge: Option<tokio_postgres::Statement>,
    buffer: BytesMut,
}

impl Postgres {
    async fn connect(url: &str, is_upsert: bool) -> anyhow::Result<Self> {
        let client = database::connect(url).await?;
        let conflict = conflict(is_upsert, "excluded.");
        let unnest = client
            .prepare(&format!(
                "insert into raw select * from unnest($1::bigint[], $2::text[], $3::text[], \
                 $4::int[], $5::float8[], $6::timestamp[], $7::text[], $8::bool[]){conflict}"
            ))
            .await?;
        let rows = format!(
            "insert into raw values {}{conflict}",
            places(STATEMENT_ROWS)
        );
        let rows = client.prepare(&rows).await?;
        let merge = if is_upsert {
            let sql = "create temporary table fresh (like raw) on commit delete rows";
            client.batch_execute(sql).await?;
            let sql = format!("insert into raw select * from fresh{conflict}");
            Some(client.prepare(&sql).await?)
        } else {
            None
        };
        Ok(Self {
            client,
            unnest,
            rows,
            conflict,
            merge,
            buffer: BytesMut::new(),
        })
    }

    async fn copy(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        let table = if self.merge.is_some() { "fresh" } else { "raw" };
        self.client.batch_execute("begin").await?;
        let copy = format!("copy {table} from stdin (format binary)");
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(&copy).await?);
        self.buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
        self.buffer.put_i32(0);
        self.buffer.put_i32(0);
        for order in orders {
            push_tuple(&mut self.buffer, order);
        }
        self.buffer.put_i16(-1);
        sink.feed(self.buffer.split().freeze()).await?;
        sink.finish().await?;
        if let Some(merge) = &self.merge {
            self.client.execute(merge, &[]).await?;
        }
        Ok(self.client.batch_execute("commit").await?)
    }

    async fn unnest(&self, orders: &[Order]) -> anyhow::Result<()> {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let customers: Vec<&str> = orders.iter().map(|order| &*order.customer).collect();
        let products: Vec<&str> = orders.iter().map(|order| &*order.product).collect();
        let quantities: Vec<i32> = orders.iter().map(|order| order.quantity).collect();
        let prices: Vec<f64> = orders.iter().map(|order| order.price).collect();
        let times: Vec<SystemTime> = orders.iter().map(created_at).collect();
        let notes: Vec<&str> = orders.iter().map(|order| order.note).collect();
        let paid: Vec<bool> = orders.iter().map(|order| order.paid).collect();
        self.client
            .execute(
                &self.unnest,
                &[
                    &ids,
                    &customers,
                    &products,
                    &quantities,
                    &prices,
                    &times,
                    &notes,
                    &paid,
                ],
            )
            .await?;
        Ok(())
    }

    async fn prepared(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        let transaction = self.client.transaction().await?;
        for rows in orders.chunks(STATEMENT_ROWS) {
            let times: Vec<SystemTime> = rows.iter().map(created_at).collect();
            let mut values: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(rows.len() * WIDTH);
            for (order, time) in rows.iter().zip(&times) {
                values.extend([
                    &order.id as &(dyn ToSql + Sync),
                    &order.customer,
                    &order.product,
                    &order.quantity,
                    &order.price,
                    time,
                    &order.note,
                    &order.paid,
                ]);
            }
            if rows.len() == STATEMENT_ROWS {
                transaction.execute(&self.rows, &values).await?;
                continue;
            }
            let conflict = &self.conflict;
            let sql = format!("insert into raw values {}{conflict}", places(rows.len()));
            transaction.execute(&sql, &values).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn created_at(order: &Order) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(order.created_at_ms.unsigned_abs())
}

/// Numbered places for the values of so many rows.
fn places(rows: usize) -> String {
    let row = |row: usize| {
        let places = (1..=WIDTH).map(|column| format!("${}", row * WIDTH + column));
        format!("({})", places.collect::<Vec<_>>().join(","))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(",")
}

/// A tuple of a binary copy.
fn push_tuple(buffer: &mut BytesMut, order: &Order) {
    let created_at_us = order.created_at_ms * 1000 - EPOCH_SHIFT_US;
    let fields: [&[u8]; WIDTH] = [
        &order.id.to_be_bytes(),
        order.customer.as_bytes(),
        order.product.as_bytes(),
        &order.quantity.to_be_bytes(),
        &order.price.to_be_bytes(),
        &created_at_us.to_be_bytes(),
        order.note.as_bytes(),
        &[u8::from(order.paid)],
    ];
    buffer.put_i16(8);
    for field in fields {
        buffer.put_i32(i32::try_from(field.len()).unwrap_or(i32::MAX));
        buffer.put_slice(field);
    }
}

struct MySql {
    connection: mysql_async::Conn,
    is_upsert: bool,
}

impl MySql {
    async fn connect(url: &str, is_upsert: bool) -> anyhow::Result<Self> {
        let mut connection = mysql_connect(url).await?;
        if is_upsert {
            let sql = "create temporary table fresh like raw";
            connection.query_drop(sql).await?;
        }
        Ok(Self {
            connection,
            is_upsert,
        })
    }

    fn changes(&self) -> String {
        let changes: Vec<String> = COLUMNS
            .split(", ")
            .skip(1)
            .map(|column| format!("{column} = values({column})"))
            .collect();
        if self.is_upsert {
            format!(" on duplicate key update {}", changes.join(", "))
        } else {
            String::new()
        }
    }

    async fn prepared(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        self.connection.query_drop("start transaction").await?;
        for rows in orders.chunks(STATEMENT_ROWS) {
            let places = vec!["(?,?,?,?,?,?,?,?)"; rows.len()].join(",");
            let changes = self.changes();
            let sql = format!("insert into raw ({COLUMNS}) values {places}{changes}");
            let values = rows.iter().flat_map(values).collect();
            let parameters = Params::Positional(values);
            self.connection.exec_drop(sql, parameters).await?;
        }
        Ok(self.connection.query_drop("commit").await?)
    }

    /// Rows as lines of text; upserts by way of a temporary table.
    async fn load_data(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        let mut text = String::with_capacity(orders.len() * 128);
        for order in orders {
            let at = time(order.created_at_ms);
            writeln!(
                text,
                "{}\t{}\t{}\t{}\t{}\t{at}\t{}\t{}",
                order.id,
                order.customer,
                order.product,
                order.quantity,
                order.price,
                order.note,
                u8::from(order.paid)
            )?;
        }
        self.connection.set_infile_handler(async move {
            Ok(futures_util::stream::iter([Ok(Bytes::from(text))]).boxed())
        });
        let table = if self.is_upsert { "fresh" } else { "raw" };
        self.connection.query_drop("start transaction").await?;
        let load = format!("load data local infile 'rows' into table {table} ({COLUMNS})");
        self.connection.query_drop(load).await?;
        if self.is_upsert {
            let merge = format!(
                "insert into raw ({COLUMNS}) select {COLUMNS} from fresh{}",
                self.changes()
            );
            self.connection.query_drop(merge).await?;
            self.connection.query_drop("delete from fresh").await?;
        }
        Ok(self.connection.query_drop("commit").await?)
    }
}

fn values(order: &Order) -> [Value; WIDTH] {
    [
        order.id.into(),
        order.customer.as_str().into(),
        order.product.as_str().into(),
        order.quantity.into(),
        order.price.into(),
        Value::Bytes(time(order.created_at_ms).into_bytes()),
        order.note.into(),
        order.paid.into(),
    ]
}

fn time(ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

struct Sqlite {
    connection: SqliteConnection,
    conflict: String,
}

impl Sqlite {
    async fn prepared(&mut self, orders: &[Order], at_a_time: usize) -> anyhow::Result<()> {
        let mut transaction = self.connection.begin_with("begin immediate").await?;
        for rows in orders.chunks(at_a_time) {
            let places = vec!["(?,?,?,?,?,?,?,?)"; rows.len()].join(",");
            let conflict = &self.conflict;
            let sql = format!("insert into raw ({COLUMNS}) values {places}{conflict}");
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for order in rows {
                query = query
                    .bind(order.id)
                    .bind(&order.customer)
                    .bind(&order.product)
                    .bind(order.quantity)
                    .bind(order.price)
                    .bind(order.created_at_ms)
                    .bind(order.note)
                    .bind(order.paid);
            }
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// All rows as one text, taken apart by the database.
    async fn json(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        let mut text = String::with_capacity(orders.len() * 128);
        text.push('[');
        for (index, order) in orders.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(
                text,
                r#"{comma}[{},"{}","{}",{},{},{},"{}",{}]"#,
                order.id,
                order.customer,
                order.product,
                order.quantity,
                order.price,
                order.created_at_ms,
                order.note,
                u8::from(order.paid)
            )?;
        }
        text.push(']');
        let cells: Vec<String> = (0..WIDTH).map(|cell| format!("value ->> {cell}")).collect();
        let sql = format!(
            "insert into raw ({COLUMNS}) select {} from json_each(?) where true{}",
            cells.join(", "),
            self.conflict
        );
        let mut transaction = self.connection.begin_with("begin immediate").await?;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(text);
        query.execute(&mut *transaction).await?;
        transaction.commit().await.context("commit")
    }
}
