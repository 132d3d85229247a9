//! Names in statements. Pure.

/// A keyspace's, table's or column's name, as it is written in the catalog.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's full name.
pub(super) fn qualified(keyspace: &str, table: &str) -> String {
    format!("{}.{}", quoted(keyspace), quoted(table))
}

/// Several names.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(quoted).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("Order"), "\"Order\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(qualified("k", "t"), "\"k\".\"t\"");
        assert_eq!(list(["a", "b"]), "\"a\", \"b\"");
    }
}
