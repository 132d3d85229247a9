//! What went wrong in a sink, and what may be done about it.

use std::fmt;

/// What may be done about an error. Each database has one pure function from its codes to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Passes by itself or when someone mends the environment (connection, deadlock, lock wait,
    /// disk full, read-only, shutdown). Back off and try the same again; never a dead letter.
    Retry,
    /// A row is at fault (constraint, overflow, bad text). Find it, reject it, go on.
    Record,
    /// Trying again cannot help until a person acts (no such table, no rights, bad configuration).
    Stop,
}

/// An error from a database, with its class and how far it got.
#[derive(Debug)]
pub struct SinkError {
    class: ErrorClass,
    connection_lost: bool,
    commit_unknown: bool,
    table_changed: bool,
    lacks_right: bool,
    breaks_reference: bool,
    timed_out: bool,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SinkError {
    /// An error of this class. `message` says what failed and what the person can do; lowercase,
    /// without values of rows and without secrets.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            connection_lost: false,
            commit_unknown: false,
            table_changed: false,
            lacks_right: false,
            breaks_reference: false,
            timed_out: false,
            message: message.into(),
            source: None,
        }
    }

    /// Shorthand for an error of class [`ErrorClass::Retry`].
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Retry, message)
    }

    /// Shorthand for an error of class [`ErrorClass::Stop`].
    pub fn stop(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Stop, message)
    }

    /// Keeps the driver's error for the log's error chain.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The session is of no more use.
    #[must_use]
    pub fn losing_connection(mut self) -> Self {
        self.connection_lost = true;
        self
    }

    /// COMMIT was sent and not answered; implies that the connection is lost.
    #[must_use]
    pub fn with_unknown_commit(mut self) -> Self {
        self.connection_lost = true;
        self.commit_unknown = true;
        self
    }

    /// A table of the batch is not what its target says any more: dropped, or its columns changed.
    /// Says nothing about the class: that of an error which is there to stay is *stop*.
    #[must_use]
    pub fn with_changed_table(mut self) -> Self {
        self.table_changed = true;
        self
    }

    /// The sink's user may not do what was tried: somebody must grant it.
    #[must_use]
    pub fn for_want_of_a_right(mut self) -> Self {
        self.lacks_right = true;
        self
    }

    /// A foreign key is violated: by the row, or by rows that were written in another order than the log's.
    #[must_use]
    pub fn with_broken_reference(mut self) -> Self {
        self.breaks_reference = true;
        self
    }

    /// The database was at work for longer than it may be; or it does not answer at all.
    #[must_use]
    pub fn past_deadline(mut self) -> Self {
        self.timed_out = true;
        self
    }

    /// What may be done about it.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// The session must be thrown away, a new one opened and the claims renewed.
    pub fn connection_lost(&self) -> bool {
        self.connection_lost
    }

    /// The transaction may or may not have been committed; only a renewal can tell.
    pub fn commit_unknown(&self) -> bool {
        self.commit_unknown
    }

    /// Somebody must grant the right to what was tried.
    pub fn lacks_right(&self) -> bool {
        self.lacks_right
    }

    /// A foreign key is violated. The log may have an order of the rows in which it is not.
    pub fn breaks_reference(&self) -> bool {
        self.breaks_reference
    }

    /// A deadline has passed, the client's or the server's. The same again may take as long again; less may
    /// be done in time.
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// The tables of the batch must be described again before anything is decided. If they are
    /// as they were, the error's class counts.
    pub fn table_changed(&self) -> bool {
        self.table_changed
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
