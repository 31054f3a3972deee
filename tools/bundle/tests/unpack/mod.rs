//! An image as a root directory: what arrives there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use conformance::{Output, Stage, need};
use nix::unistd::geteuid;
use tar::EntryType;

use archive::{Image, Tar};

mod archive;
pub mod hostile;
pub mod spoilt;

/// Unpacks an archive.
fn unpack(stage: &Stage, archive: Tar, options: &[&str]) -> Output {
    fs::write("/tmp/archive", archive.bytes()).unwrap();
    stage.run([&["unpack", "/tmp/archive", "/tmp/new"], options].concat())
}

/// Unpacks the image of these layers, as one format and as the other, and calls `check` in each directory.
fn each_format(stage: &Stage, layers: &[Tar], check: impl Fn(&Path)) {
    let image = Image::new(layers);
    let archives = [image.docker(), image.layout(None), image.gzipped().layout(None)];
    for archive in archives {
        let said = unpack(stage, archive, &[]).ok();
        assert_eq!(said, "cargo run -p user -- --rootfs /tmp/new\n");
        check(Path::new("/tmp/new"));
        fs::remove_dir_all("/tmp/new").unwrap();
    }
}

/// All below a directory, in order, with what is in the files.
fn tree(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.push(format!("{name}/"));
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_symlink() {
            found.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
        } else {
            found.push(format!("{name} {}", fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The directories that a stage mounts on are there, whatever the image has.
fn with_mount_points(names: &[&str]) -> Vec<String> {
    let mut all: Vec<_> = ["/", "dev/", "proc/", "temp/"].iter().chain(names).collect();
    all.sort();
    all.into_iter().map(|name| (*name).to_owned()).collect()
}

pub fn our_own_image_unpacked_is_a_root_directory_that_a_stage_takes(stage: &Stage) {
    for format in ["oci", "docker"] {
        let image = format!("/tmp/{format}.tar");
        let written = stage.run(["--image", &image, "--format", format]);
        assert_eq!(written.code, 0, "{written:#?}");
        let directory = format!("/tmp/{format}");
        let hint = stage.run(["unpack", &image, &directory]).ok();
        assert_eq!(hint, format!("cargo run -p user -- --rootfs {directory}\n"));
        let script =
            "cat /layers/changed /layers/added /layers/kept; ls -A /layers /layers/replaced";
        let mut command = stage.command_of("05-user");
        let said = Output::of(command.args(["--rootfs", &directory, "-c", script])).ok();
        let words: Vec<_> = said.split_whitespace().collect();
        let expected = "layer 2 layer 2 layer 1 /layers: added changed kept replaced \
                        /layers/replaced: above";
        assert_eq!(words.join(" "), expected);
    }
    let mut diff = Command::new("diff");
    Output::of(diff.args(["-r", "--no-dereference", "/tmp/oci", "/tmp/docker"])).ok();
}

pub fn what_a_layer_removes_is_gone_and_nothing_else(stage: &Stage) {
    let below = Tar::default()
        .file("gone", b"1")
        .file("kept", b"1")
        .file("again", b"1")
        .directory("whole/")
        .file("whole/deep/file", b"1")
        .file("opaque/below", b"1")
        .file("opaque/deep/below", b"1")
        .file("replaced/below", b"1");
    let above = Tar::default()
        .file(".wh.gone", b"")
        // A whiteout is of the layers below, wherever it is.
        .file("again", b"2")
        .file(".wh.again", b"")
        .file(".wh.whole", b"")
        .file("opaque/above", b"2")
        .file("opaque/.wh..wh..opq", b"")
        .file("replaced", b"2")
        .file(".wh.never", b"")
        .file("nowhere/.wh.never", b"")
        .file(".wh..wh.plnk/17.3", b"");
    each_format(stage, &[below.clone(), above], |new| {
        let names = ["again 2", "kept 1", "opaque/", "opaque/above 2", "replaced 2"];
        assert_eq!(tree(new), with_mount_points(&names));
    });
    let all = Tar::default().file("new", b"2").file(".wh..wh..opq", b"");
    each_format(stage, &[below, all], |new| assert_eq!(tree(new), with_mount_points(&["new 2"])));
}

pub fn the_last_of_several_entries_of_one_name_is_what_arrives(stage: &Stage) {
    let layer = Tar::default()
        .symbolic_link("a", "/tmp/outside")
        .file("a", b"1")
        .file("b", b"1")
        .directory("b/")
        .directory("c/")
        .file("c/d", b"1")
        .symbolic_link("c", "b")
        .file("e", b"1")
        .hard_link("f", "e")
        .file("f", b"2");
    each_format(stage, &[layer], |new| {
        let names = ["a 1", "b/", "c -> b", "e 1", "f 2"];
        assert_eq!(tree(new), with_mount_points(&names));
    });
    assert!(!Path::new("/tmp/outside").exists());
}

pub fn all_of_it_is_the_callers_and_nobody_else_may_write_to_it(stage: &Stage) {
    let layer = Tar::default()
        .directory("d/")
        .file("d/f", b"1")
        .hard_link("d/h", "d/f")
        .entry(EntryType::Fifo, "d/p", "", b"")
        .entry(EntryType::Char, "dev/null", "", b"");
    each_format(stage, &[layer], |new| {
        for (name, mode) in
            [("", 0o755), ("d", 0o755), ("d/f", 0o755), ("d/h", 0o755), ("d/p", 0o755)]
        {
            let metadata = new.join(name).symlink_metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
            assert_eq!(metadata.uid(), geteuid().as_raw(), "{name}");
        }
        assert_eq!(new.join("d/f").metadata().unwrap().mtime(), 1_000_000);
        assert_eq!(new.join("d/f").metadata().unwrap().nlink(), 2);
        assert!(!new.join("dev/null").exists());
    });
}

pub fn long_names_and_sparse_files_arrive(stage: &Stage) {
    need("tar");
    let name = "directory-with-a-name/".repeat(12) + "file";
    fs::create_dir_all(Path::new("/tmp/from").join(&name).parent().unwrap()).unwrap();
    fs::write(Path::new("/tmp/from").join(&name), "far").unwrap();
    let sparse = fs::File::create("/tmp/from/sparse").unwrap();
    sparse.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", (3 << 20) - 3).unwrap();
    let tar = |options: &[&str]| {
        let mut tar = Command::new("tar");
        tar.args(options).args(["-C", "/tmp/from", "-cf", "/tmp/layer", "."]);
        Output::of(&mut tar).ok();
        let layer = fs::read("/tmp/layer").unwrap();
        let mut image = Image::new(&[Tar::default()]);
        let digest = format!("sha256:{}", archive::sha256(&layer));
        image.config["rootfs"]["diff_ids"][0] = digest.into();
        image.layers = vec![layer];
        unpack(stage, image.docker(), &[])
    };
    for options in [&["--format=gnu", "--sparse"][..], &["--format=gnu"], &["--format=pax"]] {
        tar(options).ok();
        assert_eq!(fs::read_to_string(Path::new("/tmp/new").join(&name)).unwrap(), "far");
        let sparse = fs::read("/tmp/new/sparse").unwrap();
        assert!(sparse.len() == 3 << 20 && sparse.ends_with(b"end"), "{options:?}");
        fs::remove_dir_all("/tmp/new").unwrap();
    }
    // Not as a file of another name, with a map in it.
    tar(&["--format=pax", "--sparse"]).refused(&["sparse", "pax"]);
}

pub fn progress_is_for_a_terminal(stage: &Stage) {
    need("script");
    fs::write("/tmp/archive", Image::new(&[Tar::default().file("f", b"1")]).docker().bytes())
        .unwrap();
    let line = format!("{} unpack /tmp/archive /tmp/new", stage.program.display());
    let mut script = Command::new("script");
    let output = script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("KiB"), "{said:?}");
}
