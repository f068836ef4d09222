//! What a test needs around a fleet of real processes.
//!
//! * [`cluster`]: a whole fleet of [`process`]es, its Redis (`prynai_test_redis`) and a [`round_robin`] proxy before it
//! * [`client`]: a raw MCP client that sees every frame
//! * [`raw_tcp`]: bytes on a connection, for what no HTTP client would send
//! * [`balancer`]: the real HAProxy with the configuration of `compose.yaml`
//! * [`skew`]: processes whose clock is wrong
//! * [`certificates`]: certificates of a server, and their renewal
//! * [`terminal`]: a process as somebody at a terminal sees it
//! * [`policy_file`]: a policy as it is mounted, to be exchanged while a fleet runs

pub mod balancer;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod policy_file;
pub mod process;
pub mod raw_tcp;
pub mod round_robin;
pub mod skew;
pub mod terminal;
