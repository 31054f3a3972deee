//! The one thing that we want to know about a program's file: which interpreter loads it. See elf(5).

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

/// Bytes of the ELF64 file header, `Elf64_Ehdr`.
const HEADER: usize = 64;
/// Bytes of a program header, `Elf64_Phdr`.
const PROGRAM_HEADER: usize = 56;
/// The type of the program header that says where the interpreter's path is.
const PT_INTERP: u32 = 3;
/// The longest path that the kernel takes as an interpreter's.
const PATH_MAX: u64 = 4096;

/// Returns the path of a program's interpreter, which is its dynamic loader. A static program has
/// none.
///
/// - `program`: an ELF64 file, little endian, as on x86_64 and aarch64.
///
/// # Errors
///
/// The file is of another kind, cut short, or names an interpreter by a path that is not absolute.
pub(super) fn interpreter(program: &File) -> Result<Option<PathBuf>> {
    let header: [u8; HEADER] = read(program, 0)?;
    ensure!(header.starts_with(b"\x7fELF"), "no ELF program");
    // EI_CLASS: 64 bits; EI_DATA: little endian.
    ensure!(header[4..6] == [2, 1], "no 64-bit, little-endian ELF program");
    ensure!(Some(u16_at(&header, 18)) == machine(), "made for another machine than this one");
    ensure!(usize::from(u16_at(&header, 54)) == PROGRAM_HEADER, "odd program headers");
    let first = u64_at(&header, 32);
    for number in 0..u64::from(u16_at(&header, 56)) {
        let offset = first.checked_add(number * PROGRAM_HEADER as u64);
        let header: [u8; PROGRAM_HEADER] = read(program, offset.context("odd program headers")?)?;
        if u32_at(&header, 0) == PT_INTERP {
            return path(program, u64_at(&header, 8), u64_at(&header, 32)).map(Some);
        }
    }
    Ok(None)
}

/// This machine's number in `e_machine`.
fn machine() -> Option<u16> {
    match std::env::consts::ARCH {
        "x86_64" => Some(62),
        "aarch64" => Some(183),
        _ => None,
    }
}

/// Reads the path of `size` bytes, its NUL included, at `offset`.
fn path(program: &File, offset: u64, size: u64) -> Result<PathBuf> {
    ensure!((2..=PATH_MAX).contains(&size), "an interpreter's path of {size} bytes");
    let mut bytes = vec![0; size as usize];
    program.read_exact_at(&mut bytes, offset).context("read the interpreter's path")?;
    let Some((0, path)) = bytes.split_last() else { bail!("an interpreter's path without an end") };
    ensure!(!path.contains(&0), "an interpreter's path with a NUL in it");
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    ensure!(path.is_absolute(), "an interpreter's path that is not absolute: {path:?}");
    Ok(path)
}

fn read<const SIZE: usize>(program: &File, offset: u64) -> Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    program.read_exact_at(&mut bytes, offset).context("read the ELF headers")?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    /// A file in memory.
    fn file(bytes: &[u8]) -> File {
        let mut file = File::from(memfd_create(c"program", MFdFlags::MFD_CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        file
    }

    /// A program of one header, which says that its interpreter's path is the bytes at the end.
    fn program(path: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + PROGRAM_HEADER];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine().unwrap().to_le_bytes());
        bytes[32] = HEADER as u8;
        bytes[54] = PROGRAM_HEADER as u8;
        bytes[56] = 1;
        bytes[HEADER] = PT_INTERP as u8;
        bytes[HEADER + 8] = (HEADER + PROGRAM_HEADER) as u8;
        bytes[HEADER + 32..HEADER + 40].copy_from_slice(&(path.len() as u64).to_le_bytes());
        [bytes, path.to_vec()].concat()
    }

    #[test]
    fn a_program_names_its_interpreter() {
        let path = interpreter(&file(&program(b"/lib/ld.so\0"))).unwrap();
        assert_eq!(path.as_deref(), Some(Path::new("/lib/ld.so")));
    }

    #[test]
    fn a_static_program_has_none() {
        let mut bytes = program(b"/lib/ld.so\0");
        bytes[HEADER] = 1;
        assert_eq!(interpreter(&file(&bytes)).unwrap(), None);
    }

    #[test]
    fn a_program_that_is_cut_short_is_an_error_wherever_that_is() {
        let whole = program(b"/lib/ld.so\0");
        for length in 0..whole.len() {
            assert!(interpreter(&file(&whole[..length])).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_lies_outside_of_the_file_is_an_error() {
        for at in [32, HEADER + 8, HEADER + 32] {
            let mut bytes = program(b"/lib/ld.so\0");
            bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            assert!(interpreter(&file(&bytes)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_interpreter_by_a_relative_path_is_an_error() {
        for path in [&b"ld.so\0"[..], b"/lib/ld.so", b"/lib\0/ld.so\0", b"\0"] {
            assert!(interpreter(&file(&program(path))).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_script_and_a_program_of_another_machine_are_errors() {
        let mut foreign = program(b"/lib/ld.so\0");
        foreign[18] = 8;
        let mut narrow = program(b"/lib/ld.so\0");
        narrow[4] = 1;
        let script = [b"#!/bin/sh\n".to_vec(), vec![b'\n'; 100]].concat();
        for bytes in [foreign, narrow, script] {
            assert!(interpreter(&file(&bytes)).is_err());
        }
    }
}
