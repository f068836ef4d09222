//! The rights of Redis that `docs/security.md` names for the console are what it needs.

use prynai_test_harness::client::{long_running, modern};
use prynai_test_harness::cluster::Cluster;

use super::super::redis_setup::documented_user::{acl_log, added, documented};
use super::{ADMIN, admin, get, page};

#[tokio::test]
async fn the_documented_rights_are_enough_and_without_them_it_says_what_is_missing() {
    let mut fleet = Cluster::new().gateway_args(&ADMIN).start().await;
    let client = fleet.client.clone();
    let gateway = fleet.gateway(0);
    let set = async |rules: &[String]| {
        let set: Vec<&str> = ["ACL", "SETUSER", "fleet"]
            .into_iter()
            .chain(rules.iter().map(String::as_str))
            .collect();
        let _: String = fleet.redis.command(&set).await;
    };
    set(&documented("fleet")).await;
    let url = format!("redis://fleet:PASSWORD@127.0.0.1:{}", fleet.redis.port());
    let args = ["--redis-url", &url, "--listen", "127.0.0.1:0"];
    let mut limited = prynai_test_harness::process::Process::start(
        "prynai-gateway",
        &[&args[..], &ADMIN].concat(),
    )
    .await;
    let console = admin(&mut limited).await + "/console";
    let refused = get(&client, &console).await;
    assert_eq!(refused.status(), 503);
    let told = refused.text().await;
    assert!(told.contains("docs/security.md"), "{told}");

    set(&added("+evalsha_ro")).await;
    prynai_test_redis::assert_eventually!(get(&client, &console).await.status() == 200);
    let _: String = fleet.redis.command(&["ACL", "LOG", "RESET"]).await;
    let slow = modern(1, "tools/call", long_running(1000, 100));
    let mut events = client.modern(&gateway, &slow).await.events();
    events.expect("notifications/progress").await;
    for list in [
        "",
        "/queue",
        "/recent",
        "/dead",
        "/workers",
        "/gateways",
        "/sessions",
        "/doctor",
    ] {
        page(&client, &format!("{console}{list}")).await;
    }
    let queue = page(&client, &format!("{console}/queue")).await;
    let id = queue.split(r#"href="/console/call?id="#).nth(1);
    let id = id.and_then(|rest| rest.split('"').next()).expect("a link");
    page(&client, &format!("{console}/call?id={id}")).await;
    let denied = acl_log(&fleet.redis).await;
    assert!(denied.is_empty(), "{denied:?}");
    let _ = fleet.gateway_process(0);
}
