//! What is asked, and of what.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use prynai_bus::{Bus, BusLimits};
use prynai_dev_issuer::Issuer;
use prynai_gateway_engine::GatewaySettings;
use prynai_memory_bus::MemoryBus;
use prynai_redis_bus::RedisBus;
use prynai_test_redis::server::RedisServer;
use prynai_worker::WorkerSettings;
use serde::Serialize;

use crate::client::Client;
use crate::gateway;
use crate::issuer::{self, Doors};
use crate::request::Request;
use crate::worker::{self, Direct};

/// Part of the fleet, and what it does.
#[derive(Debug, Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    /// Gateway, memory bus: `tools/call` of 2026-07-28.
    GatewayModernCall,
    /// Gateway, memory bus: `tools/call` in a session.
    GatewayLegacyCall,
    /// Gateway, memory bus: `tools/list` of 2026-07-28.
    GatewayList,
    /// Gateway, memory bus: `tools/call` of 2026-07-28 that reports its progress ten times.
    GatewayProgress,
    /// Gateway, memory bus: `ping` in a session, which is the least that a gateway is asked.
    GatewayPing,
    /// Gateway, memory bus: `tasks/get` of a task that has ended.
    GatewayTask,
    /// Gateway that asks for tokens, memory bus: `tools/call` of 2026-07-28.
    TokenCall,
    /// The same, with the façade, which must add nothing.
    FacadeCall,
    /// Worker, memory bus.
    WorkerModernCall,
    /// Worker, memory bus.
    WorkerLegacyCall,
    /// Worker, memory bus.
    WorkerList,
    /// Worker, memory bus.
    WorkerProgress,
    /// Gateway and worker, Redis between them.
    FleetModernCall,
    /// Gateway and worker, Redis between them.
    FleetLegacyCall,
}

/// What stands there, ready for requests.
pub(crate) enum Load {
    /// A client of a gateway, and what is behind it.
    Client {
        client: Box<Client>,
        _behind: Behind,
    },
    /// A worker behind the bus.
    Worker(Box<Direct>),
}

/// What runs as long as the load.
pub(crate) enum Behind {
    Nothing,
    Redis(#[expect(dead_code, reason = "it stops when it is dropped")] RedisServer),
    Issuer(#[expect(dead_code, reason = "it stops when it is dropped")] Issuer),
}

impl Case {
    /// Starts what the case needs.
    pub(crate) async fn start(self, gateway: GatewaySettings, worker: WorkerSettings) -> Load {
        match self {
            Self::GatewayModernCall => alone(gateway, worker, Request::ModernCall).await,
            Self::GatewayLegacyCall => alone(gateway, worker, Request::LegacyCall).await,
            Self::GatewayList => alone(gateway, worker, Request::List).await,
            Self::GatewayProgress => alone(gateway, worker, Request::Progress).await,
            Self::GatewayPing => served(gateway, worker, Request::Ping).await,
            Self::GatewayTask => served(gateway, worker, Request::Task).await,
            Self::TokenCall => guarded(gateway, worker, Doors::Issuer).await,
            Self::FacadeCall => guarded(gateway, worker, Doors::Facade).await,
            Self::WorkerModernCall => direct(worker, Request::ModernCall).await,
            Self::WorkerLegacyCall => direct(worker, Request::LegacyCall).await,
            Self::WorkerList => direct(worker, Request::List).await,
            Self::WorkerProgress => direct(worker, Request::Progress).await,
            Self::FleetModernCall => fleet(gateway, worker, Request::ModernCall).await,
            Self::FleetLegacyCall => fleet(gateway, worker, Request::LegacyCall).await,
        }
    }
}

impl Load {
    async fn of_client(
        address: SocketAddr,
        request: Request,
        token: Option<&str>,
        behind: Behind,
    ) -> Self {
        Self::Client {
            client: Box::new(Client::connect(address, request, token).await),
            _behind: behind,
        }
    }

    /// Sends one request and waits for its response.
    pub(crate) async fn request(&mut self) {
        match self {
            Self::Client { client, .. } => client.request().await,
            Self::Worker(worker) => drop(worker.request().await),
        }
    }
}

/// A gateway whose worker answers without thinking.
async fn alone(gateway: GatewaySettings, worker: WorkerSettings, request: Request) -> Load {
    let address = start_alone(gateway, worker, request).await;
    Load::of_client(address, request, None, Behind::Nothing).await
}

/// The same for a caller with a token.
async fn guarded(mut gateway: GatewaySettings, worker: WorkerSettings, doors: Doors) -> Load {
    let request = Request::ModernCall;
    let issuer = issuer::start(&mut gateway, doors).await;
    let token = issuer.token().jwt();
    let address = start_alone(gateway, worker, request).await;
    Load::of_client(address, request, Some(&token), Behind::Issuer(issuer)).await
}

async fn start_alone(
    gateway: GatewaySettings,
    worker: WorkerSettings,
    request: Request,
) -> SocketAddr {
    let bus = MemoryBus::new(gateway.limits.bus());
    let recorded = {
        let mut direct = Direct::on(bus.clone(), worker, request).await;
        let answer = direct.request().await;
        direct.stop().await;
        answer
    };
    tokio::spawn(gateway::answer_as_recorded(bus.clone(), recorded));
    gateway::start(bus, gateway).await
}

/// A gateway beside a worker, for what the gateway answers by itself.
async fn served(gateway: GatewaySettings, worker: WorkerSettings, request: Request) -> Load {
    let bus = MemoryBus::new(gateway.limits.bus());
    worker::start(bus.clone(), worker.config()).await;
    let address = gateway::start(bus, gateway).await;
    Load::of_client(address, request, None, Behind::Nothing).await
}

async fn direct(worker: WorkerSettings, request: Request) -> Load {
    let bus = MemoryBus::new(BusLimits::default());
    Load::Worker(Box::new(Direct::on(bus, worker, request).await))
}

async fn fleet(gateway: GatewaySettings, worker: WorkerSettings, request: Request) -> Load {
    let redis = RedisServer::start().await;
    let of_worker = connect(&redis, &gateway).await;
    worker::start(of_worker, worker.config()).await;
    let address = gateway::start(connect(&redis, &gateway).await, gateway).await;
    Load::of_client(address, request, None, Behind::Redis(redis)).await
}

async fn connect(redis: &RedisServer, gateway: &GatewaySettings) -> Arc<dyn Bus> {
    let url = redis.url().parse().expect("a URL");
    let connected = RedisBus::connect(&url, "cost:", gateway.limits.bus()).await;
    connected.expect("connects")
}
