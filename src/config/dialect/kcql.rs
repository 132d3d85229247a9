//! KCQL, the Lenses sinks' statements: which fields of a topic are which columns of a table.
//!
//! ```text
//! INSERT INTO shop.orders SELECT _key.id, total AS sum, _header.trace FROM orders TTL=3600;
//! INSERT INTO shop.log SELECT * FROM log PROPERTIES('ttl'='60')
//! ```
//!
//! Read as their grammar has it (`ConnectorParser.g4`): words, quoted names, and clauses in any order.
//! What a statement says is kept apart from what becomes of it: the sinks differ in which clauses they
//! look at.

use std::iter::Peekable;
use std::str::Chars;

use crate::config::mapping::{MappedColumn, Source};

/// Longest text that is read.
const LENGTH_MAX: usize = 256 * 1024;

/// One statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) table: String,
    pub(super) topic: String,
    /// In their order; all fields of the value are one.
    pub(super) columns: Vec<MappedColumn>,
    /// `TTL=`, in seconds.
    pub(super) ttl: Option<String>,
    /// `PROPERTIES(..)`.
    pub(super) properties: Vec<(String, String)>,
    /// Clauses that a sink for Cassandra does not look at.
    pub(super) unused: Vec<String>,
}

/// Clauses that other sinks of theirs know and those for Cassandra pass over, and what follows each.
const UNUSED: &[(&str, Tail)] = &[
    ("IGNORE", Tail::List),
    ("PK", Tail::List),
    ("AUTOCREATE", Tail::Nothing),
    ("AUTOEVOLVE", Tail::Nothing),
    ("BATCH", Tail::Value),
    ("WITHUNWRAP", Tail::Nothing),
    ("LIMIT", Tail::Word),
];

#[derive(Debug, Clone, Copy)]
enum Tail {
    Nothing,
    /// `= value`
    Value,
    /// `value`
    Word,
    /// `a, b`
    List,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// In quotes, which are left out.
    Quoted(String),
    Sign(char),
}

/// Reads all statements.
///
/// # Errors
/// Says what is wrong with the first that cannot be read.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("longer than {LENGTH_MAX} bytes"));
    }
    let tokens = tokens(text)?;
    let parts = tokens.split(|token| *token == Token::Sign(';'));
    let filled = parts.filter(|part| !part.is_empty());
    let statements = filled.map(|part| Reader { rest: part }.statement());
    let statements = statements.collect::<Result<Vec<_>, _>>()?;
    match statements.is_empty() {
        true => Err("there is no statement".to_owned()),
        false => Ok(statements),
    }
}

struct Reader<'a> {
    rest: &'a [Token],
}

impl Reader<'_> {
    fn statement(&mut self) -> Result<Statement, String> {
        if !["INSERT", "UPSERT", "UPDATE"]
            .iter()
            .any(|mode| self.skip(mode))
        {
            return Err("a statement must begin with INSERT INTO".to_owned());
        }
        self.expect("INTO")?;
        let table = self.name("INTO")?;
        self.expect("SELECT")?;
        let columns = self.columns()?;
        self.expect("FROM")?;
        let topic = self.name("FROM")?;
        let mut statement = Statement {
            table,
            topic,
            columns,
            ..Statement::default()
        };
        while !self.rest.is_empty() {
            self.clause(&mut statement)?;
        }
        Ok(statement)
    }

    fn clause(&mut self, statement: &mut Statement) -> Result<(), String> {
        if self.skip("TTL") {
            self.sign('=')?;
            statement.ttl = Some(self.name("TTL=")?);
            return Ok(());
        }
        if self.skip("PROPERTIES") {
            statement.properties = self.properties()?;
            return Ok(());
        }
        let Some(clause) = self.peek_word() else {
            return Err("a clause must begin with a word".to_owned());
        };
        let known = UNUSED
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(clause));
        let Some((name, tail)) = known else {
            return Err(format!("the clause {clause} is not supported"));
        };
        self.rest = &self.rest[1..];
        statement.unused.push((*name).to_owned());
        match tail {
            Tail::Nothing => Ok(()),
            Tail::Value => {
                self.sign('=')?;
                self.name(name).map(drop)
            }
            Tail::Word => self.name(name).map(drop),
            Tail::List => self.columns().map(drop),
        }
    }

    fn columns(&mut self) -> Result<Vec<MappedColumn>, String> {
        let mut columns: Vec<MappedColumn> = Vec::new();
        loop {
            let column = self.column()?;
            if columns.iter().any(|known| known.name == column.name) {
                return Err(format!("column {:?} is selected twice", column.name));
            }
            columns.push(column);
            if !self.skip_sign(',') {
                return Ok(columns);
            }
        }
    }

    fn column(&mut self) -> Result<MappedColumn, String> {
        if self.skip_sign('*') {
            return Ok(MappedColumn::all_fields());
        }
        let field = self.name("SELECT")?;
        let is_call = self.skip_sign('(');
        if is_call {
            self.sign(')')?;
        }
        let source = match (field.as_str(), is_call) {
            ("now", true) | ("now()", false) => Source::Now,
            (_, true) => return Err(format!("the function {field} is not supported")),
            (field, false) => source(field)?,
        };
        let name = match self.skip("AS") {
            true => self.name("AS")?,
            false => field.rsplit('.').next().unwrap_or(&field).to_owned(),
        };
        Ok(MappedColumn { name, source })
    }

    fn properties(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut properties = Vec::new();
        self.sign('(')?;
        if self.skip_sign(')') {
            return Ok(properties);
        }
        loop {
            let name = self.name("PROPERTIES(")?;
            self.sign('=')?;
            properties.push((name, self.name("=")?));
            if !self.skip_sign(',') {
                self.sign(')')?;
                return Ok(properties);
            }
        }
    }

    /// A name or a value, in quotes or not.
    fn name(&mut self, after: &str) -> Result<String, String> {
        match self.rest.split_first() {
            Some((Token::Word(name) | Token::Quoted(name), rest)) if !name.is_empty() => {
                self.rest = rest;
                Ok(name.clone())
            }
            _ => Err(format!("there is no name behind {after}")),
        }
    }

    fn peek_word(&self) -> Option<&str> {
        match self.rest.first() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn skip(&mut self, keyword: &str) -> bool {
        let found = self
            .peek_word()
            .is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn expect(&mut self, keyword: &str) -> Result<(), String> {
        match self.skip(keyword) {
            true => Ok(()),
            false => Err(format!("{keyword} is missing")),
        }
    }

    fn skip_sign(&mut self, sign: char) -> bool {
        let found = self.rest.first() == Some(&Token::Sign(sign));
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        match self.skip_sign(sign) {
            true => Ok(()),
            false => Err(format!("{sign:?} is missing")),
        }
    }
}

/// `_key`, `_value` and `_header` say which part of the record; without one it is the value.
fn source(field: &str) -> Result<Source, String> {
    if field.ends_with(".*") {
        return Err(format!(
            "{field} is not supported: name its fields, or select * for all of the value"
        ));
    }
    let (part, rest) = field.split_once('.').unwrap_or((field, ""));
    let rest = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
    Ok(match (part, rest) {
        ("_key", rest) => Source::Key(rest),
        ("_value", rest) => Source::Value(rest),
        ("_header", Some(name)) => Source::Header(name),
        ("_header", None) => return Err("_header must be followed by the header's name".to_owned()),
        _ => Source::Value(Some(field.to_owned())),
    })
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(next) = rest.next() {
        match next {
            '\'' | '`' => {
                let quoted = quoted(&mut rest, next)?;
                // `a`.`b` is one name.
                match tokens.last_mut() {
                    Some(Token::Word(before)) if next == '`' && before.ends_with('.') => {
                        before.push_str(&quoted);
                    }
                    _ if next == '`' && rest.peek() == Some(&'.') => {
                        tokens.push(Token::Word(quoted))
                    }
                    _ => tokens.push(Token::Quoted(quoted)),
                }
            }
            ',' | '(' | ')' | '=' | '*' | ';' => tokens.push(Token::Sign(next)),
            blank if blank.is_whitespace() => {}
            first => {
                let mut word = first.to_string();
                while let Some(more) = rest.next_if(|next| is_word(*next, &word)) {
                    word.push(more);
                }
                match tokens.last_mut() {
                    Some(Token::Word(before)) if first == '.' => before.push_str(&word),
                    _ => tokens.push(Token::Word(word)),
                }
            }
        }
    }
    Ok(tokens)
}

/// `a.*` is one word, though `*` alone is none.
fn is_word(next: char, before: &str) -> bool {
    let ends = matches!(next, '\'' | '`' | ',' | '(' | ')' | '=' | ';') || next.is_whitespace();
    !ends && (next != '*' || before.ends_with('.'))
}

fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, String> {
    let mut text = String::new();
    for next in rest.by_ref() {
        if next == quote {
            return Ok(text);
        }
        text.push(next);
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(name: &str, source: Source) -> MappedColumn {
        MappedColumn {
            name: name.to_owned(),
            source,
        }
    }

    fn field(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn statements_are_read() {
        let text = "INSERT INTO shop.orders SELECT _key.id, total AS sum, _value, _key AS k, \
                    _header.trace as t, a.b.c, 'now()' as at, now() AS also FROM `orders.v1` TTL=3600;\n\
                    upsert into log select * from log-1 PROPERTIES('ttl'='60', 'codec.unit'='MILLISECONDS');";
        let found = parse(text).unwrap();
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!(
            (first.table.as_str(), first.topic.as_str()),
            ("shop.orders", "orders.v1")
        );
        assert_eq!(
            first.columns,
            [
                column("id", Source::Key(field("id"))),
                column("sum", Source::Value(field("total"))),
                column("_value", Source::Value(None)),
                column("k", Source::Key(None)),
                column("t", Source::Header("trace".to_owned())),
                column("c", Source::Value(field("a.b.c"))),
                column("at", Source::Now),
                column("also", Source::Now),
            ]
        );
        assert_eq!(first.ttl.as_deref(), Some("3600"));
        let second = &found[1];
        assert_eq!(second.columns, [MappedColumn::all_fields()]);
        assert_eq!(second.topic, "log-1");
        let properties = [("ttl", "60"), ("codec.unit", "MILLISECONDS")];
        let expected = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(second.properties, expected);
    }

    #[test]
    fn clauses_without_a_meaning_are_told() {
        let check = |clauses: &str, expected: &[&str]| {
            let text = format!("INSERT INTO t SELECT * FROM a {clauses}");
            let found = parse(&text).unwrap();
            assert_eq!(found[0].unused, expected, "{clauses}");
        };
        check("", &[]);
        check(
            "PK id, at AUTOCREATE BATCH = 5 TTL=1",
            &["PK", "AUTOCREATE", "BATCH"],
        );
        check("IGNORE a, b autoevolve", &["IGNORE", "AUTOEVOLVE"]);
        check("PROPERTIES()", &[]);
    }

    #[test]
    fn names_in_backticks_go_together() {
        let found = parse("INSERT INTO `shop`.`orders` SELECT a FROM `x.y`").unwrap();
        assert_eq!(
            (found[0].table.as_str(), found[0].topic.as_str()),
            ("shop.orders", "x.y")
        );
        let found = parse("INSERT INTO `shop.orders` SELECT a FROM x.y-z").unwrap();
        assert_eq!(
            (found[0].table.as_str(), found[0].topic.as_str()),
            ("shop.orders", "x.y-z")
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let check = |text: &str, expected: &str| {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        };
        check("", "no statement");
        check(" ; ", "no statement");
        check("SELECT * FROM a", "INSERT INTO");
        check("INSERT INTO", "behind INTO");
        check("INSERT INTO t SELECT FROM a", "FROM is missing");
        check("INSERT INTO t SELECT a b FROM a", "FROM is missing");
        check("INSERT INTO t SELECT * FROM", "behind FROM");
        check("INSERT INTO t SELECT a, a FROM x", "twice");
        check("INSERT INTO t SELECT a.* FROM x", "name its fields");
        check("INSERT INTO t SELECT _header FROM x", "header's name");
        check("INSERT INTO t SELECT uuid() FROM x", "function uuid");
        check(
            "INSERT INTO t SELECT * FROM x WITHSTRUCTURE",
            "WITHSTRUCTURE is not supported",
        );
        check("INSERT INTO t SELECT * FROM x TTL 5", "'=' is missing");
        check(
            "INSERT INTO t SELECT * FROM x PROPERTIES('a'='b'",
            "')' is missing",
        );
        check("INSERT INTO t SELECT 'a FROM x", "not closed");
        check("INSERT INTO t SELECT * FROM x = 5", "begin with a word");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(INSERT INTO |SELECT |FROM |[a-z.*,='`();]| ){0,30}") {
            if let Ok(statements) = parse(&text) {
                prop_assert!(statements.iter().all(|found| !found.topic.is_empty()));
            }
        }
    }
}
