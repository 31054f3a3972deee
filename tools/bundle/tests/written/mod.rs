//! What is written, and what is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use conformance::{Output, Stage, need};
use yaml_rust2::{Yaml, YamlLoader};

pub fn twice_the_same_command_gives_the_same_bytes(stage: &Stage) {
    for (options, file) in
        [(&[][..], "config.json"), (&["--image"], ""), (&["--format", "docker", "--image"], "")]
    {
        let written = ["/tmp/first", "/tmp/second"].map(|place| {
            let output = stage.run([options, &[place]].concat());
            assert_eq!(output.code, 0, "{output:#?}");
            fs::read(Path::new(place).join(file)).or_else(|_| fs::read(place)).unwrap()
        });
        assert!(written[0] == written[1] && !written[0].is_empty(), "{options:?}");
        for place in ["/tmp/first", "/tmp/second"] {
            fs::remove_dir_all(place).or_else(|_| fs::remove_file(place)).unwrap();
        }
    }
}

pub fn what_is_there_stays_as_it_is(stage: &Stage) {
    fs::create_dir("/tmp/directory").unwrap();
    fs::write("/tmp/file", "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", "/tmp/link").unwrap();
    let names = names("/tmp");
    for place in ["/tmp/directory", "/tmp/file", "/tmp/link"] {
        stage.run([place]).refused(&[place, "there already"]);
        stage.run(["--image", place]).refused(&[place, "there already"]);
    }
    stage.run(["/tmp/no/b"]).refused(&["no directory \"/tmp/no\""]);
    stage.run(["/tmp/a\nb/b"]).refused(&["/tmp/a\\nb"]);
    assert_eq!(fs::read_to_string("/tmp/file").unwrap(), "mine");
    assert_eq!(self::names("/tmp"), [names, vec!["busybox".into()]].concat().sorted());
}

/// What has an order.
trait Sorted {
    fn sorted(self) -> Self;
}

impl Sorted for Vec<String> {
    fn sorted(mut self) -> Self {
        self.sort();
        self
    }
}

pub fn an_option_that_cannot_be_told_is_refused(stage: &Stage) {
    for (options, words) in [
        (&["--stage", "05", "--pids-max", "3"][..], &["--pids-max", "05-user"][..]),
        (&["--stage", "05", "--address", "10.10.10.9"], &["--address", "no such option"]),
        (&["--address", "10.10.10.9"], &["--address", "network plugin"]),
        (&["--netsetgo", "/bin/true"], &["--netsetgo", "network plugin"]),
        (&["--nshostname", ""], &["--nshostname", "1 to 64 bytes"]),
        (&["--nshostname", &"x".repeat(65)], &["--nshostname", "1 to 64 bytes"]),
    ] {
        stage.run([&["/tmp/b"], options].concat()).refused(words);
    }
    for options in [
        &[][..],
        &["/tmp/b", "--pod"],
        &["/tmp/b", "--stage", "02"],
        &["/tmp/b", "--stage", "09"],
        &["/tmp/b", "--pids-max", "0"],
        &["/tmp/b", "--pids-max", "-3"],
        &["/tmp/b", "--format", "docker"],
        &["--image", "/tmp/b", "--format", "zip"],
    ] {
        let output = stage.run(options);
        assert!(output.code == 2 && output.stdout.is_empty(), "{options:?}: {output:#?}");
    }
    assert_eq!(names("/tmp"), ["under-test"]);
}

pub fn a_root_directory_that_a_stage_refuses_is_refused(stage: &Stage) {
    fs::create_dir_all("/tmp/root/proc").unwrap();
    for target in [&["/tmp/b"][..], &["--image", "/tmp/b"], &["--pod"]] {
        stage.run([target, &["--rootfs", "/tmp/root"]].concat()).refused(&["/tmp/root", "mkdir"]);
        stage.run([target, &["--rootfs", "/tmp/none"]].concat()).refused(&["/tmp/none"]);
    }
    assert_eq!(names("/tmp"), ["root", "under-test"]);
}

pub fn the_default_root_directory_is_made(stage: &Stage) {
    stage.run(["/tmp/b"]).ok();
    let config = fs::read_to_string("/tmp/b/config.json").unwrap();
    assert!(config.contains("\"/tmp/busybox\"") && Path::new("/tmp/busybox/bin/sh").exists());
}

pub fn a_pod_asks_for_what_the_stage_makes(stage: &Stage) {
    let script =
        "echo $$ \"$(id)\" $HOME $$$(id) $(HOME) $$(PATH) $ \u{85}\u{2028} # no: comment\n- 'x'";
    let text = stage.run(["--pod", "--nshostname", "a-host", "-c", script]).ok();
    let pods = YamlLoader::load_from_str(&text).unwrap();
    let [pod] = &pods[..] else { panic!("not one document: {text}") };
    let spec = &pod["spec"];
    assert_eq!(pod["kind"].as_str(), Some("Pod"));
    assert_eq!(spec["hostname"].as_str(), Some("a-host"));
    for of_the_host in ["hostUsers", "hostNetwork", "hostIPC"] {
        assert_eq!(spec[of_the_host].as_bool(), Some(false), "{of_the_host}");
    }
    let shell = &spec["containers"][0];
    let command: Vec<_> = shell["command"].clone().into_iter().map(expanded).collect();
    assert_eq!(command, ["/bin/sh", "-c", script]);
    assert_eq!(shell["volumeMounts"][0]["mountPath"].as_str(), Some("/temp"));
    assert_eq!(spec["volumes"][0]["emptyDir"]["medium"].as_str(), Some("Memory"));
    assert_eq!(shell["tty"].as_bool(), Some(false));
    assert!(text.contains("podPidsLimit: 20"), "{text}");
}

/// What Kubernetes makes of a word: `$$` is a dollar sign, and a variable in parentheses is its value, if there is one.
fn expanded(word: Yaml) -> String {
    let mut text = String::new();
    let mut rest = word.as_str().expect("a text");
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        text.push('$');
        rest = after.strip_prefix('$').unwrap_or(after);
        let is_reference = rest.len() == after.len();
        let known = ["(HOME)", "(PATH)"].iter().any(|known| rest.starts_with(known));
        assert!(!(is_reference && known), "a variable at {rest:?}");
    }
    text + rest
}

pub fn a_pod_that_kubernetes_would_not_have_is_refused(stage: &Stage) {
    for number in ["03", "04", "05", "06"] {
        stage.run(["--pod", "--stage", number]).refused(&[number, "hostNetwork", "07 and 08"]);
    }
    for name in ["UPPER", "a_b", "-a", "a-", "a.b"] {
        stage.run(["--pod", &format!("--nshostname={name}")]).refused(&["--nshostname", name]);
    }
}

pub fn an_image_has_the_root_directory_and_a_lesson(stage: &Stage) {
    stage.run(["--image", "/tmp/i.tar", "-c", "true"]).code.eq(&0).then_some(()).unwrap();
    let listed = Command::new("tar").args(["-tf", "/tmp/i.tar"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().filter(|name| name.starts_with("blobs/sha256/")).count(), 4);
}

pub fn skopeo_takes_the_image_for_one(stage: &Stage) {
    need("skopeo");
    stage.run(["--image", "/tmp/oci.tar"]);
    stage.run(["--image", "/tmp/docker.tar", "--format", "docker"]);
    for (archive, copy) in
        [("oci-archive:/tmp/oci.tar", "/tmp/1"), ("docker-archive:/tmp/docker.tar", "/tmp/2")]
    {
        let mut skopeo = Command::new("skopeo");
        skopeo.args([
            "--tmpdir",
            "/tmp",
            "copy",
            "--quiet",
            "--insecure-policy",
            archive,
            &format!("oci:{copy}:latest"),
        ]);
        Output::of(skopeo.env("HOME", "/tmp")).ok();
    }
}

/// The names in a directory, in order.
pub fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect::<Vec<_>>().sorted()
}
