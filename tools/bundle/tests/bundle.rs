//! `cargo bundle` from outside: what it writes, and what runtimes make of it.

use std::process::ExitCode;

use conformance::{As, Beside, tests};

mod facts;
mod runtimes;
mod table;
mod written;

/// The stages.
const BESIDE: &[Beside] = &[
    Beside { program: "03-pid", package: "pid" },
    Beside { program: "04-mount", package: "mount" },
    Beside { program: "05-user", package: "user" },
    Beside { program: "06-network", package: "network" },
    Beside { program: "07-ipc", package: "ipc" },
    Beside { program: "08-cgroups", package: "cgroups" },
];

fn main() -> ExitCode {
    let tests = tests![&[As::Root] => [
        runtimes::crun_gives_a_shell_the_container_of_every_stage,
        runtimes::runc_gives_a_shell_the_container_of_every_stage,
        runtimes::crun_gives_an_ordinary_user_the_container_of_every_stage_that_does,
        runtimes::runc_gives_an_ordinary_user_the_container_of_every_stage_that_does,
        runtimes::a_bundle_of_an_ordinary_user_that_root_runs_has_the_ids_of_that_user,
        runtimes::the_options_of_a_stage_reach_the_shell,
        written::skopeo_and_umoci_take_the_image_for_one,
    ], &[As::Root, As::User] => [
        written::twice_the_same_command_gives_the_same_bytes,
        written::what_is_there_stays_as_it_is,
        written::an_option_that_cannot_be_told_is_refused,
        written::a_root_directory_that_a_stage_refuses_is_refused,
        written::the_default_root_directory_is_made,
        written::a_pod_asks_for_what_the_stage_makes,
        written::a_pod_that_kubernetes_would_not_have_is_refused,
        written::an_image_has_the_root_directory_and_a_lesson,
    ]];
    // A cgroup, as for stage 08.
    conformance::program(env!("CARGO_BIN_EXE_bundle"), true, BESIDE, tests)
}
