//! The reconciliation as the person reads it.

use super::DEAD_LETTER_TOPIC;
use super::orders::{Defect, Place};
use super::reconcile::{RejectedKind, Rejects, RowDifferences, StoredOrder, examples};
use super::screen::{Screen, grouped};

/// Rows of the table that are shown.
const ROWS_SHOWN: usize = 5;

/// Characters of a reason that are shown; all of them are in the dead letter.
const REASON_CHARS_MAX: usize = 110;

/// What came of the promotion.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Orders produced.
    pub(super) produced: u32,
    /// Rows in the table.
    pub(super) rows: Vec<StoredOrder>,
    /// What was wrong just after the kill.
    pub(super) at_kill: RowDifferences,
    /// What is wrong at the end.
    pub(super) at_end: RowDifferences,
    /// The dead letters.
    pub(super) rejects: Rejects,
}

impl Verdict {
    /// Every order is either one row that says what the order says, or rejected with a reason; and
    /// that was so at the moment of the kill, for everything below the stored positions.
    pub(super) fn is_clean(&self) -> bool {
        self.at_kill.is_empty()
            && self.at_end.is_empty()
            && self.rejects.missing.is_empty()
            && self.rejects.unexpected.is_empty()
    }

    /// Prints it.
    pub(super) fn print(&self, screen: &Screen) {
        screen.line("\nReconciliation");
        let counted = |label: &str, count: u64, text: &str| {
            screen.line(format!("  {label:<10} {:>8}  {text}", grouped(count)).trim_end());
        };
        let rejected = self.rejects.count();
        counted("produced", self.produced.into(), "orders");
        counted("stored", self.rows.len() as u64, "rows in table orders");
        counted(
            "rejected",
            rejected,
            &format!("records in topic {DEAD_LETTER_TOPIC}"),
        );
        for (defect, kind) in &self.rejects.kinds {
            screen.line(rejected_line(*defect, kind));
        }
        if self.rejects.copies > 0 {
            let text = "dead letters sent again after the kill, which is allowed";
            counted("", self.rejects.copies, text);
        }
        let missing = [&self.at_end.missing[..], &self.rejects.missing[..]].concat();
        counted("missing", missing.len() as u64, &examples(&missing));
        let differences = &self.at_end;
        let duplicates = &differences.duplicates;
        counted("duplicates", duplicates.len() as u64, &examples(duplicates));
        let altered = &differences.altered;
        counted("altered", altered.len() as u64, &examples(altered));
        let strangers = &differences.unexpected;
        if !strangers.is_empty() {
            let text = format!("rows of no good order: {}", examples(strangers));
            counted("unexpected", strangers.len() as u64, &text);
        }
        let wrongly = &self.rejects.unexpected;
        if !wrongly.is_empty() {
            let text = format!("dead letters of good orders: {}", shortened(&wrongly[0]));
            counted("unexpected", wrongly.len() as u64, &text);
        }
        screen.line(if self.is_clean() {
            "\n  Every order is exactly one row, or rejected with its reason."
        } else {
            "\n  THE RECONCILIATION IS OFF: this should never happen; please report it."
        });
    }

    /// Prints some rows.
    pub(super) fn print_rows(&self, screen: &Screen) {
        screen.line("\nSome rows of table orders");
        screen.line(row_line(
            "order_id",
            "customer",
            "product",
            "quantity",
            "price",
            "ordered_at",
        ));
        let last = self.rows.len().saturating_sub(1);
        let spread = (0..ROWS_SHOWN).map(|index| index * last / (ROWS_SHOWN - 1));
        for row in spread.filter_map(|index| self.rows.get(index)) {
            let price = format!("{}.{:02}", row.price_cents / 100, row.price_cents % 100);
            screen.line(row_line(
                &row.order_id.to_string(),
                &row.customer,
                &row.product,
                &row.quantity.to_string(),
                &price,
                &row.ordered_at,
            ));
        }
    }
}

/// What was found in the database after the kill.
pub(super) fn kill_line(rows: usize, differences: &RowDifferences) -> String {
    let rows = grouped(rows as u64);
    if differences.is_empty() {
        return format!(
            "{rows} rows, and the positions stored with them account for exactly these"
        );
    }
    let RowDifferences {
        missing,
        duplicates,
        altered,
        unexpected,
    } = differences;
    format!(
        "{rows} rows, which is NOT what the positions stored with them account for: {} missing, {} \
         double, {} altered, {} too many",
        missing.len(),
        duplicates.len(),
        altered.len(),
        unexpected.len()
    )
}

fn rejected_line(defect: Defect, kind: &RejectedKind) -> String {
    let Place { partition, offset } = kind.example;
    let reason = shortened(&kind.reason);
    format!(
        "             {:>6}  {defect}, such as partition {partition}, offset {offset}: {reason}",
        grouped(kind.count)
    )
}

fn shortened(reason: &str) -> String {
    let mut characters = reason.chars();
    let mut shown: String = characters.by_ref().take(REASON_CHARS_MAX).collect();
    if characters.next().is_some() {
        shown.push_str("..");
    }
    shown
}

fn row_line(
    order_id: &str,
    customer: &str,
    product: &str,
    quantity: &str,
    price: &str,
    ordered_at: &str,
) -> String {
    format!(
        "  {order_id:>8}  {customer:<13}  {product:<16}  {quantity:>8}  {price:>8}  {ordered_at}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::reconcile::{DeadLetter, compare_rejects};
    use super::*;

    fn verdict() -> Verdict {
        let letters: Vec<DeadLetter> = [37, 137, 237]
            .map(|order_id| DeadLetter {
                place: Some(super::super::orders::place(order_id)),
                reason: "why".to_owned(),
            })
            .into();
        Verdict {
            produced: 300,
            rows: Vec::new(),
            at_kill: RowDifferences::default(),
            at_end: RowDifferences::default(),
            rejects: compare_rejects(300, &letters),
        }
    }

    #[test]
    fn whatever_is_wrong_spoils_the_verdict() {
        assert!(verdict().is_clean());
        let spoil: [fn(&mut Verdict); 7] = [
            |verdict| verdict.at_kill.missing.push(1),
            |verdict| verdict.at_end.missing.push(1),
            |verdict| verdict.at_end.duplicates.push(1),
            |verdict| verdict.at_end.altered.push(1),
            |verdict| verdict.at_end.unexpected.push(1),
            |verdict| verdict.rejects.missing.push(37),
            |verdict| verdict.rejects.unexpected.push("why".to_owned()),
        ];
        for spoil in spoil {
            let mut spoiled = verdict();
            spoil(&mut spoiled);
            assert!(!spoiled.is_clean(), "{spoiled:?}");
        }
        let mut again = verdict();
        again.rejects.copies = 2;
        assert!(again.is_clean(), "dead letters may be sent again");
    }

    #[test]
    fn long_reasons_are_shortened() {
        assert_eq!(shortened("why"), "why");
        let long = "ü".repeat(REASON_CHARS_MAX + 1);
        assert_eq!(shortened(&long).chars().count(), REASON_CHARS_MAX + 2);
    }
}
