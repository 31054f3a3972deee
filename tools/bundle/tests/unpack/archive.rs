//! Writes archives, good ones and others.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// A tar archive, whose names are what nobody checks.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// Adds a file.
    pub fn file(self, name: &str, data: &[u8]) -> Tar {
        self.entry(EntryType::Regular, name, "", data)
    }

    /// Adds a directory.
    pub fn directory(self, name: &str) -> Tar {
        self.entry(EntryType::Directory, name, "", b"")
    }

    /// Adds a symbolic link.
    pub fn symbolic_link(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    /// Adds a hard link.
    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Link, name, target, b"")
    }

    /// Adds anything.
    pub fn entry(self, kind: EntryType, name: &str, target: &str, data: &[u8]) -> Tar {
        self.header(header(kind, name, target, data.len() as u64)).data(data)
    }

    /// Adds a header alone.
    pub fn header(mut self, mut header: Header) -> Tar {
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self
    }

    /// Adds data, and what fills the block up.
    pub fn data(mut self, data: &[u8]) -> Tar {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Returns it, ended.
    pub fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// Returns a header with any name.
pub fn header(kind: EntryType, name: &str, target: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o6777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000);
    header.set_size(size);
    header
}

/// Compresses.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// What `sha256sum` says.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image before it is in an archive, to be spoilt.
pub struct Image {
    /// The layers as they will be in the archive.
    pub layers: Vec<Vec<u8>>,
    /// The config.
    pub config: Value,
    /// The platform that an index has.
    pub platform: Value,
}

impl Image {
    /// Returns an image of these layers.
    pub fn new(layers: &[Tar]) -> Image {
        let layers: Vec<_> = layers.iter().cloned().map(Tar::bytes).collect();
        let digests: Vec<_> =
            layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
        let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let platform = json!({ "os": "linux", "architecture": architecture });
        let mut config = platform.clone();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": digests });
        Image { layers, config, platform }
    }

    /// Compresses its layers.
    pub fn gzipped(mut self) -> Image {
        self.layers = self.layers.iter().map(|layer| gzip(layer)).collect();
        self
    }

    /// Returns what `docker save` would write.
    pub fn docker(&self) -> Tar {
        let names: Vec<_> = (0..self.layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        let manifest = json!([{ "Config": "c.json", "RepoTags": null, "Layers": names }]);
        let mut tar = Tar::default()
            .file("manifest.json", manifest.to_string().as_bytes())
            .file("c.json", self.config.to_string().as_bytes());
        for (name, layer) in names.iter().zip(&self.layers) {
            tar = tar.file(name, layer);
        }
        tar
    }

    /// Returns an image layout, in which the blob number `without` is missing: the manifest, the config, the layers.
    pub fn layout(&self, without: Option<usize>) -> Tar {
        let config = self.config.to_string().into_bytes();
        let layers: Vec<_> = self.layers.iter().map(|layer| descriptor(layer)).collect();
        let manifest =
            json!({ "schemaVersion": 2, "config": descriptor(&config), "layers": layers });
        let manifest = manifest.to_string().into_bytes();
        let mut image = descriptor(&manifest);
        image["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
        image["platform"] = self.platform.clone();
        let index = json!({ "schemaVersion": 2, "manifests": [image] });
        let mut tar = Tar::default().file("index.json", index.to_string().as_bytes());
        let blobs = [manifest, config].into_iter().chain(self.layers.iter().cloned());
        let mut names = Vec::new();
        for (number, blob) in blobs.enumerate() {
            // What is twice in an image is once in a layout.
            if Some(number) != without && !names.contains(&blob_name(&blob)) {
                names.push(blob_name(&blob));
                tar = tar.entry(EntryType::Regular, &blob_name(&blob), "", &blob);
            }
        }
        tar
    }
}

fn descriptor(bytes: &[u8]) -> Value {
    let digest = format!("sha256:{}", sha256(bytes));
    json!({ "mediaType": "application/octet-stream", "digest": digest, "size": bytes.len() })
}

/// Returns where a blob is in an image layout.
pub fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", sha256(bytes))
}
