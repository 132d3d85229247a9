//! PostgreSQL.

use async_trait::async_trait;

use crate::error::SinkError;
use crate::options::SinkOptions;
use crate::{Session, Sink};

/// PostgreSQL, 12 and later.
#[derive(Debug)]
pub struct PostgresSink {
    options: SinkOptions,
}

impl PostgresSink {
    /// A sink for the database that the options name. Nothing is connected yet.
    ///
    /// # Errors
    /// *Stop* when the URL cannot be understood.
    pub fn new(options: SinkOptions) -> Result<Self, SinkError> {
        Ok(Self { options })
    }
}

#[async_trait]
impl Sink for PostgresSink {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    async fn open(&self) -> Result<Box<dyn Session>, SinkError> {
        Err(SinkError::stop(format!(
            "cannot open a session for {} yet",
            self.options.application_name
        )))
    }
}
