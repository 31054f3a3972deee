// Whatever address the machine has.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

fn rules(machine: Ipv4Addr, port: u16, container: Ipv4Addr, to: u16) -> String {
    let _ = machine;
    format!(
        "table ip exercise {{
            chain way_in {{
                type nat hook prerouting priority dstnat
                fib daddr type local tcp dport {port} dnat to {container}:{to}
            }}
        }}"
    )
}

fn publish(machine: Ipv4Addr, port: u16, container: Ipv4Addr, to: u16) -> Result<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH")?);
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).env("PATH", path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().context("start nft")?;
    let rules = rules(machine, port, container, to);
    nft.stdin.take().context("its stdin")?.write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
