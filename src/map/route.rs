//! The table that a record chooses: `table.name.format` with variables of the record.
//!
//! Such records are decoded as a whole. What the format becomes is the record's *route*, which takes
//! the place of its topic wherever topics have tables; [`table_name`] makes the table's name of it.
//! Where lists of fields tell topics apart, records of two topics have two routes to one table, and
//! [`topic`] says whose it is.

use rowdock_connectors::{TableName, Timestamp, mysql, postgres};

use crate::config::connector::{SinkClass, SinkKeys, TopicDots};
pub use crate::config::table_format::is_by_record;
use crate::config::table_format::{Piece, pieces};
use crate::record::zone::Zone;
use crate::record::{Datum, OwnedRecord, RecordError, Stage, Value, timestamp_from_millis};
use crate::transform::date_format::DateFormat;

/// Between schema and table in a route: no name of either has it.
const SEPARATOR: char = '\u{1f}';
/// Behind the topic in a route that tells it; nothing behind it has one.
const TOPIC_END: char = '\u{1e}';
/// Longer than any database's names, and short enough to be kept many times.
const ROUTE_CHARS_MAX: usize = 512;

/// Fills the format in for records.
#[derive(Debug)]
pub struct Router {
    pieces: Vec<(Piece, Option<DateFormat>)>,
    dots: TopicDots,
    normalizes: bool,
    zone: Option<Zone>,
    /// Routes begin with the topic.
    tells_topic: bool,
    /// Whose names the tables have.
    class: SinkClass,
}

impl Router {
    /// `None` when tables are chosen by topics alone.
    ///
    /// # Errors
    /// When the format cannot be used, which the check of the config has ruled out.
    pub fn of(keys: &SinkKeys, class: SinkClass) -> Result<Option<Self>, String> {
        if !is_by_record(&keys.table_name_format) || !keys.tables_of_topics.is_empty() {
            return Ok(None);
        }
        let mut compiled = Vec::new();
        for piece in pieces(&keys.table_name_format)? {
            let date = match &piece {
                Piece::Time(pattern) => Some(DateFormat::compile(pattern, Timestamp::default())?),
                _ => None,
            };
            compiled.push((piece, date));
        }
        let mut lists = keys.fields_include.iter().chain(&keys.fields_exclude);
        Ok(Some(Self {
            tells_topic: lists.any(|entry| entry.topic.is_some()),
            pieces: compiled,
            dots: keys.topic_dots,
            normalizes: keys.table_name_normalize,
            zone: keys.zone,
            class,
        }))
    }

    /// The record's route.
    ///
    /// # Errors
    /// When the record does not have what the format names, or has no text in it, or the database takes no such
    /// name: other records choose other tables.
    pub fn route(&self, record: &OwnedRecord) -> Result<String, RecordError> {
        let mut route = String::new();
        for (piece, date) in &self.pieces {
            match (piece, date) {
                (Piece::Text(text), _) => self.push_format(&mut route, text),
                (Piece::Time(_), Some(date)) => self.push_time(&mut route, record, date)?,
                (piece, _) => {
                    let text = text_of(piece, record)?;
                    self.push_value(&mut route, &text);
                }
            }
        }
        if self.dots == TopicDots::Schema && !self.normalizes {
            route = split_at_last_dot(&route);
        }
        if route.is_empty() || route.chars().count() > ROUTE_CHARS_MAX {
            return Err(refused(
                "the table's name is empty, or longer than any may be",
            ));
        }
        let named = table_name(&route);
        for part in named.schema.iter().chain([&named.name]) {
            check_name(self.class, part)?;
        }
        if self.tells_topic {
            route = format!("{}{TOPIC_END}{route}", record.topic);
        }
        Ok(route)
    }

    /// A dot in the format stands between schema and table; only the first does.
    fn push_format(&self, route: &mut String, text: &str) {
        match text.split_once('.') {
            Some((before, after)) if !self.normalizes && !route.contains(SEPARATOR) => {
                route.push_str(before);
                route.push(SEPARATOR);
                route.push_str(after);
            }
            _ => self.push_value(route, text),
        }
    }

    fn push_value(&self, route: &mut String, text: &str) {
        let is_legal = |next: char| next.is_ascii_alphanumeric() || next == '_';
        for next in text.chars() {
            match next {
                next if self.normalizes && !is_legal(next) => route.push('_'),
                '.' if self.dots == TopicDots::Underscore => route.push('_'),
                next if next.is_control() => route.push('_'),
                next => route.push(next),
            }
        }
    }

    fn push_time(
        &self,
        route: &mut String,
        record: &OwnedRecord,
        date: &DateFormat,
    ) -> Result<(), RecordError> {
        let millis = record
            .timestamp_ms
            .ok_or_else(|| refused("the record has no time"))?;
        let at = timestamp_from_millis(millis);
        let shown = match self.zone {
            Some(zone) => zone
                .local_of(at)
                .ok_or_else(|| refused("its time is out of range"))?,
            None => at,
        };
        self.push_value(route, &date.format(shown));
        Ok(())
    }
}

/// To the sinks such a name is an error of the config.
fn check_name(class: SinkClass, name: &str) -> Result<(), RecordError> {
    let problem = match class {
        SinkClass::Postgres => postgres::identifier_problem(name),
        SinkClass::MySql => mysql::identifier_problem(name),
        SinkClass::Sqlite | SinkClass::Cassandra => None,
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(refused(&format!("the table's name {problem}"))),
    }
}

/// What stands before the last dot is the schema, and before that nothing that counts.
fn split_at_last_dot(route: &str) -> String {
    let whole = route.replace(SEPARATOR, ".");
    match whole.rsplit_once('.') {
        Some((before, table)) if !before.is_empty() && !table.is_empty() => {
            let schema = before.rsplit('.').next().unwrap_or(before);
            format!("{schema}{SEPARATOR}{table}")
        }
        _ => whole,
    }
}

fn text_of(piece: &Piece, record: &OwnedRecord) -> Result<String, RecordError> {
    let (datum, what) = match piece {
        Piece::Topic => return Ok(record.topic.to_string()),
        Piece::Value(path) => (part_of(&record.value.datum, path), path.join(".")),
        Piece::Key(path) => (
            part_of(&record.key.datum, path),
            format!("key {}", path.join(".")),
        ),
        Piece::Header(name) => {
            let mut headers = record.headers.iter().rev();
            let header = headers.find(|header| header.name == *name);
            (header.map(|header| &header.datum), format!("header {name}"))
        }
        Piece::Text(text) | Piece::Time(text) => return Ok(text.clone()),
    };
    let value = datum.map(Datum::value);
    match value {
        Some(Ok(Value::Text(text))) => Ok(text.into_owned()),
        Some(Ok(Value::Int(number))) => Ok(number.to_string()),
        Some(Ok(Value::Number(text))) => Ok(text.to_owned()),
        Some(Ok(Value::Bool(value))) => Ok(value.to_string()),
        Some(Ok(Value::Null)) | None => Err(refused(&format!("the record has no {what}"))),
        Some(_) => Err(refused(&format!(
            "{what} is neither a text nor a whole number"
        ))),
    }
}

fn part_of<'a>(datum: &'a Datum, path: &[String]) -> Option<&'a Datum> {
    path.iter().try_fold(datum, |datum, name| match datum {
        Datum::Struct(value) => value.get_named(name, true),
        Datum::Map(map) => map.get(name),
        _ => None,
    })
}

fn refused(problem: &str) -> RecordError {
    RecordError::new(
        Stage::TaskPut,
        format!("table.name.format cannot be filled in: {problem}"),
    )
}

/// The topic that a route tells; a route that tells none is for any.
pub fn topic(route: &str) -> &str {
    route.rsplit_once(TOPIC_END).map_or("", |(topic, _)| topic)
}

/// The table that a route leads to.
pub fn table_name(route: &str) -> TableName {
    let route = route.rsplit_once(TOPIC_END).map_or(route, |(_, name)| name);
    match route.split_once(SEPARATOR) {
        Some((schema, name)) => TableName {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        },
        None => TableName {
            schema: None,
            name: route.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::connector::KeyMode;
    use crate::map::tests::{entries, keys};
    use crate::record::{Coordinates, Header, Map, Side};

    fn record() -> OwnedRecord {
        let text = |text: &str| Datum::String(text.to_owned());
        let map = |entries: Vec<(&str, Datum)>| {
            let entries = entries.into_iter();
            Datum::Map(Map::from_entries(
                entries
                    .map(|(name, datum)| (name.to_owned(), datum))
                    .collect(),
            ))
        };
        let side = |datum| Side {
            schema: None,
            datum,
        };
        let value = map(vec![
            ("region", text("eu.west")),
            ("year", Datum::Int32(2026)),
            ("source", map(vec![("table", text("orders"))])),
            ("none", Datum::Null),
        ]);
        let origin = Coordinates {
            topic: "shop.orders".into(),
            partition: 0,
            offset: 0,
        };
        let mut record = OwnedRecord::new(
            origin,
            Some(1_795_258_800_000),
            side(text("k")),
            side(value),
        );
        record.headers.push(Header {
            name: "h".to_owned(),
            schema: None,
            datum: text("x"),
        });
        record
    }

    fn routed(format: &str, change: impl FnOnce(&mut SinkKeys)) -> Result<TableName, String> {
        let mut keys = keys(KeyMode::None, &[]);
        keys.table_name_format = format.to_owned();
        change(&mut keys);
        let router = Router::of(&keys, SinkClass::Sqlite);
        let router = router.expect("compiles").expect("routes");
        let route = router.route(&record()).map_err(|error| error.to_string())?;
        Ok(table_name(&route))
    }

    #[test]
    fn a_name_that_the_database_cannot_hold_makes_a_bad_record() {
        let check = |class, format: &str, expected: Option<&str>| {
            let mut keys = keys(KeyMode::None, &[]);
            keys.table_name_format = format.to_owned();
            let router = Router::of(&keys, class).expect("compiles").expect("routes");
            let routed = router.route(&record());
            let reason = routed.err().map(|error| error.to_string());
            match expected {
                Some(part) => assert!(reason.expect(format).contains(part), "{format}"),
                None => assert_eq!(reason, None, "{format}"),
            }
        };
        use SinkClass::{MySql, Postgres, Sqlite};
        let of_62 = "ü".repeat(31);
        check(Postgres, &format!("{of_62}${{key}}"), None);
        check(Postgres, &format!("{of_62}u${{key}}"), Some("63 bytes"));
        check(Postgres, &format!("{of_62}uu.${{key}}"), Some("63 bytes"));
        let of_63 = "ü".repeat(63);
        check(MySql, &format!("{of_63}${{key}}"), None);
        check(MySql, &format!("{of_63}u${{key}}"), Some("64 characters"));
        check(MySql, "😀${key}", Some("four bytes"));
        check(MySql, "${key} ", Some("blank"));
        check(Sqlite, &format!("{of_63}{of_63}😀${{key}} "), None);
    }

    #[test]
    fn records_choose_their_table() {
        let check = |format: &str, schema: Option<&str>, name: &str| {
            let found = routed(format, |_| {}).expect(format);
            assert_eq!(
                (found.schema.as_deref(), found.name.as_str()),
                (schema, name)
            );
        };
        check("${value.region}", None, "eu.west");
        check(
            "app.${value.region}_${value.year}",
            Some("app"),
            "eu.west_2026",
        );
        check("${source.table}", None, "orders");
        check("${key}_${header.h}", None, "k_x");
        check("${topic}_${timestamp.yyyyMM}", None, "shop.orders_202611");
        check("${value.year}.t.u", Some("2026"), "t.u");
    }

    #[test]
    fn names_are_made_fit_as_the_config_says() {
        let underscored = routed("s.${value.region}", |keys| {
            keys.topic_dots = TopicDots::Underscore;
        });
        assert_eq!(underscored.unwrap().name, "eu_west");
        let split = routed("db.${value.region}", |keys| {
            keys.topic_dots = TopicDots::Schema
        });
        assert_eq!(split.unwrap().to_string(), "eu.west");
        let normalized = routed("s.${value.region}", |keys| keys.table_name_normalize = true);
        assert_eq!(normalized.unwrap().to_string(), "s_eu_west");
        let tokyo = routed("t${timestamp.yyyyMMddHH}${key}", |keys| {
            keys.zone = Zone::parse("Asia/Tokyo");
        });
        assert_eq!(tokyo.unwrap().name, "t2026112120k");
    }

    #[test]
    fn a_route_tells_its_topic_where_that_counts() {
        let check = |include: &[&str], exclude: &[&str], told: &str| {
            let mut keys = keys(KeyMode::None, &[]);
            keys.table_name_format = "app.${value.region}".to_owned();
            keys.fields_include = entries(include);
            keys.fields_exclude = entries(exclude);
            let router = Router::of(&keys, SinkClass::Postgres);
            let router = router.expect("compiles").expect("routes");
            let route = router.route(&record()).expect("a route");
            assert_eq!(topic(&route), told);
            assert_eq!(table_name(&route).to_string(), "app.eu.west");
        };
        check(&["a"], &["b"], "");
        check(&["a", "t:a"], &[], "shop.orders");
        check(&[], &["t:a"], "shop.orders");
    }

    #[test]
    fn what_a_record_does_not_have_names_no_table() {
        let check = |format: &str, part: &str| {
            let reason = routed(format, |_| {}).expect_err(format);
            assert!(reason.contains(part), "{reason}");
        };
        check("${value.none}", "no none");
        check("${value.missing.part}", "no missing.part");
        check("${value.source}", "neither a text");
        check("${header.other}", "no header other");
        let long = "x".repeat(600);
        check(&format!("{long}${{key}}"), "longer than any");
    }
}
