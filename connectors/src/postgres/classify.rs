//! From PostgreSQL's error codes to what may be done, and to words that hold no values.
//!
//! PostgreSQL's own message and detail often quote the value that was refused. So for errors of a
//! record the text is made from the code and from the *names* that the error carries (column,
//! type, constraint, table). Other errors are about the server or the statement; their messages
//! are kept, their details are not.

use std::fmt::Write as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::{ErrorClass, SinkError};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) class: ErrorClass,
    /// The code in words.
    pub(super) condition: &'static str,
    /// What a person can do about it; may be empty.
    pub(super) advice: &'static str,
}

use ErrorClass::{Record, Retry, Stop};

const DESCRIBE_AGAIN: &str = "the table has changed since it was read";
const POOLER: &str = "a connection pooler in transaction mode lies between: \
                      connect directly or use its session mode";

const PROTOCOL_VIOLATION: &str = "08P01";
const BINARY_REPRESENTATION: &str = "22P03";
const FEATURE_NOT_SUPPORTED: &str = "0A000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// Of sessions that may not write: another one may, on another host or when somebody has changed that.
const READ_ONLY: &str = "25006";
/// A statement, or a transaction, took longer than the server lets it; the first is also of one that
/// somebody has cancelled.
const DEADLINES: [&str; 2] = ["57014", "25P04"];
/// Of foreign keys; the second since PostgreSQL 18, of those that are `ON DELETE RESTRICT`.
const REFERENCES: [&str; 2] = ["23503", "23001"];

/// What looks at a row that is to be written, by policies and by check options of views. It refuses it with
/// the code of a right that is missing, which a table or a column lacks elsewhere.
const ROW_CHECKER: &str = "ExecWithCheckOptions";
/// Who raises errors of its own.
const RAISER: &str = "a trigger or function of the table";
/// What PL/pgSQL's `RAISE` is called in errors, in every language.
const RAISE: &str = "exec_stmt_raise";
/// What reads a `numeric` that arrives, and what turns one into an integer, as `money` is.
const NUMERIC_READER: &str = "numeric_recv";
const NUMERIC_TO_INTEGER: &str = "numeric_int8";

/// The classes of PostgreSQL's codes (its manual, appendix A). Codes of other classes are made up by
/// functions and triggers.
const CLASSES: &[&str] = &[
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40",
    "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
];

const MADE_UP: Verdict = Verdict {
    class: Record,
    condition: "a trigger or function of the table raised an error of its own",
    advice: "",
};

/// Of a row that the role may not write, though it may write others.
const POLICY: Verdict = Verdict {
    class: Record,
    condition: "the row violates a row-level security policy of its table",
    advice: "",
};

/// Of a number that the column's type has no value for: infinity before PostgreSQL 14, NaN in `money`.
const NO_SUCH_NUMBER: Verdict = Verdict {
    class: Record,
    condition: "the column cannot hold NaN or infinity",
    advice: "",
};

/// Codes and the beginnings of codes; the longest that fits decides.
///
/// * *Retry*: what passes by itself or when someone mends the server.
/// * *Record*: what a row's values cause and other rows would not.
/// * *Stop*: all else, since repeating an error that is not understood helps nobody.
///
/// Codes of other [`CLASSES`] are [`MADE_UP`].
const TABLE: &[(&str, ErrorClass, &str, &str)] = &[
    ("", Stop, "unexpected error", ""),
    ("08", Retry, "connection failure", ""),
    ("0A", Stop, "feature not supported", ""),
    // Also of a statement that meets one key twice, though the keys differ as the sink compares them:
    // such a batch is written again row by row, so only the other meaning is seen outside.
    (
        "21000",
        Record,
        "a subquery of a trigger or function of the table found several rows",
        "",
    ),
    ("22", Record, "value not accepted", ""),
    ("22001", Record, "value too long for its column", ""),
    ("22003", Record, "number out of the column's range", ""),
    ("22007", Record, "not a date or time", ""),
    ("22008", Record, "date or time out of range", ""),
    (
        "22012",
        Record,
        "division by zero in an expression of the table",
        "",
    ),
    (
        "22021",
        Record,
        "character not in the database's encoding",
        "",
    ),
    ("22030", Record, "json object with a duplicate key", ""),
    ("22032", Record, "not a json document", ""),
    (
        "2200H",
        Stop,
        "a sequence is at its end",
        "give the column a larger sequence",
    ),
    (
        "22P02",
        Record,
        "text that does not fit the column's type",
        "",
    ),
    // Binary values of another type than the column's: no record can cause it.
    (
        "22P03",
        Stop,
        "binary value of another type than its column",
        DESCRIBE_AGAIN,
    ),
    (
        "22P04",
        Stop,
        "rows of another shape than the table",
        DESCRIBE_AGAIN,
    ),
    (
        "22P05",
        Record,
        "character that the database cannot hold",
        "",
    ),
    ("23", Record, "integrity rule violated", ""),
    (
        "23001",
        Record,
        "row that a foreign key of another row needs",
        "",
    ),
    (
        "23502",
        Record,
        "null in a column that must have a value",
        "",
    ),
    ("23503", Record, "foreign key without its row", ""),
    ("23505", Record, "key that is there already", ""),
    ("23514", Record, "check constraint violated", ""),
    ("23P01", Record, "exclusion constraint violated", ""),
    ("25", Stop, "transaction in an unexpected state", ""),
    (
        READ_ONLY,
        Retry,
        "the database is read-only",
        "wait for, or connect to, the primary",
    ),
    ("25P02", Retry, "transaction already failed", ""),
    (
        "25P03",
        Retry,
        "session ended: idle in a transaction for too long",
        "",
    ),
    (
        "25P04",
        Retry,
        "session ended: transaction took too long",
        "",
    ),
    ("26000", Stop, "prepared statement is gone", POOLER),
    (
        "28",
        Stop,
        "login refused",
        "check connection.user, connection.password and pg_hba.conf",
    ),
    ("38", Record, "a function of the table refused the row", ""),
    (
        "3D000",
        Stop,
        "no such database",
        "create it or correct connection.url",
    ),
    (
        "3F000",
        Stop,
        "no such schema",
        "create it or correct the table's name",
    ),
    ("40", Retry, "transaction rolled back by the server", ""),
    ("40001", Retry, "serialization failure", ""),
    ("40P01", Retry, "deadlock", ""),
    ("42", Stop, "statement not accepted", DESCRIBE_AGAIN),
    (
        "42501",
        Stop,
        "no right to do this",
        "grant the right to the sink's role",
    ),
    ("42622", Record, "text too long for type name", ""),
    ("42703", Stop, "no such column", DESCRIBE_AGAIN),
    ("42804", Stop, "column of another type", DESCRIBE_AGAIN),
    (
        "428C9",
        Stop,
        "column is always generated",
        "leave the column out",
    ),
    (
        "42P01",
        Stop,
        "no such table",
        "create it or set auto.create",
    ),
    (
        "42P10",
        Stop,
        "no unique constraint on the key's columns",
        "create a primary key or a unique index on exactly these columns",
    ),
    (
        "44000",
        Record,
        "the view's check option refused the row",
        "",
    ),
    ("53", Retry, "the server is short of resources", ""),
    (
        "53100",
        Retry,
        "the server's disk is full",
        "free space on the server",
    ),
    ("53200", Retry, "the server is out of memory", ""),
    (
        "53300",
        Retry,
        "the server has too many connections",
        "raise max_connections or lower tasks.max",
    ),
    ("54000", Record, "row or index entry too large", ""),
    ("54001", Record, "value nested too deeply", ""),
    ("55", Stop, "object not in the state for this", ""),
    ("55006", Retry, "object in use", ""),
    ("55P03", Retry, "lock not available in time", ""),
    ("57", Retry, "ended by the server's operator", ""),
    ("57014", Retry, "statement cancelled or timed out", ""),
    (
        "57P03",
        Retry,
        "the server is starting, stopping or recovering",
        "",
    ),
    ("58", Retry, "system error on the server", ""),
    ("58P01", Stop, "a file of the server is missing", ""),
    ("72000", Retry, "snapshot too old", ""),
    ("HV00N", Retry, "foreign server cannot be reached", ""),
    (
        "P0",
        Record,
        "a trigger or function of the table raised an error",
        "",
    ),
    (
        "P0001",
        Record,
        "a trigger or function of the table raised an exception",
        "",
    ),
    (
        "P0002",
        Record,
        "a trigger or function of the table found no row",
        "",
    ),
    (
        "P0003",
        Record,
        "a trigger or function of the table found too many rows",
        "",
    ),
    (
        "P0004",
        Record,
        "an assertion of a trigger or function of the table failed",
        "",
    ),
    (
        "XX",
        Stop,
        "internal error of the server",
        "look into the server's log",
    ),
];

/// What may be done about an error with this SQLSTATE.
pub(super) fn classify(code: &str) -> Verdict {
    if is_made_up(code) {
        return MADE_UP;
    }
    let fitting = TABLE.iter().filter(|entry| code.starts_with(entry.0));
    let (_, class, condition, advice) = fitting
        .max_by_key(|entry| entry.0.len())
        .copied()
        .unwrap_or(TABLE[0]);
    Verdict {
        class,
        condition,
        advice,
    }
}

/// In the form of an SQLSTATE, of a class that PostgreSQL does not have.
fn is_made_up(code: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let has_form = code.len() == 5 && code.bytes().all(is_letter);
    has_form && !CLASSES.iter().any(|class| code.starts_with(class))
}

/// The server ended the session with this error.
pub(super) fn ends_session(error: &DbError) -> bool {
    matches!(
        error.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic) | None
    )
}

/// What a statement meets whose table or columns are not what they were when it was made: none of
/// that name, of another type, generated now, no unique key on them, binary values that do not fit;
/// or a column that somebody else has added.
pub(super) fn is_changed_table(code: &SqlState) -> bool {
    let changed = [
        "42P01", "42703", "42804", "428C9", "42P10", "22P03", "22P04", "42701",
    ];
    changed.contains(&code.code())
}

/// What statements with rows meet besides, whose columns have other types now: no comparison with the key's,
/// no type of that name, no cast to it; or something else in the table's place. Not of a table that is being
/// altered: there these are what forbids it.
fn is_of_changed_types(code: &str) -> bool {
    ["42883", "42704", "42846", "42809"].contains(&code)
}

/// A `COMMIT` answered with this error is known to have been rolled back. A session that ends may
/// do so after its commit, and some codes say themselves that nothing is known.
pub(super) fn commit_is_known(error: &DbError) -> bool {
    let code = error.code().code();
    !ends_session(error) && !code.starts_with("08") && code != "40003"
}

/// The error of a statement that carries no rows. No record can be at fault.
pub(super) fn statement_error(action: &str, error: &DbError) -> SinkError {
    let mut verdict = classify(error.code().code());
    if verdict.class == Record {
        verdict.class = Stop;
    }
    sink_error(action, error, verdict)
}

/// The error of a statement that carries rows, or of the commit that checks them.
pub(super) fn row_error(action: &str, error: &DbError) -> SinkError {
    let code = error.code().code();
    if code == PROTOCOL_VIOLATION && !ends_session(error) {
        // A value of fewer or more bytes than its column takes.
        return sink_error(action, error, classify(BINARY_REPRESENTATION));
    }
    if is_no_such_number(error) {
        return sink_error(action, error, NO_SUCH_NUMBER);
    }
    if code == INSUFFICIENT_PRIVILEGE && error.routine() == Some(ROW_CHECKER) {
        return sink_error(action, error, POLICY);
    }
    let mut verdict = classify(code);
    if verdict.class == Record && ends_session(error) {
        // Whoever made this code up, it was not a trigger.
        verdict.class = Stop;
    }
    sink_error(action, error, verdict)
}

/// Both come with codes that say something else, of statements and tables.
fn is_no_such_number(error: &DbError) -> bool {
    let routine = error.routine().unwrap_or_default();
    match error.code().code() {
        BINARY_REPRESENTATION => routine == NUMERIC_READER,
        FEATURE_NOT_SUPPORTED => routine.starts_with(NUMERIC_TO_INTEGER),
        _ => false,
    }
}

/// `action` is what was done: `write rows`.
fn sink_error(action: &str, error: &DbError, verdict: Verdict) -> SinkError {
    let code = error.code().code();
    // Which code a trigger raises is its own choice, and so are its words, which may tell values.
    let is_raised = error.routine() == Some(RAISE);
    let mut message = match verdict.class {
        Record => verdict.condition.to_owned(),
        _ if is_raised => raised(action, verdict.condition),
        _ => format!(
            "cannot {action}: {}: {}",
            verdict.condition,
            error.message()
        ),
    };
    if verdict.class == Record {
        push_names(&mut message, error);
    }
    push(&mut message, format_args!(" (sqlstate {code})"));
    if !verdict.advice.is_empty() {
        push(&mut message, format_args!("; {}", verdict.advice));
    }
    let mut failed = SinkError::new(verdict.class, message);
    if (is_changed_table(error.code()) || is_of_changed_types(code)) && verdict != NO_SUCH_NUMBER {
        failed = failed.with_changed_table();
    }
    if code == INSUFFICIENT_PRIVILEGE && verdict.class == Stop {
        failed = failed.for_want_of_a_right();
    }
    if REFERENCES.contains(&code) && verdict.class == Record {
        failed = failed.with_broken_reference();
    }
    if DEADLINES.contains(&code) {
        failed = failed.past_deadline();
    }
    if ends_session(error) || code == READ_ONLY {
        return failed.losing_connection();
    }
    failed
}

fn raised(action: &str, condition: &str) -> String {
    match condition.starts_with(RAISER) {
        true => format!("cannot {action}: {condition}"),
        false => format!("cannot {action}: {RAISER} raised an error that says: {condition}"),
    }
}

fn push_names(message: &mut String, error: &DbError) {
    let column = error.column().or_else(|| copied_column(error.where_()?));
    for (kind, name) in [
        ("constraint", error.constraint()),
        ("column", column),
        ("type", error.datatype()),
        ("table", error.table()),
    ] {
        if let Some(name) = name {
            push(message, format_args!(", {kind} \"{name}\""));
        }
    }
}

/// A binary copy says where it is: `COPY orders, line 7, column amount`, without values.
fn copied_column(context: &str) -> Option<&str> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, column) = line.rsplit_once(", column ")?;
    // A value would follow a colon; a binary copy never shows one.
    (!column.contains(": ")).then_some(column)
}

fn push(message: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    message.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests;
