//! Looking field names up, by prediction first.

use std::collections::HashMap;

/// What a field's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldRule {
    /// Fills this written column.
    Column(usize),
    /// Left out on purpose.
    Unwanted,
    /// No column has this name.
    Unknown,
}

/// The names of one kind of record, in the order in which they came last time.
#[derive(Debug, Default)]
pub(super) struct FieldNames {
    order: Vec<(Box<str>, FieldRule)>,
    rules: HashMap<Box<str>, FieldRule>,
    next: usize,
}

/// A producer that makes names up must not fill the memory.
const NAMES_KEPT: usize = 4_096;

impl FieldNames {
    /// The next name is a record's first.
    pub(super) fn start_record(&mut self) {
        self.next = 0;
    }

    /// The rule for the record's next field; `decide` is asked when the name is new.
    #[inline]
    pub(super) fn rule(&mut self, name: &str, decide: impl FnOnce(&str) -> FieldRule) -> FieldRule {
        let position = self.next;
        self.next += 1;
        if let Some((predicted, rule)) = self.order.get(position)
            && **predicted == *name
        {
            return *rule;
        }
        self.rule_out_of_order(position, name, decide)
    }

    fn rule_out_of_order(
        &mut self,
        position: usize,
        name: &str,
        decide: impl FnOnce(&str) -> FieldRule,
    ) -> FieldRule {
        let rule = match self.rules.get(name) {
            Some(rule) => *rule,
            None => {
                let rule = decide(name);
                if self.rules.len() < NAMES_KEPT {
                    self.rules.insert(name.into(), rule);
                }
                rule
            }
        };
        match self.order.get_mut(position) {
            Some(predicted) => *predicted = (name.into(), rule),
            None if position < NAMES_KEPT => self.order.push((name.into(), rule)),
            None => {}
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_each_name_once_whatever_the_order() {
        let mut names = FieldNames::default();
        let mut asked = Vec::new();
        for record in [["a", "b"], ["a", "b"], ["b", "a"], ["b", "a"], ["a", "c"]] {
            names.start_record();
            for name in record {
                let rule = names.rule(name, |name| {
                    asked.push(name.to_owned());
                    FieldRule::Column(name.len() + usize::from(name == "b"))
                });
                assert_eq!(
                    rule,
                    FieldRule::Column(1 + usize::from(name == "b")),
                    "{name}"
                );
            }
        }
        assert_eq!(asked, ["a", "b", "c"]);
    }
}
