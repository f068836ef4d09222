//! The extension for skills (SEP-2640): what a host does with one, on any gateway and worker, in both eras.

use prynai_test_harness::client::{Session, legacy, modern};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use rmcp::model::SkillResource;
use serde_json::{Value, json};

const SKILL: &str = "skill://demo-skill/SKILL.md";
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// Sends a request in the modern era, and then in a session; both must be answered alike but for what the modern era
/// adds.
async fn answers(cluster: &Cluster, session: &Session, method: &str, params: Value) -> [Value; 2] {
    let (client, url) = (&cluster.client, cluster.proxy());
    let in_session = legacy("s", method, params.clone());
    let alone = modern("m", method, params);
    [
        client.modern(&url, &alone).await.response().await,
        client
            .legacy(&url, session, &in_session)
            .await
            .response()
            .await,
    ]
}

async fn result(cluster: &Cluster, session: &Session, method: &str, params: Value) -> Value {
    let [alone, in_session] = answers(cluster, session, method, params).await;
    let mut same = alone["result"].clone();
    assert_eq!(same["resultType"], "complete", "{method}: {alone}");
    // What an earlier revision has no words for.
    for member in ["resultType", "ttlMs", "cacheScope", "_meta"] {
        same.as_object_mut().expect("an object").remove(member);
    }
    let mut known = in_session["result"].clone();
    for member in ["ttlMs", "cacheScope", "_meta"] {
        known.as_object_mut().expect("an object").remove(member);
    }
    assert_eq!(known, same, "{method}: {in_session}");
    alone["result"].clone()
}

#[tokio::test]
async fn a_host_finds_a_skill_and_reads_its_files() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let url = cluster.proxy();
    let session = cluster.client.open_session(&url).await;
    let discovered = cluster
        .client
        .modern(&url, &modern("d", "server/discover", json!({})))
        .await
        .response()
        .await;
    for server in [&session.server, &discovered["result"]] {
        let declared = &server["capabilities"]["extensions"][SKILLS];
        assert_eq!(*declared, json!({ "directoryRead": true }), "{server}");
    }

    let listed = result(&cluster, &session, "skills/list", json!({})).await;
    let got = result(&cluster, &session, "skills/get", json!({ "uri": SKILL })).await;
    for cacheable in [&listed, &got] {
        assert!(cacheable["ttlMs"].is_u64(), "{cacheable}");
        assert!(cacheable["cacheScope"].is_string(), "{cacheable}");
    }
    assert_eq!(listed["skills"], json!([got["skill"]]));

    // Whichever worker reads them, they are the bytes that the entry names.
    let files = got["skill"]["resources"].as_array().expect("all files");
    for _ in 0..4 {
        for file in files {
            let params = json!({ "uri": file["uri"] });
            let read = result(&cluster, &session, "resources/read", params).await;
            let text = read["contents"][0]["text"].as_str().expect("a text");
            let file: SkillResource = serde_json::from_value(file.clone()).expect("a file");
            file.verify(text.as_bytes()).expect("what was promised");
        }
    }

    let mut directories = vec!["skill://demo-skill".to_owned()];
    let mut found = Vec::new();
    while let Some(uri) = directories.pop() {
        let params = json!({ "uri": uri });
        let read = result(&cluster, &session, "resources/directory/read", params).await;
        for child in read["resources"].as_array().expect("its children") {
            let uri = child["uri"].as_str().expect("a URI").to_owned();
            match child["mimeType"] == "inode/directory" {
                true => directories.push(uri),
                false => found.push(uri),
            }
        }
    }
    let names: Vec<&str> = files
        .iter()
        .filter_map(|file| file["uri"].as_str())
        .collect();
    assert_eq!(found, names);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_is_no_skill_or_directory_is_refused() {
    let cluster = Cluster::new().start().await;
    let session = cluster.client.open_session(&cluster.proxy()).await;
    for (method, uri) in [
        ("skills/get", "skill://no-such-skill/SKILL.md"),
        ("skills/get", "skill://demo-skill"),
        ("resources/directory/read", SKILL),
        ("resources/directory/read", "skill://no-such-skill"),
        ("resources/read", "skill://demo-skill/scripts"),
    ] {
        for answer in answers(&cluster, &session, method, json!({ "uri": uri })).await {
            let code = &answer["error"]["code"];
            assert!(
                *code == -32602 || (method == "resources/read" && *code == -32002),
                "{method} {uri}: {answer}"
            );
        }
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_server_without_skills_has_none_of_their_methods() {
    let fleet = Cluster::new().worker_binary("prynai-bulk-worker");
    let cluster = fleet.start().await;
    for method in ["skills/list", "skills/get", "resources/directory/read"] {
        let request = modern(1, method, json!({ "uri": SKILL }));
        let reply = cluster.client.modern(&cluster.proxy(), &request).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{method}");
        let error = reply.json().await["error"].clone();
        assert_eq!(error["code"], -32601, "{method}: {error}");
    }
    cluster.assert_idle().await;
}
