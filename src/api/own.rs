//! What Kafka Connect has no words for, under a prefix of its own so that no client trips over it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::offsets::positions;
use super::request::Name;
use crate::cluster::{ConnectorView, ShownTaskState, TaskView};
use crate::offsets::Progress;
use crate::task::TaskState;

/// `GET /rowdock/cluster`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cluster {
    workers: Vec<Worker>,
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

/// `GET /rowdock/connectors/{name}/progress`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorProgress {
    /// `well`, `retrying`, `stuck`, or the connector's state when it does not run.
    health: &'static str,
    /// Records that are there and not stored.
    lag_records: i64,
    partitions: Vec<PartitionProgress>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartitionProgress {
    topic: String,
    partition: i32,
    /// Next offset to store.
    position: i64,
    /// End of the partition; null when the topic is gone.
    end_offset: Option<i64>,
    lag_records: Option<i64>,
    /// How long ago the first of them was produced; null when it could not be read in time.
    lag_seconds: Option<i64>,
    /// Worker and task that claimed it last.
    owner: String,
    /// When its position was changed last, in milliseconds since the epoch.
    last_write_ms: i64,
    /// How often its position was set by hand.
    resets: i64,
    /// State of the task that claimed it last; null when there is none any more.
    task_state: Option<&'static str>,
    /// What that task failed with, or is retrying.
    error: Option<String>,
    /// `well`, `retrying`, `stuck`, or the task's state when it does not run.
    health: &'static str,
}

/// A position that does not move for so long while records wait is stuck. Longer than any pause of
/// a rebalance or of a retry.
const STUCK_AFTER_MS: i64 = 60_000;

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
    Ok(Json(Cluster {
        workers: workers.collect(),
        placement: overview.placement.clone(),
    }))
}

/// Where each partition of a connector stands, as its database and Kafka say now.
#[utoipa::path(
    get, path = "/rowdock/connectors/{name}/progress", tag = "rowdock",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = ConnectorProgress),
        (status = 404, body = ErrorBody),
        (status = 500, body = ErrorBody, description = "Kafka or the database does not answer"),
    )
)]
pub(super) async fn progress(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<ConnectorProgress>, ApiError> {
    let connector = state.cluster.connector(&name).await?;
    let connector =
        connector.ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))?;
    let progress = positions(&state, &connector)?.progress().await;
    let progress = progress.map_err(|error| {
        let message = format!("the progress of connector {name} is not known: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let partitions: Vec<PartitionProgress> = progress
        .iter()
        .map(|progress| partition(progress, &connector, now_ms))
        .collect();
    let worst = ["FAILED", "stuck", "retrying"].into_iter().find(|health| {
        partitions
            .iter()
            .any(|partition| partition.health == *health)
    });
    Ok(Json(ConnectorProgress {
        health: worst.unwrap_or("well"),
        lag_records: partitions
            .iter()
            .filter_map(|partition| partition.lag_records)
            .sum(),
        partitions,
    }))
}

fn partition(progress: &Progress, connector: &ConnectorView, now_ms: i64) -> PartitionProgress {
    let stored = &progress.stored;
    let lag = progress.lag();
    let waits_ms = progress.waits_since_ms.map(|since| (now_ms - since).max(0));
    let task = owner_task(&stored.owner, connector);
    let idle_ms = now_ms - stored.updated_ms;
    PartitionProgress {
        topic: stored.key.topic.to_string(),
        partition: stored.key.partition,
        position: stored.next_offset,
        end_offset: progress.marks.map(|marks| marks.high),
        lag_records: lag,
        lag_seconds: match lag {
            Some(0) => Some(0),
            _ => waits_ms.map(|waits_ms| waits_ms / 1000),
        },
        owner: stored.owner.clone(),
        last_write_ms: stored.updated_ms,
        resets: stored.reset_count,
        task_state: task.map(|task| state_name(task.state)),
        error: task.and_then(|task| task.trace.clone()),
        health: health(task, lag.unwrap_or_default(), idle_ms),
    }
}

/// The task that a claim's owner names: `<worker id>/<connector>-<task>`.
fn owner_task<'a>(owner: &str, connector: &'a ConnectorView) -> Option<&'a TaskView> {
    let (_, number) = owner.rsplit_once('-')?;
    let number: u32 = number.parse().ok()?;
    connector.tasks.iter().find(|task| task.task == number)
}

fn health(task: Option<&TaskView>, lag: i64, idle_ms: i64) -> &'static str {
    let is_late = lag > 0 && idle_ms > STUCK_AFTER_MS;
    match task {
        Some(task) if task.state == ShownTaskState::Told(TaskState::Running) => match &task.trace {
            Some(_) => "retrying",
            None if is_late => "stuck",
            None => "well",
        },
        Some(task) => state_name(task.state),
        None if is_late => "stuck",
        None => "UNASSIGNED",
    }
}

fn state_name(state: ShownTaskState) -> &'static str {
    super::body::task_state(state)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn running_tasks_are_told_apart() {
        let task = |state, trace: Option<&str>| TaskView {
            task: 0,
            worker_id: "w".to_owned(),
            config: Arc::default(),
            state: ShownTaskState::Told(state),
            trace: trace.map(str::to_owned),
        };
        let check = |task: Option<&TaskView>, lag, idle_ms, expected: &str| {
            assert_eq!(health(task, lag, idle_ms), expected);
        };
        let running = task(TaskState::Running, None);
        check(Some(&running), 0, 1_000_000, "well");
        check(Some(&running), 5, 1_000, "well");
        check(Some(&running), 5, 61_000, "stuck");
        let retrying = task(TaskState::Running, Some("retrying: refused"));
        check(Some(&retrying), 5, 61_000, "retrying");
        check(Some(&task(TaskState::Failed, None)), 5, 61_000, "FAILED");
        check(Some(&task(TaskState::Paused, None)), 5, 61_000, "PAUSED");
        check(None, 5, 61_000, "stuck");
        check(None, 0, 0, "UNASSIGNED");
    }
}
