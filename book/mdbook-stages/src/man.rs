//! Links to man pages.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

static PAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b([a-z][a-z0-9_.+-]*)\(([1-8])\)").expect("a good expression"));

/// Pages that the collection at man7.org does not have; Debian has them.
const ELSEWHERE: &[&str] = &["busybox", "bwrap", "crun", "dash", "debootstrap", "runc", "sh"];

/// Returns the places in a text that name a man page, with their links.
pub fn links(text: &str) -> Vec<(Range<usize>, String)> {
    let pages = PAGE.captures_iter(text).map(|page| {
        let whole = page.get(0).expect("the match");
        (whole.range(), format!("[{}]({})", whole.as_str(), address_of(&page)))
    });
    pages.collect()
}

/// Returns the address of a man page, if the text is the name of one.
pub fn address(text: &str) -> Option<String> {
    PAGE.captures(text).filter(|page| page[0] == *text).map(|page| address_of(&page))
}

fn address_of(page: &Captures) -> String {
    let (name, section) = (&page[1], &page[2]);
    if ELSEWHERE.contains(&name) {
        return format!("https://manpages.debian.org/{name}.{section}");
    }
    format!("https://man7.org/linux/man-pages/man{section}/{name}.{section}.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found() {
        let text = "See clone(2), user_namespaces(7) and f(x); not CLONE(2).";
        let links = links(text);
        assert_eq!(links.len(), 2);
        assert_eq!(&text[links[1].0.clone()], "user_namespaces(7)");
        let address = "https://man7.org/linux/man-pages/man2/clone.2.html";
        assert_eq!(links[0].1, format!("[clone(2)]({address})"));
    }
}
