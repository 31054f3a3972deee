// refused with: what your function returns
// refused with: it should show    "Cellar.example.org"

use anyhow::Result;

fn hostname() -> Result<String> {
    Ok("kitchen".into())
}
