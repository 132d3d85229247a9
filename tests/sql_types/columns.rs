//! JSON into columns of every type, and back, in whatever engine: what fits arrives as it was meant, and
//! what does not is refused by itself, without its value in the reason.

use super::harness::{Harness, keyed};
use crate::support::engine::Engine;

/// Definition, JSON, what is asked of the column `c`, and the answer.
pub(crate) type Fitting = (&'static str, &'static str, &'static str, &'static str);

/// Definition, JSON, and a part of the reason why it is refused.
pub(crate) type Unfit = (&'static str, &'static str, &'static str);

/// Each case has a column of its own in one table, and is written in each of these modes.
pub(crate) async fn there_and_back(harness: &Harness, cases: &[Fitting], modes: &[&str]) {
    let columns: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(place, (definition, ..))| format!("c{place} {definition}"))
        .collect();
    let (id, options) = match harness.engine {
        Engine::Postgres => ("int8", ""),
        Engine::Sqlite => ("INTEGER", ""),
        // MariaDB's own default is latin1.
        Engine::MySql | Engine::MariaDb => ("bigint", "CHARACTER SET utf8mb4"),
    };
    let table = format!(
        "CREATE TABLE t (id {id} PRIMARY KEY, {}) {options}",
        columns.join(", ")
    );
    harness.run(&table).await;
    let records: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(place, (_, json, ..))| format!("{{\"id\":{place},\"c{place}\":{json}}}"))
        .collect();
    for mode in modes {
        harness.run("DELETE FROM t").await;
        if *mode == "update" {
            let ids: Vec<String> = (0..cases.len()).map(|id| format!("({id})")).collect();
            let there = format!("INSERT INTO t (id) VALUES {}", ids.join(","));
            harness.run(&there).await;
        }
        let refused = harness.write("t", &keyed(mode, "id"), &records).await;
        assert_eq!(refused, Vec::<String>::new(), "{mode}");
        let mut wrong = Vec::new();
        for (place, (definition, json, asked, expected)) in cases.iter().enumerate() {
            let text = format!(
                "SELECT {asked} FROM (SELECT c{place} AS c FROM t WHERE id = {place}) AS one"
            );
            let found = harness.text(&text).await;
            if found != *expected {
                wrong.push(format!("{definition} from {json}: {found}, not {expected}"));
            }
        }
        assert_eq!(wrong, Vec::<String>::new(), "{:?}, {mode}", harness.engine);
    }
}

/// By a rule of ours, which the reason tells, with the field and the column.
pub(crate) async fn refused_by_rule(harness: &Harness, cases: &[Unfit]) {
    for (definition, json, part) in cases {
        let reason = only_refusal(harness, definition, json).await;
        assert!(reason.contains(part), "{definition} from {json}: {reason}");
        assert!(
            reason.contains("field \"c\"") && reason.contains("column \"c\""),
            "{reason}"
        );
    }
}

/// By the database, which quotes values in its errors.
pub(crate) async fn refused_later(harness: &Harness, cases: &[(&str, &str)]) {
    for (definition, json) in cases {
        let reason = only_refusal(harness, definition, json).await;
        let value = json.trim_matches('"');
        // What NaN is everybody may know.
        let is_told = reason.contains(value) && value != "NaN";
        assert!(!is_told, "no values in errors: {reason}");
    }
}

/// Writes the value, and a null behind it; the reason why the value alone is refused. What is to be unique
/// is there already.
async fn only_refusal(harness: &Harness, definition: &str, json: &str) -> String {
    harness.run("DROP TABLE IF EXISTS t").await;
    let table = format!("CREATE TABLE t (c {definition})");
    harness.run(&table).await;
    let is_there = definition.contains("UNIQUE");
    if is_there {
        harness.run(&format!("INSERT INTO t VALUES ({json})")).await;
    }
    let records = [format!("{{\"c\":{json}}}"), "{\"c\":null}".to_owned()];
    let mut refused = harness.write("t", &[], &records).await;
    assert_eq!(refused.len(), 1, "{definition} from {json}: {refused:?}");
    let counted = (
        harness.count("t").await,
        harness.count("t WHERE c IS NULL").await,
    );
    assert_eq!(
        counted,
        (1 + i64::from(is_there), 1),
        "{:?}: {definition}",
        harness.engine
    );
    refused.remove(0)
}
