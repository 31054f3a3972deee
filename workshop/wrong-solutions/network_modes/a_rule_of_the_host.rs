// refused with: what your function leaves on the host
// refused with: + rule:

use std::fs;

use anyhow::Result;
use nix::sched::{self, CloneFlags};
use nix::unistd::Pid;
enum Mode<'a> {
    Host,
    None,
    Container(Pid),
    Bridge(&'a dyn Fn(Pid) -> Result<()>),
}
fn enter(mode: Mode) -> Result<()> {
    add_rule()?;
    match mode {
        Mode::Host => {}
        Mode::None => sched::unshare(CloneFlags::CLONE_NEWNET)?,
        Mode::Container(other) => {
            let namespace = fs::File::open(format!("/proc/{other}/ns/net"))?;
            sched::setns(namespace, CloneFlags::CLONE_NEWNET)?;
        }
        Mode::Bridge(lay) => {
            sched::unshare(CloneFlags::CLONE_NEWNET)?;
            lay(Pid::this())?;
        }
    }
    Ok(())
}

/// Asks for a rule with a priority of its own: RTM_NEWRULE in rtnetlink(7), with FRA_PRIORITY and a table.
fn add_rule() -> Result<()> {
    let mut body = vec![2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
    body.extend([8, 0, 6, 0]);
    body.extend(4711_u32.to_ne_bytes());
    crate::rtnetlink::request(32, 0x600, &body)
}
