//! Faults on demand: which call fails, and how far it got.

use std::collections::VecDeque;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Opening a session.
    Open,
    /// [`Session::describe_table`](crate::Session::describe_table).
    DescribeTable,
    /// [`Session::create_table`](crate::Session::create_table).
    CreateTable,
    /// [`Session::evolve_table`](crate::Session::evolve_table).
    EvolveTable,
    /// [`Session::claim`](crate::Session::claim).
    Claim,
    /// [`Session::write_starts`](crate::Session::write_starts).
    WriteStarts,
    /// [`Session::renew`](crate::Session::renew).
    Renew,
    /// [`Session::read_positions`](crate::Session::read_positions).
    ReadPositions,
    /// [`Session::reset_positions`](crate::Session::reset_positions).
    ResetPositions,
    /// [`Session::write`](crate::Session::write).
    Write,
    /// Each step of [`Session::find_rejects`](crate::Session::find_rejects).
    FindRejects,
    /// [`Session::read_letters`](crate::Session::read_letters).
    ReadLetters,
}

/// How a call fails. For [`Call::Open`] each of them means that there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A *retry* error before anything happened; the session is fine.
    Refused,
    /// A *record* error that no single row causes, before anything happened; the session is fine.
    RefusedAsAWhole,
    /// A *record* error of what took too long, such as a change of a table; the session is fine.
    RefusedLate,
    /// A *stop* error before anything happened; the session is fine.
    Stopped,
    /// Not done before its deadline; the connection is cut.
    Late,
    /// The connection is lost, surely before the commit.
    LostBeforeCommit,
    /// Done, but the answer is lost: the caller cannot know.
    LostReplyDone,
    /// Not done, and the answer is lost: the caller cannot know.
    LostReplyNotDone,
}

/// The faults that leave a caller with something to settle; what [`Faults::seeded`] draws from.
const RECOVERABLE: [Fault; 4] = [
    Fault::Refused,
    Fault::LostBeforeCommit,
    Fault::LostReplyDone,
    Fault::LostReplyNotDone,
];

/// Decides for every call whether and how it fails.
pub struct Faults(Source);

enum Source {
    Scripted(VecDeque<(Call, Fault)>),
    Seeded {
        random: fastrand::Rng,
        per_mille: u32,
        left: usize,
    },
    Function(Box<dyn FnMut(Call) -> Option<Fault> + Send>),
}

impl Faults {
    /// Nothing fails.
    pub fn none() -> Self {
        Self::scripted([])
    }

    /// In order: the next call of the first entry's kind fails its way, then the second entry
    /// waits for its call, and so on. Other calls pass.
    pub fn scripted(script: impl IntoIterator<Item = (Call, Fault)>) -> Self {
        Self(Source::Scripted(script.into_iter().collect()))
    }

    /// About `per_mille` of 1,000 calls fail, each in a random recoverable way, until `most` have;
    /// the same for the same seed and calls.
    pub fn seeded(seed: u64, per_mille: u32, most: usize) -> Self {
        Self(Source::Seeded {
            random: fastrand::Rng::with_seed(seed),
            per_mille,
            left: most,
        })
    }

    /// Asks `decide` at every call, under the database's lock: it must not wait.
    pub fn from_fn(decide: impl FnMut(Call) -> Option<Fault> + Send + 'static) -> Self {
        Self(Source::Function(Box::new(decide)))
    }

    pub(super) fn next(&mut self, call: Call) -> Option<Fault> {
        match &mut self.0 {
            Source::Scripted(script) => {
                let (_, fault) = script.pop_front_if(|(expected, _)| *expected == call)?;
                Some(fault)
            }
            Source::Seeded {
                random,
                per_mille,
                left,
            } => {
                if *left == 0 || random.u32(0..1000) >= *per_mille {
                    return None;
                }
                *left -= 1;
                random.choice(RECOVERABLE)
            }
            Source::Function(decide) => decide(call),
        }
    }
}
