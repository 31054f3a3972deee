//! Where packets go.

use std::fmt;
use std::net::Ipv4Addr;

use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use nix::net::if_::if_indextoname;

/// A route for a part of all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    destination: Ipv4Addr,
    prefix_length: u8,
    /// The devices that packets go to: none, one, or several, which take turns.
    devices: Vec<u32>,
}

impl fmt::Display for Route {
    /// Writes `10.0.0.0/8 is routed to eth0`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = |index| if_indextoname(index).map(|name| name.to_string_lossy().into_owned());
        let names: Vec<_> = self.devices.iter().filter_map(|index| name(*index).ok()).collect();
        let devices = if names.is_empty() { "no device".into() } else { names.join(" and ") };
        write!(f, "{}/{} is routed to {devices}", self.destination, self.prefix_length)
    }
}

impl Route {
    pub(crate) fn of(route: &RouteMessage) -> Option<Route> {
        // The default route has none.
        let destination = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
            _ => None,
        });
        let devices = route.attributes.iter().flat_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => vec![*index],
            RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
            _ => Vec::new(),
        });
        Some(Route {
            destination: destination?,
            prefix_length: route.header.destination_prefix_length,
            devices: devices.collect(),
        })
    }

    /// Whether a route of one's own to the network `address`/`length` would take packets from this one, or get none.
    pub(crate) fn collides_with(&self, address: Ipv4Addr, length: u8) -> bool {
        // A half of all addresses is for everything that has no other way: a VPN's 0.0.0.0/1 and 128.0.0.0/1 are its
        // default route. And a larger network that leads nowhere (a blackhole) has no packets to lose.
        let is_for_the_rest =
            self.prefix_length <= 1 || (self.devices.is_empty() && self.prefix_length < length);
        let mask = u32::MAX << (32 - self.prefix_length.clamp(1, length));
        !is_for_the_rest && (address.to_bits() ^ self.destination.to_bits()) & mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: [u8; 4], prefix_length: u8, devices: &[u32]) -> Route {
        Route { destination: destination.into(), prefix_length, devices: devices.into() }
    }

    fn collides(destination: [u8; 4], prefix_length: u8, devices: &[u32]) -> bool {
        route(destination, prefix_length, devices).collides_with([10, 10, 10, 1].into(), 24)
    }

    #[test]
    fn a_route_to_the_network_or_to_a_part_of_it_or_around_it_collides() {
        assert!(collides([10, 10, 10, 0], 24, &[2]));
        assert!(collides([10, 10, 10, 128], 25, &[2]));
        assert!(collides([10, 10, 10, 9], 32, &[2]));
        assert!(collides([10, 0, 0, 0], 8, &[2]));
        assert!(collides([0, 0, 0, 0], 2, &[2]));
    }

    #[test]
    fn a_route_to_another_network_does_not() {
        assert!(!collides([10, 10, 11, 0], 24, &[2]));
        assert!(!collides([192, 168, 0, 0], 16, &[2]));
    }

    #[test]
    fn a_vpn_s_two_halves_of_all_addresses_are_a_default_route() {
        assert!(!collides([0, 0, 0, 0], 1, &[2]));
        assert!(!collides([128, 0, 0, 0], 1, &[2]));
    }

    #[test]
    fn a_blackhole_collides_only_where_it_takes_the_packets_of_the_network() {
        assert!(!collides([10, 0, 0, 0], 8, &[]));
        assert!(collides([10, 10, 10, 128], 25, &[]));
    }

    #[test]
    fn a_route_that_leads_nowhere_says_so() {
        let nowhere = route([10, 10, 10, 0], 25, &[]);
        assert_eq!(nowhere.to_string(), "10.10.10.0/25 is routed to no device");
    }

    #[test]
    fn a_route_names_each_of_its_devices() {
        // The loopback has this number in every network namespace.
        let twice = route([10, 0, 0, 0], 8, &[1, 1]);
        assert_eq!(twice.to_string(), "10.0.0.0/8 is routed to lo and lo");
    }
}
