// Born into its namespaces: clone(2).

use std::ffi::CStr;

use anyhow::{Result, ensure};
use nix::fcntl::OFlag;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, clone};
use nix::unistd::{execvp, pipe2, read, write};

const NONE: Option<&str> = None;

fn container() -> Result<()> {
    // It ends with execve(2), or with a byte where that does not come about.
    let (executed, executing) = pipe2(OFlag::O_CLOEXEC)?;
    let life = || {
        let set_up = || -> Result<()> {
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
            mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?;
            let words: [&CStr; 2] = [c"sleep", c"1000"];
            execvp(words[0], &words)?;
            Ok(())
        };
        let _ = set_up();
        let _ = write(&executing, &[1]);
        1
    };
    let mut stack = vec![0; 256 * 1024];
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    // SAFETY: this process has one thread, and the child a copy of its memory.
    unsafe { clone(Box::new(life), &mut stack, flags, Some(libc::SIGCHLD)) }?;
    drop(executing);
    ensure!(read(&executed, &mut [0])? == 0, "not executed");
    Ok(())
}
