//! What of a host a container could change, and what undoes such a change.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::quote::{escaped, quoted};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use mount::Mount;

use crate::cgroup;

mod mount;

/// The state of this process's host, or of the namespaces that play one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The cgroup that was looked at, with those below it.
    cgroup: Option<PathBuf>,
    /// The lines of each part, sorted; None where this process may not read it.
    parts: BTreeMap<Part, Option<Vec<String>>>,
}

/// A part of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// uname(2)
    Hostname,
    /// That of NIS: uname(2)
    DomainName,
    /// proc_pid_mountinfo(5)
    Mounts,
    /// Network devices, up or down
    Links,
    /// IPv4 and IPv6
    Addresses,
    /// IPv4 and IPv6, of the main table
    Routes,
    /// nft(8), which shows those of iptables-nft(8) as well
    NftRules,
    /// Those below the process's own
    Cgroups,
    /// msgget(2)
    MessageQueues,
    /// mq_overview(7), where a mqueue file system is mounted
    PosixMessageQueues,
    /// semget(2)
    Semaphores,
    /// shmget(2)
    SharedMemory,
}

impl Part {
    /// All of them.
    const ALL: [Part; 12] = [
        Part::Hostname,
        Part::DomainName,
        Part::Mounts,
        Part::Links,
        Part::Addresses,
        Part::Routes,
        Part::NftRules,
        Part::Cgroups,
        Part::MessageQueues,
        Part::PosixMessageQueues,
        Part::Semaphores,
        Part::SharedMemory,
    ];

    /// Looks at this part of what this process sees; None where it may not read that.
    fn look(self, cgroup: Option<&Path>) -> Option<Vec<String>> {
        let names = || uname().expect("uname has no way to fail");
        let interfaces = || getifaddrs().into_iter().flatten();
        Some(match self {
            Part::Hostname => vec![names().nodename().to_string_lossy().into_owned()],
            Part::DomainName => lines("/proc/sys/kernel/domainname"),
            Part::Mounts => lines("/proc/self/mountinfo"),
            Part::Links => links(interfaces()),
            Part::Addresses => interfaces().filter_map(|interface| address(&interface)).collect(),
            Part::Routes => routes(),
            Part::NftRules => return nft_rules(),
            Part::Cgroups => cgroup.map_or(Vec::new(), cgroups),
            Part::MessageQueues => ipc("/proc/sysvipc/msg"),
            Part::PosixMessageQueues => posix_queues(),
            Part::Semaphores => ipc("/proc/sysvipc/sem"),
            Part::SharedMemory => ipc("/proc/sysvipc/shm"),
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Part::Hostname => "hostname",
            Part::DomainName => "domain name",
            Part::Mounts => "mount",
            Part::Links => "link",
            Part::Addresses => "address",
            Part::Routes => "route",
            Part::NftRules => "nft rule",
            Part::Cgroups => "cgroup",
            Part::MessageQueues => "message queue",
            Part::PosixMessageQueues => "POSIX message queue",
            Part::Semaphores => "semaphores",
            Part::SharedMemory => "shared memory",
        })
    }
}

impl Snapshot {
    /// Takes a snapshot of what this process sees.
    ///
    /// - `cgroup`: the directory of the cgroup to look at; None for no cgroups.
    pub fn take(cgroup: Option<&Path>) -> Snapshot {
        Snapshot::take_parts(&Part::ALL, cgroup)
    }

    /// As [`Snapshot::take`], of some parts alone.
    pub fn take_parts(parts: &[Part], cgroup: Option<&Path>) -> Snapshot {
        let sorted = |part: &Part| {
            let lines = part.look(cgroup).map(|mut lines| {
                lines.sort();
                lines.dedup();
                lines
            });
            (*part, lines)
        };
        Snapshot { cgroup: cgroup.map(Path::to_owned), parts: parts.iter().map(sorted).collect() }
    }

    /// Returns all that is there, with the part that it belongs to.
    pub fn all(&self) -> impl Iterator<Item = (Part, &str)> {
        let readable = self.parts.iter().filter_map(|(part, lines)| Some((part, lines.as_ref()?)));
        readable.flat_map(|(part, lines)| lines.iter().map(|line| (*part, line.as_str())))
    }

    /// Returns what has changed since this snapshot was taken.
    pub fn changes(&self) -> Changes {
        self.changes_to(&Snapshot::take(self.cgroup.as_deref()))
    }

    /// Returns what has changed from this snapshot to a later one.
    pub fn changes_to(&self, now: &Snapshot) -> Changes {
        Changes { gone: self.minus(now), new: now.minus(self) }
    }

    /// Returns what is in `self` and not in `other`.
    fn minus(&self, other: &Snapshot) -> Vec<(Part, String)> {
        let mut found = Vec::new();
        for (part, here) in &self.parts {
            // What one of them could not read tells nothing.
            let (Some(here), Some(Some(there))) = (here, other.parts.get(part)) else { continue };
            let missing = here.iter().filter(|line| !there.contains(line));
            found.extend(missing.map(|line| (*part, line.clone())));
        }
        found
    }

    /// Returns the parts that this process may not read.
    pub fn unreadable(&self) -> impl Iterator<Item = Part> {
        self.parts.iter().filter(|(_, lines)| lines.is_none()).map(|(part, _)| *part)
    }
}

/// Where a host has no such file, as without IPv6, there is nothing.
fn lines(file: &str) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn links(interfaces: impl Iterator<Item = InterfaceAddress>) -> Vec<String> {
    let state = |interface: InterfaceAddress| {
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        format!("{} {}", interface.interface_name, if up { "up" } else { "down" })
    };
    interfaces.map(state).collect()
}

/// Returns an address as ip(8) takes it: `10.10.10.1/24 dev brg0`.
fn address(interface: &InterfaceAddress) -> Option<String> {
    let address = ip(interface.address.as_ref()?)?;
    let length = match ip(interface.netmask.as_ref()?)? {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    };
    Some(format!("{address}/{length} dev {}", interface.interface_name))
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Flags of a route: include/uapi/linux/route.h and ipv6_route.h.
const RTF_REJECT: u32 = 0x0200;
const RTF_LOCAL: u32 = 0x8000_0000;
const RTF_ANYCAST: u32 = 0x0010_0000;

/// Returns the routes as ip(8) takes them: `10.10.10.0/24 dev brg0 metric 0`. The ones that the kernel makes
/// for addresses of its own are left out: the addresses tell.
fn routes() -> Vec<String> {
    let v4 = lines("/proc/self/net/route").into_iter().skip(1).filter_map(|line| route_v4(&line));
    let v6 = lines("/proc/self/net/ipv6_route").into_iter().filter_map(|line| route_v6(&line));
    v4.chain(v6).collect()
}

fn route_v4(line: &str) -> Option<String> {
    let columns: Vec<_> = line.split_whitespace().collect();
    let number = |column: usize| u32::from_str_radix(columns.get(column)?, 16).ok();
    // In the order of the network, read as a number of this machine.
    let address = |column| Some(Ipv4Addr::from(number(column)?.to_ne_bytes()));
    let length = number(7)?.count_ones();
    let kind = if number(3)? & RTF_REJECT != 0 { "unreachable " } else { "" };
    let gateway = address(2)?;
    let via = if gateway.is_unspecified() { String::new() } else { format!(" via {gateway}") };
    let dev = if columns[0] == "*" { String::new() } else { format!(" dev {}", columns[0]) };
    Some(format!("{kind}{}/{length}{via}{dev} metric {}", address(1)?, columns.get(6)?))
}

fn route_v6(line: &str) -> Option<String> {
    let columns: Vec<_> = line.split_whitespace().collect();
    let address =
        |column: usize| Some(Ipv6Addr::from(u128::from_str_radix(columns.get(column)?, 16).ok()?));
    let number = |column: usize| u32::from_str_radix(columns.get(column)?, 16).ok();
    let (to, flags) = (address(0)?, number(8)?);
    if flags & (RTF_LOCAL | RTF_ANYCAST) != 0 || to.is_multicast() {
        return None;
    }
    let kind = if flags & RTF_REJECT != 0 { "unreachable " } else { "" };
    let via = address(4)?;
    let via = if via.is_unspecified() { String::new() } else { format!(" via {via}") };
    let (device, metric) = (columns.get(9)?, number(5)?);
    Some(format!("{kind}{to}/{}{via} dev {device} metric {metric}", number(1)?))
}

/// Returns tables, chains, rules and the like, each as nft(8) writes it in JSON; None where there is no nft, or
/// it may not look.
fn nft_rules() -> Option<Vec<String>> {
    // An ordinary user's may lack /usr/sbin.
    let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
    let mut nft = Command::new("nft");
    nft.env("PATH", path);
    // Stateless: without counters.
    nft.args(["--json", "--stateless", "list", "ruleset"]).stdin(Stdio::null());
    let listed = nft.output().ok().filter(|listed| listed.status.success())?;
    let listed: Value = serde_json::from_slice(&listed.stdout).ok()?;
    let objects = listed.get("nftables")?.as_array()?;
    let rules = objects.iter().filter(|object| object.get("metainfo").is_none());
    Some(rules.map(Value::to_string).collect())
}

/// Returns a cgroup and those below it, with what of them a container could change.
fn cgroups(own: &Path) -> Vec<String> {
    let describe = |cgroup: &PathBuf| {
        let read = |file| fs::read_to_string(cgroup.join(file)).unwrap_or_default();
        // Cgroup v1 has neither of the two.
        let (mode, handed_down) = (read("cgroup.type"), read("cgroup.subtree_control"));
        format!("{} {} [{}]", cgroup.display(), mode.trim(), handed_down.trim())
    };
    cgroup::tree(own).iter().map(describe).collect()
}

/// Returns the objects in a file of /proc/sysvipc, without the columns that count messages and users.
fn ipc(file: &str) -> Vec<String> {
    let table = lines(file);
    let Some(head) = table.first() else { return Vec::new() };
    let names: Vec<_> = head.split_whitespace().collect();
    let object = |line: &String| {
        let columns: Vec<_> = names.iter().copied().zip(line.split_whitespace()).collect();
        let column = |wanted: fn(&str) -> bool| {
            columns.iter().find(|(name, _)| wanted(name)).map_or("", |(_, value)| *value)
        };
        // msqid, semid or shmid
        let id = column(|name| name.ends_with("id") && name.len() == 5 && !name.contains("pid"));
        let (key, perms) = (column(|name| name == "key"), column(|name| name == "perms"));
        format!("{id} key {key} mode {perms} of user {}", column(|name| name == "uid"))
    };
    table.iter().skip(1).map(object).collect()
}

fn posix_queues() -> Vec<String> {
    let entries = fs::read_dir("/dev/mqueue").into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// The difference between two snapshots.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What was there before.
    pub gone: Vec<(Part, String)>,
    /// What was not there before.
    pub new: Vec<(Part, String)>,
}

impl Changes {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }

    /// Returns what undoes the changes, in an order that works: a change, and the command that undoes it, for
    /// root. Where one command undoes several changes, or none is known, there is None.
    pub fn undo(&self) -> Vec<(String, Option<String>)> {
        // A line of mountinfo begins with a number that tells nothing of what is on top of what: the path does.
        let place = |(part, line): &&(Part, String)| {
            let point =
                Mount::parse(line).filter(|_| *part == Part::Mounts).map(|mount| mount.point);
            (*part, point)
        };
        let (mut new, mut gone): (Vec<_>, Vec<_>) =
            (self.new.iter().collect(), self.gone.iter().collect());
        new.sort_by_key(place);
        gone.sort_by_key(place);
        let mut undo = Vec::new();
        // What is on top of something else, such as a mount on a mount, has the longer path.
        for (part, line) in new.into_iter().rev() {
            undo.push((shown('+', *part, line), self.undo_new(*part, line)));
        }
        for (part, line) in gone {
            undo.push((shown('-', *part, line), self.undo_gone(*part, line)));
        }
        undo
    }

    /// Whether a line of this part that begins with `start` is among `lines`.
    fn has(lines: &[(Part, String)], part: Part, start: &str) -> bool {
        lines.iter().any(|(known, line)| *known == part && line.starts_with(start))
    }

    fn undo_new(&self, part: Part, line: &str) -> Option<String> {
        let first = line.split(' ').next()?;
        let device_is_new = || {
            let device = line.split(" dev ").nth(1)?.split(' ').next()?;
            let link = format!("{device} ");
            let is_new = Self::has(&self.new, Part::Links, &link);
            Some(is_new && !Self::has(&self.gone, Part::Links, &link))
        };
        match part {
            Part::Hostname | Part::DomainName => None,
            Part::Mounts if Self::has(&self.gone, part, &format!("{first} ")) => None,
            Part::Mounts => Some(format!("umount {}", quoted(&Mount::parse(line)?.point))),
            Part::Links if Self::has(&self.gone, part, &format!("{first} ")) => None,
            Part::Links => Some(format!("ip link delete {}", quoted(first))),
            // They go with their device.
            Part::Addresses | Part::Routes if device_is_new() == Some(true) => None,
            Part::Addresses => Some(format!("ip address delete {}", words(line))),
            Part::Routes => Some(format!("ip {}route delete {}", family(line), words(line))),
            Part::NftRules => self.undo_rule(line),
            Part::Cgroups => {
                let (path, _, handed_down) = cgroup_of(line)?;
                if !Self::has(&self.gone, part, &format!("{path} ")) {
                    return Some(format!("rmdir {}", quoted(path)));
                }
                let (_, before) = self.gone.iter().find(|(known, gone)| {
                    *known == part && gone.starts_with(&format!("{path} "))
                })?;
                let (_, _, before) = cgroup_of(before)?;
                let without: Vec<_> = handed_down
                    .split_whitespace()
                    .filter(|controller| !before.split(' ').any(|known| known == *controller))
                    .map(|controller| format!("-{controller}"))
                    .collect();
                let file = format!("{path}/cgroup.subtree_control");
                let write = format!("echo {} >{}", without.join(" "), quoted(&file));
                (!without.is_empty()).then(|| format!("sh -c {}", quoted(&write)))
            }
            Part::MessageQueues => Some(format!("ipcrm -q {first}")),
            Part::Semaphores => Some(format!("ipcrm -s {first}")),
            Part::SharedMemory => Some(format!("ipcrm -m {first}")),
            Part::PosixMessageQueues => Some(format!("rm {}", quoted(line))),
        }
    }

    /// A table takes its chains along, and a chain its rules.
    fn undo_rule(&self, line: &str) -> Option<String> {
        let is_new = |kind: &str, family: &Value, table: &Value, name: &Value| {
            self.new.iter().filter(|(part, _)| *part == Part::NftRules).any(|(_, line)| {
                let object: Value = serde_json::from_str(line).unwrap_or_default();
                let object = &object[kind];
                let same = object["family"] == *family && object["name"] == *name;
                same && (kind == "table" || object["table"] == *table)
            })
        };
        let object: Value = serde_json::from_str(line).ok()?;
        let (kind, object) = object.as_object()?.iter().next()?;
        let (family, name) = (&object["family"], &object["name"]);
        let (table, chain) = (&object["table"], &object["chain"]);
        let word = |value: &Value| Some(quoted(value.as_str()?));
        if kind == "table" {
            return Some(format!("nft delete table {} {}", word(family)?, word(name)?));
        }
        let place = format!("{} {}", word(family)?, word(table)?);
        if is_new("table", family, table, table) || is_new("chain", family, table, chain) {
            return None;
        }
        match kind.as_str() {
            "chain" => {
                let chain = format!("{place} {}", word(name)?);
                let both = format!("flush chain {chain}; delete chain {chain}");
                Some(format!("nft {}", quoted(&both)))
            }
            "rule" => Some(format!(
                "nft delete rule {place} {} handle {}",
                word(chain)?,
                object["handle"]
            )),
            kind => Some(format!("nft delete {kind} {place} {}", word(name)?)),
        }
    }

    fn undo_gone(&self, part: Part, line: &str) -> Option<String> {
        let first = line.split(' ').next()?;
        match part {
            Part::Hostname => Some(format!("hostname {}", quoted(line))),
            Part::DomainName => {
                Some(format!("sysctl {}", quoted(format!("kernel.domainname={line}"))))
            }
            Part::Mounts => {
                let before = Mount::parse(line)?;
                let point = quoted(&before.point);
                let now = self
                    .new
                    .iter()
                    .find(|(known, new)| *known == part && new.starts_with(&format!("{first} ")));
                let Some((_, now)) = now else {
                    // A bind mount, of a directory that no line tells.
                    return (before.root == "/").then(|| {
                        let (source, options) = (quoted(&before.source), quoted(before.options));
                        format!("mount -t {} -o {options} {source} {point}", quoted(before.kind))
                    });
                };
                let now = Mount::parse(now)?;
                Some(if now.options != before.options {
                    let options = quoted(format!("remount,bind,{}", before.options));
                    format!("mount -o {options} {point}")
                } else {
                    let shared = before.propagation.contains("shared:");
                    format!("mount --make-{} {point}", if shared { "shared" } else { "private" })
                })
            }
            Part::Links if Self::has(&self.new, part, &format!("{first} ")) => {
                Some(format!("ip link set {} {}", quoted(first), line.split(' ').nth(1)?))
            }
            Part::Addresses => Some(format!("ip address add {}", words(line))),
            Part::Routes => Some(format!("ip {}route add {}", family(line), words(line))),
            _ => None,
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.gone.iter().try_for_each(|(part, line)| writeln!(f, "{}", shown('-', *part, line)))?;
        self.new.iter().try_for_each(|(part, line)| writeln!(f, "{}", shown('+', *part, line)))
    }
}

/// Returns a change as one line, whatever others have named what it is about.
fn shown(sign: char, part: Part, line: &str) -> String {
    format!("{sign} {part}: {}", escaped(line))
}

/// Quotes each word of a line for ip(8): a device may be called almost anything.
fn words(line: &str) -> String {
    line.split(' ').map(quoted).collect::<Vec<_>>().join(" ")
}

/// The option of ip(8) for a route's family.
fn family(route: &str) -> &'static str {
    let v6 = route.trim_start_matches("unreachable ").split(' ').next();
    if v6.is_some_and(|destination| destination.contains(':')) { "-6 " } else { "" }
}

/// Takes a line of [`cgroups`] apart.
fn cgroup_of(line: &str) -> Option<(&str, &str, &str)> {
    let (rest, handed_down) = line.strip_suffix(']')?.rsplit_once(" [")?;
    let (path, mode) = rest.rsplit_once(' ')?;
    Some((path, mode, handed_down))
}

#[cfg(test)]
mod tests {
    use super::{Changes, Part};

    #[test]
    fn a_mount_on_a_mount_is_undone_first_whatever_its_number() {
        let mount = |number, point: &str| {
            (Part::Mounts, format!("{number} 30 0:50 / {point} rw - tmpfs none rw"))
        };
        for (outer, inner) in [(999, 1000), (30, 31), (31, 30)] {
            let new = vec![mount(inner, "/mnt/outer/inner"), mount(outer, "/mnt/outer")];
            let undo = Changes { gone: Vec::new(), new }.undo();
            let commands: Vec<_> = undo.into_iter().filter_map(|(_, command)| command).collect();
            assert_eq!(commands, ["umount /mnt/outer/inner", "umount /mnt/outer"]);
        }
    }

    #[test]
    fn what_others_have_named_is_one_word_of_a_command() {
        let new = vec![
            (Part::Links, "v;id>x up".to_owned()),
            (Part::Addresses, "10.1.2.3/24 dev v;id>x".to_owned()),
            (Part::Routes, "10.9.0.0/16 dev v;id>x metric 0".to_owned()),
        ];
        let mount = "36 28 0:45 / /mnt/f rw,nosuid - fuse.x;id>y; src;id>z rw".to_owned();
        let gone = vec![(Part::Mounts, mount), (Part::Addresses, "10.1.2.4/24 dev v;id>x".into())];
        let undo = Changes { gone, new }.undo();
        let commands: Vec<_> = undo.into_iter().filter_map(|(_, command)| command).collect();
        assert!(commands.len() >= 3, "{commands:?}");
        for command in &commands {
            // With the quoted words left out.
            let rest: String = command.split('\'').step_by(2).collect();
            assert!(!rest.contains(';'), "{command}");
        }
    }

    #[test]
    fn a_name_with_a_newline_cannot_pass_for_advice() {
        let forged = "/dev/mqueue/x\n    rm -r home".to_owned();
        let new = vec![(Part::PosixMessageQueues, forged)];
        let changes = Changes { gone: Vec::new(), new };
        assert_eq!(changes.to_string().lines().count(), 1);
        for (change, command) in changes.undo() {
            assert_eq!(change.lines().count(), 1, "{change}");
            assert_eq!(command.unwrap().lines().count(), 1);
        }
    }
}
