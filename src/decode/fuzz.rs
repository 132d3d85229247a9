//! Inputs that no producer meant to write, for every decoder.
//!
//! Each target has a corpus, `src/decode/fuzz/corpus/<target>`: records as producers write them, and
//! inputs that were once read wrongly. They are changed at random, again and again, and what leads
//! to an answer not seen before is changed further. Whatever the input, a decoder answers with
//! values or with a reason, never panics and never takes long, and reading field by field says the
//! same as reading as a whole.
//!
//! `make test` runs a fixed number of inputs from a fixed seed, so that it says the same each time;
//! `make fuzz` runs many more from a new one, `make fuzz FUZZ_INPUTS=50000000` for a night. What is
//! found is written to `target/fuzz` and named in the message: mend the decoder, and copy the file
//! into the corpus.

mod agreement;
mod mutation;
mod targets;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// Few enough for a debug build to need about a second.
const INPUTS: u64 = 4_000;

/// Longest that one input may take, on a busy machine, in a debug build.
const INPUT_TIME_MAX: Duration = Duration::from_secs(3);

/// Inputs kept for further changes.
const KEPT_MAX: usize = 5_000;

/// Searches one target: `check` reads an input, panics when something is wrong with the answer, and
/// tells it in a few words, by which answers not seen before are known.
fn search(target: &str, dictionary: &[&str], mut check: impl FnMut(&[u8]) -> String) {
    let seed = from_environment("ROWDOCK_TEST_SEED").unwrap_or(20_261_129);
    let count = from_environment("ROWDOCK_FUZZ_INPUTS").unwrap_or(INPUTS);
    let mut random = Rng::with_seed(seed);
    let mut inputs = corpus(target);
    assert!(!inputs.is_empty(), "{target} has no corpus");
    let mut seen = HashSet::new();
    for input in &inputs {
        seen.insert(hash(&guarded(target, input, &mut check)));
    }
    for _ in 0..count {
        let (one, other) = (random.usize(..inputs.len()), random.usize(..inputs.len()));
        let input = mutation::mutated(&mut random, &inputs[one], &inputs[other], dictionary);
        let answer = guarded(target, &input, &mut check);
        if seen.insert(hash(&answer)) && inputs.len() < KEPT_MAX {
            inputs.push(input);
        }
    }
    println!(
        "{target}: {} different answers to {count} inputs",
        seen.len()
    );
}

/// The answer; a panic or a stall names the input that led to it.
fn guarded(target: &str, input: &[u8], check: &mut impl FnMut(&[u8]) -> String) -> String {
    let began = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| check(input)));
    let took = began.elapsed();
    match answer {
        Ok(answer) if took < INPUT_TIME_MAX => answer,
        Ok(_) => panic!("{target} took {took:?} for {}", kept(target, input)),
        Err(_) => panic!(
            "{target} fails (its reason is above) with {}",
            kept(target, input)
        ),
    }
}

/// Writes an input to a file, and tells which.
fn kept(target: &str, input: &[u8]) -> String {
    let folder = root().join("target/fuzz").join(target);
    let file = folder.join(format!("{:016x}", hash(input)));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, input));
    format!(
        "{} ({written:?}): {:?}",
        file.display(),
        String::from_utf8_lossy(input)
    )
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("src/decode/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
