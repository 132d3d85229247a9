//! The record that everybody stores: an order of eight fields, about 160 bytes as JSON.
//!
//! An order follows from its id alone, so that the producer, the raw clients and the check of the
//! table agree without sharing anything.

use std::fmt::Write as _;

/// The target table's columns. There is no key: a row stored twice shows in the count.
const COLUMNS: &str = "id bigint not null, customer text not null, product text not null, \
     quantity integer not null, price double precision not null, created_at timestamp not null, \
     note text not null, paid boolean not null";

/// 2026-01-01T00:00:00Z, the first order's time.
const FIRST_ORDER_MS: i64 = 1_767_225_600_000;

/// One order every this many milliseconds.
const ORDER_INTERVAL_MS: i64 = 7;

const NOTES: [&str; 4] = [
    "please ring twice",
    "leave it at the back door",
    "gift: wrap it, no invoice inside",
    "call before delivery",
];

const SCHEMA: &str = r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","optional":false,"field":"customer"},{"type":"string","optional":false,"field":"product"},{"type":"int32","optional":false,"field":"quantity"},{"type":"double","optional":false,"field":"price"},{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"created_at"},{"type":"string","optional":false,"field":"note"},{"type":"boolean","optional":false,"field":"paid"}],"optional":false,"name":"order"}"#;

/// How a record's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A plain JSON object.
    Schemaless,
    /// `{"schema": .., "payload": ..}`, the schema in every record.
    Envelope,
}

/// One order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) customer: String,
    pub(crate) product: String,
    pub(crate) quantity: i32,
    pub(crate) price: f64,
    pub(crate) created_at_ms: i64,
    pub(crate) note: &'static str,
    pub(crate) paid: bool,
}

/// Creates a table for orders. Autovacuum is off, so that no contestant meets it by chance.
pub(crate) fn create_table(name: &str) -> String {
    format!("create table {name} ({COLUMNS}) with (autovacuum_enabled = false)")
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Schemaless, Self::Envelope];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Schemaless => "schemaless",
            Self::Envelope => "envelope",
        }
    }

    /// Value of `value.converter.schemas.enable`.
    pub(crate) fn schemas_enable(self) -> &'static str {
        match self {
            Self::Schemaless => "false",
            Self::Envelope => "true",
        }
    }
}

impl Order {
    /// The order with this id.
    pub(crate) fn new(id: i64) -> Self {
        let dice = scramble(id.unsigned_abs());
        let die = |shift: u32, sides: u64| (dice >> shift) % sides;
        let cents = u32::try_from(die(32, 500_000)).unwrap_or_default();
        Self {
            id,
            customer: format!("customer-{:06}", die(0, 400_000)),
            product: format!(
                "SKU-{:05}-{}",
                die(8, 60_000),
                ["S", "M", "L"][index(die(16, 3))]
            ),
            quantity: i32::try_from(1 + die(20, 9)).unwrap_or(1),
            price: f64::from(cents) / 100.0,
            created_at_ms: FIRST_ORDER_MS + id * ORDER_INTERVAL_MS,
            note: NOTES[index(die(24, 4))],
            paid: die(28, 4) != 0,
        }
    }

    /// Replaces `text` by the record's value.
    pub(crate) fn write(&self, format: Format, text: &mut String) {
        text.clear();
        if format == Format::Schemaless {
            self.write_object(text);
            return;
        }
        text.push_str("{\"schema\":");
        text.push_str(SCHEMA);
        text.push_str(",\"payload\":");
        self.write_object(text);
        text.push('}');
    }

    fn write_object(&self, text: &mut String) {
        // Writing to a String cannot fail.
        write!(
            text,
            r#"{{"id":{},"customer":"{}","product":"{}","quantity":{},"price":{:.2},"created_at":{},"note":"{}","paid":{}}}"#,
            self.id,
            self.customer,
            self.product,
            self.quantity,
            self.price,
            self.created_at_ms,
            self.note,
            self.paid
        )
        .ok();
    }
}

/// Splitmix64's finishing step: neighbouring ids give unrelated orders.
pub(crate) fn scramble(id: u64) -> u64 {
    let mixed = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}
