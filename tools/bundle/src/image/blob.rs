//! A layer of an image, which is named by its digest.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use oci_spec::image::Sha256Digest;
use sha2::{Digest, Sha256};

use super::layer::Layer;

/// A layer that has been written: where it is, and what it is called.
pub struct Blob {
    file: File,
    size: u64,
    digest: Sha256Digest,
}

impl Blob {
    /// Takes what `fill` writes, into a file on the file system of the directory `beside` that has no name.
    ///
    /// # Errors
    ///
    /// Those of `fill`, and of writing: no space is left on the device.
    pub fn write(beside: &Path, fill: impl FnOnce(&mut Layer) -> Result<()>) -> Result<Blob> {
        let file = tempfile::tempfile_in(beside)
            .with_context(|| format!("make a file for a layer in {beside:?}"))?;
        let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new(), size: 0 };
        let mut layer = Layer::new(&mut out);
        fill(&mut layer)?;
        layer.into_inner().context("write a layer")?;
        let file = out.out.into_inner().map_err(|error| error.into_error());
        let digest = hex(&out.hash.finalize());
        Ok(Blob { file: file.context("write a layer")?, size: out.size, digest: parsed(&digest)? })
    }

    /// Its size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> &Sha256Digest {
        &self.digest
    }

    /// Returns its bytes, to be read from the first on.
    ///
    /// # Errors
    ///
    /// lseek(2).
    pub fn reader(&self) -> Result<impl Read + '_> {
        let mut file = &self.file;
        file.rewind().context("read a layer")?;
        Ok(BufReader::new(file))
    }
}

/// Returns the digest of `bytes`.
///
/// # Errors
///
/// None.
pub fn digest(bytes: &[u8]) -> Result<Sha256Digest> {
    parsed(&hex(&Sha256::digest(bytes)))
}

fn parsed(digest: &str) -> Result<Sha256Digest> {
    Sha256Digest::from_str(digest).context("write a digest")
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes and counts what is written.
struct Hashing<W> {
    out: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
