//! Topics that tasks have read, where a connector is deleted and made anew at once.

use super::*;
use crate::task::TaskStatus;

const CREATE: u8 = 0;
const DELETE: u8 = 2;

impl World {
    /// Lets the first task of the first connector say that it has written something of a topic. Returns
    /// the worker that has it.
    fn write_topic(&self, topic: &str) -> usize {
        let runs = |node: &Node| node.tasks.runs("a", 0);
        let owner = self.nodes.iter().position(runs).expect("somebody runs it");
        let status = TaskStatus {
            joined: true,
            topics: [Arc::from(topic)].into(),
            ..TaskStatus::new(TaskState::Running)
        };
        self.nodes[owner].tasks.tell("a", 0, status);
        owner
    }

    fn topics(&self, worker: usize) -> Vec<String> {
        let view = self.nodes[worker].control.view_of("a").unwrap();
        view.topics.into_iter().collect()
    }

    /// One command, as far as its worker gets with it at once.
    fn carry_out_at(&mut self, worker: usize, verb: u8) {
        self.command(worker, 0, verb);
        self.carry_out(worker);
        assert!(self.answered(worker), "{verb}");
    }

    async fn with_a_topic() -> Self {
        let mut world = Self::new();
        world.settle().await;
        world.carry_out_at(0, CREATE);
        world.settle().await;
        world.write_topic("before");
        world.settle().await;
        for worker in 0..2 {
            assert_eq!(world.topics(worker), ["before"]);
        }
        world
    }
}

/// Nobody takes the words of the one before for those of the one after it.
#[tokio::test(start_paused = true)]
async fn a_connector_has_no_topics_of_the_one_before() {
    let mut world = World::with_a_topic().await;
    world.carry_out_at(0, DELETE);
    world.carry_out_at(0, CREATE);
    assert_eq!(world.topics(0).len(), 0, "at once");
    world.settle().await;
    for worker in 0..2 {
        assert_eq!(world.topics(worker).len(), 0);
    }
    world.write_topic("before");
    world.settle().await;
    world.join();
    world.settle().await;
    for worker in 0..3 {
        assert_eq!(world.topics(worker), ["before"], "its own");
    }
    // Nothing of it is left when it is no longer remembered that there was one before.
    world.settle().await;
    let topics = world.nodes[0].control.statuses.topics("a");
    assert_eq!(topics.count(), 1);
}

/// What is taken back of the one before, and arrives late, is no request to forget topics.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_late_leaves_the_topics_of_the_one_after() {
    let mut world = World::with_a_topic().await;
    world.carry_out_at(0, DELETE);
    world.tick().await;
    let is_taken_back = |(encoded, _): &kafka::Word| encoded.value.is_none();
    let line = Arc::clone(&world.nodes[0].line);
    assert!(line.lock().unwrap().said.iter().any(is_taken_back));
    world.carry_out_at(1, CREATE);
    for worker in 0..2 {
        read_config(&mut world.kafka, &mut world.nodes[worker], usize::MAX);
    }
    for _ in 0..2 {
        world.tick().await;
    }
    let owner = world.write_topic("before");
    world.tick().await;
    let said = std::mem::take(&mut line.lock().unwrap().said);
    let (late, others): (Vec<_>, Vec<_>) = said.into_iter().partition(is_taken_back);
    world.kafka.statuses.extend(others);
    say(&mut world.kafka, &mut world.nodes[1]);
    world.kafka.statuses.extend(late);
    world.settle().await;
    for worker in 0..2 {
        assert_eq!(world.topics(worker), ["before"], "of worker {owner}");
    }
}

/// A person who asks for it is heard by the tasks, whichever worker was asked.
#[tokio::test(start_paused = true)]
async fn topics_are_forgotten_where_somebody_asks() {
    for worker in 0..2 {
        let mut world = World::with_a_topic().await;
        let (reply, mut answer) = oneshot::channel();
        let name = "a".to_owned();
        let reset = Message::ResetTopics { name, reply };
        world.nodes[worker].control.receive(reset);
        assert!(matches!(answer.try_recv(), Ok(Ok(()))));
        world.settle().await;
        for shown in 0..2 {
            assert_eq!(world.topics(shown).len(), 0);
        }
    }
}

/// One that has read the deletion while it started is as good as one that was there.
#[tokio::test(start_paused = true)]
async fn words_that_come_late_are_taken_back_by_one_that_has_just_started() {
    let mut world = World::with_a_topic().await;
    world.nodes.remove(0);
    world.expire();
    world.carry_out_at(0, DELETE);
    let mut words = std::mem::take(&mut world.kafka.statuses);
    words.retain(|(encoded, _)| !encoded.key.starts_with("rowdock-worker-"));
    world.nodes[0].statuses_read = 0;
    world.join();
    let (kafka, node) = (&mut world.kafka, &mut world.nodes[1]);
    read_config(kafka, node, usize::MAX);
    read_statuses(kafka, node, usize::MAX);
    tell_members(kafka, node);
    assert_eq!(node.control.stage, None, "it has begun");
    world.kafka.statuses.extend(words);
    world.settle().await;
    world.judge();
}
