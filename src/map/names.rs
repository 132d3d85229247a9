//! Looking field names up, by prediction first.

use std::collections::HashMap;

use crate::decode::json::is_plain_name;

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
    order: Vec<Predicted>,
    rules: HashMap<Box<str>, FieldRule>,
    next: usize,
}

#[derive(Debug)]
struct Predicted {
    name: Box<str>,
    rule: FieldRule,
    is_plain: bool,
}

/// A producer that makes names up must not fill the memory.
const NAMES_KEPT: usize = 4_096;

impl FieldNames {
    /// The next name is a record's first.
    pub(super) fn start_record(&mut self) {
        self.next = 0;
    }

    /// The name that came in this place last time, if it is [plain](is_plain_name), and its rule.
    #[inline]
    pub(super) fn predicted(&self) -> Option<(&str, FieldRule)> {
        let predicted = self.order.get(self.next)?;
        predicted
            .is_plain
            .then_some((&*predicted.name, predicted.rule))
    }

    /// The next name was the predicted one.
    #[inline]
    pub(super) fn follow(&mut self) {
        self.next += 1;
    }

    /// The names of this record so far, and their rules.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&str, FieldRule)> {
        let seen = self.order.iter().take(self.next);
        seen.map(|predicted| (&*predicted.name, predicted.rule))
    }

    /// The rule for the record's next field; `decide` is asked when the name is new.
    #[inline]
    pub(super) fn rule(&mut self, name: &str, decide: impl FnOnce(&str) -> FieldRule) -> FieldRule {
        let position = self.next;
        self.next += 1;
        if let Some(predicted) = self.order.get(position)
            && *predicted.name == *name
        {
            return predicted.rule;
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
        let found = Predicted {
            name: name.into(),
            rule,
            is_plain: is_plain_name(name),
        };
        match self.order.get_mut(position) {
            Some(predicted) => *predicted = found,
            None if position < NAMES_KEPT => self.order.push(found),
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
        let expected = |name: &str| FieldRule::Column(1 + usize::from(name == "b"));
        let mut names = FieldNames::default();
        let mut asked = Vec::new();
        for record in [["a", "b"], ["a", "b"], ["b", "a"], ["b", "a"], ["a", "c"]] {
            names.start_record();
            for name in record {
                if let Some((predicted, rule)) = names.predicted()
                    && predicted == name
                {
                    names.follow();
                    assert_eq!(rule, expected(name));
                    continue;
                }
                let rule = names.rule(name, |name| {
                    asked.push(name.to_owned());
                    expected(name)
                });
                assert_eq!(rule, expected(name), "{name}");
            }
        }
        assert_eq!(asked, ["a", "b", "c"]);
    }
}
