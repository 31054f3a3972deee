//! Layers that want out, or too much: one clear line, and nothing is left.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use conformance::Stage;
use tar::{EntryType, Header};

use super::archive::{Image, Tar, header};
use super::unpack;
use crate::written::names;

/// Asserts that an image of these layers is refused in a line with these words, and leaves nothing, and that nothing outside
/// has changed.
#[track_caller]
fn refused(stage: &Stage, layers: &[Tar], options: &[&str], words: &[&str]) {
    let _ = fs::create_dir("/tmp/outside");
    fs::write("/tmp/outside/file", "mine").unwrap();
    fs::set_permissions("/tmp/outside", fs::Permissions::from_mode(0o751)).unwrap();
    let before = names("/tmp");
    for image in [Image::new(layers), Image::new(layers).gzipped()] {
        for archive in [image.docker(), image.layout(None)] {
            let line = unpack(stage, archive, options).refused(words);
            assert!(line.len() < 1000, "{line}");
            fs::remove_file("/tmp/archive").unwrap();
            assert_eq!(names("/tmp"), before);
        }
    }
    assert_eq!(names("/tmp/outside"), ["file"]);
    assert_eq!(fs::read_to_string("/tmp/outside/file").unwrap(), "mine");
    let outside = Path::new("/tmp/outside").metadata().unwrap();
    assert_eq!(outside.permissions().mode() & 0o777, 0o751);
    assert_eq!(Path::new("/tmp/outside/file").metadata().unwrap().nlink(), 1);
}

pub fn a_path_that_leads_out_is_refused(stage: &Stage) {
    for name in ["../outside/new", "a/../../outside/new", "..", "a/..", "./../outside/file"] {
        refused(stage, &[Tar::default().file(name, b"evil")], &[], &["..", "leads out"]);
        refused(stage, &[Tar::default().directory(name)], &[], &["..", "leads out"]);
    }
    for name in ["/tmp/outside/new", "//tmp/outside/new", "/"] {
        refused(stage, &[Tar::default().file(name, b"evil")], &[], &["absolute"]);
    }
    for name in ["../outside/.wh.file", "../.wh.outside", "../outside/.wh..wh..opq"] {
        refused(stage, &[Tar::default().file(name, b"")], &[], &["leads out"]);
    }
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", ".wh.a/b"] {
        refused(stage, &[Tar::default().file(name, b"")], &[], &["a whiteout of nothing"]);
    }
}

pub fn nothing_is_written_through_a_link(stage: &Stage) {
    for target in ["/tmp/outside", "../outside", "..", "/"] {
        let link = Tar::default().symbolic_link("out", target);
        let new = ["out/new", "out/outside/new", "out/tmp/outside/new"];
        for name in new {
            let words = &["\"out\"", "through a link"];
            // In one layer, or by a layer above.
            refused(stage, &[link.clone().file(name, b"evil")], &[], words);
            refused(stage, &[link.clone(), Tar::default().file(name, b"evil")], &[], words);
            refused(stage, &[link.clone(), Tar::default().directory(name)], &[], words);
        }
        for name in ["out/.wh.file", "out/.wh..wh..opq", "out/outside/.wh.file"] {
            refused(stage, &[link.clone(), Tar::default().file(name, b"")], &[], &["link"]);
        }
    }
    let of_a_mount_point = Tar::default().symbolic_link("proc", "/tmp/outside");
    refused(stage, &[of_a_mount_point], &[], &["proc", "no stage can mount on it"]);
}

pub fn a_directory_in_the_place_of_a_link_replaces_the_link(stage: &Stage) {
    fs::create_dir("/tmp/outside").unwrap();
    fs::set_permissions("/tmp/outside", fs::Permissions::from_mode(0o700)).unwrap();
    let link = Tar::default().symbolic_link("out", "/tmp/outside");
    let image = Image::new(&[link, Tar::default().directory("out").file("out/new", b"in")]);
    unpack(stage, image.docker(), &[]).ok();
    assert!(Path::new("/tmp/new/out").symlink_metadata().unwrap().is_dir());
    assert_eq!(fs::read_dir("/tmp/outside").unwrap().count(), 0);
    assert_eq!(Path::new("/tmp/outside").metadata().unwrap().mode() & 0o777, 0o700);
}

pub fn a_hard_link_to_what_is_outside_is_refused(stage: &Stage) {
    let file = Tar::default;
    refused(stage, &[file().hard_link("h", "/tmp/outside/file")], &[], &["absolute"]);
    refused(stage, &[file().hard_link("h", "../outside/file")], &[], &["leads out"]);
    let link = file().symbolic_link("out", "/tmp/outside");
    refused(stage, &[link.clone().hard_link("h", "out/file")], &[], &["through a link"]);
    refused(stage, &[file().hard_link("h", "none")], &[], &["a hard link to \"none\"", "ENOENT"]);
    refused(stage, &[file().directory("d").hard_link("h", "d")], &[], &["a hard link to \"d\""]);
    refused(stage, &[file().hard_link("h", ".")], &[], &["a hard link"]);
    refused(stage, &[file().hard_link("h", "h")], &[], &["a hard link to \"h\""]);
    // Of a link it is a second name; then what is written takes its place.
    let of_a_link =
        file().symbolic_link("s", "/tmp/outside/file").hard_link("h", "s").file("h", b"evil");
    unpack(stage, Image::new(&[of_a_link]).docker(), &[]).ok();
    assert_eq!(fs::read_to_string("/tmp/outside/file").unwrap(), "mine");
    assert_eq!(fs::read_to_string("/tmp/new/h").unwrap(), "evil");
}

pub fn a_device_is_refused(stage: &Stage) {
    for kind in [EntryType::Char, EntryType::Block] {
        for name in ["sda", "etc/dev/sda", "dev", "x/../dev/sda"] {
            let layer = Tar::default().entry(kind, name, "", b"");
            refused(stage, &[layer], &[], &["leads out"]);
        }
    }
    refused(stage, &[Tar::default().entry(EntryType::new(b'V'), "v", "", b"")], &[], &["'V'"]);
}

pub fn more_than_the_limit_is_refused_before_it_is_written(stage: &Stage) {
    let limit = ["--limit", "1"];
    let two = vec![0; 2 << 20];
    refused(stage, &[Tar::default().file("zeros", &two)], &limit, &["more than 1 MiB", "--limit"]);
    // In several layers.
    let half = Tar::default().file("zeros", &two[..600 << 10]);
    refused(stage, &[half.clone(), half], &limit, &["layer 2 of 2", "more than 1 MiB"]);
    // A size that nothing is behind.
    for size in [1 << 40, (1 << 62) + 1] {
        let layer = Tar::default().header(header(EntryType::Regular, "f", "", size));
        refused(stage, &[layer], &[], &["more than 4096 MiB"]);
    }
    // A sparse file with a hole of a terabyte.
    let mut sparse = header(EntryType::GNUSparse, "hole", "", 0);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.realsize = *b"00000000000\0";
    gnu.realsize[0] = 0x80;
    gnu.realsize[4..].copy_from_slice(&(1u64 << 40).to_be_bytes());
    gnu.sparse[0].offset = gnu.realsize;
    gnu.sparse[0].numbytes = *b"00000000000\0";
    refused(stage, &[Tar::default().header(sparse)], &[], &["more than 4096 MiB"]);
    let mut many = Tar::default();
    for number in 0..200 {
        many = many.directory(&format!("d{number}"));
    }
    refused(stage, &[many], &limit, &["more than 128 entries"]);
}

pub fn names_and_headers_without_end_are_refused(stage: &Stage) {
    // Names and headers of any length come in entries of their own.
    let long = |kind: u8, data: &[u8]| {
        Tar::default().entry(EntryType::new(kind), "././@LongLink", "", data).file("x", b"")
    };
    refused(stage, &[long(b'L', &vec![b'a'; 2 << 20])], &[], &["header of more than 1 MiB"]);
    refused(stage, &[long(b'K', &vec![b'a'; 2 << 20])], &[], &["header of more than 1 MiB"]);
    let pax = format!("{} path={}\n", (2 << 20) + 14, "a".repeat(2 << 20));
    refused(stage, &[long(b'x', pax.as_bytes())], &[], &["header of more than 1 MiB"]);
    refused(
        stage,
        &[long(b'L', "d/".repeat(1000).as_bytes())],
        &[],
        &["1000 directories", "too deep"],
    );
    refused(stage, &[long(b'L', "a".repeat(5000).as_bytes())], &[], &["5000 bytes", "too long"]);
    refused(stage, &[long(b'L', "a".repeat(300).as_bytes())], &[], &["ENAMETOOLONG"]);
    // What is said of a name is one line, which a terminal shows as it is.
    let layer = Tar::default().file("../\u{1b}[2Ja\nb", b"");
    refused(stage, &[layer], &[], &["\\u{1b}[2Ja\\nb"]);
}

pub fn a_layer_that_is_none_is_refused(stage: &Stage) {
    let garbage = Tar::default().data(&[b'x'; 3000]);
    refused(stage, &[garbage], &[], &["layer 1 of 1", "not a tar archive"]);
    let mut wrong = Header::new_gnu();
    wrong.as_mut_bytes()[0] = b'x';
    let good = Tar::default().file("good", b"1");
    refused(stage, &[good.clone(), good.header(wrong).data(&[7; 9])], &[], &["layer 2 of 2"]);
}
