//! A config topic that is made anew, or that loses its end, behind running workers; a status topic that
//! loses what was said.

use super::*;
use crate::cluster::handle::Health;
use crate::cluster::log::tail::{TailRecord, Tailed};

const CREATE: u8 = 0;
const DELETE: u8 = 2;

impl World {
    /// Two workers and a connector.
    async fn settled() -> Self {
        let mut world = Self::new();
        world.settle().await;
        world.command(0, 0, CREATE);
        world.settle().await;
        assert!(world.answered(0));
        world
    }

    fn read_log(&mut self, position: i64, records: Vec<TailRecord>) {
        self.nodes[0].control.hear(Event::Config(Tailed {
            records,
            position,
            caught_up: true,
            went_back: false,
            refused: None,
        }));
    }

    /// The status topic has nothing any more; whether workers hear of it, or only those who come later miss it.
    fn lose_words(&mut self, is_told: bool) {
        self.kafka.statuses.clear();
        for node in &mut self.nodes {
            node.statuses_read = 0;
            if is_told {
                node.control.hear(Event::Status(Tailed {
                    caught_up: true,
                    went_back: true,
                    ..Tailed::default()
                }));
            }
        }
    }

    /// Keys of the words that stand in the status topic.
    fn words(&self) -> BTreeSet<String> {
        let words = self.kafka.statuses.iter();
        words.map(|(encoded, _)| encoded.key.clone()).collect()
    }

    fn trouble(&self) -> Option<String> {
        match self.nodes[0].control.health() {
            Health::Unhealthy(reason) => Some(reason),
            Health::Healthy => None,
            Health::Starting(stage) => panic!("starts: {stage}"),
        }
    }

    /// What the first worker shows at once, whatever Kafka says.
    fn shown(&mut self) -> Vec<String> {
        let (reply, mut answer) = oneshot::channel();
        self.nodes[0].control.receive(Message::ReadAll { reply });
        let shown = answer.try_recv().expect("answered at once");
        shown.unwrap().into_keys().collect()
    }

    fn refusal(&mut self) -> String {
        let mut awaited = self.nodes[0].answers.pop().unwrap();
        match awaited.answer.try_recv() {
            Ok(Err(ClusterError::Unavailable { reason })) => reason,
            answer => panic!("{answer:?}"),
        }
    }
}

/// The worker says so, shows what it knows, changes nothing, and takes nothing of the other log in.
#[tokio::test(start_paused = true)]
async fn another_log_is_not_taken_for_the_one_before() {
    let deletion = || TailRecord {
        version: 1,
        key: Some(b"connector-a".to_vec()),
        value: None,
        request_id: None,
    };
    for is_empty in [true, false] {
        let mut world = World::settled().await;
        assert_eq!(world.trouble(), None);
        // Under way, and waiting.
        world.command(0, 1, CREATE);
        world.command(0, 2, CREATE);
        match is_empty {
            true => world.read_log(0, Vec::new()),
            false => world.read_log(1, vec![deletion()]),
        }
        let reason = world.trouble().expect("not well");
        for part in ["made anew or has lost its end", "restart all workers"] {
            assert!(reason.contains(part), "{reason}");
        }
        for _ in 0..2 {
            assert!(world.refusal().starts_with("topic "));
        }
        world.command(0, 0, DELETE);
        assert!(world.refusal().starts_with("topic "), "at once");
        // However much the other log has by then.
        let position = world.nodes[0].control.position;
        world.read_log(position + 10, vec![deletion()]);
        assert!(world.trouble().is_some());
        assert_eq!(world.shown(), ["a"]);
        let runs = |node: &Node| node.tasks.runs("a", 0);
        assert!(world.nodes.iter().any(runs), "what runs goes on");
    }
}

/// An end that is told may be that of a broker which has just become the leader.
#[tokio::test(start_paused = true)]
async fn an_end_before_what_was_read_is_believed_while_it_is_told() {
    let mut world = World::settled().await;
    let position = world.nodes[0].control.position;
    let tell = |world: &mut World, end: i64| {
        let line = Arc::clone(&world.nodes[0].line);
        if std::mem::take(&mut line.lock().unwrap().end_asked) {
            world.nodes[0].control.hear(Event::End(Ok(end)));
        }
    };
    let (reply, mut answer) = oneshot::channel();
    let control = &mut world.nodes[0].control;
    control.receive(Message::ReadAll { reply });
    tell(&mut world, position - 1);
    assert!(answer.try_recv().unwrap().is_ok(), "from memory");
    assert!(world.trouble().is_some());

    // The writer, which need not catch up otherwise, does not write to it.
    let before = world.kafka.config.len();
    world.command(0, 0, DELETE);
    for _ in 0..30 {
        write(&mut world.kafka, &mut world.nodes[0], Outcome::Answered);
        tell(&mut world, position - 1);
        world.tick().await;
    }
    assert_eq!(world.kafka.config.len(), before);
    world.settle().await;
    assert!(world.answered(0), "once the end is known again");
    assert_eq!(world.trouble(), None);
    world.judge();
}

/// One who comes later takes nobody for gone, and nobody moves tasks to and fro.
#[tokio::test(start_paused = true)]
async fn words_that_went_by_age_are_said_again_to_newcomers() {
    let mut world = World::settled().await;
    let words = world.words();
    world.lose_words(false);
    world.settle().await;
    world.join();
    world.settle().await;
    let workers: Vec<usize> = world
        .nodes
        .iter()
        .map(|node| node.control.members.len())
        .collect();
    assert_eq!(workers, [3; 3]);
    assert!(world.words().is_superset(&words), "{:?}", world.words());
    world.judge();
    let records = world.kafka.config.len();
    world.settle().await;
    assert_eq!(world.kafka.config.len(), records, "the placement stands");
    let said = world.kafka.statuses.len();
    world.settle().await;
    let said = world.kafka.statuses.len() - said;
    assert!(said <= 3 * world.nodes.len(), "{said} words of nothing new");
}

#[tokio::test(start_paused = true)]
async fn a_status_topic_that_is_made_anew_is_told_everything_at_once() {
    let mut world = World::settled().await;
    let words = world.words();
    world.lose_words(true);
    world.tick().await;
    for node in &mut world.nodes {
        say(&mut world.kafka, node);
    }
    assert_eq!(world.words(), words);
    world.settle().await;
    world.judge();
}
