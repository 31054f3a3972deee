//! A container of each stage, beside the floor with the same namespaces and the tools with the same.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use bench::Floor;
use nix::mount::umount;
use nix::sched::CloneFlags;
use nix::unistd::{Pid, getgid, getuid};
use serde_json::{Value, json};

use crate::measure::{Candidate, Way, take_turns};
use crate::programs::{Programs, STAGES};
use crate::report::Report;
use crate::wiring;

/// The part's name in the tables.
pub const PART: &str = "starts";

/// The root directory of all containers, since its name is known beforehand.
const ROOTFS: &str = common::rootfs::DEFAULT;

/// Measures the start of a program that does nothing but to end.
pub fn measure(
    programs: &Programs,
    rootfs: &Path,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let _keeper = Keeper::start(programs, report)?;
    let mut candidates = Vec::new();
    for (number, (_, stage)) in (1..).zip(STAGES) {
        candidates.push((number, floor(number, stage, rootfs)?));
        for (build, program) in programs.all(stage) {
            let mut command = Command::new(program);
            command.args(["--nsshell", &shell(number)]);
            let candidate = Candidate::new(stage, stage, build, Way::Program(command));
            candidates.push((number, candidate));
        }
        for command in tools(number)? {
            let name = Path::new(command.get_program()).file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            let candidate = Candidate::new(stage, &name, "", Way::Program(command));
            candidates.push((number, candidate));
        }
    }
    let candidates = candidates.into_iter().map(|(number, candidate): (u8, Candidate)| {
        // From stage 06 on there are network namespaces, of all candidates.
        if number < 6 { candidate } else { candidate.settle(wiring::settle) }
    });
    take_turns(PART, candidates.collect(), rounds, report)
}

/// What a container of stage `number` executes. The first two have their host's root directory.
fn shell(number: u8) -> String {
    if number < 3 { format!("{ROOTFS}/bin/true") } else { "/bin/true".into() }
}

/// The namespaces of stage `number`.
pub fn namespaces(number: u8) -> CloneFlags {
    let of_stage = [
        (1, CloneFlags::CLONE_NEWUTS),
        (3, CloneFlags::CLONE_NEWPID),
        (4, CloneFlags::CLONE_NEWNS),
        (5, CloneFlags::CLONE_NEWUSER),
        (6, CloneFlags::CLONE_NEWNET),
        (7, CloneFlags::CLONE_NEWIPC),
        (8, CloneFlags::CLONE_NEWCGROUP),
    ];
    of_stage.into_iter().filter(|(first, _)| *first <= number).map(|(_, flag)| flag).collect()
}

/// A container that stays, so that the bridge does, and what stage 08 has set up for its cgroups.
struct Keeper(Child);

impl Keeper {
    fn start(programs: &Programs, report: &mut Report) -> Result<Option<Keeper>> {
        for stage in ["08-cgroups", "06-network"] {
            let mut command = Command::new(programs.default(stage)?);
            command.args(["-c", "echo ready; read line"]).stderr(Stdio::null());
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let mut line = String::new();
            let output = child.stdout.take().context("it is piped")?;
            BufReader::new(output).read_line(&mut line).context("read from a container")?;
            if line == "ready\n" {
                return Ok(Some(Keeper(child)));
            }
            child.wait().context("wait for a container")?;
        }
        report.leave_out("starts: no container can keep the bridge");
        Ok(None)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It reads the end of its input, and ends.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The least that gives a program the namespaces of stage `number`.
fn floor(number: u8, stage: &str, rootfs: &Path) -> Result<Candidate> {
    let mut floor = Floor::new(namespaces(number), shell(number));
    if number >= 3 {
        floor = floor.root(rootfs);
    }
    let way: Box<dyn Fn() -> Result<Pid>> = match number {
        ..6 => Box::new(move || Ok(floor.start()?)),
        6 | 7 => Box::new(move || {
            let bridge = wiring::bridge()?;
            let connect = |pid| wiring::make_veth_bare(pid, bridge);
            floor.start_prepared(connect, wiring::configure_bare)
        }),
        8.. => Box::new(move || {
            let bridge = wiring::bridge()?;
            let limit_and_connect = |pid| {
                limit_bare(pid)?;
                wiring::make_veth_bare(pid, bridge)
            };
            floor.start_prepared(limit_and_connect, wiring::configure_bare)
        }),
    };
    let clean_up = match number {
        // Without a mount namespace its proc is on the host.
        3 => || {
            let _ = umount(&Path::new(ROOTFS).join("proc"));
        },
        6 | 7 => || wiring::remove(wiring::BARE),
        8.. => || {
            wiring::remove(wiring::BARE);
            let _ = own_cgroup().map(|own| fs::remove_dir(own.join(LIMITED)));
        },
        _ => || (),
    };
    Ok(Candidate::new(stage, "floor", "", Way::Clone(way)).clean_up(clean_up))
}

/// The floor's cgroup for stage 08.
const LIMITED: &str = "bench-floor";

/// Finds the cgroup that this process is in, with the controller pids.
pub fn own_cgroup() -> Result<PathBuf> {
    let lines = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let own = |(prefix, hierarchy): (&str, &str)| {
        let path = lines.lines().find_map(|line| line.split_once(prefix))?.1;
        let path = Path::new(hierarchy).join(path.trim_start_matches('/'));
        path.join("cgroup.procs").exists().then_some(path)
    };
    let found =
        [(":pids:", "/sys/fs/cgroup/pids"), ("0::", "/sys/fs/cgroup")].into_iter().find_map(own);
    found.context("no cgroup with the controller pids")
}

/// Limits the processes of a container, and of its children, with the files of cgroups(7) alone.
fn limit_bare(container: Pid) -> Result<()> {
    let limited = own_cgroup()?.join(LIMITED);
    fs::create_dir(&limited).context("make a cgroup")?;
    let write = |file: &str, text: &str| {
        fs::write(limited.join(file), text).with_context(|| format!("write {file}"))
    };
    let mode = fs::read_to_string(limited.join("cgroup.type")).unwrap_or_default();
    if mode.trim() == "domain invalid" {
        write("cgroup.type", "threaded")?;
    }
    write("pids.max", "20")?;
    write("cgroup.procs", &container.to_string())
}

/// The commands of other tools that make a container with the namespaces of stage `number`, installed or not.
fn tools(number: u8) -> Result<Vec<Command>> {
    let command = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args);
        command
    };
    let mut unshare = command("unshare", &["--uts"]);
    let root = ["--pid", "--fork", "--mount", "--root", ROOTFS, "--mount-proc"];
    match number {
        1 => return Ok(vec![command("unshare", &["--uts", "--", &shell(number)])]),
        2 | 3 => return Ok(Vec::new()),
        _ => unshare.args(root),
    };
    if number == 4 {
        unshare.arg(shell(number));
        return Ok(vec![unshare]);
    }
    unshare.args(["--user", "--map-root-user"]);
    let mut bwrap = command("bwrap", &["--unshare-uts", "--unshare-pid", "--unshare-user"]);
    bwrap.args(["--uid", "0", "--gid", "0", "--hostname", "nshost", "--bind", ROOTFS, "/"]);
    bwrap.args(["--proc", "/proc", "--tmpfs", "/temp", "--dev", "/dev"]);
    for (first, flag) in [(6, "net"), (7, "ipc"), (8, "cgroup")] {
        if first <= number {
            unshare.arg(format!("--{flag}"));
            bwrap.arg(format!("--unshare-{flag}"));
        }
    }
    unshare.arg(shell(number));
    bwrap.arg(shell(number));
    if number == 6 {
        return Ok(vec![unshare]);
    }
    let bundle = write_bundle(number)?;
    let of_engine = ["--root", "/tmp/engines", "run", "--bundle"];
    let mut crun = command("crun", &["--cgroup-manager", "disabled"]);
    crun.args(of_engine).arg(&bundle).arg("crun");
    let mut runc = command("runc", &of_engine);
    runc.arg(&bundle).arg("runc");
    Ok(vec![unshare, bwrap, crun, runc])
}

/// Writes the bundle of an OCI container with the namespaces of stage `number`.
fn write_bundle(number: u8) -> Result<PathBuf> {
    let of_stage = [
        (1, "uts"),
        (3, "pid"),
        (4, "mount"),
        (5, "user"),
        (6, "network"),
        (7, "ipc"),
        (8, "cgroup"),
    ];
    let namespaces = of_stage.into_iter().filter(|(first, _)| *first <= number);
    let namespaces: Vec<Value> = namespaces.map(|(_, kind)| json!({ "type": kind })).collect();
    let id = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
    let config = json!({
        "ociVersion": "1.0.2",
        "root": { "path": ROOTFS },
        "hostname": "nshost",
        "process": { "args": [shell(number)], "cwd": "/", "user": { "uid": 0, "gid": 0 } },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/temp", "type": "tmpfs", "source": "godir" },
            { "destination": "/dev", "type": "tmpfs", "source": "dev" },
        ],
        "linux": {
            "namespaces": namespaces,
            "uidMappings": id(getuid().as_raw()),
            "gidMappings": id(getgid().as_raw()),
            "cgroupsPath": format!("/bench-{number}"),
        },
    });
    let bundle = PathBuf::from(format!("/tmp/bundle-{number}"));
    fs::create_dir_all(&bundle).context("mkdir")?;
    fs::write(bundle.join("config.json"), config.to_string()).context("write config.json")?;
    Ok(bundle)
}
