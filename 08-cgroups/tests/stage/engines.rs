//! The stage beside crun and runc, which run the same container: config.json has the same namespaces,
//! hostname, mounts, id maps and limit. What still differs is in crun.txt and runc.txt, and nothing else does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use conformance::snapshot::Snapshot;
use conformance::{Container, Output, Stage, cgroup, need, probe};
use nix::unistd::getpid;

use crate::{is_v2, read};

/// What is the same in all three.
const SAME: [&str; 12] = [
    "capabilities",
    "cgroup",
    "environment",
    "gid_map",
    "hostname",
    "mount /proc",
    "mount /temp",
    "namespaces",
    "no_new_privs",
    "pids.max",
    "seccomp",
    "uid_map",
];

/// What a container looks like: a name for each thing that can be told, and the thing.
type Facts = BTreeMap<String, String>;

/// Tells of itself from inside, with a shell and cat alone, and waits for the end of its input.
const SCRIPT: &str = r#"
    echo ready
    echo "hostname $(hostname)"
    for file in uid_map gid_map setgroups; do echo $file $(cat /proc/self/$file); done
    echo cgroup $(cut -d : -f 3 /proc/self/cgroup)
    echo "shell is process $$"
    echo session of the shell $(cut -d ' ' -f 6 /proc/$$/stat)
    echo process 1 $(cat /proc/1/comm)
    echo /temp has $(ls -A /temp)
    echo /dev has $(ls /dev)
    while read -r name value; do
        case $name in
        CapEff:) echo capabilities $value ;;
        NoNewPrivs:) echo no_new_privs $value ;;
        Seccomp:) echo seccomp $value ;;
        esac
    done </proc/$$/status
    while read -r source target type options rest; do
        echo mount $target $type $source
    done </proc/mounts
    echo end
    read x"#;

/// Starts `command`, which runs [`SCRIPT`] in a container, and gathers what the two sides see.
fn facts(command: &mut Command) -> Facts {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    let input = child.stdin.take();
    let mut container = Container::of(child);
    let mut facts = Facts::new();
    loop {
        let line = container.line();
        if line == "end" {
            break;
        }
        // What it is about is in one or several words.
        let words: &[&str] = &[
            "mount /",
            "shell is process",
            "session of the shell",
            "process 1",
            "/temp has",
            "/dev has",
        ];
        let known = words.iter().find(|words| line.starts_with(**words)).unwrap_or(&"");
        let start = known.len().max(1);
        let end = line[start..].find(' ').map_or(line.len(), |end| start + end);
        let (name, value) = line.split_at(end);
        facts.insert(name.into(), value.trim().into());
    }
    let shell = container.youngest();
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let new = kinds
        .into_iter()
        .filter(|kind| probe::namespace(shell, kind) != probe::namespace(getpid(), kind));
    let mut insert = |name: &str, value: String| facts.insert(name.into(), value);
    insert("namespaces", new.collect::<Vec<_>>().join(" "));
    let limited = probe::cgroup(shell).expect("it is in a cgroup");
    insert("pids.max", read(&limited, "pids.max"));
    let environment = probe::read(shell, "environ");
    let mut environment: Vec<_> = environment.split_terminator('\0').collect();
    environment.sort();
    insert("environment", environment.join(" "));
    let inside = fs::read_to_string(format!("/proc/{shell}/net/dev")).unwrap();
    let devices = inside.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    insert("network devices", devices.collect::<Vec<_>>().join(" "));
    // The engines make this link where the kernel has /proc/kcore.
    let devices = facts["/dev has"].split(' ').filter(|name| *name != "core");
    let devices = devices.collect::<Vec<_>>().join(" ");
    facts.insert("/dev has".into(), devices);
    drop(input);
    container.wait();
    facts
}

/// Writes the bundle that an engine is to run.
fn write_bundle(engine: &str) {
    let own = cgroup::own().unwrap();
    let hierarchy = if is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    let path = format!("/{}-{engine}", own.strip_prefix(hierarchy).unwrap().display());
    let status = probe::status(getpid(), "CapEff");
    let last = u64::from_str_radix(&status, 16).unwrap().ilog2() as usize;
    let quoted = |text: &str| format!("{text:?}");
    let all: Vec<_> =
        CAPABILITIES.iter().take(last + 1).map(|name| quoted(&format!("CAP_{name}"))).collect();
    let config = include_str!("config.json")
        .replace("ALL_CAPABILITIES", &format!("[{}]", all.join(", ")))
        .replace("CGROUP", &path)
        .replace("\"SCRIPT\"", &quoted(SCRIPT));
    fs::create_dir_all("/tmp/bundle").unwrap();
    fs::write("/tmp/bundle/config.json", config).unwrap();
}

/// In the order of their numbers: capabilities(7), and linux/capability.h.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Returns a command that runs the bundle.
fn run(engine: &str) -> Command {
    let mut command = Command::new(need(engine));
    command.args(["--root", "/tmp/engine", "run", "--bundle", "/tmp/bundle", "neighbour"]);
    command
}

pub fn crun_and_the_stage_give_a_shell_the_same_container(stage: &Stage) {
    if Path::new("/sys/fs/cgroup/unified").exists() {
        // This one mixture of cgroup v1 and v2 crun does not take.
        stage.sh("true").ok();
        write_bundle("crun");
        let output = Output::of(&mut run("crun"));
        assert!(output.code == 1 && output.stderr.contains("hybrid"), "{output:#?}");
    } else {
        compare(stage, "crun");
    }
}

pub fn runc_and_the_stage_give_a_shell_the_same_container(stage: &Stage) {
    compare(stage, "runc");
}

/// Compares what the shell sees in the stage's container and in an engine's.
fn compare(stage: &Stage, engine: &str) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    write_bundle(engine);
    let ours = facts(stage.command().args(["-c", SCRIPT]));
    let theirs = facts(&mut run(engine));
    for name in SAME {
        assert_eq!(ours.get(name), theirs.get(name), "{name}");
        assert!(ours.contains_key(name), "{name}");
    }
    let mut different = String::new();
    for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
        let value = |facts: &Facts| facts.get(name).map_or("-", String::as_str).to_owned();
        let (ours, theirs) = (value(&ours), value(&theirs));
        if ours != theirs {
            different += &format!("{name}\n    ours  {ours}\n    {engine}  {theirs}\n");
        }
    }
    let written = match engine {
        "crun" => include_str!("crun.txt"),
        _ => include_str!("runc.txt"),
    };
    assert_eq!(different, written, "\n{different}");
    host.assert_unchanged();
}
