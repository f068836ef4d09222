//! Settings of the administration listener.

use std::io;
use std::net::SocketAddr;

use clap::Args;
use prynai_process::metrics::metrics;
use prynai_process::secret::{Secret, check_keys};
use prynai_process::settings::listen_address;

use crate::listener::Admin;

/// Where operators and their tools read what the process says of itself.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminSettings {
    /// Address to serve metrics on for Prometheus, as host:port, such as 127.0.0.1:9464; port 0 takes a free one. It
    /// is plain HTTP and never the port of clients. Beyond this machine it needs --admin-token. Off unless it is set,
    /// since a fixed port would keep a second process of this machine from starting (docs/metrics.md).
    #[arg(
        long,
        env = "PRYNAI_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_parser = listen_address
    )]
    pub admin_listen: Option<SocketAddr>,

    /// Token that readers of --admin-listen must send as Authorization: Bearer, 32 characters or more. Without it
    /// whoever reaches the address may read.
    #[arg(
        long,
        env = "PRYNAI_ADMIN_TOKEN",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub admin_token: Option<Secret>,
}

impl AdminSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        check_keys("--admin-token", self.admin_token.as_slice())?;
        match self.admin_listen {
            Some(address) if !address.ip().is_loopback() && self.admin_token.is_none() => {
                Err(format!(
                    "--admin-listen {address} can be reached from other machines; give --admin-token, or an address of \
                     this machine such as 127.0.0.1:{}",
                    address.port()
                ))
            }
            None if self.admin_token.is_some() => {
                Err("--admin-token is for --admin-listen, which is missing".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Listens, if an address is set, until what it returns is dropped. `program` and `version` are this process's.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound or there is no thread, in words for the operator.
    pub fn start(&self, program: &str, version: &str) -> io::Result<Option<Admin>> {
        metrics().program(program, version);
        let Some(address) = self.admin_listen else {
            return Ok(None);
        };
        let token = self.admin_token.as_ref();
        let admin = Admin::start(address, token).map_err(|error| {
            let reason = format!(
                "cannot listen on {address}: {error}. Choose another address with --admin-listen"
            );
            io::Error::new(error.kind(), reason)
        })?;
        Ok(Some(admin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: Option<&str>, token: Option<&str>) -> AdminSettings {
        AdminSettings {
            admin_listen: listen.map(|address| address.parse().expect("is an address")),
            admin_token: token.map(|token| Secret::from(token.to_owned())),
        }
    }

    #[test]
    fn beyond_this_machine_a_token_is_needed() {
        let long = "x".repeat(32);
        let token = Some(long.as_str());
        for good in [
            settings(None, None),
            settings(Some("127.0.0.1:9464"), None),
            settings(Some("[::1]:9464"), None),
            settings(Some("127.0.0.1:9464"), token),
            settings(Some("0.0.0.0:9464"), token),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for bad in [
            settings(Some("0.0.0.0:9464"), None),
            settings(Some("[::]:9464"), None),
            settings(Some("192.0.2.1:9464"), None),
            settings(Some("127.0.0.1:9464"), Some("short")),
            settings(None, token),
        ] {
            let reason = bad.check().expect_err("is refused");
            assert!(reason.contains("--admin-"), "{reason}");
        }
    }
}
