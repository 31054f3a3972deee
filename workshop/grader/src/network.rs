//! Networks to play with, and containers that are joined to them.

use std::net::Ipv4Addr;

use anyhow::Result;
pub use testbed::network::*;

use crate::exercise::{Container, Host};

/// Sets a device of a container's up, and gives it an address. Where that fails, the test does.
#[track_caller]
pub fn join<T>(host: &Host, container: &Container<T>, name: &str, address: Ipv4Addr) {
    change(host, container, |network| network.configure(name, address));
}

/// Sends what a container has for the network of `destination` to a gateway. Where that fails, the test does.
#[track_caller]
pub fn route<T>(host: &Host, container: &Container<T>, destination: Ipv4Addr, gateway: Ipv4Addr) {
    change(host, container, |network| network.add_route(destination, gateway));
}

#[track_caller]
fn change<T>(host: &Host, container: &Container<T>, change: impl Fn(&Network) -> Result<()>) {
    let changed = host.inside(container, || {
        let changed = Network::open().and_then(|network| change(&network));
        changed.map_err(|error| format!("{error:#}"))
    });
    changed.unwrap_or_else(|error| host.fail(&format!("In the container's network: {error}")));
}
