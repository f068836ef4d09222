//! A receiver that speaks TLS.

use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{RawClient, modern, tool};
use prynai_test_harness::process::Process;
use serde_json::json;

use super::receiver::Receiver;

#[tokio::test]
async fn spans_reach_a_receiver_over_tls_that_the_system_trusts_and_no_other() {
    let authority = Certificates::new();
    let trusted = ("SSL_CERT_FILE".to_owned(), authority.authority_file());
    let other = Certificates::new();
    let stranger = ("SSL_CERT_FILE".to_owned(), other.authority_file());
    for protocol in ["grpc", "http/protobuf"] {
        let receiver = Receiver::start_tls(&authority).await;
        let endpoint = format!("https://{}", receiver.address);
        let args = [
            ["--listen", "127.0.0.1:0"],
            ["--otlp-endpoint", &endpoint],
            ["--otlp-protocol", protocol],
            ["--otlp-headers", "authorization=Bearer%20s3cret"],
        ];
        let client = RawClient::new();
        let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
        let env = [stranger.clone()];
        let mut distrusting = Process::start_with("prynai-mcp", args.as_flattened(), &env).await;
        let url = format!("http://{}/mcp", distrusting.address().await);
        client.modern(&url, &call).await.response().await;
        distrusting
            .logged("the receiver of traces takes no spans; they are lost until it does")
            .await;
        assert!(receiver.spans().is_empty(), "{protocol}");

        let env = [trusted.clone()];
        let mut trusting = Process::start_with("prynai-mcp", args.as_flattened(), &env).await;
        let url = format!("http://{}/mcp", trusting.address().await);
        client.modern(&url, &call).await.response().await;
        // Gateway and worker are one process here, of one name.
        let of_call = prynai_test_redis::eventually!({
            let spans = receiver.spans().into_iter();
            let mut of_call = spans.filter(|span| span.span.name == "tools/call echo");
            of_call.next()
        });
        assert_eq!(of_call.service, "prynai-mcp");
        assert_eq!(of_call.authorization, "Bearer s3cret");
    }
}
