//! Tools that read something at another API on behalf of their callers.

use std::time::{Duration, Instant};

use prynai_dev_issuer::{API, API_SECRET, Endpoint, Fault, Issuer, Options};
use prynai_test_harness::client::{RawClient, Reply, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use serde_json::{Value, json};

use super::auth::secrecy::{assert_untold, overheard};
use super::auth::trusting;

/// Two gateways, and two workers with the example that reads records.
struct Scene {
    issuer: Issuer,
    fleet: Cluster,
}

fn plan(issuer: &Issuer, further: &[&str]) -> ClusterPlan {
    let registration = [
        &["--downstream-client-id", API][..],
        &["--downstream-client-secret", API_SECRET],
        further,
    ]
    .concat();
    let url = ("RECORDS_URL".to_owned(), issuer.records_url());
    Cluster::new()
        .gateways(2)
        .workers(2)
        .worker_binary("on-behalf-worker")
        .env("RUST_LOG", "trace,rmcp=trace")
        .env(
            "PRYNAI_ENVELOPE_KEY",
            "an envelope key of 32 characters or more",
        )
        .env(
            "PRYNAI_DOWNSTREAM_KEY",
            "a downstream key of 32 characters or more",
        )
        .gateway_args(&trusting(issuer))
        .gateway_args(&registration)
        .worker_env(&[url])
}

impl Scene {
    async fn start(further: &[&str]) -> Self {
        Self::start_with(Options::default(), further).await
    }

    async fn start_with(options: Options, further: &[&str]) -> Self {
        let issuer = Issuer::start_with(options).await;
        let fleet = plan(&issuer, further).start().await;
        Self { issuer, fleet }
    }

    async fn send(&self, gateway: usize, token: &str) -> Reply {
        let client = RawClient::bearing(token);
        let body = modern(1, "tools/call", tool("my_records", json!({})));
        let request = client.modern_request(&self.fleet.gateway(gateway), &body);
        client.send(request).await
    }

    /// Whose records a caller reads.
    async fn reads(&self, gateway: usize, token: &str) -> String {
        let reply = self.send(gateway, token).await;
        assert_eq!(reply.status(), 200);
        whose(&reply.response().await)
    }

    async fn refused(&self, token: &str, status: u16) -> String {
        let reply = self.send(0, token).await;
        assert_eq!(reply.status(), status);
        let body = reply.json().await;
        assert_eq!(body["error"]["data"]["reason"], "downstream", "{body}");
        body["error"]["message"]
            .as_str()
            .expect("is text")
            .to_owned()
    }

    /// How often the issuer was asked for a token.
    fn exchanges(&self) -> u64 {
        self.issuer.requests(Endpoint::Token)
    }

    async fn queued(&self) -> usize {
        self.fleet.queued().await
    }
}

fn whose(response: &Value) -> String {
    let text = response["result"]["content"][0]["text"].as_str();
    let records: Value =
        serde_json::from_str(text.unwrap_or_else(|| panic!("{response}"))).expect("is JSON");
    records["of"].as_str().expect("is text").to_owned()
}

#[tokio::test]
async fn a_tool_reads_what_its_caller_may_read_and_no_token_is_told() {
    let mut scene = Scene::start(&[]).await;
    let heard = overheard(&scene.fleet.redis).await;
    let alice = scene.issuer.token().user("alice").jwt();
    let bob = scene.issuer.token().user("bob").jwt();
    for gateway in [0, 1, 0, 1] {
        assert_eq!(scene.reads(gateway, &alice).await, "alice@contoso.example");
        assert_eq!(scene.reads(gateway, &bob).await, "bob@contoso.example");
    }
    let session_of_alice = RawClient::bearing(&alice);
    let url = scene.fleet.gateway(1);
    let session = session_of_alice.open_session(&url).await;
    let call = legacy(2, "tools/call", tool("my_records", json!({})));
    let reply = session_of_alice.legacy(&url, &session, &call).await;
    assert_eq!(whose(&reply.response().await), "alice@contoso.example");
    assert_eq!(
        scene.exchanges(),
        2,
        "one for each caller in the whole fleet"
    );

    // One key signs the caller's token and the one that the tool uses: both begin alike, and nobody has any.
    let mut secrets: Vec<String> = alice.split('.').map(str::to_owned).collect();
    secrets.extend(bob.split('.').map(str::to_owned));
    secrets.push(API_SECRET.to_owned());
    assert_untold(&mut scene.fleet, &heard, "downstream:", &secrets).await;
    let begin = alice.split('.').next().expect("has a header");
    let keys: Vec<String> = scene.fleet.redis.command(&["KEYS", "*downstream:*"]).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let raw: String = scene.fleet.redis.command(&["GET", &key]).await;
        assert!(raw.len() > begin.len() && !raw.contains(begin), "{raw}");
    }
}

#[tokio::test]
async fn callers_who_come_at_once_never_get_anothers_token() {
    let scene = Scene::start(&[]).await;
    let names: Vec<String> = (0..6).map(|n| format!("person-{n}")).collect();
    scene.issuer.change_directory(|directory| {
        let mut person = directory.users[1].clone();
        for name in &names {
            person.name.clone_from(name);
            directory.users.push(person.clone());
        }
    });
    let tokens: Vec<String> = names
        .iter()
        .map(|name| scene.issuer.token().user(name).jwt())
        .collect();
    let calls = (0..60).map(|n| {
        let (scene, name, token) = (&scene, &names[n % 6], &tokens[n % 6]);
        async move {
            let read = scene.reads(n % 2, token).await;
            assert_eq!(read, format!("{name}@contoso.example"));
        }
    });
    futures::future::join_all(calls).await;
    let exchanges = scene.exchanges();
    assert!(
        (6..=12).contains(&exchanges),
        "one for each caller and gateway at most: {exchanges}"
    );
}

/// The bound of one gateway. Without it, an issuer that is slow would be asked by as many as come.
#[tokio::test]
async fn no_more_than_sixty_four_exchanges_go_on_at_a_time() {
    const CALLERS: usize = 130;
    const LATE: Duration = Duration::from_secs(3);
    let scene = Scene::start(&[]).await;
    let names: Vec<String> = (0..CALLERS).map(|n| format!("person-{n}")).collect();
    scene.issuer.change_directory(|directory| {
        let mut person = directory.users[1].clone();
        for name in &names {
            person.name.clone_from(name);
            directory.users.push(person.clone());
        }
    });
    // Ready to be sent, since a client takes its time to be made.
    let body = modern(1, "tools/call", tool("my_records", json!({})));
    let requests = names.iter().map(|name| {
        let client = RawClient::bearing(&scene.issuer.token().user(name).jwt());
        let request = client.modern_request(&scene.fleet.gateway(0), &body);
        (name, client, request)
    });
    let requests: Vec<_> = requests.collect();
    let late = u64::try_from(LATE.as_millis()).expect("fits");
    scene.issuer.misbehave(Endpoint::Token, Fault::Late(late));
    let started = Instant::now();
    let calls = requests
        .into_iter()
        .map(|(name, client, request)| async move {
            let reply = client.send(request).await;
            assert_eq!(reply.status(), 200);
            let read = whose(&reply.response().await);
            assert_eq!(read, format!("{name}@contoso.example"));
        });
    let calls = futures::future::join_all(calls);
    let watched = async {
        // Until then none has been answered, so all that were asked are under way.
        let mut most = 0;
        while started.elapsed() < LATE {
            most = scene.exchanges();
            assert!(most <= 64, "{most} at a time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(most > 8, "only {most} were under way");
        scene.issuer.behave();
    };
    tokio::join!(calls, watched);
    assert_eq!(scene.exchanges(), CALLERS as u64);
}

#[tokio::test]
async fn who_cannot_have_a_token_hears_why_and_the_tool_does_not_run() {
    let scene = Scene::start(&[]).await;
    let app = scene.issuer.token().app_only().jwt();
    let said = scene.refused(&app, 403).await;
    assert!(said.contains("on behalf of a person"), "{said}");
    assert_eq!(scene.exchanges(), 0, "the issuer is not asked");

    let alice = scene.issuer.token().user("alice").jwt();
    scene.issuer.misbehave(Endpoint::Token, Fault::Status(500));
    let said = scene.refused(&alice, 503).await;
    assert!(said.contains("try again"), "{said}");
    scene.issuer.behave();
    let consent = |is_given: bool| {
        scene.issuer.change_directory(|directory| {
            let mut clients = directory.clients.iter_mut();
            let own = clients
                .find(|client| client.client_id == API)
                .expect("is there");
            own.scopes.retain(|scope| !scope.contains("downstream"));
            if is_given {
                own.scopes
                    .push("api://prynai-downstream/records.read".to_owned());
            }
        });
    };
    consent(false);
    let said = scene.refused(&alice, 403).await;
    assert!(
        said.contains("records.read") && said.contains("AADSTS65001"),
        "{said}"
    );
    consent(true);
    let conditional = |is_on: bool| {
        scene
            .issuer
            .change_directory(|directory| directory.apis[1].conditional_access = is_on);
    };
    conditional(true);
    let said = scene.refused(&alice, 403).await;
    assert!(said.contains("interaction_required"), "{said}");
    conditional(false);
    assert_eq!(scene.queued().await, 0, "nothing was queued");
    assert_eq!(scene.reads(1, &alice).await, "alice@contoso.example");
}

#[tokio::test]
async fn applications_act_for_themselves_where_the_operator_allows_it() {
    let scene = Scene::start(&["--downstream-apps"]).await;
    let app = scene.issuer.token().app_only().jwt();
    assert_eq!(scene.reads(0, &app).await, "an application");
    assert_eq!(scene.reads(1, &app).await, "an application");
    let bob = scene.issuer.token().user("bob").jwt();
    assert_eq!(scene.reads(1, &bob).await, "bob@contoso.example");
    assert_eq!(scene.exchanges(), 2);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_replaced() {
    let options = Options {
        token_lifetime: Some(Duration::from_secs(62)),
        ..Options::default()
    };
    let scene = Scene::start_with(options, &[]).await;
    let alice = scene.issuer.token().user("alice").expires_in(600).jwt();
    for gateway in [0, 1] {
        assert_eq!(scene.reads(gateway, &alice).await, "alice@contoso.example");
    }
    assert_eq!(scene.exchanges(), 1);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(scene.reads(1, &alice).await, "alice@contoso.example");
    assert_eq!(scene.exchanges(), 2);
}
