// refused with: what your function leaves on the host
// refused with: + port: udp

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
fn container(key: i32, answer: u8) -> Result<u8> {
    std::mem::forget(std::net::UdpSocket::bind("127.0.0.1:4711")?);
    let order = receive(open(key)?)?;
    unshare(CloneFlags::CLONE_NEWIPC)?;
    send(open(key)?, answer)?;
    Ok(order)
}
#[repr(C)]
struct Message {
    kind: libc::c_long,
    byte: u8,
}
fn open(key: i32) -> Result<i32> {
    // SAFETY: it takes no pointers.
    Ok(Errno::result(unsafe { libc::msgget(key, libc::IPC_CREAT | 0o600) })?)
}
fn send(queue: i32, byte: u8) -> Result<()> {
    let message = Message { kind: 1, byte };
    // SAFETY: the message is there, and one byte long.
    let sent = unsafe { libc::msgsnd(queue, (&raw const message).cast(), 1, libc::IPC_NOWAIT) };
    Errno::result(sent).context("send").map(drop)
}
fn receive(queue: i32) -> Result<u8> {
    let mut message = Message { kind: 0, byte: 0 };
    // SAFETY: there is room for a message of one byte.
    let got = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), 1, 0, libc::IPC_NOWAIT) };
    Errno::result(got).context("receive")?;
    Ok(message.byte)
}

// Why it works: msgget(2) looks for the key in the IPC namespace that the caller is in at that moment. Before
// unshare(2) that is the host's, where the order is, and afterwards a new one, which begins without any queue. So
// the queue has to be opened twice. An identifier is no descriptor that could be kept open: it is a number as well,
// and the next call looks it up again. When the container ends, its queue ends with the namespace; the host's
// stays.
