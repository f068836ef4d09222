//! The balancer of `compose.yaml`: the real HAProxy with our configuration, and a DNS that says where the gateways are.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use uuid::Uuid;

use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::free_port;

/// The configuration as it is mounted into the container.
const CONFIG: &str = include_str!("../../../compose/haproxy.cfg");

/// Where Debian has it, which is not on every path.
const DEBIAN: &str = "/usr/sbin/haproxy";

/// A running HAProxy. It ends, and its files go, when this is dropped.
pub struct Balancer {
    port: u16,
    folder: PathBuf,
    process: Child,
    dns: Dns,
}

/// Answers every question for an address with the addresses of the gateways.
struct Dns {
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
    answering: JoinHandle<()>,
}

impl Balancer {
    /// In front of gateways at these addresses, all of which have the same port.
    pub async fn start(gateways: &[Ipv4Addr], port_of_gateways: u16) -> Self {
        let (dns, dns_port) = Dns::start(gateways).await;
        let port = free_port();
        let folder =
            std::env::temp_dir().join(format!("prynai-haproxy-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder for HAProxy");
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, config(port, port_of_gateways, dns_port)).expect("is written");
        let process = spawn(&file, &folder);
        let balancer = Self {
            port,
            folder,
            process,
            dns,
        };
        let listens = async || TcpStream::connect(balancer.address()).await.is_ok();
        assert_eventually!(
            listens().await,
            "HAProxy does not start: {}",
            balancer.log()
        );
        balancer
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// From now on the gateways are there.
    pub fn gateways_are_at(&self, gateways: &[Ipv4Addr]) {
        *self.dns.addresses.lock().expect("is never poisoned") = gateways.to_vec();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- HAProxy ---\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The configuration for this machine: other ports, another DNS.
fn config(port: u16, port_of_gateways: u16, dns_port: u16) -> String {
    let replaced = [
        ("bind :8000", format!("bind 127.0.0.1:{port}")),
        ("gateways:8000", format!("gateways:{port_of_gateways}")),
        (
            "parse-resolv-conf",
            format!("nameserver test 127.0.0.1:{dns_port}"),
        ),
    ];
    let mut config = CONFIG.to_owned();
    for (ours, theirs) in replaced {
        assert!(config.contains(ours), "compose/haproxy.cfg has no {ours:?}");
        config = config.replace(ours, &theirs);
    }
    config
}

fn spawn(file: &Path, folder: &Path) -> Child {
    let named = std::env::var("PRYNAI_HAPROXY");
    let debian = Path::new(DEBIAN).exists().then(|| DEBIAN.to_owned());
    let program = named.ok().or(debian).unwrap_or("haproxy".to_owned());
    let log = File::create(folder.join("log")).expect("is made");
    Command::new(&program)
        .arg("-db")
        .arg("-f")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("is cloned"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run {program:?}: {error}. Run scripts/test, which installs HAProxy when it is missing, or \
                 name it in PRYNAI_HAPROXY."
            )
        })
}

// === impl Dns ===

impl Dns {
    async fn start(addresses: &[Ipv4Addr]) -> (Self, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = socket.local_addr().expect("is bound").port();
        let addresses = Arc::new(Mutex::new(addresses.to_vec()));
        let answering = tokio::spawn(answer(socket, addresses.clone()));
        let dns = Self {
            addresses,
            answering,
        };
        (dns, port)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn answer(socket: UdpSocket, addresses: Arc<Mutex<Vec<Ipv4Addr>>>) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        let addresses = addresses.lock().expect("is never poisoned").clone();
        let answer = reply(&question[..length], &addresses);
        // Whoever asks no more hears nothing.
        let _ = socket.send_to(&answer, from).await;
    }
}

/// An answer (RFC 1035, section 4) to a message with one question. HAProxy adds how long an answer may be (RFC 6891),
/// which does not belong into it.
fn reply(message: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut end = 12;
    while message[end] != 0 {
        end += usize::from(message[end]) + 1;
    }
    let question = &message[12..end + 5];
    let asks_for_v4 = question[question.len() - 4..] == [0, 1, 0, 1];
    let addresses = if asks_for_v4 { addresses } else { &[] };
    let count = u16::try_from(addresses.len()).expect("a few");
    let mut reply = message[..2].to_vec();
    // A response without an error; one question, so many answers.
    reply.extend([0x81, 0x80, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0, 0, 0, 0]);
    reply.extend(question);
    for address in addresses {
        // The name of the question; A, IN, ten minutes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}
