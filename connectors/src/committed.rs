//! What became of a transaction.

use crate::error::SinkError;

/// The answer to a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    Yes,
    /// Rolled back, for sure.
    No(SinkError),
    /// The connection ended before the answer.
    Unknown(SinkError),
}

impl Committed {
    /// The result of a change that is repeated until it is answered, or made anew: whether one that was
    /// not answered has happened does not matter then, but the connection is of no more use.
    pub(crate) fn or_lost(self) -> Result<(), SinkError> {
        match self {
            Self::Yes => Ok(()),
            Self::No(error) => Err(error),
            Self::Unknown(error) => Err(error.losing_connection()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_answer_costs_the_connection() {
        let error = || SinkError::retry("away");
        assert!(Committed::Yes.or_lost().is_ok());
        let lost = |committed: Committed| committed.or_lost().unwrap_err().connection_lost();
        assert!(!lost(Committed::No(error())));
        assert!(lost(Committed::Unknown(error())));
    }
}
