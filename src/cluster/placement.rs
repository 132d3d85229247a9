//! Which worker has which task. A pure function of members, connectors and what was before.
//!
//! What it guarantees, whatever it is given:
//!
//! * every task has exactly one owner, which is a member;
//! * the workers' numbers of tasks differ by at most one;
//! * so do, for each connector, the workers' numbers of its tasks;
//! * tasks whose owner is still there stay where they are as far as those rules allow, so a worker
//!   that joins takes its share and one that leaves gives its share, and nothing else moves.
//!
//! The rules fit together: where one worker has two tasks more than another, it has more tasks of
//! some connector too, and moving one of those evens out both. So moving from the fullest to the
//! emptiest, one task at a time, ends with both rules kept, and each move is one that was due.
//!
//! Where several workers are equally good for a task, rendezvous hashing of worker and task decides:
//! the same everywhere, and different from task to task. What was before must be known to all
//! workers alike, so it stands in the config topic, one record per connector. Without it (a plain
//! function of the members) an even spread would have to be made anew at each change, which moves
//! several times more tasks than needed.
//!
//! Placement is an optimisation, never a safety argument: two workers with different views may run
//! one task twice for a moment, which the connector's consumer group and the database's fence bear.

use std::collections::BTreeMap;

/// Owners by connector, in the order of its tasks.
pub type Owners = BTreeMap<String, Vec<String>>;

/// A connector that has tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many tasks it has.
    pub tasks: usize,
    /// Who had them; may name workers that are gone, and more or fewer tasks.
    pub previous: &'a [String],
}

/// Places every task of these connectors, which are sorted by name, on these members, which are
/// sorted. Without members nothing is placed.
pub fn place(members: &[String], connectors: &[Wanted<'_>]) -> Owners {
    if members.is_empty() {
        return Owners::new();
    }
    let mut plan = Plan::new(members, connectors);
    plan.keep_what_can_stay(members, connectors);
    plan.place_the_rest();
    for connector in 0..connectors.len() {
        plan.even_out_connector(connector);
    }
    plan.even_out_workers();
    let owners = connectors.iter().zip(plan.owners);
    owners
        .map(|(connector, owners)| {
            let named = owners
                .iter()
                .flatten()
                .map(|member| members[*member].clone());
            (connector.name.to_owned(), named.collect())
        })
        .collect()
}

/// The member that speaks for a connector as a whole, such as for its status: by rendezvous hashing.
pub fn speaker<'a>(members: &'a [String], connector: &str) -> Option<&'a String> {
    let of_connector = hash(connector);
    members
        .iter()
        .max_by_key(|member| score(hash(member), of_connector, u64::MAX))
}

/// The placement in the making. Members are numbers here: their places in the sorted list.
struct Plan {
    member_hashes: Vec<u64>,
    connector_hashes: Vec<u64>,
    /// By connector and task.
    owners: Vec<Vec<Option<usize>>>,
    /// The same: it is where it was. Moving another costs nothing.
    stayed: Vec<Vec<bool>>,
    /// Tasks of each member.
    loads: Vec<usize>,
    /// Tasks of each connector on each member.
    shares: Vec<Vec<usize>>,
}

impl Plan {
    fn new(members: &[String], connectors: &[Wanted<'_>]) -> Self {
        let of_connector = |connector: &Wanted<'_>| vec![None; connector.tasks];
        Self {
            member_hashes: members.iter().map(|member| hash(member)).collect(),
            connector_hashes: connectors.iter().map(|wanted| hash(wanted.name)).collect(),
            owners: connectors.iter().map(of_connector).collect(),
            stayed: connectors
                .iter()
                .map(|wanted| vec![false; wanted.tasks])
                .collect(),
            loads: vec![0; members.len()],
            shares: vec![vec![0; members.len()]; connectors.len()],
        }
    }

    /// Leaves each task where it is while its owner has no more of the connector's tasks than its
    /// share.
    fn keep_what_can_stay(&mut self, members: &[String], connectors: &[Wanted<'_>]) {
        for (connector, wanted) in connectors.iter().enumerate() {
            let share_max = wanted.tasks.div_ceil(members.len());
            for (task, owner) in wanted.previous.iter().enumerate().take(wanted.tasks) {
                if let Ok(member) = members.binary_search(owner)
                    && self.shares[connector][member] < share_max
                {
                    self.give(connector, task, member);
                    self.stayed[connector][task] = true;
                }
            }
        }
    }

    /// Gives tasks without an owner to whoever has fewest: of the connector, then in all. Those
    /// with the least choice come first: connectors of which hardly a member may have one more.
    fn place_the_rest(&mut self) {
        let members = self.loads.len();
        let mut order: Vec<usize> = (0..self.owners.len()).collect();
        order.sort_by_key(|connector| {
            let over = self.owners[*connector].len() % members;
            if over == 0 { 0 } else { members - over }
        });
        for connector in order {
            for task in 0..self.owners[connector].len() {
                if self.owners[connector][task].is_some() {
                    continue;
                }
                let best = (0..self.loads.len()).min_by_key(|member| {
                    let share = self.shares[connector][*member];
                    (
                        share,
                        self.loads[*member],
                        self.distance(connector, task, *member),
                    )
                });
                if let Some(member) = best {
                    self.give(connector, task, member);
                }
            }
        }
    }

    fn even_out_connector(&mut self, connector: usize) {
        loop {
            let share = |member: &usize| self.shares[connector][*member];
            let members = 0..self.loads.len();
            let most = members
                .clone()
                .max_by_key(|m| (share(m), self.loads[*m], *m));
            let least = members.min_by_key(|m| (share(m), self.loads[*m], *m));
            let (Some(most), Some(least)) = (most, least) else {
                return;
            };
            if share(&most) <= share(&least) + 1 {
                return;
            }
            self.move_one(connector, most, least);
        }
    }

    fn even_out_workers(&mut self) {
        loop {
            let members = 0..self.loads.len();
            let most = members.clone().max_by_key(|m| (self.loads[*m], *m));
            let least = members.min_by_key(|m| (self.loads[*m], *m));
            let (Some(most), Some(least)) = (most, least) else {
                return;
            };
            if self.loads[most] <= self.loads[least] + 1 {
                return;
            }
            // There always is one; see the module's documentation.
            let connector = (0..self.owners.len())
                .filter(|connector| self.shares[*connector][most] > self.shares[*connector][least])
                .min_by_key(|connector| {
                    let costs = self.best_to_move(*connector, most, least);
                    costs.map(|(stayed, distance, _)| (stayed, distance))
                });
            let Some(connector) = connector else {
                return;
            };
            self.move_one(connector, most, least);
        }
    }

    /// Moves one task of the connector.
    fn move_one(&mut self, connector: usize, from: usize, to: usize) {
        if let Some((_, _, task)) = self.best_to_move(connector, from, to) {
            self.stayed[connector][task] = false;
            self.loads[from] -= 1;
            self.shares[connector][from] -= 1;
            self.give(connector, task, to);
        }
    }

    /// Of the connector's tasks on one member the one to move to another: rather one that moves
    /// anyway, then the one that likes the other best.
    fn best_to_move(&self, connector: usize, from: usize, to: usize) -> Option<(bool, u64, usize)> {
        (0..self.owners[connector].len())
            .filter(|task| self.owners[connector][*task] == Some(from))
            .map(|task| {
                let stayed = self.stayed[connector][task];
                (stayed, self.distance(connector, task, to), task)
            })
            .min()
    }

    fn give(&mut self, connector: usize, task: usize, member: usize) {
        self.owners[connector][task] = Some(member);
        self.loads[member] += 1;
        self.shares[connector][member] += 1;
    }

    fn distance(&self, connector: usize, task: usize, member: usize) -> u64 {
        let task = u64::try_from(task).unwrap_or(u64::MAX);
        u64::MAX
            - score(
                self.member_hashes[member],
                self.connector_hashes[connector],
                task,
            )
    }
}

/// FNV-1a: short, and the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Mixes the three (the finaliser of `SplitMix64`).
fn score(member: u64, connector: u64, task: u64) -> u64 {
    let mixed = member
        .wrapping_add(connector.rotate_left(23))
        .wrapping_add(task.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
