//! A traced program behaves as an untraced one.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use conformance::{As, Container, Stage, eventually, need, probe};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::seen::{Seen, provoked, quietly, stage};

pub fn the_status_is_the_programs(lens: &Stage) {
    let status = |script: &str| Seen::of(lens, &[], "sh", ["-c", script]).output.code;
    assert_eq!(status("exit 7"), 7);
    assert_eq!(status("kill -TERM $$"), 128 + 15);
    assert_eq!(status("kill -KILL $$"), 128 + 9);
}

pub fn what_the_program_writes_and_reads_is_its_own(lens: &Stage) {
    let mut command = lens.command();
    let command = command.args(["-o", "/dev/null", "--", "cat"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("lens starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"through\n")
        .expect("write");
    assert_eq!(child.wait_with_output().expect("it ends").stdout, b"through\n");
}

/// Starts a script under lens, which says "ready", and returns when it does.
fn start(lens: &Stage, program: &str, script: &str) -> Container {
    let mut command = lens.command();
    Container::start(command.args(["-o", "/tmp/start", "--", program, "-c", script]))
}

pub fn signals_to_lens_reach_the_launcher_which_cleans_up(lens: &Stage) {
    let user = stage(lens, "05-user");
    let user = user.to_str().expect("a path");
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let run = start(lens, user, "echo ready; while :; do sleep 1; done");
        let processes = run.descendants();
        assert!(processes.len() >= 3, "{processes:?}");
        run.signal(signal);
        let code = run.wait();
        assert!(code != 0, "{signal}: {code}");
        eventually("all have ended", || {
            processes.iter().all(|pid| probe::read(*pid, "stat").is_empty())
        });
        assert!(fs::read_to_string("/tmp/start").expect("a table").contains("ns_init"));
    }
}

pub fn a_handler_of_the_program_gets_the_signal(lens: &Stage) {
    let run = start(lens, "sh", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done");
    run.signal(Signal::SIGTERM);
    assert_eq!(run.wait(), 5);
    let run = start(lens, "sh", "trap 'exit 6' INT; echo ready; while :; do sleep 0.1; done");
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait(), 6);
}

pub fn with_lens_killed_everything_ends(lens: &Stage) {
    let user = stage(lens, "05-user");
    let run = start(lens, user.to_str().expect("a path"), "echo ready; sleep 1000");
    let processes = run.descendants();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait(), 128 + 9);
    eventually("all have ended", || {
        processes.iter().all(|pid| probe::read(*pid, "stat").is_empty())
    });
}

fn state(pid: Pid) -> char {
    let status = probe::status(pid, "State");
    status.chars().next().expect("a state")
}

pub fn a_program_that_is_stopped_and_continued_goes_on_and_lens_with_it(lens: &Stage) {
    let run = start(lens, "sh", "echo ready; sleep 0.1; exit 4");
    let program = run.descendants()[0];
    kill(program, Signal::SIGSTOP).expect("kill");
    eventually("lens is stopped", || state(run.launcher()) == 'T');
    kill(program, Signal::SIGCONT).expect("kill");
    run.signal(Signal::SIGCONT);
    assert_eq!(run.wait(), 4);
}

pub fn signals_during_calls_take_none_away_and_add_none(lens: &Stage) {
    let seen = provoked(lens, &["signals"]);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let calls = seen.named("prctl").into_iter().filter(|call| call.text.contains("SUBREAPER"));
    assert_eq!(calls.filter(|call| call.error.is_none()).count(), 500);
}

pub fn a_process_that_forks_hundreds_of_times_is_followed_and_shown_in_few_lines(lens: &Stage) {
    let script = "i=0; while [ $i -lt 300 ]; do (exit 3); i=$((i+1)); done; exit 9";
    let seen = Seen::of(lens, &[], "sh", ["-c", script]);
    assert_eq!((seen.output.code, seen.processes()), (9, 301));
    let ends = seen.named("exit");
    assert_eq!(ends.iter().filter(|call| call.text == "exit(3)").count(), 300);
    let table = lens.run(["--", "sh", "-c", script]);
    assert!(table.stdout.lines().count() < 30, "{}", table.stdout);
    assert!(table.stdout.contains("299 more processes do the same"), "{}", table.stdout);
}

pub fn processes_that_differ_in_one_word_are_shown_as_one(lens: &Stage) {
    let script = "for n in a b c d e f g h i j k l m n o p q r s t; do /bin/true $n; done; exit 9";
    let table = lens.run(["--", "sh", "-c", script]);
    let words = "/bin/true {a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,… 2 more}]";
    assert!(table.stdout.contains(words), "{}", table.stdout);
    assert!(table.stdout.contains("19 more processes do the same"), "{}", table.stdout);
}

pub fn threads_are_of_their_process_and_their_ends_are_not_its_end(lens: &Stage) {
    let seen = provoked(lens, &["threads"]);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    assert_eq!((seen.processes(), seen.named("exit").len()), (1, 1));
    let names = seen.named("unshare");
    assert_eq!(names.len(), 8);
    // Each has left a namespace alone, and the others have not seen it.
    assert!(names.iter().all(|call| call.new == ["uts"] && call.line > 0), "{names:?}");
}

pub fn a_program_that_a_thread_executes_has_the_id_of_its_process(lens: &Stage) {
    let seen = provoked(lens, &["exec_from_a_thread"]);
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let calls = seen.calls();
    let executed = calls.iter().rfind(|call| call.name == "execve").expect("an execve");
    assert_eq!((executed.returned, executed.process), (Some(0), 0), "{executed:?}");
    assert_eq!((seen.processes(), seen.named("exit").len()), (1, 1));
}

pub fn a_child_of_a_killed_parent_is_followed(lens: &Stage) {
    let script = "(while kill -0 $$; do sleep 0.1; done; exit 6) 2>/dev/null & kill -KILL $$";
    let seen = Seen::of(lens, &[], "sh", ["-c", script]);
    assert_eq!(seen.output.code, 128 + 9);
    assert!(seen.output.stderr.contains("waiting for"), "{}", seen.output.stderr);
    assert!(seen.named("exit").iter().any(|call| call.text == "exit(6)"), "{:?}", seen.calls());
}

pub fn a_stripped_program_has_its_calls_and_no_lines(lens: &Stage) {
    let (strip, user) = (need("strip"), stage(lens, "05-user"));
    assert!(quietly(Command::new(strip).arg("-o").arg("/tmp/stripped").arg(&user)));
    // The first run makes the default root directory.
    assert!(quietly(Command::new(&user).args(["-c", "true"])));
    let texts = |seen: &Seen| seen.calls().iter().map(|call| call.name.clone()).collect::<Vec<_>>();
    let with = Seen::of(lens, &[], &user, ["-c", "true"]);
    let without = Seen::of(lens, &[], "/tmp/stripped", ["-c", "true"]);
    assert!(without.calls().iter().all(|call| call.line == 0), "{:?}", without.calls());
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(texts(&with)), sorted(texts(&without)));
}

pub fn another_program_at_the_programs_path_is_not_taken_for_it(lens: &Stage) {
    // It is replaced before its first call, and its own comes later.
    fs::copy("/proc/self/exe", "/tmp/replaced").expect("copy");
    let user = stage(lens, "05-user");
    let script = format!(
        "(sleep 0.2; cp {} /tmp/other; mv /tmp/other /tmp/replaced) & exec /tmp/replaced provoke late",
        user.display()
    );
    let seen = Seen::of(lens, &[], "sh", ["-c", &script]);
    let call = seen.named("sethostname").pop().expect("a call");
    assert!(call.file == "tasks.rs", "{call:?}");
}

pub fn a_program_under_a_filter_of_its_own_is_followed(lens: &Stage) {
    let seen = provoked(lens, &["rights"]);
    assert!(seen.named("seccomp").len() == 2 && seen.named("landlock_add_rule").len() == 1);
}

pub fn a_users_filter_is_all_that_a_program_can_tell(lens: &Stage) {
    let status = |options: &[&str]| {
        let mut command = lens.command();
        let command = command.args(["-o", "/dev/null"]).args(options);
        let args =
            ["--", "grep", "-E", "^(NoNewPrivs|SigIgn|SigBlk|Seccomp):", "/proc/self/status"];
        conformance::Output::of(command.args(args)).stdout.replace('\t', " ")
    };
    let untraced = conformance::Output::of(Command::new("grep").args([
        "-E",
        "^(NoNewPrivs|SigIgn|SigBlk|Seccomp):",
        "/proc/self/status",
    ]));
    assert_eq!(status(&["--no-filter"]), untraced.stdout.replace('\t', " "));
    let privileges = if lens.who == As::User { "NoNewPrivs: 1" } else { "NoNewPrivs: 0" };
    assert!(status(&[]).contains(privileges), "{}", status(&[]));
    let same = |text: String| {
        text.lines().filter(|l| l.starts_with("Sig")).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(same(status(&[])), same(untraced.stdout.replace('\t', " ")));
}

pub fn a_background_jobs_ignored_signal_stays_ignored(lens: &Stage) {
    let mut command = lens.command();
    command.args(["-o", "/dev/null", "--", "sh", "-c", "kill -HUP $PPID; sleep 0.1; exit 8"]);
    // SAFETY: signal(2) is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            nix::libc::signal(nix::libc::SIGHUP, nix::libc::SIG_IGN);
            Ok(())
        });
    }
    assert_eq!(conformance::Output::of(&mut command).code, 8);
}
