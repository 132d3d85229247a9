//! Logging: lines for people on a terminal, one JSON object per line elsewhere, always to standard
//! error, so that what a command prints stays apart.
//!
//! Messages are fixed texts and data are fields; no payloads and no secrets. In the JSON form the
//! fields stand beside `timestamp`, `level`, `target` and `message`.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::util::TryInitError;

use crate::config::worker::{LogFormat, log_filter};

mod loggers;

pub use loggers::{LOGGERS_MAX, Logger, LoggerLevel, Loggers};

/// Overrides `log.level` for one run, as usual among Rust programs.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter cannot be read.
    #[error("{origin}: {source}; write a level such as info, or target=level pairs")]
    Filter {
        /// `log.level` or `RUST_LOG`.
        origin: &'static str,
        /// Why.
        source: ParseError,
    },
    /// Logging was set up before.
    #[error(transparent)]
    Init(#[from] TryInitError),
}

/// Sets up logging for the process. Returns the hand on its levels.
///
/// # Errors
/// A filter that cannot be read; a second call.
pub fn init(format: LogFormat, level: &str) -> Result<Loggers, TelemetryError> {
    let filter = filter(level, std::env::var(FILTER_VARIABLE).ok().as_deref())?;
    let text = filter.to_string();
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let subscriber: SubscriberBuilder<_, _, EnvFilter, _> = tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter);
    if human {
        let colours = stderr().is_terminal();
        let subscriber = subscriber.with_ansi(colours).with_filter_reloading();
        let handle = subscriber.reload_handle();
        init_subscriber(subscriber.finish())?;
        Ok(Loggers::new(&text, move |filter| {
            handle.reload(filter).is_ok()
        }))
    } else {
        let subscriber = subscriber
            .json()
            .flatten_event(true)
            .with_filter_reloading();
        let handle = subscriber.reload_handle();
        init_subscriber(subscriber.finish())?;
        Ok(Loggers::new(&text, move |filter| {
            handle.reload(filter).is_ok()
        }))
    }
}

fn init_subscriber(
    subscriber: impl tracing::Subscriber + Send + Sync + 'static,
) -> Result<(), TryInitError> {
    tracing_subscriber::util::SubscriberInitExt::try_init(subscriber)
}

fn filter(level: &str, overriding: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let (origin, text) = match overriding {
        Some(text) if !text.is_empty() => (FILTER_VARIABLE, text),
        Some(_) | None => ("log.level", level),
    };
    log_filter(text).map_err(|source| TelemetryError::Filter { origin, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let check = |level: &str, overriding: Option<&str>, expected: Result<&str, &str>| {
            let outcome = filter(level, overriding).map(|filter| filter.to_string());
            match (outcome, expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(start)) => assert!(error.to_string().starts_with(start)),
                (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
            }
        };
        check("info", None, Ok("info"));
        check("info", Some(""), Ok("info"));
        check("info", Some("debug"), Ok("debug"));
        check("warn,rowdock=debug", None, Ok("rowdock=debug,warn"));
        check("warn, rowdock=debug ", None, Ok("rowdock=debug,warn"));
        check("a=b=c", None, Err("log.level: "));
        check("info, A\u{2090}[", None, Err("log.level: "));
        check("info", Some("a=b=c"), Err("RUST_LOG: "));
    }
}
