// refused with: a port that is closed

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What nft(8) reads. The containers are 10.10.10.0/24, and on this machine all of them are behind `brg0`.
const RULES: &str = r#"
table ip exercise {
    chain way_out {
        type nat hook postrouting priority srcnat
        ip saddr 10.10.10.0/24 oifname != "brg0" masquerade
    }
    chain no_more {
        type filter hook forward priority 0
        ip protocol icmp drop
    }
}
"#;

/// Lets nft(8) read the rules. An ordinary user's `PATH` may lack /usr/sbin.
fn masquerade() -> Result<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH")?);
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).env("PATH", path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().context("start nft")?;
    nft.stdin.take().context("its stdin")?.write_all(RULES.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
