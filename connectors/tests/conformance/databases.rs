//! The databases: how each is made, looked at and got in the way of.

pub(crate) mod cassandra;
pub(crate) mod memory;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;
