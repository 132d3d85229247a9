//! What every sink owes, by the contract of [`rowdock_connectors`], run against every database.
//!
//! Each case is written once, against [`Database`]: a sink, a way to look at the rows from outside
//! and, where there is a server, a way to stand in the sink's way. A new sink is done when its
//! database passes.

mod claims;
pub(crate) mod databases;
pub(crate) mod faults;
mod letters;
mod references;
mod rejects;
mod series;
mod shapes;
mod speed;
pub(crate) mod support;
mod tables;
mod tombstones;
mod writes;

use support::{Database, Server};

/// One test per case.
macro_rules! run {
    ($database:expr; $($room:ident::$case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                super::$room::$case(&$database).await;
            }
        )*
    };
}

/// What holds for all, whatever they guarantee.
macro_rules! all {
    ($database:expr) => {
        run! { $database;
            claims::a_topic_starts_once,
            claims::first_starts_race,
            claims::connectors_do_not_meet,
            claims::a_claim_yields_to_a_newer_generation,
            claims::an_older_claim_cannot_write,
            claims::a_position_elsewhere_is_fenced,
            claims::a_renewal_may_be_repeated,
            claims::a_renewal_settles_what_happened,
            claims::a_late_claim_is_overtaken,
            claims::positions_set_by_hand_fence_their_owner,
            writes::rows_and_positions_move_together,
            writes::a_repeated_key_is_folded,
            writes::deletes_and_writes_keep_their_order,
            writes::deletes_may_be_repeated,
            writes::lengths_of_values_may_change,
            writes::inserts_and_deletes_keep_their_order,
            writes::absent_is_not_null,
            writes::batches_beyond_a_statement,
            tables::many_create_one_table,
            tables::many_evolve_one_table,
        }
    };
}

/// What holds where rows and positions are one transaction: each row is written once. Elsewhere, with
/// Cassandra, each is written as often as it takes, always the same.
macro_rules! with_transactions {
    ($database:expr) => {
        all! { $database }
        run! { $database;
            claims::one_partition_of_several_is_fenced,
            series::any_series_is_answered_as_in_memory,
            writes::batches_without_positions,
            writes::many_tables_are_one_transaction,
            writes::batches_of_more_tables_than_are_remembered,
            rejects::a_refused_row_is_found,
            rejects::several_refused_rows_are_found,
            rejects::nothing_of_a_refused_batch_stays,
            writes::a_truncate_has_its_place_in_the_order,
            writes::updates_change_what_is_there,
            writes::insert_ignore_passes_over_keys_that_are_there,
            writes::a_guard_keeps_the_newest,
            tombstones::late_records_do_not_bring_rows_back,
            tombstones::any_order_comes_to_the_same,
            shapes::upserts_of_many_shapes,
            shapes::updates_of_many_shapes,
            letters::dead_letters_are_read_back,
            letters::many_partitions_of_one_record,
        }
    };
}

/// What holds where tables can be made and changed from outside.
macro_rules! with_tables_of_others {
    ($database:expr) => {
        run! { $database;
            tables::a_changed_table_is_told,
            faults::only_the_key_that_is_named_is_upserted,
            faults::only_the_key_that_is_named_is_passed_over,
            references::rows_come_in_the_order_of_the_log,
            references::rows_of_several_partitions_find_an_order,
            references::no_row_is_blamed_for_the_order,
            references::rows_of_one_table_come_in_the_order_of_the_log,
            references::no_row_is_blamed_for_the_order_in_its_table,
        }
    };
}

/// What holds where a batch whose rows a foreign key binds within one table is written once more.
macro_rules! with_references_within_a_table {
    ($database:expr) => {
        run! { $database; references::statements_of_one_table_come_in_the_order_of_the_log, }
    };
}

/// What holds where sessions are connections to a server.
macro_rules! with_server {
    ($database:expr) => {
        with_transactions! { $database }
        with_tables_of_others! { $database }
        with_a_progress_table! { $database }
        run! { $database;
            faults::a_write_waits_for_a_lock_and_goes_on,
            faults::a_deadlock_is_retried,
            faults::a_deadlock_between_the_steps_of_a_search_is_retried,
            faults::a_session_that_is_ended_is_replaced,
            faults::a_stopped_holder_is_ended_by_its_successor,
            rejects::a_refused_row_among_thousands_is_found_in_few_statements,
            tombstones::a_delete_meets_a_late_write,
            writes::many_deletes_are_few_statements,
        }
    };
}

/// What holds where the progress table can be looked at from outside.
macro_rules! with_a_progress_table {
    ($database:expr) => {
        run! { $database; claims::what_stood_there_is_kept, }
    };
}

mod memory {
    with_transactions! { super::databases::memory::Memory::new() }
}

mod sqlite {
    with_transactions! { super::databases::sqlite::Sqlite::new() }
    with_tables_of_others! { super::databases::sqlite::Sqlite::new() }
    with_a_progress_table! { super::databases::sqlite::Sqlite::new() }
    with_references_within_a_table! { super::databases::sqlite::Sqlite::new() }
}

mod postgres_15 {
    with_server! { super::databases::postgres::postgres_15().await }
}

mod postgres_18 {
    with_server! { super::databases::postgres::postgres_18().await }
}

mod mysql {
    with_server! { super::databases::mysql::mysql().await }
    with_references_within_a_table! { super::databases::mysql::mysql().await }
}

mod mariadb {
    with_server! { super::databases::mysql::mariadb().await }
    with_references_within_a_table! { super::databases::mysql::mariadb().await }
}

mod cassandra {
    all! { super::databases::cassandra::Keyspace::new().await }
    with_a_progress_table! { super::databases::cassandra::Keyspace::new().await }
}
