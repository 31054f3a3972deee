//! The table: each stage, whether it runs here, and what helps where it does not.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use clap::builder::styling::{AnsiColor, Style};
use common::diagnosis::{Cause, Known, PAGE};
use common::forwarding;
use common::host_facts::{Cgroups, HostFacts, RootMount, is_installed};
use common::quote::quoted;
use common::reexec::Step;
use common::rootfs;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::utsname::uname;
use nix::unistd::geteuid;

use crate::attempt::{Diagnosis, Trouble};
use crate::folders;
use crate::output::say;
use crate::stages::{STAGES, Stage};

/// What the attempts at a stage have shown.
struct Findings {
    /// What is in the way as it is started here: nothing where it runs.
    direct: Vec<Trouble>,
    /// What is in the way with `cargo rootless`; None where nobody would start it so.
    rootless: Option<Vec<Trouble>>,
}

impl Findings {
    /// Of the troubles of both the ones to get rid of: for want of a right there is `cargo rootless`, so it is what is in
    /// the way of that.
    fn worth_telling(&self) -> &[Trouble] {
        let for_want_of_a_right = self.direct.iter().any(|trouble| {
            let id = trouble.diagnosis.as_ref().map(|known| known.id.as_str());
            id.is_some_and(|id| ["no-root", "no-cap-sys-admin"].contains(&id))
        });
        let is_known = |trouble: &Trouble| trouble.diagnosis.is_some() || trouble.of_stage;
        let rootless = self.rootless.iter().find(|troubles| troubles.iter().any(is_known));
        rootless.filter(|_| for_want_of_a_right).unwrap_or(&self.direct)
    }

    /// Whether root would have none of these troubles. With sudo(8) nothing is tried: it would be told to the
    /// administrator of who may not use it.
    fn root_helps(&self, stage: &Stage, facts: &HostFacts) -> bool {
        let is_diagnosis = |trouble: &Trouble, is: fn(&Diagnosis) -> bool| {
            trouble.diagnosis.as_ref().is_some_and(is)
        };
        let helps = |trouble: &Trouble| is_diagnosis(trouble, |known| known.root_helps);
        // The first user namespace's root may show what it likes of /proc.
        let covered = |trouble: &Trouble| {
            !facts.user_namespace && is_diagnosis(trouble, |known| known.id == "covered-proc")
        };
        // What unshare(1) has met is about user namespaces, which root does not need before stage 05.
        let with_namespace = self.rootless.iter().flatten();
        let mut with_namespace = with_namespace.filter(|trouble| trouble.of_stage);
        let can_pivot = !stage.pivots() || facts.root_mount == RootMount::Mounted;
        self.direct.iter().all(helps)
            && with_namespace.all(|trouble| helps(trouble) || covered(trouble))
            && can_pivot
    }
}

/// How root can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// This is root.
    Here,
    /// sudo(8) is there.
    Sudo,
    /// There is no sudo(8).
    NoSudo,
    /// Root would have no more rights, as in a container.
    Useless,
}

/// What the table says of a stage.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It runs, started with one of these.
    Ready(Vec<String>),
    /// Only root can start it, with this.
    AsRoot(String),
    /// It does not run.
    Not,
}

/// Makes the attempts, and prints the table. The status is 0 when stage 05 runs without more rights.
pub fn run() -> Result<ExitCode> {
    let proc = Known::new(Cause::NoProc, "this program cannot find itself");
    ensure!(Path::new("/proc/self/exe").exists(), proc);
    let facts = HostFacts::now();
    let root = root(&facts);
    let findings = attempt_all()?;
    // Two starts of root's share the host's bridge; an ordinary user's have one each.
    let bridge = if root == Root::Here {
        forwarding::ensure_between_ports(stage_network::BRIDGE).err()
    } else {
        None
    };
    let bridge = bridge.map(|error| Trouble::of(&error, "network"));
    print_machine(&facts);
    let mut causes = Causes::default();
    for (stage, findings) in STAGES.iter().zip(&findings) {
        print_row(stage, findings, (root, &facts), &bridge, &mut causes);
    }
    print_root_directory();
    if let Some(clone) = folders::to_type_in() {
        say!("These commands are for the clone: cd {}", quoted(clone));
    }
    causes.print();
    let is_ready = |(stage, findings): (&Stage, &Findings)| {
        stage.folder == "05-user"
            && matches!(verdict(stage, findings, root, &facts), Verdict::Ready(_))
    };
    let ready = STAGES.iter().zip(&findings).any(is_ready);
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn attempt_all() -> Result<Vec<Findings>> {
    // One at a time: together they could reach a limit that none of them reaches alone.
    let findings = STAGES.iter().map(|stage| {
        let direct = attempt(&[], stage)?;
        // Nobody starts it so where it runs as it is.
        let rootless = stage.takes_root() && !direct.is_empty();
        let rootless = rootless.then(|| attempt(&ROOTLESS, stage)).transpose()?;
        Ok(Findings { direct, rootless })
    });
    let mut findings: Vec<_> = findings.collect::<Result<_>>()?;
    // unshare(1) does not tell why it has no user namespace; stage 05 has asked for one as well.
    let user = STAGES.iter().position(|stage| !stage.takes_root()).unwrap_or_default();
    let of_user =
        findings[user].direct.last().filter(|trouble| trouble.diagnosis.is_some()).cloned();
    for trouble in findings.iter_mut().filter_map(|findings| findings.rootless.as_mut()).flatten() {
        if let (false, Some(of_user)) = (trouble.of_stage, &of_user) {
            *trouble = Trouble { of_stage: false, ..of_user.clone() };
        }
    }
    Ok(findings)
}

/// How `cargo rootless` starts a program.
const ROOTLESS: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];

/// Starts a program with an attempt at a stage, and returns what it has found to be in the way.
fn attempt(with: &[&str], stage: &Stage) -> Result<Vec<Trouble>> {
    let mut troubles = finish(start(with, stage)?)?;
    for _ in 0..RETRIES {
        if !troubles.iter().any(|trouble| trouble.name() == "namespace-limit") {
            break;
        }
        // Perhaps of the attempt before: the kernel takes the namespaces of a process apart after its end.
        thread::sleep(PAUSE);
        troubles = finish(start(with, stage)?)?;
    }
    Ok(troubles)
}

/// How often an attempt is made again that has met a limit of namespaces, and after how long.
const RETRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

type Started = Result<Child, Trouble>;

fn start(with: &[&str], stage: &Stage) -> Result<Started> {
    // Not /proc/self/exe, which unshare(1) is itself.
    let this = env::current_exe().context("find this program")?;
    let words = with.iter().map(Into::into).chain([this.into_os_string()]);
    let words: Vec<_> = words.chain(["attempt".into(), stage.number.to_string().into()]).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
    // It reads nothing, and this machine may have no /dev/null.
    Ok(command.stdin(Stdio::piped()).spawn().map_err(|error| {
        let limit = error.raw_os_error() == Some(Errno::EAGAIN as i32);
        let step = Step::Clone(CloneFlags::empty());
        let error = match limit {
            true => Error::new(error).context(step),
            false => Error::new(error).context(format!("start {}", words[0].to_string_lossy())),
        };
        Trouble::of(&error, stage.package())
    }))
}

/// Waits for an attempt, and returns what it has found to be in the way.
fn finish(attempt: Started) -> Result<Vec<Trouble>> {
    let output = match attempt {
        Ok(child) => child.wait_with_output().context("wait for an attempt")?,
        Err(trouble) => return Ok(vec![Trouble { of_stage: false, ..trouble }]),
    };
    if output.status.success() {
        return Ok(Vec::new());
    }
    let told = output.stdout.split(|byte| *byte == b'\n');
    let troubles = told.filter_map(|line| serde_json::from_slice(line).ok());
    let mut troubles: Vec<Trouble> = troubles.collect();
    troubles.dedup_by(|one, other| one.name() == other.name());
    if !troubles.is_empty() {
        return Ok(troubles);
    }
    // Such as unshare(1), or a filter that kills.
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().next().map_or(output.status.to_string(), str::to_owned);
    Ok(vec![Trouble { error, diagnosis: None, of_stage: false }])
}

fn root(facts: &HostFacts) -> Root {
    if geteuid().is_root() {
        Root::Here
    } else if !facts.caller.administers {
        Root::Useless
    } else if !facts.without_sudo {
        Root::Sudo
    } else {
        Root::NoSudo
    }
}

fn verdict(stage: &Stage, findings: &Findings, root: Root, facts: &HostFacts) -> Verdict {
    let package = stage.package();
    if findings.direct.is_empty() {
        return Verdict::Ready(vec![format!("cargo run -p {package}")]);
    }
    let as_root = match root {
        Root::Sudo => Some(format!("cargo as-root -p {package}")),
        Root::NoSudo => Some(format!("cargo run -p {package} (as root)")),
        Root::Here | Root::Useless => None,
    };
    let as_root = as_root.filter(|_| findings.root_helps(stage, facts));
    if findings.rootless.as_ref().is_some_and(Vec::is_empty) {
        let rootless = format!("cargo rootless -p {package}");
        return Verdict::Ready([Some(rootless), as_root].into_iter().flatten().collect());
    }
    as_root.map_or(Verdict::Not, Verdict::AsRoot)
}

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const FAIR: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const CODE: Style = AnsiColor::Cyan.on_default();

fn print_machine(facts: &HostFacts) {
    let names = uname().expect("uname has no way to fail");
    let (release, machine) = (names.release().to_string_lossy(), names.machine().to_string_lossy());
    let cgroups = match facts.cgroups {
        Cgroups::None => "no cgroups",
        Cgroups::V1 => "cgroup v1",
        Cgroups::Hybrid => "cgroup v1, and v2 beside it (hybrid)",
        Cgroups::V2 => "cgroup v2",
    };
    let who = match (facts.root, facts.user_namespace) {
        (true, false) => "root".to_owned(),
        (true, true) => "root of a user namespace".to_owned(),
        (false, _) => format!("user {}", geteuid()),
    };
    let mut words = vec![format!("Linux {release}"), machine.into_owned(), cgroups.into(), who];
    words.extend(facts.caller.engine.map(|engine| format!("in a container of {engine:?}")));
    words.extend(facts.wsl.map(|version| format!("WSL {version}")));
    say!("{}\n", words.join(", "));
}

/// Prints one line for a stage.
fn print_row(
    stage: &Stage,
    findings: &Findings,
    (root, facts): (Root, &HostFacts),
    bridge: &Option<Trouble>,
    causes: &mut Causes,
) {
    let folder = stage.folder;
    match verdict(stage, findings, root, facts) {
        Verdict::Ready(ways) => {
            let but = bridge
                .as_ref()
                .filter(|_| stage.has(CloneFlags::CLONE_NEWNET))
                .map(|trouble| format!("  (but see {})", causes.number(trouble, stage)));
            let (ways, but) = (ways.join(", or "), but.unwrap_or_default());
            say!("{folder:<16} {GOOD}ready{GOOD:#}  {CODE}{ways}{CODE:#}{but}");
        }
        Verdict::AsRoot(way) => {
            let numbers =
                findings.worth_telling().iter().map(|trouble| causes.number(trouble, stage));
            let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
            let label = if root == Root::Sudo { "sudo " } else { "root " };
            let why = numbers.join(", ");
            say!("{folder:<16} {FAIR}{label}{FAIR:#}  {CODE}{way}{CODE:#}  (why: {why})");
        }
        Verdict::Not => {
            let whys = findings.worth_telling().iter().map(|trouble| {
                let title = trouble.diagnosis.as_ref().map_or("unknown", |known| &known.title);
                format!("{title} ({})", causes.number(trouble, stage))
            });
            let whys: Vec<_> = whys.collect();
            say!("{folder:<16} {BAD}no   {BAD:#}  {}", whys.join(", "));
        }
    }
}

fn print_root_directory() {
    // When it cannot be used, the causes tell why.
    let Ok((directory, exists)) = rootfs::look() else { return };
    let made = match (exists, is_installed("busybox")) {
        (true, _) => "",
        (false, true) => ", which the first start makes of busybox",
        (false, false) => {
            ", which the first start makes of your own programs (there is no busybox)"
        }
    };
    say!("\nRoot directory: {}{made}", directory.display());
}

/// What is in the way, each cause once.
#[derive(Default)]
struct Causes {
    found: Vec<(Trouble, Vec<u8>)>,
    numbers: BTreeMap<String, usize>,
}

impl Causes {
    /// Returns the number of a cause, which is new or known.
    fn number(&mut self, trouble: &Trouble, stage: &Stage) -> usize {
        let next = self.found.len();
        let index = *self.numbers.entry(trouble.name().into()).or_insert(next);
        if index == next {
            self.found.push((trouble.clone(), Vec::new()));
        }
        if !self.found[index].1.contains(&stage.number) {
            self.found[index].1.push(stage.number);
        }
        index + 1
    }

    fn print(&self) {
        for (index, (trouble, stages)) in self.found.iter().enumerate() {
            let title = trouble.diagnosis.as_ref().map_or("Unknown", |known| &known.title);
            let numbers: Vec<_> = stages.iter().map(|stage| format!("{stage:02}")).collect();
            let numbers = numbers.join(", ");
            say!("\n{HEADING}{}. {title}{HEADING:#} (stage {numbers})", index + 1);
            print_wrapped("   ", "   ", &trouble.error);
            if let Some(diagnosis) = &trouble.diagnosis {
                print_diagnosis(diagnosis);
            }
        }
    }
}

fn print_diagnosis(diagnosis: &Diagnosis) {
    let stop = if diagnosis.remedies.is_empty() { "." } else { ":" };
    print_wrapped("   ", "   ", &format!("{}{stop}", diagnosis.explanation));
    for remedy in &diagnosis.remedies {
        // Not wrapped: it is to be copied.
        say!("\n       {CODE}{}{CODE:#}", remedy.command);
        print_wrapped("       gives up: ", "         ", &remedy.gives_up);
    }
    say!("\n   More: {PAGE}#{}", diagnosis.id);
}

/// Columns of the text.
const WIDTH: usize = 96;

fn print_wrapped(first: &str, rest: &str, text: &str) {
    let options = textwrap::Options::new(WIDTH).initial_indent(first).subsequent_indent(rest);
    let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
    for line in textwrap::wrap(text, options) {
        say!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use common::diagnosis::diagnose;

    use super::*;

    /// An ordinary user on Ubuntu.
    fn restricted() -> HostFacts {
        HostFacts {
            apparmor_restrict_unprivileged_userns: Some(1),
            sysctl: true,
            ..HostFacts::default()
        }
    }

    /// Root of a user namespace there.
    fn inside() -> HostFacts {
        HostFacts { root: true, cap_sys_admin: true, user_namespace: true, ..restricted() }
    }

    fn trouble(error: Error, facts: &HostFacts) -> Trouble {
        let diagnosis = diagnose(&error, facts).map(Into::into);
        Trouble { error: format!("{error:#}"), diagnosis, of_stage: true }
    }

    fn user_stage(direct: Trouble) -> (&'static Stage, Findings) {
        (&STAGES[4], Findings { direct: vec![direct], rootless: None })
    }

    #[test]
    fn an_injected_ubuntu_leaves_stage_05_to_sudo_and_offers_the_profile_first() {
        let error = Error::new(Errno::EPERM).context("set the hostname");
        let (stage, findings) = user_stage(trouble(error, &inside()));
        let as_root = Verdict::AsRoot("cargo as-root -p user".into());
        assert_eq!(verdict(stage, &findings, Root::Sudo, &HostFacts::default()), as_root);
        assert_eq!(verdict(stage, &findings, Root::Useless, &HostFacts::default()), Verdict::Not);
        let diagnosis = findings.direct[0].diagnosis.as_ref().unwrap();
        let commands: Vec<_> = diagnosis.remedies.iter().map(|remedy| &remedy.command).collect();
        assert_eq!(commands[0], "cargo doctor apparmor | sudo apparmor_parser -r");
        assert!(commands[1].contains("apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn an_injected_ubuntu_with_its_profile_for_unshare_leaves_stage_01_to_sudo() {
        let user = HostFacts { package: "uts".into(), ..restricted() };
        let clone = Error::new(Errno::EPERM).context(Step::Clone(CloneFlags::CLONE_NEWUTS));
        let denied = Error::new(Errno::EPERM).context("set the hostname");
        let findings = Findings {
            direct: vec![trouble(clone, &user)],
            rootless: Some(vec![trouble(denied, &inside())]),
        };
        let as_root = Verdict::AsRoot("cargo as-root -p uts".into());
        assert_eq!(verdict(&STAGES[0], &findings, Root::Sudo, &HostFacts::default()), as_root);
    }

    #[test]
    fn on_an_injected_wsl_1_not_even_root_has_a_stage() {
        let facts = HostFacts { wsl: Some(1), ..HostFacts::default() };
        let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID;
        let error = Error::new(Errno::EINVAL).context(Step::Clone(flags));
        let (stage, findings) = user_stage(trouble(error, &facts));
        assert_eq!(verdict(stage, &findings, Root::Sudo, &HostFacts::default()), Verdict::Not);
    }

    #[test]
    fn with_an_injected_debian_switch_root_has_stage_05() {
        let facts = HostFacts { unprivileged_userns_clone: Some(0), ..HostFacts::default() };
        let error = Error::new(Errno::EPERM).context(Step::Clone(CloneFlags::CLONE_NEWUSER));
        let (stage, findings) = user_stage(trouble(error, &facts));
        let as_root = Verdict::AsRoot("cargo run -p user (as root)".into());
        assert_eq!(verdict(stage, &findings, Root::NoSudo, &HostFacts::default()), as_root);
    }
}
