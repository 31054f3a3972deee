//! Where a process is: on the host, in a container, in a container in that.

use crate::process::Namespaces;

/// The lane of what has all namespaces that the launcher was started with.
pub const HOST: &str = "host";

/// The lane of what has only a user namespace or a network of its own: it sees the host's files, processes and name.
const AROUND: &str = "around";

/// The containers that were seen, by the namespaces that their first process was born or moved into.
#[derive(Debug, Default)]
pub struct Lanes {
    containers: Vec<Namespaces>,
}

/// What a container has, and what is only around one.
fn makes_a_container(new: &[&str]) -> bool {
    new.iter().any(|kind| !["user", "net", "time"].contains(kind))
}

impl Lanes {
    /// Returns the lane of a child of a process in `lane`. `new` are the namespaces that the child has and its parent
    /// has not; `asked` says that the call which made it asked for some of them.
    pub fn of_child(&mut self, lane: &str, new: &[&str], asked: bool, own: &Namespaces) -> String {
        // In a PID namespace that its parent has made for its children, a child is still in the parent's container.
        if new.is_empty() || (!asked && lane != HOST && lane != AROUND) {
            lane.into()
        } else if makes_a_container(new) {
            self.container(own)
        } else if lane == HOST {
            AROUND.into()
        } else {
            lane.into()
        }
    }

    /// Returns the lane of a process in `lane` that has moved itself into the namespaces `new`.
    pub fn of_move(&mut self, lane: &str, new: &[&str], own: &Namespaces) -> String {
        if new.is_empty() {
            return lane.into();
        }
        match self.containers.iter().position(|known| known == own) {
            Some(index) => label(index),
            None if lane != HOST && lane != AROUND => lane.into(),
            None if makes_a_container(new) => self.container(own),
            None => AROUND.into(),
        }
    }

    fn container(&mut self, own: &Namespaces) -> String {
        let index = self.containers.iter().position(|known| known == own).unwrap_or_else(|| {
            self.containers.push(own.clone());
            self.containers.len() - 1
        });
        label(index)
    }
}

fn label(index: usize) -> String {
    match index {
        0 => "container".into(),
        index => format!("container {}", index + 1),
    }
}
