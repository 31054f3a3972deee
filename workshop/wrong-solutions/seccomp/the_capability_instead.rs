// refused with: sethostname and unshare, without call

use anyhow::Result;
use nix::libc::{self, c_long};
use nix::sched::{CloneFlags, unshare};

fn refuse(_: c_long) -> Result<()> {
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_CAPBSET_DROP, 21, 0, 0, 0) };
    Ok(())
}
