// refused with: the name of the host
// refused with: the kernel shows  nshost

use anyhow::Result;
use nix::unistd::sethostname;

fn container(name: &str) -> Result<()> {
    sethostname(name)?;
    Ok(())
}
