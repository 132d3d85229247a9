//! MySQL and MariaDB: what is their own. Each test has a database of its own.

mod connection;
mod errors;
mod faults;
mod keys;
mod rights;
mod rows;
mod secured;
mod tables;

use crate::conformance::databases::mysql::Schema;

/// Both servers.
async fn servers() -> [Schema; 2] {
    [
        Schema::at("ROWDOCK_TEST_MYSQL").await,
        Schema::at("ROWDOCK_TEST_MARIADB").await,
    ]
}
