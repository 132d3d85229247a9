//! Judges what a connector did, from the database's own audit.
//!
//! * I1, no loss: stored rows are the acknowledged records, without aborted and rejected ones.
//! * I2, no duplicate: each is stored once.
//! * I3: a stored position never falls, and a change of claim does not change it.
//! * I4: each row was committed by a transaction that moved its partition's position over it.
//! * I5, order per key: a table kept by upserts is the fold of the log.
//! * I6, liveness: every position reaches the end of its partition, every task runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::connector::Connector;
use super::database::Row;
use super::kafka::{self, ReadRecord};
use super::ledger::{Fate, Ledger, RecordId, Sent};
use super::stage::{Stage, Topic};
use super::wait::{check, eventually};
use super::worker::Worker;

/// Examples of each violation that a failing test shows.
const EXAMPLES: usize = 8;

/// What is judged: one topic of one connector, stored in one table.
pub(crate) struct Judged<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) connector: &'a Connector,
    pub(crate) topic: &'a Topic,
    pub(crate) table: &'a str,
}

/// Figures of a run that was found right.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) rows: usize,
    pub(crate) moves: usize,
    /// Claims per partition.
    pub(crate) claims: BTreeMap<i32, usize>,
}

/// One change of one partition's progress row.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: String,
    pub(crate) partition: i32,
    pub(crate) old_next: Option<i64>,
    pub(crate) new_next: Option<i64>,
    pub(crate) old_claim: Option<String>,
    pub(crate) new_claim: Option<String>,
    pub(crate) claim_count: i64,
    pub(crate) generation: i64,
    pub(crate) owner: String,
    pub(crate) txid: i64,
    /// The session that made the change.
    pub(crate) backend: i64,
    /// Seconds since the epoch.
    pub(crate) at: f64,
}

impl Change {
    /// The position was moved by its claimer.
    pub(crate) fn is_move(&self) -> bool {
        self.kind == "UPDATE" && self.old_claim == self.new_claim
    }

    /// The partition was claimed, or a claim was renewed.
    pub(crate) fn is_claim(&self) -> bool {
        self.kind == "UPDATE" && self.old_claim != self.new_claim
    }
}

impl Judged<'_> {
    /// Every stored position has reached the end of what was acknowledged (I6).
    pub(crate) async fn until_caught_up(&self, deadline: Duration) {
        let ends = acknowledged_ends(&self.stage.ledger, self.topic).await;
        self.until_positions(&ends, deadline).await;
    }

    /// Every stored position has reached the one wanted for its partition.
    pub(crate) async fn until_positions(&self, wanted: &BTreeMap<i32, i64>, deadline: Duration) {
        let what = format!(
            "{} to catch up with {}",
            self.connector.name, self.topic.name
        );
        until_reached(&what, wanted, deadline, async || self.positions().await).await;
    }

    /// The next offset to read of each partition, from the progress table.
    pub(crate) async fn positions(&self) -> BTreeMap<i32, i64> {
        if !self.stage.database.has_table("rowdock_progress").await {
            return BTreeMap::new();
        }
        let sql = "SELECT \"partition\", next_offset FROM rowdock_progress
            WHERE connector = $1 AND topic = $2 AND \"partition\" >= 0
              AND cluster_id NOT LIKE '%/reset/%'";
        let rows = self.of_topic(sql).await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Waits until at least `count` rows are in the table.
    pub(crate) async fn until_rows(&self, count: i64, deadline: Duration) {
        let sql = format!("SELECT count(*) FROM {}", self.table);
        eventually("rows in the table", deadline, || async {
            let rows = self.stage.database.number(&sql).await;
            check(rows >= count, || format!("{rows} of {count}"))
        })
        .await;
    }

    /// The whole history of the topic's progress rows, in the order it happened.
    pub(crate) async fn history(&self) -> Vec<Change> {
        let sql = "SELECT \"change\", part, old_next, new_next, old_claim, new_claim, claim_count,
              generation, owner, txid, at, backend
            FROM audit_history WHERE connector = $1 AND topic = $2 AND part >= 0 ORDER BY id";
        let rows = self.of_topic(sql).await;
        rows.iter().map(Change::from_row).collect()
    }

    async fn of_topic(&self, sql: &str) -> Vec<Row> {
        let database = &self.stage.database;
        database
            .rows(sql, &[&self.connector.name, &self.topic.name])
            .await
    }

    /// Catches up, finds every task running, and judges the append table.
    pub(crate) async fn healed(&self, workers: &[&Worker], deadline: Duration) -> Verdict {
        self.until_caught_up(deadline).await;
        for worker in workers {
            worker
                .until_tasks(self.connector, "RUNNING", deadline)
                .await;
        }
        self.verify().await
    }

    /// Judges the append table: I1 to I4.
    pub(crate) async fn verify(&self) -> Verdict {
        let history = self.history().await;
        let violations = self.violations(&history).await;
        assert!(
            violations.is_empty(),
            "{} is not exactly once:\n{}\nhistory of the positions:\n{}",
            self.connector.name,
            violations.join("\n"),
            excerpt(&history)
        );
        let mut claims = BTreeMap::new();
        for change in history.iter().filter(|change| change.is_claim()) {
            *claims.entry(change.partition).or_insert(0) += 1;
        }
        let verdict = Verdict {
            rows: self.stage.ledger.ids(&self.topic.name, Fate::Stored).len(),
            moves: history.iter().filter(|change| change.is_move()).count(),
            claims,
        };
        self.stage.tell(format_args!(
            "exactly once: {} rows, {} moves of positions, claims {:?}",
            verdict.rows, verdict.moves, verdict.claims
        ));
        verdict
    }

    /// What is wrong with the append table and the positions, given their history.
    pub(crate) async fn violations(&self, history: &[Change]) -> Vec<String> {
        let mut violations = self.compare_rows().await;
        violations.extend(falling_positions(history));
        violations.extend(self.rows_outside_moves(history).await);
        violations
    }

    /// I1 and I2.
    async fn compare_rows(&self) -> Vec<String> {
        let expected = self.stage.ledger.ids(&self.topic.name, Fate::Stored);
        let sql = format!(
            "SELECT producer, seq, count(*) FROM {} GROUP BY 1, 2",
            self.table
        );
        let rows = self.stage.database.rows(&sql, &[]).await;
        let stored: BTreeMap<RecordId, i64> = rows
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get(2)))
            .collect();
        let lost = expected.iter().filter(|id| !stored.contains_key(id));
        let lost = self.in_the_log(lost.copied().collect()).await;
        let twice = stored.iter().filter(|(_, count)| **count > 1);
        let strange = stored.keys().filter(|id| !expected.contains(id));
        [
            self.name("lost", lost.into_iter()),
            self.name("stored more than once", twice.map(|(id, _)| *id)),
            self.name("stored though it should not be", strange.copied()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Without those that were acknowledged without an offset, as a batch is that was sent once more, and
    /// are not in the log: they were lost before anybody could read them.
    async fn in_the_log(&self, mut ids: Vec<RecordId>) -> Vec<RecordId> {
        let unsure = self.stage.ledger.without_offsets(&self.topic.name);
        let unsure: BTreeSet<RecordId> = unsure
            .iter()
            .map(|sent| (sent.producer, sent.seq))
            .collect();
        if !ids.iter().any(|id| unsure.contains(id)) {
            return ids;
        }
        let read = kafka::read_topic(&self.topic.name, self.topic.partitions).await;
        let found: BTreeSet<RecordId> = read.iter().filter_map(id_of).collect();
        ids.retain(|id| !unsure.contains(id) || found.contains(id));
        ids
    }

    fn name(&self, violation: &str, ids: impl Iterator<Item = RecordId>) -> Option<String> {
        let ids: BTreeSet<RecordId> = ids.collect();
        let sent = self.stage.ledger.of_topic(&self.topic.name);
        let coordinates = |id: &RecordId| {
            let found = sent
                .iter()
                .find(|record| (record.producer, record.seq) == *id);
            found.map_or_else(
                || format!("{id:?} (not in the ledger)"),
                |record| format!("{id:?} at {}@{}", record.partition, record.offset),
            )
        };
        let examples: Vec<String> = ids.iter().take(EXAMPLES).map(coordinates).collect();
        (!ids.is_empty())
            .then(|| format!("{} records {violation}: {}", ids.len(), examples.join(", ")))
    }

    /// I4, by the ids of transactions.
    async fn rows_outside_moves(&self, history: &[Change]) -> Vec<String> {
        let mut moves: BTreeMap<(i64, i32), (i64, i64)> = BTreeMap::new();
        for change in history.iter().filter(|change| change.is_move()) {
            let range = (
                change.old_next.unwrap_or_default(),
                change.new_next.unwrap_or_default(),
            );
            moves
                .entry((change.txid, change.partition))
                .and_modify(|whole| *whole = (whole.0.min(range.0), whole.1.max(range.1)))
                .or_insert(range);
        }
        let coordinates: BTreeMap<RecordId, (i32, i64)> = self
            .stage
            .ledger
            .of_topic(&self.topic.name)
            .iter()
            .filter(|sent| sent.offset >= 0)
            .map(|sent| ((sent.producer, sent.seq), (sent.partition, sent.offset)))
            .collect();
        let sql = "SELECT producer, seq, txid FROM audit_rows WHERE target = $1";
        let rows = self.stage.database.rows(sql, &[&self.table]).await;
        let outside = rows.iter().filter_map(|row| {
            let (id, txid): (RecordId, i64) = ((row.get(0), row.get(1)), row.get(2));
            let (partition, offset) = coordinates.get(&id)?;
            let moved = moves.get(&(txid, *partition));
            let covered = moved.is_some_and(|(from, to)| (from..to).contains(&offset));
            (!covered).then(|| {
                format!(
                    "row {id:?} at {partition}@{offset} in transaction {txid} that moved {moved:?}"
                )
            })
        });
        outside.take(EXAMPLES).collect()
    }

    /// Waits until the table kept by upserts is the fold of the log (I5).
    pub(crate) async fn until_folded(&self, deadline: Duration) {
        self.until_caught_up(deadline).await;
        let expected = self.stage.ledger.fold(&self.topic.name);
        let sql = format!("SELECT item, producer, seq, amount FROM {}", self.table);
        let rows = self.stage.database.rows(&sql, &[]).await;
        let stored: BTreeMap<i64, (i32, i64, i64)> = rows
            .iter()
            .map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3))))
            .collect();
        let differing: Vec<String> = expected
            .keys()
            .chain(stored.keys())
            .filter(|item| expected.get(item) != stored.get(item))
            .take(EXAMPLES)
            .map(|item| {
                let (wanted, found) = (expected.get(item), stored.get(item));
                format!("item {item}: the log says {wanted:?}, the table {found:?}")
            })
            .collect();
        assert!(
            differing.is_empty(),
            "{} is not the fold of its log:\n{}",
            self.table,
            differing.join("\n")
        );
        let history = self.history().await;
        assert_eq!(falling_positions(&history), Vec::<String>::new());
        self.stage.tell(format_args!(
            "{} is the fold of its log: {} items",
            self.table,
            stored.len()
        ));
    }

    /// The longest time that a partition stood still between two moves, and which partition.
    pub(crate) async fn longest_pause(&self) -> (Duration, i32) {
        self.longest_pause_since(SystemTime::UNIX_EPOCH).await
    }

    /// The same of pauses that ended after this moment.
    pub(crate) async fn longest_pause_since(&self, begun: SystemTime) -> (Duration, i32) {
        let begun = begun.duration_since(SystemTime::UNIX_EPOCH);
        let begun = begun.unwrap_or_default().as_secs_f64();
        let mut last: BTreeMap<i32, f64> = BTreeMap::new();
        let mut longest = (0.0, -1);
        for change in self
            .history()
            .await
            .iter()
            .filter(|change| change.is_move())
        {
            if let Some(before) = last.insert(change.partition, change.at)
                && change.at > begun
                && change.at - before > longest.0
            {
                longest = (change.at - before, change.partition);
            }
        }
        (Duration::from_secs_f64(longest.0), longest.1)
    }
}

/// Waits until each of these partitions stands where it is wanted, or further.
pub(crate) async fn until_reached(
    what: &str,
    wanted: &BTreeMap<i32, i64>,
    deadline: Duration,
    positions: impl AsyncFn() -> BTreeMap<i32, i64>,
) {
    eventually(what, deadline, || async {
        let positions = positions().await;
        let behind: Vec<String> = wanted
            .iter()
            .filter(|(partition, end)| positions.get(*partition).unwrap_or(&0) < *end)
            .map(|(partition, end)| {
                let position = positions.get(partition);
                format!("partition {partition} at {position:?} of {end}")
            })
            .collect();
        check(behind.is_empty(), || behind.join(", "))
    })
    .await;
}

/// Where the partitions of a topic must stand, while a load goes on, for its records to flow: behind what
/// was acknowledged up to now, and more.
pub(crate) async fn ends_to_pass(
    ledger: &Ledger,
    topic: &Topic,
    deadline: Duration,
) -> BTreeMap<i32, i64> {
    let mut ends = eventually("the load's first records", deadline, || async {
        let ends = ledger.ends(&topic.name);
        check(!ends.is_empty(), || "none".to_owned()).map(|()| ends)
    })
    .await;
    ends.values_mut().for_each(|end| *end += 1);
    ends
}

/// Per partition, the offset after the last record that was acknowledged.
pub(crate) async fn acknowledged_ends(ledger: &Ledger, topic: &Topic) -> BTreeMap<i32, i64> {
    let mut ends = ledger.ends(&topic.name);
    for Sent { partition, .. } in ledger.without_offsets(&topic.name) {
        let (_, end) = kafka::watermarks(&topic.name, partition).await;
        ends.insert(partition, end);
    }
    ends
}

impl Change {
    fn from_row(row: &Row) -> Self {
        Self {
            kind: row.get(0),
            partition: row.get(1),
            old_next: row.get(2),
            new_next: row.get(3),
            old_claim: row.get(4),
            new_claim: row.get(5),
            claim_count: row.get::<Option<i64>>(6).unwrap_or(0),
            generation: row.get::<Option<i64>>(7).unwrap_or(0),
            owner: row.get::<Option<String>>(8).unwrap_or_default(),
            txid: row.get(9),
            at: row.get(10),
            backend: row.get(11),
        }
    }
}

/// I3: each change starts where the one before ended, and leads forward.
fn falling_positions(history: &[Change]) -> Vec<String> {
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    let mut violations = Vec::new();
    for change in history {
        let before = last.get(&change.partition).copied();
        let right = match (change.kind.as_str(), change.new_next) {
            ("INSERT", Some(_)) => before.is_none(),
            ("UPDATE", Some(new)) if change.is_claim() => before == Some(new),
            ("UPDATE", Some(new)) => before == change.old_next && before <= Some(new),
            _ => false,
        };
        if !right && violations.len() < EXAMPLES {
            violations.push(format!("position stood at {before:?}, then {change:?}"));
        }
        if let Some(new) = change.new_next {
            last.insert(change.partition, new);
        }
    }
    violations
}

/// The history without the bulk of plain moves.
fn excerpt(history: &[Change]) -> String {
    let lines: Vec<String> = history
        .iter()
        .filter(|change| !change.is_move())
        .map(|change| {
            format!(
                "  {:.3} {} partition {} at {:?}, claim {} by {} in generation {}",
                change.at,
                change.kind,
                change.partition,
                change.new_next,
                change.claim_count,
                change.owner,
                change.generation
            )
        })
        .collect();
    let from = lines.len().saturating_sub(100);
    lines[from..].join("\n")
}

/// Who wrote a record, and its number; as its value says.
fn id_of(record: &ReadRecord) -> Option<RecordId> {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let producer = i32::try_from(value["producer"].as_i64()?).ok()?;
    Some((producer, value["seq"].as_i64()?))
}
