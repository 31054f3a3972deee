//! Who has started the program, and where.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::{env, fs};

use nix::sys::prctl;

use super::process::{
    CAP_SYS_ADMIN, CAP_SYS_RESOURCE, UidMap, is_sudo, may_have, overflow_id, read,
};
use super::programs::{INSTALLERS, Programs};

/// Who has started the program, and what they have. Inside the container nothing shows that any more: root there can be
/// anybody outside, has all capabilities, and other programs, and the environment is cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Whether that is root of the machine or of a container, and not of a user namespace in one.
    pub root: bool,
    /// Whether it is sudo(8) that has made it root: what the reader types next is typed as another user.
    pub by_sudo: bool,
    /// Whether it is in a user namespace of its container's: one that has its process 1 as well. (`cargo rootless` makes
    /// one, and its caller is outside of it.)
    pub user_namespace: bool,
    /// Whether the cgroups belong to an id that its container does not map, so that root there has no right to them.
    pub foreign_cgroups: bool,
    /// Whether root there has CAP_SYS_ADMIN, and an ordinary user could become that root.
    pub administers: bool,
    /// Whether root there could raise a limit of this process: CAP_SYS_RESOURCE.
    pub raises_limits: bool,
    /// Whether systemd is process 1, and for an ordinary user, whether one of their own runs.
    pub systemd: bool,
    /// What is installed there.
    pub programs: Programs,
    /// What has started the container that it is in, if one has.
    pub engine: Option<Engine>,
}

/// What [`Caller::remember`] has seen.
static CALLER: OnceLock<Caller> = OnceLock::new();

impl Caller {
    /// Returns what was remembered, or else what is so now.
    pub fn get() -> Caller {
        CALLER.get().copied().unwrap_or_else(Caller::now)
    }

    /// Remembers what is so now: this process is about to enter a user namespace, and will look like another.
    pub(crate) fn remember() {
        CALLER.get_or_init(Caller::now);
    }

    fn now() -> Caller {
        let own = UidMap::of("self");
        let user_namespace = !own.is_first();
        // The map of another user namespace is shown as this one sees it, and is not the same. (The owner of process 1
        // tells nothing: it may be an ordinary user's.)
        let first = UidMap::of("1");
        let has_first = first.shows_any() && first == own;
        let in_container = user_namespace && has_first;
        let root = nix::unistd::geteuid().is_root() && (!user_namespace || has_first);
        Caller {
            root,
            by_sudo: root && is_sudo(),
            user_namespace: in_container,
            foreign_cgroups: in_container && are_cgroups_foreign(),
            administers: own.has_root()
                && may_have(CAP_SYS_ADMIN)
                && (root || !prctl::get_no_new_privs().unwrap_or(false)),
            raises_limits: may_have(CAP_SYS_RESOURCE) && !in_container,
            systemd: has_systemd(root),
            programs: Programs::here(),
            engine: Engine::here(),
        }
    }

    /// What a process tells its second life: see [`Caller::inherit`].
    pub(crate) fn to_word(mut self) -> String {
        let flags = self.flags().map(|flag| if *flag { '1' } else { '0' });
        let index =
            INSTALLERS.iter().position(|(_, known)| Some(*known) == self.programs.installer);
        let engine = ENGINES.iter().find(|(engine, _)| Some(*engine) == self.engine);
        let flags: String = flags.into_iter().collect();
        let index = index.map_or("-".into(), |index| index.to_string());
        format!("{flags}{index}{}", engine.map_or("", |(_, name)| name))
    }

    /// Remembers what the first life of this program has told.
    pub(crate) fn inherit(word: &str) {
        let mut caller = Caller::default();
        let mut characters = word.chars();
        for (flag, character) in caller.flags().into_iter().zip(&mut characters) {
            *flag = character == '1';
        }
        let index = characters.next().and_then(|digit| digit.to_digit(10));
        let installer = index.and_then(|index| INSTALLERS.get(index as usize));
        caller.programs.installer = installer.map(|(_, command)| *command);
        caller.engine = Engine::of_name(characters.as_str());
        CALLER.get_or_init(|| caller);
    }

    /// All that is so or is not, in the order that it is told in. Taken apart, since what is not here is not known inside.
    fn flags(&mut self) -> [&mut bool; 11] {
        let Caller {
            root,
            by_sudo,
            user_namespace,
            foreign_cgroups,
            administers,
            raises_limits,
            systemd,
            programs: Programs { prlimit, sudo, sysctl, unshare, installer: _ },
            engine: _,
        } = self;
        [
            root,
            by_sudo,
            user_namespace,
            foreign_cgroups,
            administers,
            raises_limits,
            systemd,
            prlimit,
            sudo,
            sysctl,
            unshare,
        ]
    }
}

/// Whether systemd takes commands of this user: sd_booted(3), and the socket of systemd-run(1).
fn has_systemd(root: bool) -> bool {
    if root {
        return Path::new("/run/systemd/system").exists();
    }
    let own = format!("/run/user/{}", nix::unistd::geteuid());
    let own = env::var_os("XDG_RUNTIME_DIR").unwrap_or(own.into());
    Path::new(&own).join("systemd/private").exists()
}

/// What starts containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// docker(1)
    Docker,
    /// podman(1)
    Podman,
    /// A pod of Kubernetes
    Kubernetes,
    /// systemd-nspawn(1)
    Nspawn,
}

/// Engines, and what each calls itself in the variable `container`: <https://systemd.io/CONTAINER_INTERFACE>.
const ENGINES: [(Engine, &str); 4] = [
    (Engine::Docker, "docker"),
    (Engine::Podman, "podman"),
    (Engine::Kubernetes, "kubernetes"),
    (Engine::Nspawn, "systemd-nspawn"),
];

impl Engine {
    fn here() -> Option<Engine> {
        let exists = |file: &str| Path::new(file).exists();
        // A machine whose files come from an image has Docker's file as well, and not its mounts.
        let is_docker =
            || exists("/.dockerenv") && read("/proc/self/mounts").contains(" /etc/hostname ");
        if let Some(engine) = Engine::of_environment() {
            Some(engine)
        } else if exists("/run/.containerenv") {
            Some(Engine::Podman)
        } else if is_docker() {
            Some(Engine::Docker)
        } else {
            None
        }
    }

    /// Asks the environment of this process, or of process 1, since sudo(8) passes it on to nobody.
    fn of_environment() -> Option<Engine> {
        let own = |name: &str| env::var_os(name);
        let first = fs::read("/proc/1/environ").unwrap_or_default();
        let of_first = |name: &str| {
            let mut variables = first.split(|byte| *byte == 0);
            let value =
                variables.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            value.map(|value| OsStr::from_bytes(value).to_owned())
        };
        let value = |name: &str| own(name).or_else(|| of_first(name));
        if value("KUBERNETES_SERVICE_HOST").is_some() {
            return Some(Engine::Kubernetes);
        }
        Engine::of_name(value("container")?.to_str()?)
    }

    fn of_name(name: &str) -> Option<Engine> {
        ENGINES.into_iter().find(|(_, known)| *known == name).map(|(engine, _)| engine)
    }
}

/// Whether the cgroups belong to an id that this user namespace does not map.
fn are_cgroups_foreign() -> bool {
    let directories = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/pids"];
    let owner = directories.iter().find_map(|file| Some(fs::metadata(file).ok()?.uid()));
    owner.is_some_and(|owner| owner == overflow_id())
}

#[cfg(test)]
mod tests {
    use super::{Caller, Engine, Programs};

    #[test]
    fn a_second_life_knows_the_caller_of_the_first() {
        let caller = Caller {
            root: true,
            by_sudo: false,
            user_namespace: false,
            foreign_cgroups: true,
            administers: true,
            raises_limits: false,
            systemd: true,
            programs: Programs { unshare: true, installer: Some("apk add"), ..Programs::default() },
            engine: Some(Engine::Nspawn),
        };
        assert_eq!(caller.to_word(), "100110100012systemd-nspawn");
        Caller::inherit(&caller.to_word());
        assert_eq!(Caller::get(), caller);
    }
}
