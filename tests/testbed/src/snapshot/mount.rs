//! A line of /proc/PID/mountinfo, taken apart.

use common::quote::unescaped;

/// A line of mountinfo: proc_pid_mountinfo(5).
pub(super) struct Mount<'a> {
    pub(super) root: &'a str,
    pub(super) point: String,
    pub(super) options: &'a str,
    pub(super) propagation: &'a str,
    pub(super) kind: &'a str,
    pub(super) source: String,
}

impl Mount<'_> {
    pub(super) fn parse(line: &str) -> Option<Mount<'_>> {
        let (first, last) = line.split_once(" - ")?;
        let mut columns = first.splitn(7, ' ').skip(3);
        let (root, point, options) = (columns.next()?, columns.next()?, columns.next()?);
        let mut of_source = last.split(' ');
        let (kind, source) = (of_source.next()?, text(of_source.next()?));
        let propagation = columns.next().unwrap_or_default();
        Some(Mount { root, point: text(point), options, propagation, kind, source })
    }
}

fn text(path: &str) -> String {
    unescaped(path).to_string_lossy().into_owned()
}
