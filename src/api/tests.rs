//! The API from the outside: requests in, statuses and bodies out. Tasks are fake, so no Kafka and
//! no database; time is paused where it matters.
//!
//! Kafka's own tests of Kafka Connect say what its API and its cluster owe their users. Where each of
//! these behaviours is tested, here, in other modules and in `tests/`; numbers are those of the list
//! that was drawn from them, without those of the data path. `tests/behaviours.rs` holds this table
//! against the sources.
//!
//! | no. | behaviour | tests |
//! |---|---|---|
//! | 1 | lists expand; whole from the first moment, and while connectors come and go | `the_list_expands`, `a_new_connector_is_listed_whole_at_once`, `the_list_is_whole_while_connectors_come_and_go` |
//! | 2 | `Location`, with any character in the name | `names_may_hold_any_character`, `refused_creations` |
//! | 3 | names are trimmed; blank and missing ones refused | `refused_creations` |
//! | 4 | a name that is taken, another name in the config | `refused_creations`, `a_config_is_replaced`, `of_concurrent_creations_of_one_name_one_succeeds` |
//! | 5 | `initial_state` | `initial_states` |
//! | 6, 7 | any worker takes any change; none is refused for a rebalance | `one_truth`, `positions_are_set_by_hand`, `workers_come_and_go` |
//! | 8 | PATCH merges, null removes | `a_config_is_patched` |
//! | 9 | unknown connectors and tasks, in each path's words | `unknown_connectors_have_each_endpoints_own_words` |
//! | 10, 34 | restarts by flags and states, asked of any worker | `restart_matrix`, `a_failed_connector_can_be_restarted_stopped_and_deleted`, `restart_keeps_the_target_state`, `one_truth`, `what_has_failed_is_restarted_by_those_who_have_not_got_it` |
//! | 11 | topics: tracking and reset switched off | `tracking_can_be_switched_off` |
//! | 12 | positions: an empty list | `offsets_are_set_on_stopped_connectors_only` |
//! | 13 | validation by full, simple and short name | `configs_are_validated`, `the_plugin_in_the_path_must_be_the_configs` |
//! | 14 | lists and descriptions of plugins | `plugins_are_listed_and_described` |
//! | 15, 41 | loggers: levels, scopes, mistakes, last change | `levels_are_listed_and_set`, `mistakes_are_told`, `one_truth` |
//! | 16, 42 | health: 200, 500, 503 with what is waited for | `health_depends_on_the_control_loop_alone`, `kafka_out_of_reach`, `a_worker_that_leaves_says_so` |
//! | 17 | CORS, OPTIONS, own headers, admin apart or off, a log of requests | `pages_of_other_origins_need_permission`, `head_and_options_work_on_every_get`, `every_answer_gets_the_headers_of_the_settings`, `the_admin_part_can_stand_apart`, `every_listener_answers_its_part` |
//! | 18 | the advertised address among listeners | `a_worker_is_known_by_its_advertised_address_or_its_listener`, `every_listener_answers_its_part` |
//! | 19, 37 | a worker joins, leaves, dies, comes back | `workers_come_and_go` |
//! | 20 | a failed task, restarted once its config is mended | `a_failed_task_is_shown_and_restarted`, `retries_are_used_up` |
//! | 21 | brokers away, and back (tasks wait; of several, `make chaos`) | `kafka_out_of_reach` |
//! | 22 | `tasks.max` up and down: exact tasks each time | `tasks_are_as_many_as_asked_for` |
//! | 23 | every transition of states, twice | `every_transition_twice` |
//! | 24 | what has failed can be stopped, resumed, deleted | `what_has_failed_can_be_stopped`, `a_failed_connector_can_be_restarted_stopped_and_deleted` |
//! | 25 | created paused or stopped, resumed, deleted | `initial_states`, `what_has_failed_can_be_stopped` |
//! | 26 | positions set on a connector that was created stopped | `positions_are_set_by_hand` |
//! | 27 | PATCH starts tasks anew, with the merged config | `a_config_is_patched` |
//! | 28 | time-outs name what was waited for | `a_request_that_takes_too_long_is_ended`, `kafka_out_of_reach` |
//! | 29 | more tasks than asked for cannot be: `tasks.max` is how many there are | `tasks_are_as_many_as_asked_for` |
//! | 30 | a converter changed after a bad first record | `a_converter_is_mended` |
//! | 31 | secrets that are missing do not stop a new config | `config_providers_are_read_when_tasks_start_and_never_shown`, `what_one_worker_cannot_read_moves_no_task` |
//! | 32 | short names of classes | `classes_are_found_by_their_names_and_aliases`, `converters_are_found_by_name_and_alias`, `each_is_found_by_its_name_and_the_end_of_it` |
//! | 33 | config topics with old and partial records | `a_kafka_connect_log_is_taken_over`, `a_compacted_log_means_the_same`, `any_log_can_be_read` |
//! | 35 | what blocks holds nobody else up | `a_task_that_hangs_while_it_stops_holds_up_nobody_else`, `database`, `kafka_itself` |
//! | 36 | every task once and balanced through all changes | `every_task_once_and_balanced`, `few_tasks_move`, `workers_agree_whatever_happens_to_them` |
//! | 38 | internal topics: made, or refused with the reason | `unfit_topics_are_refused`, `those_that_are_documented_are_enough` |
//! | 39 | HTTP and HTTPS side by side | `https_is_served`, `certificates_can_be_required`, `every_listener_answers_its_part` |
//! | 40 | paths between workers are nobody's | `there_are_no_paths_between_workers` |
//! | 43, 44, 45, 46, 47 | validation: error counts by key | `errors_are_counted_by_key`, `predicates`, `consumer_groups_must_differ_from_the_workers_group` |
//! | 48 | validation: override policies | `override_policies` |
//! | 64 | positions: refused unless stopped and alone, malformed bodies, a group and a Kafka of its own, twice, tried again | `offsets_are_set_on_stopped_connectors_only`, `bodies_are_read_or_refused_in_connects_words`, `positions_are_set_by_hand`, `positions_are_those_of_the_connector_s_kafka_and_group`, `the_group_s_offsets_are_tried_again`, `the_group_s_offsets_follow_the_database`, `members_of_the_newer_group_protocol_are_seen` |
//! | 65 | topics: seen, reset, gone with their connector | `topics_are_tracked_until_they_are_reset`, `tracking_can_be_switched_off` |
//!
//! The requests of well-known clients, in their order, are in [`clients`].

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
