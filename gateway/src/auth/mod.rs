//! Who calls: the layer in front of the endpoint that finds it out.

mod challenge;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prynai_shared::wire::principal::Principal;

use crate::connection::Peer;
use crate::head::Sender;
use crate::state::AppState;

pub(crate) use challenge::{Challenge, Missing, TokenFault};

/// Lets a request pass whose sender may be here, and says who that is.
pub(crate) async fn require(
    State(_state): State<AppState>,
    Extension(Peer(address)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let principal = Principal::anonymous();
    request
        .extensions_mut()
        .insert(Sender { principal, address });
    next.run(request).await
}
