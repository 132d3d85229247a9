//! The sink in memory.

use async_trait::async_trait;
use rowdock_connectors::memory::{MemorySink, Value};
use rowdock_connectors::{ProgressScope, Sink};

use crate::conformance::support::Database;

pub(crate) struct Memory {
    sink: MemorySink,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let scope = ProgressScope {
            cluster_id: "cluster".to_owned(),
            connector: "orders".to_owned(),
        };
        Self {
            sink: MemorySink::new(scope),
        }
    }
}

#[async_trait]
impl Database for Memory {
    fn sink(&self, connector: &str, _: bool) -> Box<dyn Sink> {
        if connector == self.sink.scope().connector {
            return Box::new(self.sink.clone());
        }
        let mut scope = self.sink.scope().clone();
        connector.clone_into(&mut scope.connector);
        Box::new(MemorySink::new(scope))
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let snapshot = self.sink.snapshot();
        // As the cases create their tables: these columns, or those that are asked for.
        let place = |(index, name): (usize, &&str)| {
            let usual = ["id", "n", "note"];
            match usual.iter().position(|known| known == name) {
                Some(place) => place,
                None => index,
            }
        };
        let rows = snapshot
            .tables
            .get(table)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut texts: Vec<String> = rows
            .iter()
            .map(|row| {
                let cells = columns
                    .iter()
                    .enumerate()
                    .map(place)
                    .map(|index| text(&row[index]));
                cells.collect::<Vec<_>>().join(",")
            })
            .collect();
        texts.sort();
        texts
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Int(value) => value.to_string(),
        Value::Text(text) | Value::Decimal(text) => text.clone(),
        Value::Null | Value::Default => "null".to_owned(),
        other => format!("{other:?}"),
    }
}
