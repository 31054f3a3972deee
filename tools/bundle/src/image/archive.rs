//! An image in one file, which is again a tar archive.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use oci_spec::image::{
    Arch, Descriptor, ImageIndex, ImageManifest, ImageManifestBuilder, MediaType, OciLayoutBuilder,
    Os, PlatformBuilder, SCHEMA_VERSION,
};
use serde::Serialize;
use serde_json::json;
use tar::{Builder, EntryType};

use super::NAME;
use super::blob::{Blob, digest};
use super::layer::header;

/// Writes an image layout: blobs that are called by their digests, and index.json, where one begins to read.
///
/// # Errors
///
/// Those of writing: no space is left on the device.
pub fn oci(out: &mut File, config: &[u8], layers: &[Blob]) -> Result<()> {
    let manifest = json(&manifest(config, layers)?)?;
    let mut archive = Builder::new(out);
    let layout = OciLayoutBuilder::default().image_layout_version("1.0.0".to_owned()).build();
    let layout = layout.context("write the layout")?;
    add(&mut archive, "oci-layout", json(&layout)?.as_slice())?;
    add(&mut archive, "index.json", json(&index(&manifest)?)?.as_slice())?;
    for bytes in [manifest.as_slice(), config] {
        add(&mut archive, &format!("blobs/sha256/{}", digest(bytes)?.digest()), bytes)?;
    }
    for layer in layers {
        let name = format!("blobs/sha256/{}", layer.digest().digest());
        add_sized(&mut archive, &name, layer.size(), layer.reader()?)?;
    }
    archive.finish().context("write the archive")
}

fn manifest(config: &[u8], layers: &[Blob]) -> Result<ImageManifest> {
    let config = descriptor(MediaType::ImageConfig, config)?;
    let layers = layers
        .iter()
        .map(|layer| Descriptor::new(MediaType::ImageLayer, layer.size(), layer.digest().clone()));
    let manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers.collect::<Vec<_>>());
    manifest.build().context("write the manifest")
}

fn index(manifest: &[u8]) -> Result<ImageIndex> {
    let platform = PlatformBuilder::default().architecture(Arch::default()).os(Os::Linux).build();
    let mut image = descriptor(MediaType::ImageManifest, manifest)?;
    image
        .set_platform(Some(platform.context("write the index")?))
        // Where engines look for the image's name.
        .set_annotations(Some(HashMap::from([(
            "org.opencontainers.image.ref.name".to_owned(),
            NAME.to_owned(),
        )])));
    let mut index = ImageIndex::default();
    index
        .set_schema_version(SCHEMA_VERSION)
        .set_media_type(Some(MediaType::ImageIndex))
        .set_manifests(vec![image]);
    Ok(index)
}

fn descriptor(kind: MediaType, bytes: &[u8]) -> Result<Descriptor> {
    Ok(Descriptor::new(kind, bytes.len() as u64, digest(bytes)?))
}

/// Writes what `docker save` of old wrote: manifest.json names the files.
///
/// # Errors
///
/// Those of writing: no space is left on the device.
pub fn docker(out: &mut File, config: &[u8], layers: &[Blob]) -> Result<()> {
    let mut archive = Builder::new(out);
    let config_name = format!("{}.json", digest(config)?.digest());
    let layer_name = |layer: &Blob| format!("{}/layer.tar", layer.digest().digest());
    let names: Vec<_> = layers.iter().map(layer_name).collect();
    let manifest = json!([{ "Config": config_name, "RepoTags": [NAME], "Layers": names }]);
    add(&mut archive, "manifest.json", json(&manifest)?.as_slice())?;
    add(&mut archive, &config_name, config)?;
    for (layer, name) in layers.iter().zip(&names) {
        add_sized(&mut archive, name, layer.size(), layer.reader()?)?;
    }
    archive.finish().context("write the archive")
}

/// Returns `value` as JSON. By way of a [`serde_json::Value`], which sorts names.
fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let value = serde_json::to_value(value).context("write JSON")?;
    serde_json::to_vec(&value).context("write JSON")
}

fn add(archive: &mut Builder<&mut File>, name: &str, bytes: &[u8]) -> Result<()> {
    add_sized(archive, name, bytes.len() as u64, bytes)
}

fn add_sized(
    archive: &mut Builder<&mut File>,
    name: &str,
    size: u64,
    data: impl Read,
) -> Result<()> {
    let mut header = header(EntryType::Regular, 0o644, size);
    archive.append_data(&mut header, name, data).context("write the archive")
}
