//! When a change is answered, and with what.

use super::*;

/// Another worker may have deleted it by the time it is read.
#[tokio::test(start_paused = true)]
async fn what_was_made_is_answered_as_it_was_when_it_was_made() {
    const CREATE: u8 = 0;
    const DELETE: u8 = 2;
    let mut world = World::new();
    world.settle().await;
    world.command(1, 0, CREATE);
    let (kafka, node) = (&mut world.kafka, &mut world.nodes[1]);
    write(kafka, node, Outcome::Answered);
    tell_end(kafka, node, true);
    write(kafka, node, Outcome::Answered);
    world.command(0, 0, DELETE);
    world.carry_out(0);
    assert!(world.answered(0), "deleted");
    let (kafka, node) = (&mut world.kafka, &mut world.nodes[1]);
    read_config(kafka, node, usize::MAX);
    let answer = node.answers.remove(0).answer.try_recv();
    assert!(
        matches!(&answer, Ok(Ok(answer)) if answer.created && answer.connector.name == "a"),
        "{answer:?}"
    );
    world.settle().await;
    world.judge();
}

/// What is planned next must not be planned on half of it.
#[tokio::test(start_paused = true)]
async fn a_change_is_answered_once_all_of_it_is_read() {
    const CREATE: u8 = 0;
    let mut world = World::new();
    world.settle().await;
    world.command(0, 0, CREATE);
    let (kafka, node) = (&mut world.kafka, &mut world.nodes[0]);
    write(kafka, node, Outcome::Answered);
    tell_end(kafka, node, true);
    write(kafka, node, Outcome::Answered);
    let records = kafka.config.len();
    assert!(records > 3, "{records}");
    for read in 1..=records {
        read_config(kafka, node, 1);
        let is_answered = !node.answers[0].answer.is_empty();
        assert_eq!(is_answered, read == records, "{read} of {records}");
    }
    assert!(world.answered(0));
}

/// A change that is being written when its worker is stopped may be made all the same.
#[tokio::test(start_paused = true)]
async fn what_a_stopping_worker_was_writing_may_still_be_made() {
    const CREATE: u8 = 0;
    for is_on_its_way in [true, false] {
        let mut world = World::new();
        world.settle().await;
        world.command(0, 0, CREATE);
        world.command(0, 1, CREATE);
        if is_on_its_way {
            let (kafka, node) = (&mut world.kafka, &mut world.nodes[0]);
            write(kafka, node, Outcome::Answered);
            tell_end(kafka, node, true);
        }
        let Node {
            control, answers, ..
        } = world.nodes.remove(0);
        control.end().await;
        let mut told = answers.into_iter().map(|mut awaited| {
            let refused = awaited.answer.try_recv().map(|answer| answer.map(drop));
            format!("{refused:?}")
        });
        let first = told.next().unwrap();
        assert!(first.contains("the worker is stopping"), "{first}");
        assert_eq!(
            first.contains("may still take effect"),
            is_on_its_way,
            "{first}"
        );
        let second = told.next().unwrap();
        assert!(
            second.contains("Closed"),
            "told so by having no answer: {second}"
        );
    }
}
