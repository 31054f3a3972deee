//! A program that reaches for an address, or prints its own, in a container: ping(8) and ip(8) are not on every machine.

use std::env;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use testbed::network;

use crate::Stage;
use crate::stage::install_this;

/// The name that the program knows itself by.
pub(super) const PROGRAM: &str = "reach";

/// A command for the container's shell that prints its address, as in `10.10.10.2/24`.
pub const OWN_ADDRESS: &str = "reach";

/// Puts the program into the stage's root directory, which is made if it is missing.
#[track_caller]
pub fn install(stage: &Stage) {
    install_this(stage, PROGRAM);
}

/// Returns a command for the container's shell that succeeds when `address` answers within so many seconds.
pub fn command(address: &str, seconds: u64) -> String {
    format!("{PROGRAM} {address} {seconds}")
}

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    let words: Vec<_> = env::args().skip(1).collect();
    match &words[..] {
        [] => own_addresses()?.iter().for_each(|address| println!("{address}")),
        [address, seconds] => {
            let address = address.parse().context("read the address")?;
            let patience = Duration::from_secs(seconds.parse().context("read the seconds")?);
            let answer = network::call_within(address, patience);
            if answer != network::ANSWER {
                bail!("{address}: {answer}");
            }
        }
        _ => bail!("usage: {PROGRAM} [ADDRESS SECONDS]"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the addresses of all devices but the loopback.
fn own_addresses() -> Result<Vec<String>> {
    let all = getifaddrs().context("getifaddrs")?;
    let of_others = all.filter(|device| device.interface_name != "lo");
    let ipv4 = |address: Option<nix::sys::socket::SockaddrStorage>| -> Option<Ipv4Addr> {
        Some(address?.as_sockaddr_in()?.ip())
    };
    let addresses = of_others.filter_map(|device| {
        let length = ipv4(device.netmask)?.to_bits().count_ones();
        Some(format!("{}/{length}", ipv4(device.address)?))
    });
    Ok(addresses.collect())
}
