//! Why a program is not traced, in one line.

use std::fs;

use nix::errno::Errno;

/// What decides on this machine whether a program may trace another: ptrace(2).
#[derive(Clone, Copy, Debug, Default)]
struct Situation {
    /// /proc/sys/kernel/yama/ptrace_scope, where Yama is there.
    scope: Option<i32>,
    /// The tracer of this program, or 0.
    tracer: i32,
    /// The kind of seccomp(2) filter that this program is under: 2 for one that may forbid a call.
    seccomp: i32,
}

/// Returns why ptrace(2) has failed, and what helps.
pub fn of_ptrace(errno: Errno) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let scope = scope.ok().and_then(|scope| scope.trim().parse().ok());
    let situation = Situation { scope, tracer: field("TracerPid:"), seccomp: field("Seccomp:") };
    explained(errno, situation)
}

fn explained(errno: Errno, situation: Situation) -> String {
    let why = match situation {
        Situation { tracer: 1.., .. } => format!(
            "process {} traces this program and what it starts, and a program has one tracer",
            situation.tracer
        ),
        Situation { scope: Some(3), .. } => {
            "kernel.yama.ptrace_scope is 3, which holds until the next boot".into()
        }
        Situation { scope: Some(2), .. } => {
            "kernel.yama.ptrace_scope is 2: run this as root, or: sudo sysctl kernel.yama.ptrace_scope=1"
                .into()
        }
        Situation { seccomp: 2, .. } => {
            "a seccomp filter forbids it, as in some containers: docker run --cap-add SYS_PTRACE".into()
        }
        _ => "no reason is known".into(),
    };
    format!("ptrace is forbidden ({errno}): {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(situation: Situation) -> String {
        explained(Errno::EPERM, situation)
    }

    #[test]
    fn each_cause_of_a_refusal_has_its_line() {
        assert!(why(Situation { tracer: 7, ..Default::default() }).contains("process 7 traces"));
        let yama = |scope| why(Situation { scope: Some(scope), ..Default::default() });
        assert!(yama(2).contains("sysctl kernel.yama.ptrace_scope=1"));
        assert!(yama(3).contains("until the next boot"));
        assert!(yama(1).contains("no reason is known"));
        assert!(why(Situation { seccomp: 2, ..Default::default() }).contains("seccomp filter"));
    }
}
