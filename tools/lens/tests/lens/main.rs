//! Lens from outside: what it shows is what was called, and what it watches behaves as it does unwatched.

use std::ffi::CString;
use std::process::ExitCode;

use conformance::{As, STAGES, tests};

mod provoke;
mod refusals;
mod rows;
mod runs;
mod seen;
mod stages;
mod tasks;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "provoke") {
        provoke(&args[2], args.get(3).map(String::as_str));
        return ExitCode::SUCCESS;
    }
    let mut tests = tests![
        &[As::Root] => [
            rows::every_row_of_the_table_is_seen_as_it_was_made_and_from_its_line,
            runs::threads_are_of_their_process_and_their_ends_are_not_its_end,
            runs::another_program_at_the_programs_path_is_not_taken_for_it,
            runs::a_program_under_a_filter_of_its_own_is_followed,
            // They read the clone, which may be where only root can look.
            rows::every_place_of_the_table_is_in_the_book,
            stages::two_stages_are_compared_by_their_code,
            stages::a_difference_of_calls_is_without_what_the_first_run_of_all_makes,
        ],
        &[As::Root, As::Rootless, As::User] => [
            stages::each_stage_is_seen_from_its_own_lines,
            stages::processes_have_their_own_ids_and_the_hosts,
            stages::strace_sees_the_same_calls,
        ],
        &[As::Root, As::User] => [
            rows::a_call_that_makes_no_container_is_shown_only_when_all_are_wanted,
            rows::json_and_table_are_of_the_same_run,
            stages::what_lens_itself_has_made_is_not_new,
            stages::unshare_is_seen,
            stages::two_stages_are_compared_by_their_calls,
            runs::the_status_is_the_programs,
            runs::what_the_program_writes_and_reads_is_its_own,
            runs::signals_to_lens_reach_the_launcher_which_cleans_up,
            runs::a_handler_of_the_program_gets_the_signal,
            runs::with_lens_killed_everything_ends,
            runs::a_program_that_is_stopped_and_continued_goes_on_and_lens_with_it,
            runs::signals_during_calls_take_none_away_and_add_none,
            runs::a_process_that_forks_hundreds_of_times_is_followed_and_shown_in_few_lines,
            runs::processes_that_differ_in_one_word_are_shown_as_one,
            runs::a_program_that_a_thread_executes_has_the_id_of_its_process,
            runs::a_child_of_a_killed_parent_is_followed,
            runs::a_stripped_program_has_its_calls_and_no_lines,
            runs::a_users_filter_is_all_that_a_program_can_tell,
            runs::a_background_jobs_ignored_signal_stays_ignored,
            refusals::a_program_that_is_not_there_is_refused,
            refusals::a_program_that_cannot_be_executed_is_refused,
            refusals::options_before_diff_are_refused,
            refusals::a_program_for_another_kind_of_machine_is_refused,
            refusals::a_program_that_has_a_tracer_is_refused,
            refusals::a_filter_against_ptrace_is_told,
            refusals::a_stage_that_fails_is_not_compared,
        ],
        &[As::User] => [
            refusals::a_set_user_id_program_is_refused_to_an_ordinary_user,
            stages::the_pictures_in_the_book_are_of_what_the_stages_do,
        ],
    ];
    #[cfg(target_arch = "x86_64")]
    tests.extend(tests![&[As::Root, As::User] => [
        rows::fork_has_its_line_and_vfork_has_none_rather_than_a_wrong_one,
    ]]);
    conformance::program(env!("CARGO_BIN_EXE_lens"), false, &STAGES[..7], tests)
}

/// What this program does when lens watches it.
fn provoke(what: &str, argument: Option<&str>) {
    if ["mounts", "roots"].contains(&what) {
        // The tests go on to need their own.
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("unshare");
    }
    match what {
        "names" => provoke::names(),
        "mounts" => provoke::mounts(),
        "roots" => provoke::roots(),
        "files" => provoke::files(),
        "namespaces" => provoke::namespaces(),
        "children" => provoke::children(),
        #[cfg(target_arch = "x86_64")]
        "old_calls" => provoke::old_calls(),
        "rights" => provoke::rights(),
        "network" => provoke::network(),
        "programs" => provoke::programs(),
        "cgroups" => provoke::cgroups(&CString::new(argument.expect("a path")).expect("a path")),
        "signals" => tasks::signals(),
        "threads" => tasks::threads(),
        "exec_from_a_thread" => tasks::exec_from_a_thread(),
        "late" => tasks::late(),
        _ => panic!("{what} is nothing to provoke"),
    }
}
