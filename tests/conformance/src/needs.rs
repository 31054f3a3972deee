//! What a test needs of the machine, and what the reader is told where it is not there.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Mutex;
use std::{env, io, thread};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::unistd::{geteuid, getpid};

/// Programs that tests start, and Debian's packages that bring them.
const PACKAGES: [(&str, &str); 28] = [
    ("bash", "bash"),
    ("busybox", "busybox-static"),
    ("bwrap", "bubblewrap"),
    ("cc", "gcc"),
    ("crun", "crun"),
    ("dash", "dash"),
    ("fish", "fish"),
    ("flock", "util-linux"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("musl-gcc", "musl-tools"),
    ("newuidmap", "uidmap"),
    ("nft", "nftables"),
    ("pasta", "passt"),
    ("prlimit", "util-linux"),
    ("ps", "procps"),
    ("runc", "runc"),
    ("script", "bsdutils"),
    ("setpriv", "util-linux"),
    ("skopeo", "skopeo"),
    ("strace", "strace"),
    ("strip", "binutils"),
    ("sudo", "sudo"),
    ("sysctl", "procps"),
    ("tar", "tar"),
    ("tmux", "tmux"),
    ("unshare", "util-linux"),
    ("zsh", "zsh"),
];

/// Why a test is left out that only root can run.
pub(super) const ROOT: &str = "needs root";

/// What the reason begins with why a test is left out that makes cgroups. Root can run it.
pub const CGROUP: &str = "needs a cgroup to make others in";

/// Stands before the package in the reason why a test is left out: here, and in what the workshop's exercises say.
const INSTALL: [&str; 2] = ["apt-get install ", "apt install "];

/// The exit status of a test that cannot run on this machine, as in automake.
pub(super) const SKIPPED: u8 = 77;

/// Why tests of this program were left out.
static LEFT_OUT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Ends a test that cannot run on this machine, with the reason. With `TEST_NO_SKIP` it fails.
pub fn skip(reason: &str) -> ! {
    eprintln!("{reason}");
    process::exit(SKIPPED.into())
}

/// Returns that a test cannot run on this machine, or, with `TEST_NO_SKIP`, that it has failed.
pub fn skipped(reason: &str) -> Result<Completion, Failed> {
    if env::var_os("TEST_NO_SKIP").is_some() {
        return Err(Failed::from(format!("not skipped, as TEST_NO_SKIP is set: {reason}")));
    }
    LEFT_OUT.lock().expect("nobody panics with it").push(reason.replace('\n', " "));
    Ok(Completion::ignored_with(reason))
}

/// Returns the path of `program`, found in `PATH`, or skips the test, and names the package that brings the program.
pub fn need(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| skip(&lacks(program)))
}

/// Returns why a test is left out that needs `program`.
pub fn lacks(program: &str) -> String {
    let package = PACKAGES.iter().find(|(known, _)| *known == program);
    let (_, package) =
        package.unwrap_or_else(|| panic!("no package is known that brings {program}"));
    format!("needs {program}: {}{package}", INSTALL[0])
}

/// Returns an advice that is given where there is sudo(8), and a root for it to make one of: user_namespaces(7). Elsewhere
/// there is no word of it.
pub fn with_sudo(advice: &str) -> &str {
    if has_root() && has("sudo") { advice } else { "" }
}

/// Whether there is a root in this user namespace, that of an ordinary user's throw-away host for one.
pub fn has_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").expect("/proc is mounted");
    map.lines().any(|line| line.split_whitespace().next() == Some("0"))
}

/// Whether `program` is in `PATH`.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Runs the tests of a program, where nobody says otherwise more of them at a time than there are processors: they wait for
/// processes more than they compute. The last line tells what was left out so far, in this program and in those that the
/// same Cargo has run before.
pub fn run(mut arguments: Arguments, trials: Vec<Trial>) -> ExitCode {
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    arguments.test_threads.get_or_insert(4 * processors);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        let own = LEFT_OUT.lock().expect("nobody panics with it").clone();
        // What another user has built takes no notes.
        let all = with_those_before(&own).unwrap_or(own);
        if !all.is_empty() {
            println!("{}\n", told(&all, geteuid().is_root(), has("sudo")));
        }
    }
    conclusion.exit_code()
}

/// Adds reasons to the file of the Cargo that has started this program, and returns all that are in it.
fn with_those_before(own: &[String]) -> io::Result<Vec<String>> {
    let no_cargo = || io::Error::from(io::ErrorKind::NotFound);
    let cargo = cargo().ok_or_else(no_cargo)?;
    let program = env::current_exe()?;
    let directory = program.parent().ok_or_else(no_cargo)?;
    for old in fs::read_dir(directory)?.flatten() {
        let name = old.file_name();
        let of = name.to_str().and_then(|name| name.strip_prefix(NOTES));
        if of.is_some_and(|of| !is_alive(of)) {
            fs::remove_file(old.path())?;
        }
    }
    let notes = directory.join(format!("{NOTES}{cargo}"));
    let mut file = OpenOptions::new().create(true).append(true).open(&notes)?;
    own.iter().try_for_each(|reason| writeln!(file, "{reason}"))?;
    Ok(fs::read_to_string(notes)?.lines().map(str::to_owned).collect())
}

/// What the names of the files begin with that keep the reasons of a run of Cargo.
const NOTES: &str = "left-out-";

/// Returns the id and the start time of the Cargo that has started this program, as in `17-4711`. There may be others
/// between the two, such as sudo(8).
fn cargo() -> Option<String> {
    let mut pid = getpid().to_string();
    loop {
        let stat = stat(&pid)?;
        if stat.name == "cargo" {
            return Some(format!("{pid}-{}", stat.start_time));
        }
        pid = stat.parent;
    }
}

/// Whether a process of this id and start time is there.
fn is_alive(process: &str) -> bool {
    let stat = process.split_once('-').and_then(|(pid, start)| Some((stat(pid)?, start)));
    stat.is_some_and(|(stat, start)| stat.start_time == start)
}

/// Some of /proc/PID/stat.
struct Stat {
    name: String,
    parent: String,
    start_time: String,
}

/// Reads it: proc_pid_stat(5).
fn stat(pid: &str) -> Option<Stat> {
    let text = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
    // There may be blanks and parentheses in the name.
    let (before, after) = text.rsplit_once(')')?;
    let fields: Vec<_> = after.split_whitespace().collect();
    Some(Stat {
        name: before.split_once('(')?.1.into(),
        parent: (*fields.get(1)?).into(),
        start_time: (*fields.get(19)?).into(),
    })
}

/// Returns the last line: how many tests were left out, and what the reader can do.
fn told(reasons: &[String], is_root: bool, has_sudo: bool) -> String {
    let of_root = |reason: &&String| *reason == ROOT || reason.starts_with(CGROUP);
    let root = reasons.iter().filter(of_root).count();
    let packages = reasons.iter().filter_map(|reason| package(reason));
    let programs = packages.clone().count();
    let packages: BTreeSet<_> = packages.collect();
    let mut line = format!("Left out so far: {}.", tests(reasons.len()));
    if root > 0 {
        let way = if has_sudo { "`cargo test-as-root`" } else { "`cargo test` as root" };
        line += &format!(" {root} for want of root, or of a cgroup: {way}.");
    }
    if programs > 0 {
        let sudo = if is_root { "" } else { "sudo " };
        let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
        line += &format!(" {programs} for want of programs: `{sudo}apt-get install {packages}`.");
    }
    let others = reasons.len() - root - programs;
    if others > 0 {
        line += &format!(" {others} for want of what is named where they were left out.");
    }
    line
}

/// Returns the package that a reason names.
fn package(reason: &str) -> Option<&str> {
    let (_, rest) = INSTALL.iter().find_map(|install| reason.split_once(install))?;
    rest.split(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).next()
}

fn tests(number: usize) -> String {
    format!("{number} test{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{CGROUP, PACKAGES, ROOT, lacks, stat, told};

    fn reasons(reasons: &[&str]) -> Vec<String> {
        reasons.iter().map(|&reason| reason.to_owned()).collect()
    }

    #[test]
    fn what_was_left_out_is_counted_and_one_command_installs_all() {
        let nft = lacks("nft");
        let left_out = reasons(&[
            ROOT,
            &nft,
            "This needs x: `sudo apt install busybox-static`, or the like.",
            &nft,
            CGROUP,
            "needs luck",
        ]);
        assert_eq!(
            told(&left_out, false, true),
            "Left out so far: 6 tests. 2 for want of root, or of a cgroup: `cargo test-as-root`. \
             3 for want of programs: `sudo apt-get install busybox-static nftables`. \
             1 for want of what is named where they were left out."
        );
        assert_eq!(
            told(&left_out[..2], true, false),
            "Left out so far: 2 tests. 1 for want of root, or of a cgroup: `cargo test` as root. \
             1 for want of programs: `apt-get install nftables`."
        );
    }

    #[test]
    fn what_tests_need_is_installed_where_none_may_be_left_out() {
        // Essential packages, and one that gcc depends on.
        let always = ["bash", "binutils", "bsdutils", "dash", "tar", "util-linux"];
        let ci = include_str!("../../../.ci/run");
        let installed: Vec<_> = ci.split([' ', '(', ')', '\n']).collect();
        for (program, package) in PACKAGES {
            let wanted = format!(":{package}");
            let is_wanted = installed.iter().any(|word| word.ends_with(&wanted));
            assert!(is_wanted || always.contains(&package), "{program} of {package}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_id_and_its_start_time() {
        let this = std::process::id();
        let start = stat(&this.to_string()).unwrap().start_time;
        assert!(super::is_alive(&format!("{this}-{start}")));
        assert!(!super::is_alive(&format!("{this}-1{start}")));
        assert!(!super::is_alive("no process"));
    }
}
