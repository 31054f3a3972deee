//! The stages, and other makers of containers, watched.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use conformance::{As, Output, Stage, need};

use crate::seen::{Call, Seen, quietly, source_line, stage};

/// The stages that this user may run without a cgroup.
fn stages(lens: &Stage) -> &'static [&'static str] {
    match lens.who {
        As::User => &["05-user", "06-network", "07-ipc"],
        // Root of a user namespace has no right to the network that it was made in.
        As::Rootless => &["01-uts", "02-uts-hostname", "03-pid", "04-mount", "05-user"],
        As::Root => {
            &["01-uts", "02-uts-hostname", "03-pid", "04-mount", "05-user", "06-network", "07-ipc"]
        }
    }
}

pub fn each_stage_is_seen_from_its_own_lines(lens: &Stage) {
    for name in stages(lens) {
        let seen = Seen::of(lens, &[], stage(lens, name), ["-c", "true"]);
        assert_eq!(seen.output.code, 0, "{name}: {:?}", seen.output);
        each_line_makes_its_call(name, &seen.calls());
    }
}

/// Calls that a stage makes by a function of their name, at the line that is shown.
const PLAIN: [&str; 5] = ["sethostname", "pivot_root", "chroot", "umount2", "unshare"];

pub fn each_line_makes_its_call(stage: &str, calls: &[Call]) {
    let mut found = 0;
    for call in calls.iter().filter(|call| !call.file.is_empty()) {
        if call.file.starts_with(stage) && PLAIN.contains(&call.name.as_str()) {
            let line = source_line(&call.file, call.line);
            // Stage 03 unmounts by a function of common's.
            let by = [format!("{}(", call.name), "unmount_last(".into()];
            let by = if call.name == "umount2" { &by[..] } else { &by[..1] };
            assert!(by.iter().any(|function| line.contains(function)), "{line}\nfor {call:?}");
            found += 1;
        }
    }
    let made = |call: &&Call| PLAIN.contains(&call.name.as_str()) && call.lane == "container";
    assert!(found >= calls.iter().filter(made).count(), "{stage}: {calls:#?}");
}

pub fn processes_have_their_own_ids_and_the_hosts(lens: &Stage) {
    let name = if lens.who == As::User { "05-user" } else { "03-pid" };
    let seen = Seen::of(lens, &[], stage(lens, name), ["-c", "true"]);
    let calls = seen.calls();
    let init = calls.iter().find(|call| call.command == "ns_init").expect("ns_init");
    assert_eq!((init.pid, init.lane.as_str()), (1, "container"));
    let clone = calls.iter().find(|call| call.text.contains("NEWPID")).expect("a clone");
    assert_eq!(clone.returned, Some(init.host_pid), "{clone:?}");
    assert_eq!((clone.lane.as_str(), clone.pid), ("host", clone.host_pid));
    assert!(clone.new.iter().any(|kind| kind == "pid"), "{clone:?}");
    // In the container a child's id is what its parent sees.
    let inner = calls.iter().find(|call| call.text == "clone()" && call.pid == 1);
    assert_eq!(inner.and_then(|clone| clone.returned), Some(2), "{inner:?}");
}

/// The calls that are compared with those of strace(1): all whose number alone decides.
const JUDGED: &str = "mount,umount2,pivot_root,chroot,sethostname,setdomainname,unshare,setns,clone,clone3,fork,vfork,\
    execve,capset,setsid,setuid,setgid,setgroups,setresuid,setresgid,msgget,mq_open,fsopen,open_tree,move_mount,seccomp";

/// Returns what strace has seen of a program: for each process its calls, in order, and whether they failed.
fn judged(program: &str, args: &[&str]) -> Vec<Vec<(String, bool)>> {
    let strace = need("strace");
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-e", "signal=none", "-e"]).arg(format!("trace={JUDGED}"));
    command.args(["-o", "/tmp/judged", program]).args(args);
    assert!(quietly(&mut command), "strace {program}");
    let text = fs::read_to_string("/tmp/judged").expect("strace writes");
    let mut processes: Vec<(String, Vec<(String, bool)>)> = Vec::new();
    for line in
        text.lines().filter(|line| !line.contains("exited with") && !line.contains("resumed>"))
    {
        let (pid, call) = line.split_once(' ').expect("a pid");
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        if !processes.iter().any(|(known, _)| known == pid) {
            processes.push((pid.into(), Vec::new()));
        }
        let own = processes.iter_mut().find(|(known, _)| known == pid).expect("it is there");
        // Of a call that another process has interrupted, the end is on a line of its own.
        let end = format!("{pid} ");
        let resumed = format!("<... {name} resumed>");
        let end = text.lines().find(|line| line.starts_with(&end) && line.contains(&resumed));
        let rest = if rest.contains("<unfinished") { end.unwrap_or(rest) } else { rest };
        own.1.push((name.into(), rest.contains(" = -1 ")));
    }
    sorted(processes.into_iter().map(|(_, calls)| calls).collect())
}

fn sorted(mut processes: Vec<Vec<(String, bool)>>) -> Vec<Vec<(String, bool)>> {
    // One that only makes a session is killed by its launcher, sooner or later.
    processes.retain(|calls| calls.iter().any(|(name, _)| name != "setsid"));
    processes.sort();
    processes
}

fn seen(seen: &Seen) -> Vec<Vec<(String, bool)>> {
    let mut processes: BTreeMap<usize, Vec<(String, bool)>> = BTreeMap::new();
    let names: Vec<_> = JUDGED.split(',').map(str::trim).collect();
    for call in seen.calls().into_iter().filter(|call| names.contains(&call.name.as_str())) {
        processes.entry(call.process).or_default().push((call.name, call.error.is_some()));
    }
    sorted(processes.into_values().collect())
}

pub fn strace_sees_the_same_calls(lens: &Stage) {
    for name in stages(lens) {
        let program = stage(lens, name);
        let program = program.to_str().expect("a path");
        // The first run makes the default root directory.
        Output::of(Command::new(program).args(["-c", "true"]));
        let args = ["-c", "true; (true); ls >/dev/null"];
        let own = seen(&Seen::of(lens, &[], program, args));
        assert_eq!(own, judged(program, &args), "{name}");
        assert_eq!(own, seen(&Seen::of(lens, &["--no-filter"], program, args)), "{name}");
    }
}

pub fn what_lens_itself_has_made_is_not_new(lens: &Stage) {
    let seen = Seen::of(lens, &["--rootless"], stage(lens, "04-mount"), ["-c", "true"]);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let clone = seen.named("clone").into_iter().find(|call| call.text.contains("NEWPID"));
    let clone = clone.expect("a clone");
    assert_eq!((clone.lane.as_str(), clone.new.join(" ")), ("host", "mnt uts pid".into()));
}

pub fn unshare_is_seen(lens: &Stage) {
    let unshare = need("unshare");
    let args: &[&str] = match lens.who {
        As::User => &["-Urmp", "--fork", "--mount-proc", "true"],
        _ => &["-mp", "--fork", "--mount-proc", "true"],
    };
    let seen = Seen::of(lens, &[], unshare, args);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let mount = seen.named("mount").pop().expect("a mount");
    assert!(mount.text.starts_with("mount proc on /proc (proc, "), "{mount:?}");
    assert_eq!((mount.pid, mount.lane.as_str()), (1, "container"));
}

pub fn two_stages_are_compared_by_their_calls(lens: &Stage) {
    let (old, new) = (stage(lens, "04-mount"), stage(lens, "05-user"));
    let (old, new) = (old.to_str().expect("a path"), new.to_str().expect("a path"));
    // The first run makes the default root directory.
    assert!(quietly(Command::new(new).args(["-c", "true"])));
    let same = lens.run(["diff", new, new]);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{same:?}");
    let differ = lens.run(["diff", "--width", "100", old, new]);
    assert_eq!(differ.code, 1, "{differ:?}");
    let lines: Vec<_> = differ.stdout.lines().collect();
    assert!(
        lines.len() <= 40 && lines[..2] == ["--- 04-mount", "+++ 05-user"],
        "{}",
        differ.stdout
    );
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(has("-   clone(CLONE_NEWNS|NEWUTS|NEWPID)  new: mnt uts pid "), "{}", differ.stdout);
    assert!(has("+   write /proc/[PID]/setgroups \"deny\""), "{}", differ.stdout);
    assert!(has("+   write /proc/[PID]/uid_map "), "{}", differ.stdout);
    assert!(!lines.iter().any(|line| line.starts_with(['-', '+']) && line.contains("pivot_root")));
}

pub fn a_difference_of_calls_is_without_what_the_first_run_of_all_makes(lens: &Stage) {
    // There is no root directory yet: a stage makes it, with a program that it asks what it can do.
    assert!(!fs::exists("/tmp/busybox").expect("stat"));
    let differ = lens.run(["diff", "02", "03", "--calls"]);
    assert_eq!(differ.code, 1, "{differ:?}");
    assert!(differ.stdout.contains("\n+   chroot(.)"), "{}", differ.stdout);
    assert!(!differ.stdout.contains("busybox --list"), "{}", differ.stdout);
    assert!(differ.stdout.lines().all(|line| line == line.trim_end()), "{:?}", differ.stdout);
}

pub fn two_stages_are_compared_by_their_code(lens: &Stage) {
    // As the alias `cargo diff` has it: the words behind it have the last say.
    let differ = lens.run(["diff", "--code", "04", "05-user"]);
    assert_eq!(differ.code, 1, "{differ:?}");
    let has = |line: &str| differ.stdout.lines().any(|own| own.trim() == line);
    assert!(has("--- a/04-mount/src/main.rs") || has("--- 04-mount/src/main.rs"), "{differ:?}");
    assert!(has("+        .cloneflag(CloneFlags::CLONE_NEWUSER)"), "{differ:?}");
    let same = lens.run(["diff", "--code", "04", "04"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{same:?}");
    let calls = lens.run(["diff", "--code", "04", "05", "--calls"]);
    assert!(calls.stdout.starts_with("--- 04-mount\n+++ 05-user\n  host  [STAGE]"), "{calls:?}");
    let before = lens.run(["diff", "--code", "05"]);
    assert_eq!(before.stdout, differ.stdout);
    let first = lens.run(["diff", "--code", "01"]);
    assert_eq!(first.code, 2);
    assert!(first.stderr.contains("01-uts is the first stage"), "{first:?}");
    let all = lens.run(["diff", "--code", "01", "--calls"]);
    assert!(all.stdout.starts_with("--- nothing\n+++ 01-uts\n+ host  [STAGE]\n"), "{all:?}");
    assert!(all.stdout.lines().skip(2).all(|line| line.starts_with('+')), "{all:?}");
    let none = lens.run(["diff", "--code", "04", "99"]);
    assert_eq!((none.code, none.stderr.as_str()), (2, "lens: there is no stage 99\n"));
}

/// Returns the texts of a picture. Of processes that run at the same time one is faster, and then the other: they are
/// sorted.
fn texts(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter(|line| line.starts_with("<text "));
    let texts = texts.filter_map(|line| line.split_once('>')?.1.strip_suffix("</text>"));
    let mut texts: Vec<String> = texts.map(String::from).collect();
    texts.sort();
    texts
}

pub fn the_pictures_in_the_book_are_of_what_the_stages_do(lens: &Stage) {
    // The first run makes the default root directory.
    assert!(quietly(Command::new(stage(lens, "06-network")).args(["-c", "true"])));
    // As they were when this was built: not everybody who runs tests may look where the book is.
    let of_hostname = include_str!("../../../../book/src/calls/02-uts-hostname.svg");
    let of_network = include_str!("../../../../book/src/calls/06-network.svg");
    for (name, options, picture) in
        [("02-uts-hostname", &["--rootless"][..], of_hostname), ("06-network", &[], of_network)]
    {
        let program = stage(lens, name);
        let program = program.to_str().expect("a path");
        let seen = lens.run([options, &["--svg", "--", program, "-c", "true"]].concat()).ok();
        // An ordinary user makes it anew: cargo lens [--rootless] --svg -o book/src/calls/STAGE.svg STAGE -c true
        assert_eq!(texts(&seen), texts(picture), "{name}");
        let style = |svg: &str| svg.lines().skip(1).take_while(|line| *line != "</style>").count();
        assert_eq!(style(&seen), style(picture), "{name}");
        assert!(seen.contains("prefers-color-scheme: dark") && seen.ends_with("</svg>\n"));
    }
}
