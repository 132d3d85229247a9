//! Settings of the worker and configs of connectors, from every source they come from.
//!
//! Two kinds of text come in, and both are checked in one place before anything runs:
//!
//! * The **worker's settings** ([`worker`]): a file (TOML or Java properties), `CONNECT_*`
//!   environment variables and `--set`, in rising precedence, read once at start.
//! * A **connector's config**: a flat map of strings, from the REST API or a file
//!   ([`connector_json`], [`offline`]). The map itself is stored and returned byte for byte;
//!   [`connector`] is what it means.
//!
//! One table of keys ([`definitions`]) says for every connector key its type, default, limits and
//! meaning. Parsing, the `validate` reply, the plugin description and the tables in
//! `config/README.md` all come from it, so they cannot disagree. The worker's table
//! ([`worker::keys`]) does the same for `config/worker.toml`.
//!
//! A config that was written for another sink is translated first ([`dialect`]), and values may
//! stand elsewhere ([`providers`]).
//!
//! Client settings keep the names of Kafka's Java clients; [`kafka`] translates them to those of
//! librdkafka, and is the only module that knows both.

use std::collections::BTreeMap;

mod check;
pub mod connector;
pub mod connector_json;
pub mod converter;
pub mod definitions;
mod dialect;
#[cfg(test)]
mod documents;
pub mod kafka;
pub mod mapping;
pub mod offline;
pub mod parse;
pub mod plugins;
pub mod properties;
pub mod providers;
pub mod secret;
pub mod suggest;
pub mod table_format;
pub mod transforms;
pub mod validate;
pub mod worker;

/// A connector's config as it was given: what is stored and returned, unchanged. `None` is JSON's
/// `null`, which no key accepts.
pub type RawConfig = BTreeMap<String, Option<String>>;
