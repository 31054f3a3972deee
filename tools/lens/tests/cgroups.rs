//! Cgroups, watched: with one of the tests' own to make others in.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::rootfs;
use conformance::{As, Output, STAGES, Stage, cgroup, need, tests};
use nix::mount::{MsFlags, mount};
use seen::{Seen, stage};

#[path = "lens/others.rs"]
mod others;
#[path = "lens/provoke.rs"]
#[allow(dead_code)]
mod provoke;
#[path = "lens/rows.rs"]
#[allow(dead_code)]
mod rows;
#[path = "lens/seen.rs"]
#[allow(dead_code)]
mod seen;
#[path = "lens/stages.rs"]
#[allow(dead_code)]
mod stages;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "provoke") {
        let path = std::ffi::CString::new(args[3].as_str()).expect("a path");
        provoke::cgroups(&path);
        return ExitCode::SUCCESS;
    }
    let tests = tests![
        &[As::Root, As::User] => [
            cgroups_are_seen_and_other_directories_are_not,
            the_last_stage_is_seen_from_its_lines_and_fits_a_hundred_of_them,
        ],
        &[As::Root] => [
            the_first_start_of_all_fits_a_hundred_lines_where_it_asks_for_the_libraries_of_many_tools,
            crun_is_seen,
            runc_is_seen,
            others::the_last_stage_asks_what_the_book_says,
            others::unshare_asks_what_the_book_says,
            others::bwrap_asks_what_the_book_says,
            others::crun_asks_what_the_book_says,
            others::runc_asks_what_the_book_says,
        ],
    ];
    conformance::program(env!("CARGO_BIN_EXE_lens"), true, &STAGES[7..], tests)
}

fn cgroups_are_seen_and_other_directories_are_not(lens: &Stage) {
    let own = cgroup::own().expect("the tests have one");
    let path = own.join("provoked");
    let names = rows::compare(lens, "cgroups", &[path.to_str().expect("a path")]);
    assert!(names.contains("mkdirat") && names.contains("unlinkat"), "{names:?}");
    assert!(!path.exists());
}

fn the_last_stage_is_seen_from_its_lines_and_fits_a_hundred_of_them(lens: &Stage) {
    let program = stage(lens, "08-cgroups");
    let seen = Seen::of(lens, &[], &program, ["-c", "true"]);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let calls = seen.calls();
    stages::each_line_makes_its_call("08-cgroups", &calls);
    let has = |start: &str| calls.iter().any(|call| call.text.starts_with(start));
    assert!(has("mkdir") && has("write /sys/fs/cgroup/") && has("netlink link add brg0 "));
    assert!(has("netlink link add veth") && has("unshare(CLONE_NEWCGROUP)"), "{calls:#?}");
    assert_fits(lens, &program, false);
}

fn the_first_start_of_all_fits_a_hundred_lines_where_it_asks_for_the_libraries_of_many_tools(
    lens: &Stage,
) {
    for busybox in ["/usr/bin/busybox", "/usr/sbin/busybox"].map(Path::new) {
        if busybox.exists() {
            // Covered, it is no program any more.
            let none = None::<&str>;
            mount(Some("/dev/null"), busybox, none, MsFlags::MS_BIND, none).expect("mount");
        }
    }
    assert_fits(lens, &stage(lens, "08-cgroups"), true);
    assert!(Path::new("/tmp/busybox/bin/sh").exists());
    assert!(!Path::new("/tmp/busybox/bin/busybox").exists());
}

/// Asserts that the table of a start is a hundred lines of a hundred columns at most.
///
/// - `first`: whether it is to be the first start of all, which makes the root directory.
fn assert_fits(lens: &Stage, program: &Path, first: bool) {
    // The path of the tests' own cgroup is longer than others, and breaks lines.
    let own = cgroup::own().expect("the tests have one").display().to_string();
    let runs = (0..3).map(|_| {
        if first && Path::new(rootfs::DEFAULT).exists() {
            fs::remove_dir_all(rootfs::DEFAULT).expect("remove the root directory");
        }
        let mut command = lens.command();
        command.args(["--width", "100", "--"]).arg(program).args(["-c", "true"]);
        let table = Output::of(&mut command).stdout;
        (table.lines().count() - table.matches(&own[..30]).count(), table)
    });
    // Each time that processes take turns there is a heading, and how often they do is the machine's business.
    let (count, table) = runs.min().expect("three runs");
    assert!(count <= 100, "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

/// Runs an engine's container without lens, and with it. Returns what was seen, or why it does not work in any case.
fn engine(lens: &Stage, name: &str, options: &[&str]) -> Result<Seen, String> {
    let engine = need(name);
    let own = cgroup::own().expect("the tests have one");
    let own = format!(
        "/{}",
        own.strip_prefix("/sys/fs/cgroup/pids")
            .or(own.strip_prefix("/sys/fs/cgroup"))
            .expect("a cgroup")
            .display()
    );
    fs::create_dir_all("/tmp/bundle").expect("mkdir");
    let namespaces =
        ["ipc", "network", "cgroup"].map(|kind| format!("{{ \"type\": \"{kind}\" }},"));
    let config = include_str!("lens/config.json")
        .replace("CGROUP", &format!("{own}/{name}"))
        .replace("\"namespaces\": [", &format!("\"namespaces\": [{}", namespaces.concat()));
    fs::write("/tmp/bundle/config.json", config).expect("write");
    common::rootfs::make(Path::new("/tmp/bundle/rootfs")).expect("a root directory");
    let run = |id: &str| {
        [options, &["--root", "/tmp/engine", "run", "--bundle", "/tmp/bundle", id]]
            .concat()
            .iter()
            .map(|arg| arg.to_string())
            .collect::<Vec<_>>()
    };
    let alone = Output::of(Command::new(&engine).args(run("alone")));
    if alone.code != 7 {
        return Err(alone.stderr);
    }
    Ok(Seen::of(lens, &[], engine, run("watched")))
}

fn a_container_is_seen(seen: &Seen) {
    assert_eq!(seen.output.code, 7, "{:?}", seen.output);
    let calls = seen.calls();
    let inside = |text: &str| {
        let found = calls.iter().find(|call| call.text == text);
        let found = found.unwrap_or_else(|| panic!("no {text}: {calls:#?}"));
        assert_eq!(
            (found.lane.as_str(), found.pid, &found.error),
            ("container", 1, &None),
            "{found:?}"
        );
    };
    inside("sethostname(engine)");
    inside("pivot_root(., .)");
    inside("execve(/bin/sh, [sh -c \"exit 7\"])");
    inside("exit(7)");
}

fn crun(lens: &Stage) -> Seen {
    // It does not take the mixture of cgroup v1 and v2 that some machines have, watched or not.
    let unified = "/sys/fs/cgroup/unified";
    if Path::new(unified).exists() {
        nix::mount::umount2(unified, nix::mount::MntFlags::MNT_DETACH).expect("umount");
    }
    engine(lens, "crun", &["--cgroup-manager=disabled"]).expect("crun works")
}

fn runc(lens: &Stage) -> Seen {
    engine(lens, "runc", &[]).expect("runc works")
}

fn crun_is_seen(lens: &Stage) {
    a_container_is_seen(&crun(lens));
}

fn runc_is_seen(lens: &Stage) {
    a_container_is_seen(&runc(lens));
}
