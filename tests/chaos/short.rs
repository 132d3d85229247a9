//! A few of the faults, shortened, as part of the ordinary tests: in a program of their own, since
//! all tests of one share their brokers. Others run meanwhile, so nothing here depends on time.

use std::env;

use tokio::process::Command;

use super::three_brokers::chaos_script;
use crate::support::stage::Stage;

const SHORT: [&str; 4] = [
    "chaos::postgres::workers::rolling_kills",
    "chaos::postgres::brokers::rolling_kills",
    "chaos::postgres::brokers::one_killed_and_a_worker",
    "chaos::truncation::filled_anew_while_nobody_reads",
];

#[tokio::test(flavor = "multi_thread")]
async fn on_three_brokers() {
    // Its workers, and brokers that weigh as much.
    let _stage = Stage::begin("chaos_short", 6).await;
    let program = env::current_exe().expect("this program");
    let ended = Command::new(chaos_script())
        .arg("run")
        .arg(program)
        .args(["--ignored", "--exact", "--test-threads", "1"])
        .args(SHORT)
        .env("CHAOS_SHORT", "1")
        .status()
        .await
        .expect("run scripts/chaos.sh");
    assert!(ended.success(), "{ended}; what failed is told above");
}
