//! The API from the outside: requests in, statuses and bodies out. Tasks are fake, so no Kafka and
//! no database; time is paused where it matters.
//!
//! Kafka's own tests of Kafka Connect say what its API owes its users. Where each of these behaviours
//! is tested (modules without a path are below this one; `tests/` are those with real services):
//!
//! | behaviour                                         | test                                           |
//! |---------------------------------------------------|------------------------------------------------|
//! | lists expand; both parts from the first moment     | `connectors::the_list_expands`, `connectors::a_new_connector_is_listed_whole_at_once` |
//! | `Location`, with any character in the name         | `connectors::names_may_hold_any_character`     |
//! | names are trimmed; blank and missing ones refused   | `connectors::refused_creations`                |
//! | a name that is taken, another name in the config    | `connectors::refused_creations`, `connectors::of_concurrent_creations_of_one_name_one_succeeds` |
//! | `initial_state`                                    | `lifecycle::initial_states`                    |
//! | any worker takes any change; none is refused for a rebalance | `tests/cluster.rs` `one_truth`, `workers_come_and_go` |
//! | PATCH merges, null removes, tasks run with the result | `connectors::a_config_is_patched`           |
//! | unknown connectors and tasks, in each path's words   | `connectors::unknown_connectors_have_each_endpoints_own_words` |
//! | restarts, with and without flags: 16 cases          | `lifecycle::restart_matrix`                    |
//! | a restart asked of a worker that has none of the tasks | `tests/chaos/mix.rs`, `cluster::distributed::simulation` |
//! | topics: tracked, reset, switched off                | `offsets::topics_are_tracked_until_they_are_reset`, `offsets::tracking_can_be_switched_off` |
//! | validation by full, simple and short name           | `plugins::configs_are_validated`, `tests/conformance.rs` |
//! | lists and descriptions of plugins                   | `plugins::plugins_are_listed_and_described`    |
//! | loggers: levels, scopes, mistakes, last change      | `loggers::levels_are_listed_and_set`, `loggers::mistakes_are_told` |
//! | health: 200, 500, 503 with what is waited for       | `http::health_depends_on_the_control_loop_alone`, `tests/cluster.rs` `kafka_out_of_reach` |
//! | CORS, OPTIONS, own headers, admin apart or off      | `http::pages_of_other_origins_need_permission`, `http::head_and_options_work_on_every_get`, `http::every_answer_gets_the_headers_of_the_settings`, `http::the_admin_part_can_stand_apart` |
//! | the advertised address among listeners              | `config::worker::tests`                        |
//! | a worker joins, leaves, dies, comes back            | `tests/cluster.rs` `workers_come_and_go`       |
//! | a failed task, restarted once its config is mended   | `lifecycle::a_failed_task_is_shown_and_restarted` |
//! | brokers away, and back                              | `tests/cluster.rs` `kafka_out_of_reach`, `tests/chaos/brokers.rs` `all_away` |
//! | `tasks.max` up and down: exact tasks each time       | `lifecycle::tasks_are_as_many_as_asked_for`    |
//! | every transition of states, twice                    | `lifecycle::every_transition_twice`            |
//! | what has failed can be stopped, resumed, deleted      | `lifecycle::what_has_failed_can_be_stopped`    |
//! | created paused or stopped, resumed, deleted           | `lifecycle::initial_states`                    |
//! | positions set on a connector that was created stopped | `tests/cluster.rs` `positions_are_set_by_hand` |
//! | time-outs name what was waited for                    | `http::a_request_that_takes_too_long_is_ended` |
//! | more tasks than asked for cannot be                   | `tasks.max` is how many there are              |
//! | a converter changed after a bad first record          | `tests/lifecycle.rs` `a_converter_is_mended`   |
//! | secrets that are missing do not stop a new config     | `connectors::config_providers_are_read_when_tasks_start_and_never_shown` |
//! | short names of classes                                | `plugins::configs_are_validated`, `config::plugins` |
//! | config topics with old and partial records            | `cluster::registry::tests`                     |
//! | what blocks holds nobody else up                      | `lifecycle::a_task_that_hangs_while_it_stops_holds_up_nobody_else`, `tests/hanging.rs` |
//! | every task once and balanced through all changes      | `cluster::placement::tests`, `cluster::distributed::simulation` |
//! | internal topics: made, or refused with the reason      | `tests/cluster.rs` `unfit_topics_are_refused`, `tests/rights.rs` |
//! | HTTP and HTTPS side by side                           | `server::tests::https_is_served`               |
//! | paths between workers are nobody's                     | `http::there_are_no_paths_between_workers`     |
//! | validation: error counts by key, override policies      | `validation`                                   |
//! | positions: refused unless stopped, malformed bodies     | `offsets::offsets_are_set_on_stopped_connectors_only`, `tests/conformance.rs` |
//! | the requests of well-known clients                      | [`clients`]                                    |

mod clients;
mod connectors;
mod http;
mod lifecycle;
mod loggers;
mod offsets;
mod openapi;
mod plugins;
mod replay;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::{ApiState, Part, router};
use crate::cluster::fake::FakeTasks;
use crate::cluster::{ClusterHandle, start_standalone};
use crate::config::worker::{SettingsSources, WorkerSettings};
use crate::sessions::RequestSessions;
use crate::telemetry::Loggers;

/// Bodies in these tests are small; a larger one is a defect.
const BODY_MAX: usize = 1 << 20;

const WORKER_ID: &str = "10.0.0.5:9398";

/// A worker with fake tasks.
struct Worker {
    router: Router,
    cluster: ClusterHandle,
    tasks: FakeTasks,
    kafka_cluster_id: watch::Sender<Option<String>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.headers[CONTENT_TYPE], "application/json", "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status and the message of an error, whose shape is checked.
    #[track_caller]
    fn error(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert_eq!(body["error_code"], self.status.as_u16());
        let message = body["message"].as_str().unwrap();
        (self.status.as_u16(), message.to_owned())
    }
}

impl Worker {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(overrides: &[&str]) -> Self {
        Self::start_part(overrides, Part::Whole)
    }

    fn start_part(overrides: &[&str], part: Part) -> Self {
        let sources = SettingsSources {
            overrides: overrides.iter().map(ToString::to_string).collect(),
            ..SettingsSources::default()
        };
        let settings = Arc::new(WorkerSettings::load(&sources).unwrap().settings);
        let tasks = FakeTasks::default();
        let (kafka_cluster_id, receiver) = watch::channel(None);
        let loggers = Loggers::detached("info");
        let cluster = start_standalone(
            Arc::clone(&settings),
            WORKER_ID.to_owned(),
            tasks.clone(),
            loggers.clone(),
        );
        let state = ApiState {
            cluster: cluster.clone(),
            settings,
            worker_id: WORKER_ID.into(),
            scheme: "http",
            loggers,
            sessions: RequestSessions::default(),
            kafka_cluster_id: receiver,
        };
        Self {
            router: router(state, part),
            cluster,
            tasks,
            kafka_cluster_id,
        }
    }

    fn with_router(self, router: Router) -> Self {
        Self { router, ..self }
    }

    async fn request(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, BODY_MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn send(&self, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method).uri(path);
        self.request(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path).await
    }

    async fn put(&self, path: &str) -> Reply {
        self.send(Method::PUT, path).await
    }

    async fn post(&self, path: &str) -> Reply {
        self.send(Method::POST, path).await
    }

    async fn send_text(&self, method: Method, path: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .header(HOST, "w1:9398")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.request(request).await
    }

    async fn send_json(&self, method: Method, path: &str, body: &Value) -> Reply {
        self.send_text(method, path, &body.to_string()).await
    }

    /// Creates a connector with this many tasks and waits until they run.
    async fn create(&self, name: &str, tasks: u32) {
        let body = json!({"name": name, "config": config(tasks)});
        let reply = self.send_json(Method::POST, "/connectors", &body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        let states = vec!["RUNNING"; usize::try_from(tasks).unwrap()];
        self.wait_for(name, "RUNNING", &states).await;
    }

    /// Waits until the connector's first task was started this often.
    async fn wait_for_starts(&self, name: &str, starts: usize) {
        let reached = timeout(Duration::from_secs(30), async {
            while self.tasks.starts(name, 0) < starts {
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(reached.await.is_ok(), "{starts} starts were never reached");
    }

    /// Waits until the connector and its tasks have these states.
    async fn wait_for(&self, name: &str, connector: &str, tasks: &[&str]) {
        let path = format!("/connectors/{name}/status");
        let mut last = Value::Null;
        let reached = timeout(Duration::from_secs(30), async {
            loop {
                last = self.get(&path).await.json();
                if states(&last) == (connector, tasks.to_vec()) {
                    return;
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        let reached = reached.await.is_ok();
        assert!(reached, "{connector} {tasks:?} was never reached: {last}");
    }
}

/// A config that is acceptable.
fn config(tasks: u32) -> Value {
    json!({
        "connector.class": "SqliteSink",
        "topics": "orders",
        "tasks.max": tasks.to_string(),
        "connection.url": "jdbc:sqlite:orders.db",
        "auto.create": "true",
    })
}

/// The same with one key set, or with null removed.
fn config_with(tasks: u32, key: &str, value: Value) -> Value {
    let mut config = config(tasks);
    config[key] = value;
    config
}

fn states(status: &Value) -> (&str, Vec<&str>) {
    let tasks = status["tasks"].as_array().unwrap();
    (
        status["connector"]["state"].as_str().unwrap(),
        tasks
            .iter()
            .map(|task| task["state"].as_str().unwrap())
            .collect(),
    )
}
