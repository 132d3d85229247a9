//! Others in the group.

use super::*;
use crate::cluster::format::status::WorkerRecord;
use crate::cluster::members::Heard;

/// They are named, and this one does not work beside them.
#[tokio::test(start_paused = true)]
async fn a_worker_ends_beside_kafka_connects() {
    let mut world = World::new();
    let (failure, mut failed) = oneshot::channel();
    let control = &mut world.nodes[0].control;
    control.failure = Some(failure);
    let foreign = vec!["connect-1 at /10.0.0.1".to_owned()];
    control.hear(Event::Group(Heard::Foreign(foreign)));
    let reason = failed.try_recv().unwrap().to_string();
    for part in [
        "has workers of Kafka Connect in it: connect-1 at /10.0.0.1",
        "Stop all of them first",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
}

/// A consumer of another program is shown and has no tasks; nor has a worker of another cluster, though
/// both say what they are in one topic.
#[tokio::test(start_paused = true)]
async fn strangers_have_no_tasks() {
    const CREATE: u8 = 0;
    let mut world = World::new();
    let strangers = ["a-consumer", "other:9398"].map(str::to_owned);
    world.kafka.strangers = strangers.to_vec();
    let word = StatusRecord::Worker {
        worker_id: strangers[1].clone(),
        worker: Some(WorkerRecord {
            leaving: false,
            incarnation: "other".to_owned(),
            version: "0.1.0".to_owned(),
            started_ms: 1,
            config_topic: Some("others-configs".to_owned()),
        }),
    };
    world.kafka.statuses.push((word.encode(), None));
    world.settle().await;
    world.command(0, 0, CREATE);
    world.settle().await;
    assert!(world.answered(0));
    world.judge();
    for node in &world.nodes {
        let told = node.control.overview();
        let workers = told.workers.iter().map(|worker| worker.worker_id.as_str());
        assert_eq!(workers.collect::<Vec<_>>(), ["w0:9398", "w1:9398"]);
        let named = told
            .strangers
            .into_iter()
            .map(|stranger| stranger.client_id);
        assert_eq!(named.collect::<Vec<_>>(), strangers);
    }
}

/// What is asked of a worker that leaves is answered at once: it does nothing more.
#[tokio::test(start_paused = true)]
async fn a_worker_that_leaves_turns_everybody_away() {
    const CREATE: u8 = 0;
    let mut world = World::new();
    world.settle().await;
    world.nodes[0].control.begin_to_leave(None);
    world.command(0, 0, CREATE);
    let mut awaited = world.nodes[0].answers.pop().unwrap();
    let answer = awaited.answer.try_recv();
    assert!(
        matches!(answer, Ok(Err(ClusterError::Stopped))),
        "{answer:?}"
    );
    let (reply, mut answer) = oneshot::channel();
    world.nodes[0].control.receive(Message::ReadAll { reply });
    let answer = answer.try_recv();
    assert!(
        matches!(answer, Ok(Err(ClusterError::Stopped))),
        "{answer:?}"
    );
}
