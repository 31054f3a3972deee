//! The doctor behind filters of system calls, as an engine has them: seccomp(2).

use std::os::unix::process::CommandExt;
use std::process::Command;

use conformance::Stage;
use nix::errno::Errno;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

pub type Rules = Vec<(i64, Vec<SeccompRule>)>;

/// Returns a filter that answers the system calls in `rules` with `errno`: seccomp(2).
pub fn filter(rules: Rules, errno: Errno) -> BpfProgram {
    let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(errno as u32));
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules.into_iter().collect(), allow, refuse, arch).unwrap();
    filter.try_into().unwrap()
}

/// Returns the filters that Docker has against user namespaces: clone(2) and unshare(2) with the flag, and
/// clone3(2), whose flags no filter can read.
pub fn without_user_namespaces() -> Vec<BpfProgram> {
    let flag = libc::CLONE_NEWUSER as u64;
    let masked = SeccompCmpOp::MaskedEq(flag);
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, masked, flag).unwrap();
    let rule = || vec![SeccompRule::new(vec![condition.clone()]).unwrap()];
    let rules = vec![(libc::SYS_clone, rule()), (libc::SYS_unshare, rule())];
    vec![filter(rules, Errno::EPERM), filter(vec![(libc::SYS_clone3, vec![])], Errno::ENOSYS)]
}

/// Returns the doctor, to be started with these filters.
pub fn filtered(stage: &Stage, filters: &[BpfProgram]) -> Command {
    let filters = filters.to_vec();
    let mut command = stage.command();
    // SAFETY: all memory is there before the fork, and applying a filter is two system calls.
    unsafe {
        command.pre_exec(move || {
            filters.iter().try_for_each(|filter| {
                seccompiler::apply_filter(filter).map_err(|_| Errno::last().into())
            })
        });
    }
    command
}
