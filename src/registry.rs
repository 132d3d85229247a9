//! A schema registry's client: schemas by id, fetched in the background.
//!
//! Records are decoded on the consumer's thread, which must not stop polling; so whoever needs a
//! schema asks with [`Registry::lookup`], which never waits, and goes on with something else until
//! the listener hears [`Event::Arrived`]. One thread per registry does the fetching.
//!
//! What was fetched is kept for as long as the task lives: schemas never change. So a registry that
//! is down stops only records of schemas that were never seen.
//!
//! | answer                                   | what follows                                          |
//! |------------------------------------------|-------------------------------------------------------|
//! | the schema                               | kept                                                  |
//! | no such schema (also when asked again)   | every record that names it is bad; asked anew later   |
//! | anything else, or none                   | the next address, then again, with growing pauses     |
//!
//! * [`http`]: requests of one address after the other.
//! * [`api`]: what Confluent's and Apicurio's registries answer.

mod api;
mod http;

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::config::converter::RegistryOptions;
#[cfg(test)]
pub(crate) use api::read_answer;
use http::Client;

/// First pause after a failure; doubled up to what the options say.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// Within a pause, it is looked this often whether anybody still waits.
const PAUSE_STEP: Duration = Duration::from_secs(1);

/// A schema that was registered a moment ago may be unknown to a follower: "no such schema" is
/// believed when it was answered this often.
const DENIALS_BELIEVED: u32 = 3;

/// Between two such questions.
const DENIAL_PAUSE: Duration = Duration::from_millis(300);

/// How long "no such schema" counts before it is asked for again.
const DENIAL_COUNTS_FOR: Duration = Duration::from_secs(10);

/// Ids remembered, unknown ones included: bytes that are no schema's id must not fill the memory.
const IDS_MAX: usize = 10_000;

/// Names a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// By number.
    Number(u64),
    /// By GUID.
    Guid([u8; 16]),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(formatter),
            Self::Guid(guid) => uuid::Uuid::from_bytes(*guid).fmt(formatter),
        }
    }
}

/// A schema as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `AVRO`, `JSON` or `PROTOBUF`; none when the registry does not say.
    pub kind: Option<String>,
    /// Its text.
    pub text: String,
    /// Schemas that it names, each after those that it names itself.
    pub references: Vec<Reference>,
}

/// A schema that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name by which it is named: a type, or a file.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Registered {
    /// Fails when the schema is of another format.
    ///
    /// # Errors
    /// Says which format it is of.
    pub fn check_kind(&self, expected: &str) -> Result<(), String> {
        match &self.kind {
            Some(kind) if kind != expected => Err(format!(
                "it is registered as {kind}, and the converter reads {expected}"
            )),
            _ => Ok(()),
        }
    }
}

/// What is known of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It.
    Known(Arc<Registered>),
    /// There is none: why.
    Refused(String),
    /// It has been asked for.
    Pending,
}

/// What the listener hears, on the fetching thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pending schema is known, or known to be none.
    Arrived,
    /// The registry does not answer; it is asked again. For the task's status.
    Trouble(String),
    /// It answers again.
    Recovered,
}

/// A registry, as one task uses it. Copies share what they know.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<HashMap<SchemaId, State>>,
    questions: Mutex<Sender<SchemaId>>,
}

enum State {
    Asked,
    Known(Arc<Registered>),
    Refused { reason: String, until: Instant },
}

impl Registry {
    /// Starts the fetching thread, which ends when the last copy is gone.
    ///
    /// # Errors
    /// When the options cannot be used: certificates that are none, no thread.
    pub fn start(
        options: &RegistryOptions,
        listener: impl Fn(Event) + Send + 'static,
    ) -> Result<Self, String> {
        let client = Client::new(options)?;
        let (questions, asked) = channel();
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            questions: Mutex::new(questions),
        });
        let fetcher = Fetcher {
            client,
            shared: Arc::downgrade(&shared),
            listener: Box::new(listener),
            troubled: false,
        };
        std::thread::Builder::new()
            .name("schema-registry".to_owned())
            .spawn(move || fetcher.run(&asked))
            .map_err(|error| format!("the registry's thread cannot be started: {error}"))?;
        Ok(Self { shared })
    }

    /// Knows just these schemas, and asks nobody.
    #[cfg(test)]
    pub(crate) fn of(schemas: impl IntoIterator<Item = (SchemaId, Registered)>) -> Self {
        let known = schemas
            .into_iter()
            .map(|(id, registered)| (id, State::Known(Arc::new(registered))));
        let shared = Shared {
            known: Mutex::new(known.collect()),
            questions: Mutex::new(channel().0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What is known of a schema now. An unknown one is asked for; the listener hears of it.
    pub fn lookup(&self, id: SchemaId) -> Lookup {
        let mut known = self.shared.lock();
        match known.get(&id) {
            Some(State::Known(registered)) => return Lookup::Known(Arc::clone(registered)),
            Some(State::Asked) => return Lookup::Pending,
            Some(State::Refused { reason, until }) if *until > Instant::now() => {
                return Lookup::Refused(reason.clone());
            }
            Some(State::Refused { .. }) | None => {}
        }
        if known.len() >= IDS_MAX {
            known.retain(|_, state| !matches!(state, State::Refused { .. }));
        }
        let questions = self.shared.questions.lock();
        let asked = questions.unwrap_or_else(PoisonError::into_inner).send(id);
        if asked.is_err() {
            return Lookup::Refused("the registry's client has ended".to_owned());
        }
        known.insert(id, State::Asked);
        Lookup::Pending
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SchemaId, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a schema was not fetched.
#[derive(Debug, PartialEq, Eq)]
enum FetchError {
    /// There is no such schema, or none that can be used.
    Denied(String),
    /// The registry cannot tell now.
    Trouble(String),
}

struct Fetcher {
    client: Client,
    shared: Weak<Shared>,
    listener: Box<dyn Fn(Event) + Send>,
    troubled: bool,
}

impl Fetcher {
    fn run(mut self, asked: &Receiver<SchemaId>) {
        while let Ok(id) = asked.recv() {
            let Some(state) = self.fetch(id) else {
                return;
            };
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            shared.lock().insert(id, state);
            drop(shared);
            if std::mem::take(&mut self.troubled) {
                tracing::info!("schema registry answers again");
                (self.listener)(Event::Recovered);
            }
            (self.listener)(Event::Arrived);
        }
    }

    /// Asks until there is an answer. `None`: nobody waits for it any more.
    fn fetch(&mut self, id: SchemaId) -> Option<State> {
        let mut pause = PAUSE_FIRST;
        let mut denials = 0;
        loop {
            match api::fetch(&mut self.client, id) {
                Ok(registered) => return Some(State::Known(Arc::new(registered))),
                Err(FetchError::Denied(reason)) => {
                    denials += 1;
                    if denials >= DENIALS_BELIEVED {
                        let until = Instant::now() + DENIAL_COUNTS_FOR;
                        return Some(State::Refused { reason, until });
                    }
                    std::thread::sleep(DENIAL_PAUSE);
                }
                Err(FetchError::Trouble(reason)) => {
                    self.troubled = true;
                    tracing::warn!(schema = %id, "schema registry error, trying again: {reason}");
                    (self.listener)(Event::Trouble(format!("schema registry: {reason}")));
                    let longest = self.client.options.pause_max;
                    pause = pause.min(longest);
                    if !self.sleep(pause.mul_f64(1.0 - 0.5 * fastrand::f64())) {
                        return None;
                    }
                    pause = pause.saturating_mul(2);
                }
            }
            if self.shared.strong_count() == 0 {
                return None;
            }
        }
    }

    /// Sleeps, for as long as somebody waits for an answer: pauses may be long.
    fn sleep(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.shared.strong_count() == 0 {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(PAUSE_STEP));
        }
    }
}

#[cfg(test)]
mod tests;
