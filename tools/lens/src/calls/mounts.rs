//! Calls that mount, and that change the root directory.

use nix::libc;

use super::{Entry, Shown};
use crate::flags;
use crate::text::Flags;

const MS: Flags = flags!(
    "MS_",
    MS_REC,
    MS_PRIVATE,
    MS_SLAVE,
    MS_SHARED,
    MS_UNBINDABLE,
    MS_BIND,
    MS_MOVE,
    MS_REMOUNT,
    MS_RDONLY,
    MS_NOSUID,
    MS_NODEV,
    MS_NOEXEC,
    MS_SYNCHRONOUS,
    MS_MANDLOCK,
    MS_DIRSYNC,
    MS_NOATIME,
    MS_NODIRATIME,
    MS_SILENT,
    MS_RELATIME,
    MS_STRICTATIME,
);

const UMOUNT: Flags = Flags {
    prefix: "",
    names: &[
        (libc::MNT_FORCE as u64, "MNT_FORCE"),
        (libc::MNT_DETACH as u64, "MNT_DETACH"),
        (libc::MNT_EXPIRE as u64, "MNT_EXPIRE"),
        (libc::UMOUNT_NOFOLLOW as u64, "UMOUNT_NOFOLLOW"),
    ],
};

const OPEN_TREE: Flags = Flags {
    prefix: "",
    names: &[
        (1, "OPEN_TREE_CLONE"),
        (libc::O_CLOEXEC as u64, "OPEN_TREE_CLOEXEC"),
        (libc::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
        (libc::AT_NO_AUTOMOUNT as u64, "AT_NO_AUTOMOUNT"),
        (libc::AT_RECURSIVE as u64, "AT_RECURSIVE"),
        (libc::AT_SYMLINK_NOFOLLOW as u64, "AT_SYMLINK_NOFOLLOW"),
    ],
};

const MOVE_MOUNT: Flags = Flags {
    prefix: "MOVE_MOUNT_",
    names: &[
        (0x01, "F_SYMLINKS"),
        (0x02, "F_AUTOMOUNTS"),
        (0x04, "F_EMPTY_PATH"),
        (0x10, "T_SYMLINKS"),
        (0x20, "T_AUTOMOUNTS"),
        (0x40, "T_EMPTY_PATH"),
        (0x100, "SET_GROUP"),
        (0x200, "BENEATH"),
    ],
};

const ATTRIBUTES: Flags = Flags {
    prefix: "MOUNT_ATTR_",
    names: &[
        (0x01, "RDONLY"),
        (0x02, "NOSUID"),
        (0x04, "NODEV"),
        (0x08, "NOEXEC"),
        (0x10, "NOATIME"),
        (0x20, "STRICTATIME"),
        (0x80, "NODIRATIME"),
        (0x0010_0000, "IDMAP"),
        (0x0020_0000, "NOSYMFOLLOW"),
    ],
};

/// The commands of fsconfig(2).
const FSCONFIG: Flags = Flags {
    prefix: "",
    names: &[
        (0, "FSCONFIG_SET_FLAG"),
        (1, "FSCONFIG_SET_STRING"),
        (2, "FSCONFIG_SET_BINARY"),
        (3, "FSCONFIG_SET_PATH"),
        (4, "FSCONFIG_SET_PATH_EMPTY"),
        (5, "FSCONFIG_SET_FD"),
        (6, "FSCONFIG_CMD_CREATE"),
        (7, "FSCONFIG_CMD_RECONFIGURE"),
        (8, "FSCONFIG_CMD_CREATE_EXCL"),
    ],
};

/// mount SOURCE on TARGET (TYPE, FLAGS, DATA): without what is NULL, or has no meaning for such a call.
pub fn mount(entry: &Entry) -> Option<Shown> {
    let flags = entry.args[3];
    // Of these, mount(2) ignores the type and the data, and of the first the source.
    let propagation = libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_SHARED | libc::MS_UNBINDABLE;
    let changes = flags & (propagation | libc::MS_REMOUNT) != 0;
    let binds = flags & (libc::MS_BIND | libc::MS_MOVE) != 0;
    let target = entry.path(1);
    let source = match entry.path(0) {
        _ if changes => format!("mount on {target}"),
        source if source == "NULL" => format!("mount on {target}"),
        source => format!("mount {source} on {target}"),
    };
    let given = |index: usize| Some(entry.text(index)).filter(|text| text != "NULL");
    let kind = if changes || binds { None } else { given(2) };
    let flags = (flags != 0).then(|| MS.show(flags));
    let data = if binds || flags_only(entry) { None } else { given(4) };
    let options: Vec<_> = [kind, flags, data].into_iter().flatten().collect();
    let options =
        if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
    Some((source + &options).into())
}

/// Whether a call of mount(2) only changes how mounts propagate.
fn flags_only(entry: &Entry) -> bool {
    let propagation = libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_SHARED | libc::MS_UNBINDABLE;
    entry.args[3] & propagation != 0
}

/// umount2(TARGET, FLAGS)
pub fn umount2(entry: &Entry) -> Option<Shown> {
    Some(format!("umount2({}, {})", entry.path(0), entry.flags(1, UMOUNT)).into())
}

/// pivot_root(NEW_ROOT, PUT_OLD)
pub fn pivot_root(entry: &Entry) -> Option<Shown> {
    Some(format!("pivot_root({}, {})", entry.path(0), entry.path(1)).into())
}

/// chroot(PATH)
pub fn chroot(entry: &Entry) -> Option<Shown> {
    Some(format!("chroot({})", entry.path(0)).into())
}

/// chdir(PATH)
pub fn chdir(entry: &Entry) -> Option<Shown> {
    Some(format!("chdir({})", entry.path(0)).into())
}

/// fchdir(DIRECTORY)
pub fn fchdir(entry: &Entry) -> Option<Shown> {
    Some(format!("fchdir({})", entry.descriptor(0)).into())
}

/// fsopen(TYPE, FLAGS)
pub fn fsopen(entry: &Entry) -> Option<Shown> {
    let flags = Flags { prefix: "", names: &[(1, "FSOPEN_CLOEXEC")] };
    let text = format!("fsopen({}, {})", entry.text(0), entry.flags(1, flags));
    Some(numbered(text.into()))
}

fn numbered(shown: Shown) -> Shown {
    shown.with_number()
}

/// fsconfig(CONTEXT, COMMAND, KEY, VALUE)
pub fn fsconfig(entry: &Entry) -> Option<Shown> {
    let mut parts = vec![entry.int(0).to_string(), FSCONFIG.name(entry.args[1] & 0xffff_ffff)];
    if entry.args[1] < 6 {
        parts.push(entry.text(2));
    }
    match entry.args[1] {
        1 | 3 | 4 => parts.push(entry.text(3)),
        5 => parts.push(entry.descriptor(4)),
        _ => {}
    }
    Some(format!("fsconfig({})", parts.join(", ")).into())
}

/// fsmount(CONTEXT, FLAGS, ATTRIBUTES)
pub fn fsmount(entry: &Entry) -> Option<Shown> {
    let flags = Flags { prefix: "", names: &[(1, "FSMOUNT_CLOEXEC")] };
    let (flags, attributes) = (entry.flags(1, flags), entry.flags(2, ATTRIBUTES));
    Some(numbered(format!("fsmount({}, {flags}, {attributes})", entry.int(0)).into()))
}

/// fspick(PATH, FLAGS)
pub fn fspick(entry: &Entry) -> Option<Shown> {
    let flags = Flags {
        prefix: "FSPICK_",
        names: &[(1, "CLOEXEC"), (2, "SYMLINK_NOFOLLOW"), (4, "NO_AUTOMOUNT"), (8, "EMPTY_PATH")],
    };
    let text = format!("fspick({}, {})", entry.path_at(0, 1), entry.flags(2, flags));
    Some(numbered(text.into()))
}

/// open_tree(PATH, FLAGS)
pub fn open_tree(entry: &Entry) -> Option<Shown> {
    let text = format!("open_tree({}, {})", entry.path_at(0, 1), entry.flags(2, OPEN_TREE));
    Some(numbered(text.into()))
}

/// move_mount(FROM, TO, FLAGS)
pub fn move_mount(entry: &Entry) -> Option<Shown> {
    let (from, to) = (entry.path_at(0, 1), entry.path_at(2, 3));
    Some(format!("move_mount({from}, {to}, {})", entry.flags(4, MOVE_MOUNT)).into())
}

/// mount_setattr(PATH, FLAGS, what is set, what is cleared, propagation)
pub fn mount_setattr(entry: &Entry) -> Option<Shown> {
    // struct mount_attr of linux/mount.h
    let member = |index: u64| entry.memory().word(entry.args[3] + 8 * index);
    let path = entry.path_at(0, 1);
    let mut parts = vec![path, entry.flags(2, OPEN_TREE)];
    for (sign, member) in [("+", member(0)?), ("-", member(1)?)] {
        if member != 0 {
            parts.push(format!("{sign}{}", ATTRIBUTES.show(member)));
        }
    }
    match member(2)? {
        0 => {}
        propagation => parts.push(MS.show(propagation)),
    }
    Some(format!("mount_setattr({})", parts.join(", ")).into())
}
