//! How much an image may take.

use std::cell::Cell;

use anyhow::{Result, bail};

/// Bytes of an entry's headers. The longest path has 4096 bytes, and a header can have a few more of such.
const HEADERS: u64 = 1 << 20;

/// Bytes for each of the files that an image may have.
const OF_A_FILE: u64 = 8 << 10;

/// What is left of what one look at all layers may take.
pub struct Limits {
    limit: u64,
    /// Of uncompressed layers.
    read: Cell<u64>,
    /// Of files. It can be more than what is read: a sparse file has bytes that its layer has not.
    written: Cell<u64>,
    entries: Cell<u64>,
    /// Of the headers of the next entry, which are held in memory. None while its data are read.
    headers: Cell<Option<u64>>,
}

impl Limits {
    /// Allows `limit` MiB.
    pub fn new(limit: u64) -> Limits {
        let bytes = limit.saturating_mul(1 << 20);
        Limits {
            limit,
            read: bytes.into(),
            written: bytes.into(),
            entries: (bytes / OF_A_FILE).into(),
            headers: None.into(),
        }
    }

    /// From now on headers are read.
    pub fn expect_headers(&self) {
        self.headers.set(Some(HEADERS));
    }

    /// From now on data are read, and not held in memory.
    pub fn expect_data(&self) {
        self.headers.set(None);
    }

    /// Takes from the limits that an entry has begun, with `size` bytes of data.
    ///
    /// # Errors
    ///
    /// It is too much.
    pub fn begin(&self, size: u64) -> Result<()> {
        self.expect_data();
        if !take(&self.entries, 1) {
            let files = (self.limit << 20) / OF_A_FILE;
            bail!("more than {files} entries: --limit {} allows for no more", self.limit);
        }
        if !take(&self.written, size) {
            bail!("{}", self.too_much());
        }
        Ok(())
    }

    /// Takes from the limits that `bytes` were read.
    ///
    /// # Errors
    ///
    /// It is too much: what to say.
    pub fn read(&self, bytes: u64) -> Result<(), String> {
        if let Some(left) = self.headers.get() {
            let left = left.checked_sub(bytes);
            self.headers.set(Some(left.ok_or("an entry with a header of more than 1 MiB")?));
        }
        if take(&self.read, bytes) { Ok(()) } else { Err(self.too_much()) }
    }

    fn too_much(&self) -> String {
        format!("more than {} MiB in all: --limit MIB allows more", self.limit)
    }
}

/// Takes `amount` from what is left, if there is as much.
fn take(left: &Cell<u64>, amount: u64) -> bool {
    let rest = left.get().checked_sub(amount);
    left.set(rest.unwrap_or(0));
    rest.is_some()
}
