//! The balancer of `compose.yaml`: the real nginx with our configuration, and a DNS that says where the gateways are.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use uuid::Uuid;

use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::free_port;

/// The configuration as it is mounted into the container.
const CONFIG: &str = include_str!("../../../compose/nginx.conf");

/// Where Debian has it, which is not on every path.
const DEBIAN: &str = "/usr/sbin/nginx";

/// A running nginx. It ends, and its files go, when this is dropped.
pub struct Balancer {
    port: u16,
    folder: PathBuf,
    process: Child,
    dns: Dns,
}

/// Answers every question for an address with the addresses of the gateways.
struct Dns {
    known: Arc<Known>,
    answering: JoinHandle<()>,
}

struct Known {
    addresses: Mutex<Vec<Ipv4Addr>>,
    questions: AtomicUsize,
}

impl Balancer {
    /// In front of gateways at these addresses, all of which have the same port.
    pub async fn start(gateways: &[Ipv4Addr], port_of_gateways: u16) -> Self {
        let (dns, dns_port) = Dns::start(gateways).await;
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("prynai-nginx-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder for nginx");
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config(&folder, port, port_of_gateways, dns_port))
            .expect("is written");
        let process = spawn(&file, &folder);
        let balancer = Self {
            port,
            folder,
            process,
            dns,
        };
        let listens = async || TcpStream::connect(balancer.address()).await.is_ok();
        assert_eventually!(listens().await, "nginx does not start: {}", balancer.log());
        balancer
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// From now on the gateways are there.
    pub fn gateways_are_at(&self, gateways: &[Ipv4Addr]) {
        *self.dns.known.addresses.lock().expect("is never poisoned") = gateways.to_vec();
    }

    /// How many times nginx has looked until now.
    pub fn looks(&self) -> usize {
        self.dns.known.questions.load(Ordering::Relaxed)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- nginx ---\n{}", self.log());
        }
        // Its workers end with it; killed, it would leave them.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The configuration for this machine: other ports, another DNS, files in a folder.
fn config(folder: &Path, port: u16, port_of_gateways: u16, dns_port: u16) -> String {
    let folder = folder.display();
    let replaced = [
        ("listen 8000;", format!("listen 127.0.0.1:{port};")),
        ("$gateways:8000", format!("$gateways:{port_of_gateways}")),
        (
            "include /tmp/resolver.conf;",
            format!("resolver 127.0.0.1:{dns_port} valid=1s ipv6=off;"),
        ),
        ("pid /tmp/nginx.pid;", format!("pid {folder}/nginx.pid;")),
        ("worker_processes auto;", "worker_processes 1;".to_owned()),
    ];
    let mut config = CONFIG.to_owned();
    for (ours, theirs) in replaced {
        assert!(config.contains(ours), "compose/nginx.conf has no {ours:?}");
        config = config.replace(ours, &theirs);
    }
    config
}

fn spawn(file: &Path, folder: &Path) -> Child {
    let named = std::env::var("PRYNAI_NGINX");
    let debian = Path::new(DEBIAN).exists().then(|| DEBIAN.to_owned());
    let program = named.ok().or(debian).unwrap_or("nginx".to_owned());
    Command::new(&program)
        .arg("-c")
        .arg(file)
        .arg("-e")
        .arg(folder.join("error.log"))
        .args(["-g", "daemon off;"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run {program:?}: {error}. Run scripts/test, which installs nginx when it is missing, or name \
                 it in PRYNAI_NGINX."
            )
        })
}

// === impl Dns ===

impl Dns {
    async fn start(addresses: &[Ipv4Addr]) -> (Self, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = socket.local_addr().expect("is bound").port();
        let known = Arc::new(Known {
            addresses: Mutex::new(addresses.to_vec()),
            questions: AtomicUsize::new(0),
        });
        let answering = tokio::spawn(answer(socket, known.clone()));
        (Self { known, answering }, port)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn answer(socket: UdpSocket, known: Arc<Known>) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        known.questions.fetch_add(1, Ordering::Relaxed);
        let addresses = known.addresses.lock().expect("is never poisoned").clone();
        let answer = reply(&question[..length], &addresses);
        // Whoever asks no more hears nothing.
        let _ = socket.send_to(&answer, from).await;
    }
}

/// An answer (RFC 1035, section 4) to a message with one question and nothing else, as nginx sends it.
fn reply(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let count = u16::try_from(addresses.len()).expect("a few");
    let mut reply = question[..2].to_vec();
    // A response without an error; one question, so many answers.
    reply.extend([0x81, 0x80, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0, 0, 0, 0]);
    reply.extend(&question[12..]);
    for address in addresses {
        // The name of the question; A, IN, ten minutes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}
