//! What looking costs, however much there is and however many look.

use std::collections::BTreeSet;

use prynai_test_harness::cluster::Cluster;

use super::{ADMIN, DEAD, add, admin, page, put_aside};

/// Letters that a page names.
fn letters(page: &str) -> Vec<String> {
    let links = page.split(r#"href="/console/call?id="#).skip(1);
    let ids = links.filter_map(|rest| rest.split('"').next());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn lists_come_in_pages_of_which_each_is_small() {
    let mut fleet = Cluster::new().gateway_args(&ADMIN).start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let mut aside = BTreeSet::new();
    for _ in 0..130 {
        aside.insert(put_aside(&fleet.redis, &add(), &"x".repeat(10_000)).await);
    }
    let overview = page(&client, &console).await;
    assert_eq!(letters(&overview).len(), 10);
    let (mut seen, mut sizes, mut path) = (BTreeSet::new(), Vec::new(), "/console/dead".to_owned());
    loop {
        let shown = page(&client, &console.replace("/console", &path)).await;
        assert!(shown.len() < 100_000, "{} bytes", shown.len());
        sizes.push(letters(&shown).len());
        seen.extend(letters(&shown));
        let next = shown
            .split(r#"">Go on<"#)
            .next()
            .filter(|before| before.len() < shown.len());
        let Some(before) = next else { break };
        let link = before.rsplit(r#"href=""#).next().expect("a link");
        path = link.replace("&amp;", "&");
    }
    assert_eq!(sizes, [50, 50, 30]);
    assert_eq!(seen, aside);
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 130);
}

#[tokio::test]
async fn a_crowd_of_readers_costs_redis_little_more_than_one() {
    let mut fleet = Cluster::new().gateway_args(&ADMIN).start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    page(&client, &console).await;
    let asked = async || {
        let facts: String = fleet.redis.command(&["INFO", "commandstats"]).await;
        let calls = |command: &str| {
            let line = facts.split(&format!("cmdstat_{command}:calls=")).nth(1);
            let number = line.and_then(|rest| rest.split(',').next());
            number.map_or(0, |number| number.parse::<u64>().expect("a number"))
        };
        calls("scan") + calls("evalsha_ro")
    };
    let begun = std::time::Instant::now();
    let before = asked().await;
    // Fewer at a time than the port has places for.
    for _ in 0..10 {
        let crowd = (0..20).map(|_| page(&client, &console));
        futures::future::join_all(crowd).await;
    }
    let seconds = begun.elapsed().as_secs() + 1;
    let cost = asked().await - before;
    // An overview reads two lists.
    assert!(cost <= 10 * (seconds + 1), "{cost} in {seconds} s");
}
