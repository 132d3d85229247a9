use proptest::prelude::*;

use super::*;

fn member(number: usize) -> String {
    format!("10.0.{}.{}:9398", number / 250, number % 250)
}

fn sorted(mut members: Vec<String>) -> Vec<String> {
    members.sort();
    members.dedup();
    members
}

/// Connectors with these numbers of tasks, after this placement.
fn wanted<'a>(names: &'a [String], tasks: &[usize], previous: &'a Owners) -> Vec<Wanted<'a>> {
    names
        .iter()
        .zip(tasks)
        .map(|(name, tasks)| Wanted {
            name,
            tasks: *tasks,
            previous: previous.get(name).map_or(&[], Vec::as_slice),
        })
        .collect()
}

fn names(count: usize) -> Vec<String> {
    sorted((0..count).map(|number| format!("sink-{number}")).collect())
}

/// The spread of a count over members: largest less smallest.
fn spread<'a>(members: &[String], owners: impl Iterator<Item = &'a String> + Clone) -> usize {
    let counts = members
        .iter()
        .map(|member| owners.clone().filter(|owner| *owner == member).count());
    counts.clone().max().unwrap_or(0) - counts.min().unwrap_or(0)
}

fn check_balance(members: &[String], tasks: &[(String, usize)], owners: &Owners) {
    assert_eq!(owners.len(), tasks.len());
    for (name, count) in tasks {
        let of_connector = &owners[name];
        assert_eq!(of_connector.len(), *count, "each task once: {name}");
        assert!(of_connector.iter().all(|owner| members.contains(owner)));
        assert!(
            spread(members, of_connector.iter()) <= 1,
            "{name}: {of_connector:?}"
        );
    }
    assert!(
        spread(members, owners.values().flatten()) <= 1,
        "{owners:?}"
    );
}

fn moved(before: &Owners, after: &Owners) -> usize {
    before
        .iter()
        .map(|(name, owners)| {
            let now = &after[name];
            owners
                .iter()
                .zip(now)
                .filter(|(then, now)| then != now)
                .count()
        })
        .sum()
}

proptest! {
    /// Whatever was before: also workers that nobody knows, and other numbers of tasks.
    #[test]
    fn every_task_once_and_balanced(
        member_count in 1_usize..12,
        tasks in prop::collection::vec(0_usize..9, 0..20),
        before in prop::collection::vec(prop::collection::vec(0_usize..15, 0..10), 20),
    ) {
        let members = sorted((0..member_count).map(member).collect());
        let names = names(tasks.len());
        let previous: Owners = names
            .iter()
            .zip(&before)
            .map(|(name, owners)| (name.clone(), owners.iter().map(|owner| member(*owner)).collect()))
            .collect();
        let wanted = wanted(&names, &tasks, &previous);
        let owners = place(&members, &wanted);
        let counts: Vec<(String, usize)> = names.iter().cloned().zip(tasks.iter().copied()).collect();
        check_balance(&members, &counts, &owners);
        prop_assert_eq!(&owners, &place(&members, &wanted), "the same each time");
    }

    /// What is placed stays placed, also when a connector is added.
    #[test]
    fn a_placement_is_stable(
        member_count in 1_usize..12,
        tasks in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let members = sorted((0..member_count).map(member).collect());
        let names = names(tasks.len());
        let (last, others) = (names.len() - 1, Owners::new());
        let before = place(&members, &wanted(&names[..last], &tasks[..last], &others));
        let after = place(&members, &wanted(&names, &tasks, &before));
        prop_assert_eq!(moved(&before, &after), 0);
        prop_assert_eq!(&place(&members, &wanted(&names, &tasks, &after)), &after);
    }

    /// A worker that leaves gives its tasks, one that joins takes its share, and hardly more moves.
    #[test]
    fn few_tasks_move(
        member_count in 2_usize..12,
        tasks in prop::collection::vec(1_usize..9, 1..40),
        leaver in 0_usize..12,
    ) {
        let members = sorted((0..member_count).map(member).collect());
        let names = names(tasks.len());
        let before = place(&members, &wanted(&names, &tasks, &Owners::new()));
        let total: usize = tasks.iter().sum();

        let leaver = &members[leaver % member_count];
        let stayed: Vec<String> = members.iter().filter(|member| *member != leaver).cloned().collect();
        let without = place(&stayed, &wanted(&names, &tasks, &before));
        let theirs = before.values().flatten().filter(|owner| *owner == leaver).count();
        // Of very few tasks a single one is more than a fifth.
        let bound = |minimum: usize| minimum + minimum.div_ceil(5).max(2);
        prop_assert!(moved(&before, &without) <= bound(theirs), "{} of {theirs}", moved(&before, &without));

        let joined = sorted([members.clone(), vec![member(99)]].concat());
        let with = place(&joined, &wanted(&names, &tasks, &before));
        let share = total.div_ceil(joined.len());
        prop_assert!(moved(&before, &with) <= bound(share), "{} of {share}", moved(&before, &with));
    }
}

#[test]
fn without_members_nothing_is_placed() {
    let names = names(1);
    assert!(place(&[], &wanted(&names, &[2], &Owners::new())).is_empty());
    assert_eq!(speaker(&[], "sink"), None);
}

/// 1,000 connectors of 4 tasks on 50 workers. How long that takes is the matter of the part `placement`
/// of `benches/cluster`: this program is not optimised, and its machine may be busy.
#[test]
fn few_tasks_move_in_large_clusters() {
    let names = names(1000);
    let tasks = vec![4; names.len()];
    let mut members = sorted((0..50).map(member).collect());
    let before = place(&members, &wanted(&names, &tasks, &Owners::new()));
    members.remove(17);
    let after = place(&members, &wanted(&names, &tasks, &before));
    assert!(moved(&before, &after) <= 96, "{}", moved(&before, &after));
}

/// Names of connectors are spread over the members that speak for them.
#[test]
fn speakers_are_spread() {
    let members = sorted((0..4).map(member).collect());
    let spoken: Vec<String> = names(400)
        .iter()
        .map(|name| speaker(&members, name).unwrap().clone())
        .collect();
    for member in &members {
        let count = spoken.iter().filter(|speaker| *speaker == member).count();
        assert!((50..=150).contains(&count), "{member}: {count}");
    }
}
