//! What cannot be used is named, at the start and later on.

use prynai_test_harness::client::RawClient;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::sentinels::Sentinels;
use prynai_test_redis::server::{RedisServer, free_port};

use super::{BINARIES, Fleet, is_refused};

#[tokio::test]
async fn a_wrong_password_is_named_at_the_start() {
    let server = RedisServer::start().await;
    let user = [
        "ACL", "SETUSER", "fleet", "on", ">right", "~*", "&*", "+@all",
    ];
    let _: String = server.command(&user).await;
    let place = format!("127.0.0.1:{}", server.port());
    let wrong = format!("redis://fleet:geheim@{place}");
    for binary in BINARIES {
        is_refused(binary, &["--redis-url", &wrong], &["WRONGPASS"]).await;
    }
    // The last that is asked of it without a password.
    let _: String = server
        .command(&["CONFIG", "SET", "requirepass", "right"])
        .await;
    let none = format!("redis://{place}");
    for binary in BINARIES {
        is_refused(binary, &["--redis-url", &none], &["NOAUTH", &place]).await;
    }
}

#[tokio::test]
async fn a_user_who_may_not_do_what_is_needed_is_named_at_the_start() {
    let server = RedisServer::start().await;
    let user = [
        "ACL", "SETUSER", "fleet", "on", ">geheim", "~*", "&*", "+@all", "-evalsha",
    ];
    let _: String = server.command(&user).await;
    let url = format!("redis://fleet:geheim@127.0.0.1:{}", server.port());
    for binary in BINARIES {
        is_refused(
            binary,
            &["--redis-url", &url],
            &["evalsha", "docs/security.md"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_cluster_of_several_masters_is_refused_and_one_of_a_single_master_serves() {
    let cluster = ["--cluster-enabled", "yes", "--cluster-port"];
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let one = RedisServer::start_with(&[&cluster[..], &[&ports[0]]].concat()).await;
    let other = RedisServer::start_with(&[&cluster[..], &[&ports[1]]].concat()).await;
    let own = |first: &'static str, last: &'static str| ["CLUSTER", "ADDSLOTSRANGE", first, last];
    let _: String = one.command(&own("0", "8191")).await;
    let _: String = other.command(&own("8192", "16383")).await;
    let port = other.port().to_string();
    let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &ports[1]];
    let _: String = one.command(&meet).await;
    let is_whole = async |server: &RedisServer| {
        let facts: String = server.command(&["CLUSTER", "INFO"]).await;
        facts.contains("cluster_state:ok") && facts.contains("cluster_slots_assigned:16384")
    };
    for server in [&one, &other] {
        assert_eventually!(is_whole(server).await);
        let words = ["Cluster of several masters", "docs/redis.md"];
        is_refused("prynai-worker", &["--redis-url", &server.url()], &words).await;
    }
    is_refused(
        "prynai-gateway",
        &["--redis-url", &one.url()],
        &["docs/redis.md"],
    )
    .await;

    let port = free_port().to_string();
    let single = RedisServer::start_with(&[&cluster[..], &[&port]].concat()).await;
    let _: String = single.command(&own("0", "16383")).await;
    assert_eventually!(is_whole(&single).await);
    assert!(
        Fleet::start(&["--redis-url", &single.url()])
            .await
            .echoes()
            .await
    );
}

#[tokio::test]
async fn a_sentinel_is_no_redis_and_knows_only_its_masters() {
    let master = RedisServer::start().await;
    let _replica = RedisServer::start_replica_of(&master).await;
    let sentinels = Sentinels::watch(&master).await;
    let url = sentinels.url();
    let first = url.replace("+sentinel", "");
    let first = first.split(',').next().expect("has one");
    is_refused(
        "prynai-worker",
        &["--redis-url", first],
        &["redis+sentinel://"],
    )
    .await;
    let unknown = url.replace("/main", "/other");
    let words = ["knows no master called other"];
    is_refused("prynai-gateway", &["--redis-url", &unknown], &words).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_waited_for_and_named() {
    let listen = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listen.local_addr().expect("is bound").to_string();
    drop(listen);
    let args = [
        "--redis-url",
        "redis://no-such-host.invalid",
        "--listen",
        &address,
    ];
    let mut gateway = Process::start("prynai-gateway", &args).await;
    let told = gateway.logged("Redis is away; waiting for it. If it is not, check --redis-url, and whether Redis speaks TLS there").await;
    assert!(
        told["reason"]
            .as_str()
            .is_some_and(|r| r.contains("no-such-host.invalid")),
        "{told}"
    );
    let client = RawClient::new();
    let url = format!("http://{address}/readyz");
    let named = async || {
        let asked = client.request("GET", &url).send().await;
        let body = asked.expect("is answered").text().await.expect("is text");
        body.contains("no-such-host.invalid") && body.contains("no address for the name")
    };
    assert_eventually!(named().await);
}

#[tokio::test]
async fn a_password_that_is_changed_later_is_named_in_readyz_and_in_one_line() {
    let server = RedisServer::start().await;
    let mut fleet = Fleet::start(&["--redis-url", &server.url()]).await;
    let admin = redis::Client::open(server.url()).expect("a client");
    let mut admin = admin
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    let mut run = async |parts: &[&str]| {
        let mut command = redis::Cmd::new();
        for part in parts {
            command.arg(part);
        }
        let done: redis::RedisResult<redis::Value> = command.query_async(&mut admin).await;
        done.expect("is done");
    };
    run(&["CONFIG", "SET", "requirepass", "geheim"]).await;
    run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    let named = async || {
        fleet
            .reason()
            .await
            .is_some_and(|reason| reason.contains("NOAUTH"))
    };
    assert_eventually!(named().await);
    assert!(!fleet.echoes().await);
    let message = "Redis cannot be used as it is set up; trying again";
    fleet.gateway.logged(message).await;
    fleet.worker.logged(message).await;
    run(&["CONFIG", "SET", "requirepass", ""]).await;
    assert_eventually!(fleet.reason().await.is_none());
    assert_eventually!(fleet.echoes().await);
    for process in [&fleet.gateway, &fleet.worker] {
        assert_eq!(process.all_logged(message).len(), 1, "{}", fleet.log());
    }
    assert!(!fleet.log().contains("lost its data"), "{}", fleet.log());
}
