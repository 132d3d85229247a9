//! The variables of `table.name.format`.
//!
//! | variable                | stands for                                                        |
//! |-------------------------|-------------------------------------------------------------------|
//! | `${topic}`              | the topic                                                         |
//! | `${value.field}`        | a field of the value; `${value.a.b}` one inside another           |
//! | `${source.field}`       | the same as `${value.source.field}`: of a Debezium change event   |
//! | `${key}`, `${key.field}`| the key, when it is a single value; a field of it                 |
//! | `${header.name}`        | a header                                                          |
//! | `${timestamp.yyyyMMdd}` | the record's time, by a pattern of Java's `SimpleDateFormat`      |

/// A part of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The topic.
    Topic,
    /// Names of fields of the value, one inside the other.
    Value(Vec<String>),
    /// The same of the key; none: the key itself.
    Key(Vec<String>),
    /// A header's name.
    Header(String),
    /// The record's time, by this pattern.
    Time(String),
}

/// Takes a format apart.
///
/// # Errors
/// Says which variable is unknown.
pub fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(start) = rest.find("${") {
        let (text, variable) = rest.split_at(start);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let end = variable.find('}').ok_or("a variable has no end: }")?;
        pieces.push(piece(&variable[2..end])?);
        rest = &variable[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn piece(variable: &str) -> Result<Piece, String> {
    let path = |fields: &str| -> Vec<String> { fields.split('.').map(str::to_owned).collect() };
    if let Some(pattern) = variable.strip_prefix("timestamp.") {
        return Ok(Piece::Time(pattern.to_owned()));
    }
    let (kind, name) = match variable.split_once('.') {
        Some((kind, name)) => (kind, Some(name).filter(|name| !name.is_empty())),
        None => (variable, None),
    };
    Ok(match (kind, name) {
        ("topic", None) if !variable.contains('.') => Piece::Topic,
        ("key", None) if !variable.contains('.') => Piece::Key(Vec::new()),
        ("key", Some(fields)) => Piece::Key(path(fields)),
        ("value", Some(fields)) => Piece::Value(path(fields)),
        ("source", Some(_)) => Piece::Value(path(variable)),
        ("header", Some(name)) => Piece::Header(name.to_owned()),
        _ => {
            return Err(format!(
                "${{{variable}}} is no variable: there are ${{topic}}, ${{value.field}}, \
                 ${{source.field}}, ${{key}}, ${{key.field}}, ${{header.name}} and \
                 ${{timestamp.pattern}}"
            ));
        }
    })
}

/// Whether tables are chosen by more than the topic: by each record.
pub fn is_by_record(format: &str) -> bool {
    let is_of_record = |piece: &Piece| !matches!(piece, Piece::Text(_) | Piece::Topic);
    pieces(format).is_ok_and(|pieces| pieces.iter().any(is_of_record))
}

/// Quotes of names in SQL.
const QUOTES: [char; 2] = ['"', '`'];

/// Whether something in the name is quoted.
pub fn has_quotes(name: &str) -> bool {
    name.contains(QUOTES)
}

/// The parts of a name as the JDBC sinks split it: at its dots, but for those between quotes, which are
/// no part of the name.
///
/// # Errors
/// Says what is wrong with the quotes or dots.
pub fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let quote = rest.chars().next().filter(|first| QUOTES.contains(first));
        let (part, after) = match quote {
            Some(quote) => rest[1..].split_once(quote).ok_or("a quote has no end")?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if part.is_empty() || (quote.is_none() && has_quotes(part)) {
            return Err("quotes must stand around a whole part of the name, and no part be empty");
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err("behind a quoted part of the name there must be a dot"),
        }
    }
}

/// Whether headers are looked at.
pub fn reads_headers(format: &str) -> bool {
    let is_header = |piece: &Piece| matches!(piece, Piece::Header(_));
    pieces(format).is_ok_and(|pieces| pieces.iter().any(is_header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_outside_of_quotes() {
        let check = |name: &str, expected: Option<&[&str]>| {
            assert_eq!(parts(name).ok().as_deref(), expected, "{name}");
        };
        check("orders", Some(&["orders"]));
        check("db.shop.orders", Some(&["db", "shop", "orders"]));
        check(r#""${topic}""#, Some(&["${topic}"]));
        check(r#"shop."a.b""#, Some(&["shop", "a.b"]));
        check("`shop`.`a.b`", Some(&["shop", "a.b"]));
        check(r#""a`b".c"#, Some(&["a`b", "c"]));
        for wrong in [
            "", ".a", "a.", "a..b", r#""a"#, r#""a"b"#, r#"a"b""#, r#""""#, r#""a"."#,
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn formats_come_apart() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let check = |format: &str, expected: Vec<Piece>| {
            assert_eq!(pieces(format).as_ref(), Ok(&expected), "{format}");
        };
        check("orders", vec![text("orders")]);
        check("a_${topic}", vec![text("a_"), Piece::Topic]);
        check(
            "${value.a.b}x",
            vec![Piece::Value(names(&["a", "b"])), text("x")],
        );
        check(
            "${source.table}",
            vec![Piece::Value(names(&["source", "table"]))],
        );
        check("${key}", vec![Piece::Key(Vec::new())]);
        check("${header.h.i}", vec![Piece::Header("h.i".to_owned())]);
        check(
            "${topic}_${timestamp.yyyy}",
            vec![Piece::Topic, text("_"), Piece::Time("yyyy".to_owned())],
        );
        for wrong in [
            "${topic",
            "${}",
            "${value}",
            "${value.}",
            "${topic.x}",
            "${other}",
        ] {
            assert!(pieces(wrong).is_err(), "{wrong}");
        }
        assert!(!is_by_record("a_${topic}") && is_by_record("${key.a}"));
    }
}
