//! A cgroup around each test of a stage that makes cgroups. It plays the one that a login session is in.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};
use nix::unistd::{Pid, getpid};

use super::{children, of_controller, tree};
use crate::gets;

/// The environment variable that tells a test its cgroup.
pub const VARIABLE: &str = "TEST_CGROUP";

/// Returns the directory of the test's own cgroup; None where it has none.
pub fn own() -> Option<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from)
}

/// Removes a cgroup and all below it.
fn remove_tree(cgroup: &Path) -> io::Result<()> {
    tree(cgroup).iter().rev().try_for_each(fs::remove_dir)
}

/// What the names begin with: the process id of who made it follows, which means something in this PID namespace alone.
/// Tests in another one may be at work on the same cgroups.
fn prefix() -> Result<String> {
    let namespace = fs::metadata("/proc/self/ns/pid").context("find the PID namespace")?;
    Ok(format!("containers-test-{}-", namespace.ino()))
}

/// A script that starts a hundred jobs, in a shell of their own, since a shell that is refused a process
/// ends. What that one says is in /temp/log.
pub const HUNDRED: &str = "sh -c 'for i in $(seq 100); do sleep 1000 & done' 2>/temp/log";

/// The script of the article that the stages follow.
pub const SCRIPT_OF_THE_ARTICLE: &str = r#"cat >/temp/1.sh <<'END'
d() { sleep 1000; }
for i in $(seq 1 100)
do
    echo "sleep $i\n"
    d&
done
END
sh /temp/1.sh >/temp/log 2>&1"#;

/// The cgroup of one test.
pub struct Own {
    /// Its directory.
    pub directory: PathBuf,
    /// The controller that it is there for; see [`Own::make`].
    controller: String,
}

impl Own {
    /// Makes a cgroup beside the one that this process is in, or below it where that is the root, which has
    /// no siblings, or on cgroup v1, where a cgroup with processes may have children.
    ///
    /// - `controller`: what it has. On cgroup v2 that can be freezer, too, which is no controller there, and
    ///   everywhere.
    /// - `owner`: the user that it is delegated to: cgroups(7), "Delegation".
    pub fn make(controller: &str, owner: Option<u32>) -> Result<Own> {
        let ours = of_controller(getpid(), controller);
        let ours =
            ours.with_context(|| format!("no hierarchy with the controller {controller}"))?;
        let is_v2_child = ours.join("cgroup.type").exists();
        let parent = if is_v2_child { ours.parent().context("no parent")? } else { &ours };
        let prefix = prefix()?;
        remove_abandoned(parent, &prefix);
        let own = Own::of(&parent.join(format!("{prefix}{}", getpid())), controller).create()?;
        if own.must_hand_down() && !own.has_controller()? {
            own.remove()?;
            bail!("{} has no controller {controller} for its children", parent.display());
        }
        // v1 has tasks, v2 the last two.
        let files = ["", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"];
        let files = files.iter().map(|file| own.directory.join(file));
        for file in files.filter(|file| owner.is_some() && file.exists()) {
            chown(&file, owner, owner).with_context(|| format!("chown {}", file.display()))?;
        }
        Ok(own)
    }

    /// Returns the one in a directory, which is there.
    pub fn of(directory: &Path, controller: &str) -> Own {
        Own { directory: directory.into(), controller: controller.into() }
    }

    /// Makes its directory.
    fn create(self) -> Result<Own> {
        let directory = self.directory.display();
        fs::create_dir(&self.directory).with_context(|| format!("make {directory}"))?;
        Ok(self)
    }

    /// Makes a child of it.
    pub fn child(&self, name: &str) -> Result<Own> {
        Own::of(&self.directory.join(name), &self.controller).create()
    }

    /// Whether a cgroup has to hand the controller down to its children: on cgroup v2, where it is one.
    fn must_hand_down(&self) -> bool {
        self.directory.join("cgroup.controllers").exists() && self.controller != "freezer"
    }

    fn has_controller(&self) -> Result<bool> {
        let controllers = fs::read_to_string(self.directory.join("cgroup.controllers"))?;
        Ok(controllers.split_whitespace().any(|name| name == self.controller))
    }

    /// Makes the controller one of its children's, for which it may have no processes of its own.
    pub fn enable_for_children(&self) -> Result<()> {
        if !self.must_hand_down() {
            return Ok(());
        }
        let file = self.directory.join("cgroup.subtree_control");
        let hand_down = format!("+{}", self.controller);
        fs::write(&file, hand_down).with_context(|| format!("write {}", file.display()))
    }

    /// Calls `function` while this process is in a child of it.
    pub fn occupy<T>(&self, function: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = of_controller(getpid(), &self.controller).context("no cgroup")?;
        self.child("host")?.enter(getpid())?;
        let result = function();
        Own::of(&before, &self.controller).enter(getpid())?;
        result
    }

    /// Moves a process there.
    pub fn enter(&self, process: Pid) -> Result<()> {
        let file = self.directory.join("cgroup.procs");
        fs::write(&file, process.to_string()).with_context(|| format!("write {}", file.display()))
    }

    /// Removes it, when the last process has ended, and all that a test has left there.
    pub fn remove(&self) -> Result<()> {
        let mut removed = Ok(());
        gets(|| {
            removed = remove_tree(&self.directory);
            removed.is_ok()
        });
        removed.with_context(|| format!("remove {}", self.directory.display()))
    }
}

/// Lets the processes of a cgroup, and of all below it, go on. On v1 not even SIGKILL ends them before.
pub fn thaw(cgroup: &Path) {
    for cgroup in tree(cgroup) {
        let state = cgroup.join("freezer.state");
        if state.exists() {
            // Whoever waits for the processes says what is wrong.
            let _ = fs::write(state, "THAWED");
        }
    }
}

/// Removes the cgroups of tests that were killed.
fn remove_abandoned(parent: &Path, prefix: &str) {
    for cgroup in children(parent) {
        let name = cgroup.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let maker = name.strip_prefix(prefix).and_then(|pid| pid.parse::<u32>().ok());
        if maker.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another test may be at it.
            let _ = remove_tree(&cgroup);
        }
    }
}
