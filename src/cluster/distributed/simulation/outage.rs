//! Changes while Kafka does not answer.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// How long the writer's thread tries.
const ATTEMPT: Duration = Duration::from_secs(10);
const CREATE: u8 = 0;

impl World {
    /// Lets time pass, while the writer's thread fails once in a while, or is not heard of at all.
    async fn be_without_kafka(&mut self, time: Duration, is_heard: bool) {
        let end = Instant::now() + time;
        let mut failure = Instant::now() + ATTEMPT;
        while Instant::now() < end {
            self.tick().await;
            if is_heard && failure <= Instant::now() {
                write(&mut self.kafka, &mut self.nodes[0], Outcome::Failed);
                failure += ATTEMPT;
            }
        }
    }

    /// Answers of the first worker that are there.
    fn refusals(&mut self) -> Vec<String> {
        let mut refusals = Vec::new();
        for awaited in &mut self.nodes[0].answers {
            match awaited.answer.try_recv() {
                Ok(Err(ClusterError::Unavailable { reason })) => refusals.push(reason),
                Ok(other) => panic!("answered {other:?}"),
                Err(_) => {}
            }
        }
        refusals
    }
}

/// Nobody waits until its time is over, and those who come after it are not held up.
#[tokio::test(start_paused = true)]
async fn what_can_never_be_written_is_refused_at_once() {
    let mut world = World::new();
    world.settle().await;
    for name in 0..2 {
        world.command(0, name, CREATE);
    }
    let node = &mut world.nodes[0];
    write(&mut world.kafka, node, Outcome::Answered);
    tell_end(&mut world.kafka, node, true);
    write(&mut world.kafka, node, Outcome::Refused);
    let answer = node.answers[0].answer.try_recv();
    assert!(
        matches!(&answer, Ok(Err(ClusterError::TooLarge { reason })) if reason == "too large"),
        "{answer:?}"
    );
    world.carry_out(0);
    assert!(world.answered(0), "the next one");
}

/// Each is refused in its own time with the reason, however many wait, and none of them is made when
/// Kafka is back.
#[tokio::test(start_paused = true)]
async fn changes_are_refused_in_time_and_never_made() {
    for is_heard in [true, false] {
        let mut world = World::new();
        world.settle().await;
        for name in 0..NAMES.len() {
            world.command(0, name, CREATE);
        }
        world
            .be_without_kafka(COMMAND_TIME_MAX - SECOND, is_heard)
            .await;
        assert_eq!(world.refusals().len(), 0, "it is waited for");
        world.be_without_kafka(SECOND + TICK, is_heard).await;
        let reason = if is_heard {
            "away"
        } else {
            "kafka does not answer"
        };
        assert_eq!(world.refusals(), [reason; 3]);

        world.command(0, 0, CREATE);
        world
            .be_without_kafka(COMMAND_TIME_MAX + TICK, is_heard)
            .await;
        assert_eq!(world.refusals(), [reason], "one that comes later");

        world.settle().await;
        assert_eq!(world.kafka.config.len(), 0, "nothing is made later");
        world.command(0, 1, CREATE);
        world.settle().await;
        assert!(world.answered(0), "changes are taken again");
    }
}
