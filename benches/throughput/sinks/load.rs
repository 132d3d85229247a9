//! Records that make sinks work in different ways; each follows from its number alone.

use std::fmt::Write as _;

use super::REPEATED_KEYS;
use crate::order::{Format, Order, scramble};
use crate::topic::Record;

/// Has no divisor in common with any number of keys that ends in zeros: a step of this size visits
/// every key before it comes back, in no order that an index would like.
const STEP: usize = 1_299_709;

/// One record of so many deletes its key.
const DELETE_EVERY: usize = 5;

/// Parts of a topic, each with one new field.
const STAGES: usize = 10;

/// A kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Distinct,
    Repeated,
    Mixed,
    Shapes,
    Deletes,
    Evolving,
}

impl Load {
    pub(crate) const ALL: [Self; 6] = [
        Self::Distinct,
        Self::Repeated,
        Self::Mixed,
        Self::Shapes,
        Self::Deletes,
        Self::Evolving,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Distinct => "distinct",
            Self::Repeated => "repeated",
            Self::Mixed => "mixed",
            Self::Shapes => "shapes",
            Self::Deletes => "deletes",
            Self::Evolving => "evolving",
        }
    }

    /// Different keys.
    pub(crate) fn keys(self, records: usize) -> usize {
        match self {
            Self::Distinct | Self::Evolving => records,
            Self::Repeated | Self::Mixed | Self::Shapes | Self::Deletes => {
                records.min(REPEATED_KEYS)
            }
        }
    }

    /// Rows in the end.
    pub(crate) fn rows(self, records: usize) -> usize {
        if self != Self::Deletes {
            return self.keys(records);
        }
        let keys = self.keys(records);
        let mut is_there = vec![false; keys];
        for number in 0..records {
            is_there[key(number, keys)] = !is_delete(number);
        }
        is_there.iter().filter(|is_there| **is_there).count()
    }

    /// Writes a record.
    pub(crate) fn write(self, number: usize, records: usize, record: &mut Record) {
        let id = key(number, self.keys(records));
        record.partition_by = whole(id);
        record.key.clear();
        write!(record.key, r#"{{"id":{id}}}"#).ok();
        record.is_delete = self == Self::Deletes && is_delete(number);
        let mut order = Order::new(whole(number));
        order.id = whole(id);
        match self {
            Self::Mixed => mixed(&order, number, MIXED_FIELDS, &mut record.value),
            Self::Shapes => mixed(&order, number, ALL_FIELDS, &mut record.value),
            Self::Evolving => evolving(&order, number * STAGES / records, &mut record.value),
            _ => order.write(Format::Schemaless, &mut record.value),
        }
    }
}

/// The key of a record.
pub(crate) fn key(number: usize, keys: usize) -> usize {
    (number % keys) * STEP % keys
}

/// Numbers of records are small.
pub(crate) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn is_delete(number: usize) -> bool {
    number % DELETE_EVERY == DELETE_EVERY - 1
}

/// Of the fields besides the key, in their order: product, price and note.
const MIXED_FIELDS: u64 = 0b010_1010;

const ALL_FIELDS: u64 = 0b111_1111;

/// These fields are there or not, as dice fall; the others are.
fn mixed(order: &Order, number: usize, fields: u64, text: &mut String) {
    let dice = scramble(whole(number).unsigned_abs()) & fields;
    let has = |field: u32| dice >> field & 1 == 0;
    text.clear();
    write!(text, r#"{{"id":{}"#, order.id).ok();
    if has(0) {
        write!(text, r#","customer":"{}""#, order.customer).ok();
    }
    if has(1) {
        write!(text, r#","product":"{}""#, order.product).ok();
    }
    if has(2) {
        write!(text, r#","quantity":{}"#, order.quantity).ok();
    }
    if has(3) {
        write!(text, r#","price":{:.2}"#, order.price).ok();
    }
    if has(4) {
        write!(text, r#","created_at":{}"#, order.created_at_ms).ok();
    }
    if has(5) {
        write!(text, r#","note":"{}""#, order.note).ok();
    }
    if has(6) {
        write!(text, r#","paid":{}"#, order.paid).ok();
    }
    text.push('}');
}

fn evolving(order: &Order, stage: usize, text: &mut String) {
    order.write(Format::Schemaless, text);
    text.pop();
    for field in 0..stage {
        write!(text, r#","more_{field}":{}"#, order.quantity).ok();
    }
    text.push('}');
}
