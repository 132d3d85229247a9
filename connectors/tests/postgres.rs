//! PostgreSQL. Each test has a schema of its own, with its own progress table.

mod changes;
mod database;
mod errors;
mod faults;
mod keys;
mod modes;
mod positions;
mod rejects;
mod rights;
mod rows;
mod secured;
mod tables;
