//! Waiting for the registry.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rowdock_connectors::SinkError;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::registry::Event;

/// How long a schema may take to come.
const SCHEMA_TIME_MAX: Duration = Duration::from_secs(20);

/// What is heard of the registry.
#[derive(Default)]
pub(super) struct Schemas {
    heard: Notify,
    trouble: Mutex<Option<String>>,
}

impl Schemas {
    pub(super) fn hear(&self, event: Event) {
        let trouble = match event {
            Event::Trouble(reason) => Some(reason),
            Event::Arrived | Event::Recovered => None,
        };
        let arrived = trouble.is_none();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        if arrived {
            self.heard.notify_one();
        }
    }

    pub(super) async fn wait(&self) -> Result<(), SinkError> {
        if timeout(SCHEMA_TIME_MAX, self.heard.notified())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = trouble.as_deref().unwrap_or("it does not answer");
        Err(SinkError::stop(format!(
            "the letters' schemas cannot be fetched: {reason}"
        )))
    }
}
