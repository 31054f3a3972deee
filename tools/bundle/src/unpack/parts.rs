//! Which layers an image has: the two ways to say it in an archive.

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use oci_spec::image::{
    Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::archive::{Archive, Section};
use super::limits::Limits;
use super::stream::Stream;

/// A layer in an archive.
pub struct Part {
    section: Section,
    /// The digest of its tar archive, as the image's config has it.
    digest: String,
}

impl Part {
    /// Its size in the archive, in bytes.
    pub fn size(&self) -> u64 {
        self.section.size
    }

    /// Returns its bytes, uncompressed.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::new`].
    pub fn open<'a>(
        &'a self,
        archive: &'a Archive,
        bar: &ProgressBar,
        limits: &'a Limits,
    ) -> Result<Stream<'a>> {
        let bytes = bar.wrap_read(archive.reader(self.section));
        Stream::new(bytes, &self.digest, limits)
    }
}

/// Returns the layers of the image in an archive, the lowest first.
///
/// # Errors
///
/// There is no image in it, or several, or none for this processor; or a part of it is missing, or has another digest.
pub fn layers(archive: &Archive) -> Result<Vec<Part>> {
    if archive.has("index.json") {
        of_layout(archive)
    } else if archive.has("manifest.json") {
        of_docker(archive)
    } else {
        bail!("holds no image: it has neither index.json nor manifest.json")
    }
}

/// An image layout.
fn of_layout(archive: &Archive) -> Result<Vec<Part>> {
    let index: ImageIndex = parsed("index.json", &archive.read("index.json")?)?;
    let manifest = one_manifest(archive, index, 0)?;
    let manifest: ImageManifest = parsed("the manifest", &blob(archive, &manifest)?)?;
    let config = blob(archive, manifest.config()).context("the config")?;
    let mut sections = Vec::new();
    for (number, layer) in (1..).zip(manifest.layers()) {
        let (section, digest) = find(archive, layer).with_context(|| format!("layer {number}"))?;
        archive.check(section, digest).with_context(|| format!("layer {number}"))?;
        sections.push(section);
    }
    with_digests(sections, &config)
}

/// How deep an index can be in another. Docker writes two.
const DEEPEST: usize = 4;

/// Returns the one image for this machine.
fn one_manifest(archive: &Archive, index: ImageIndex, depth: usize) -> Result<Descriptor> {
    ensure!(depth < DEEPEST, "an index in an index, {DEEPEST} times");
    let mut for_us: Vec<_> = index.manifests().iter().filter(|image| is_for_us(image)).collect();
    for_us.dedup_by_key(|image| image.digest());
    let [image] = for_us[..] else {
        let (number, architecture) = (for_us.len(), Arch::default());
        bail!("holds {number} images for linux/{architecture}, of {}", index.manifests().len());
    };
    let is_index = matches!(image.media_type(), MediaType::ImageIndex)
        || image.media_type().as_ref()
            == "application/vnd.docker.distribution.manifest.list.v2+json";
    if !is_index {
        return Ok(image.clone());
    }
    one_manifest(archive, parsed("an index", &blob(archive, image)?)?, depth + 1)
}

/// Whether an image says that it is for another kind of machine.
fn is_for_us(image: &Descriptor) -> bool {
    let platform = image.platform().as_ref();
    platform.is_none_or(|platform| {
        *platform.os() == Os::Linux && *platform.architecture() == Arch::default()
    })
}

/// Finds what a descriptor is of.
fn find<'a>(archive: &Archive, descriptor: &'a Descriptor) -> Result<(Section, &'a str)> {
    let digest = descriptor.as_digest_sha256();
    let digest = digest.with_context(|| format!("{}: not sha256", descriptor.digest()))?;
    let section = archive.find(&format!("blobs/sha256/{digest}"))?;
    let (found, written) = (section.size, descriptor.size());
    ensure!(found == written, "it has {found} bytes, and should have {written}");
    Ok((section, digest))
}

/// Reads what a descriptor is of, and checks its digest.
fn blob(archive: &Archive, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let (section, digest) = find(archive, descriptor)?;
    archive.check(section, digest)?;
    archive.read(&format!("blobs/sha256/{digest}"))
}

/// An image in manifest.json, as `docker save` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

fn of_docker(archive: &Archive) -> Result<Vec<Part>> {
    let images: Vec<Saved> = parsed("manifest.json", &archive.read("manifest.json")?)?;
    let [image] = &images[..] else { bail!("holds {} images, not one", images.len()) };
    let mut sections = Vec::new();
    for (number, layer) in (1..).zip(&image.layers) {
        sections.push(archive.find(layer).with_context(|| format!("layer {number}"))?);
    }
    with_digests(sections, &archive.read(&image.config).context("the config")?)
}

/// Gives each layer the digest that the config has for it.
fn with_digests(sections: Vec<Section>, config: &[u8]) -> Result<Vec<Part>> {
    let config: ImageConfiguration = parsed("the config", config)?;
    let (os, architecture) = (config.os(), config.architecture());
    ensure!(
        *os == Os::Linux && *architecture == Arch::default(),
        "holds an image for {os}/{architecture}, and this machine is linux/{}",
        Arch::default()
    );
    let digests = config.rootfs().diff_ids();
    let (layers, known) = (sections.len(), digests.len());
    ensure!(layers == known, "has {layers} layers, and its config has digests for {known}");
    let parts = sections.into_iter().zip(digests);
    Ok(parts.map(|(section, digest)| Part { section, digest: digest.clone() }).collect())
}

fn parsed<T: DeserializeOwned>(name: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).with_context(|| format!("{name} is not what it should be"))
}
