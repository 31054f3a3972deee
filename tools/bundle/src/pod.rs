//! A container in Kubernetes' words: a Pod.

use anyhow::{Context, Result, ensure};
use serde_json::to_string;

use crate::container::{Container, ENVIRONMENT};
use crate::image;
use crate::options::{PidsMax, Stage};

/// Returns a Pod that asks for the stage's container, with comments on what it asks for, and what it can't.
///
/// # Errors
///
/// Kubernetes has no such Pod: one with user ids of its own can't share the node's network or IPC namespace, and a
/// hostname has to be a label of RFC 1123.
pub fn pod(container: &Container) -> Result<String> {
    ensure_can_be_told(container)?;
    let hostname = quoted(&container.hostname)?;
    let image = quoted(image::NAME)?;
    let shell = list(&container.shell)?;
    let environment = environment()?;
    let limit = limit(container);
    let (stage, terminal) = (container.stage, container.interactive);
    Ok(format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  # The container of {stage}. On a node that has its image (`cargo bundle --image`):
  #     kubectl apply -f pod.yaml && kubectl attach -it {NAME}
  name: {NAME}
spec:
  # 02: a UTS namespace. The kubelet has the hostname set in it.
  hostname: {hostname}
  # 03: a PID namespace. Each container of a Pod has its own, and its first program is process 1.
  shareProcessNamespace: false
  # 05: a user namespace (Kubernetes 1.33 and newer, Linux 6.3 and newer). The kubelet chooses the
  # ids, 65536 for each Pod; a stage has one.
  hostUsers: false
  # 06: a network namespace. All containers of a Pod share it: their sandbox, which is made first,
  # holds it. A plugin (CNI) lays the cable to it.
  hostNetwork: false
  # 07: an IPC namespace, which the whole Pod shares as well.
  hostIPC: false
{limit}
  restartPolicy: Never
  # No stage puts anything of a cluster into its container.
  automountServiceAccountToken: false
  enableServiceLinks: false
  containers:
  - name: shell
    image: {image}
    imagePullPolicy: Never
    command: {shell}
    env:
{environment}
    stdin: true
    tty: {terminal}
    # /proc and /dev are there without a word. So is more than a stage has: /sys, and covers over
    # parts of /proc.
    volumeMounts:
    - name: temp
      mountPath: /temp
    # Not asked for: all capabilities. A stage keeps them, an engine leaves some 14.
  volumes:
  # 04: a tmpfs.
  - name: temp
    emptyDir:
      medium: Memory
      sizeLimit: 64Mi
"
    ))
}

/// The Pod's name.
const NAME: &str = "nshost";

fn ensure_can_be_told(container: &Container) -> Result<()> {
    let stage = container.stage;
    ensure!(
        stage >= Stage::IPC,
        "--pod: {stage} shares namespaces of the host that no Pod with a hostname and user ids of its own can share \
         (hostNetwork, hostIPC); 07 and 08 share none"
    );
    let hostname = &container.hostname;
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        hostname.len() < 64
            && hostname.chars().all(is_label)
            && !hostname.starts_with('-')
            && !hostname.ends_with('-'),
        "--nshostname {hostname:?}: a Pod's has at most 63 of the characters a-z, 0-9 and -, and neither begins nor \
         ends with -"
    );
    Ok(())
}

/// The limit of processes, which a Pod has no word for.
fn limit(container: &Container) -> String {
    let Some(pids_max) = container.pids_max else {
        return "  # No limit of processes: the kubelet has one for every Pod (podPidsLimit)."
            .into();
    };
    let (said, set) = match pids_max {
        PidsMax::Number(limit) => (format!("at most {limit} processes"), limit),
        PidsMax::Max => ("no limit of processes".into(), -1),
    };
    format!(
        "  # 08: {said}. No Pod can say that; the kubelet's configuration can, for all Pods\n  \
         # of the node:\n  \
         #     podPidsLimit: {set}\n  \
         # The cgroup namespace comes from the engine: with cgroup v2 each container has one."
    )
}

fn environment() -> Result<String> {
    let mut entries = Vec::new();
    for (name, value) in ENVIRONMENT.iter().filter_map(|entry| entry.split_once('=')) {
        entries.push(format!("    - name: {}\n      value: {}", quoted(name)?, quoted(value)?));
    }
    Ok(entries.join("\n"))
}

fn list(words: &[String]) -> Result<String> {
    let words: Vec<_> =
        words.iter().map(|word| quoted(&without_variables(word))).collect::<Result<_>>()?;
    Ok(format!("[{}]", words.join(", ")))
}

/// Quotes a text as JSON does, which is YAML as well.
fn quoted(text: &str) -> Result<String> {
    let quoted = to_string(text).context("quote for YAML")?;
    // JSON lets these stand as they are, and YAML takes some of them for the end of a line.
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let escaped = |c: char| match is_break(c) {
        true => format!("\\u{:04x}", c as u32),
        false => c.into(),
    };
    Ok(quoted.chars().map(escaped).collect())
}

/// Doubles each `$` that Kubernetes would read otherwise: before another one, and before the name of a variable in
/// parentheses. Other parentheses, such as those of a command, it leaves alone.
fn without_variables(word: &str) -> String {
    let mut text = String::new();
    for (at, c) in word.char_indices() {
        let rest = &word[at + c.len_utf8()..];
        text.push(c);
        text.extend((c == '$' && (rest.starts_with('$') || is_variable(rest))).then_some(c));
    }
    text
}

/// Whether a text begins with the name of a variable in parentheses. All that a Pod has are in capitals.
fn is_variable(text: &str) -> bool {
    let inside = text.strip_prefix('(').and_then(|text| text.split_once(')'));
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    inside.is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_of_name))
}
