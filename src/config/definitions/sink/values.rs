//! Values of the sinks' keys that have a form of their own.

use chrono_tz::Tz;

use crate::config::table_format;

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

pub(super) fn table_types(value: &str) -> Result<(), String> {
    const KINDS: [&str; 3] = ["TABLE", "PARTITIONED TABLE", "VIEW"];
    let is_kind = |item: &&str| KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(item));
    match items(value).find(|item| !is_kind(item)) {
        None => Ok(()),
        Some(_) => Err(format!("entries must be of {}", KINDS.join(", "))),
    }
}

/// The zone of that name; `None` for UTC. Java's names for it are known, too.
pub(in crate::config) fn zone(value: &str) -> Result<Option<Tz>, String> {
    const UTC: [&str; 7] = ["UTC", "Z", "GMT", "UT", "Etc/UTC", "Etc/GMT", "Zulu"];
    let named = ["UTC", "GMT"]
        .iter()
        .find_map(|name| value.strip_prefix(name));
    let distance = named.unwrap_or(value);
    if UTC.contains(&value) || matches!(distance, "+00:00" | "+0" | "-0" | "+00") {
        return Ok(None);
    }
    if let Some(zone) = whole_hours(distance) {
        return Ok(Some(zone));
    }
    let found = value.parse::<Tz>();
    found.map(Some).map_err(|_| {
        "no zone of that name: it must be one of the tz database, such as Europe/Berlin".to_owned()
    })
}

/// `+02:00`; in the tz database its sign is the other one.
fn whole_hours(distance: &str) -> Option<Tz> {
    let (sign, hours) = match distance.split_at_checked(1)? {
        ("+", hours) => ('-', hours),
        ("-", hours) => ('+', hours),
        _ => return None,
    };
    let hours = hours.strip_suffix(":00").unwrap_or(hours);
    let hours: u8 = hours.parse().ok()?;
    format!("Etc/GMT{sign}{hours}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_every_name() {
        let check = |value: &str, expected: Result<Option<Tz>, ()>| {
            assert_eq!(zone(value).map_err(|_| ()), expected, "{value}");
        };
        check("UTC", Ok(None));
        check("Z", Ok(None));
        check("GMT+00:00", Ok(None));
        check("Europe/Berlin", Ok(Some(Tz::Europe__Berlin)));
        check("+02:00", Ok(Some(Tz::Etc__GMTMinus2)));
        check("GMT-5", Ok(Some(Tz::Etc__GMTPlus5)));
        check("US/Pacific", Ok(Some(Tz::US__Pacific)));
        check("+02:30", Err(()));
        check("Mars/Olympus", Err(()));
        check("", Err(()));
    }
}
