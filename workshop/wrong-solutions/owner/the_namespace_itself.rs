// refused with: uts:[

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::Result;

fn owner(namespace: &File) -> Result<OwnedFd> {
    Ok(namespace.try_clone()?.into())
}
