//! Whose share of the fleet something counts to.

use std::net::{IpAddr, Ipv6Addr};

use prynai_bus::ids::SessionId;

/// The share of one caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// Of a principal with a name: its subject.
    Principal(String),
    /// Of whoever has this session, where nobody has a name.
    Session(SessionId),
    /// Of whoever is at this address, where nobody has a name.
    Address(IpAddr),
}

impl Share {
    /// The share of whoever is at an address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

/// What an address counts as: whoever has one IPv6 address has its whole /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
