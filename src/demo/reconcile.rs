//! What was produced against what was stored and rejected. Pure.
//!
//! Rows are compared as whole rows: an order whose number is there and whose price is not counts
//! as altered. Nothing is taken from counters that anybody kept along the way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::orders::{self, Defect, Order, Place};

/// Orders named in a line that says what is wrong.
const EXAMPLES_MAX: usize = 5;

/// A record that was rejected, as its dead letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeadLetter {
    /// Where the record lay; `None` when the context headers do not say.
    pub(super) place: Option<Place>,
    /// The reason given.
    pub(super) reason: String,
}

/// How rows differ from the orders that should be there. Lists hold order numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RowDifferences {
    /// Orders without a row.
    pub(super) missing: Vec<u32>,
    /// Orders with more than one row, named once for each row too many.
    pub(super) duplicates: Vec<u32>,
    /// Orders whose row says something else.
    pub(super) altered: Vec<u32>,
    /// Numbers of rows that should not be there at all.
    pub(super) unexpected: Vec<i64>,
}

impl RowDifferences {
    /// There are none.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A row as it was read: its number may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredOrder {
    /// `order_id`.
    pub(super) order_id: i64,
    /// `customer`.
    pub(super) customer: String,
    /// `product`.
    pub(super) product: String,
    /// `quantity`.
    pub(super) quantity: i64,
    /// `price`, in cents.
    pub(super) price_cents: i64,
    /// `ordered_at`.
    pub(super) ordered_at: String,
}

impl StoredOrder {
    fn says(&self, order: &Order) -> bool {
        let Order {
            order_id,
            customer,
            product,
            quantity,
            price_cents,
            ordered_at,
        } = order;
        self.order_id == i64::from(*order_id)
            && self.customer == *customer
            && self.product == *product
            && self.quantity == i64::from(*quantity)
            && self.price_cents == i64::from(*price_cents)
            && self.ordered_at == *ordered_at
    }
}

/// Compares the rows with the orders that should have one.
pub(super) fn compare_rows(
    expected: impl IntoIterator<Item = u32>,
    stored: &[StoredOrder],
) -> RowDifferences {
    let mut rows: HashMap<i64, Vec<&StoredOrder>> = HashMap::with_capacity(stored.len());
    for row in stored {
        rows.entry(row.order_id).or_default().push(row);
    }
    let mut differences = RowDifferences::default();
    for order_id in expected {
        let Some(found) = rows.remove(&i64::from(order_id)) else {
            differences.missing.push(order_id);
            continue;
        };
        let too_many = std::iter::repeat_n(order_id, found.len() - 1);
        differences.duplicates.extend(too_many);
        let order = orders::order(order_id);
        if found.iter().any(|row| !row.says(&order)) {
            differences.altered.push(order_id);
        }
    }
    for (number, found) in rows {
        differences
            .unexpected
            .extend(std::iter::repeat_n(number, found.len()));
    }
    differences.unexpected.sort_unstable();
    differences
}

/// Records of one kind of defect in the dead letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RejectedKind {
    /// How many.
    pub(super) count: u64,
    /// The first of them.
    pub(super) example: Place,
    /// The reason given for it.
    pub(super) reason: String,
}

/// The dead letters against the malformed records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rejects {
    /// By defect.
    pub(super) kinds: BTreeMap<Defect, RejectedKind>,
    /// Malformed orders without a dead letter.
    pub(super) missing: Vec<u32>,
    /// Dead letters of good orders, or of no order at all.
    pub(super) unexpected: Vec<String>,
    /// Dead letters of a record beyond its first. Allowed: a kill between a dead letter and the
    /// commit that follows it sends the letter again.
    pub(super) copies: u64,
}

impl Rejects {
    /// Malformed records that were rejected, each counted once.
    pub(super) fn count(&self) -> u64 {
        self.kinds.values().map(|kind| kind.count).sum()
    }
}

/// Compares the dead letters with the malformed ones among orders 1 to `records`.
pub(super) fn compare_rejects(records: u32, letters: &[DeadLetter]) -> Rejects {
    let mut rejects = Rejects::default();
    let mut seen = BTreeSet::new();
    for letter in letters {
        let found = letter.place.and_then(|place| {
            let order_id = orders::order_at(place).filter(|order_id| *order_id <= records)?;
            Some((place, order_id, orders::defect(order_id)?))
        });
        let Some((place, order_id, defect)) = found else {
            rejects.unexpected.push(letter.reason.clone());
            continue;
        };
        if !seen.insert(order_id) {
            rejects.copies += 1;
            continue;
        }
        let kind = rejects.kinds.entry(defect).or_insert_with(|| RejectedKind {
            count: 0,
            example: place,
            reason: letter.reason.clone(),
        });
        kind.count += 1;
    }
    rejects.missing = (1..=records)
        .filter(|order_id| orders::defect(*order_id).is_some() && !seen.contains(order_id))
        .collect();
    rejects
}

/// Good orders among those that lie below these positions: the rows that must be there.
pub(super) fn good_orders_below(
    records: u32,
    next_offsets: &HashMap<i32, i64>,
) -> impl Iterator<Item = u32> {
    (1..=records).filter(|order_id| {
        let place = orders::place(*order_id);
        let next = next_offsets.get(&place.partition).copied().unwrap_or(0);
        place.offset < next && orders::defect(*order_id).is_none()
    })
}

/// The first few of a list, for a person to look at.
pub(super) fn examples<T: ToString>(all: &[T]) -> String {
    let mut shown: Vec<String> = all.iter().take(EXAMPLES_MAX).map(T::to_string).collect();
    if all.len() > EXAMPLES_MAX {
        shown.push("..".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(order_id: u32) -> StoredOrder {
        let order = orders::order(order_id);
        StoredOrder {
            order_id: i64::from(order_id),
            customer: order.customer,
            product: order.product,
            quantity: i64::from(order.quantity),
            price_cents: i64::from(order.price_cents),
            ordered_at: order.ordered_at,
        }
    }

    #[test]
    fn rows() {
        let check = |stored: &[StoredOrder], expected: RowDifferences| {
            assert_eq!(compare_rows(1..=3, stored), expected);
        };
        let all = [row(1), row(2), row(3)];
        check(&all, RowDifferences::default());
        check(
            &all[..2],
            RowDifferences {
                missing: vec![3],
                ..RowDifferences::default()
            },
        );
        check(
            &[row(1), row(2), row(3), row(2), row(2)],
            RowDifferences {
                duplicates: vec![2, 2],
                ..RowDifferences::default()
            },
        );
        let mut dearer = row(2);
        dearer.price_cents += 1;
        check(
            &[row(1), dearer, row(3)],
            RowDifferences {
                altered: vec![2],
                ..RowDifferences::default()
            },
        );
        let mut stranger = row(9);
        stranger.order_id = -9;
        check(
            &[row(1), row(2), row(3), row(4), stranger],
            RowDifferences {
                unexpected: vec![-9, 4],
                ..RowDifferences::default()
            },
        );
    }

    #[test]
    fn every_column_counts() {
        let alter: [fn(&mut StoredOrder); 5] = [
            |row| row.customer.push('x'),
            |row| row.product.push('x'),
            |row| row.quantity += 1,
            |row| row.price_cents += 1,
            |row| row.ordered_at.push('x'),
        ];
        for alter in alter {
            let mut altered = row(1);
            alter(&mut altered);
            assert_eq!(compare_rows([1], &[altered]).altered, [1]);
        }
    }

    fn letter(order_id: u32) -> DeadLetter {
        DeadLetter {
            place: Some(orders::place(order_id)),
            reason: format!("reason {order_id}"),
        }
    }

    #[test]
    fn dead_letters() {
        // Malformed among 300: 37, 137 and 237, one of each kind.
        let complete = compare_rejects(300, &[letter(37), letter(137), letter(237)]);
        assert_eq!((complete.count(), complete.copies), (3, 0));
        assert!(complete.missing.is_empty() && complete.unexpected.is_empty());
        assert_eq!(complete.kinds[&Defect::WrongType].reason, "reason 137");

        let nowhere = DeadLetter {
            place: None,
            reason: "no headers".to_owned(),
        };
        let off = compare_rejects(
            300,
            &[letter(37), letter(37), letter(1), letter(337), nowhere],
        );
        assert_eq!((off.count(), off.copies), (1, 1));
        assert_eq!(off.missing, [137, 237]);
        assert_eq!(off.unexpected, ["reason 1", "reason 337", "no headers"]);
    }

    #[test]
    fn positions_say_which_rows_must_be_there() {
        let next_offsets = HashMap::from([(0, 10), (1, 1)]);
        let expected: Vec<u32> = good_orders_below(300, &next_offsets).collect();
        // Partition 0: orders 1, 5, .. 37 without 37, which is malformed; partition 1: order 2.
        assert_eq!(expected, [1, 2, 5, 9, 13, 17, 21, 25, 29, 33]);
    }

    #[test]
    fn lists_are_shortened() {
        assert_eq!(examples(&[1, 2]), "1, 2");
        assert_eq!(examples(&[1, 2, 3, 4, 5, 6]), "1, 2, 3, 4, 5, ..");
        assert_eq!(examples::<u32>(&[]), "");
    }
}
