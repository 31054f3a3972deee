//! What is to be traced: a stage, built when it is not yet, or any other program.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{AccessFlags, access};

use crate::text::quoted;

/// A program to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its arguments, the first of which is its name.
    pub args: Vec<OsString>,
    /// Start it as root of a user namespace of its own.
    pub rootless: bool,
}

impl Program {
    /// Finds a stage by its folder's name, as `05-user`, and builds it; or else a program by its path or in `PATH`.
    ///
    /// # Errors
    ///
    /// Cargo's; that there is no such program, or that it can't be traced.
    pub fn find(name: &OsStr, args: &[OsString], rootless: bool) -> Result<Program> {
        let stage = name.to_str().and_then(stage);
        let path = match &stage {
            Some(folder) => build(folder)?,
            None => search(name)?,
        };
        let mut all = vec![if stage.is_some() { path.clone().into() } else { name.into() }];
        all.extend_from_slice(args);
        let program = Program { path, args: all, rootless };
        program.refuse_what_cannot_be_traced()?;
        Ok(program)
    }

    fn refuse_what_cannot_be_traced(&self) -> Result<()> {
        let name = quoted(self.path.as_os_str().as_bytes());
        let metadata = fs::metadata(&self.path).with_context(|| format!("look at {name}"))?;
        ensure!(metadata.is_file(), "{name} is no file");
        ensure!(access(&self.path, AccessFlags::X_OK).is_ok(), "{name} cannot be executed");
        ensure!(
            !changes_ids(&metadata) || nix::unistd::geteuid().is_root(),
            "{name} is a set-user-ID program, and gets no rights while an ordinary user traces it: \
             run this as root"
        );
        match Elf::of(&self.path) {
            Some(Elf { bits: 32, .. }) => {
                bail!("{name} is a 32-bit program, whose calls are not known here")
            }
            Some(Elf { native: false, .. }) => bail!("{name} is for another architecture"),
            _ => Ok(()),
        }
    }
}

/// Whether a program changes the ids of the process that executes it: execve(2).
pub fn changes_ids(file: &Metadata) -> bool {
    const SET_USER_ID: u32 = 0o4000;
    const SET_GROUP_ID: u32 = 0o2010;
    let mode = file.mode();
    (mode & SET_USER_ID != 0 && file.uid() != nix::unistd::geteuid().as_raw())
        || (mode & SET_GROUP_ID == SET_GROUP_ID && file.gid() != nix::unistd::getegid().as_raw())
}

/// What the header of an executable file says: elf(5).
struct Elf {
    bits: u8,
    native: bool,
}

impl Elf {
    /// Reads it: none where the file is no such one, as a script.
    fn of(path: &Path) -> Option<Elf> {
        let mut header = [0; 20];
        fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
        let machine = u16::from_le_bytes([header[18], header[19]]);
        // EM_X86_64, and EM_AARCH64.
        let own = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
        let bits = if header[4] == 1 { 32 } else { 64 };
        header.starts_with(b"\x7fELF").then_some(Elf { bits, native: machine == own })
    }
}

/// Returns the folder of the workspace, where this program can tell.
pub fn workspace() -> Option<PathBuf> {
    // Cargo says for what it runs where its package is. Else it is above the place that Cargo builds programs in.
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let this = env::current_exe().ok();
    let built = Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let places = [package, this, built].into_iter().flatten();
    let mut folders =
        places.flat_map(|place| place.ancestors().map(PathBuf::from).collect::<Vec<_>>());
    folders.find(|folder| folder.join("05-user/Cargo.toml").is_file())
}

/// Returns the folder's name of the stage that is called by it, or by its number: `04` is `04-mount`.
pub fn stage(name: &str) -> Option<String> {
    if !name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let entries = fs::read_dir(workspace()?).ok()?;
    let folders = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_it = |folder: &String| {
        *folder == name || folder.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    };
    folders.into_iter().find(is_it)
}

/// Returns the folder's name of the stage before this one: none for the first.
pub fn stage_before(folder: &str) -> Option<String> {
    let number: u32 = folder.get(..2)?.parse().ok()?;
    stage(&format!("{:02}", number.checked_sub(1)?))
}

/// Returns a stage's program: built anew where Cargo runs this one, and else the one that lies beside it.
fn build(folder: &str) -> Result<PathBuf> {
    let Some(cargo) = env::var_os("CARGO") else {
        let beside = env::current_exe().context("find this program")?.with_file_name(folder);
        ensure!(beside.is_file(), "{folder} is not built. This builds it: cargo lens {folder}");
        return Ok(beside);
    };
    let manifest = workspace().context("find the workspace")?.join(folder).join("Cargo.toml");
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(&manifest)
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(output.status.success(), "{folder} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.with_context(|| format!("{folder} has no program"))
}

/// Finds a program as a shell does: in the directories of PATH unless there is a slash in its name.
fn search(name: &OsStr) -> Result<PathBuf> {
    let shown = quoted(name.as_bytes());
    if name.as_bytes().contains(&b'/') {
        ensure!(Path::new(name).exists(), "there is no program {shown}");
        return Ok(name.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok());
    found.with_context(|| {
        format!("there is no stage, and no program in PATH, with the name {shown}")
    })
}
