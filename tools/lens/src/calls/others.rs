//! Calls that name, limit and lock up: hostname, queues, ids, capabilities, filters.

use nix::libc;

use super::{Entry, Shown};
use crate::flags;
use crate::text::{Flags, quoted};

/// sethostname(NAME)
pub fn sethostname(entry: &Entry) -> Option<Shown> {
    sized_text(entry, "sethostname")
}

/// setdomainname(NAME)
pub fn setdomainname(entry: &Entry) -> Option<Shown> {
    sized_text(entry, "setdomainname")
}

fn sized_text(entry: &Entry, call: &str) -> Option<Shown> {
    // The kernel takes no more than 64 bytes.
    let name = entry.memory().bytes(entry.args[0], entry.args[1].min(256) as usize)?;
    Some(format!("{call}({})", quoted(&name)).into())
}

const OPEN: Flags = flags!("O_", O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_NONBLOCK, O_CLOEXEC);

/// The flags of the three calls of System V IPC. Below them is the mode.
const IPC: Flags = flags!("IPC_", IPC_CREAT, IPC_EXCL);

/// mq_open(NAME, FLAGS). The C library takes the slash away.
pub fn mq_open(entry: &Entry) -> Option<Shown> {
    let text = format!("mq_open({}, {})", entry.text(0), entry.flags(1, OPEN));
    Some(Shown::from(text).with_number())
}

/// msgget(KEY, FLAGS)
pub fn msgget(entry: &Entry) -> Option<Shown> {
    Some(by_key("msgget", entry.args[0], None, entry.args[1]))
}

/// semget(KEY, how many, FLAGS)
pub fn semget(entry: &Entry) -> Option<Shown> {
    Some(by_key("semget", entry.args[0], Some(entry.args[1] & 0xffff_ffff), entry.args[2]))
}

/// shmget(KEY, how large, FLAGS)
pub fn shmget(entry: &Entry) -> Option<Shown> {
    Some(by_key("shmget", entry.args[0], Some(entry.args[1]), entry.args[2]))
}

fn by_key(call: &str, key: u64, size: Option<u64>, flags: u64) -> Shown {
    let key = match key as i32 {
        libc::IPC_PRIVATE => "IPC_PRIVATE".into(),
        key => format!("{key:#x}"),
    };
    let size = size.map(|size| format!("{size}, ")).unwrap_or_default();
    let (mode, flags) = (flags & 0o777, flags & 0xffff_ffff & !0o777);
    let text = format!("{call}({key}, {size}{}, 0{mode:o})", IPC.show(flags));
    Shown::from(text).with_number()
}

/// The options of prctl(2) that a container is made with.
const PRCTL: Flags = flags!(
    "",
    PR_SET_PDEATHSIG,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_SECCOMP,
    PR_CAPBSET_DROP,
    PR_SET_SECUREBITS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_CAP_AMBIENT,
);

const SECUREBITS: Flags = Flags {
    prefix: "SECBIT_",
    names: &[
        (1, "NOROOT"),
        (2, "NOROOT_LOCKED"),
        (4, "NO_SETUID_FIXUP"),
        (8, "NO_SETUID_FIXUP_LOCKED"),
        (16, "KEEP_CAPS"),
        (32, "KEEP_CAPS_LOCKED"),
        (64, "NO_CAP_AMBIENT_RAISE"),
        (128, "NO_CAP_AMBIENT_RAISE_LOCKED"),
    ],
};

const AMBIENT: Flags = Flags {
    prefix: "",
    names: &[
        (1, "PR_CAP_AMBIENT_IS_SET"),
        (2, "PR_CAP_AMBIENT_RAISE"),
        (3, "PR_CAP_AMBIENT_LOWER"),
        (4, "PR_CAP_AMBIENT_CLEAR_ALL"),
    ],
};

/// prctl(OPTION, VALUE), for the options above
pub fn prctl(entry: &Entry) -> Option<Shown> {
    let (option, value) = (entry.int(0), entry.args[1]);
    let known = PRCTL.names.iter().any(|(constant, _)| *constant == option as u64);
    let value = match option {
        _ if !known => return None,
        libc::PR_SET_PDEATHSIG => signal(value),
        libc::PR_CAPBSET_DROP => capability(value),
        libc::PR_SET_SECUREBITS => SECUREBITS.show(value),
        libc::PR_CAP_AMBIENT => match value {
            2 | 3 => format!("{}, {}", AMBIENT.name(value), capability(entry.args[2])),
            // It only asks.
            1 => return None,
            _ => AMBIENT.name(value),
        },
        _ => value.to_string(),
    };
    let text = format!("prctl({}, {value})", PRCTL.name(option as u64));
    Some(match option {
        libc::PR_SET_PDEATHSIG => {
            Shown::from(text).about("PR_SET_PDEATHSIG(2const)", "common.md#parked")
        }
        _ => text.into(),
    })
}

fn signal(number: u64) -> String {
    let signal =
        i32::try_from(number).ok().and_then(|n| nix::sys::signal::Signal::try_from(n).ok());
    signal.map_or_else(|| number.to_string(), |signal| signal.as_str().to_string())
}

/// The names of capabilities(7), in the order of their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn capability(number: u64) -> String {
    let name = usize::try_from(number).ok().and_then(|number| CAPABILITIES.get(number));
    name.map_or_else(|| number.to_string(), |name| format!("CAP_{name}"))
}

/// A set of capabilities: by name while they are few, since almost all of them are a long list.
fn capability_set(set: u64) -> String {
    const FEW: u32 = 4;
    match set {
        0 => "none".into(),
        set if set.count_ones() > FEW => format!("{set:#x}"),
        set => {
            let names: Vec<_> = (0..64).filter(|n| set >> n & 1 == 1).map(capability).collect();
            names.join("|")
        }
    }
}

/// capset(effective, permitted, inheritable)
pub fn capset(entry: &Entry) -> Option<Shown> {
    // struct __user_cap_data_struct, twice: three sets, and their upper halves in the second.
    let data = entry.memory().bytes(entry.args[1], 24)?;
    let half = |index: usize| {
        u32::from_ne_bytes(data[4 * index..][..4].try_into().expect("there are 24 bytes"))
    };
    let set = |index| capability_set(u64::from(half(index + 3)) << 32 | u64::from(half(index)));
    let text =
        format!("capset(effective {}, permitted {}, inheritable {})", set(0), set(1), set(2));
    Some(text.into())
}

/// An id: -1 leaves it as it is.
fn id(value: u64) -> String {
    (value as i32).to_string()
}

fn ids(entry: &Entry, call: &str, count: usize) -> Option<Shown> {
    let ids: Vec<_> = entry.args.iter().take(count).map(|value| id(*value)).collect();
    Some(format!("{call}({})", ids.join(", ")).into())
}

/// setuid(ID)
pub fn setuid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setuid", 1)
}

/// setgid(ID)
pub fn setgid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setgid", 1)
}

/// setreuid(real, effective)
pub fn setreuid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setreuid", 2)
}

/// setregid(real, effective)
pub fn setregid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setregid", 2)
}

/// setresuid(real, effective, saved)
pub fn setresuid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setresuid", 3)
}

/// setresgid(real, effective, saved)
pub fn setresgid(entry: &Entry) -> Option<Shown> {
    ids(entry, "setresgid", 3)
}

/// setgroups(GROUPS...)
pub fn setgroups(entry: &Entry) -> Option<Shown> {
    let count = entry.args[0].min(32) as usize;
    let bytes =
        if count == 0 { Vec::new() } else { entry.memory().bytes(entry.args[1], 4 * count)? };
    let groups: Vec<_> = bytes
        .chunks_exact(4)
        .map(|id| u32::from_ne_bytes(id.try_into().expect("there are 4 bytes")).to_string())
        .collect();
    let more = if entry.args[0] > 32 { " …" } else { "" };
    Some(format!("setgroups([{}{more}])", groups.join(" ")).into())
}

/// setsid()
pub fn setsid(_: &Entry) -> Option<Shown> {
    Some(Shown::from("setsid()".to_string()).with_number())
}

const SECCOMP: Flags = flags!(
    "",
    SECCOMP_SET_MODE_STRICT,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_GET_ACTION_AVAIL,
    SECCOMP_GET_NOTIF_SIZES,
);

/// seccomp(OPERATION, and how many instructions a filter has)
pub fn seccomp(entry: &Entry) -> Option<Shown> {
    let operation = SECCOMP.name(entry.args[0] & 0xffff_ffff);
    match entry.args[0] as u32 {
        libc::SECCOMP_SET_MODE_FILTER if entry.args[2] == 0 => {
            Some(format!("seccomp({operation}, NULL)").into())
        }
        libc::SECCOMP_SET_MODE_FILTER => {
            // struct sock_fprog begins with it.
            let length = entry.memory().bytes(entry.args[2], 2);
            let length =
                length.and_then(|length| Some(u16::from_ne_bytes(length.try_into().ok()?)));
            let length = length.map_or("?".into(), |length| length.to_string());
            Some(format!("seccomp({operation}, {length} instructions)").into())
        }
        libc::SECCOMP_SET_MODE_STRICT => Some(format!("seccomp({operation})").into()),
        // The others only ask.
        _ => None,
    }
}

/// landlock_create_ruleset(), but where it only asks for the version
pub fn landlock_create_ruleset(entry: &Entry) -> Option<Shown> {
    let makes = entry.args[0] != 0;
    makes.then(|| Shown::from("landlock_create_ruleset()".to_string()).with_number())
}

/// landlock_add_rule(RULESET)
pub fn landlock_add_rule(entry: &Entry) -> Option<Shown> {
    Some(format!("landlock_add_rule({})", entry.int(0)).into())
}

/// landlock_restrict_self(RULESET)
pub fn landlock_restrict_self(entry: &Entry) -> Option<Shown> {
    Some(format!("landlock_restrict_self({})", entry.int(0)).into())
}

/// keyctl(OPERATION), for those that give a process another keyring
pub fn keyctl(entry: &Entry) -> Option<Shown> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    const SETPERM: i32 = 5;
    let text = match entry.int(0) {
        JOIN_SESSION_KEYRING => format!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, {})", entry.text(1)),
        SETPERM => format!("keyctl(KEYCTL_SETPERM, {}, {:#x})", entry.int(1), entry.int(2)),
        _ => return None,
    };
    Some(Shown::from(text).with_number())
}
