//! Which fields of a topic's values are wanted: `fields.whitelist` and `fields.exclude.list`.

use super::route;
use crate::config::connector::{FieldEntry, SinkKeys};

/// Fields that are wanted, by name, upper and lower case alike.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldFilter {
    /// `None`: all. None of a list may be this topic's: then nothing is wanted, as with Debezium's
    /// sink.
    include: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl FieldFilter {
    /// The lists as they are for this topic; where records choose their table, for its route.
    pub(super) fn new(keys: &SinkKeys, topic: &str) -> Self {
        let topic = match keys.routes_by_record() {
            true => route::topic(topic),
            false => topic,
        };
        let fields = |list: &[FieldEntry]| {
            let meant = list.iter().filter(|entry| entry.is_for(topic));
            meant.map(|entry| entry.field.clone()).collect()
        };
        let has_include = !keys.fields_include.is_empty();
        Self {
            include: has_include.then(|| fields(&keys.fields_include)),
            exclude: fields(&keys.fields_exclude),
        }
    }

    /// Whether a field of this name is written.
    pub(super) fn wants(&self, name: &str) -> bool {
        let names = |list: &Vec<String>| list.iter().any(|field| field.eq_ignore_ascii_case(name));
        self.include.as_ref().is_none_or(names) && !names(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::connector::KeyMode;
    use crate::map::tests::{entries, keys};

    /// Of topic `t`.
    fn check(include: &[&str], exclude: &[&str], wanted: &[&str], unwanted: &[&str]) {
        let mut keys = keys(KeyMode::None, &[]);
        keys.fields_include = entries(include);
        keys.fields_exclude = entries(exclude);
        let filter = FieldFilter::new(&keys, "t");
        for name in wanted {
            assert!(filter.wants(name), "{include:?} {exclude:?}: {name}");
        }
        for name in unwanted {
            assert!(!filter.wants(name), "{include:?} {exclude:?}: {name}");
        }
    }

    #[test]
    fn a_field_is_wanted_when_included_and_not_excluded() {
        check(&[], &[], &["a", ""], &[]);
        check(&["a", "B"], &[], &["a", "A", "b"], &["c"]);
        check(&[], &["a"], &["b"], &["a", "A"]);
        check(&["a", "b"], &["b"], &["a"], &["b", "c"]);
    }

    #[test]
    fn an_entry_may_be_for_one_topic() {
        check(&["t:a", "u:b", "c"], &[], &["a", "A", "c"], &["b"]);
        check(&["T:a", "t.t:b", "c"], &[], &["c"], &["a", "b"]);
        check(&["u:a"], &[], &[], &["a", "b"]);
        check(&[], &["t:a", "u:b", "c"], &["b", "d"], &["a", "A", "c"]);
        check(&[], &["u:a"], &["a"], &[]);
        check(&["a", "b"], &["t:b", "u:a"], &["a"], &["b", "c"]);
        check(&["t:a:b"], &[], &["a:b"], &["a", "b"]);
    }
}
