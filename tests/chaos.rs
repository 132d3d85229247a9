//! Faults of a cluster: three worker processes, three brokers, twelve partitions, and a steady load, into
//! PostgreSQL, MySQL and Cassandra.
//!
//! `make chaos` runs all of them, one after the other, on brokers of their own
//! (`scripts/chaos.sh`), with the broker's default `group.initial.rebalance.delay.ms`; a random mix
//! goes on for `CHAOS_SECONDS`. With `CHAOS_FULL=1` what lasts for seconds otherwise lasts as long as it may in
//! earnest. Afterwards [`support::oracle`](crate::support::oracle) judges every record, as in all fault tests, or,
//! of Cassandra, each row and its write timestamp is compared with the topic ([`store`]). Each test prints its seed
//! and the evidence that its fault hit.
//!
//! Each scenario is written once, and is a test of every database: `chaos::mysql::brokers::all_away`.
//!
//! | what happens                                               | test                               | in full |
//! |------------------------------------------------------------|------------------------------------|---------|
//! | each worker replaced in turn, three rounds                 | `workers::rolling_restarts`        |         |
//! | each worker killed in turn, without time to settle         | `workers::rolling_kills`           |         |
//! | one worker killed, or leaving, for good                    | `workers::one_*`                   |         |
//! | a worker frozen for longer than its session, at each point of a write | `workers::frozen_*`     |         |
//! | one worker becomes ten and one again                       | `workers::many_come_and_go`        | one every 20 s, for 10 minutes and until it is one again |
//! | two workers under one name                                 | `workers::two_of_one_name`         |         |
//! | a worker cut off from Kafka, not from the database         | `network::cut_off_from_kafka`      |         |
//! | a worker cut off from the database, not from Kafka         | `network::cut_off_from_the_database` |       |
//! | the worker that wrote last cut off; no worker talks to another | `network::cut_off_as_the_writer` |       |
//! | a bad line: latency, and every fifth packet lost           | `network::a_bad_line`              | 10 minutes |
//! | brokers killed one after the other                         | `brokers::rolling_kills`           |         |
//! | a broker killed, and then a worker                         | `brokers::one_killed_and_a_worker` |         |
//! | the coordinator of the group frozen, both group protocols  | `brokers::coordinator_frozen_*`    |         |
//! | a log that loses its end while nobody reads it, and grows again | `truncation::filled_anew_while_nobody_reads` | |
//! | no broker at all for a while                               | `brokers::all_away`                | 5 minutes |
//! | positions set by hand, forward and back, tasks racing      | `limits::positions_set_while_tasks_end` |    |
//! | a database that stalls for longer than `max.poll.interval.ms` | `limits::database_stalls`       | 10 minutes, with the default of 5 |
//! | the wall clock jumps by an hour, forward and back          | `limits::clock_jumps`              |         |
//! | a thousand partitions of large records, no database        | `limits::memory`                   |         |
//! | all of it, at random                                       | `mix::of_everything`               |         |
//!
//! `make test` runs a few of them, shortened ([`short`]).

mod brokers;
mod limits;
mod mix;
mod network;
mod play;
mod short;
mod store;
mod three_brokers;
mod truncation;
pub(crate) mod watch;
mod workers;

use crate::support::engine::Engine;
use store::Target;

/// Tests that run these scenarios of these modules with the rows going to `TARGET`.
macro_rules! tests {
    ($($subject:ident { $($scenario:ident)* })*) => { $(
        mod $subject { $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs three brokers: make chaos"]
            async fn $scenario() {
                Box::pin(crate::chaos::$subject::$scenario(super::TARGET)).await;
            }
        )* }
    )* };
}

/// A test of each scenario.
macro_rules! every_scenario {
    () => {
        tests! {
            workers {
                rolling_restarts rolling_kills one_killed_for_good one_leaves_for_good
                frozen_before_a_write frozen_amid_rows frozen_between_rows_and_positions
                frozen_at_the_end_of_a_write many_come_and_go two_of_one_name
            }
            network {
                cut_off_from_kafka cut_off_from_the_database cut_off_as_the_writer a_bad_line
            }
            brokers {
                rolling_kills one_killed_and_a_worker coordinator_frozen_classic
                coordinator_frozen_consumer_protocol all_away
            }
            limits {
                positions_set_while_tasks_end database_stalls clock_jumps memory
            }
            mix {
                of_everything
            }
        }
    };
}

mod postgres {
    const TARGET: super::Target = super::Target::Sql(super::Engine::Postgres);
    every_scenario! {}
}

mod mysql {
    const TARGET: super::Target = super::Target::Sql(super::Engine::MySql);
    every_scenario! {}
}

mod cassandra {
    const TARGET: super::Target = super::Target::Cassandra;
    every_scenario! {}
}
