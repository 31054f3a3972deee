// refused with: the host's NIS domain name
// refused with: the kernel shows  cellar

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn container(name: &str) -> Result<()> {
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
