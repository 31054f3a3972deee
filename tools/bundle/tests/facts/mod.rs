//! What a container looks like, from inside and from outside: the same questions to a stage's and to an engine's.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use conformance::{Container, probe};
use nix::unistd::{Pid, getpid};

/// A name for each thing that can be told, and the thing.
pub type Facts = BTreeMap<String, String>;

/// Tells of itself with a shell and a few programs, a line `name=value` for each thing, and waits for the end of its
/// input.
pub const SCRIPT: &str = r#"
    echo ready
    echo "hostname=$(hostname)"
    echo "user=$(id -u):$(id -g)"
    for file in uid_map gid_map setgroups; do echo "$file=$(echo $(cat /proc/self/$file))"; done
    echo "cgroup=$(echo $(cut -d : -f 3 /proc/self/cgroup | sort -u))"
    echo "process id of the shell=$$"
    echo "session of the shell=$(cut -d ' ' -f 6 /proc/$$/stat)"
    echo "program of process 1=$(cat /proc/1/comm)"
    echo "/temp has=$(echo $(ls -A /temp))"
    echo "/dev has=$(echo $(ls /dev))"
    echo "uts=$(readlink /proc/self/ns/uts)"
    while read -r name value; do
        case $name in
        CapEff:) echo "capabilities=$value" ;;
        NoNewPrivs:) echo "no_new_privs=$value" ;;
        Seccomp:) echo "seccomp=$value" ;;
        esac
    done </proc/$$/status
    while read -r source target type options rest; do
        echo "mount $target=$type $source"
    done </proc/mounts
    echo end
    read x"#;

/// The kinds of namespaces, as /proc/PID/ns calls them.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Starts `command`, which runs [`SCRIPT`] in a container, and gathers what the two sides see.
#[track_caller]
pub fn facts(command: &mut Command) -> Facts {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    let input = child.stdin.take();
    let mut container = Container::of(child);
    let mut told = Facts::new();
    loop {
        let line = container.line();
        if line == "end" {
            break;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("said {line:?}"));
        told.insert(name.into(), value.into());
    }
    let shell = process_in(&told["uts"]);
    let mut facts = from_inside(&told);
    facts.extend(from_outside(shell));
    drop(input);
    container.wait();
    facts
}

/// Finds the shell by its UTS namespace, which every container has to itself: an engine need not be its ancestor.
#[track_caller]
fn process_in(uts: &str) -> Pid {
    let of = |process: Pid| fs::read_link(format!("/proc/{process}/ns/uts"));
    let is_in = |process: &Pid| of(*process).is_ok_and(|link| link.as_os_str() == uts);
    // The youngest: the other is the stage's process 1.
    let shell = probe::processes().into_iter().filter(is_in).max();
    shell.expect("a process of the container is seen from outside")
}

fn from_inside(told: &Facts) -> Facts {
    let mut facts = told.clone();
    facts.retain(|name, _| name != "uts" && name != "seccomp");
    facts.retain(|name, _| !name.starts_with("mount "));
    let mut insert = |name: &str, value: String| facts.insert(name.into(), value);
    for target in ["/proc", "/temp", "/dev", "/dev/mqueue"] {
        let value = told.get(&format!("mount {target}")).map_or("nothing", String::as_str);
        insert(&format!("mounted on {target}"), value.into());
    }
    let targets = told.keys().filter_map(|name| name.strip_prefix("mount "));
    let covers = targets.clone().filter(|target| target.starts_with("/proc/")).count();
    insert("covered in /proc", if covers > 0 { "some files" } else { "nothing" }.into());
    let is_other = |target: &&str| {
        let known = ["/proc/", "/dev/", "/sys/"].iter().any(|above| target.starts_with(above));
        !known && !["/", "/proc", "/temp", "/dev"].contains(target)
    };
    insert("mounted elsewhere", or_nothing(targets.filter(is_other)));
    // The engines make this link where the kernel has /proc/kcore.
    let devices = told["/dev has"].split(' ').filter(|name| *name != "core");
    insert("/dev has", or_nothing(devices));
    insert("/temp has", or_nothing(told["/temp has"].split_whitespace()));
    insert("capabilities", capabilities(&told["capabilities"]));
    let seccomp = if told["seccomp"] == "0" { "none" } else { "filter" };
    insert("filter of system calls", seccomp.into());
    facts
}

/// Says how many capabilities are in a set, or that all of this kernel's are.
fn capabilities(set: &str) -> String {
    let number = u64::from_str_radix(set, 16).expect("a set").count_ones();
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("the kernel tells");
    let all = last.trim().parse::<u32>().expect("a number") + 1;
    if number == all { "all".into() } else { number.to_string() }
}

fn from_outside(shell: Pid) -> Facts {
    let new = NAMESPACES
        .into_iter()
        .filter(|kind| probe::namespace(shell, kind) != probe::namespace(getpid(), kind));
    let pids_max = probe::cgroup(shell).map(|cgroup| fs::read_to_string(cgroup.join("pids.max")));
    // The root of the hierarchy has no limit.
    let pids_max = pids_max.and_then(Result::ok).unwrap_or("max".into());
    let environment = probe::read(shell, "environ");
    let mut environment: Vec<_> = environment.split_terminator('\0').collect();
    environment.sort();
    let facts = [
        ("new namespaces", new.collect::<Vec<_>>().join(" ")),
        ("pids.max", pids_max.trim().into()),
        ("environment", environment.join(" ")),
        ("network devices", probe::devices(shell)),
    ];
    facts.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn or_nothing<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words = words.collect::<Vec<_>>().join(" ");
    if words.is_empty() { "nothing".into() } else { words }
}
