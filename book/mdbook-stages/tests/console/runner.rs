//! Tests of what runs the chapters: each is a small chapter, and whether it holds.

use std::fs;

use libtest_mimic::{Completion, Failed, Trial};

use crate::{Place, in_host};

/// What a chapter's run has to end in.
enum Outcome {
    Holds,
    /// It fails, and says all of this.
    Fails(&'static [&'static str]),
    /// Updated, it is this, and so it is when it is updated once more.
    Becomes(&'static str),
}

use Outcome::{Becomes, Fails, Holds};

const CASES: &[(&str, &str, Outcome)] = &[
    ("the host is a reader's", HOST, Holds),
    ("two terminals are two shells, and keep their state", TERMINALS, Holds),
    ("keys interrupt and end programs", KEYS, Holds),
    ("a command can have several lines", LINES, Holds),
    ("a container's shell is typed in", CONTAINER, Holds),
    ("blocks for the other version of cgroups are left out", VERSIONS, Holds),
    ("blocks whose program is not installed are left out", NEEDS, Holds),
    ("what a chapter types cannot change the machine", SAFE, Holds),
    (
        "a word that is not what comes fails",
        "```console\n$ echo one two\none too\n```\n",
        Fails(&["chapter.md:3:", "expected  one too", "got       one two"]),
    ),
    (
        "a line too many fails",
        "```console\n$ echo one\none\ntwo\n```\n",
        Fails(&["chapter.md:4:", "expected  two", "got       nothing more"]),
    ),
    (
        "a line that is not in the book fails",
        "```console\n$ echo one; echo two\none\n```\n",
        Fails(&["chapter.md:4:", "expected  nothing more", "got       two"]),
    ),
    (
        "namespaces that are swapped fail",
        "```console\n$ readlink /proc/self/ns/uts\nuts:[HOST]\n\
         $ sudo unshare --uts readlink /proc/self/ns/uts\nuts:[HOST]\n```\n",
        Fails(&["chapter.md:5:", "uts:[HOST]  (here: uts:"]),
    ),
    (
        "namespaces that are the same under two names fail",
        "```console\n$ readlink /proc/self/ns/uts\nuts:[HOST]\n\
         $ readlink /proc/self/ns/uts\nuts:[NEW]\n```\n",
        Fails(&["chapter.md:5:", "[NEW] and [HOST] are both", "two names, two values"]),
    ),
    (
        "the wrong prompt fails",
        "```console\n# true\n```\n",
        Fails(&["chapter.md:2:", "the prompt is \"$\", and the block has '#'"]),
    ),
    (
        "a name without a value cannot be typed",
        "```console\n$ echo [NOTHING]\n```\n",
        Fails(&["chapter.md:2:", "[NOTHING] has no value yet"]),
    ),
    (
        "cargo that would say more than the book fails",
        "```console\n$ cargo run -p uts\n```\n",
        Fails(&["chapter.md:3:", "with -q only"]),
    ),
    (
        "an update keeps what is right and names what varies",
        "text\n\n```console\n$ echo a; echo b $$; echo c\nold\nb [SHELL]\n\
         $ readlink /proc/self/ns/uts; echo $$\n```\n\n```console other\n\
         $ sudo unshare --uts readlink /proc/self/ns/uts /proc/$$/ns/uts\n```\nmore\n",
        Becomes(
            "text\n\n```console\n$ echo a; echo b $$; echo c\na\nb [SHELL]\nc\n\
             $ readlink /proc/self/ns/uts; echo $$\nuts:[UTS]\n[SHELL]\n```\n\n```console other\n\
             $ sudo unshare --uts readlink /proc/self/ns/uts /proc/$$/ns/uts\nuts:[UTS_2]\nuts:[UTS]\n```\nmore\n",
        ),
    ),
];

const HOST: &str = "
```console
$ hostname; id; pwd
laptop
uid=1000(reader) gid=1000(reader) groups=1000(reader)
/home/reader/containers
$ sudo id -u; ls -A /tmp; cat /proc/sys/net/ipv4/conf/lo/forwarding
0
0
$ findmnt --noheadings --output PROPAGATION /
shared
$ umask; ip -oneline link | cut -d: -f2 | cut -d@ -f1 | grep lo
0022
 lo
$ sudo sh
# echo $HOME; whoami
/root
root
# exit
```
";

const TERMINALS: &str = "
```console
$ cd /; x=1; echo $$
[FIRST]
```

```console other
$ pwd; echo x$x $$
/home/reader/containers
x [SECOND]
$ cat /proc/[FIRST]/comm
sh
```

```console
$ pwd; echo $x $$
/
1 [FIRST]
```
";

const KEYS: &str = "
```console
$ echo wait; sleep 1000
wait
^C
$ echo $?
130
$ cat
^D
$ sh -c 'echo $PPID; read x; echo got it'
[PARENT]
^C
$ sh
$ echo inner; exit
inner
$ sudo sh
^D
$ echo outer
outer
```
";

const LINES: &str = "
```console
$ for word in one two
> do
>     echo $word
> done
one
two
```
";

const CONTAINER: &str = "
```console
$ cargo 05-user
# hostname; id -u; readlink /proc/self/ns/uts
nshost
0
uts:[NEW]
# cd /proc
# pwd
/proc
# exit
$ readlink /proc/self/ns/uts
uts:[HOST]
$ cargo as-root -p uts-hostname -- -c 'hostname; id -u'
nshost
0
$ cargo rootless -p uts-hostname -- --nshostname kitchen -c hostname
kitchen
```
";

const VERSIONS: &str = "
```console v1
$ test -e /sys/fs/cgroup/cgroup.controllers; echo $?
1
```

```console v2
$ test -e /sys/fs/cgroup/cgroup.controllers; echo $?
0
```
";

const NEEDS: &str = "
```console needs no-such-program
$ echo one
nothing
```

```console needs sh
$ echo two
two
```
";

const SAFE: &str = "
```console
$ sudo touch /etc/planted
touch: cannot touch '/etc/planted': Read-only file system
$ sudo touch Cargo.toml
touch: cannot touch 'Cargo.toml': Read-only file system
$ ls /dev/vda /dev/sda /dev/kmsg 2>/dev/null | wc -l
0
```
";

/// Returns the trials of all cases.
pub fn trials(place: &Place) -> Vec<Trial> {
    let trial = |(name, chapter, outcome): &'static (&str, &str, Outcome)| {
        let place = place.clone();
        Trial::ignorable_test(format!("runner: {name}"), move || check(chapter, outcome, &place))
    };
    let mut trials: Vec<Trial> = CASES.iter().map(trial).collect();
    let own = place.clone();
    let name = "order: before-you-start.md leaves no root directory of README's first start";
    trials.push(Trial::ignorable_test(name, move || after_readme(&own)));
    let place = Place { untraced: Some("it is the test's wish".into()), ..place.clone() };
    let name = "runner: blocks that trace are left out where that is forbidden";
    trials.push(Trial::ignorable_test(name, move || check(UNTRACED, &Holds, &place)));
    trials
}

/// Each chapter is typed on a machine without a root directory. A reader who has typed README's first line has one, which
/// root does not take. So the page that comes before the stages has to remove it.
fn after_readme(place: &Place) -> Result<Completion, Failed> {
    let page = fs::read_to_string(place.workspace.join("book/src/before-you-start.md"))?;
    let first = "```console\n$ cargo run -q -p user -- -c true\n```\n";
    let last = "```console\n$ test -e /tmp/busybox || echo gone\ngone\n```\n";
    check(&format!("{first}{page}{last}"), &Holds, place)
}

/// If it ran, the first block would fail.
const UNTRACED: &str = "
```console
$ cargo lens 05-user -c true
nothing
```
```console
$ echo one
one
```
";

fn check(chapter: &str, outcome: &Outcome, place: &Place) -> Result<Completion, Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("chapter.md");
    let run = |text: &str, updates| {
        fs::write(&file, text)?;
        in_host(&file, place, updates)
    };
    match outcome {
        Holds => run(chapter, false).map(|(completion, _)| completion),
        Fails(words) => {
            let said = match run(chapter, false) {
                Err(failed) => failed.message().unwrap_or_default().to_owned(),
                Ok((Completion::Completed, _)) => return Err("it holds, and should not".into()),
                Ok((ignored, _)) => return Ok(ignored),
            };
            match words.iter().find(|word| !said.contains(**word)) {
                Some(word) => Err(format!("does not say {word:?}:\n{said}").into()),
                None => Ok(Completion::Completed),
            }
        }
        Becomes(updated) => {
            let (completion, once) = run(chapter, true)?;
            if !matches!(completion, Completion::Completed) {
                return Ok(completion);
            }
            let (_, twice) = run(&once, true)?;
            if once != *updated || twice != once {
                return Err(format!("once:\n{once}\ntwice:\n{twice}").into());
            }
            run(&once, false).map(|(completion, _)| completion)
        }
    }
}
