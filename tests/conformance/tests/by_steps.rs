//! What is tried of a stage that somebody is writing: the real stage has all of it, and what is handed out, which is the
//! stage before, lacks the first.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use conformance::{Beside, STAGES};
use libtest_mimic::{Arguments, Failed, Trial};

/// The stage whose steps this program tries, instead of all of this.
const STAGE: &str = "STEPS_OF";

fn main() -> ExitCode {
    let stage = env::var(STAGE);
    // A copy of this program in a container has another name, and plays another part there.
    let is_copy = env::args().next().is_some_and(|name| !name.contains("by_steps"));
    if stage.is_ok() || is_copy {
        return conformance::steps_of(&stage.unwrap_or(STAGES[1].program.into()), "");
    }
    let arguments = Arguments::from_args();
    if !arguments.list {
        let stages = STAGES.iter().map(|stage| (stage.package, stage.program));
        testbed::programs::build(stages).expect("the stages can be built");
    }
    let trials = STAGES.windows(2).flat_map(|pair| {
        let [before, stage] = pair else { unreachable!("windows of two") };
        [
            Trial::test(format!("{}: the real stage has all steps", stage.program), || {
                all_steps(stage)
            }),
            Trial::test(format!("{}: what is handed out lacks the first", stage.program), || {
                first_step(before, stage)
            }),
        ]
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Tries the steps of a stage with a program, and returns whether all are there, and what was said.
fn steps(stage: &Beside, program: &Beside) -> Result<(bool, String), Failed> {
    let output = Command::new("/proc/self/exe")
        .env(STAGE, stage.program)
        .env("STAGE_PROGRAM", directory()?.join(program.program))
        .env_remove("TEST_NO_SKIP")
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// Where Cargo has built the stages: above this program.
fn directory() -> Result<PathBuf, Failed> {
    let this = fs::read_link("/proc/self/exe")?;
    let directory = this.parent().and_then(Path::parent);
    Ok(directory.ok_or("no directory above this program")?.to_owned())
}

fn all_steps(stage: &Beside) -> Result<(), Failed> {
    let (all, said) = steps(stage, stage)?;
    if all { Ok(()) } else { Err(said.into()) }
}

fn first_step(before: &Beside, stage: &Beside) -> Result<(), Failed> {
    let (all, said) = steps(stage, before)?;
    if said.contains("not tried here") {
        return Ok(());
    }
    let clear = ["Wrong: ", "the kernel shows", "it should show", "Read "];
    let is_clear = clear.iter().all(|words| said.contains(words));
    if all || said.matches("TODO ").count() != 1 || !is_clear {
        return Err(format!("not refused at the first step, with what is wrong:\n{said}").into());
    }
    Ok(())
}
