//! Starts a container like that of stage 05, with the set-up in the cloned child (`once`), or in this program
//! started again there (`twice`). The difference is what the second start of a program costs.
//!
//! `once-or-twice once|twice ROOT PROGRAM`

use std::env;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use bench::Floor;
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitStatus, waitpid};

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().collect();
    let [_, how, root, program] = &args[..] else {
        eprintln!("usage: once-or-twice once|twice ROOT PROGRAM");
        return ExitCode::from(2);
    };
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUSER;
    let container = Floor::new(flags, program).root_as_in_05(Path::new(root));
    let started = match how.to_str() {
        Some("inside") => Err(container.set_up_and_execute()),
        Some("twice") => {
            let c_string = |arg: &[u8]| CString::new(arg).expect("an argument has no zero byte");
            let [root, program] = [root, program].map(|arg| c_string(arg.as_bytes()));
            container.start_again(&[c"once-or-twice", c"inside", &root, &program])
        }
        _ => container.start(),
    };
    match started.and_then(|pid| waitpid(pid, None)) {
        Ok(WaitStatus::Exited(_, status)) => ExitCode::from(status as u8),
        other => {
            eprintln!("{other:?}");
            ExitCode::FAILURE
        }
    }
}
