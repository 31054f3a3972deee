//! Stage 06 from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use conformance::reach::OWN_ADDRESS;
use conformance::snapshot::Snapshot;
use conformance::{
    As, Container, Output, Stage, Traits, eventually, need, probe, queues, reach, tests,
};
use help::{WAIT, ip, reach};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid, getpid};

mod forwarding;
mod help;

const TRAITS: Traits = Traits {
    namespaces: &["mnt", "net", "pid", "user", "uts"],
    sets_hostname: true,
    root_directory: true,
};

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::User] => [
            the_address_is_there_at_the_first_instruction,
            the_loopback_answers,
            the_bridge_answers,
            the_container_answers_from_the_bridge,
            the_default_route_leads_to_the_bridge,
            one_user_and_one_group_are_mapped,
            an_address_of_the_readers_own_is_set,
            an_address_from_another_network_is_refused,
            queues_are_still_those_of_the_host,
        ],
        &[As::User] => [
            the_host_has_no_bridge_of_an_ordinary_user,
            a_line_says_that_the_bridge_is_not_on_the_host,
            a_helper_of_an_ordinary_user_finds_the_loopback_set_up,
        ],
        &[As::Root] => [
            containers_reach_each_other,
            twenty_containers_have_twenty_addresses,
            the_bridge_stays_until_the_last_container_has_gone,
            a_killed_launcher_leaves_a_bridge_and_the_next_start_removes_it,
            a_bridge_that_is_not_ours_is_refused,
            a_network_that_is_in_use_is_refused,
            a_default_route_is_no_obstacle,
            a_default_route_in_two_halves_and_a_blackhole_around_the_network_are_no_obstacles,
            a_route_to_nowhere_in_the_network_is_refused,
            a_container_is_no_router_for_its_host,
            a_bridge_that_was_set_down_is_set_up,
            a_bridge_with_an_address_of_others_is_left_there,
            a_device_that_is_no_bridge_is_not_ours,
            a_lock_of_an_ordinary_user_does_not_keep_root_waiting,
            root_without_cap_sys_admin_is_connected,
            an_address_that_is_taken_is_refused,
            root_without_the_right_to_make_a_bridge_is_told_what_to_do,
            a_helper_lays_the_cable_instead,
            a_helper_that_hangs_ends_with_the_start,
            a_wait_for_a_turn_says_for_whom_and_can_be_ended,
            a_helper_that_fails_is_named_with_its_status,
            a_helper_that_does_not_exist_is_named,
            forwarding::masquerading_lets_a_container_reach_the_internet,
            forwarding::a_host_that_drops_what_it_forwards_is_told_what_lets_containers_reach_each_other,
        ],
    ];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_06-network"), tests)
}

/// Whether the host has a network device of this name.
fn has_device(name: &str) -> bool {
    let devices = probe::read(getpid(), "net/dev");
    devices.lines().any(|line| line.trim().starts_with(&format!("{name}:")))
}

fn the_address_is_there_at_the_first_instruction(stage: &Stage) {
    let arguments = ["--nsshell", "/bin/cat", "/proc/net/fib_trie", "/proc/net/route"];
    let look = || {
        // What it says besides is that it waits for its turn at the bridge.
        let output = stage.run(arguments);
        // An address of the network, and 10.10.10.1 as the kernel writes it there.
        let is_there = ["10.10.10.", "010A0A0A"].iter().all(|part| output.stdout.contains(part));
        assert!(output.code == 0 && is_there, "{output:#?}");
    };
    // Most of a start is waiting for the kernel.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| look()));
        }
    });
}

fn the_loopback_answers(stage: &Stage) {
    reach::install(stage);
    stage.sh(&reach("127.0.0.1")).ok();
}

fn the_bridge_answers(stage: &Stage) {
    reach::install(stage);
    stage.sh(&reach("10.10.10.1")).ok();
}

fn the_container_answers_from_the_bridge(stage: &Stage) {
    need("busybox");
    let container = stage.start("echo ready; while :; do echo hello | nc -l -p 7; done");
    let launcher = container.launcher().to_string();
    // Where the launcher is, there is the bridge: for root that is the host.
    let mut target = vec!["--target", &launcher, "--net"];
    if stage.who == As::User {
        target.extend(["--user", "--preserve-credentials"]);
    }
    let ask = || {
        let client = ["busybox", "nc", "10.10.10.2", "7"];
        Output::of(Command::new("nsenter").args(&target).args(client)).stdout
    };
    eventually("the container answers", || ask() == "hello\n");
    assert_eq!(has_device("brg0"), stage.who == As::Root);
}

fn the_default_route_leads_to_the_bridge(stage: &Stage) {
    // Its columns are the device, the destination, and the gateway as the kernel writes 10.10.10.1 there.
    let routes = stage.sh("cat /proc/net/route").ok();
    let routes: Vec<Vec<_>> =
        routes.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert!(routes.contains(&vec!["veth1", "00000000", "010A0A0A"]), "{routes:?}");
}

fn one_user_and_one_group_are_mapped(stage: &Stage) {
    let seen = stage.sh("cat /proc/self/uid_map /proc/self/gid_map").ok();
    let words: Vec<_> = seen.split_whitespace().collect();
    let expected = format!("0 {} 1 0 {} 1", geteuid(), getegid());
    assert_eq!(words.join(" "), expected);
}

fn an_address_of_the_readers_own_is_set(stage: &Stage) {
    reach::install(stage);
    assert_eq!(stage.run(["--address", "10.10.10.77", "-c", OWN_ADDRESS]).ok(), "10.10.10.77/24\n");
}

fn an_address_from_another_network_is_refused(stage: &Stage) {
    let host = Snapshot::take();
    for address in ["10.10.11.2", "10.10.10.1", "10.10.10.255", "127.0.0.1"] {
        stage.run(["--address", address]).refused(&[address, "10.10.10.2 to 10.10.10.254"]);
    }
    assert_eq!(stage.run(["--address", "here"]).code, 2);
    assert_eq!(stage.run(["--address", "10.10.10.2", "--netsetgo", "x"]).code, 2);
    host.assert_unchanged();
}

fn the_host_has_no_bridge_of_an_ordinary_user(stage: &Stage) {
    let host = Snapshot::take();
    let container = stage.start(WAIT);
    host.assert_unchanged();
    drop(container);
}

fn a_line_says_that_the_bridge_is_not_on_the_host(stage: &Stage) {
    let output = Output::of(stage.command().env("RUST_LOG", "info").args(["-c", "true"]));
    assert!(output.stderr.contains("not root: the bridge is not on the host"), "{output:#?}");
}

fn containers_reach_each_other(stage: &Stage) {
    reach::install(stage);
    let first = stage.start(WAIT);
    let second = stage.start(WAIT);
    stage.sh(&format!("{} && {}", reach("10.10.10.2"), reach("10.10.10.3"))).ok();
    for container in [first, second] {
        container.signal(Signal::SIGTERM);
        container.wait();
    }
}

fn twenty_containers_have_twenty_addresses(stage: &Stage) {
    let host = Snapshot::take();
    let script = format!("echo ready; {OWN_ADDRESS}; exec sleep 1000");
    let start = || -> Child {
        stage.command().args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap()
    };
    // The first makes the root directory; the others all start at once.
    reach::install(stage);
    let launchers: Vec<Child> = (0..20).map(|_| start()).collect();
    let mut containers: Vec<Container> = launchers.into_iter().map(Container::of).collect();
    let addresses: BTreeSet<String> = containers.iter_mut().map(Container::line).collect();
    let expected: BTreeSet<String> = (2..22).map(|host| format!("10.10.10.{host}/24")).collect();
    assert_eq!(addresses, expected);
    for container in &containers {
        container.signal(Signal::SIGTERM);
    }
    for container in containers {
        assert_eq!(container.wait(), 137);
    }
    host.assert_unchanged();
}

fn the_bridge_stays_until_the_last_container_has_gone(stage: &Stage) {
    reach::install(stage);
    let host = Snapshot::take();
    let first = stage.start(WAIT);
    let second = stage.start(WAIT);
    first.signal(Signal::SIGTERM);
    first.wait();
    assert!(has_device("brg0"));
    // Its address is free again.
    assert_eq!(stage.sh(OWN_ADDRESS).ok(), "10.10.10.2/24\n");
    assert!(has_device("brg0"));
    second.signal(Signal::SIGHUP);
    second.wait();
    host.assert_unchanged();
}

fn a_killed_launcher_leaves_a_bridge_and_the_next_start_removes_it(stage: &Stage) {
    let host = Snapshot::take();
    let container = stage.start(WAIT);
    container.signal(Signal::SIGKILL);
    container.wait();
    assert!(has_device("brg0"), "nobody is left to remove it");
    eventually("the cable has gone with the container", || {
        !probe::read(getpid(), "net/dev").contains("veth")
    });
    stage.sh("true").ok();
    host.assert_unchanged();
}

fn a_bridge_that_is_not_ours_is_refused(stage: &Stage) {
    ip("link add brg0 type bridge");
    let host = Snapshot::take();
    stage.sh("true").refused(&["brg0", "not ours", "ip link delete brg0"]);
    host.assert_unchanged();
    ip("link delete brg0");
    stage.sh("true").ok();
}

fn a_network_that_is_in_use_is_refused(stage: &Stage) {
    ip("link set lo up");
    for used in ["10.10.10.9/32", "10.10.10.129/25", "10.10.10.7/24", "10.1.2.3/8"] {
        ip(&format!("addr add {used} dev lo"));
        let host = Snapshot::take();
        let unshare = "unshare --user --map-root-user --mount --net";
        let words = ["10.10.10.0/24 is in use", "to lo", "#network-in-use", unshare];
        stage.sh("true").refused(&words);
        let mut own = Command::new("unshare");
        own.args(unshare.split(' ').skip(1)).arg(&stage.program).args(["-c", "true"]);
        assert_eq!(Output::of(&mut own).code, 0);
        host.assert_unchanged();
        ip(&format!("addr del {used} dev lo"));
    }
    stage.sh("true").ok();
}

fn a_default_route_is_no_obstacle(stage: &Stage) {
    ip("link set lo up");
    ip("addr add 10.10.11.1/24 dev lo");
    ip("route add default dev lo");
    stage.sh("true").ok();
}

fn a_default_route_in_two_halves_and_a_blackhole_around_the_network_are_no_obstacles(
    stage: &Stage,
) {
    ip("link set lo up");
    ip("addr add 10.10.11.1/24 dev lo");
    // As a VPN leaves them.
    ip("route add 0.0.0.0/1 dev lo");
    ip("route add 128.0.0.0/1 dev lo");
    ip("route add blackhole 10.0.0.0/8");
    reach::install(stage);
    stage.sh(&reach("10.10.10.1")).ok();
}

fn a_route_to_nowhere_in_the_network_is_refused(stage: &Stage) {
    ip("route add blackhole 10.10.10.128/25");
    stage.sh("true").refused(&["10.10.10.128/25 is routed to no device"]);
}

fn a_container_is_no_router_for_its_host(stage: &Stage) {
    let sysctl = "/proc/sys/net/ipv6/conf/brg0/accept_ra";
    if !Path::new("/proc/sys/net/ipv6").exists() {
        conformance::skip("needs IPv6");
    }
    let container = stage.start(WAIT);
    assert_eq!(fs::read_to_string(sysctl).unwrap(), "0\n");
    drop(container);
}

fn a_bridge_that_was_set_down_is_set_up(stage: &Stage) {
    reach::install(stage);
    let container = stage.start(WAIT);
    ip("link set brg0 down");
    stage.sh(&format!("{} && {}", reach("10.10.10.1"), reach("10.10.10.2"))).ok();
    drop(container);
}

fn a_bridge_with_an_address_of_others_is_left_there(stage: &Stage) {
    let container = stage.start(WAIT);
    ip("addr add 192.0.2.1/24 dev brg0");
    container.signal(Signal::SIGTERM);
    container.wait();
    assert!(has_device("brg0"));
    ip("addr del 192.0.2.1/24 dev brg0");
    stage.sh("true").ok();
    assert!(!has_device("brg0"));
}

fn a_device_that_is_no_bridge_is_not_ours(stage: &Stage) {
    // It has the hardware address of ours.
    ip("link add brg0 address 02:63:0a:0a:0a:01 type veth peer name other");
    let host = Snapshot::take();
    stage.sh("true").refused(&["brg0", "not ours"]);
    host.assert_unchanged();
}

fn a_lock_of_an_ordinary_user_does_not_keep_root_waiting(stage: &Stage) {
    need("setpriv");
    need("flock");
    mount(Some("run"), Path::new("/run"), Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .unwrap();
    let user = ["--reuid", "4711", "--regid", "4711", "--clear-groups"];
    let hold = ["flock", "--exclusive", "/proc/self/ns/net", "sh", "-c", WAIT];
    let holder = Container::start(Command::new("setpriv").args(user).args(hold));
    assert_eq!(stage.sh("echo it runs").ok(), "it runs\n");
    drop(holder);
}

fn root_without_cap_sys_admin_is_connected(stage: &Stage) {
    // As in a container of Docker's with the right to change its network, and no other.
    need("setpriv");
    reach::install(stage);
    let without = ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    let mut command = Command::new("setpriv");
    command.args(without).arg(&stage.program).args(["-c", &reach("10.10.10.1")]);
    Output::of(&mut command).ok();
}

fn an_address_that_is_taken_is_refused(stage: &Stage) {
    reach::install(stage);
    // Before the first container: the bridge's own addresses of IPv6 come when it has been up for a while.
    let host = Snapshot::take();
    let container = stage.start(WAIT);
    stage.run(["--address", "10.10.10.2"]).refused(&["10.10.10.2 is taken"]);
    container.signal(Signal::SIGTERM);
    container.wait();
    host.assert_unchanged();
}

fn root_without_the_right_to_make_a_bridge_is_told_what_to_do(stage: &Stage) {
    let host = Snapshot::take();
    let without = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"];
    let refusal = Output::of(Command::new("setpriv").args(without).arg(&stage.program));
    refusal.refused(&["brg0", "Operation not permitted", "CAP_NET_ADMIN", "ordinary user"]);
    host.assert_unchanged();
}

/// Does what the helper of the article does: a bridge if there is none, veth0 on it, veth1 in the container.
const HELPER: &str = r#"#!/bin/sh
set -eu
test "$1" = -pid
in_container="nsenter --target $2 --net ip"
ip link add brg0 type bridge
ip addr add 10.10.10.1/24 dev brg0
ip link set brg0 up
ip link add veth0 type veth peer name veth1
ip link set veth0 up master brg0
ip link set veth1 netns "$2"
$in_container addr add 10.10.10.2/24 dev veth1
$in_container link set veth1 up
$in_container route add default via 10.10.10.1
"#;

fn write_helper(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn a_helper_lays_the_cable_instead(stage: &Stage) {
    need("ip");
    reach::install(stage);
    write_helper("/tmp/helper", HELPER);
    let script = format!("{OWN_ADDRESS}; {} && {}", reach("10.10.10.1"), reach("127.0.0.1"));
    assert_eq!(stage.run(["--netsetgo", "/tmp/helper", "-c", &script]).ok(), "10.10.10.2/24\n");
    // What it makes is not ours to remove.
    assert!(has_device("brg0"));
}

fn a_helper_of_an_ordinary_user_finds_the_loopback_set_up(stage: &Stage) {
    // It has no right to change the network: what it makes may come from a set-user-ID program.
    write_helper("/tmp/helper", "#!/bin/sh\ntest \"$1\" = -pid && test -e /proc/$2/ns/net\n");
    reach::install(stage);
    let script = format!("{} && {OWN_ADDRESS}", reach("127.0.0.1"));
    assert_eq!(stage.run(["--netsetgo", "/tmp/helper", "-c", &script]).ok(), "");
}

fn a_helper_that_hangs_ends_with_the_start(stage: &Stage) {
    write_helper("/tmp/helper", "#!/bin/sh\necho ready; exec sleep 1000\n");
    // The first start makes the root directory.
    stage.run(["--netsetgo", "/bin/true", "-c", "true"]).ok();
    let host = Snapshot::take();
    let processes = probe::processes();
    let start = || {
        let mut command = stage.command();
        command.args(["--netsetgo", "/tmp/helper", "-c", "true"]).stdout(Stdio::piped());
        Container::start(&mut command)
    };
    for (signal, status) in [(Signal::SIGTERM, 1), (Signal::SIGHUP, 1), (Signal::SIGKILL, 137)] {
        let container = start();
        container.signal(signal);
        assert_eq!(container.wait(), status, "{signal}");
        eventually("the helper has ended", || probe::processes() == processes);
    }
    host.assert_unchanged();
}

fn a_wait_for_a_turn_says_for_whom_and_can_be_ended(stage: &Stage) {
    need("flock");
    let run = Path::new("/run");
    let data = Some("mode=755");
    mount(Some("run"), run, Some("tmpfs"), MsFlags::empty(), data).unwrap();
    stage.sh("true").ok();
    assert_eq!(fs::read_dir(run).unwrap().count(), 0, "no lock is left");
    let namespace = fs::metadata("/proc/self/ns/net").unwrap().ino();
    let lock = format!("/run/brg0-{namespace}.lock");
    let hold = ["--close", "--exclusive", &lock, "sh", "-c", WAIT];
    let holder = Container::start(Command::new("flock").args(hold));
    let mut launcher = stage.command();
    launcher.args(["-c", "true"]).stderr(Stdio::piped());
    let mut launcher = launcher.spawn().unwrap();
    let mut lines = BufReader::new(launcher.stderr.take().unwrap()).lines();
    let said = lines.next().unwrap().unwrap();
    assert!(said.contains(&lock) && said.contains("(flock)"), "{said}");
    kill(Pid::from_raw(launcher.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(launcher.wait().unwrap().code(), Some(1));
    assert!(lines.next().unwrap().unwrap().contains("a signal has ended the wait"));
    drop(holder);
    // The lock's file can be there already, and nobody has it.
    stage.sh("true").ok();
    assert_eq!(fs::read_dir(run).unwrap().count(), 0);
}

fn a_helper_that_fails_is_named_with_its_status(stage: &Stage) {
    write_helper("/tmp/helper", "#!/bin/sh\nexit 3\n");
    let host = Snapshot::take();
    stage.run(["--netsetgo", "/tmp/helper"]).refused(&["/tmp/helper -pid", "exit status: 3"]);
    host.assert_unchanged();
}

fn a_helper_that_does_not_exist_is_named(stage: &Stage) {
    let host = Snapshot::take();
    let processes = probe::processes();
    stage
        .run(["--netsetgo", "/tmp/no-such-helper"])
        .refused(&["/tmp/no-such-helper", "No such file"]);
    fs::write("/tmp/helper", "").unwrap();
    stage.run(["--netsetgo", "/tmp/helper"]).refused(&["/tmp/helper", "Permission denied"]);
    host.assert_unchanged();
    assert_eq!(probe::processes(), processes);
}

fn queues_are_still_those_of_the_host(stage: &Stage) {
    queues::make_outside(6);
    assert_eq!(queues::seen_inside(stage, 6), queues::BOTH);
    queues::make_inside(stage, 66);
    assert_eq!(queues::seen_outside(66), queues::BOTH);
}
