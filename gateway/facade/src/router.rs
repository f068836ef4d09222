//! The routes of the façade.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::clients::registration;
use crate::parameters::MOST_BYTES;
use crate::sign_in::{authorize, callback, consent};
use crate::state::{Facade, PREFIX};
use crate::{metadata, own, tokens};

impl Facade {
    /// Its routes, for any router.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let at = |path: &str| format!("{PREFIX}{path}");
        Router::new()
            .route(metadata::OAUTH, get(metadata::get))
            .route(
                &format!("{}/{{*path}}", metadata::OAUTH),
                get(metadata::get),
            )
            .route(metadata::OPENID, get(metadata::get))
            .route(
                &format!("{}/{{*path}}", metadata::OPENID),
                get(metadata::get),
            )
            .route(&at(metadata::OPENID), get(metadata::get))
            .route(&at("/register"), post(registration::register))
            .route(&at("/authorize"), get(authorize::ask))
            .route(&at("/consent"), post(consent::decide))
            .route(&at("/callback"), get(callback::come_back))
            .route(&at("/token"), post(tokens::token))
            .route(&at("/revoke"), post(tokens::revoke))
            .route(&at("/jwks"), get(own::jwks))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self)
    }
}
