//! A name that somebody has mistyped, and those that they may have meant.

use strsim::damerau_levenshtein;

/// Returns the names that are nearest to one that is not known, the nearest first: at most three, and none where no name is
/// near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase().replace('-', "_");
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|known| {
            let plain = known.replace('-', "_");
            let typing = damerau_levenshtein(&wanted, &plain);
            if typing <= 1 + plain.len().min(wanted.len()) / 4 {
                return Some((typing, known));
            }
            // A part of it, as `port`.
            (wanted.len() > 2 && plain.contains(&wanted)).then_some((usize::MAX, known))
        })
        .collect();
    near.sort_by_key(|(typing, _)| *typing);
    near.into_iter().map(|(_, known)| known).take(3).collect()
}

/// Says them, as a question that follows a message; nothing where there are none.
pub fn did_you_mean(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        near => format!(": did you mean {}?", near.join(", or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] =
        ["reap", "pivot", "nspid", "pids_max", "published_port", "mqueue", "message_queue"];

    #[test]
    fn letters_that_are_wrong_missing_or_exchanged_are_seen_through() {
        for (typed, meant) in [("piovt", "pivot"), ("pivott", "pivot"), ("reep", "reap")] {
            assert_eq!(nearest(typed, KNOWN)[0], meant);
        }
        assert_eq!(nearest("pid-max", KNOWN), ["pids_max"]);
        assert_eq!(nearest("Pivot", KNOWN), ["pivot"]);
    }

    #[test]
    fn a_part_of_a_name_is_enough() {
        assert_eq!(nearest("port", KNOWN), ["published_port"]);
        assert_eq!(nearest("queue", KNOWN), ["mqueue", "message_queue"]);
    }

    #[test]
    fn what_is_near_to_no_name_means_none() {
        assert_eq!(nearest("kubernetes", KNOWN), [""; 0]);
        assert_eq!(nearest("x", KNOWN), [""; 0]);
    }
}
