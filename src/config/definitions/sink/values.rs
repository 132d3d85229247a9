//! Values of the sinks' keys that have a form of their own.

use rowdock_connectors::TableKind;

use crate::config::connector::FieldEntry;
use crate::config::table_format;
use crate::record::zone::Zone;

pub(super) fn table_name_format(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("String must be non-empty".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    table_format::pieces(value).map(|_| ())
}

/// The pairs of `topics.to.tables.mapping`.
pub(in crate::config) fn tables_of_topics<'a>(
    items: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for item in items {
        match item
            .split_once(':')
            .map(|(topic, table)| (topic.trim(), table.trim()))
        {
            Some((topic, table)) if !topic.is_empty() && !table.is_empty() => {
                if pairs.iter().any(|(known, _)| *known == topic) {
                    return Err(format!("topic {topic} has two tables"));
                }
                pairs.push((topic, table));
            }
            _ => return Err("every entry must be topic:table".to_owned()),
        }
    }
    Ok(pairs)
}

pub(super) fn topics_to_tables(value: &str) -> Result<(), String> {
    tables_of_topics(items(value)).map(|_| ())
}

pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    let items = value.split(',').map(str::trim);
    items.filter(|item| !item.is_empty())
}

/// The pairs of `timezone.fields`.
pub(in crate::config) fn zoned_fields<'a>(
    items: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for item in items {
        let (time, zone) = item.split_once(':').unwrap_or((item, ""));
        let (time, zone) = (time.trim(), zone.trim());
        if time.is_empty() || zone.is_empty() || time == zone {
            return Err("every entry must be time:zone, two fields".to_owned());
        }
        if pairs.iter().any(|(known, _)| *known == time) {
            return Err(format!("field {time} has two zones"));
        }
        pairs.push((time, zone));
    }
    Ok(pairs)
}

/// The entries of `fields.whitelist` or `fields.exclude.list`.
pub(in crate::config) fn field_entries<'v>(
    items: impl Iterator<Item = &'v str>,
) -> Result<Vec<FieldEntry>, String> {
    items.map(FieldEntry::parse).collect()
}

/// Kinds of tables by their names.
pub(in crate::config) fn table_types<'v>(
    items: impl Iterator<Item = &'v str>,
) -> Result<Vec<TableKind>, String> {
    let kind = |item: &str| {
        let mut kinds = TableKind::ALL.into_iter();
        kinds.find(|kind| kind.name().eq_ignore_ascii_case(item))
    };
    let kinds: Option<Vec<TableKind>> = items.map(kind).collect();
    kinds.ok_or_else(|| {
        let names = TableKind::ALL.map(TableKind::name);
        format!("entries must be of {}", names.join(", "))
    })
}

/// The zone of that name, or that far from UTC; `None` for UTC. Java's names for it are known, too.
pub(in crate::config) fn zone(value: &str) -> Result<Option<Zone>, String> {
    const UTC: [&str; 6] = ["UTC", "GMT", "UT", "Etc/UTC", "Etc/GMT", "Zulu"];
    if UTC.contains(&value) {
        return Ok(None);
    }
    let found = Zone::parse(value).ok_or_else(|| {
        "no zone of that name: it must be one of the tz database, such as Europe/Berlin, or a distance \
         such as +05:30"
            .to_owned()
    });
    let is_utc = |zone: &Zone| matches!(zone, Zone::Fixed(offset) if offset.local_minus_utc() == 0);
    found.map(|zone| Some(zone).filter(|zone| !is_utc(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_every_name() {
        let check = |value: &str, expected: Result<Option<&str>, ()>| {
            let expected = expected.map(|name| name.and_then(Zone::parse));
            assert_eq!(zone(value).map_err(|_| ()), expected, "{value}");
        };
        check("UTC", Ok(None));
        check("Z", Ok(None));
        check("GMT+00:00", Ok(None));
        check("Europe/Berlin", Ok(Some("Europe/Berlin")));
        check("+02:00", Ok(Some("GMT+02:00")));
        check("GMT-5", Ok(Some("-05:00")));
        check("US/Pacific", Ok(Some("US/Pacific")));
        check("+02:30", Ok(Some("+0230")));
        check("GMT+5:45", Ok(Some("+05:45")));
        check("+24:00", Err(()));
        check("Mars/Olympus", Err(()));
        check("", Err(()));
    }
}
