//! The programs of other packages that a test starts.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::{env, iter};

use anyhow::{Context, Result};
use testbed::programs;

/// A program that lies beside the one under test.
pub struct Beside {
    /// Its file name.
    pub program: &'static str,
    /// The package that it is of.
    pub package: &'static str,
}

/// The stages, in their order.
pub static STAGES: [Beside; 8] = [
    Beside { program: "01-uts", package: "uts" },
    Beside { program: "02-uts-hostname", package: "uts-hostname" },
    Beside { program: "03-pid", package: "pid" },
    Beside { program: "04-mount", package: "mount" },
    Beside { program: "05-user", package: "user" },
    Beside { program: "06-network", package: "network" },
    Beside { program: "07-ipc", package: "ipc" },
    Beside { program: "08-cgroups", package: "cgroups" },
];

/// Builds them, unless `STAGE_PROGRAM` says that somebody has done that.
pub(crate) fn build(beside: &[Beside]) -> Result<()> {
    if !beside.is_empty() && env::var_os("STAGE_PROGRAM").is_none() {
        programs::build(beside.iter().map(|beside| (beside.package, beside.program)))?;
    }
    Ok(())
}

/// Opens the program under test, which is called `name`, and those beside it.
pub(crate) fn open<'a>(
    program: &Path,
    name: &'a OsStr,
    beside: &'a [Beside],
) -> Result<Vec<(&'a OsStr, File)>> {
    let names = iter::once(name).chain(beside.iter().map(|beside| OsStr::new(beside.program)));
    let open = |name| {
        let path = program.with_file_name(name);
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok((name, file))
    };
    names.map(open).collect()
}
