//! Who the caller is outside of their user namespace.

use std::fs;

use nix::unistd::geteuid;

/// The caller's user id outside of a user namespace that maps one id, as `cargo rootless` makes it:
/// where everybody is root, the directories of two users would have one name.
pub(super) fn outer_uid() -> u32 {
    let inside = geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().find_map(|line| outer_id(inside, line)).unwrap_or(inside)
}

/// Returns what a line of /proc/PID/uid_map makes of the id `inside`.
fn outer_id(inside: u32, line: &str) -> Option<u32> {
    let numbers: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [first_inside, first_outside, size] = numbers[..] else {
        return None;
    };
    let offset = inside.checked_sub(first_inside).filter(|offset| *offset < size)?;
    first_outside.checked_add(offset)
}

#[cfg(test)]
mod tests {
    use super::outer_id;

    #[test]
    fn an_id_is_mapped_by_the_range_that_holds_it() {
        assert_eq!(outer_id(0, "         0       1000          1"), Some(1000));
        assert_eq!(outer_id(7, "5 100 3"), Some(102));
        assert_eq!(outer_id(0, "0 0 4294967295"), Some(0));
    }

    #[test]
    fn an_id_outside_of_the_range_is_not_mapped() {
        assert_eq!(outer_id(1, "0 1000 1"), None);
        assert_eq!(outer_id(4, "5 100 3"), None);
        assert_eq!(outer_id(0, ""), None);
    }
}
