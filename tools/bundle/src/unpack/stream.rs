//! The bytes of a layer, uncompressed, counted and hashed.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::limits::Limits;
use crate::image::hex;

/// A layer's tar archive.
pub struct Stream<'a> {
    bytes: Box<dyn Read + 'a>,
    limits: &'a Limits,
    hash: Sha256,
    /// What the hash is to be.
    digest: &'a str,
}

impl<'a> Stream<'a> {
    /// Uncompresses `bytes`, if their beginning looks as if it were needed. Their digest is to be `digest`, as an image's
    /// config has it.
    ///
    /// # Errors
    ///
    /// They are compressed by zstd, or can't be read.
    pub fn new(bytes: impl Read + 'a, digest: &'a str, limits: &'a Limits) -> Result<Stream<'a>> {
        let mut bytes = BufReader::with_capacity(1 << 16, bytes);
        let begin = bytes.fill_buf().context("read")?;
        let bytes: Box<dyn Read + 'a> = if is_gzip(begin) {
            Box::new(MultiGzDecoder::new(bytes))
        } else if begin.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            bail!("compressed by zstd: `skopeo copy --dest-compress-format gzip` changes that")
        } else {
            Box::new(bytes)
        };
        Ok(Stream { bytes, limits, hash: Sha256::new(), digest })
    }

    /// Reads what is left, and compares the digest.
    ///
    /// # Errors
    ///
    /// It is another one.
    pub fn finish(&mut self) -> Result<()> {
        self.limits.expect_data();
        io::copy(&mut *self, &mut io::sink()).context("read")?;
        let found = format!("sha256:{}", hex(&self.hash.clone().finalize()));
        ensure!(found == self.digest, "its digest is {found}, and should be {:?}", self.digest);
        Ok(())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.bytes.read(buffer)?;
        self.limits.read(size as u64).map_err(io::Error::other)?;
        self.hash.update(&buffer[..size]);
        Ok(size)
    }
}

/// Whether a file begins as gzip(1) begins one: RFC 1952.
pub fn is_gzip(begin: &[u8]) -> bool {
    begin.starts_with(&[0x1f, 0x8b])
}
