// refused with: the name of the container
// refused with: it should show    kitchen

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    {
        let _ = name;
        sethostname("nshost")?
    };
    Ok(())
}
