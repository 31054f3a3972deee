//! A program that makes message queues, or looks for them, in a container or outside.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::stat::Mode;

use crate::stage::install_this;
use crate::{Output, Stage};

/// Where the program is in the container, and the name that it knows itself by.
pub(super) const PROGRAM: &str = "/bin/queues";

/// Makes a System V queue with this key, and a POSIX queue with this name, on the host: msgget(2),
/// mq_open(3).
#[track_caller]
pub fn make_outside(key: i32) {
    outside("make", key);
}

/// Returns which of the two are on the host.
#[track_caller]
pub fn seen_outside(key: i32) -> String {
    outside("look", key)
}

/// Makes the two queues in the stage's container.
#[track_caller]
pub fn make_inside(stage: &Stage, key: i32) {
    inside(stage, "make", key);
}

/// Returns which of the two are in the stage's container.
#[track_caller]
pub fn seen_inside(stage: &Stage, key: i32) -> String {
    inside(stage, "look", key)
}

/// Both queues.
pub const BOTH: &str = "System V: true, POSIX: true\n";

/// Neither of them.
pub const NEITHER: &str = "System V: false, POSIX: false\n";

#[track_caller]
fn inside(stage: &Stage, what: &str, key: i32) -> String {
    install_this(stage, "queues");
    stage.run(["--nsshell", PROGRAM, what, &key.to_string()]).ok()
}

#[track_caller]
fn outside(what: &str, key: i32) -> String {
    let mut this = Command::new("/proc/self/exe");
    Output::of(this.arg0(PROGRAM).args([what, &key.to_string()])).ok()
}

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    let [what, key] = env::args().skip(1).collect::<Vec<_>>().try_into().ok().context("usage")?;
    let key = key.parse().context("the key")?;
    match what.as_str() {
        "make" => {
            open_system_v(key, libc::IPC_CREAT | 0o600).context("msgget")?;
            open_posix(key, MQ_OFlag::O_CREAT).context("mq_open")?;
        }
        "look" => {
            let system_v = exists(open_system_v(key, 0)).context("msgget")?;
            let posix = exists(open_posix(key, MQ_OFlag::empty())).context("mq_open")?;
            println!("System V: {system_v}, POSIX: {posix}");
        }
        other => bail!("not a word of this program: {other}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn open_system_v(key: i32, flags: i32) -> nix::Result<()> {
    // SAFETY: msgget(2) takes no pointers.
    Errno::result(unsafe { libc::msgget(key, flags) }).map(drop)
}

fn open_posix(key: i32, flags: MQ_OFlag) -> nix::Result<()> {
    let (name, mode) = (format!("/queue-{key}"), Mode::S_IRUSR | Mode::S_IWUSR);
    // Ten messages of at most 64 bytes. Without attributes this function passes on no mode either.
    let attributes = MqAttr::new(0, 10, 64, 0);
    mq_open(name.as_str(), flags | MQ_OFlag::O_RDONLY, mode, Some(&attributes)).map(drop)
}

fn exists(opened: nix::Result<()>) -> nix::Result<bool> {
    match opened {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
