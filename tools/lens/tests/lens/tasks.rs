//! More for lens to watch: threads, and signals.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Makes 500 calls, while signals come in at any time.
pub fn signals() {
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler only counts.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("sigaction");
    let this = nix::unistd::Pid::this();
    let sender = thread::spawn(move || {
        while SIGNALS.load(Ordering::SeqCst) < 100 {
            let _ = nix::sys::signal::kill(this, Signal::SIGUSR1);
            thread::yield_now();
        }
    });
    for _ in 0..500 {
        nix::sys::prctl::set_child_subreaper(true).expect("prctl");
    }
    sender.join().expect("the thread ends");
    assert!(SIGNALS.load(Ordering::SeqCst) >= 100);
}

/// Eight threads, each of which leaves a namespace alone and ends.
pub fn threads() {
    let leave = || unshare(CloneFlags::CLONE_NEWUTS).expect("unshare");
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(leave)).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
}

/// Executes a program from another thread than the first.
pub fn exec_from_a_thread() {
    let execute = || panic!("{}", Command::new("/bin/true").exec());
    let _ = thread::spawn(execute).join();
    // SAFETY: _exit(2) takes a number. This is not reached.
    unsafe { libc::_exit(1) }
}

/// Makes a call after a while.
pub fn late() {
    thread::sleep(Duration::from_millis(600));
    let _ = nix::unistd::sethostname("late");
}
