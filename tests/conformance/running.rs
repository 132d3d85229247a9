//! A connector that runs, from its creation to its end, on both workers at once: the same config, and a
//! name on each of them, so that their groups do not meet.

use std::time::{Duration, Instant};

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use super::{CLASS, Difference, normal, problem};
use crate::support::kafka;
use crate::support::rest::{Answer, Rest};
use crate::support::stage::{Stage, Topic};
use crate::support::wait::{PATIENCE, check, eventually};

/// Stands for the connector's name in what is asked and answered.
const NAME: &str = "{name}";

/// How long both may take until their tasks are as wanted: a group of Kafka Connect's takes seconds to form.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Kafka Connect says this of connectors that have set their positions, and no more of the others.
const ALTERED: Difference = Difference {
    reason: "the positions are in the database, and are set there",
    ours: (
        200,
        "The offsets for this connector have been altered successfully",
    ),
};

const RECORDS: i64 = 20;
const PARTITIONS: i32 = 2;

/// What is done, in order.
enum Act {
    /// The same request to both.
    Ask(&'static str, String, Option<Value>, Option<Difference>),
    /// A read, until both say these words.
    Until(&'static str, &'static str),
    /// Records reach the topic, and the table as often as there are workers.
    Stored(i64),
    /// A record that neither can read.
    Spoilt,
}

struct Both<'a> {
    stage: &'a Stage,
    topic: Topic,
    workers: [(&'a Rest, String); 2],
    wrong: Vec<String>,
    compared: usize,
    produced: i64,
}

/// Plays all of it; returns how many answers were compared, and what is wrong.
pub(super) async fn compared(stage: &Stage, peer: &Rest, ours: &Rest) -> (usize, Vec<String>) {
    let topic = stage.topic("running", PARTITIONS).await;
    let sql = "CREATE TABLE running (id bigint, note text)";
    stage.database.run(sql).await;
    let mut both = Both {
        stage,
        topic,
        workers: [(peer, stage.unique("theirs")), (ours, stage.unique("ours"))],
        wrong: Vec::new(),
        compared: 0,
        produced: 0,
    };
    for act in both.acts() {
        both.play(act).await;
    }
    (both.compared, both.wrong)
}

impl Both<'_> {
    fn acts(&self) -> Vec<Act> {
        const STATUS: &str = "/status";
        const RUNNING: &str = r#""tasks":[{"id":0,"state":"RUNNING"}]"#;
        let ask = |method, tail: &str, body| {
            Act::Ask(method, format!("/connectors/{NAME}{tail}"), body, None)
        };
        let offset = |partition: i32, offset: Value| {
            let partition = json!({"kafka_topic": self.topic.name, "kafka_partition": partition});
            json!({"offsets": [{"partition": partition, "offset": offset}]})
        };
        let create = json!({"name": NAME, "config": self.config()});
        vec![
            Act::Ask("POST", "/connectors".to_owned(), Some(create), None),
            Act::Until(STATUS, RUNNING),
            ask("GET", "/tasks", None),
            ask("GET", "/tasks-config", None),
            Act::Stored(RECORDS),
            Act::Until("/topics", "running"),
            ask(
                "PATCH",
                "/offsets",
                Some(offset(0, json!({"kafka_offset": 3}))),
            ),
            ask("DELETE", "/offsets", None),
            ask("PUT", "/pause", None),
            Act::Until(STATUS, r#""tasks":[{"id":0,"state":"PAUSED"}]"#),
            ask("PUT", "/resume", None),
            Act::Until(STATUS, RUNNING),
            ask("POST", "/restart", None),
            Act::Until(STATUS, RUNNING),
            ask("POST", "/restart?includeTasks=true&onlyFailed=true", None),
            Act::Until(STATUS, RUNNING),
            ask("POST", "/tasks/0/restart", None),
            Act::Until(STATUS, RUNNING),
            ask("POST", "/tasks/7/restart", None),
            Act::Stored(RECORDS),
            ask("PUT", "/stop", None),
            Act::Until(
                STATUS,
                r#""connector":{"state":"STOPPED"},"name":"{name}","tasks":[]"#,
            ),
            Act::Until("/offsets", "kafka_offset"),
            Act::Ask(
                "PATCH",
                format!("/connectors/{NAME}/offsets"),
                Some(offset(0, json!({"kafka_offset": 3}))),
                Some(ALTERED),
            ),
            Act::Until("/offsets", r#"{"kafka_offset":3}"#),
            ask("PUT", "/resume", None),
            Act::Until(STATUS, RUNNING),
            Act::Spoilt,
            Act::Until(STATUS, r#""state":"FAILED""#),
            ask("GET", "/tasks/0/status", None),
            ask("DELETE", "", None),
            Act::Until("", "error_code"),
        ]
    }

    fn config(&self) -> Value {
        let server = self.stage.database.url(None);
        let (login, place) = server
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'))
            .expect("a URL with a user");
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        json!({
            "connector.class": CLASS,
            "tasks.max": "1",
            "topics": self.topic.name,
            "connection.url": format!("jdbc:postgresql://{place}"),
            "connection.username": user,
            "connection.password": password,
            "collection.name.format": "running",
            "insert.mode": "insert",
            "primary.key.mode": "none",
            "schema.evolution": "none",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            "consumer.override.auto.offset.reset": "earliest",
        })
    }

    async fn play(&mut self, act: Act) {
        match act {
            Act::Ask(method, path, body, difference) => {
                let asked = format!("{method} {path}");
                let answers = [
                    self.ask(0, method, &path, body.as_ref()).await,
                    self.ask(1, method, &path, body.as_ref()).await,
                ];
                self.judge(&asked, &answers, difference);
            }
            Act::Until(tail, words) => {
                let path = format!("/connectors/{NAME}{tail}");
                let answers = self.until(&path, words).await;
                self.judge(&format!("GET {path} until {words}"), &answers, None);
            }
            Act::Stored(count) => self.store(count).await,
            Act::Spoilt => self.produce(&["no JSON".to_owned()]).await,
        }
    }

    fn judge(&mut self, asked: &str, answers: &[Answer; 2], difference: Option<Difference>) {
        self.compared += 1;
        let [theirs, ours] = answers;
        self.wrong
            .extend(problem(asked, theirs, ours, ours, difference));
    }

    async fn until(&self, path: &str, words: &str) -> [Answer; 2] {
        let begun = Instant::now();
        loop {
            let answers = [
                self.ask(0, "GET", path, None).await,
                self.ask(1, "GET", path, None).await,
            ];
            let say = |answer: &Answer| answer.body.to_string().contains(words);
            let is_done = answers.iter().all(say) && answers[0] == answers[1];
            if is_done || begun.elapsed() > SETTLED_WITHIN {
                return answers;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Asks one of them by the name that its connector has, and answers as if it had the other's.
    async fn ask(
        &self,
        worker: usize,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let (rest, name) = &self.workers[worker];
        let named = |value: &Value| {
            let text = value.to_string().replace(NAME, name);
            serde_json::from_str(&text).expect("JSON with a name in it")
        };
        let path = path.replace(NAME, name);
        let answer = rest.try_call(method, &path, body.map(named)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = normal(&answer.body).to_string().replace(name, NAME);
        let mut body = serde_json::from_str(&text).expect("JSON with a name in it");
        without_order(&mut body);
        Answer {
            code: answer.code,
            body,
        }
    }

    async fn store(&mut self, count: i64) {
        let first = self.produced;
        let values: Vec<String> = (first..first + count).map(record).collect();
        self.produce(&values).await;
        self.produced += count;
        let wanted = self.produced * 2;
        let stage = self.stage;
        eventually("both to have stored them", PATIENCE, || async {
            let rows = stage.database.number("SELECT count(*) FROM running").await;
            check(rows == wanted, || format!("{rows} of {wanted}"))
        })
        .await;
    }

    async fn produce(&self, values: &[String]) {
        let producer: FutureProducer = kafka::client().create().expect("a producer");
        for (partition, value) in (0..PARTITIONS).cycle().zip(values) {
            let record = FutureRecord::<str, str>::to(&self.topic.name)
                .partition(partition)
                .payload(value);
            let sent = producer.send(record, PATIENCE).await;
            sent.expect("acknowledged");
        }
    }
}

/// Positions come in any order, and Debezium's connector tells its tasks their number in their config.
fn without_order(body: &mut Value) {
    if let Some(offsets) = body.get_mut("offsets").and_then(Value::as_array_mut) {
        offsets.sort_by_key(Value::to_string);
    }
    for task in body.as_array_mut().into_iter().flatten() {
        if let Some(config) = task.get_mut("config").and_then(Value::as_object_mut) {
            config.remove("task.id");
        }
    }
}

fn record(id: i64) -> String {
    let field = |name: &str, of: &str| json!({"field": name, "type": of, "optional": true});
    let schema = json!({
        "type": "struct",
        "optional": false,
        "fields": [field("id", "int64"), field("note", "string")],
    });
    json!({"schema": schema, "payload": {"id": id, "note": format!("note {id}")}}).to_string()
}
