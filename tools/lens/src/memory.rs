//! What a stopped process has in its memory: process_vm_readv(2).

use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// No path, and no text that is worth showing, is longer: PATH_MAX of limits.h.
const LONGEST_TEXT: usize = 4096;

/// The memory of a process that is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Memory(pub Pid);

impl Memory {
    /// Returns `length` bytes from `address` on, or none where not all of them can be read.
    pub fn bytes(self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        (self.read(address, &mut bytes)? == length).then_some(bytes)
    }

    fn read(self, address: u64, into: &mut [u8]) -> Option<usize> {
        let (base, len) = (usize::try_from(address).ok()?, into.len());
        process_vm_readv(self.0, &mut [IoSliceMut::new(into)], &[RemoteIoVec { base, len }]).ok()
    }

    /// Returns the 8 bytes at `address` as a number.
    pub fn word(self, address: u64) -> Option<u64> {
        self.bytes(address, 8)?.try_into().ok().map(u64::from_ne_bytes)
    }

    /// Returns the numbers of 8 bytes each from `address` on, up to the first that is 0, at most `most`.
    pub fn words(self, address: u64, most: usize) -> Option<Vec<u64>> {
        let mut words = Vec::new();
        for at in (address..).step_by(8).take(most) {
            match self.word(at)? {
                0 => break,
                word => words.push(word),
            }
        }
        Some(words)
    }

    /// Returns the bytes from `address` up to the first that is 0.
    pub fn text(self, address: u64) -> Option<Vec<u8>> {
        const PAGE: usize = 4096;
        let mut text = Vec::new();
        while text.len() < LONGEST_TEXT {
            let at = address + text.len() as u64;
            // Where a page ends the memory may end: proc_pid_maps(5).
            let mut piece = vec![0; PAGE - at as usize % PAGE];
            let read = self.read(at, &mut piece)?;
            match piece[..read].iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&piece[..end]);
                    return Some(text);
                }
                None => text.extend_from_slice(&piece[..read]),
            }
        }
        None
    }
}
