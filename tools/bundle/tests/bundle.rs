//! `cargo bundle` from outside: what it writes, and what runtimes make of it.

use std::process::ExitCode;

use conformance::{As, STAGES, tests};

mod facts;
mod runtimes;
mod table;
mod unpack;
mod written;

fn main() -> ExitCode {
    let tests = tests![&[As::Root] => [
        runtimes::crun_gives_a_shell_the_container_of_every_stage,
        runtimes::runc_gives_a_shell_the_container_of_every_stage,
        runtimes::crun_gives_an_ordinary_user_the_container_of_every_stage_that_does,
        runtimes::runc_gives_an_ordinary_user_the_container_of_every_stage_that_does,
        runtimes::a_bundle_of_an_ordinary_user_that_root_runs_has_the_ids_of_that_user,
        runtimes::the_options_of_a_stage_reach_the_shell,
        runtimes::a_bundle_without_a_command_is_for_somebody_at_a_terminal,
        written::skopeo_takes_the_image_for_one,
    ], &[As::Root, As::User] => [
        written::twice_the_same_command_gives_the_same_bytes,
        written::what_is_there_stays_as_it_is,
        written::an_option_that_cannot_be_told_is_refused,
        written::a_root_directory_that_a_stage_refuses_is_refused,
        written::the_default_root_directory_is_made,
        written::a_pod_asks_for_what_the_stage_makes,
        written::a_pod_that_kubernetes_would_not_have_is_refused,
        written::an_image_has_the_root_directory_and_a_lesson,
        unpack::our_own_image_unpacked_is_a_root_directory_that_a_stage_takes,
        unpack::what_a_layer_removes_is_gone_and_nothing_else,
        unpack::the_last_of_several_entries_of_one_name_is_what_arrives,
        unpack::all_of_it_is_the_callers_and_nobody_else_may_write_to_it,
        unpack::long_names_and_sparse_files_arrive,
        unpack::progress_is_for_a_terminal,
        unpack::hostile::a_path_that_leads_out_is_refused,
        unpack::hostile::nothing_is_written_through_a_link,
        unpack::hostile::a_directory_in_the_place_of_a_link_replaces_the_link,
        unpack::hostile::a_hard_link_to_what_is_outside_is_refused,
        unpack::hostile::a_device_is_refused,
        unpack::hostile::more_than_the_limit_is_refused_before_it_is_written,
        unpack::hostile::names_and_headers_without_end_are_refused,
        unpack::hostile::a_layer_that_is_none_is_refused,
        unpack::spoilt::a_wrong_digest_is_refused,
        unpack::spoilt::what_is_missing_is_named,
        unpack::spoilt::a_link_to_a_layer_in_the_archive_is_that_layer,
        unpack::spoilt::an_image_for_another_machine_is_refused,
        unpack::spoilt::what_is_no_image_is_refused,
        unpack::spoilt::what_is_no_archive_is_refused,
        unpack::spoilt::a_layer_compressed_by_zstd_is_refused_with_what_helps,
        unpack::spoilt::an_unpacking_that_is_interrupted_leaves_nothing,
    ]];
    // A cgroup, as for stage 08.
    conformance::program(env!("CARGO_BIN_EXE_bundle"), true, &STAGES[2..], tests)
}
