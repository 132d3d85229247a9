//! The orders of the promotion. Pure: what order number 4711 says, where it lies in the topic and
//! whether it is malformed follows from its number alone, so the reconciliation can compare rows
//! with what was produced, field by field, without having kept any of it.

use std::fmt;

use chrono::{DateTime, Duration, Utc};

/// Partitions of the topic.
pub(super) const PARTITIONS: u32 = 4;

/// Fewer orders would not have each kind of malformed record among them.
pub const RECORDS_MIN: u32 = 300;

/// The embedded broker keeps 5 MiB per partition and drops the oldest records of a longer log,
/// which would be missing then. Tested against the size of records below.
pub const RECORDS_MAX: u32 = 60_000;

/// One record in so many is malformed.
const DEFECT_EVERY: u32 = 100;

/// Which of them: not the first, so that a good row is seen first.
const DEFECT_AT: u32 = 37;

/// When the promotion opened, in seconds since 1970: 27 November 2026, midnight UTC.
const OPENING_SECONDS: i64 = 1_795_737_600;

/// Time between two orders.
const ORDER_INTERVAL_MS: i64 = 37;

/// What is on sale, with prices in cents.
const PRODUCTS: [(&str, u32); 8] = [
    ("espresso machine", 24_990),
    ("coffee grinder", 8_950),
    ("milk jug", 1_495),
    ("kettle", 4_900),
    ("filter papers", 329),
    ("travel mug", 1_999),
    ("beans, 1 kg", 2_310),
    ("kitchen scale", 3_275),
];

/// An order, as it is produced and as its row should read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Number from 1; also the record's key.
    pub(super) order_id: u32,
    /// Who ordered.
    pub(super) customer: String,
    /// What.
    pub(super) product: String,
    /// How many.
    pub(super) quantity: u32,
    /// Price of all of it, in cents; in the record and in the table a decimal number.
    pub(super) price_cents: u32,
    /// When, as the table shows it.
    pub(super) ordered_at: String,
}

/// What is wrong with a malformed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Defect {
    /// The value ends in the middle.
    BrokenJson,
    /// A word where the column wants a number.
    WrongType,
    /// The record has no key, so the row would have no number.
    MissingKey,
}

impl Defect {
    /// All kinds, in the order in which they occur.
    pub(super) const ALL: [Self; 3] = [Self::BrokenJson, Self::WrongType, Self::MissingKey];
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BrokenJson => "broken JSON",
            Self::WrongType => "wrong type",
            Self::MissingKey => "missing key",
        })
    }
}

/// Where a record lies in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// Partition.
    pub(super) partition: i32,
    /// Offset.
    pub(super) offset: i64,
}

/// A record to produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderRecord {
    /// Where it will lie, when all before it have been produced.
    pub(super) place: Place,
    /// The order's number, unless that is what is wrong with it.
    pub(super) key: Option<String>,
    /// JSON, mostly.
    pub(super) value: String,
}

/// Where the order lies: orders go to the partitions in turn.
pub(super) fn place(order_id: u32) -> Place {
    let index = order_id - 1;
    Place {
        partition: (index % PARTITIONS).cast_signed(),
        offset: i64::from(index / PARTITIONS),
    }
}

/// The order at a place; `None` for a place that no order can have.
pub(super) fn order_at(place: Place) -> Option<u32> {
    let partition = u32::try_from(place.partition).ok()?;
    let offset = u32::try_from(place.offset).ok()?;
    if partition >= PARTITIONS {
        return None;
    }
    offset
        .checked_mul(PARTITIONS)?
        .checked_add(partition)?
        .checked_add(1)
}

/// What is wrong with the order's record, if anything is.
pub(super) fn defect(order_id: u32) -> Option<Defect> {
    if order_id % DEFECT_EVERY != DEFECT_AT {
        return None;
    }
    let kind = (order_id / DEFECT_EVERY) as usize % Defect::ALL.len();
    Some(Defect::ALL[kind])
}

/// The order with this number.
pub(super) fn order(order_id: u32) -> Order {
    let chance = scrambled(order_id);
    let (product, price_cents) = PRODUCTS[chance as usize % PRODUCTS.len()];
    let quantity = 1 + (chance >> 8) % 3;
    Order {
        order_id,
        customer: format!("customer-{:04}", (chance >> 12) % 10_000),
        product: product.to_owned(),
        quantity,
        price_cents: price_cents * quantity,
        ordered_at: ordered_at(order_id)
            .format("%Y-%m-%d %H:%M:%S%.6fZ")
            .to_string(),
    }
}

/// The record of the order with this number.
pub(super) fn record(order_id: u32) -> OrderRecord {
    let order = order(order_id);
    let defect = defect(order_id);
    let quantity = match defect {
        Some(Defect::WrongType) => "\"a few\"".to_owned(),
        _ => order.quantity.to_string(),
    };
    let mut value = format!(
        "{{\"customer\":\"{}\",\"product\":\"{}\",\"quantity\":{quantity},\"price\":{}.{:02},\
         \"ordered_at\":\"{}\"}}",
        order.customer,
        order.product,
        order.price_cents / 100,
        order.price_cents % 100,
        ordered_at(order_id).format("%Y-%m-%dT%H:%M:%S%.3fZ"),
    );
    if defect == Some(Defect::BrokenJson) {
        value.truncate(value.len() / 2);
    }
    let key = (defect != Some(Defect::MissingKey)).then(|| order_id.to_string());
    OrderRecord {
        place: place(order_id),
        key,
        value,
    }
}

fn ordered_at(order_id: u32) -> DateTime<Utc> {
    let opening = DateTime::from_timestamp(OPENING_SECONDS, 0).unwrap_or_default();
    opening + Duration::milliseconds(ORDER_INTERVAL_MS * i64::from(order_id))
}

/// Spreads numbers, so that neighbours do not look alike (Fibonacci hashing).
fn scrambled(order_id: u32) -> u32 {
    order_id.wrapping_mul(0x9E37_79B9).rotate_left(16)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn places_and_numbers_are_one_to_one() {
        let places: HashSet<Place> = (1..=1000).map(place).collect();
        assert_eq!(places.len(), 1000);
        for order_id in 1..=1000 {
            assert_eq!(order_at(place(order_id)), Some(order_id));
        }
        let check = |partition, offset, expected| {
            assert_eq!(order_at(Place { partition, offset }), expected);
        };
        check(0, 0, Some(1));
        check(3, 0, Some(4));
        check(0, 1, Some(5));
        check(4, 0, None);
        check(-1, 0, None);
        check(0, -1, None);
        check(0, i64::from(u32::MAX), None);
    }

    #[test]
    fn one_in_a_hundred_is_malformed_and_each_kind_occurs() {
        for records in [RECORDS_MIN, 20_000, RECORDS_MAX] {
            let defects: Vec<Defect> = (1..=records).filter_map(defect).collect();
            assert_eq!(defects.len(), (records / 100) as usize);
            for kind in Defect::ALL {
                assert!(defects.contains(&kind), "{kind} among {records}");
            }
        }
    }

    #[test]
    fn good_records_say_what_the_order_says() {
        for order_id in (1..=500).filter(|order_id| defect(*order_id).is_none()) {
            let (order, record) = (order(order_id), record(order_id));
            let value: Value = serde_json::from_str(&record.value).unwrap();
            assert_eq!(record.key, Some(order_id.to_string()));
            assert_eq!(value["customer"], order.customer.as_str());
            assert_eq!(value["product"], order.product.as_str());
            assert_eq!(value["quantity"], order.quantity);
            let price = value["price"].as_f64().unwrap() * 100.0;
            assert!((price - f64::from(order.price_cents)).abs() < 0.001);
        }
        let first = order(1);
        assert_eq!(first.ordered_at, "2026-11-27 00:00:00.037000Z");
        assert!(
            record(1)
                .value
                .ends_with("\"ordered_at\":\"2026-11-27T00:00:00.037Z\"}")
        );
    }

    #[test]
    fn malformed_records_are_malformed_in_one_way() {
        for order_id in 1..=1000 {
            let Some(defect) = defect(order_id) else {
                continue;
            };
            let record = record(order_id);
            let value: Result<Value, _> = serde_json::from_str(&record.value);
            assert_eq!(value.is_err(), defect == Defect::BrokenJson);
            assert_eq!(record.key.is_none(), defect == Defect::MissingKey);
            let is_word = value.is_ok_and(|value| value["quantity"].is_string());
            assert_eq!(is_word, defect == Defect::WrongType);
        }
    }

    #[test]
    fn the_longest_log_fits_the_embedded_broker() {
        const PARTITION_BYTES_MAX: usize = 5 * 1024 * 1024;
        // A record's lengths, offsets and times, and its share of a batch's header.
        const OVERHEAD_BYTES: usize = 30;
        let bytes: usize = (1..=RECORDS_MAX)
            .filter(|order_id| place(*order_id).partition == 0)
            .map(record)
            .map(|record| {
                record.value.len() + record.key.map_or(0, |key| key.len()) + OVERHEAD_BYTES
            })
            .sum();
        assert!(bytes < PARTITION_BYTES_MAX, "{bytes}");
    }
}
