//! A container in the words of the OCI Runtime Specification: config.json.

use anyhow::{Context, Result};
use nix::unistd::{getgid, getuid};
use oci_spec::runtime::{
    Linux, LinuxCapabilities, LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace,
    LinuxNamespaceType, LinuxPidsBuilder, LinuxResources, Mount, Process, Root, Spec,
};
use serde_json::Value;

use crate::capabilities;
use crate::container::{self, Container};
use crate::options::{PidsMax, Stage};

/// The version of the specification. Debian's runtimes know this one, and nothing here is newer.
const VERSION: &str = "1.0.2";

/// Returns config.json for the container. What the crate has defaults for that no stage has is left out: covered paths,
/// limits of resources, no new privileges.
///
/// The root directory is referred to where it is, and the id maps are of who calls this: the same bundle can then be
/// run by that user, or by root.
///
/// # Errors
///
/// The kernel's capabilities cannot be read.
pub fn config(container: &Container) -> Result<String> {
    if container.stage < Stage::MOUNT {
        log::warn!(
            "{}: the bundle has a mount namespace and a /dev, and the stage has neither: without them a \
             runtime would leave its mounts and devices on the host",
            container.stage
        );
    }
    let mut root = Root::default();
    root.set_path(container.rootfs()?.into()).set_readonly(None);
    let mut spec = Spec::default();
    spec.set_version(VERSION.into())
        .set_root(Some(root))
        .set_hostname(Some(container.hostname.clone()))
        .set_process(Some(process(container)?))
        .set_mounts(Some(container.mounts().map(mount).collect()))
        .set_linux(Some(linux(container)?))
        .set_annotations(None);
    let mut spec = serde_json::to_value(spec).context("write config.json")?;
    sort_capabilities(&mut spec);
    Ok(serde_json::to_string_pretty(&spec).context("write config.json")? + "\n")
}

fn process(container: &Container) -> Result<Process> {
    let all = capabilities::of(container.stage)?;
    let mut capabilities = LinuxCapabilities::default();
    capabilities
        .set_bounding(Some(all.clone()))
        .set_effective(Some(all.clone()))
        .set_permitted(Some(all))
        // The shell is root: execve(2) gives it the rest.
        .set_inheritable(None)
        .set_ambient(None);
    let mut process = Process::default();
    process
        .set_args(Some(container.shell.clone()))
        .set_env(Some(container.environment()?))
        .set_terminal(Some(container.interactive))
        .set_capabilities(Some(capabilities))
        .set_no_new_privileges(None)
        .set_rlimits(None);
    Ok(process)
}

fn mount(mount: &container::Mount) -> Mount {
    let options: Vec<_> = mount.options.iter().copied().map(String::from).collect();
    let mut written = Mount::default();
    written
        .set_destination(mount.destination.into())
        .set_typ(Some(mount.kind.into()))
        .set_source(Some(mount.source.into()))
        .set_options(Some(options).filter(|options| !options.is_empty()));
    written
}

fn linux(container: &Container) -> Result<Linux> {
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces(container.stage)))
        .set_resources(container.pids_max.map(resources).transpose()?)
        .set_masked_paths(None)
        .set_readonly_paths(None);
    if container.stage >= Stage::USER {
        linux
            .set_uid_mappings(Some(root_is(getuid().as_raw())?))
            .set_gid_mappings(Some(root_is(getgid().as_raw())?));
    }
    Ok(linux)
}

/// The namespaces of a stage: namespaces(7).
fn namespaces(stage: Stage) -> Vec<LinuxNamespace> {
    let kinds = [
        (LinuxNamespaceType::Mount, None),
        (LinuxNamespaceType::Uts, None),
        (LinuxNamespaceType::Pid, None),
        (LinuxNamespaceType::User, Some(Stage::USER)),
        (LinuxNamespaceType::Network, Some(Stage::NETWORK)),
        (LinuxNamespaceType::Ipc, Some(Stage::IPC)),
        (LinuxNamespaceType::Cgroup, Some(Stage::CGROUPS)),
    ];
    let has = |since: Option<Stage>| since.is_none_or(|since| stage >= since);
    let kinds = kinds.into_iter().filter(|(_, since)| has(*since));
    kinds
        .map(|(kind, _)| {
            let mut namespace = LinuxNamespace::default();
            namespace.set_typ(kind);
            namespace
        })
        .collect()
}

/// Maps root in the container on one id outside: user_namespaces(7).
fn root_is(id: u32) -> Result<Vec<LinuxIdMapping>> {
    let one = LinuxIdMappingBuilder::default().container_id(0u32).host_id(id).size(1u32).build();
    Ok(vec![one.context("map an id")?])
}

fn resources(pids_max: PidsMax) -> Result<LinuxResources> {
    let limit = match pids_max {
        PidsMax::Number(limit) => limit,
        PidsMax::Max => -1,
    };
    let pids = LinuxPidsBuilder::default().limit(limit).build().context("limit processes")?;
    let mut resources = LinuxResources::default();
    resources.set_devices(None).set_pids(Some(pids));
    Ok(resources)
}

/// Gives the sets an order. The crate has none for them, and one bundle shall be one file.
fn sort_capabilities(spec: &mut Value) {
    let sets = spec["process"]["capabilities"].as_object_mut();
    for names in sets.into_iter().flatten().filter_map(|(_, names)| names.as_array_mut()) {
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}
