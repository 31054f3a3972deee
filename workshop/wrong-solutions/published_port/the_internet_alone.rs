// refused with: connections from the Internet to port 8053 of the container

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What nft(8) reads: who calls a port of this machine, which is `machine`, gets to a port of the container's.
fn rules(machine: Ipv4Addr, port: u16, container: Ipv4Addr, to: u16) -> String {
    format!(
        "table ip exercise {{
            chain way_in {{
                type nat hook prerouting priority dstnat
                ip saddr 198.51.100.1 ip daddr {machine} tcp dport {port} dnat to {container}:{to}
            }}
        }}"
    )
}

/// Lets nft(8) read the rules. An ordinary user's `PATH` may lack /usr/sbin.
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
