//! Where a learner is sent to read: it is there, and speaks of the matter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use testbed::reading;

/// To each section that is named, what it has to say for whom it is named to.
const SAYS: &[(&str, &[&str])] = &[
    ("01-uts#failure", &["hostname"]),
    ("01-uts#run", &["owner", "NS_GET_USERNS"]),
    ("01-uts#shell", &["domain name"]),
    ("02-uts-hostname#failure", &["hostname"]),
    ("02-uts-hostname#run", &["--nshostname"]),
    ("02-uts-hostname#shell", &["unshare"]),
    ("03-pid#failure", &["ps"]),
    ("03-pid#run", &["NSpid", "orphan"]),
    ("03-pid#shell", &["zombie", "chroot", "proc"]),
    ("04-mount#diff", &["pivot_root", "MNT_DETACH", "private"]),
    ("04-mount#failure", &["chroot", "tmpfs"]),
    ("04-mount#shell", &["private", "shared", "pivot_root", "bind"]),
    ("05-user#failure", &["unshare"]),
    ("05-user#maps", &["uid_map"]),
    ("05-user#run", &["65534"]),
    ("05-user#setgroups", &["setgroups", "deny", "group"]),
    ("06-network#failure", &["loopback"]),
    ("06-network#go", &["helper"]),
    ("06-network#pair", &["veth", "peer"]),
    ("06-network#run", &["--netsetgo"]),
    ("06-network#shell", &["veth", "bridge"]),
    ("07-ipc#failure", &["queue"]),
    ("07-ipc#shell", &["mqueue", "unshare"]),
    ("08-cgroups#run", &["pids.max"]),
    ("08-cgroups#shell", &["pids.max", "cgroup.procs", "Its root is the cgroup"]),
    ("around#calls", &["CLONE_INTO_CGROUP"]),
    ("before-you-start#options", &["--address"]),
    ("common#created", &["wait"]),
    ("every-day#cpus", &["cpu.max"]),
    ("every-day#exec", &["setns", "pidfd"]),
    ("every-day#memory", &["memory.max"]),
    ("every-day#pause", &["cgroup.freeze", "freezer.state"]),
    ("every-day#port", &["prerouting", "dnat"]),
    ("every-day#restrictions", &["bounding", "filter"]),
    ("every-day#volume", &["bind", "ro"]),
    ("internet#masquerading", &["postrouting", "masquerade"]),
    ("what-a-container-is#images", &["lowerdir"]),
    ("what-a-container-is#network", &["setns"]),
    ("workshop/machines#container", &["podman run", "seccomp=unconfined"]),
];

#[test]
fn each_section_that_is_named_is_there_and_says_it() -> Result<()> {
    let mut named = BTreeMap::new();
    for (file, text) in texts()? {
        for (chapter, id) in reading::references(&text) {
            named.insert(format!("{chapter}#{id}"), file.clone());
        }
    }
    for (reference, file) in &named {
        let (chapter, id) = reference.split_once('#').context("a chapter and an id")?;
        let section = reading::section(chapter, id);
        let section = section.with_context(|| format!("{file}: there is no {reference}"))?;
        let says = SAYS.iter().find(|(known, _)| known == reference);
        let (_, words) = says.with_context(|| format!("{file}: what does {reference} say?"))?;
        let mute = words.iter().find(|word| !section.contains(**word));
        assert_eq!(mute, None, "{reference}, which {file} names");
    }
    let unused = SAYS.iter().find(|(known, _)| !named.contains_key(*known));
    assert!(unused.is_none(), "nobody names {unused:?}");
    Ok(())
}

#[test]
fn a_section_that_leaves_its_code_to_the_pages_is_named_with_its_page() {
    let said = reading::say("book/src/04-mount.md#diff and pivot_root(2)");
    assert!(said.contains("\n(with its code in target/book/04-mount.html#diff"), "{said}");
    let said = reading::say("book/src/03-pid.md#shell and wait(2)");
    assert_eq!(said, "Read book/src/03-pid.md#shell and wait(2)");
}

/// A failure says so by itself. Who reads the exercise, a hint or a `TODO` is told there.
#[test]
fn who_is_sent_to_a_section_without_its_code_is_told_its_page() -> Result<()> {
    let mut seen = 0;
    for (file, text) in texts()? {
        let without = reading::references(&text)
            .filter(|(chapter, id)| reading::leaves_code_out(chapter, id));
        for (chapter, id) in without {
            let page = format!("target/book/{chapter}.html#{id}");
            // The steps of the stages are shown by a failure alone.
            assert!(
                file.contains("/steps/") || text.contains(&page),
                "{file} does not name {page}"
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "no text names such a section");
    Ok(())
}

#[test]
fn a_page_that_debian_12_lacks_has_an_alternative() -> Result<()> {
    for (file, text) in texts()? {
        // proc(5) was one page, and is forty since man-pages 6.10.
        for (place, _) in text.match_indices(" proc_") {
            let rest = &text[place + 1..];
            let page = rest.split_once("(5)").map_or("", |(page, _)| page);
            if page.is_empty() || page.contains(|c: char| !c.is_ascii_lowercase() && c != '_') {
                continue;
            }
            let near: String = rest.chars().take(page.len() + 60).collect();
            assert!(near.contains("in Debian 12") && near.contains(" proc(5)"), "{file}: {near}");
        }
    }
    Ok(())
}

/// Returns the exercises, the hints, the stages to write and their steps, each with its file's name.
fn texts() -> Result<Vec<(String, String)>> {
    let mut files = vec![
        "../info.toml".into(),
        "../README.md".into(),
        "../../tests/conformance/src/steps/stages.rs".into(),
    ];
    for directory in ["../exercises", "../solutions", "../stages"] {
        collect(Path::new(directory), &mut files)?;
    }
    let read = |file: String| Ok((file.clone(), fs::read_to_string(&file).context(file)?));
    files.into_iter().map(read).collect()
}

/// Adds the Rust files below a directory.
fn collect(directory: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.display().to_string());
        }
    }
    Ok(())
}
