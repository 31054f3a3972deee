//! A root directory as an image, in the words of the OCI Image Specification.
//!
//! An image is layers, which are tar archives of files, one on top of the other; a config, which says what to execute
//! in them; and a manifest, which names both by their digests. Nothing in it says how the container is isolated. So the
//! commands that run it have to: [`commands()`].

use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::image::{Arch, ConfigBuilder, History, ImageConfiguration, Os, RootFs};

use crate::container::{Container, ENVIRONMENT};
use crate::place;
use blob::Blob;

mod archive;
mod blob;
mod commands;
mod layer;
mod lesson;

pub use blob::hex;
pub use commands::commands;
pub use layer::WHITEOUT;

/// What an engine calls the image.
pub const NAME: &str = "localhost/nshost:latest";

/// The time of everything in an image. With the time of its making, no two images would be the same.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// How an image's parts are put into one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// An image layout, as the OCI Image Specification has it
    Oci,
    /// What `docker save` writes, and every version of Docker loads
    Docker,
}

/// Writes the container's root directory to `file`, as an image of two layers.
///
/// # Errors
///
/// There is something at `file`, or it cannot be written; or the root directory cannot be read, or cannot be put into an
/// image.
pub fn write(container: &Container, file: &Path, format: Format) -> Result<()> {
    let beside = place::parent_of_new(file)?;
    let layers = [
        Blob::write(&beside, |layer| {
            layer::add_directory(layer, &container.rootfs)?;
            lesson::first_layer(layer, &container.rootfs)
        })?,
        Blob::write(&beside, lesson::second_layer)?,
    ];
    let config = serde_json::to_vec(&config(container, &layers)?).context("write the config")?;
    place::file(file, |out| match format {
        Format::Oci => archive::oci(out, &config, &layers),
        Format::Docker => archive::docker(out, &config, &layers),
    })
}

/// The image's config: what is executed, and of which layers its files are.
fn config(container: &Container, layers: &[Blob; 2]) -> Result<ImageConfiguration> {
    // Uncompressed, a layer's digest is that of its tar archive.
    let digests = layers.iter().map(|layer| format!("sha256:{}", layer.digest())).collect();
    let mut files = RootFs::default();
    files.set_typ("layers".into()).set_diff_ids(digests);
    let environment = ENVIRONMENT.map(String::from);
    let executed = ConfigBuilder::default()
        .env(environment)
        .cmd(container.shell.clone())
        .working_dir("/")
        .build()
        .context("write the config")?;
    let mut config = ImageConfiguration::default();
    config
        .set_created(Some(CREATED.into()))
        .set_architecture(Arch::default())
        .set_os(Os::Linux)
        .set_config(Some(executed))
        .set_rootfs(files)
        .set_history(Some(vec![history("the root directory"), history("a lesson about layers")]));
    Ok(config)
}

fn history(of: &str) -> History {
    let mut history = History::default();
    history.set_created(Some(CREATED.into())).set_created_by(Some(of.into()));
    history
}
