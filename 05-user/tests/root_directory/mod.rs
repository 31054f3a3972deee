//! The default root directory, made of whatever programs the host has.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::rootfs;
use conformance::terminal::Terminal;
use conformance::{As, Output, Stage, Test, has, need, probe, tests};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::unistd::{geteuid, getpid};

mod fuse;
mod place;
mod whose;

/// The tests of this folder.
pub fn tests() -> Vec<Test> {
    [of_the_hosts_programs(), whose::tests(), place::tests()].into_iter().flatten().collect()
}

fn of_the_hosts_programs() -> Vec<Test> {
    tests![
        &[As::Root] => [
            first_starts_of_several_users_at_once_all_find_a_root_directory,
            programs_that_somebody_else_can_write_are_neither_executed_nor_taken,
        ],
        &[As::Root, As::User] => [
            what_a_killed_start_has_left_is_removed_and_what_another_is_making_stays,
        ],
        &[As::User] => [programs_that_cannot_be_read_are_passed_over],
        // Only root, of some user namespace, can hide a program of the host.
        &[As::Root, As::Rootless] => [
            a_root_directory_made_of_busybox_has_all_that_is_needed,
            a_root_directory_made_of_the_hosts_own_programs_has_all_that_is_needed,
            a_shell_of_the_host_leaves_the_terminal_with_its_own_status,
            a_host_without_a_hostname_program_gets_one_inside,
            a_host_with_nothing_but_a_shell_gives_a_shell,
            a_host_without_a_shell_is_told_what_to_install,
            a_host_whose_tools_are_one_program_gives_one_copy_and_links,
            a_host_whose_shell_is_bash_gives_a_bash,
            a_shell_made_for_musl_runs,
            a_shell_whose_loader_and_libraries_are_elsewhere_runs,
            programs_on_a_file_system_mounted_noexec_are_passed_over,
            a_busybox_that_does_not_work_is_passed_over,
            first_starts_at_once_leave_one_whole_root_directory,
            a_first_start_that_is_killed_leaves_nothing_half_made,
        ],
    ]
}

/// What a container cannot do without.
const ESSENTIAL: [&str; 5] = ["sh", "ls", "mount", "hostname", "id"];

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Hides a program of the host behind an empty file, wherever it may be.
fn hide(program: &str) {
    for directory in ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    {
        let file = Path::new(directory).join(program);
        if file.exists() {
            mount(Some("/dev/null"), &file, NONE, MsFlags::MS_BIND, NONE).unwrap();
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
    // A minimal Debian has no ps(1).
    let ps = Path::new(rootfs::DEFAULT).join("bin/ps").exists();
    assert_eq!(ps, is_busybox() || has("ps"), "ps is taken where there is one");
    if ps {
        let processes = stage.sh("ps -o pid,args; :").ok();
        assert!(processes.contains("ns_init") && !processes.contains("under-test"), "{processes}");
    }
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

/// Programs of a host that a container can do without.
const OTHERS: [&str; 9] = ["busybox", "ls", "ps", "hostname", "id", "ip", "ping", "bash", "mount"];

fn a_host_with_nothing_but_a_shell_gives_a_shell(stage: &Stage) {
    OTHERS.iter().for_each(|program| hide(program));
    let mut command = stage.command();
    let output =
        Output::of(command.env("RUST_LOG", "info").args(["-c", "echo $((6 * 7)); hostname"]));
    assert_eq!((output.code, output.stdout.as_str()), (0, "42\nnshost\n"), "{output:#?}");
    let said: Vec<_> = output.stderr.lines().filter(|line| line.contains("left out")).collect();
    assert!(
        matches!(said[..], [line] if line.contains("busybox, ls, ps, mount, id, ip, ping, bash"))
    );
    assert_eq!(stage.sh("ls").code, 127, "and it is no error later");
}

fn a_host_without_a_shell_is_told_what_to_install(stage: &Stage) {
    ["busybox", "sh"].iter().for_each(|program| hide(program));
    stage.sh("true").refused(&["needs a shell", "no program sh", "#no-busybox"]);
    assert!(made().is_empty());
}

/// A directory of programs, to be found first.
const PROGRAMS: &str = "/tmp/programs";

/// Makes it, empty.
fn make_programs() -> PathBuf {
    fs::create_dir(PROGRAMS).unwrap();
    PROGRAMS.into()
}

/// Runs a script in the stage, started where programs are looked for in [`PROGRAMS`] first.
fn sh_of_programs(stage: &Stage, script: &str) -> Output {
    let path = format!("{PROGRAMS}:{}", std::env::var("PATH").unwrap());
    Output::of(stage.command().env("PATH", path).args(["-c", script]))
}

/// The default root directory's program `name`: the name that it links to, if it is a link.
fn link(name: &str) -> Option<PathBuf> {
    fs::read_link(Path::new(rootfs::DEFAULT).join("bin").join(name)).ok()
}

fn a_host_whose_tools_are_one_program_gives_one_copy_and_links(stage: &Stage) {
    let programs = make_programs();
    fs::copy(need("busybox"), programs.join("tools")).unwrap();
    // Some by symbolic links, as of rust-coreutils, and some by others.
    for name in ["sh", "ls", "cat"] {
        symlink("tools", programs.join(name)).unwrap();
    }
    for name in ["ps", "id"] {
        fs::hard_link(programs.join("tools"), programs.join(name)).unwrap();
    }
    hide("busybox");
    assert_eq!(sh_of_programs(stage, "id -u; ls /etc | cat").ok(), "0\ngroup\nhosts\npasswd\n");
    assert_eq!(link("sh"), None);
    for name in ["ls", "cat", "ps", "id"] {
        assert_eq!(link(name).as_deref(), Some(Path::new("sh")), "{name}");
    }
}

fn a_host_whose_shell_is_bash_gives_a_bash(stage: &Stage) {
    symlink(need("bash"), make_programs().join("sh")).unwrap();
    hide("busybox");
    assert_eq!(sh_of_programs(stage, "echo ${BASH_VERSION:+bash}").ok(), "bash\n");
    assert_eq!(link("bash").as_deref(), Some(Path::new("sh")));
}

/// Compiles a "shell" that only greets, by a function of a library, into [`PROGRAMS`].
///
/// - `flags`: how the library is found.
fn compile_greeter(compiler: &str, flags: &[&str]) {
    let compile = |name: &str, source: &str, flags: &[&str]| {
        let file = "/tmp/greeter.c";
        fs::write(file, source).unwrap();
        let output = Path::new(PROGRAMS).join(name);
        Output::of(Command::new(compiler).arg(file).arg("-o").arg(output).args(flags)).ok();
    };
    let library = "int puts(const char *); int greet(void) { return puts(\"hello\") < 0; }";
    let library_file = format!("{PROGRAMS}/lib/libgreet.so");
    compile("lib/libgreet.so", library, &["-shared", "-fPIC", "-Wl,-soname,libgreet.so"]);
    let flags = [&[library_file.as_str()], flags].concat();
    compile("sh", "int greet(void); int main(void) { return greet(); }", &flags);
}

fn a_shell_made_for_musl_runs(stage: &Stage) {
    need("musl-gcc");
    fs::create_dir(make_programs().join("lib")).unwrap();
    hide("busybox");
    compile_greeter("musl-gcc", &["-Wl,-rpath,/tmp/programs/lib"]);
    assert_eq!(sh_of_programs(stage, "").ok(), "hello\n");
}

fn a_shell_whose_loader_and_libraries_are_elsewhere_runs(stage: &Stage) {
    need("cc");
    fs::create_dir(make_programs().join("lib")).unwrap();
    hide("busybox");
    let maps = probe::read(getpid(), "maps");
    let loader = maps.split_whitespace().find(|word| word.contains("/ld-")).expect("a loader");
    fs::copy(loader, "/tmp/programs/loader").unwrap();
    let loader = "-Wl,--dynamic-linker=/tmp/programs/loader";
    // As on NixOS; and in a directory that is not there, seen from /bin.
    for path in ["-Wl,-rpath,/tmp/programs/lib", "-Wl,-rpath,$ORIGIN/lib"] {
        compile_greeter("cc", &[loader, path]);
        assert_eq!(sh_of_programs(stage, "").ok(), "hello\n", "{path}");
        fs::remove_dir_all(rootfs::DEFAULT).unwrap();
    }
}

/// Puts a busybox into [`PROGRAMS`] that works.
fn put_busybox(programs: &Path) -> PathBuf {
    let file = programs.join("busybox");
    fs::copy(need("busybox"), &file).unwrap();
    file
}

fn programs_that_cannot_be_read_are_passed_over(stage: &Stage) {
    let file = put_busybox(&make_programs());
    fs::set_permissions(&file, Permissions::from_mode(0o111)).unwrap();
    sh_of_programs(stage, "true").ok();
}

fn programs_on_a_file_system_mounted_noexec_are_passed_over(stage: &Stage) {
    let programs = make_programs();
    let mount = ["-t", "tmpfs", "-o", "noexec,mode=755", "none", PROGRAMS];
    Output::of(Command::new("mount").args(mount)).ok();
    fs::copy(need("sh"), programs.join("sh")).unwrap();
    put_busybox(&programs);
    hide("busybox");
    sh_of_programs(stage, "true").ok();
}

fn a_busybox_that_does_not_work_is_passed_over(stage: &Stage) {
    let file = make_programs().join("busybox");
    fs::write(&file, "#!/bin/sh\necho ash; exit 1\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    hide("busybox");
    sh_of_programs(stage, "true").ok();
    assert!(!is_busybox());
}

fn programs_that_somebody_else_can_write_are_neither_executed_nor_taken(stage: &Stage) {
    let file = make_programs().join("busybox");
    let plant = || {
        fs::write(&file, "#!/bin/sh\n>/tmp/planted\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        sh_of_programs(stage, "true").ok();
        fs::remove_dir_all(rootfs::DEFAULT).unwrap();
    };
    chown(PROGRAMS, Some(4711), None).unwrap();
    plant();
    chown(PROGRAMS, Some(0), None).unwrap();
    chown(&file, Some(4711), None).unwrap();
    plant();
    chown(&file, Some(0), None).unwrap();
    fs::set_permissions(PROGRAMS, Permissions::from_mode(0o777)).unwrap();
    plant();
    assert!(!Path::new("/tmp/planted").exists());
    // It would be, were it trusted.
    fs::set_permissions(PROGRAMS, Permissions::from_mode(0o755)).unwrap();
    plant();
    assert!(Path::new("/tmp/planted").exists());
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
    for step in 0..25 {
        let mut start = stage.command().args(["-c", "true"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(4 * step));
        start.kill().unwrap();
        start.wait().unwrap();
        if made().contains(&"busybox".to_owned()) {
            assert_whole(stage);
            fs::remove_dir_all(rootfs::DEFAULT).unwrap();
        }
    }
    assert_whole(stage);
    assert_eq!(made(), ["busybox"], "what the killed have left is gone");
}

fn what_a_killed_start_has_left_is_removed_and_what_another_is_making_stays(stage: &Stage) {
    // The caller's id as the user namespace around this one has it: user_namespaces(7).
    let map = probe::read(getpid(), "uid_map");
    let map: Vec<u32> = map.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let outer = geteuid().as_raw() - map[0] + map[1];
    let [left, in_use] =
        ["a", "b"].map(|letter| format!("/tmp/.busybox-{outer}-{}", letter.repeat(6)));
    for directory in [&left, &in_use] {
        fs::create_dir_all(Path::new(directory).join("bin")).unwrap();
    }
    let lock = Flock::lock(File::open(&in_use).unwrap(), FlockArg::LockExclusiveNonblock);
    stage.sh("true").ok();
    assert!(!Path::new(&left).exists() && Path::new(&in_use).join("bin").exists());
    drop(lock);
}
