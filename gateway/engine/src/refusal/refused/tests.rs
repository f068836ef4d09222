//! What a client is told, and in which form.

use super::super::{Challenge, Missing, TokenFault};
use super::*;

#[test]
fn what_a_token_lacks_is_named_in_the_answer() {
    let missing = Missing {
        scopes: vec!["tools.call".to_owned()],
        roles: vec!["Tools.Call.All".to_owned()],
    };
    let id = RawJson::parse("7").unwrap();
    let refused = RequestError::InsufficientScope {
        missing: missing.clone(),
    }
    .answering(&id);
    assert_eq!(
        refused.error.to_json_rpc(refused.id.as_ref()),
        concat!(
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"data":{"reason":"insufficient_scope","#,
            r#""roles":["Tools.Call.All"],"scopes":["tools.call"]},"#,
            r#""message":"the access token lacks the scope tools.call or the role Tools.Call.All"}}"#
        )
    );
    let response = refused.into_response();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = response.extensions().get::<Challenge>();
    assert_eq!(challenge, Some(&Challenge::from(&missing)));
}

#[test]
fn a_refused_token_is_not_an_issuer_that_is_away() {
    let response = RequestError::Unauthorized(TokenFault::Absent).into_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.extensions().get::<Challenge>().is_some());
    let response = RequestError::NoTokenKeys.into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    assert!(response.extensions().get::<Challenge>().is_none());
}

/// Refusals with their status in a session, and otherwise.
fn refusals() -> [(RequestError, u16, u16); 9] {
    let full = BusError::QueueFull { limit: 1 };
    let away = BusError::Unavailable("away".to_owned());
    [
        (RequestError::NotAllowed("call this tool"), 200, 403),
        (RequestError::CallerBusy, 200, 429),
        (RequestError::SessionBusy, 200, 503),
        (RequestError::BodyTooLarge { limit: 1 }, 200, 413),
        (RequestError::InvalidParams(String::new()), 200, 400),
        (full.into(), 200, 503),
        (away.into(), 200, 503),
        (RequestError::SessionUnknown, 404, 404),
        (RequestError::unsupported_version("v1"), 400, 400),
    ]
}

#[test]
fn in_a_session_one_request_is_refused_in_its_answer() {
    let id = RawJson::parse("7").unwrap();
    for ((error, in_session, otherwise), (same, ..)) in refusals().into_iter().zip(refusals()) {
        let passing = error.is_passing();
        let text = error.to_json_rpc(Some(&id));
        let told = text.contains(r#""retryAfterSeconds":1"#);
        assert_eq!(told, passing, "{text}");
        let answer = error.answering_in_session(&id).into_response();
        assert_eq!(answer.status(), in_session, "{text}");
        assert!(!answer.headers().contains_key(header::RETRY_AFTER));
        let response = same.answering(&id).into_response();
        assert_eq!(response.status(), otherwise, "{text}");
        let told = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(told, passing, "{text}");
    }
}

#[test]
fn in_a_session_a_scope_is_still_asked_for_with_403() {
    let id = RawJson::parse("7").unwrap();
    let missing = Missing::default();
    let refused = RequestError::InsufficientScope { missing }.answering_in_session(&id);
    let response = refused.into_response();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.extensions().get::<Challenge>().is_some());
}
