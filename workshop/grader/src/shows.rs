//! A comparison of what the kernel shows with what it should show.

use std::fmt::Display;

use crate::host::Host;

/// What the kernel shows, to be compared with what it should show. Its functions take it by value: those come before the ones
/// of a trait that a learner's file may have.
pub struct Shows<'a> {
    pub(crate) host: &'a Host,
    pub(crate) what: String,
    pub(crate) value: String,
}

impl Shows<'_> {
    /// Fails where it is not this value.
    #[track_caller]
    pub fn should_be(self, value: impl Display) {
        self.judge(self.value == value.to_string(), "", &value);
    }

    /// As [`Shows::should_be`], for what is somebody's, and says whose: `pause's`.
    #[track_caller]
    pub fn should_be_that(self, whose: &str, value: impl Display) {
        let right = self.value == value.to_string();
        self.judge(right, "", &format_args!("{value}, {whose}"));
    }

    /// Fails where it is this value.
    #[track_caller]
    pub fn should_not_be(self, value: impl Display) {
        self.judge(self.value != value.to_string(), "not ", &value);
    }

    /// Fails where this is no part of the value.
    #[track_caller]
    pub fn should_have(self, part: impl Display) {
        self.judge(self.value.contains(&part.to_string()), "something with ", &part);
    }

    /// Fails where this is a part of the value.
    #[track_caller]
    pub fn should_not_have(self, part: impl Display) {
        self.judge(!self.value.contains(&part.to_string()), "nothing with ", &part);
    }

    /// Returns what a failure says.
    pub(crate) fn wrong(&self, relation: &str, expected: &dyn Display) -> String {
        let (value, expected) = (self.named(&self.value), self.named(&expected.to_string()));
        testbed::wrong(&self.what, &value, relation, &expected)
    }

    /// Returns a value, and that it is the host's namespace, where it is: from its number nobody could tell.
    fn named(&self, value: &str) -> String {
        let is_hosts = self.host.namespaces().values().any(|own| own == value);
        if is_hosts { format!("{value}, the host's") } else { value.to_owned() }
    }

    #[track_caller]
    fn judge(&self, right: bool, relation: &str, expected: &dyn Display) {
        if !right {
            self.host.fail(&self.wrong(relation, expected));
        }
    }
}
