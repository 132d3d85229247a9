//! Memory that is freed and wanted again at once.
//!
//! What a broker sends is received into blocks of some MiB, one after the other. The GNU C library gets
//! such a block from the system and gives it back when it is freed, and every page of it costs a fault
//! again, which came to a twelfth of what a record costs. How large a block must be for that is not
//! fixed: the library learns it from the largest one that it saw freed, and then keeps up to twice as
//! much at hand (`mallopt(3)`, `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD`). So it is shown one.

use std::hint::black_box;

/// As large as anything that comes again and again: a broker's answer, and a batch's rows. Twice this
/// is the most that stays at hand unused.
const LARGEST_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Makes the process keep what it frees for what it needs next. Other allocators than the GNU C
/// library's are not impressed.
pub fn keep_freed_blocks() {
    drop(black_box(Vec::<u8>::with_capacity(LARGEST_KEPT_BYTES)));
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::fs;

    use super::*;

    const BLOCK_BYTES: usize = 4 * 1024 * 1024;
    const PAGE_BYTES: usize = 4096;

    /// Page faults of this thread so far: the tenth field, the first two of which are a number and a name
    /// in brackets (proc_pid_stat(5)).
    fn page_faults() -> Option<usize> {
        let line = fs::read_to_string("/proc/thread-self/stat").ok()?;
        let (_, fields) = line.rsplit_once(')')?;
        fields.split_ascii_whitespace().nth(7)?.parse().ok()
    }

    #[test]
    fn a_large_block_is_used_again() {
        keep_freed_blocks();
        let use_a_block = || drop(black_box(vec![1_u8; BLOCK_BYTES]));
        use_a_block();
        let before = page_faults().unwrap();
        use_a_block();
        let faults = page_faults().unwrap() - before;
        assert!(
            faults < BLOCK_BYTES / PAGE_BYTES / 2,
            "{faults} faults: the block was given back"
        );
    }
}
