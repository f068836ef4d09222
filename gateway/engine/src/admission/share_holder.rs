//! Whose share something counts to.

use std::net::{IpAddr, Ipv6Addr};

use prynai_bus::ids::SessionId;

/// Whose share something counts to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// A caller with a name, by subject.
    Principal(String),
    /// An anonymous one with a session.
    Session(SessionId),
    /// An anonymous one without.
    Address(IpAddr),
}

impl Caller {
    /// The caller at an address.
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
