//! From the server's error codes to what may be done, and to words that hold no values.
//!
//! The server's own message often quotes the value that was refused. So for errors of a record the
//! text is made from the code and from the *names* in the message (column, key, constraint), which
//! stand at its end, behind any value. Other errors are about the server or the statement; their
//! messages are kept.

use super::check::KeyCheck;
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
const LOGIN: &str = "check connection.user, connection.password and the hosts it may come from";
const PRIMARY: &str = "wait for, or connect to, the primary";
const BINARY_LOG: &str = "set binlog_format=ROW on the server, or MIXED";

pub(super) const DUPLICATE_KEY: u16 = 1062;
pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
/// Of a cluster: the others refused the transaction when it was to be committed.
const ROLLED_BACK_AT_COMMIT: u16 = 3101;

/// First and last code of a range; the shortest range that fits decides.
///
/// * *Retry*: what passes by itself or when someone mends the server.
/// * *Record*: what a row's values cause and other rows would not.
/// * *Stop*: all else, since repeating an error that is not understood helps nobody.
#[rustfmt::skip]
const TABLE: &[(u16, u16, ErrorClass, &str, &str)] = &[
    (1015, 1015, Retry, "the server cannot lock a file", ""),
    (1020, 1020, Retry, "row changed by another transaction", ""),
    (1021, 1021, Retry, "the server's disk is full", "free space on the server"),
    (1022, 1022, Record, "key that is there already", ""),
    (1026, 1027, Retry, "the server cannot write a file", "free space on the server"),
    (1030, 1030, Retry, "error of the storage engine", "look into the server's log"),
    (1036, 1036, Retry, "the table is read-only", PRIMARY),
    (1037, 1041, Retry, "the server is short of memory or connections", ""),
    (1040, 1040, Retry, "the server has too many connections", "raise max_connections or lower tasks.max"),
    (1042, 1043, Retry, "bad handshake", ""),
    (1044, 1045, Stop, "log-in refused", LOGIN),
    (1046, 1046, Stop, "no database selected", "name it in connection.url, or before the table's name"),
    (1047, 1047, Retry, "the node is not ready", ""),
    (1048, 1048, Record, "null in a column that must have a value", ""),
    (1049, 1049, Stop, "no such database", "create it or correct connection.url"),
    (1050, 1050, Stop, "table exists already", ""),
    (1052, 1052, Stop, "a column's name fits two tables", ""),
    (1053, 1053, Retry, "the server is stopping", ""),
    (1054, 1054, Stop, "no such column", DESCRIBE_AGAIN),
    (1060, 1060, Stop, "column exists already", DESCRIBE_AGAIN),
    (1062, 1062, Record, "key that is there already", ""),
    (1064, 1064, Stop, "statement not accepted", ""),
    (1077, 1080, Retry, "the server is stopping", ""),
    (1114, 1114, Retry, "the table, or the server's disk, is full", "free space on the server"),
    (1118, 1118, Record, "row too large for its table", ""),
    (1129, 1129, Retry, "the server refuses this host after too many errors", "run FLUSH HOSTS on the server"),
    (1130, 1130, Stop, "the server does not let this host in", LOGIN),
    (1135, 1135, Retry, "the server cannot start a thread", ""),
    (1142, 1143, Stop, "no right to do this", "grant the right to the sink's user"),
    (1146, 1146, Stop, "no such table", "create it or set auto.create"),
    (1152, 1161, Retry, "connection ended", ""),
    (1169, 1169, Record, "key that is there already", ""),
    (1180, 1180, Retry, "error while committing", ""),
    (1184, 1184, Retry, "connection ended", ""),
    (1197, 1197, Stop, "the batch is larger than max_binlog_cache_size", "lower batch.size, or raise it on the server"),
    (1203, 1203, Retry, "the user has too many connections", "raise max_user_connections or lower tasks.max"),
    (1205, 1205, Retry, "lock not available in time", ""),
    (1206, 1207, Retry, "the server has no room for more locks", ""),
    (1213, 1213, Retry, "deadlock", ""),
    (1216, 1216, Record, "foreign key without its row", ""),
    (1217, 1217, Record, "row that a foreign key of another row needs", ""),
    (1223, 1223, Retry, "the server holds a read lock", ""),
    (1226, 1226, Retry, "the user has reached a limit of the server", ""),
    (1227, 1227, Stop, "no right to do this", "grant the right to the sink's user"),
    (1251, 1251, Stop, "log-in refused", LOGIN),
    (1263, 1263, Record, "null in a column that must have a value", ""),
    (1264, 1264, Record, "number out of the column's range", ""),
    (1265, 1265, Record, "value that does not fit its column", ""),
    (1267, 1267, Stop, "texts of different collations are compared", "give their columns one collation"),
    (1270, 1271, Stop, "texts of different collations are compared", "give their columns one collation"),
    (1286, 1286, Stop, "storage engine not available", ""),
    (1290, 1290, Retry, "the server is read-only", PRIMARY),
    (1292, 1292, Record, "value that does not fit its column", ""),
    (1300, 1300, Record, "text not in the column's character set", ""),
    (1301, 1301, Record, "value larger than max_allowed_packet", ""),
    (1317, 1317, Retry, "statement interrupted", ""),
    (1364, 1364, Record, "no value for a column that must have one", ""),
    (1365, 1365, Record, "division by zero in an expression of the table", ""),
    (1366, 1367, Record, "value that does not fit its column", ""),
    (1369, 1369, Record, "the view's check option refused the row", ""),
    (1406, 1406, Record, "value too long for its column", ""),
    (1411, 1411, Record, "value that does not fit its column", ""),
    (1412, 1412, Retry, "the table has just been changed", ""),
    (1416, 1416, Record, "not a geometry", ""),
    (1441, 1441, Record, "date or time out of range", ""),
    (1451, 1451, Record, "row that a foreign key of another row needs", ""),
    (1452, 1452, Record, "foreign key without its row", ""),
    (1461, 1461, Retry, "the server has too many prepared statements", "raise max_prepared_stmt_count"),
    (1524, 1524, Stop, "log-in refused", LOGIN),
    (1525, 1525, Record, "value that does not fit its column", ""),
    (1526, 1526, Record, "no partition of the table takes the row", ""),
    (1557, 1557, Record, "foreign key that would be there twice", ""),
    (1586, 1586, Record, "key that is there already", ""),
    (1615, 1615, Retry, "the table has just been changed", ""),
    (1637, 1637, Retry, "the server has too many transactions", ""),
    (1644, 1644, Record, "a trigger of the table refused the row", ""),
    (1665, 1665, Stop, "the binary log cannot hold this", BINARY_LOG),
    (1689, 1689, Retry, "lock not available in time", ""),
    (1690, 1690, Record, "number out of the column's range", ""),
    (1748, 1748, Record, "no partition of the table takes the row", ""),
    (1761, 1762, Record, "foreign key that would be there twice", ""),
    (1792, 1792, Retry, "the transaction is read-only", PRIMARY),
    (1820, 1820, Stop, "the password has expired", LOGIN),
    (1836, 1836, Retry, "the server is read-only", PRIMARY),
    (1862, 1862, Stop, "the password has expired", LOGIN),
    (1906, 1906, Stop, "column is generated", DESCRIBE_AGAIN),
    (1881, 1881, Retry, "the server is recovering", ""),
    (1927, 1927, Retry, "the session was ended", ""),
    (1969, 1969, Retry, "statement took too long", ""),
    (3024, 3024, Retry, "statement took too long", ""),
    (3032, 3032, Record, "number out of the column's range", ""),
    (3037, 3037, Record, "not a geometry", ""),
    (3058, 3058, Retry, "deadlock", ""),
    (3105, 3105, Stop, "column is generated", DESCRIBE_AGAIN),
    (3098, 3098, Stop, "the cluster does not take this table", "give the table a primary key"),
    (3100, 3101, Retry, "transaction rolled back by the cluster", ""),
    (3118, 3118, Stop, "the user is locked", LOGIN),
    (3140, 3158, Record, "not a json document", ""),
    (3159, 3159, Stop, "the server requires tls", "set sslMode=REQUIRED in connection.url"),
    (3168, 3168, Retry, "the server is not ready", ""),
    (3169, 3169, Retry, "the session was ended", ""),
    (3170, 3170, Retry, "the server is short of memory", ""),
    (3572, 3572, Retry, "lock not available in time", ""),
    (3616, 3618, Record, "not a geometry", ""),
    (3643, 3643, Record, "geometry of another reference system than its column", ""),
    (3731, 3732, Record, "not a geometry", ""),
    (3751, 3752, Record, "value that does not fit an index of the table", ""),
    (3819, 3819, Record, "check constraint violated", ""),
    (3854, 3854, Record, "text not in the column's character set", ""),
    (3988, 3988, Record, "text not in the column's character set", ""),
    (3903, 3904, Record, "value that does not fit an index of the table", ""),
    (3955, 3957, Stop, "log-in refused", LOGIN),
    (4025, 4025, Record, "check constraint violated", ""),
    (4031, 4031, Retry, "session ended: idle in a transaction for too long", ""),
    (6136, 6139, Record, "not a vector", ""),
];

/// Of codes that the table does not have: the class of their SQLSTATE, which triggers choose too.
const STATES: &[(&str, ErrorClass, &str)] = &[
    ("08", Retry, "connection failure"),
    ("22", Record, "value not accepted"),
    ("23", Record, "integrity rule violated"),
    ("40", Retry, "transaction rolled back by the server"),
    ("45", Record, "a trigger of the table refused the row"),
];

/// What may be done about an error with this code and SQLSTATE.
pub(super) fn classify(code: u16, state: &str) -> Verdict {
    let fitting = TABLE
        .iter()
        .filter(|(first, last, ..)| (*first..=*last).contains(&code));
    if let Some((_, _, class, condition, advice)) =
        fitting.min_by_key(|(first, last, ..)| last - first)
    {
        return Verdict {
            class: *class,
            condition,
            advice,
        };
    }
    let known = STATES.iter().find(|entry| state.starts_with(entry.0));
    let (class, condition) = known.map_or((Stop, "unexpected error"), |entry| (entry.1, entry.2));
    Verdict {
        class,
        condition,
        advice: "",
    }
}

/// The server ends the session with this error; or it is read-only, as the old primary is after a
/// switch-over, and keeps the session, which would stay with it for ever: a new one finds the new primary.
fn ends_session(code: u16) -> bool {
    matches!(
        code,
        1053 | 1077..=1080 | 1152..=1161 | 1184 | 1290 | 1792 | 1836 | 1927 | 3169 | 4031
    )
}

/// What a statement meets whose table or columns are not what they were when it was made: none of
/// that name, or generated now; or a column that somebody else has added.
fn is_changed_table(code: u16) -> bool {
    matches!(code, 1054 | 1060 | 1146 | 1906 | 3105)
}

/// A statement took longer than the server lets it.
fn is_past_deadline(code: u16) -> bool {
    matches!(code, 1969 | 3024)
}

/// A foreign key is violated.
fn is_broken_reference(code: u16) -> bool {
    matches!(code, 1216 | 1217 | 1451 | 1452)
}

/// The user may not do this: to the database, to a table or a column, or without a privilege of its own.
fn is_want_of_a_right(code: u16) -> bool {
    matches!(code, 1044 | 1142 | 1143 | 1227)
}

/// The server does not give user locks: a cluster has none for all its nodes, and may refuse to pretend
/// that it has (`pxc_strict_mode`).
pub(super) fn is_no_lock(error: &mysql_async::ServerError) -> bool {
    classify(error.code, &error.state).class == Stop
}

/// Two texts cannot be compared, since there is no character set or collation for both.
pub(super) fn is_incomparable(code: u16) -> bool {
    matches!(code, 1267 | 1270 | 1271)
}

/// The error of a statement that compares the keys of rows with those of the table.
pub(super) fn incomparable_key(error: &mysql_async::ServerError) -> SinkError {
    let message = format!(
        "key that is not in its column's character set (error {})",
        error.code
    );
    SinkError::new(Record, message)
}

/// A `COMMIT` answered with this error is known to have been rolled back.
pub(super) fn commit_is_known(code: u16) -> bool {
    matches!(code, DEADLOCK | ROLLED_BACK_AT_COMMIT)
}

/// The error of a statement that carries no rows. No record can be at fault.
pub(super) fn statement_error(action: &str, error: &mysql_async::ServerError) -> SinkError {
    let mut verdict = classify(error.code, &error.state);
    if verdict.class == Record {
        verdict.class = Stop;
    }
    sink_error(action, error, verdict)
}

/// The error of a statement that carries rows. `check` is how an upsert has a conflict refused that is
/// not one of the key.
pub(super) fn row_error(
    action: &str,
    error: &mysql_async::ServerError,
    check: Option<KeyCheck<'_>>,
) -> SinkError {
    let mut verdict = classify(error.code, &error.state);
    let is_refused = |check: KeyCheck<'_>| {
        check.codes.contains(&error.code) && column_in(&error.message) == Some(check.name)
    };
    if check.is_some_and(is_refused) {
        verdict.condition = "the row's key is new, but another unique key of it is there already; \
                             or its key is null";
    }
    sink_error(action, error, verdict)
}

/// `action` is what was done: `write rows`.
fn sink_error(action: &str, error: &mysql_async::ServerError, verdict: Verdict) -> SinkError {
    let mut message = match verdict.class {
        Record => verdict.condition.to_owned(),
        _ => format!("cannot {action}: {}: {}", verdict.condition, error.message),
    };
    if verdict.class == Record
        && let Some((kind, name)) = name_in(&error.message)
    {
        message.push_str(&format!(", {kind} \"{name}\""));
    }
    message.push_str(&format!(" (error {})", error.code));
    if !verdict.advice.is_empty() {
        message.push_str("; ");
        message.push_str(verdict.advice);
    }
    let mut failed = SinkError::new(verdict.class, message);
    if is_changed_table(error.code) {
        failed = failed.with_changed_table();
    }
    if is_want_of_a_right(error.code) {
        failed = failed.for_want_of_a_right();
    }
    if is_broken_reference(error.code) && verdict.class == Record {
        failed = failed.with_broken_reference();
    }
    if is_past_deadline(error.code) {
        failed = failed.past_deadline();
    }
    if ends_session(error.code) {
        return failed.losing_connection();
    }
    failed
}

/// The thing that a message names last: values stand before it.
fn name_in(message: &str) -> Option<(&'static str, &str)> {
    const SIGNS: [(&str, &str, &str); 6] = [
        ("key", " for key '", "'"),
        ("column", " for column '", "' at row"),
        ("column", " for column ", " at row"),
        ("column", " in value for column '", "'."),
        ("constraint", "CONSTRAINT `", "` "),
        ("constraint", "Check constraint '", "' is violated"),
    ];
    for (kind, before, after) in SIGNS {
        let Some((_, rest)) = message.rsplit_once(before) else {
            continue;
        };
        // Behind the constraint of a foreign key stand its columns, and the other table.
        let found = match kind {
            "constraint" => rest.split_once(after),
            _ => rest.rsplit_once(after),
        };
        if let Some((name, _)) = found {
            let name = name.trim_matches('`');
            return (!name.contains(['\'', '"'])).then_some((kind, name));
        }
    }
    quoted_name(message).map(|name| ("column", name))
}

/// The column that a message names, without its table.
fn column_in(message: &str) -> Option<&str> {
    let (_, name) = name_in(message).filter(|(kind, _)| *kind == "column")?;
    name.rsplit("`.`").next()
}

/// `Column 'id' cannot be null`, `Field 'id' doesn't have a default value`: no value in these.
fn quoted_name(message: &str) -> Option<&str> {
    let rest = message
        .strip_prefix("Column '")
        .or_else(|| message.strip_prefix("Field '"))?;
    rest.split_once('\'').map(|(name, _)| name)
}

#[cfg(test)]
mod tests;
