//! A worker that may not read any more, or does not get what there is.

use super::*;
use crate::cluster::handle::Health;
use crate::cluster::log::tail::Tailed;

const CREATE: u8 = 0;
const WHY: &str = "the worker may not read topic t: allow Read on it";
/// Longer than an end may be known and not read.
const LATER: Duration = Duration::from_secs(16);

async fn settled() -> World {
    let mut world = World::new();
    world.settle().await;
    world
}

fn refused() -> Tailed {
    Tailed {
        refused: Some(WHY.to_owned()),
        ..Tailed::default()
    }
}

impl World {
    fn first_is_well(&self) -> Result<(), String> {
        match self.nodes[0].control.health() {
            Health::Healthy => Ok(()),
            Health::Unhealthy(reason) => Err(reason),
            Health::Starting(stage) => panic!("starts: {stage}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_any_more_is_told_until_it_is_read() {
    let mut world = settled().await;
    assert_eq!(world.first_is_well(), Ok(()));
    for refused in [Event::Config(refused()), Event::Status(refused())] {
        world.nodes[0].control.hear(refused);
        let told = world.first_is_well().unwrap_err();
        assert!(told.contains(WHY), "{told}");
        let (kafka, node) = (&mut world.kafka, &mut world.nodes[0]);
        read_config(kafka, node, usize::MAX);
        read_statuses(kafka, node, usize::MAX);
        assert_eq!(world.first_is_well(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_read_back_is_refused_with_the_reason() {
    let mut world = settled().await;
    world.nodes[0].control.hear(Event::Config(refused()));
    world.command(0, 0, CREATE);
    sleep(COMMAND_TIME_MAX).await;
    world.tick().await;
    let mut awaited = world.nodes[0].answers.pop().unwrap();
    match awaited.answer.try_recv() {
        Ok(Err(ClusterError::Unavailable { reason })) => assert_eq!(reason, WHY),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_not_read_up_to_is_told_after_a_while() {
    let mut world = settled().await;
    let end = world.nodes[0].control.position + 3;
    world.nodes[0].control.hear(Event::End(Ok(end)));
    assert_eq!(world.first_is_well(), Ok(()));
    let until = Instant::now() + LATER;
    while Instant::now() < until {
        tell_members(&mut world.kafka, &mut world.nodes[0]);
        world.tick().await;
    }
    let told = world.first_is_well().unwrap_err();
    assert!(told.contains(&format!("up to offset {end},")), "{told}");
    world.nodes[0].control.hear(Event::Config(Tailed {
        position: end,
        caught_up: true,
        ..Tailed::default()
    }));
    assert_eq!(world.first_is_well(), Ok(()));
}
