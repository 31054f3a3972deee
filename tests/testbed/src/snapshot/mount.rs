//! A line of /proc/PID/mountinfo, taken apart.

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
        let (kind, source) = (of_source.next()?, unescaped(of_source.next()?));
        let propagation = columns.next().unwrap_or_default();
        Some(Mount { root, point: unescaped(point), options, propagation, kind, source })
    }
}

/// Undoes what the kernel does to white space and backslashes in a path.
pub(crate) fn unescaped(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, plain)| path.replace(escape, plain))
}
