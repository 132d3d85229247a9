//! Restarts that are asked of one worker, of tasks that others have.

use super::*;

const CREATE: u8 = 0;
const TASKS: u32 = 3;

impl World {
    fn starts(&self, task: u32) -> usize {
        let starts = self.nodes.iter().map(|node| node.tasks.starts("a", task));
        starts.sum()
    }

    fn owner(&self, task: u32) -> usize {
        let runs = |node: &Node| node.tasks.runs("a", task);
        self.nodes.iter().position(runs).expect("somebody runs it")
    }
}

/// What is chosen by the flags and by what has failed is chosen by any worker.
#[tokio::test(start_paused = true)]
async fn what_has_failed_is_restarted_by_those_who_have_not_got_it() {
    const FAILED: u32 = 1;
    for (include_tasks, only_failed, restarted) in [
        (false, false, &[][..]),
        (false, true, &[]),
        (true, true, &[FAILED]),
        (true, false, &[0, 1, 2]),
    ] {
        let mut world = World::new();
        world.settle().await;
        world.command(0, 0, CREATE);
        world.settle().await;
        assert!(world.answered(0), "created");
        let owner = world.owner(FAILED);
        world.nodes[owner].tasks.fail("a", FAILED, "a bad record");
        world.settle().await;

        let before: Vec<usize> = (0..TASKS).map(|task| world.starts(task)).collect();
        let other = 1 - owner;
        let scope = RestartScope {
            include_tasks,
            only_failed,
        };
        let name = "a".to_owned();
        world.give(other, Command::Restart { name, scope });
        world.settle().await;
        assert!(world.answered(other), "restarted");
        let again = (0..TASKS).filter(|task| world.starts(*task) > before[*task as usize]);
        assert_eq!(again.collect::<Vec<_>>(), restarted, "{scope:?}");
        for node in &world.nodes {
            let tasks = node.control.view_of("a").unwrap().tasks;
            let failed = tasks.iter().filter(|task| task.is_failed());
            let failed: Vec<u32> = failed.map(|task| task.task).collect();
            let expected: &[u32] = match restarted.contains(&FAILED) {
                true => &[],
                false => &[FAILED],
            };
            assert_eq!(failed, expected, "{scope:?} on {}", node.id);
        }
    }
}
