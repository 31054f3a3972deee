//! The bundle, the image and the Pod in real engines: Docker, containerd and Podman. `tests/engines/run` starts them; without
//! it these tests are ignored.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use common::rootfs;
use conformance::Output;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use facts::{SCRIPT, facts};
use table::Table;

mod facts;
mod table;

fn main() -> ExitCode {
    let tests: [(&str, Test); 9] = [
        ("docker prints what the book says", docker_prints_what_the_book_says),
        ("podman runs the image as the table says", podman_runs_the_image),
        ("docker runs the image as the table says", docker_runs_the_image),
        ("containerd runs the bundle as the table says", containerd_runs_the_bundle),
        ("containerd imports the image and runs it", containerd_imports_the_image),
        ("podman runs the root directory itself", podman_runs_the_root_directory),
        ("podman plays the pod", podman_plays_the_pod),
        ("what engines and skopeo save is unpacked to what they loaded", what_is_saved_is_unpacked),
        ("what a container has removed is removed from what is unpacked", a_commit_is_unpacked),
    ];
    let mut arguments = Arguments::from_args();
    // They share the engines, where the image has one name.
    arguments.test_threads = Some(1);
    let trials = tests.map(|(name, test)| Trial::ignorable_test(name, move || run(test)));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// A test, in engines that were started for it.
type Test = fn(&Engines);

fn run(test: Test) -> Result<Completion, Failed> {
    let Some(engines) = env::var_os("ENGINES") else {
        // Also where no test may be skipped: .ci/run has a step for these.
        return Ok(Completion::ignored_with("needs engines: `sudo tests/engines/run` starts them"));
    };
    test(&Engines::new(Path::new(&engines)));
    Ok(Completion::Completed)
}

/// The engines, and a directory of this test's own, with a root directory in it.
struct Engines {
    directory: PathBuf,
}

impl Engines {
    fn new(engines: &Path) -> Engines {
        let numbers = 1..;
        let names = numbers.map(|number: u32| engines.join(format!("test-{number}")));
        let directory = names.into_iter().find(|path| fs::create_dir(path).is_ok());
        let engines = Engines { directory: directory.expect("a directory can be made") };
        rootfs::make(Path::new(&engines.path("root"))).expect("a root directory can be made");
        engines
    }

    /// The path of something in this test's directory.
    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("text").to_owned()
    }

    /// Runs `cargo bundle` with these arguments, and returns what it prints.
    #[track_caller]
    fn bundle(&self, args: &[&str]) -> String {
        let mut bundle = Command::new(env!("CARGO_BIN_EXE_bundle"));
        let root = self.path("root");
        let rootfs: &[&str] = if args[0] == "unpack" { &[] } else { &["--rootfs", &root] };
        Output::of(bundle.args(args).args(rootfs).env("TERM", "vt100")).ok()
    }

    /// Writes the image, loads it, and returns the command that runs it: what is printed for that.
    #[track_caller]
    fn load(&self, format: &str, script: &str) -> Command {
        let image = self.path(&format!("{format}.tar"));
        let _ = fs::remove_file(&image);
        let printed = self.bundle(&["--image", &image, "--format", format, "-c", script]);
        let [load, run] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
        succeed("sh", &["-c", load]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {run}")]);
        command
    }
}

/// Runs a command to its end, and returns what it printed.
#[track_caller]
fn succeed(program: &str, args: &[&str]) -> String {
    let output = Output::of(Command::new(program).args(args));
    assert_eq!(output.code, 0, "{program} {args:?}: {output:#?}");
    output.stdout
}

/// Asserts that what the engine runs is what the table in the book says.
#[track_caller]
fn check(engine: &str, command: &mut Command) {
    let table = Table::read();
    table.check(engine, &table.of_stage(), &facts(command));
}

/// What the lesson's files say, and which there are.
const LESSON: &str =
    "cat /layers/changed /layers/added /layers/kept; echo $(ls -A /layers /layers/replaced)";

/// What it prints.
const LEARNT: &str =
    "layer 2\nlayer 2\nlayer 1\n/layers: added changed kept replaced /layers/replaced: above\n";

fn podman_runs_the_image(engines: &Engines) {
    check("Podman", &mut engines.load("oci", SCRIPT));
    assert_eq!(Output::of(&mut engines.load("oci", LESSON)).ok(), LEARNT);
}

fn docker_runs_the_image(engines: &Engines) {
    check("Docker", &mut engines.load("docker", SCRIPT));
    assert_eq!(Output::of(&mut engines.load("docker", LESSON)).ok(), LEARNT);
}

fn docker_prints_what_the_book_says(engines: &Engines) {
    let chapter = concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/kubernetes.md");
    let chapter = fs::read_to_string(chapter).expect("there is a chapter");
    let blocks = chapter.split("```console no-run: needs Docker\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split_once("```"));
    let (block, _) = blocks.find(|(block, _)| block.contains("docker load")).expect("a block");
    for step in block.split("$ ").filter(|step| !step.is_empty()) {
        let (command, expected) = step.split_once('\n').expect("a command");
        let bundle = format!("{} --rootfs root", env!("CARGO_BIN_EXE_bundle"));
        let command = command.replace("cargo bundle", &bundle);
        let mut sh = Command::new("sh");
        let output = Output::of(sh.args(["-c", &command]).current_dir(&engines.directory));
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (0, expected),
            "{command}: {}",
            output.stderr
        );
    }
}

fn containerd_runs_the_bundle(engines: &Engines) {
    let bundle = engines.path("bundle");
    engines.bundle(&[&bundle, "-c", SCRIPT]);
    let config = format!("{bundle}/config.json");
    check("containerd", Command::new("ctr").args(["run", "--rm", "--config", &config, "bundle"]));
}

fn containerd_imports_the_image(engines: &Engines) {
    let image = engines.path("i.tar");
    engines.bundle(&["--image", &image, "-c", LESSON]);
    succeed("ctr", &["image", "import", &image]);
    let said = succeed("ctr", &["run", "--rm", "localhost/nshost:latest", "image"]);
    assert_eq!(said, LEARNT);
}

fn podman_runs_the_root_directory(engines: &Engines) {
    let root = engines.path("root");
    let run = ["run", "--rm", "--network", "none", "--hostname", "nshost", "--rootfs", &root];
    let said = succeed("podman", &[&run[..], &["/bin/sh", "-c", "hostname; echo $$"]].concat());
    assert_eq!(said, "nshost\n1\n");
}

fn podman_plays_the_pod(engines: &Engines) {
    engines.load("oci", "true");
    // Podman 4 has no tmpfs for a volume in memory.
    let script = "hostname; echo $HOME \"$(cat /layers/changed)\" $(ls -d /temp)";
    let pod = engines.path("pod.yaml");
    fs::write(&pod, engines.bundle(&["--pod", "-c", script])).expect("it can be written");
    succeed("podman", &["kube", "play", "--network", "none", &pod]);
    succeed("podman", &["wait", "nshost-shell"]);
    let said = succeed("podman", &["logs", "nshost-shell"]);
    // The engine may be at it already: all containers of the Pod have ended.
    Output::of(Command::new("podman").args(["pod", "rm", "--force", "nshost"]));
    assert_eq!(said, "nshost\n/root layer 2 /temp\n");
}

fn what_is_saved_is_unpacked(engines: &Engines) {
    engines.load("docker", "true");
    engines.load("oci", "true");
    let image = "localhost/nshost:latest";
    let oci = format!("oci-archive:{}", engines.path("skopeo-oci"));
    let docker = format!("docker-archive:{}:{image}", engines.path("skopeo-docker"));
    let ours = format!("oci-archive:{}", engines.path("oci.tar"));
    let saved = ["docker", "podman", "podman-oci"].map(|name| engines.path(name));
    succeed("docker", &["save", "-o", &saved[0], image]);
    succeed("podman", &["save", "-o", &saved[1], image]);
    succeed("podman", &["save", "--format", "oci-archive", "-o", &saved[2], image]);
    for copy in [&oci, &docker] {
        succeed("skopeo", &["copy", "--insecure-policy", "--quiet", &ours, copy]);
    }
    let new = engines.path("of-ours");
    engines.bundle(&["unpack", &engines.path("oci.tar"), &new]);
    for name in ["docker", "podman", "podman-oci", "skopeo-oci", "skopeo-docker"] {
        let other = engines.path(&format!("of-{name}"));
        engines.bundle(&["unpack", &engines.path(name), &other]);
        let differences = succeed("diff", &["-r", "--no-dereference", &new, &other]);
        assert_eq!(differences, "", "{name}");
    }
}

fn a_commit_is_unpacked(engines: &Engines) {
    let script =
        "rm -r /layers/replaced /layers/kept; mkdir /layers/replaced; echo 3 >/layers/replaced/new";
    engines.load("docker", "true");
    let image = "localhost/nshost:latest";
    let run = ["run", "--name", "commit", "--network", "none", image, "sh", "-c", script];
    succeed("docker", &run);
    succeed("docker", &["commit", "commit", "localhost/changed"]);
    succeed("docker", &["rm", "commit"]);
    let (archive, new) = (engines.path("changed.tar"), engines.path("changed"));
    succeed("docker", &["save", "-o", &archive, "localhost/changed"]);
    engines.bundle(&["unpack", &archive, &new]);
    let found = succeed("sh", &["-c", &format!("cd {new}/layers && find . | sort")]);
    let left = [".", "./added", "./changed", "./replaced", "./replaced/new"];
    assert_eq!(found.lines().collect::<Vec<_>>(), left);
}
