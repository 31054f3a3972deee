//! Advice, such as an error gives, that the tests follow.
//!
//! It is followed as root, in the throw-away host. That has the machine's files, though none that can be written to. So what
//! an advice may be is said here, and not by the advice: a test that would follow another one fails.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result};

use crate::Output;

/// Commands that change what belongs to the namespaces and the cgroup of a test, or nothing at all.
const HARMLESS: [&str; 10] =
    ["grep", "hostname", "ip", "ipcrm", "iptables", "mount", "nft", "rmdir", "sysctl", "umount"];

/// Commands that change files, and must name one of the throw-away host's: these directories are its own, or a mount that
/// the test has made.
const CHANGE_FILES: [&str; 4] = ["chmod", "chown", "mkdir", "rm"];
const OF_THE_HOST: [&str; 3] = ["/tmp/", "/mnt/", "/sys/fs/cgroup/"];

/// Where the program is that follows an advice, and the name that it knows itself by.
pub const PROGRAM: &str = "/tmp/follow";

/// Puts the program there. It is for a shell in namespaces of its own, and takes the advice as its argument.
#[track_caller]
pub fn install() {
    fs::copy("/proc/self/exe", PROGRAM).expect("the program can be copied");
}

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    print!("{}", follow(&env::args().nth(1).context("usage")?));
    Ok(ExitCode::SUCCESS)
}

/// Returns the commands that an error advises, without the sudo of those that are root already.
pub fn advised(line: &str) -> Vec<String> {
    let commands = line.split('`').skip(1).step_by(2);
    commands.map(|command| command.replace("sudo ", "")).collect()
}

/// Does what a command says that was advised, if it is one of those that a test may do, and returns what it has printed.
/// It finds what it would find with sudo: not every user has /usr/sbin in `PATH`.
#[track_caller]
pub fn follow(advice: &str) -> String {
    let advice = typed_by_root(advice);
    let visible = without_quoted(&advice);
    if let Some(wrong) = visible.split(['|', ';', '&', '\n']).find(|command| !may_follow(command)) {
        panic!("no test follows the advice `{wrong}`, in `{advice}`");
    }
    let path = env::var("PATH").unwrap_or_default();
    let mut sh = Command::new("sh");
    Output::of(sh.args(["-e", "-c", &advice]).env("PATH", format!("{path}:/usr/sbin:/sbin"))).ok()
}

/// Returns an advice without the sudo, or the su where there is no sudo, of those that are root already.
fn typed_by_root(advice: &str) -> String {
    let of_su = advice.strip_prefix("su -c '").and_then(|rest| rest.strip_suffix('\''));
    // With another quote in it there would be more to take away.
    let command = of_su.filter(|command| !command.contains('\''));
    command.map_or_else(|| advice.replace("sudo ", ""), str::to_owned)
}

/// Returns a command with `quoted` in place of what is between single quotes, where a shell sees nothing but a word.
fn without_quoted(command: &str) -> String {
    let parts = command.split('\'').enumerate();
    parts.map(|(i, part)| if i % 2 == 0 { part } else { "quoted" }).collect()
}

/// Whether this one command may be executed.
fn may_follow(command: &str) -> bool {
    let mut words = command.split_whitespace().filter(|word| *word != "(" && *word != ")");
    let Some(program) = words.next() else { return true };
    let mut files = words.filter(|word| Path::new(word).is_absolute());
    let in_host = |file: &str| {
        !file.contains("..") && OF_THE_HOST.iter().any(|directory| file.starts_with(directory))
    };
    // What a shell puts in place of a word is nothing that can be looked at.
    !command.contains(['$', '`', '>', '<'])
        && (HARMLESS.contains(&program)
            || CHANGE_FILES.contains(&program) && files.clone().count() > 0 && files.all(in_host))
}

#[cfg(test)]
mod tests {
    use super::{may_follow, typed_by_root};

    #[test]
    fn root_takes_neither_sudo_nor_su() {
        for (advice, typed) in [
            ("sudo sysctl a=1", "sysctl a=1"),
            ("su -c 'sysctl a=1'", "sysctl a=1"),
            ("sysctl a=1", "sysctl a=1"),
            (r"su -c 'echo '\''a'", r"su -c 'echo '\''a'"),
        ] {
            assert_eq!(typed_by_root(advice), typed);
        }
    }

    #[test]
    fn what_changes_the_machine_is_no_advice_to_follow() {
        for command in [
            "apt-get install busybox-static",
            "rm -r /var/lib",
            "rm -r /tmp/../etc",
            "rm -r ~/busybox",
            "mkdir -p /etc/x",
            "dnf install busybox",
            "mount $(reboot)",
            "systemctl reboot",
            "sh -c true",
            "rm -r quoted",
        ] {
            assert!(!may_follow(command), "{command}");
        }
        for command in
            ["rm -r /tmp/busybox", "mount -t proc proc /proc", " chmod go-w /tmp/busybox", ""]
        {
            assert!(may_follow(command), "{command}");
        }
    }
}
