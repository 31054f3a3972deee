// refused with: if only for a moment
// refused with: msgctl(2)

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Takes a message from the host's queue `key`, and leaves `answer` in the container's own. Returns the message.
fn container(key: i32, answer: u8) -> Result<u8> {
    let order = receive(open(key)?)?;
    unsafe {
        let mut queue: libc::msqid_ds = std::mem::zeroed();
        Errno::result(libc::msgctl(open(key)?, libc::IPC_STAT, &mut queue))?;
        queue.msg_qbytes = 2;
        Errno::result(libc::msgctl(open(key)?, libc::IPC_SET, &mut queue))?;
    }
    unshare(CloneFlags::CLONE_NEWIPC)?;
    send(open(key)?, answer)?;
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
