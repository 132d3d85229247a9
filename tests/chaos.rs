//! Faults of a cluster: three worker processes, three brokers, twelve partitions, and a steady load.
//!
//! `make chaos` runs all of them, one after the other, on brokers of their own
//! (`scripts/chaos.sh`), with the broker's default `group.initial.rebalance.delay.ms`; a random mix
//! goes on for `CHAOS_SECONDS`. Afterwards [`support::oracle`](crate::support::oracle) judges every
//! record, as in all fault tests. Each test prints its seed and the evidence that its fault hit.
//!
//! | what happens                                               | test                               |
//! |------------------------------------------------------------|------------------------------------|
//! | each worker replaced in turn, three rounds                 | `workers::rolling_restarts`        |
//! | each worker killed in turn, without time to settle         | `workers::rolling_kills`           |
//! | a worker frozen for longer than its session, at each point of a write | `workers::frozen_*`     |
//! | one worker becomes ten and one again                       | `workers::many_come_and_go`        |
//! | two workers under one name                                 | `workers::two_of_one_name`         |
//! | a worker cut off from Kafka, not from the database         | `network::cut_off_from_kafka`      |
//! | a worker cut off from the database, not from Kafka         | `network::cut_off_from_the_database` |
//! | the worker that wrote last cut off; no worker talks to another | `network::cut_off_as_the_writer` |
//! | a bad line: latency, and every fifth packet lost           | `network::a_bad_line`              |
//! | brokers killed one after the other                         | `brokers::rolling_kills`           |
//! | the coordinator of the group frozen, both group protocols  | `brokers::coordinator_frozen_*`    |
//! | no broker at all for a while                               | `brokers::all_away`                |
//! | positions set by hand, forward and back, tasks racing      | `limits::positions_set_while_tasks_end` |
//! | a database that stalls for longer than `max.poll.interval.ms` | `limits::database_stalls`       |
//! | the wall clock jumps by an hour, forward and back          | `limits::clock_jumps`              |
//! | a thousand partitions of large records, no database        | `limits::memory`                   |
//! | all of it, at random                                       | `mix::of_everything`               |
//!
//! `make test` runs a few of them, shortened ([`short`]).

mod brokers;
mod limits;
mod mix;
mod network;
mod play;
mod short;
mod workers;
