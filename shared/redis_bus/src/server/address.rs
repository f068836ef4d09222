//! Where Redis is: one address, or the Sentinels that know which server is the master.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, parse_redis_url};

/// Says what is wrong with a URL without repeating it.
pub(crate) const INVALID_URL: &str = "not a Redis URL; write redis://[user:password@]host:port[/database], \
     rediss:// for TLS, or redis+sentinel://[user:password@]host:port,host:port/master for Sentinels; in a password \
     write # as %23, / as %2F, @ as %40";

/// Sentinels that one URL may name.
const MOST_SENTINELS: usize = 16;

const SENTINEL_PORT: &str = ":26379";

/// Where Redis is.
#[derive(Clone)]
pub(crate) enum Address {
    /// A server, or what stands in front of it.
    Server(ConnectionInfo),
    /// Those who know which server it is.
    Sentinels(Sentinels),
}

/// The Sentinels that watch a master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    /// Their name for it.
    pub(crate) master: String,
    /// Where they are.
    pub(crate) servers: Vec<ConnectionInfo>,
    /// How the master is spoken to, wherever it is.
    how: ConnectionInfo,
}

impl Address {
    /// Reads a URL, and says what is wrong with it without repeating it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let parsed = match url.split_once("+sentinel://") {
            Some((scheme, rest)) => Sentinels::parse(scheme, rest).map(Self::Sentinels),
            None => info(url, ProtocolVersion::RESP3).map(Self::Server),
        };
        parsed.ok_or_else(|| INVALID_URL.to_owned())
    }

    /// Whether it is reached over TLS.
    pub(crate) fn uses_tls(&self) -> bool {
        let (Self::Server(info) | Self::Sentinels(Sentinels { how: info, .. })) = self;
        matches!(info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Whether it is the address of a server, and no Sentinel is asked.
    pub(crate) fn is_one_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Whether it says with what to sign in.
    pub(crate) fn has_credentials(&self) -> bool {
        let (Self::Server(info) | Self::Sentinels(Sentinels { how: info, .. })) = self;
        let settings = info.redis_settings();
        settings.username().is_some() || settings.password().is_some()
    }
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.uses_tls() { "rediss" } else { "redis" };
        match self {
            Self::Server(info) => write!(f, "{scheme}://{}", info.addr()),
            Self::Sentinels(sentinels) => {
                let servers = sentinels.servers.iter().map(|s| s.addr().to_string());
                let servers = servers.collect::<Vec<_>>().join(",");
                write!(f, "{scheme}+sentinel://{servers}/{}", sentinels.master)
            }
        }
    }
}

impl Sentinels {
    fn parse(scheme: &str, rest: &str) -> Option<Self> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/')?;
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if master.is_empty() || !master.bytes().all(is_name) {
            return None;
        }
        let (mut sentinel_user, mut sentinel_password) = ("", "");
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            match setting.split_once('=')? {
                ("sentinel_user", user) => sentinel_user = user,
                ("sentinel_password", password) => sentinel_password = password,
                _ => return None,
            }
        }
        let with = |user: &str| match user {
            "" => String::new(),
            user => format!("{user}@"),
        };
        let sentinel = match sentinel_password {
            "" => String::new(),
            password => with(&format!("{sentinel_user}:{password}")),
        };
        let servers = hosts.split(',').map(|host| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, p)| !p.contains(']'));
            let port = if has_port { "" } else { SENTINEL_PORT };
            let url = format!("{scheme}://{sentinel}{host}{port}");
            info(&url, ProtocolVersion::RESP2)
        });
        let servers: Vec<_> = servers.collect::<Option<_>>()?;
        if servers.len() > MOST_SENTINELS {
            return None;
        }
        // The Sentinels say the host.
        let how = format!("{scheme}://{}master/{database}", with(user));
        Some(Self {
            master: master.to_owned(),
            servers,
            how: info(&how, ProtocolVersion::RESP3)?,
        })
    }

    /// The master at this host and port.
    pub(crate) fn at(&self, host: String, port: u16) -> ConnectionInfo {
        let addr = match self.how.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.how.clone().set_addr(addr)
    }
}

fn info(url: &str, protocol: ProtocolVersion) -> Option<ConnectionInfo> {
    let parsed = parse_redis_url(url)?;
    // A fragment is what follows a raw # in a password, or switches the check of certificates off.
    let is_known = matches!(parsed.scheme(), "redis" | "rediss") && parsed.has_host();
    if !is_known || parsed.fragment().is_some() {
        return None;
    }
    let info = url.into_connection_info().ok()?;
    let settings = info.redis_settings().clone().set_protocol(protocol);
    Some(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "localhost:6379",
            "http://u:secret@h",
            "redis://u:secret@h:port",
            "redis://",
            "redis://user#secret:x@host",
            "rediss://host#insecure",
            "redis+sentinel://u:secret@h",
            "redis+sentinel://u:secret@h/",
            "redis+sentinel://u:secret@h,h:port/main",
            "redis+sentinel://u:secret@h/main/database",
            "redis+sentinel://h/main?password=secret",
            "redis+sentinel:///main",
            "http+sentinel://u:secret@h/main",
        ] {
            let reason = Address::parse(wrong).err().unwrap();
            assert!(!reason.contains("secret"), "{reason}");
        }
        for right in [
            "redis://127.0.0.1:6379",
            "rediss://user:secret@host:6380/1",
            "redis://[::1]",
            "redis://:a%23b@host",
        ] {
            let address = Address::parse(right);
            assert!(matches!(address, Ok(Address::Server(_))), "{right}");
        }
    }

    #[test]
    fn a_url_of_sentinels_names_them_and_the_master() {
        let url = "rediss+sentinel://user:pass%40word@one,[::1],three:7000/my-master/2\
                   ?sentinel_user=watch&sentinel_password=s%2Fecret";
        let Ok(Address::Sentinels(sentinels)) = Address::parse(url) else {
            panic!("is refused");
        };
        assert_eq!(sentinels.master, "my-master");
        let servers = sentinels.servers.iter().map(|s| s.addr().to_string());
        let servers: Vec<_> = servers.collect();
        assert_eq!(servers, ["one:26379", "::1:26379", "three:7000"]);
        for server in &sentinels.servers {
            assert_eq!(server.redis_settings().username(), Some("watch"));
            assert_eq!(server.redis_settings().password(), Some("s/ecret"));
        }
        let master = sentinels.at("10.0.0.1".to_owned(), 6390);
        assert_eq!(master.addr().to_string(), "10.0.0.1:6390");
        assert!(matches!(master.addr(), ConnectionAddr::TcpTls { .. }));
        let settings = master.redis_settings();
        assert_eq!(settings.username(), Some("user"));
        assert_eq!(settings.password(), Some("pass@word"));
        assert_eq!(settings.db(), 2);

        let plain = Address::parse("redis+sentinel://one/main");
        assert!(plain.is_ok_and(|address| !address.uses_tls()));
    }
}
