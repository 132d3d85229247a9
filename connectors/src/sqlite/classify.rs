//! From SQLite's result codes to error classes.
//!
//! SQLite reports an *extended* code: its low byte is the primary code, the rest tells more. The
//! table is complete for the primary codes; an unknown code stops the task, since nothing is known
//! to make it pass by itself.

use sqlx::Error;

use crate::error::{ErrorClass, SinkError};

const ERROR: i32 = 1;
const ABORT: i32 = 4;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IO_ERROR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const SCHEMA: i32 = 17;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOT_A_DATABASE: i32 = 26;

/// A foreign key; at COMMIT, a deferred one.
const CONSTRAINT_FOREIGN_KEY: i32 = CONSTRAINT | (3 << 8);
/// A trigger; a foreign key that is `ON DELETE RESTRICT` is one.
const CONSTRAINT_TRIGGER: i32 = CONSTRAINT | (7 << 8);
/// The session's commit guard refused: a statement ran outside the transaction it belonged to.
const CONSTRAINT_COMMIT_HOOK: i32 = CONSTRAINT | (2 << 8);

/// What may be done about this extended result code.
pub(super) fn class_of(extended_code: i32) -> ErrorClass {
    if extended_code == CONSTRAINT_COMMIT_HOOK {
        return ErrorClass::Retry;
    }
    match primary(extended_code) {
        ABORT | BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPT | IO_ERROR | FULL
        | CANNOT_OPEN | PROTOCOL | SCHEMA => ErrorClass::Retry,
        CONSTRAINT | TOO_BIG | MISMATCH => ErrorClass::Record,
        // No such table or column, no rights, a damaged file, a mistake of ours.
        _ => ErrorClass::Stop,
    }
}

/// A sink's error for a driver's error; `doing` says what failed, such as `claim partitions`.
pub(super) fn sink_error(doing: &str, error: Error) -> SinkError {
    let Some(code) = code_of(&error) else {
        return driver_error(doing, error);
    };
    let message = match &error {
        Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    };
    let class = class_of(code);
    let text = match class {
        ErrorClass::Record => format!("sqlite refuses the row: {message} (code {code})"),
        ErrorClass::Retry | ErrorClass::Stop => {
            format!(
                "sqlite cannot {doing}: {message} (code {code}){}",
                advice(code)
            )
        }
    };
    let is_changed = is_changed_table(&error);
    let is_reference = is_foreign_key(&error) || is_restricted(&error);
    let mut classified = SinkError::new(class, text).with_source(error);
    if is_reference {
        classified = classified.with_broken_reference();
    }
    if is_changed {
        classified = classified.with_changed_table();
    }
    if needs_new_connection(code) {
        classified.losing_connection()
    } else {
        classified
    }
}

/// The extended result code, where SQLite itself reported the error.
pub(super) fn code_of(error: &Error) -> Option<i32> {
    match error {
        Error::Database(database) => database.code()?.parse().ok(),
        _ => None,
    }
}

/// A statement names a table or a column that is not there any more. SQLite has no code for it.
fn is_changed_table(error: &Error) -> bool {
    let says_so = |message: &str| {
        message.starts_with("no such table")
            || message.starts_with("no such column")
            || message.contains("has no column named")
    };
    match error {
        Error::Database(database) => code_of(error) == Some(ERROR) && says_so(database.message()),
        _ => false,
    }
}

/// Another connection holds the lock; nothing happened.
pub(super) fn is_busy(error: &Error) -> bool {
    code_of(error).is_some_and(|code| matches!(primary(code), BUSY | LOCKED))
}

/// The file or its folder cannot be written to.
pub(super) fn is_read_only(error: &Error) -> bool {
    code_of(error).is_some_and(|code| primary(code) == READ_ONLY)
}

/// The file cannot be opened.
pub(super) fn is_cannot_open(error: &Error) -> bool {
    code_of(error).is_some_and(|code| primary(code) == CANNOT_OPEN)
}

/// A deferred foreign key does not hold at COMMIT; the transaction is still open.
pub(super) fn is_foreign_key(error: &Error) -> bool {
    code_of(error) == Some(CONSTRAINT_FOREIGN_KEY)
}

/// A foreign key that lets nothing be deleted that is referred to.
fn is_restricted(error: &Error) -> bool {
    let says_so = |message: &str| message.starts_with("FOREIGN KEY constraint failed");
    match error {
        Error::Database(database) => {
            code_of(error) == Some(CONSTRAINT_TRIGGER) && says_so(database.message())
        }
        _ => false,
    }
}

/// COMMIT or ROLLBACK found no transaction: SQLite had ended it by itself.
pub(super) fn is_no_transaction(error: &Error) -> bool {
    let says_so = |message: &str| message.contains("no transaction is active");
    match error {
        Error::Database(database) => code_of(error) == Some(ERROR) && says_so(database.message()),
        _ => false,
    }
}

/// Errors of the driver: its thread is gone, or what it was given or got makes no sense.
fn driver_error(doing: &str, error: Error) -> SinkError {
    let text = format!("sqlite cannot {doing}: {error}");
    match error {
        Error::WorkerCrashed | Error::Io(_) => SinkError::retry(text)
            .with_source(error)
            .losing_connection(),
        other => SinkError::stop(text).with_source(other),
    }
}

/// After these the handle is not to be trusted, or a new one may find the file mended.
fn needs_new_connection(extended_code: i32) -> bool {
    extended_code == CONSTRAINT_COMMIT_HOOK
        || matches!(
            primary(extended_code),
            NO_MEMORY | READ_ONLY | IO_ERROR | CORRUPT | CANNOT_OPEN | PROTOCOL | NOT_A_DATABASE
        )
}

fn advice(extended_code: i32) -> &'static str {
    match primary(extended_code) {
        BUSY | LOCKED => ": another connection is writing; shorten its transactions",
        FULL => ": free space on the disk of the database file",
        READ_ONLY => ": make the database file and its folder writable for this process",
        CANNOT_OPEN => ": check the folder, its rights and the limit of open files",
        CORRUPT => ": the database file is damaged; restore it from a backup",
        NOT_A_DATABASE => ": the file is not an SQLite database; correct connection.url",
        _ => "",
    }
}

fn primary(extended_code: i32) -> i32 {
    extended_code & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorClass::{Record, Retry, Stop};

    fn check(codes: &[i32], expected: ErrorClass) {
        for code in codes {
            assert_eq!(class_of(*code), expected, "code {code}");
        }
    }

    #[test]
    fn environment_errors_are_tried_again() {
        // Busy, busy recovery, busy snapshot, locked, locked shared cache.
        check(&[5, 261, 517, 6, 262], Retry);
        // Disk full, I/O errors of several kinds, out of memory, read-only, cannot open.
        check(
            &[13, 10, 266, 778, 1034, 3850, 7, 8, 264, 1032, 14, 1038],
            Retry,
        );
        // Abort by rollback, interrupt, locking protocol, schema changed.
        check(&[4, 516, 9, 15, 17], Retry);
    }

    #[test]
    fn refused_rows_are_record_errors() {
        // Check, foreign key, not null, primary key, trigger, unique, rowid, datatype.
        check(&[19, 275, 787, 1299, 1555, 1811, 2067, 2579, 3091], Record);
        check(&[18, 20], Record);
    }

    #[test]
    fn the_commit_guard_is_no_record_error() {
        check(&[531], Retry);
        assert!(needs_new_connection(531));
    }

    #[test]
    fn what_needs_a_person_stops() {
        // Error, internal, permission, corrupt, misuse, authorization, range, not a database.
        check(&[1, 257, 2, 3, 11, 267, 21, 23, 25, 26], Stop);
        check(&[0, 99, -1], Stop);
    }

    #[test]
    fn a_dead_driver_thread_loses_the_connection() {
        let error = sink_error("write", Error::WorkerCrashed);
        assert_eq!(error.class(), Retry);
        assert!(error.connection_lost());
        assert_eq!(sink_error("write", Error::RowNotFound).class(), Stop);
    }
}
