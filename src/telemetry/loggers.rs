//! Levels of loggers, changed while the program runs.
//!
//! A logger is a part of the program, by its path (`rowdock::write`); `root` is all of it. As in
//! Kafka Connect a level that is set holds for everything below as well, and takes back what was
//! set there before. Names of Kafka Connect's own loggers can be set, and nothing logs under them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;
use tracing_subscriber::EnvFilter;

const ROOT: &str = "root";

/// Loggers with levels of their own: a guard against a client that makes up names.
pub const LOGGERS_MAX: usize = 1000;

/// A level, by Kafka Connect's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggerLevel {
    /// Nothing.
    Off,
    /// As ERROR.
    Fatal,
    /// What a person must see to.
    Error,
    /// What may need a person.
    Warn,
    /// What happens.
    Info,
    /// How.
    Debug,
    /// All.
    Trace,
}

/// A logger's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logger {
    /// The level.
    pub level: LoggerLevel,
    /// When it was changed, in milliseconds since the epoch; `None` since the start.
    pub modified_ms: Option<i64>,
}

/// The hand on the levels. Clones share it.
#[derive(Clone)]
pub struct Loggers {
    levels: Arc<Mutex<BTreeMap<String, Logger>>>,
    apply: Arc<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

impl fmt::Debug for Loggers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Loggers").finish_non_exhaustive()
    }
}

impl LoggerLevel {
    /// Reads a level, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [LoggerLevel; 7] = [
            LoggerLevel::Off,
            LoggerLevel::Fatal,
            LoggerLevel::Error,
            LoggerLevel::Warn,
            LoggerLevel::Info,
            LoggerLevel::Debug,
            LoggerLevel::Trace,
        ];
        ALL.into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    fn directive(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Fatal | Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Loggers {
    /// Levels as this filter has them; `apply` puts another in force.
    pub(super) fn new(
        filter: &str,
        apply: impl Fn(EnvFilter) -> bool + Send + Sync + 'static,
    ) -> Self {
        let mut levels = BTreeMap::new();
        for directive in filter.split(',') {
            let (name, level) = directive.rsplit_once('=').unwrap_or((ROOT, directive));
            if let Some(level) = LoggerLevel::parse(level.trim()) {
                let logger = Logger {
                    level,
                    modified_ms: None,
                };
                levels.insert(name.trim().to_owned(), logger);
            }
        }
        levels.entry(ROOT.to_owned()).or_insert(Logger {
            level: LoggerLevel::Error,
            modified_ms: None,
        });
        Self {
            levels: Arc::new(Mutex::new(levels)),
            apply: Arc::new(apply),
        }
    }

    /// Levels that nothing logs by, for tests.
    pub fn detached(filter: &str) -> Self {
        Self::new(filter, |_| true)
    }

    /// All loggers that have a level of their own.
    pub fn all(&self) -> BTreeMap<String, Logger> {
        self.lock().clone()
    }

    /// Whether a logger has a level of its own, or may be given one.
    pub fn has_room_for(&self, name: &str) -> bool {
        let levels = self.lock();
        levels.len() < LOGGERS_MAX || levels.contains_key(name)
    }

    /// Sets the level of a logger and of those below it. Returns those whose level has changed. Without
    /// room for a new one, those below it are set.
    pub fn set(&self, name: &str, level: LoggerLevel) -> Vec<String> {
        let mut levels = self.lock();
        if levels.len() < LOGGERS_MAX {
            let unset = Logger {
                level: level_above(&levels, name),
                modified_ms: None,
            };
            levels.entry(name.to_owned()).or_insert(unset);
        }
        let now_ms = chrono::Utc::now().timestamp_millis();
        let mut changed = Vec::new();
        for (known, logger) in levels.iter_mut() {
            if is_below(known, name) && logger.level != level {
                logger.level = level;
                logger.modified_ms = Some(now_ms);
                changed.push(known.clone());
            }
        }
        let filter = EnvFilter::try_new(filter_text(&levels));
        drop(levels);
        let is_in_force = filter.is_ok_and(|filter| (self.apply)(filter));
        if !is_in_force {
            warn!(logger = name, "level cannot be put in force");
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Logger>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The level that a logger has without one of its own: its nearest parent's.
fn level_above(levels: &BTreeMap<String, Logger>, name: &str) -> LoggerLevel {
    let above = levels.iter().filter(|(parent, _)| is_below(name, parent));
    let depth = |parent: &str| if parent == ROOT { 0 } else { parent.len() };
    let nearest = above.max_by_key(|(parent, _)| depth(parent));
    nearest.map_or(LoggerLevel::Info, |(_, logger)| logger.level)
}

fn is_below(name: &str, parent: &str) -> bool {
    if parent == ROOT || name == parent {
        return true;
    }
    let rest = name.strip_prefix(parent);
    rest.is_some_and(|rest| rest.starts_with("::") || rest.starts_with('.'))
}

/// The filter that says the same. Names that cannot be a part of this program are left out.
fn filter_text(levels: &BTreeMap<String, Logger>) -> String {
    let is_path = |name: &str| {
        name.chars()
            .all(|character| character.is_ascii_alphanumeric() || "_:".contains(character))
    };
    let directives = levels.iter().filter_map(|(name, logger)| {
        let level = logger.level.directive();
        match name.as_str() {
            ROOT => Some(level.to_owned()),
            name if is_path(name) => Some(format!("{name}={level}")),
            _ => None,
        }
    });
    directives.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_hold_for_what_is_below() {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&applied);
        let loggers = Loggers::new("warn,rowdock=info,rowdock::write=debug", move |filter| {
            seen.lock().unwrap().push(filter.to_string());
            true
        });
        let check = |name: &str, level: LoggerLevel, changed: &[&str], filter: &str| {
            assert_eq!(loggers.set(name, level), changed, "{name}");
            let applied = applied.lock().unwrap();
            let last = applied.last().unwrap();
            let sorted = |text: &str| {
                let mut parts: Vec<String> = text.split(',').map(str::to_owned).collect();
                parts.sort();
                parts
            };
            assert_eq!(sorted(last), sorted(filter), "{name}");
        };
        assert!(
            loggers
                .all()
                .values()
                .all(|logger| logger.modified_ms.is_none())
        );
        let all = ["root", "rowdock", "rowdock::write"];
        check(
            "rowdock",
            LoggerLevel::Trace,
            &all[1..],
            "warn,rowdock=trace,rowdock::write=trace",
        );
        let before = loggers.all();
        check(
            "rowdock",
            LoggerLevel::Trace,
            &[],
            "warn,rowdock=trace,rowdock::write=trace",
        );
        assert_eq!(
            loggers.all(),
            before,
            "the same level again changes nothing"
        );
        check(
            "rowdock_connectors",
            LoggerLevel::Error,
            &["rowdock_connectors"],
            "warn,rowdock=trace,rowdock::write=trace,rowdock_connectors=error",
        );
        check(
            "org.apache.kafka",
            LoggerLevel::Debug,
            &["org.apache.kafka"],
            "warn,rowdock=trace,rowdock::write=trace,rowdock_connectors=error",
        );
        check(
            "root",
            LoggerLevel::Off,
            &[
                "org.apache.kafka",
                "root",
                "rowdock",
                "rowdock::write",
                "rowdock_connectors",
            ],
            "off,rowdock=off,rowdock::write=off,rowdock_connectors=off",
        );
    }

    /// One that is given the level which it has anyway has not changed.
    #[test]
    fn a_level_is_the_nearest_parent_s_until_it_is_set() {
        let filter = "warn,rowdock=info,rowdock::write=debug";
        for (name, level) in [
            ("rowdock::write::claim", LoggerLevel::Debug),
            ("rowdock::write", LoggerLevel::Debug),
            ("rowdock::writer", LoggerLevel::Info),
            ("rowdock::decode::json", LoggerLevel::Info),
            ("rowdock_connectors", LoggerLevel::Warn),
            ("abc", LoggerLevel::Warn),
        ] {
            let nothing: [&str; 0] = [];
            assert_eq!(
                Loggers::detached(filter).set(name, level),
                nothing,
                "{name}"
            );
            let other = Loggers::detached(filter).set(name, LoggerLevel::Trace);
            assert_eq!(other, [name]);
        }
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(LoggerLevel::parse("debug"), Some(LoggerLevel::Debug));
        assert_eq!(LoggerLevel::parse("Off"), Some(LoggerLevel::Off));
        assert_eq!(LoggerLevel::parse("loud"), None);
    }
}
