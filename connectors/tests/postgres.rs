//! PostgreSQL. Each test has a schema of its own, with its own progress table.

mod database;
mod errors;
mod faults;
mod modes;
mod positions;
mod rejects;
mod rows;
mod secured;
mod tables;
