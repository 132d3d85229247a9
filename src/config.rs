//! Settings of the worker and configs of connectors, from every source they come from.
//!
//! * [`worker`]: the worker's own settings (TOML, Java properties, `CONNECT_*` environment, `--set`).
//! * [`connector`]: one connector's config as the rest of the program sees it: typed and checked.

pub mod connector;
pub mod worker;
