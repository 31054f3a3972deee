//! The bundle of every stage, run by crun and runc.

use std::ffi::OsStr;
use std::fs;
use std::iter;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use conformance::snapshot::Snapshot;
use conformance::terminal::Terminal;
use conformance::{Output, STAGES, Stage, cgroup, need};
use nix::mount::{MntFlags, umount2};
use testbed::host::ORDINARY;

use crate::facts::{Facts, SCRIPT, facts};
use crate::table::Table;

pub fn crun_gives_a_shell_the_container_of_every_stage(stage: &Stage) {
    every_stage(stage, "crun", Who::Root);
}

pub fn runc_gives_a_shell_the_container_of_every_stage(stage: &Stage) {
    every_stage(stage, "runc", Who::Root);
}

pub fn crun_gives_an_ordinary_user_the_container_of_every_stage_that_does(stage: &Stage) {
    every_stage(stage, "crun", Who::User);
}

pub fn runc_gives_an_ordinary_user_the_container_of_every_stage_that_does(stage: &Stage) {
    every_stage(stage, "runc", Who::User);
}

/// `sudo crun run -b b demo`, of a bundle that was written without sudo.
pub fn a_bundle_of_an_ordinary_user_that_root_runs_has_the_ids_of_that_user(stage: &Stage) {
    uncover_cgroups();
    for runtime in ["crun", "runc"] {
        let bundle = write(stage, "08", Who::User);
        let theirs = facts(&mut run(runtime, &bundle, Who::Root));
        for (name, value) in [("uid_map", "0 1000 1"), ("gid_map", "0 1000 1"), ("pids.max", "20")]
        {
            assert_eq!(theirs[name], value, "{runtime}: {name}");
        }
        assert_eq!(theirs["hostname"], "nshost", "{runtime}");
    }
}

pub fn the_options_of_a_stage_reach_the_shell(stage: &Stage) {
    uncover_cgroups();
    for runtime in ["crun", "runc"] {
        let bundle = format!("/tmp/options-{runtime}");
        let script = "hostname; echo $0 $1 $TERM; cat /proc/self/uid_map";
        let options = ["--nsshell", "sh", "--nshostname", "Other.Name_1", "--stage", "05-user"];
        let written = stage
            .run([&[bundle.as_str()], &options[..], &["-c", script, "--", "a", "b c"]].concat());
        assert_eq!(written.ok(), "");
        let output = Output::of(&mut run(runtime, &bundle, Who::Root));
        let said = output.ok();
        let lines: Vec<_> = said.lines().map(str::trim).collect();
        assert_eq!(lines[..2], ["Other.Name_1", "a b c vt100"], "{runtime}");
    }
}

pub fn a_bundle_without_a_command_is_for_somebody_at_a_terminal(stage: &Stage) {
    uncover_cgroups();
    for (runtime, number) in [("crun", "08"), ("runc", "08"), ("crun", "03"), ("runc", "03")] {
        let bundle = format!("/tmp/terminal-{runtime}-{number}");
        let written = Output::of(stage.command().args([&bundle, "--stage", number]));
        assert_eq!(written.code, 0, "{written:#?}");
        let command = run(runtime, &bundle, Who::Root);
        let words: Vec<_> = iter::once(command.get_program()).chain(command.get_args()).collect();
        let words = words.join(OsStr::new(" "));
        let mut terminal = Terminal::run(stage, words.to_str().expect("text"));
        terminal.ask("tty; echo the end", "/dev/pts/0");
        terminal.ask("hostname", "nshost");
        terminal.enter("exit");
        terminal.wait();
    }
}

/// Who runs something.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Root,
    User,
}

impl Who {
    fn run(self, command: &mut Command) -> &mut Command {
        match self {
            Who::Root => command,
            Who::User => command.uid(ORDINARY).gid(ORDINARY),
        }
    }
}

/// Where a hierarchy of cgroup v2 lies among those of v1 crun gives up. This takes it away, from this test alone.
fn uncover_cgroups() {
    let unified = Path::new("/sys/fs/cgroup/unified");
    if unified.exists() {
        umount2(unified, MntFlags::MNT_DETACH).expect("it is a mount");
    }
}

/// Compares what the shell sees in each stage's container and in a runtime's.
fn every_stage(stage: &Stage, runtime: &str, who: Who) {
    need(runtime);
    uncover_cgroups();
    stage.run(["--pod"]).ok();
    let host = Snapshot::take();
    let table = Table::read();
    for program in STAGES[2..].iter().map(|beside| beside.program) {
        let number = &program[..2];
        // As an ordinary user: 03 and 04 need root, 08 a cgroup of one's own.
        if who == Who::User && !("05".."08").contains(&number) {
            continue;
        }
        let mut command = stage.command_of(program);
        let ours = facts(who.run(command.args(["-c", SCRIPT])));
        let bundle = write(stage, number, who);
        let theirs = facts(&mut run(runtime, &bundle, who));
        if number == "08" {
            table.check(runtime, &ours, &theirs);
        } else if !Table::is_being_written() {
            assert_same(number, runtime, &ours, &theirs, &table);
        }
    }
    host.assert_unchanged();
}

/// Asserts that nothing differs but what the table of stage 08 has, and what the bundle says itself.
#[track_caller]
fn assert_same(number: &str, runtime: &str, ours: &Facts, theirs: &Facts, table: &Table) {
    let mut different = table.differences(runtime);
    // Without a namespace it is where the runtime has made one.
    different.push("cgroup");
    if number == "03" {
        different.extend(["new namespaces", "mounted on /dev", "/dev has"]);
    }
    for name in ours.keys().filter(|name| !different.contains(&name.as_str())) {
        assert_eq!(ours.get(name), theirs.get(name), "{number}, {runtime}: {name}");
    }
    assert!(ours.len() > different.len() + 10, "{number}: hardly anything was compared");
}

/// Writes the bundle of a stage that runs [`SCRIPT`], and returns its path.
fn write(stage: &Stage, number: &str, who: Who) -> String {
    let bundle = format!("/tmp/bundle-{number}");
    let _ = fs::remove_dir_all(&bundle);
    let mut command = stage.command();
    let command = who.run(command.args([&bundle, "--stage", number, "-c", SCRIPT]));
    let output = Output::of(command);
    // Stage 03 has something to say.
    assert!(output.code == 0 && output.stdout.is_empty(), "{output:#?}");
    assert!(output.stderr.is_empty() || number == "03", "{output:#?}");
    bundle
}

/// Returns a command that runs a bundle.
fn run(runtime: &str, bundle: &str, who: Who) -> Command {
    let own = cgroup::own().expect("the test has a cgroup");
    // All tests of this machine have one root of the hierarchies, and runtimes make cgroups of this name there.
    let name = format!("{runtime}-{}", own.file_name().expect("it has a name").to_string_lossy());
    let state = if who == Who::Root { "/tmp/state" } else { "/tmp/state-of-the-user" };
    let mut command = Command::new(need(runtime));
    command.args(["--root", state, "run", "--bundle", bundle, &name]);
    who.run(&mut command);
    command
}
