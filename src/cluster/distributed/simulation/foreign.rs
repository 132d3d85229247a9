//! Workers of Kafka Connect in the group.

use super::*;
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
