//! Stage 05 from outside.

use common::rootfs;
use conformance::terminal::Terminal;
use conformance::{As, Output, Stage, escape, every_stage, need, probe, tests};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::{getegid, geteuid};

fn main() -> ExitCode {
    let mut tests = every_stage::tests(5);
    tests.extend(tests![
        &[As::Root, As::User] => [
            its_root_directory_cannot_be_escaped,
            root_inside_is_the_caller_outside,
            one_user_and_one_group_are_mapped,
            root_inside_has_every_capability_there,
            a_file_made_by_root_inside_belongs_to_the_caller,
            user_namespaces_switched_off_are_named_with_the_sysctl,
        ],
        &[As::Root] => [first_starts_of_several_users_at_once_all_find_a_root_directory],
        &[As::User] => [root_inside_cannot_do_what_the_caller_cannot, the_readme_shows_what_happens],
        // Only root, of some user namespace, can hide a program of the host.
        &[As::Root, As::Rootless] => [
            a_root_directory_made_of_busybox_has_all_that_is_needed,
            a_root_directory_made_of_the_hosts_own_programs_has_all_that_is_needed,
            a_shell_of_the_host_leaves_the_terminal_with_its_own_status,
            a_host_without_a_hostname_program_gets_one_inside,
            first_starts_at_once_leave_one_whole_root_directory,
            a_first_start_that_is_killed_leaves_nothing_half_made,
        ],
    ]);
    conformance::main(5, env!("CARGO_BIN_EXE_05-user"), tests)
}

fn its_root_directory_cannot_be_escaped(stage: &Stage) {
    assert!(!escape::escapes(stage));
}

fn root_inside_is_the_caller_outside(stage: &Stage) {
    assert_eq!(stage.sh("id -u; id -g").ok(), "0\n0\n");
    let container = stage.start("echo ready; exec sleep 1000");
    let ids = |id| [id; 4].map(|id: u32| id.to_string()).join("\t");
    let shell = container.youngest();
    assert_eq!(probe::status(shell, "Uid"), ids(geteuid().as_raw()));
    assert_eq!(probe::status(shell, "Gid"), ids(getegid().as_raw()));
}

fn one_user_and_one_group_are_mapped(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let map = |file| {
        let text = probe::read(container.youngest(), file);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(map("uid_map"), format!("0 {} 1", geteuid()));
    assert_eq!(map("gid_map"), format!("0 {} 1", getegid()));
    assert_eq!(map("setgroups"), "deny");
}

fn root_inside_has_every_capability_there(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let [effective, bounding] =
        ["CapEff", "CapBnd"].map(|set| probe::status(container.youngest(), set));
    assert_eq!(effective, bounding, "all there are");
    assert_ne!(u64::from_str_radix(&effective, 16), Ok(0));
}

fn a_file_made_by_root_inside_belongs_to_the_caller(stage: &Stage) {
    assert_eq!(stage.sh("touch /root/file; stat -c %u:%g /root/file").ok(), "0:0\n");
    let file = fs::metadata(Path::new(rootfs::DEFAULT).join("root/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (geteuid().as_raw(), getegid().as_raw()));
}

fn root_inside_cannot_do_what_the_caller_cannot(stage: &Stage) {
    need("busybox");
    let refused = |script: &str, errno: &str| {
        let output = stage.sh(script);
        assert!(output.code != 0 && output.stderr.contains(errno), "{script}: {output:#?}");
    };
    // The kernel's settings belong to the first user namespace. (Were this allowed, nothing would change.)
    refused(
        "read -r value </proc/sys/kernel/panic; echo $value >/proc/sys/kernel/panic",
        "Permission denied",
    );
    refused("mknod /temp/null c 1 3", "Operation not permitted");
}

fn user_namespaces_switched_off_are_named_with_the_sysctl(stage: &Stage) {
    stage.sh("true").ok();
    // The limit counts in the user namespace that it is written in, and below.
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$0\" -c true";
    let unshare = ["--user", "--map-root-user", "sh", "-c", script];
    Output::of(Command::new("unshare").args(unshare).arg(&stage.program)).refused(&[
        "CLONE_NEWUSER",
        "ENOSPC",
        "sudo sysctl user.max_user_namespaces=15000",
    ]);
}

/// What a container cannot do without.
const ESSENTIAL: [&str; 6] = ["sh", "ls", "ps", "mount", "hostname", "id"];

/// Hides a program of the host behind an empty file, wherever it may be.
fn hide(program: &str) {
    for directory in ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    {
        let file = Path::new(directory).join(program);
        if file.exists() {
            Output::of(Command::new("mount").arg("--bind").arg("/dev/null").arg(file)).ok();
        }
    }
}

/// Starts the stage, and asserts that each essential program is there, runs, and says the truth.
#[track_caller]
fn assert_whole(stage: &Stage) {
    assert_eq!(stage.sh("id -u; hostname").ok(), "0\nnshost\n");
    for program in ESSENTIAL {
        let path = Path::new(rootfs::DEFAULT).join("bin").join(program);
        assert!(path.exists(), "{} is missing", path.display());
    }
    assert_eq!(stage.sh("ls /").ok().lines().collect::<Vec<_>>(), names_in(rootfs::DEFAULT));
    assert!(stage.sh("mount").ok().contains("godir on /temp type tmpfs"));
    let processes = stage.sh("ps -o pid,args; :").ok();
    assert!(processes.contains("ns_init") && !processes.contains("under-test"), "{processes}");
}

/// The names in a directory, in order.
fn names_in(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether the default root directory is made of busybox.
fn is_busybox() -> bool {
    Path::new(rootfs::DEFAULT).join("bin/busybox").exists()
}

fn a_root_directory_made_of_busybox_has_all_that_is_needed(stage: &Stage) {
    need("busybox");
    assert_whole(stage);
    assert!(is_busybox());
}

fn a_root_directory_made_of_the_hosts_own_programs_has_all_that_is_needed(stage: &Stage) {
    hide("busybox");
    assert_whole(stage);
    assert!(!is_busybox());
    // A copy of a set-user-ID program must not be one.
    let mount = fs::metadata(Path::new(rootfs::DEFAULT).join("bin/mount")).unwrap();
    assert_eq!(mount.mode() & 0o7777, 0o755);
}

fn a_shell_of_the_host_leaves_the_terminal_with_its_own_status(stage: &Stage) {
    hide("busybox");
    // dash(1), on Debian and Ubuntu, would like to put back the process group that it has found.
    let mut terminal = Terminal::run(stage, "$0; echo status $?; read x; echo got $x");
    terminal.see("# ");
    terminal.ask("exit 3", "status 3");
    terminal.ask("word", "got word");
    let mut terminal = Terminal::run(stage, "$0 -- -l; echo status $?");
    terminal.see("# ");
    terminal.ask("exit 4", "status 4");
}

fn a_host_without_a_hostname_program_gets_one_inside(stage: &Stage) {
    hide("busybox");
    hide("hostname");
    assert_whole(stage);
}

/// What is in /tmp but for the programs under test.
fn made() -> Vec<String> {
    let mut names = names_in("/tmp");
    names.retain(|name| name != "under-test");
    names
}

fn first_starts_at_once_leave_one_whole_root_directory(stage: &Stage) {
    hide("busybox");
    for _ in 0..3 {
        let mut starts: Vec<_> = (0..12)
            .map(|_| stage.command().args(["-c", "id -u >/dev/null"]).spawn().unwrap())
            .collect();
        for start in &mut starts {
            assert!(start.wait().unwrap().success());
        }
        assert_eq!(made(), ["busybox"]);
        assert_whole(stage);
        fs::remove_dir_all(rootfs::DEFAULT).unwrap();
    }
}

fn first_starts_of_several_users_at_once_all_find_a_root_directory(stage: &Stage) {
    hide("busybox");
    for _ in 0..4 {
        let mut starts: Vec<_> = [1000, 1001, 1002, 1003]
            .into_iter()
            .map(|id| {
                let mut command = stage.command();
                command.uid(id).gid(id).args(["-c", "id -u >/dev/null"]).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        for start in starts.drain(..) {
            let output = start.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let names = made();
        assert!(
            names.len() == 4 && names.iter().all(|name| name.starts_with("busybox")),
            "{names:?}"
        );
        for name in names {
            fs::remove_dir_all(Path::new("/tmp").join(name)).unwrap();
        }
    }
}

fn a_first_start_that_is_killed_leaves_nothing_half_made(stage: &Stage) {
    // The slower of the two makers: there is time to kill it.
    hide("busybox");
    let mut half_made = 0;
    for step in 0..25 {
        let mut start = stage.command().args(["-c", "true"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(4 * step));
        start.kill().unwrap();
        start.wait().unwrap();
        half_made += made().iter().filter(|name| name.starts_with(".busybox-")).count();
        if made().contains(&"busybox".to_owned()) {
            assert_whole(stage);
            fs::remove_dir_all(rootfs::DEFAULT).unwrap();
        }
    }
    assert!(half_made > 0, "no start was killed while it made the root directory");
    assert_whole(stage);
    assert_eq!(made(), ["busybox"], "what the killed have left is gone");
}

fn the_readme_shows_what_happens(stage: &Stage) {
    // The reader of the README has the id of most first users.
    let readme = include_str!("../../README.md").replace("1000", &geteuid().to_string());
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands = 0;
    for example in blocks.flat_map(|block| block.split("$ ").skip(1)) {
        let (command, expected) = example.split_once('\n').unwrap();
        if command == "cargo doctor" {
            // The doctor's own tests run it.
            continue;
        }
        let arguments = command.strip_prefix("cargo run -q -p user -- ").unwrap();
        let script = format!("exec \"$0\" {arguments}");
        let output = Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
        assert_eq!(output.ok(), expected, "{command}");
        commands += 1;
    }
    assert!(commands > 0, "the README has no console block");
}
