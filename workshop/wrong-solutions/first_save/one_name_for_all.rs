// refused with: what your function returns
// refused with: it should show    "cellar"

use anyhow::Result;

fn hostname() -> Result<String> {
    Ok("kitchen".into())
}
