//! The known key that a mistyped one was probably meant to be.

/// Longest key that is compared; the cost grows with the square of the length.
const COMPARED_LENGTH_MAX: usize = 120;

/// The known key nearest to `given`, when it is near enough to be meant: at most a third of the
/// characters differ.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    if given.len() > COMPARED_LENGTH_MAX {
        return None;
    }
    let allowed = given.chars().count() / 3;
    known
        .into_iter()
        .map(|candidate| (distance(&given, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Single-character edits between two texts; exchanging two neighbours is one edit.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, left_char) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right_char) in right.iter().enumerate() {
            let substituted = last[column] + usize::from(left_char != right_char);
            let mut best = substituted
                .min(last[column + 1] + 1)
                .min(current[column] + 1);
            let exchanged = row > 0
                && column > 0
                && left_char == &right[column - 1]
                && &left[row - 1] == right_char;
            if exchanged {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = last;
        last = current;
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        let check = |left: &str, right: &str, expected: usize| {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("topics", "topics", 0);
        check("topic", "topics", 1);
        check("tpoics", "topics", 1);
        check("kitten", "sitting", 3);
    }

    #[test]
    fn the_nearest_key_is_found_unless_all_are_far() {
        let known = ["topics", "topics.regex", "tasks.max", "pk.mode"];
        let check = |given: &str, expected: Option<&str>| {
            assert_eq!(nearest(given, known), expected, "{given}");
        };
        check("task.max", Some("tasks.max"));
        check("Tasks.Max", Some("tasks.max"));
        check("topcis.regex", Some("topics.regex"));
        check("pk.mod", Some("pk.mode"));
        check("completely.different", None);
        check("", None);
        check(&"x".repeat(10_000), None);
    }
}
