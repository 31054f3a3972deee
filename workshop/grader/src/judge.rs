//! What of a learner's function is wrong whatever its test is about: it leaves or takes away what it has no business with.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sys::utsname::uname;
use nix::unistd::Pid;
use testbed::probe;

use crate::containers::Containers;
use crate::host::{Host, namespaces};
use crate::own::{self, Lines};
use crate::state::State;

/// What a failure says that changes should not be.
const BEFORE: &str = "what was there before (- is gone, + is new)";

impl Host {
    /// Notes a fault that fails the test in the end, unless it fails for a reason of its own, which tells more.
    pub(crate) fn note(&self, fault: String) {
        self.faults.borrow_mut().push(fault);
    }

    /// Fails where a fault has been noted.
    pub(crate) fn judge(&self) {
        if let Some(fault) = self.faults.borrow().first() {
            self.fail(fault);
        }
    }

    /// Notes what is wrong about what a function has left, and about where its processes are.
    pub(crate) fn judge_all(
        &self,
        process: Pid,
        before: &BTreeMap<String, String>,
        state: Option<State>,
        containers: Option<Containers>,
    ) {
        if !has_proc() {
            let shown = self.shows("what your function leaves on the host", "no /proc");
            return self.note(shown.wrong("what was there before", &""));
        }
        self.judge_namespaces(process, before);
        self.judge_domain(process, before);
        self.judge_state(process, state);
        self.judge_containers(containers);
    }

    /// Whether a learner's function may leave something of this kind on the host, such as `+ mount:`.
    pub(crate) fn may_leave_a(&self, kind: &str) -> bool {
        self.may_leave.borrow().iter().any(|change| change.starts_with(kind))
    }

    /// Whether a learner's function may make or enter a namespace of this kind.
    pub(crate) fn kind_may_change(&self, kind: &str) -> bool {
        self.kinds.borrow().iter().any(|known| known == kind.trim_end_matches("_for_children"))
    }

    /// Returns those changes that the test has not allowed.
    fn not_allowed(&self, changes: Vec<String>) -> Vec<String> {
        let may_leave = self.may_leave.borrow();
        let allowed = |change: &String| may_leave.iter().any(|name| is_about(change, name));
        changes.into_iter().filter(|change| !allowed(change)).collect()
    }

    /// Notes those changes that the test has not allowed, if there are any.
    fn note_changes(&self, what: &str, changes: Vec<String>, expected: &str) {
        let changes = self.not_allowed(changes);
        if !changes.is_empty() {
            self.note(self.shows(what, listed(&changes)).wrong(expected, &""));
        }
    }

    /// Notes what a process has otherwise than before, of its own.
    ///
    /// - `seen`, `told`: by the host and by the process itself, before and after.
    pub(crate) fn judge_own(&self, seen: [&Lines; 2], told: [&Lines; 2], watched: bool) {
        let user = self.kind_may_change("user");
        let pairs = [seen, told].into_iter();
        let changes = pairs.flat_map(|[before, now]| own::changes(before, now, user, watched));
        let what = "what your function changes of its own process";
        self.note_changes(what, changes.collect(), BEFORE);
    }

    /// Notes what the programs have otherwise that a function has started, and that have not ended.
    ///
    /// - `before`: what it has had of its own.
    pub(crate) fn judge_programs(&self, function: Pid, before: &Lines) {
        let programs = if has_proc() { probe::descendants(function) } else { Vec::new() };
        for child in programs {
            let Some(handed_down) = own::handed_down(child, function) else { continue };
            let other = handed_down.difference(before);
            let name = probe::read(child, "comm");
            let what =
                format!("what the program {} has otherwise than its parent", name.trim_end());
            self.note_changes(&what, other.map(|line| format!("+ {line}")).collect(), BEFORE);
        }
    }

    /// Notes where the host is not as it was, but for what may be left.
    fn judge_state(&self, own: Pid, before: Option<State>) {
        let Some(before) = before else { return };
        self.note_changes("what your function leaves on the host", before.changes(own), BEFORE);
    }

    /// Notes what a function has changed in the containers that were there before, and what one that it has made has mounted,
    /// but for what may be.
    fn judge_containers(&self, before: Option<Containers>) {
        let (Some(before), Some(now)) = (before, self.containers()) else { return };
        let what = "what your function leaves in a container";
        self.note_changes(what, before.changes_to(&now), BEFORE);
        let relation =
            "what the host has mounted, and what the task says (- is missing, + is too much)";
        let mounted = before.mounted_since(&now, &self.inside.borrow());
        self.note_changes("what is mounted in the container", mounted, relation);
    }

    /// Notes where a process, or one that comes from it, is in other namespaces than those that the first one was in,
    /// but for the kinds that may change.
    fn judge_namespaces(&self, process: Pid, before: &BTreeMap<String, String>) {
        let may_change = |kind: &str| self.kind_may_change(kind);
        for pid in [process].into_iter().chain(probe::descendants(process)) {
            let now = namespaces(pid);
            for (kind, known) in before.iter().filter(|(kind, _)| !may_change(kind)) {
                // A new PID namespace has no name before there is a process in it; a process that has ended has none.
                let namespace = now.get(kind).map_or("a new one", String::as_str);
                if !now.is_empty() && namespace != known {
                    let name = probe::read(pid, "comm");
                    let what = format!(
                        "a namespace that is none of your function's business, {kind} of process {pid} ({})",
                        name.trim_end()
                    );
                    self.note(self.shows(&what, namespace).wrong("", known));
                }
            }
        }
    }

    /// Notes where the other name has changed of a UTS namespace that a function has made or entered: uts_namespaces(7).
    fn judge_domain(&self, process: Pid, before: &BTreeMap<String, String>) {
        let now = namespaces(process);
        let is_other = now.get("uts").is_some_and(|now| before.get("uts") != Some(now));
        let may_change = self.not_allowed(vec!["+ domain name".into()]).is_empty();
        if may_change || !is_other {
            return;
        }
        // Where it may not be entered, its test says what is wrong with it.
        let own = domain_name();
        let there = self.inside_if_allowed(process, &["uts"], domain_name);
        if let Some(name) = there.filter(|name| *name != own) {
            let shown = self.shows("the container's NIS domain name", name);
            self.note(shown.wrong("", &own));
        }
    }

    /// Returns what a failure says where a test has found nothing to look at: what a function has done otherwise, if that is
    /// known, since the one comes of the other.
    pub(crate) fn surprised(&self, surprise: &str) -> String {
        let fault = self.faults.borrow().first().cloned();
        let fault = fault.unwrap_or_else(|| {
            // What `unwrap` says has a beginning that tells a learner nothing.
            let surprise = surprise.replace("called `Result::unwrap()` on an `Err` value: ", "");
            let shown = self.shows("what your function leaves to be looked at", surprise);
            shown.wrong("", &"what the task says")
        });
        format!("{fault}\n{}", self.read)
    }
}

/// Whether this process still sees itself: a function can have taken the host's /proc away.
fn has_proc() -> bool {
    Path::new("/proc/self").exists()
}

/// Returns the NIS domain name of this process's UTS namespace.
fn domain_name() -> String {
    let names = uname().expect("uname has no way to fail");
    names.domainname().to_string_lossy().into_owned()
}

/// Returns changes for a message, a line each: the first ones, and how many more there are.
fn listed(changes: &[String]) -> String {
    const FIRST: usize = 12;
    let mut lines: Vec<_> = changes.iter().take(FIRST).cloned().collect();
    if changes.len() > FIRST {
        lines.push(format!("and {} more", changes.len() - FIRST));
    }
    lines.join("\n")
}

/// Whether a change is about what has this name, or about something below: `+ file: /tmp/one` is the name of `+ file: /tmp/one, a
/// directory` and of `+ file: /tmp/one/deeper`, and not of `+ file: /tmp/one-more`.
fn is_about(change: &str, name: &str) -> bool {
    let signed = name.starts_with(['+', '-']);
    let change = if signed { change } else { change.get(2..).unwrap_or_default() };
    let Some(rest) = change.strip_prefix(name) else { return false };
    name.ends_with([':', '/']) || rest.is_empty() || rest.starts_with([',', '/', ' ', ':'])
}
