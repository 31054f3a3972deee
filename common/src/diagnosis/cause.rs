//! What can be in the way.

/// Why a container cannot be started here. The book's page "When it does not work" has a heading for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// WSL 1 has no namespaces
    Wsl1,
    /// The kernel is older than 5.11
    OldKernel,
    /// It needs root
    NoRoot,
    /// Root without CAP_SYS_ADMIN
    NoCapSysAdmin,
    /// Root without CAP_SETFCAP
    NoCapSetfcap,
    /// User namespaces are for root alone
    UnprivilegedUsernsClone,
    /// A seccomp filter refuses user namespaces
    Seccomp,
    /// The container's AppArmor profile refuses mounts
    ContainerApparmor,
    /// AppArmor restricts user namespaces
    Apparmor,
    /// An AppArmor profile denies it
    ApparmorProfile,
    /// New processes are for another PID namespace
    ChildrenElsewhere,
    /// /proc shows another PID namespace
    ForeignProc,
    /// /proc is read-only
    ReadOnlyProc,
    /// Parts of /proc are covered
    CoveredProc,
    /// It belongs to another user namespace
    ForeignNamespace,
    /// A seccomp filter refuses a system call
    ContainerSeccomp,
    /// User namespaces are refused
    UsernsRefused,
    /// User namespaces are switched off
    MaxUserNamespaces,
    /// A limit of namespaces is reached
    NamespaceLimit,
    /// The limit of processes is reached
    ProcessLimit,
    /// The limit of open files is reached
    FileLimit,
    /// The kernel lacks a kind of namespace
    NoSuchNamespace,
    /// The root file system cannot be changed
    Initramfs,
    /// Started after a chroot
    Chroot,
    /// /proc is not mounted
    NoProc,
    /// Standard input, output or error is a directory
    StandardDirectory,
    /// A device is missing in /dev
    NoDevice,
    /// The shell cannot be executed
    Shell,
    /// The modules bridge and veth are missing
    NoSuchDevice,
    /// Root without CAP_NET_ADMIN
    NoCapNetAdmin,
    /// Another network has the bridge's name, or its addresses
    NetworkInUse,
    /// Packets between containers are dropped
    BrNetfilter,
    /// The cgroup belongs to another root
    CgroupOfAnotherRoot,
    /// The cgroup is not yours
    CgroupNotDelegated,
    /// On cgroup v1 it needs root
    CgroupV1,
    /// The cgroups are read-only
    CgroupReadOnly,
    /// The cgroup has others below it
    CgroupBusy,
    /// A limit of cgroups is reached
    CgroupLimit,
    /// No controller pids
    NoPidsController,
    /// The cgroups of another cgroup namespace
    CgroupNamespace,
    /// The root directory is mounted noexec
    RootNoexec,
    /// No place for a root directory
    RootNowhere,
    /// A limit of file sizes is in the way
    FileSize,
    /// The root directory is another user's
    RootOfAnotherUser,
    /// Others can write to the root directory
    RootWritable,
    /// The root directory is not whole
    RootNotWhole,
    /// No programs for a root directory
    NoBusybox,
}
