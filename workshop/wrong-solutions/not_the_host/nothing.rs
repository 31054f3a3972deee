// refused with: the UTS namespace of the container

use anyhow::Result;

fn container(_: &str) -> Result<()> {
    Ok(())
}
