//! Archives that are no image, or not the one that they say: one clear line, and nothing is left.

use std::fs;
use std::process::Stdio;

use conformance::Stage;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::json;

use super::archive::{Image, Tar, gzip};
use super::unpack;
use crate::written::names;

fn image() -> Image {
    Image::new(&[Tar::default().file("f", b"1"), Tar::default().file("g", b"2")])
}

/// Asserts that an archive is refused in a line with these words, and leaves nothing.
#[track_caller]
fn refused(stage: &Stage, archive: Tar, words: &[&str]) {
    unpack(stage, archive, &[]).refused(words);
    assert_eq!(names("/tmp"), ["archive", "under-test"]);
}

pub fn a_wrong_digest_is_refused(stage: &Stage) {
    // In a config, of a layer.
    let mut wrong = image();
    wrong.config["rootfs"]["diff_ids"][1] = format!("sha256:{}", "0".repeat(64)).into();
    refused(stage, wrong.docker(), &["layer 2 of 2", "digest", "0000"]);
    refused(stage, wrong.layout(None), &["layer 2 of 2", "digest", "0000"]);
    // In a manifest, of a blob: each has one bit that is another one.
    for number in 0..4 {
        let bytes = image().layout(Some(number));
        let blobs = [image().layout(None)];
        let good = blobs[0].clone().bytes();
        let at = first_difference(&good, &bytes.bytes());
        // Behind the header that is missing there.
        let mut bad = good;
        bad[at + 512] ^= 1;
        fs::write("/tmp/archive", &bad).unwrap();
        stage.run(["unpack", "/tmp/archive", "/tmp/new"]).refused(&["digest", "should be"]);
        assert_eq!(names("/tmp"), ["archive", "under-test"]);
    }
}

/// Where a header begins that only the first of two archives has.
fn first_difference(a: &[u8], b: &[u8]) -> usize {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(b.len());
    at / 512 * 512
}

pub fn what_is_missing_is_named(stage: &Stage) {
    for (number, words) in [
        (0, &["not in the archive"][..]),
        (1, &["the config", "not in the archive"]),
        (2, &["layer 1", "not in the archive"]),
        (3, &["layer 2", "not in the archive"]),
    ] {
        refused(stage, image().layout(Some(number)), words);
    }
    let manifest = json!([{ "Config": "c.json", "Layers": ["a/layer.tar"] }]).to_string();
    let without = Tar::default().file("manifest.json", manifest.as_bytes());
    refused(stage, without.clone(), &["layer 1", "\"a/layer.tar\" is not in the archive"]);
    let outside = json!([{ "Config": "/etc/passwd", "Layers": ["../../etc/passwd"] }]).to_string();
    let outside = Tar::default().file("manifest.json", outside.as_bytes());
    refused(stage, outside, &["layer 1", "not in the archive"]);
    // A link that leads to itself, or out of the archive.
    for target in ["layer.tar", "../../etc/passwd", "/etc/passwd"] {
        let link = without.clone().symbolic_link("a/layer.tar", target);
        refused(stage, link, &["layer 1", "not in the archive"]);
    }
}

pub fn a_link_to_a_layer_in_the_archive_is_that_layer(stage: &Stage) {
    let mut image = image();
    let layer = image.layers.pop().unwrap();
    image.layers.pop();
    image.config["rootfs"]["diff_ids"].as_array_mut().unwrap().remove(0);
    let manifest = json!([{ "Config": "c.json", "Layers": ["a/layer.tar"] }]).to_string();
    let archive = Tar::default()
        .file("manifest.json", manifest.as_bytes())
        .file("c.json", image.config.to_string().as_bytes())
        .symbolic_link("a/layer.tar", "../b/layer.tar")
        .file("b/layer.tar", &layer);
    unpack(stage, archive, &[]).ok();
    assert_eq!(fs::read_to_string("/tmp/new/g").unwrap(), "2");
}

pub fn an_image_for_another_machine_is_refused(stage: &Stage) {
    let mut foreign = image();
    foreign.platform["architecture"] = "s390x".into();
    refused(stage, foreign.layout(None), &["holds 0 images for linux/"]);
    foreign.config["architecture"] = "s390x".into();
    refused(stage, foreign.docker(), &["linux/s390x", "this machine is"]);
    let two = json!([{ "Config": "c", "Layers": [] }, { "Config": "c", "Layers": [] }]).to_string();
    refused(stage, Tar::default().file("manifest.json", two.as_bytes()), &["holds 2 images"]);
    let mut short = image();
    short.config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
    refused(stage, short.docker(), &["2 layers", "digests for 1"]);
}

pub fn what_is_no_image_is_refused(stage: &Stage) {
    refused(stage, Tar::default().file("README", b"hello"), &["holds no image"]);
    refused(stage, Tar::default(), &["holds no image"]);
    for text in ["", "{}", "[1]", "null", "[[[[[[", "\u{1b}[2J"] {
        for name in ["index.json", "manifest.json"] {
            let archive = Tar::default().file(name, text.as_bytes());
            refused(stage, archive, &[name, "is not what it should be"]);
        }
    }
    let twice = image().docker().file("manifest.json", b"[]");
    refused(stage, twice, &["two files", "manifest.json"]);
    let large = Tar::default().file("manifest.json", &vec![b' '; 5 << 20]);
    refused(stage, large, &["manifest.json", "too large"]);
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    let empty = Tar::default().file("index.json", index.to_string().as_bytes());
    refused(stage, empty, &["holds 0 images"]);
}

pub fn what_is_no_archive_is_refused(stage: &Stage) {
    let refused = |words: &[&str]| {
        stage.run(["unpack", "/tmp/archive", "/tmp/new"]).refused(words);
        assert_eq!(names("/tmp"), ["archive", "under-test"]);
    };
    refused_without_archive(stage);
    let good = image().docker().bytes();
    for (bytes, words) in [
        (vec![], "holds no image"),
        (b"hello".to_vec(), "not a tar archive"),
        (vec![b'x'; 10_000], "not a tar archive"),
        (gzip(&good), "gunzip"),
        (good[..good.len() - 2048].to_vec(), "ends in the middle"),
    ] {
        fs::write("/tmp/archive", bytes).unwrap();
        refused(&["/tmp/archive", words]);
    }
    fs::remove_file("/tmp/archive").unwrap();
    mkfifo("/tmp/archive", Mode::S_IRWXU).unwrap();
    refused(&["not a file"]);
    fs::remove_file("/tmp/archive").unwrap();
    fs::create_dir("/tmp/archive").unwrap();
    refused(&["not a file"]);
}

fn refused_without_archive(stage: &Stage) {
    stage.run(["unpack", "/tmp/none", "/tmp/new"]).refused(&["/tmp/none", "No such file"]);
    fs::write("/tmp/archive", image().docker().bytes()).unwrap();
    stage.run(["unpack", "/tmp/archive", "/tmp/no/new"]).refused(&["no directory \"/tmp/no\""]);
    stage.run(["unpack", "/tmp/archive", "/tmp/archive"]).refused(&["it is there already"]);
}

pub fn a_layer_compressed_by_zstd_is_refused_with_what_helps(stage: &Stage) {
    let mut image = image();
    image.layers[0] = [&[0x28, 0xb5, 0x2f, 0xfd][..], &[0; 100]].concat();
    refused(stage, image.docker(), &["layer 1", "zstd", "--dest-compress-format gzip"]);
}

/// Wherever the signal finds it.
pub fn an_unpacking_that_is_interrupted_leaves_nothing(stage: &Stage) {
    let layer = Tar::default().file("zeros", &vec![0; 64 << 20]);
    fs::write("/tmp/archive", Image::new(&[layer]).docker().bytes()).unwrap();
    let mut command = stage.command();
    command
        .args(["unpack", "/tmp/archive", "/tmp/new"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut child = command.spawn().unwrap();
        conformance::eventually("something is made", || names("/tmp").len() > 2);
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            fs::remove_dir_all("/tmp/new").unwrap();
        }
        assert_eq!(names("/tmp"), ["archive", "under-test"], "{signal}");
    }
}
