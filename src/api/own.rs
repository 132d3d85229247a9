//! What Kafka Connect has no words for, under a prefix of its own so that no client trips over it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::body::{connector_state, task_state};
use super::error::{ApiError, ErrorBody};
use super::offsets::positions;
use super::request::Name;
use crate::cluster::{ConnectorView, ShownTaskState, TargetState, TaskView};
use crate::config::connector::Delivery;
use crate::offsets::{Progress, Report};
use crate::task::TaskState;

/// `GET /rowdock/cluster`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cluster {
    workers: Vec<Worker>,
    /// Members of the workers' group that have not said that they are workers of this cluster, such as
    /// consumers of other programs: they are given no tasks. Absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    strangers: Vec<StrangerInGroup>,
    /// Worker ids by connector, in the order of its tasks.
    placement: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Worker {
    worker_id: String,
    /// Null when it has not told yet.
    version: Option<String>,
    /// `active`, or `leaving` while it hands its tasks over.
    state: &'static str,
    /// How many tasks it is to have.
    tasks: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct StrangerInGroup {
    client_id: String,
    host: String,
}

/// `GET /rowdock/connectors/{name}/progress`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorProgress {
    /// `FAILED`, `stuck`, `retrying`, `UNASSIGNED`, `unclaimed` or `well`: the worst that is said of a
    /// partition or a task, where a missing topic, and no partition at all, are `unclaimed` too; the
    /// connector's state when it is not to run; `unknown` when nothing bad is said and positions are
    /// not known.
    health: &'static str,
    /// Records that are there and not stored, of the partitions where that is known; null when no
    /// positions are known.
    lag_records: Option<i64>,
    /// Topics of its config that do not exist, or that its login may not describe.
    missing_topics: Vec<String>,
    /// Why positions are not known: Kafka or the database does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Empty when positions are not known.
    partitions: Vec<PartitionProgress>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartitionProgress {
    topic: String,
    partition: i32,
    /// Next offset to store. Of a partition that nobody has claimed yet, where it will be begun; null
    /// when that cannot be told.
    position: Option<i64>,
    /// End of the partition; null when the topic is gone.
    end_offset: Option<i64>,
    lag_records: Option<i64>,
    /// How long ago the first of them was produced; null when it could not be read in time.
    lag_seconds: Option<i64>,
    /// Worker and task that claimed it last. This and the next two are null where nobody has, and where
    /// positions are the consumer group's, as with at-least-once delivery.
    owner: Option<String>,
    /// When its position was changed last, in milliseconds since the epoch.
    last_write_ms: Option<i64>,
    /// How often its position was set by hand.
    resets: Option<i64>,
    /// State of the task that claimed it last; null when there is none any more.
    task_state: Option<&'static str>,
    /// What that task failed with, or is retrying.
    error: Option<String>,
    /// `well`, `retrying`, `stuck`, or the state of the task, or of the connector, when it does not run;
    /// `unclaimed` when no task has begun with it; `unknown` when nothing tells whose it is and records
    /// wait.
    health: &'static str,
}

/// A position that does not move for so long while records wait for as long is stuck. Longer than any
/// pause of a rebalance or of a retry.
const STUCK_AFTER_MS: i64 = 60_000;

/// What is said of what no task has begun with.
const UNCLAIMED: &str = "unclaimed";

/// The workers of the cluster, and which of them has which task.
#[utoipa::path(
    get, path = "/rowdock/cluster", tag = "rowdock",
    responses((status = 200, body = Cluster))
)]
pub(super) async fn cluster(State(state): State<ApiState>) -> Result<Json<Cluster>, ApiError> {
    let overview = state.cluster.overview().await?;
    let tasks = |worker_id: &String| {
        let all = overview.placement.values().flatten();
        all.filter(|owner| *owner == worker_id).count()
    };
    let workers = overview.workers.iter().map(|worker| Worker {
        worker_id: worker.worker_id.clone(),
        version: worker.version.clone(),
        state: if worker.leaving { "leaving" } else { "active" },
        tasks: tasks(&worker.worker_id),
    });
    let strangers = overview.strangers.iter().map(|stranger| StrangerInGroup {
        client_id: stranger.client_id.clone(),
        host: stranger.host.clone(),
    });
    Ok(Json(Cluster {
        workers: workers.collect(),
        strangers: strangers.collect(),
        placement: overview.placement.clone(),
    }))
}

/// Where each partition of a connector stands, as its database and Kafka say now. While one of them
/// does not answer, what the tasks say is shown nevertheless: that is when they retry.
#[utoipa::path(
    get, path = "/rowdock/connectors/{name}/progress", tag = "rowdock",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = ConnectorProgress),
        (status = 404, body = ErrorBody),
    )
)]
pub(super) async fn progress(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<ConnectorProgress>, ApiError> {
    let connector = state.cluster.connector(&name).await?;
    let connector =
        connector.ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))?;
    let positions = positions(&state, &connector)?;
    let (report, error) = match positions.progress().await {
        Ok(report) => (report, None),
        Err(error) => (Report::default(), Some(error.to_string())),
    };
    let now_ms = chrono::Utc::now().timestamp_millis();
    let has_claims = positions.config.delivery == Delivery::ExactlyOnce;
    let partitions = report.partitions.iter();
    let partitions: Vec<PartitionProgress> = partitions
        .map(|progress| partition(progress, &connector, has_claims, now_ms))
        .collect();
    let mut told: Vec<&str> = partitions
        .iter()
        .map(|partition| partition.health)
        .collect();
    if error.is_none() && (partitions.is_empty() || !report.missing_topics.is_empty()) {
        told.push(UNCLAIMED);
    }
    let lag = partitions
        .iter()
        .filter_map(|partition| partition.lag_records);
    Ok(Json(ConnectorProgress {
        health: overall(&connector, &told, error.is_none()),
        lag_records: error.is_none().then(|| lag.sum()),
        missing_topics: report
            .missing_topics
            .iter()
            .map(ToString::to_string)
            .collect(),
        error,
        partitions,
    }))
}

/// The worst that is said of a partition or a task.
fn overall(connector: &ConnectorView, of_parts: &[&str], is_known: bool) -> &'static str {
    let of_tasks = connector.tasks.iter();
    let of_tasks = of_tasks.map(|task| health(connector, Some(task), false));
    let of_tasks: Vec<&str> = of_tasks.collect();
    let is_said = |health: &&str| of_parts.contains(health) || of_tasks.contains(health);
    let runs = connector.target == TargetState::Running;
    // Without tasks nothing is claimed, and nothing should be.
    let worst = match runs {
        true => &["FAILED", "stuck", "retrying", "UNASSIGNED", UNCLAIMED][..],
        false => &["FAILED", "stuck", "retrying"],
    };
    match worst.iter().copied().find(is_said) {
        Some(worst) => worst,
        None if !runs => connector_state(connector.state),
        None if !is_known => "unknown",
        None => "well",
    }
}

fn partition(
    progress: &Progress,
    connector: &ConnectorView,
    has_claims: bool,
    now_ms: i64,
) -> PartitionProgress {
    let stored = progress.stored.as_ref();
    let lag = progress.lag();
    let waits_ms = progress.waits_since_ms.map(|since| (now_ms - since).max(0));
    let task = stored.and_then(|stored| owner_task(&stored.owner, connector));
    PartitionProgress {
        topic: progress.key.topic.to_string(),
        partition: progress.key.partition,
        position: progress.next_offset,
        end_offset: progress.marks.map(|marks| marks.high),
        lag_records: lag,
        lag_seconds: match lag {
            Some(0) => Some(0),
            _ => waits_ms.map(|waits_ms| waits_ms / 1000),
        },
        owner: stored.map(|stored| stored.owner.clone()),
        last_write_ms: stored.map(|stored| stored.updated_ms),
        resets: stored.map(|stored| stored.reset_count),
        task_state: task.map(|task| task_state(task.state)),
        error: task.and_then(|task| task.trace.clone()),
        health: match stored {
            Some(stored) if stored.owner.is_empty() && connector.target == TargetState::Running => {
                UNCLAIMED
            }
            Some(stored) => {
                let idle_ms = now_ms - stored.updated_ms;
                health(connector, task, is_late(lag, waits_ms, idle_ms))
            }
            None if connector.target != TargetState::Running => connector_state(connector.state),
            None if has_claims => UNCLAIMED,
            None if lag == Some(0) => "well",
            None => "unknown",
        },
    }
}

/// The task that a claim's owner names: `<worker id>/<connector>-<task>`.
fn owner_task<'a>(owner: &str, connector: &'a ConnectorView) -> Option<&'a TaskView> {
    let (_, number) = owner.rsplit_once('-')?;
    let number: u32 = number.parse().ok()?;
    connector.tasks.iter().find(|task| task.task == number)
}

/// Whether records have waited for longer than any pause and none has been stored meanwhile. Either alone
/// is no sign: a record may come after a long silence, and a task that catches up stores records that
/// have waited. Times of the database and of producers are compared with ours, so both must agree. A
/// record whose time cannot be read has waited for as long as the position has not moved.
fn is_late(lag: Option<i64>, waits_ms: Option<i64>, idle_ms: i64) -> bool {
    let waits_ms = waits_ms.unwrap_or(idle_ms);
    lag.is_some_and(|lag| lag > 0) && waits_ms > STUCK_AFTER_MS && idle_ms > STUCK_AFTER_MS
}

fn health(connector: &ConnectorView, task: Option<&TaskView>, is_late: bool) -> &'static str {
    match task {
        Some(task) if task.state == ShownTaskState::Told(TaskState::Running) => match &task.trace {
            Some(_) => "retrying",
            None if is_late => "stuck",
            None => "well",
        },
        Some(task) => task_state(task.state),
        None if connector.target != TargetState::Running => connector_state(connector.state),
        None if is_late => "stuck",
        None => "UNASSIGNED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use rowdock_connectors::{PartitionKey, StoredPosition};

    use super::*;
    use crate::cluster::{ConnectorState, Kind};
    use crate::write::start::Watermarks;

    fn task(state: TaskState, trace: Option<&str>) -> TaskView {
        TaskView {
            task: 0,
            worker_id: "w".to_owned(),
            config: Arc::default(),
            state: ShownTaskState::Told(state),
            trace: trace.map(str::to_owned),
        }
    }

    fn connector(target: TargetState, state: ConnectorState, tasks: &[&TaskView]) -> ConnectorView {
        ConnectorView {
            name: "pg".to_owned(),
            config: Arc::default(),
            kind: Kind::Sink,
            worker_id: "w".to_owned(),
            target,
            state,
            trace: None,
            tasks: tasks.iter().map(|task| (*task).clone()).collect(),
            topics: BTreeSet::new(),
        }
    }

    #[test]
    fn running_tasks_are_told_apart() {
        let running = connector(TargetState::Running, ConnectorState::Running, &[]);
        let stopped = connector(TargetState::Stopped, ConnectorState::Stopped, &[]);
        let check = |connector, task: Option<&TaskView>, is_late, expected: &str| {
            let told = health(connector, task, is_late);
            assert_eq!(told, expected, "{task:?} {is_late}");
        };
        let works = task(TaskState::Running, None);
        check(&running, Some(&works), false, "well");
        check(&running, Some(&works), true, "stuck");
        let retries = task(TaskState::Running, Some("retrying: refused"));
        check(&running, Some(&retries), true, "retrying");
        let failed = task(TaskState::Failed, None);
        check(&running, Some(&failed), true, "FAILED");
        let paused = task(TaskState::Paused, None);
        check(&running, Some(&paused), true, "PAUSED");
        check(&running, None, true, "stuck");
        check(&running, None, false, "UNASSIGNED");
        check(&stopped, None, true, "STOPPED");
    }

    #[test]
    fn only_records_that_have_waited_while_nothing_was_stored_are_late() {
        let check = |lag, waits_ms, idle_ms, expected| {
            let is_late = is_late(lag, waits_ms, idle_ms);
            assert_eq!(is_late, expected, "{lag:?} {waits_ms:?} {idle_ms}");
        };
        check(Some(0), None, 1_000_000, false);
        check(None, None, 1_000_000, false);
        // The first record after a long silence has just come.
        check(Some(1), Some(300), 1_000_000, false);
        check(Some(1), Some(61_000), 1_000_000, true);
        // Behind, and catching up.
        check(Some(5_000), Some(1_000_000), 300, false);
        // The database's clock is ahead of ours.
        check(Some(1), Some(61_000), -3_600_000, false);
        check(Some(1), None, 61_000, true);
        check(Some(1), None, 59_000, false);
    }

    fn position(stored: Option<(i64, i64)>, waits_since_ms: Option<i64>) -> Progress {
        let key = PartitionKey {
            topic: "orders".into(),
            partition: 3,
        };
        Progress {
            next_offset: stored.map(|(next_offset, _)| next_offset),
            stored: stored.map(|(next_offset, updated_ms)| StoredPosition {
                key: key.clone(),
                next_offset,
                topic_id: String::new(),
                owner: "w/pg-0".to_owned(),
                updated_ms,
                reset_count: 0,
            }),
            key,
            marks: Some(Watermarks { low: 0, high: 7 }),
            waits_since_ms,
        }
    }

    #[test]
    fn partitions_are_told_apart() {
        const NOW_MS: i64 = 2_000_000_000;
        let works = task(TaskState::Running, None);
        let running = connector(TargetState::Running, ConnectorState::Running, &[&works]);
        let stopped = connector(TargetState::Stopped, ConnectorState::Stopped, &[]);
        let check = |connector, progress: &Progress, has_claims, expected: &str| {
            let told = partition(progress, connector, has_claims, NOW_MS);
            assert_eq!(told.health, expected, "{progress:?} {has_claims}");
        };
        let idle_since = NOW_MS - 600_000;
        check(
            &running,
            &position(Some((7, idle_since)), None),
            true,
            "well",
        );
        let fresh = position(Some((6, idle_since)), Some(NOW_MS - 2_000));
        check(&running, &fresh, true, "well");
        let old = position(Some((6, idle_since)), Some(NOW_MS - 90_000));
        check(&running, &old, true, "stuck");
        check(&running, &position(None, None), true, "unclaimed");
        check(&stopped, &position(None, None), true, "STOPPED");
        let mut set_by_hand = position(Some((6, idle_since)), Some(NOW_MS - 90_000));
        if let Some(stored) = &mut set_by_hand.stored {
            stored.owner.clear();
        }
        check(&running, &set_by_hand, true, "unclaimed");
        check(&stopped, &set_by_hand, true, "STOPPED");
        check(&running, &position(None, None), false, "unknown");
    }

    /// A task that retries is told of while its positions cannot be read, and before it has any.
    #[test]
    fn the_worst_of_partitions_and_tasks_counts() {
        use ConnectorState as State;
        use TargetState as Target;
        let check = |connector: &ConnectorView, partitions: &[&str], is_known, expected: &str| {
            let told = overall(connector, partitions, is_known);
            assert_eq!(told, expected, "{connector:?} {partitions:?} {is_known}");
        };
        let works = task(TaskState::Running, None);
        let retries = task(TaskState::Running, Some("retrying: refused"));
        let failed = task(TaskState::Failed, Some("no such table"));
        let running = |tasks: &[&TaskView]| connector(Target::Running, State::Running, tasks);
        check(&running(&[&works]), &["well", "well"], true, "well");
        check(&running(&[&works]), &["well", "stuck"], true, "stuck");
        check(
            &running(&[&works]),
            &["well", "unclaimed"],
            true,
            "unclaimed",
        );
        let nowhere = task(TaskState::Unassigned, None);
        check(&running(&[&works, &nowhere]), &["well"], true, "UNASSIGNED");
        check(&running(&[&works]), &[], false, "unknown");
        check(&running(&[&works, &retries]), &[], false, "retrying");
        check(&running(&[&works, &retries]), &[], true, "retrying");
        check(&running(&[&retries, &failed]), &["stuck"], true, "FAILED");
        let stopped = connector(Target::Stopped, State::Stopped, &[]);
        check(&stopped, &["STOPPED"], true, "STOPPED");
        check(&stopped, &[], false, "STOPPED");
        check(&stopped, &["unclaimed"], true, "STOPPED");
        let paused = connector(Target::Paused, State::Paused, &[&failed]);
        check(&paused, &["FAILED"], true, "FAILED");
    }
}
