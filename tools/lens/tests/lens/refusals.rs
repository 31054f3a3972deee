//! What can't be traced is refused in one line.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use conformance::{Output, Stage, need, skip};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

pub fn a_program_that_is_not_there_is_refused(lens: &Stage) {
    lens.run(["--", "no-such-program"]).refused(&["no program in PATH", "no-such-program"]);
    lens.run(["--", "/no/such\nprogram"]).refused(&["there is no program", "such\\nprogram"]);
    lens.run(["--", "/tmp"]).refused(&["/tmp is no file"]);
    fs::write("/tmp/text", "").expect("write");
    lens.run(["--", "/tmp/text"]).refused(&["/tmp/text cannot be executed"]);
}

pub fn options_before_diff_are_refused(lens: &Stage) {
    lens.run(["--width", "100", "diff", "04", "05"])
        .refused(&["cargo lens diff 04 05 --width 100"]);
}

fn executable(path: &str, bytes: &[u8]) {
    fs::write(path, bytes).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

pub fn a_program_that_cannot_be_executed_is_refused(lens: &Stage) {
    executable("/tmp/nonsense", b"\x7fnonsense");
    lens.run(["--", "/tmp/nonsense"])
        .refused(&["cannot execute /tmp/nonsense", "Exec format error"]);
    executable("/tmp/script", b"#!/no/such/interpreter\n");
    lens.run(["--", "/tmp/script"]).refused(&["cannot execute /tmp/script", "No such file"]);
}

pub fn a_program_for_another_kind_of_machine_is_refused(lens: &Stage) {
    let mut header = vec![0; 64];
    header[..5].copy_from_slice(b"\x7fELF\x01");
    executable("/tmp/short", &header);
    lens.run(["--", "/tmp/short"]).refused(&["32-bit program"]);
    (header[4], header[18]) = (2, 8);
    executable("/tmp/other", &header);
    lens.run(["--", "/tmp/other"]).refused(&["another architecture"]);
}

pub fn a_set_user_id_program_is_refused_to_an_ordinary_user(lens: &Stage) {
    let programs = ["/usr/bin/su", "/usr/bin/passwd", "/usr/bin/sudo", "/usr/bin/mount"];
    let is_one = |path: &&str| {
        fs::metadata(Path::new(path)).is_ok_and(|file| file.mode() & 0o4000 != 0 && file.uid() == 0)
    };
    let program = programs.into_iter().find(is_one);
    let program = program.unwrap_or_else(|| skip("needs a set-user-ID program"));
    lens.run(["--", program]).refused(&["set-user-ID", "run this as root"]);
    let output = lens.run(["--", "sh", "-c", &format!("{program} --version; true")]);
    let notes = output.stdout.replace('\n', " ");
    assert!(notes.contains("is a set-user-ID program, and gets no rights"), "{output:?}");
}

pub fn a_program_that_has_a_tracer_is_refused(lens: &Stage) {
    let strace = need("strace");
    let mut command = Command::new(strace);
    command.args(["-f", "-o", "/dev/null"]).arg(&lens.program).args(["--", "true"]);
    Output::of(&mut command).refused(&["ptrace is forbidden", "traces this program"]);
}

pub fn a_filter_against_ptrace_is_told(lens: &Stage) {
    let rules = [(libc::SYS_ptrace, Vec::new())].into_iter().collect();
    let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32));
    let architecture = std::env::consts::ARCH.try_into().expect("an architecture");
    let filter = SeccompFilter::new(rules, allow, refuse, architecture).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a program");
    let mut command = lens.command();
    command.args(["--", "true"]);
    // SAFETY: what the hook does is two system calls.
    unsafe {
        command.pre_exec(move || seccompiler::apply_filter(&filter).map_err(std::io::Error::other))
    };
    Output::of(&mut command).refused(&["ptrace is forbidden", "seccomp filter"]);
}

pub fn a_stage_that_fails_is_not_compared(lens: &Stage) {
    let stage = crate::seen::stage(lens, "01-uts");
    let stage = stage.to_str().expect("a path");
    let output = lens.run(["diff", stage, stage, "-c", "exit 3"]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("has failed"), "{output:?}");
}
