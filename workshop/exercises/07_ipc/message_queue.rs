// The same number, and another queue.
//
// Programs that know a number meet at the same System V message queue, unless an IPC namespace is between them.
// `container` is to take an order from the host's queue, and to leave the answer in the queue of the same number
// in a namespace of its own. It gets no order.
//
// Read: book/src/07-ipc.md#failure, ipc_namespaces(7), sysvipc(7).

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Takes a message from the host's queue `key`, and leaves `answer` in the container's own. Returns the message.
fn container(key: i32, answer: u8) -> Result<u8> {
    // TODO: the order from the host's queue, the answer into the container's.
    unshare(CloneFlags::CLONE_NEWIPC)?;
    let queue = open(key)?;
    let order = receive(queue)?;
    send(queue, answer)?;
    Ok(order)
}

/// A message of one byte, as msgsnd(2) takes it: first its type, which must not be 0.
#[repr(C)]
struct Message {
    kind: libc::c_long,
    byte: u8,
}

/// Returns the identifier of the queue with this key, which is made where there is none: msgget(2).
fn open(key: i32) -> Result<i32> {
    // SAFETY: it takes no pointers.
    Ok(Errno::result(unsafe { libc::msgget(key, libc::IPC_CREAT | 0o600) })?)
}

/// Puts a message into a queue.
fn send(queue: i32, byte: u8) -> Result<()> {
    let message = Message { kind: 1, byte };
    // SAFETY: the message is there, and one byte long.
    let sent = unsafe { libc::msgsnd(queue, (&raw const message).cast(), 1, libc::IPC_NOWAIT) };
    Errno::result(sent).context("send").map(drop)
}

/// Takes the first message out of a queue.
fn receive(queue: i32) -> Result<u8> {
    let mut message = Message { kind: 0, byte: 0 };
    // SAFETY: there is room for a message of one byte.
    let got = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), 1, 0, libc::IPC_NOWAIT) };
    Errno::result(got).context("receive")?;
    Ok(message.byte)
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;

    use grader::{exercise, probe};

    use super::*;

    const READ: &str = "book/src/07-ipc.md#failure and ipc_namespaces(7)";

    const KEYS: [i32; 2] = [4711, 815];

    /// Makes the host's queue, with an order, and one more for somebody else.
    fn order(key: i32, first: u8) -> i32 {
        let queue = open(key).unwrap();
        send(queue, first).unwrap();
        send(queue, b'+').unwrap();
        queue
    }

    #[test]
    fn the_container_gets_the_order() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc"]);
            for (key, first) in KEYS.into_iter().zip(*b"?*") {
                order(key, first);
                let container = host.start(|| container(key, b'!'));
                host.shows("what the container has received", char::from(container.value))
                    .should_be(char::from(first));
            }
        });
    }

    #[test]
    fn the_answer_stays_in_the_container() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc"]);
            order(KEYS[0], b'?');
            let container = host.start(|| container(KEYS[0], b'!'));
            host.shows("the IPC namespace of the container", container.namespace("ipc"))
                .should_not_be(host.namespace("ipc"));
            host.shows("the host's queue in /proc/sysvipc/msg", probe::message_queues())
                .should_be("key 4711: 1 messages");
            let inside = host.inside(&container, probe::message_queues);
            host.shows("the container's queues in /proc/sysvipc/msg", inside)
                .should_be("key 4711: 1 messages");
            for file in ["/proc/sysvipc/sem", "/proc/sysvipc/shm"] {
                let list = host.inside(&container, || fs::read_to_string(file).unwrap_or_default());
                host.shows(
                    &format!("what the container has in {file}"),
                    list.lines().skip(1).count(),
                )
                .should_be(0);
            }
        });
    }

    #[test]
    fn later_messages_of_the_host_are_not_there_inside() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc"]);
            for (key, answer) in KEYS.into_iter().zip(*b"!=") {
                let queue = order(key, b'?');
                let container = host.start(|| container(key, answer));
                send(queue, b'#').unwrap();
                let inside =
                    host.inside(&container, || receive(open(key).unwrap()).unwrap_or(b'-'));
                host.shows("the first message in the container's queue", char::from(inside))
                    .should_be(char::from(answer));
            }
        });
    }
}
