//! What people rely on in the JDBC sinks that they come from, and the test that holds it here.
//!
//! Numbers are those of the list of behaviours that was drawn from the tests of the Confluent, Aiven and
//! Debezium JDBC sinks. Where we differ on purpose, the table says how. A test below holds this
//! table against the sources: every test that it names exists.
//!
//! | no. | behaviour | tests |
//! |---|---|---|
//! | 1 | without a key the same record twice is two rows | `rows_without_a_key_are_never_one_row` |
//! | 2 | Kafka coordinates as the key | `kafka_coordinates_are_a_key`, `keys_of_every_kind_are_upserted_and_deleted`, `tables_are_designed_from_the_first_records` |
//! | 3 | upsert without a key is refused, before anything runs | `keys_and_modes_must_fit_together` |
//! | 4 | an upsert that comes again is one row, with every kind of key | `every_mode_meets_rows_its_own_way`, `keys_may_lie_in_headers`, `kafka_coordinates_are_a_key` |
//! | 5 | an update of a row that is not there does nothing | `updates_change_only_rows_that_are_there` |
//! | 6 | composite keys of the record's key | `record_keys_fill_key_columns_and_win_over_value_fields`, `compound_keys_of_all_kinds_fold`, `keys_of_every_kind_are_upserted_and_deleted` |
//! | 7 | keys from headers | `keys_may_lie_in_headers`, `keys_in_headers_and_their_deletes` |
//! | 8 | some fields of the value are the key | `change_events_tell_which_row_was_deleted`, `names_are_kept_or_folded` |
//! | 9 | a primitive key has exactly one column | `record_keys_fill_key_columns_and_win_over_value_fields`, `keys_and_modes_must_fit_together` |
//! | 10 | Kafka coordinates have three names, or the usual ones | `keys_and_modes_must_fit_together`, `tables_are_designed_from_the_first_records` |
//! | 11 | a key field that is missing is named | `keys_may_lie_in_headers`, `record_keys_fill_key_columns_and_win_over_value_fields` |
//! | 12 | a list of fields does not leave key fields out | `key_fields_of_a_value_are_written`, `fields_that_are_not_wanted_are_no_columns` |
//! | 13 | columns are created in the order of the schema | `tables_are_designed_from_the_first_records` |
//! | 14 | values that are no objects need a column, and a row some column | `bad_records_say_which_field_and_why`, `single_values_have_a_column_of_their_own`, `hopeless_targets_are_refused_with_advice` |
//! | 15 | the same coordinates again: refused by insert, the same row by upsert | `rows_that_are_there_are_met_as_the_mode_says`, `every_mode_meets_rows_its_own_way` |
//! | 16 | many alike records without a key are as many rows | `rows_without_a_key_are_never_one_row` |
//! | 17 | a plain text goes to one column | `single_values_have_a_column_of_their_own` |
//! | 18 | deletes do nothing unless they are enabled (here: a bad record, unless it is a change event) | `change_events_write_delete_and_truncate`, `debeziums_events_write_delete_and_truncate` |
//! | 19 | deletes by some fields of the key | `composite_keys_are_deleted_whatever_they_are_made_of` |
//! | 20 | a tombstone deletes its key's row | `upserts_and_deletes_by_record_key` |
//! | 21 | a delete of a row that is not there is no error | `upserts_merge_and_deletes_remove` |
//! | 22 | insert, delete, insert of one key keep their order | `inserts_and_deletes_keep_their_order`, `plain_inserts_and_deletes_keep_their_order` |
//! | 23 | the same in one batch, in every mode | `deletes_and_writes_keep_their_order`, `keyed_plans_equal_one_by_one` |
//! | 24 | deletes may come twice | `upserts_merge_and_deletes_remove`, `keyed_plans_equal_one_by_one` |
//! | 25 | deletes in a row are one statement | `many_keys_of_every_kind_are_deleted`, `upserts_delete_first_and_name_the_columns_given` |
//! | 26 | rows after a truncate remain | `a_truncate_has_its_place_in_the_order`, `a_truncate_has_its_place_among_the_records` |
//! | 27 | a truncate is of its own table | `a_truncate_makes_what_came_before_it_void` |
//! | 28 | several records of a key are one row | `records_of_one_key_come_to_their_fold`, `upserts_fold_each_key` |
//! | 29 | the newest of a key counts | `keyed_plans_equal_one_by_one` |
//! | 30 | records without a key are all kept | `rows_without_a_key_are_never_one_row` |
//! | 31 | records of several shapes in one batch | `many_tables_and_many_sets_of_columns_are_one_transaction` |
//! | 32 | keys that come twice in a bulk statement are folded first | `a_repeated_key_is_folded` |
//! | 33 | arrays and bytes in bulk | `every_type_of_postgres_there_and_back` |
//! | 34 | deletes and rows mixed | `deletes_and_writes_keep_their_order` |
//! | 35 | a missing table is created only when asked for | `a_table_that_is_gone_stops_the_task_unless_it_may_be_created` |
//! | 36 | a table whose first record is a delete (here: there is nothing to delete, and it comes with the first record that has fields) | `a_topic_may_begin_with_records_of_which_no_table_can_be_made`, `deletes_and_bad_records_come_before_the_table` |
//! | 37 | new fields become columns | `a_table_grows_with_its_records_under_several_tasks`, `a_table_grows_in_mysql`, `a_table_grows_in_sqlite` |
//! | 38 | fields that are gone leave their column alone | `absent_columns_take_their_default_or_keep_their_value` |
//! | 39 | defaults of a schema stand for missing fields: in the row, and as the `DEFAULT` of columns that are created or added | `envelopes_bring_types_defaults_and_nulls`, `columns_are_made_with_the_defaults_of_their_schema`, `columns_are_added_with_the_default_of_their_schema` |
//! | 40 | an explicit null stays null where the field has a default (here: with `replace.null.with.default=false`), and where the column has one | `nulls_are_kept_where_the_sink_says_so`, `nulls_stand_for_defaults`, `absent_columns_take_their_default_or_keep_their_value` |
//! | 41 | a task does not start without its table | `a_table_that_is_gone_stops_the_task_unless_it_may_be_created`, `a_task_does_not_start_without_its_table`, `a_task_of_a_pattern_does_not_start_without_its_table` |
//! | 42 | changes that are impossible are told | `what_cannot_be_changed_is_told_and_costs_only_its_records`, `tables_that_are_not_plain` |
//! | 43 | fields find columns of another case; columns may differ in case only, but no record may have two fields for one | `schemaless_fields_go_to_the_columns_of_their_name`, `columns_may_differ_in_case_only`, `names_that_differ_in_case_only_are_not_one_column_at_once` |
//! | 44 | a change that others were faster with is no error | `tables_are_widened_by_many_at_once_and_keep_their_rows` |
//! | 45 | a table dropped under the connector is made again | `a_table_dropped_or_altered_under_the_sink_costs_no_record`, `a_table_dropped_or_altered_in_mysql`, `a_table_dropped_or_altered_in_sqlite` |
//! | 46 | quoting on and off | `names_are_kept_or_folded`, `names_are_kept_whatever_they_are` |
//! | 47 | names longer than the limit (here: refused, not cut) | `unfit_names_are_refused`, `tables_to_be_created` |
//! | 48 | partitions and views | `a_view_is_upserted_by_a_key_of_the_table_behind_it`, `a_view_is_not_changed_and_costs_only_records_that_need_more`, `tables_that_are_not_plain`, `tables_that_cannot_be_copied_into_are_written_all_the_same`, `tables_of_mysql_that_are_not_plain` |
//! | 49 | identity columns | `a_key_may_be_an_identity_that_is_always_generated`, `an_identity_that_is_always_generated_is_set_with_a_new_row_and_kept`, `tables_that_cannot_be_copied_into_are_written_all_the_same`, `tables_that_are_not_plain`, `generated_and_numbered_columns` |
//! | 50 | the statements | `statements`, `statements_name_only_what_is_written` |
//! | 51 | texts into uuid, json, jsonb | `every_type_of_postgres_there_and_back` |
//! | 52 | arrays: texts, nulls, empty, numbers, booleans | `every_type_of_postgres_there_and_back`, `arrays_of_every_shape` |
//! | 53 | arrays of decimals; arrays are created | `every_type_of_postgres_there_and_back`, `arrays_of_a_schema_become_arrays` |
//! | 54 | texts into enums | `every_type_of_postgres_there_and_back` |
//! | 55 | hstore with quotes, backslashes and nulls | `names_with_texts`, `every_type_of_postgres_there_and_back` |
//! | 56 | bytes into bytea | `bytes_are_bounded`, `every_type_of_postgres_there_and_back` |
//! | 57 | infinite times, alone and among others | `every_type_of_postgres_there_and_back` |
//! | 58 | 24:00:00; microseconds of intervals | `times_of_day`, `every_type_of_postgres_there_and_back` |
//! | 59 | unsigned integers, tinyint, bits of several bytes | `columns_are_described_with_their_limits`, `digits_of_every_kind_of_value`, `every_type_there_and_back`, `every_type_of_mysql_there_and_back`, `negative_longs_are_unsigned_where_the_source_says_so` |
//! | 60 | labels with quotes; zero dates (kept on MySQL and MariaDB) | `labels_are_told_apart`, `labels_that_the_server_keeps`, `every_type_there_and_back`, `dates_that_are_none`, `every_type_of_mysql_there_and_back`, `rows_with_zero_dates_can_be_updated` |
//! | 61 | precision of times comes from the source's column, and is the column's | `sources_tell_fractions_of_seconds`, `what_names_and_sources_tell_becomes_the_column_that_is_created`, `every_type_there_and_back` |
//! | 62 | texts of every length; floats near zero | `values_of_16_mib_and_empty_ones`, `every_type_of_postgres_there_and_back` |
//! | 63 | days are not shifted by a zone | `days_stay_days_in_every_zone`, `zones_of_the_database_and_of_the_record` |
//! | 64 | nullable fields and defaults mixed | `values_nulls_and_defaults_mix_in_one_batch` |
//! | 65 | structs and maps become JSON; arrays arrays | `arrays_of_a_schema_become_arrays`, `every_type_of_a_schema_gets_its_column` |
//! | 66 | CloudEvents | `cloud_events_are_opened`, `cloud_events_around_them_are_opened` |
//! | 67 | schemas that change back and forth; nulls of every type | `avro_of_two_schemas_lands_in_typed_columns`, `every_type_arrives_by_every_way` |
//! | 68 | failures are counted anew after a success | `doubles_up_to_its_bound_and_starts_over`, `a_connector_has_its_own_limit_and_pause` |
//! | 69 | only the bad record of a batch is rejected | `a_refused_row_is_found`, `one_percent_into_postgres`, `one_percent_into_sqlite` |
//! | 70 | a bad record is a dead letter; a failure that passes is none | `one_percent_into_postgres`, `one_percent_into_sqlite`, `a_dying_session_between_two_search_steps_rejects_nothing_by_itself` |
//! | 71 | dead letters need tolerance | `what_is_tolerated_is_checked` |
//! | 72 | locks and lost sessions are retried | `a_lock_that_is_held_too_long_is_tried_again`, `a_session_that_is_ended_is_replaced` |
//! | 73 | a failed batch leaves nothing; no values in errors | `nothing_of_a_refused_batch_stays`, `each_rule_is_named_without_values` |
//! | 74 | configs that cannot work are refused | `keys_and_modes_must_fit_together`, `every_key_arrives_in_its_field` |
//! | 75 | names of tables: dots, fields of the source, normalised, mapped | `tables_are_named_by_format`, `records_choose_their_table`, `names_are_made_fit_as_the_config_says` |
//! | 76 | fields included and excluded, of all topics or `topic:field` of one | `each_topic_has_the_fields_that_are_listed_for_it`, `two_topics_in_one_table_have_fields_of_their_own`, `left_out_fields_are_not_unknown`, `a_field_is_wanted_when_included_and_not_excluded`, `fields_that_are_not_wanted_are_no_columns` |
//! | 77 | what a sink did is told (here: positions, lag and bad records, by status and log; upserts, deletes and created tables are not counted) | `positions_are_set_by_hand`, `skipped_records_are_counted_and_logged` |
//! | 78 | passwords are shown nowhere | `secrets_are_shown_nowhere` |
//! | 79 | envelopes, flattened events, deletes, truncates, tombstones | `events_do_what_their_op_says`, `change_events_tell_which_row_was_deleted` |

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::services::workspace;

#[test]
fn every_behaviour_has_a_test() {
    check_table(include_str!("behaviours.rs"), (1..=79).collect());
}

/// The same of Kafka Connect's API, whose table stands where most of its tests are. 49 to 63 are of the
/// data path.
#[test]
fn every_behaviour_of_the_api_has_a_test() {
    let numbers = (1..=48).chain([64, 65]).collect();
    check_table(include_str!("../src/api/tests.rs"), numbers);
}

/// Every number stands in the table of a module's documentation, and every test that it names is run.
fn check_table(source: &str, numbers: BTreeSet<u32>) {
    let mut sources = String::new();
    for folder in ["src", "connectors/src", "connectors/tests", "tests"] {
        read_all(&workspace().join(folder), &mut sources);
    }
    let tests_run = tests_of(&sources);
    let table = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter(|row| row.starts_with(|first: char| first.is_ascii_digit()));
    let mut found = BTreeSet::new();
    for row in table {
        let (of_row, _) = row.split_once(" | ").unwrap_or_default();
        found.extend(of_row.split(", ").map(|one| one.parse::<u32>().unwrap()));
        let tests = row.rsplit(" | ").next().unwrap_or_default();
        let mut named = tests.split('`').skip(1).step_by(2).peekable();
        assert!(named.peek().is_some(), "{row}");
        for name in named {
            assert!(tests_run.contains(name), "no test {name} is run: {row}");
        }
    }
    assert_eq!(found, numbers);
}

/// Functions with the attribute of a test that is not ignored, and the cases of every sink, which a macro
/// makes tests of.
fn tests_of(sources: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut attributes = Vec::new();
    let mut in_run = false;
    for line in sources.lines().map(str::trim) {
        in_run |= line.starts_with("run! {");
        in_run &= line != "}";
        if in_run && let Some((_, case)) = line.trim_end_matches(',').split_once("::") {
            tests.insert(case);
        }
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        if let Some(name) = function_name(line) {
            let has = |start: &str| attributes.iter().any(|known| known.starts_with(start));
            let is_test = has("#[test]") || has("#[tokio::test");
            if is_test && !has("#[ignore") {
                tests.insert(name);
            }
        }
        // What stands between the attributes and their function, in several lines, ends nothing.
        if line.is_empty() || line.ends_with(['{', '}', ';']) {
            attributes.clear();
        }
    }
    tests
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, _) = line.strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

#[test]
fn tests_are_told_from_functions() {
    let sources = "\
        fn helper() {}\n\
        #[test]\nfn plain() {\n}\n\
        #[tokio::test(flavor = \"multi_thread\")]\n#[expect(\nlong,\nreason = \"x\"\n)]\nasync fn slow() {\n}\n\
        #[test]\n#[ignore = \"x\"]\nfn ignored() {\n}\n\
        pub(super) async fn case() {\n}\n\
        run! { $database;\nwrites::case,\n}\nnot::this,\n";
    let found: Vec<&str> = tests_of(sources).into_iter().collect();
    assert_eq!(found, ["case", "plain", "slow"]);
}

fn read_all(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
