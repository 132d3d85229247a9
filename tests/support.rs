//! What the tests stand on: services, worker processes, producers, proxies and the oracle.

pub(crate) mod connector;
pub(crate) mod database;
pub(crate) mod engine;
pub(crate) mod hold;
pub(crate) mod items;
pub(crate) mod kafka;
pub(crate) mod ledger;
pub(crate) mod oracle;
pub(crate) mod orders;
pub(crate) mod own_server;
pub(crate) mod proc;
pub(crate) mod producer;
pub(crate) mod proxy;
pub(crate) mod reaper;
pub(crate) mod replica;
pub(crate) mod rest;
pub(crate) mod rights;
pub(crate) mod services;
pub(crate) mod stage;
pub(crate) mod wait;
pub(crate) mod worker;
