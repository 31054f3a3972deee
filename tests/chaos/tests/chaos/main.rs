//! Random signals at random moments, and random command lines. After each the host is as it was, but for what
//! Cleaning up in the book names.
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `CHAOS_ROUNDS` | how many signals each stage gets, and a tenth of how many command lines (4) |
//! | `CHAOS_SEED` | begins the same sequence again that a failure has named |
//!
//! `CHAOS_ROUNDS=1000 cargo test -p chaos` takes some minutes a stage.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use conformance::{As, STAGES, Stage, Test, cgroup, skip};
use nix::unistd::{alarm, geteuid};

mod command_lines;
mod signals;

/// Makes two tests for each stage: a function has no name for what it is given.
macro_rules! for_each_stage {
    ($($number:literal $who:expr => $signals:ident $lines:ident),+ $(,)?) => {
        $(
            fn $signals(stage: &Stage) { signals::leave_the_host_as_it_was(stage, $number) }
            fn $lines(stage: &Stage) { command_lines::leave_the_host_as_it_was(stage, $number) }
        )+
        fn tests() -> Vec<Test> {
            conformance::tests![$($who => [$signals, $lines]),+]
        }
    };
}

const ROOT_OF_SOME_NAMESPACE: &[As] = &[As::Root, As::Rootless];
const ANYBODY: &[As] = &[As::Root, As::User];

for_each_stage! {
    1 ROOT_OF_SOME_NAMESPACE => signals_to_01_uts command_lines_of_01_uts,
    2 ROOT_OF_SOME_NAMESPACE => signals_to_02_uts_hostname command_lines_of_02_uts_hostname,
    3 ROOT_OF_SOME_NAMESPACE => signals_to_03_pid command_lines_of_03_pid,
    4 ROOT_OF_SOME_NAMESPACE => signals_to_04_mount command_lines_of_04_mount,
    5 ANYBODY => signals_to_05_user command_lines_of_05_user,
    6 ANYBODY => signals_to_06_network command_lines_of_06_network,
    7 ANYBODY => signals_to_07_ipc command_lines_of_07_ipc,
    8 ANYBODY => signals_to_08_cgroups command_lines_of_08_cgroups,
}

fn main() -> ExitCode {
    // target/debug/deps/chaos-0123 is this program, and target/debug has the others.
    let this = env::current_exe().expect("this program has a path");
    let programs = this.ancestors().nth(2).unwrap_or(Path::new("/"));
    let program = programs.join(STAGES[0].program);
    // An ordinary user may have none, and then runs all stages but 08.
    let cgroup = geteuid().is_root();
    conformance::program(&program.to_string_lossy(), cgroup, &STAGES, tests())
}

/// Gets ready for stage `number`: for a long time, and with a cgroup where it takes one.
fn prepare(number: u8) -> &'static str {
    if number == 8 && cgroup::own().is_none() {
        skip("needs a cgroup to make others in: sudo tests/as-user COMMAND");
    }
    // The harness takes a test that lasts this long for one that is stuck.
    alarm::cancel();
    STAGES[usize::from(number) - 1].program
}

/// How often each stage is tried.
fn rounds() -> usize {
    env::var("CHAOS_ROUNDS").ok().and_then(|number| number.parse().ok()).unwrap_or(4)
}

/// What is random. The test's output names the seed, which is shown when it fails.
fn random() -> fastrand::Rng {
    let given = env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CHAOS_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
