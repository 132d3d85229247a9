//! What may be done about an error of the driver. Pure.
//!
//! | error                                                             | class  |
//! |-------------------------------------------------------------------|--------|
//! | no connection, no answer in time, overloaded, too few replicas, roles that a node cannot read | retry |
//! | the statement is refused as invalid                                | record, and the table may have changed |
//! | the row is larger than the server takes                            | record |
//! | a guardrail of the server: its disks are full; the row's own; any other | retry; record; stop |
//! | no such table or keyspace, no rights, a wrong password, a statement that is wrong | stop |

use scylla::errors::{
    BadQuery, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError,
    ExecutionError, MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use crate::error::{ErrorClass, SinkError};

/// What the server says of a row that no commit log segment can hold. It has no code of its own.
const TOO_LARGE: [&str; 2] = ["too large for the maximum size", "exceeds maximum allowed"];

/// Guardrails answer with the code of a statement that is wrong. This begins what they say.
const GUARDRAIL: &str = "Guardrail ";
/// A disk of a replica is too full, which passes.
const DISK_FULL: &str = "disk usage exceeds";
/// In names of guardrails that look at values or at the row's write timestamp.
const GUARDS_OF_ROWS: [&str; 4] = [
    "_size violated",
    "items_per_collection violated",
    "maximum_timestamp violated",
    "minimum_timestamp violated",
];

/// What Cassandra says, as if it refused, when it cannot read its own tables of roles and rights. Says
/// nothing about the user, and passes when the nodes are back.
const ROLES_UNREAD: &str = "Unable to perform auth";

/// An error while a session is opened.
pub(super) fn of_opening(error: &NewSessionError) -> SinkError {
    let refused = match error {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken {
                last_connection_error: ConnectionError::ConnectionSetupRequestError(setup),
            },
        )) => refusal(setup.get_error()),
        NewSessionError::EmptyKnownNodesList | NewSessionError::IllegalConfig(_) => {
            Some("the connection's settings cannot be used")
        }
        _ => None,
    };
    let error_out = match refused {
        Some(refused) => SinkError::stop(refused),
        None => SinkError::retry("cassandra cannot be reached"),
    };
    error_out.with_source(error.clone()).losing_connection()
}

/// What to do about a node that lets no one in.
fn refusal(error: &ConnectionSetupRequestErrorKind) -> Option<&'static str> {
    use ConnectionSetupRequestErrorKind as Kind;
    match error {
        Kind::DbError(_, reason) if reason.starts_with(ROLES_UNREAD) => None,
        Kind::DbError(DbError::AuthenticationError, _)
        | Kind::AuthFinishError(_)
        | Kind::StartAuthSessionError(_) => Some(
            "cassandra refuses user and password; check connection.user and connection.password",
        ),
        Kind::MissingAuthentication => Some(
            "cassandra wants a user and a password; set connection.user and connection.password",
        ),
        _ => None,
    }
}

/// An error while a statement is prepared: the table is not what the statement takes it for, or
/// there is no such right.
pub(super) fn of_preparing(error: &PrepareError) -> SinkError {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => {
            of_attempt(first_attempt, "prepare a statement", Phase::Preparing)
        }
        PrepareError::ConnectionPoolError(_) => {
            SinkError::retry("cassandra cannot be reached").losing_connection()
        }
        _ => SinkError::retry("nodes disagree on a prepared statement"),
    }
    .with_source(error.clone())
}

/// An error while a statement is executed.
pub(super) fn of_executing(error: &ExecutionError, what: &str) -> SinkError {
    let classified = match error {
        ExecutionError::LastAttemptError(attempt) => of_attempt(attempt, what, Phase::Executing),
        ExecutionError::PrepareError(error) => return of_preparing(error),
        ExecutionError::BadQuery(BadQuery::ValuesTooLongForKey(..)) => SinkError::new(
            ErrorClass::Record,
            "the partition key is longer than cassandra takes",
        ),
        ExecutionError::BadQuery(_) => SinkError::stop(format!(
            "internal error, cannot {what}: the statement cannot be sent"
        )),
        ExecutionError::RequestTimeout(limit) => SinkError::retry(format!(
            "cannot {what}: no answer within {} ms",
            limit.as_millis()
        )),
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => {
            SinkError::retry(format!("cannot {what}: no node can be reached")).losing_connection()
        }
        ExecutionError::SchemaAgreementError(_) => SinkError::retry(format!(
            "cannot {what}: the nodes do not agree on the schema yet"
        )),
        _ => SinkError::retry(format!("cannot {what}")),
    };
    classified.with_source(error.clone())
}

/// An error while the catalog is read, of which nothing is ever a record's fault.
pub(super) fn of_reading_catalog(error: &ExecutionError) -> SinkError {
    let classified = of_executing(error, "read the catalog");
    match classified.class() {
        ErrorClass::Record => SinkError::stop(classified.to_string()).with_source(error.clone()),
        _ => classified,
    }
}

/// While what an error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Preparing,
    Executing,
}

fn of_attempt(error: &RequestAttemptError, what: &str, phase: Phase) -> SinkError {
    match error {
        RequestAttemptError::DbError(code, message) => of_code(code, message, what, phase),
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_) => SinkError::new(
            ErrorClass::Record,
            format!("cannot {what}: the row is too large to be sent"),
        ),
        RequestAttemptError::RepreparedIdChanged { .. } => {
            SinkError::stop(format!("cannot {what}: the table has changed")).with_changed_table()
        }
        RequestAttemptError::UnableToAllocStreamId
        | RequestAttemptError::BrokenConnectionError(_) => {
            SinkError::retry(format!("cannot {what}: the connection was lost"))
        }
        _ => SinkError::retry(format!("cannot {what}: the answer cannot be understood")),
    }
}

fn of_code(code: &DbError, message: &str, what: &str, phase: Phase) -> SinkError {
    let text = format!("cannot {what}: {message}");
    if TOO_LARGE.iter().any(|words| message.contains(words)) {
        return SinkError::new(ErrorClass::Record, text);
    }
    if message.starts_with(ROLES_UNREAD) {
        return SinkError::retry(text);
    }
    if let (DbError::Invalid, Some(class)) = (code, class_of_guardrail(message)) {
        return SinkError::new(class, text);
    }
    match code {
        // While a statement is prepared no row can be at fault.
        DbError::Invalid if phase == Phase::Preparing => SinkError::stop(text).with_changed_table(),
        DbError::Invalid => SinkError::new(ErrorClass::Record, text).with_changed_table(),
        DbError::Unauthorized => SinkError::stop(text).for_want_of_a_right(),
        DbError::SyntaxError
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. }
        | DbError::AuthenticationError
        | DbError::ConfigError
        | DbError::ProtocolError => SinkError::stop(text),
        _ => SinkError::retry(text),
    }
}

/// `None`: it is none. What guards no row refuses every row alike, such as a consistency that an operator has
/// forbidden.
fn class_of_guardrail(message: &str) -> Option<ErrorClass> {
    if message.contains(DISK_FULL) {
        return Some(ErrorClass::Retry);
    }
    let is_of_row = || GUARDS_OF_ROWS.iter().any(|words| message.contains(words));
    let is_guardrail = message.starts_with(GUARDRAIL);
    is_guardrail.then(|| match is_of_row() {
        true => ErrorClass::Record,
        false => ErrorClass::Stop,
    })
}

/// An error while the schema is changed, which no record is at fault for.
pub(super) fn of_defining(error: SinkError) -> SinkError {
    match error.class() {
        ErrorClass::Record => SinkError::stop(error.to_string()).with_source(error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::WriteType;
    use scylla::frame::types::Consistency;

    use super::*;

    fn execution(code: DbError, message: &str) -> ExecutionError {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(code, message.to_owned()))
    }

    #[test]
    fn classes_by_code() {
        let check = |code: DbError, expected: ErrorClass, changed: bool| {
            let error = of_executing(&execution(code.clone(), "why"), "write a row");
            assert_eq!(
                (error.class(), error.table_changed()),
                (expected, changed),
                "{code:?}"
            );
            assert!(
                error.to_string().contains("why") && !error.commit_unknown(),
                "{error}"
            );
        };
        let consistency = Consistency::LocalQuorum;
        check(DbError::Invalid, ErrorClass::Record, true);
        check(DbError::SyntaxError, ErrorClass::Stop, false);
        check(DbError::Unauthorized, ErrorClass::Stop, false);
        check(DbError::ConfigError, ErrorClass::Stop, false);
        check(DbError::Overloaded, ErrorClass::Retry, false);
        check(DbError::IsBootstrapping, ErrorClass::Retry, false);
        check(DbError::ServerError, ErrorClass::Retry, false);
        let unavailable = DbError::Unavailable {
            consistency,
            required: 2,
            alive: 1,
        };
        check(unavailable, ErrorClass::Retry, false);
        let timeout = DbError::WriteTimeout {
            consistency,
            received: 1,
            required: 2,
            write_type: WriteType::Simple,
        };
        check(timeout, ErrorClass::Retry, false);
    }

    #[test]
    fn roles_that_cannot_be_read_are_no_refusal() {
        let opening = |reason: &str| {
            let code = DbError::AuthenticationError;
            refusal(&ConnectionSetupRequestErrorKind::DbError(
                code,
                reason.to_owned(),
            ))
        };
        let reason = "Provided username writer and/or password are incorrect";
        assert!(opening(reason).is_some());
        let reason = "Unable to perform authentication: Cannot achieve consistency level LOCAL_ONE";
        assert_eq!(opening(reason), None);
        let reason = "Unable to perform authorization of permissions: Operation timed out";
        let error = of_executing(&execution(DbError::Unauthorized, reason), "write a row");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    }

    #[test]
    fn rows_that_are_too_large_are_at_fault() {
        let message = "Mutation of 9437259 bytes is too large for the maximum size of 4194304";
        let error = of_executing(&execution(DbError::ServerError, message), "write a row");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
    }

    #[test]
    fn guardrails_are_told_apart() {
        let check = |message: &str, expected: ErrorClass| {
            let error = of_executing(&execution(DbError::Invalid, message), "write a row");
            assert_eq!(error.class(), expected, "{error}");
            assert!(!error.table_changed(), "{error}");
        };
        check(
            "Guardrail replica_disk_usage violated: Write request failed because disk usage exceeds failure threshold in node /10.0.0.7",
            ErrorClass::Retry,
        );
        check(
            "Write request failed because disk usage exceeds failure threshold",
            ErrorClass::Retry,
        );
        check(
            "Guardrail write_consistency_levels violated: Provided values [ONE] are not allowed for write consistency levels",
            ErrorClass::Stop,
        );
        check(
            "Guardrail user_timestamps violated: User provided timestamps (USING TIMESTAMP) is not allowed",
            ErrorClass::Stop,
        );
        check(
            "Guardrail column_value_size violated: Value of column 'n' has size 2MiB, this exceeds the failure threshold of 1MiB.",
            ErrorClass::Record,
        );
        check(
            "Guardrail maximum_timestamp violated: The modification to table t has a timestamp after the maximum",
            ErrorClass::Record,
        );
    }

    #[test]
    fn no_record_is_at_fault_when_the_schema_cannot_be_changed() {
        let check = |code: DbError, expected: ErrorClass| {
            let error = of_executing(&execution(code, "why"), "change the schema");
            assert_eq!(of_defining(error).class(), expected);
        };
        check(DbError::Invalid, ErrorClass::Stop);
        check(DbError::Unauthorized, ErrorClass::Stop);
        check(DbError::Overloaded, ErrorClass::Retry);
    }

    #[test]
    fn what_cannot_be_sent() {
        let check = |error: ExecutionError, expected: ErrorClass, lost: bool| {
            let classified = of_executing(&error, "write a row");
            assert_eq!(
                (classified.class(), classified.connection_lost()),
                (expected, lost),
                "{error}"
            );
        };
        check(ExecutionError::EmptyPlan, ErrorClass::Retry, true);
        check(
            ExecutionError::RequestTimeout(Duration::from_secs(1)),
            ErrorClass::Retry,
            false,
        );
        let too_long = ExecutionError::BadQuery(BadQuery::ValuesTooLongForKey(70_000, 65_535));
        check(too_long, ErrorClass::Record, false);
    }

    #[test]
    fn no_record_is_at_fault_when_the_catalog_cannot_be_read() {
        let check = |code: DbError, expected: ErrorClass| {
            let error = of_reading_catalog(&execution(code, "why"));
            assert_eq!(error.class(), expected, "{error}");
        };
        check(DbError::Invalid, ErrorClass::Stop);
        check(DbError::Overloaded, ErrorClass::Retry);
    }

    #[test]
    fn a_refused_preparation_is_a_changed_table() {
        let error = of_preparing(&PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(
                DbError::Invalid,
                "table t does not exist".into(),
            ),
        });
        assert_eq!(
            (error.class(), error.table_changed()),
            (ErrorClass::Stop, true)
        );
    }
}
