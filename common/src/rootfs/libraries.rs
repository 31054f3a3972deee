//! The shared libraries of a program, as its own loader finds them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::elf;
use crate::quote::shown;

/// What a dynamic program needs beside its own file.
pub(super) struct Needs {
    /// Its interpreter, which is its dynamic loader, by the path that the program has for it.
    pub(super) loader: PathBuf,
    /// Its libraries, and theirs, by the paths that the loader finds them at.
    pub(super) libraries: Vec<PathBuf>,
}

/// Returns what the program needs; `None` for a static one.
///
/// Its loader is asked, which is what ldd(1) does: no other knows of this host's cache, of a
/// RUNPATH, or of the other libc that a program may be made for. Loaders of glibc and of musl both
/// know `--list`.
///
/// The loader is executed. So `program` has to be one that the caller would execute anyway.
///
/// # Errors
///
/// The file can't be read (it may be executed and not read), is no ELF program, or its loader can't
/// be executed, or says no: a library is missing, or the file system of one is mounted noexec.
pub(super) fn of(program: &Path) -> Result<Option<Needs>> {
    let file = File::open(program).with_context(|| format!("open {}", shown(program)))?;
    let loader = elf::interpreter(&file).with_context(|| format!("read {}", shown(program)))?;
    // A static program is not for a loader: glibc's would crash.
    let Some(loader) = loader else { return Ok(None) };
    let said = || format!("{} --list {}", shown(&loader), shown(program));
    let output = list(&loader, program).with_context(said)?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {} ({})",
        said(),
        message.lines().next().unwrap_or("no message"),
        output.status
    );
    let text = String::from_utf8(output.stdout).with_context(said)?;
    let libraries: Result<Vec<_>> =
        text.lines().filter_map(|line| library(line).transpose()).collect();
    let libraries = libraries.with_context(said)?;
    Ok(Some(Needs { loader, libraries }))
}

/// Asks a loader for a program's libraries.
fn list(loader: &Path, program: &Path) -> Result<Output> {
    Command::new(loader)
        .arg("--list")
        .arg(program)
        // LD_LIBRARY_PATH and LD_PRELOAD would change the answer, and an LD_AUDIT be executed:
        // ld.so(8).
        .env_clear()
        // A library by a relative path is nowhere to be found.
        .current_dir("/")
        // Not null: there may be no such device.
        .stdin(Stdio::piped())
        .output()
        .context("execute it")
}

/// Reads a line of a loader's answer: `NAME => PATH (0xADDRESS)`, or `PATH (0xADDRESS)`. The
/// kernel's own library has a name alone (vdso(7)), and a program without libraries is "statically
/// linked".
fn library(line: &str) -> Result<Option<PathBuf>> {
    let line = line.trim_start();
    // A path may have all of this in it, a library's name hardly: the first arrow, and the last
    // address.
    let (name, found) = line.split_once(" => ").unwrap_or((line, line));
    let path = found.rsplit_once(" (0x").map_or(found, |(path, _)| path);
    if path == "not found" {
        bail!("needs {name}, which is not found");
    }
    ensure!(path.starts_with('/') || !path.contains('/'), "needs {path}: no absolute path");
    Ok(path.starts_with('/').then(|| path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(line: &str) -> Option<String> {
        let path = library(line).unwrap();
        path.map(|path| path.into_os_string().into_string().unwrap())
    }

    #[test]
    fn lines_of_glibc_and_musl_give_the_paths() {
        let glibc = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0a37c00000)";
        assert_eq!(found(glibc).unwrap(), "/lib/x86_64-linux-gnu/libc.so.6");
        assert_eq!(
            found("\t/lib64/ld-linux-x86-64.so.2 (0x7f)").unwrap(),
            "/lib64/ld-linux-x86-64.so.2"
        );
        let musl = "\tlibc.so => /lib/ld-musl-x86_64.so.1 (0x7f3e6c5b5000)";
        assert_eq!(found(musl).unwrap(), "/lib/ld-musl-x86_64.so.1");
    }

    #[test]
    fn what_is_no_file_gives_none() {
        assert_eq!(found("\tlinux-vdso.so.1 (0x00007f74a55c6000)"), None);
        assert_eq!(found("\tstatically linked"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_path_may_look_like_a_line() {
        let path = "/a => b (0x1)/c d";
        assert_eq!(found(&format!("\tx.so => {path} (0x00007f)")).as_deref(), Some(path));
    }

    #[test]
    fn a_library_that_is_not_there_or_at_a_relative_path_is_an_error() {
        let error = |line: &str| library(line).unwrap_err().to_string();
        assert!(error("\tlibx.so => not found").contains("needs libx.so, which is not found"));
        assert!(error("\t./libx.so (0x00007f)").contains("./libx.so"));
    }
}
