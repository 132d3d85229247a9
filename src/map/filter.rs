//! Which fields of a value are wanted: `fields.whitelist` and `fields.exclude.list`.

/// Fields that are wanted, by name, upper and lower case alike.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldFilter {
    /// Empty: all.
    include: Vec<String>,
    exclude: Vec<String>,
}

impl FieldFilter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Self {
        Self {
            include: include.to_vec(),
            exclude: exclude.to_vec(),
        }
    }

    /// Whether a field of this name is written.
    pub(super) fn wants(&self, name: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|field| field.eq_ignore_ascii_case(name));
        (self.include.is_empty() || names(&self.include)) && !names(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_wanted_when_included_and_not_excluded() {
        let check = |include: &[&str], exclude: &[&str], wanted: &[&str], unwanted: &[&str]| {
            let owned =
                |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            let filter = FieldFilter::new(&owned(include), &owned(exclude));
            for name in wanted {
                assert!(filter.wants(name), "{name}");
            }
            for name in unwanted {
                assert!(!filter.wants(name), "{name}");
            }
        };
        check(&[], &[], &["a", ""], &[]);
        check(&["a", "B"], &[], &["a", "A", "b"], &["c"]);
        check(&[], &["a"], &["b"], &["a", "A"]);
        check(&["a", "b"], &["b"], &["a"], &["b", "c"]);
    }
}
