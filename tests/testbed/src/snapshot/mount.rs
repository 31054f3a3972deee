//! A line of /proc/PID/mountinfo, taken apart.

use common::quote::unescaped;

/// A line of mountinfo: proc_pid_mountinfo(5).
pub struct Mount<'a> {
    pub(super) root: &'a str,
    /// The mount point.
    pub point: String,
    /// Those of the mount, as in `rw,noexec`.
    pub options: &'a str,
    /// The optional fields, as in `shared:1`.
    pub propagation: &'a str,
    /// The type of the file system.
    pub kind: &'a str,
    pub(super) source: String,
    /// The options of the file system, wherever it is mounted.
    pub of_the_system: &'a str,
}

impl Mount<'_> {
    /// Takes a line apart; None where it is none of mountinfo.
    pub fn parse(line: &str) -> Option<Mount<'_>> {
        let (first, last) = line.split_once(" - ")?;
        let mut columns = first.splitn(7, ' ').skip(3);
        let (root, point, options) = (columns.next()?, columns.next()?, columns.next()?);
        let mut of_source = last.split(' ');
        let (kind, source) = (of_source.next()?, text(of_source.next()?));
        let of_the_system = of_source.next().unwrap_or_default();
        let propagation = columns.next().unwrap_or_default();
        Some(Mount { root, point: text(point), options, propagation, kind, source, of_the_system })
    }
}

fn text(path: &str) -> String {
    unescaped(path).to_string_lossy().into_owned()
}
