//! Records of the audit.

use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::principal::CallerKind;
use serde_json::json;

use crate::passes;

#[test]
fn a_call() {
    let expected = AuditRecord {
        v: 1,
        outcome: "error".into(),
        method: Some("tools/call".into()),
        name: Some("pay".into()),
        principal: Some("alice".into()),
        client: Some("console".into()),
        kind: Some(CallerKind::User),
        scopes: vec!["mcp.call".into()],
        roles: vec!["Mcp.Pay".into()],
        session: Some("5d1f0c2e".into()),
        rule: Some("payments".into()),
        reason: Some("worker_lost".into()),
        code: Some(-32603),
        stream: Some("0198c5f2a7b47c3e9d10b2f4c6e8a012".into()),
        gateway: Some("gw-3f9a1c07d2be".into()),
        worker: Some("wk-7c1e22aa90f4".into()),
        attempt: Some(2),
        queue_ms: Some(1.5),
        duration_ms: Some(42.25),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        arguments: Some(json!({"account": "DE02"})),
        ..AuditRecord::default()
    };
    passes("audit_call", &expected);
}

#[test]
fn refusals_of_one_kind() {
    let expected = AuditRecord {
        v: 1,
        outcome: "refused".into(),
        address: Some("192.0.2.7".into()),
        reason: Some("expired".into()),
        gateway: Some("gw-3f9a1c07d2be".into()),
        count: Some(9000),
        ..AuditRecord::default()
    };
    passes("audit_refused", &expected);
}
