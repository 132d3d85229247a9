//! Connector configs, as a user would write them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::stage::{Stage, Topic};

/// A connector: its name and its config. The worker that runs it adds the database's URL.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) name: String,
    settings: BTreeMap<String, String>,
}

impl Connector {
    /// Appends the records of a topic to a table that is there.
    pub(crate) fn append(stage: &Stage, topic: &Topic, table: &str) -> Self {
        Self::to_table(stage, &[topic], table).set("insert.mode", "insert")
    }

    /// Keeps one row per record key, deleted by records without a value.
    pub(crate) fn upsert(stage: &Stage, topic: &Topic, table: &str) -> Self {
        Self::to_table(stage, &[topic], table)
            .set("insert.mode", "upsert")
            .set("pk.mode", "record_key")
            .set("pk.fields", "item")
            .set("delete.enabled", "true")
    }

    /// A connector into the stage's database with schemaless JSON keys and values.
    pub(crate) fn to_table(stage: &Stage, topics: &[&Topic], table: &str) -> Self {
        let topics: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        Self::of_class(stage.database.engine().sink_class(), &stage.unique(table))
            .set("topics", &topics.join(","))
            .set("table.name.format", table)
    }

    /// A connector of this class, with schemaless JSON keys and values, and nothing else.
    pub(crate) fn of_class(class: &str, name: &str) -> Self {
        let connector = Self {
            name: name.to_owned(),
            settings: BTreeMap::new(),
        };
        connector
            .set("connector.class", class)
            .set("tasks.max", "1")
            .set("key.converter", "JsonConverter")
            .set("key.converter.schemas.enable", "false")
            .set("value.converter", "JsonConverter")
            .set("value.converter.schemas.enable", "false")
    }

    /// The same under another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// One more setting, or another value of one.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without a setting.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.settings.remove(key);
        self
    }

    /// Rejected records go to this topic, with headers.
    pub(crate) fn dead_letters(self, topic: &Topic) -> Self {
        self.set("errors.tolerance", "all")
            .set("errors.deadletterqueue.topic.name", &topic.name)
            .set("errors.deadletterqueue.topic.replication.factor", "1")
            .set("errors.deadletterqueue.context.headers.enable", "true")
    }

    /// The consumer group that its tasks share.
    pub(crate) fn group(&self) -> String {
        format!("connect-{}", self.name)
    }

    /// The config alone, with the database's URL unless it has one.
    pub(crate) fn config(&self, database_url: &str) -> Value {
        let mut settings = self.settings.clone();
        settings
            .entry("connection.url".to_owned())
            .or_insert_with(|| database_url.to_owned());
        json!(settings)
    }

    /// Name and config, as a connector file or a request to create it has them.
    pub(crate) fn document(&self, database_url: &str) -> Value {
        json!({"name": self.name, "config": self.config(database_url)})
    }
}
