//! Settings of the administration listener.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use prynai_console::About;
use prynai_process::metrics::metrics;
use prynai_process::secret::{Secret, check_keys};
use prynai_process::settings::listen_address;

use crate::listener::{Admin, Opening};

/// Where the console is if nobody says where, on a machine on which that is safe.
const BY_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// Where operators and their tools read what the process says of itself.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminSettings {
    /// Address to serve metrics for Prometheus and the console for operators on, as host:port, such as
    /// 127.0.0.1:9464; port 0 takes a free one, and "off" none. It is plain HTTP and never the port of clients. Beyond
    /// this machine it needs --admin-token. Off unless it is set, since a fixed port would keep a second process of
    /// this machine from starting (docs/metrics.md); but prynai-mcp has it on this machine while whoever reaches its
    /// own port may call anyway: with --auth none, on a loopback address, without --redis-url (docs/operations.md).
    #[arg(
        long,
        env = "PRYNAI_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_parser = admin_listen
    )]
    pub admin_listen: Option<AdminListen>,

    /// Token that readers of --admin-listen must send as Authorization: Bearer, or in a browser as the password under
    /// any name; 32 characters or more. Without it whoever reaches the address may read.
    #[arg(
        long,
        env = "PRYNAI_ADMIN_TOKEN",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub admin_token: Option<Secret>,

    /// Lets those who have --admin-token cancel calls, run dead letters again or drop them, and drain workers with the
    /// console. Without it the console only shows.
    #[arg(long, env = "PRYNAI_ADMIN_WRITE")]
    pub admin_write: bool,
}

/// Where the administration listener is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminListen {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

impl AdminSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        check_keys("--admin-token", self.admin_token.as_slice())?;
        if self.admin_write && self.admin_token.is_none() {
            return Err(
                "--admin-write lets whoever reads the console change things: give --admin-token as well"
                    .to_owned(),
            );
        }
        match self.address() {
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

    /// Where it is to listen, if anywhere.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.admin_listen {
            Some(AdminListen::At(address)) => Some(address),
            Some(AdminListen::Off) | None => None,
        }
    }

    /// Listens, if an address is set, until what it returns is dropped. `program` and `version` are this process's.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound or there is no thread, in words for the operator.
    pub fn start(&self, program: &str, version: &str) -> io::Result<Option<Admin>> {
        metrics().program(program, version);
        let Some(address) = self.address() else {
            return Ok(None);
        };
        let admin = Admin::start(address, self.opening(program, version)).map_err(|error| {
            let reason = format!(
                "cannot listen on {address}: {error}. Choose another address with --admin-listen"
            );
            io::Error::new(error.kind(), reason)
        })?;
        Ok(Some(admin))
    }

    /// As [`AdminSettings::start`]; but without an address it listens on one of this machine, for everybody there, if
    /// `is_safe` says that it may. Nobody asked for that, so nothing fails if there is none.
    ///
    /// # Errors
    ///
    /// As [`AdminSettings::start`].
    pub fn start_by_default(
        &self,
        program: &str,
        version: &str,
        is_safe: bool,
    ) -> io::Result<Option<Admin>> {
        if self.admin_listen.is_some() || !is_safe {
            return self.start(program, version);
        }
        metrics().program(program, version);
        Ok(self.somewhere_here(program, version))
    }

    /// Listens on the usual address of this machine, or on any that is free.
    fn somewhere_here(&self, program: &str, version: &str) -> Option<Admin> {
        let any_port = SocketAddr::new(BY_DEFAULT.ip(), 0);
        let mut addresses = [BY_DEFAULT, any_port].into_iter();
        addresses.find_map(|address| Admin::start(address, self.opening(program, version)).ok())
    }

    fn opening(&self, program: &str, version: &str) -> Opening {
        Opening {
            token: self.admin_token.clone(),
            write: self.admin_write,
            about: About {
                program: program.to_owned(),
                version: version.to_owned(),
            },
        }
    }
}

fn admin_listen(text: &str) -> Result<AdminListen, String> {
    match text {
        "off" => Ok(AdminListen::Off),
        address => listen_address(address).map(AdminListen::At),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: Option<&str>, token: Option<&str>) -> AdminSettings {
        AdminSettings {
            admin_listen: listen.map(|text| admin_listen(text).expect("is an address")),
            admin_token: token.map(|token| Secret::from(token.to_owned())),
            admin_write: false,
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
            settings(Some("off"), None),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for bad in [
            settings(Some("0.0.0.0:9464"), None),
            settings(Some("[::]:9464"), None),
            settings(Some("192.0.2.1:9464"), None),
            settings(Some("127.0.0.1:9464"), Some("short")),
            settings(None, token),
            settings(Some("off"), token),
        ] {
            let reason = bad.check().expect_err("is refused");
            assert!(reason.contains("--admin-"), "{reason}");
        }
    }

    #[test]
    fn nothing_is_changed_without_a_token() {
        let long = "x".repeat(32);
        let write = |token| AdminSettings {
            admin_write: true,
            ..settings(Some("127.0.0.1:0"), token)
        };
        assert_eq!(write(Some(long.as_str())).check(), Ok(()));
        let reason = write(None).check().expect_err("is refused");
        assert!(reason.contains("--admin-token"), "{reason}");
        let nowhere = AdminSettings {
            admin_listen: None,
            ..write(Some(long.as_str()))
        };
        let reason = nowhere.check().expect_err("is refused");
        assert!(reason.contains("--admin-listen"), "{reason}");
    }

    #[tokio::test]
    async fn by_default_there_is_a_free_address_of_this_machine() {
        let unset = settings(None, None);
        let start = || unset.somewhere_here("test", "0");
        let (first, second) = (start(), start());
        let [first, second] = [first, second].map(|admin| admin.expect("listens").address());
        assert!(first.ip().is_loopback() && second.ip().is_loopback());
        assert_ne!(first, second);
    }
}
