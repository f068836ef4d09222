//! Tokens for a person: for a code, and for a refresh token.
//!
//! Sources: RFC 6749, sections 4.1.3 and 6; RFC 7636, section 4.6; OpenID Connect Core 1.0, section 2;
//! learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Exchange, answer, invalid_grant, needed, unsigned};
use crate::directory::Version;
use crate::endpoints::error::Refusal;
use crate::endpoints::grants::{Code, Redeemed, SignIn};
use crate::endpoints::scope::{self, Asked};
use crate::tokens::claims::IdToken;
use crate::tokens::twist::Twist;

impl Exchange<'_> {
    pub(super) fn code(&self, tenant: &str) -> Result<Value, Refusal> {
        let code = needed(&self.request.code, "code")?;
        let redirect_uri = needed(&self.request.redirect_uri, "redirect_uri")?;
        let verifier = needed(&self.request.code_verifier, "code_verifier")?;
        let code = match self.authority.grants().redeem_code(code, self.now_s) {
            Redeemed::First(code) => code,
            Redeemed::Again => return Err(redeemed()),
            Redeemed::Unknown => return Err(invalid_grant()),
        };
        let Code {
            sign_in,
            redirect_uri: right_uri,
            challenge,
        } = code;
        if sign_in.client != self.client.client_id || sign_in.tenant != tenant {
            return Err(invalid_grant());
        }
        if right_uri != redirect_uri {
            let message = format!(
                "The reply address '{redirect_uri}' does not match the reply address '{right_uri}' provided when \
                 requesting Authorization code."
            );
            return Err(Refusal::new("invalid_client", 500_112, message));
        }
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != challenge {
            return Err(Refusal::new(
                "invalid_grant",
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
        self.check_platform(sign_in.platform)?;
        self.check_resource(&sign_in.asked)?;
        self.for_user(sign_in)
    }

    pub(super) fn refresh_token(&self, tenant: &str) -> Result<Value, Refusal> {
        let name = needed(&self.request.refresh_token, "refresh_token")?;
        // It is used up only if nothing else is wrong with the request.
        let mut sign_in = self
            .authority
            .grants()
            .find_refresh_token(name, self.now_s)
            .filter(|found| found.client == self.client.client_id && found.tenant == tenant)
            .ok_or_else(invalid_grant)?;
        self.check_platform(sign_in.platform)?;
        if !self.request.scope.is_empty() {
            let openid = sign_in.asked.openid;
            sign_in.asked = self.asked_for_user()?;
            // The new token refreshes as the old one did, whatever is asked for now.
            sign_in.asked.openid = openid;
        }
        self.check_resource(&sign_in.asked)?;
        self.check_itself(&sign_in.asked)?;
        let redeemed = self
            .authority
            .grants()
            .redeem_refresh_token(name, self.now_s);
        match redeemed {
            Redeemed::First(_) => self.for_user(sign_in),
            Redeemed::Again | Redeemed::Unknown => Err(invalid_grant()),
        }
    }

    pub(super) fn for_user(&self, sign_in: SignIn) -> Result<Value, Refusal> {
        let mut asked = sign_in.asked.clone();
        if self.authority.adds_consented_scopes {
            let consented = asked.find_api(self.directory).own(&self.client.scopes);
            asked.scopes = consented.map(str::to_owned).collect();
        }
        let (token, expires_in) =
            self.access_token(&sign_in.tenant, &asked, Some(&sign_in.user))?;
        let mut answer = answer(&token, expires_in);
        answer["scope"] = asked.full_names().into();
        if asked.has("openid") {
            answer["id_token"] = self.id_token(&sign_in)?.into();
        }
        if asked.has("offline_access") {
            let mut grants = self.authority.grants();
            answer["refresh_token"] = grants.give_refresh_token(sign_in, self.now_s).into();
        }
        Ok(answer)
    }

    pub(super) fn asked_for_user(&self) -> Result<Asked, Refusal> {
        scope::for_user(
            self.directory,
            self.client,
            &self.request.scope,
            self.request.resource.as_deref(),
            self.authority.strict_resource,
        )
    }

    /// A client that is the API itself signs in by any of its names, and refreshes by its client id only
    /// (github.com/Softeria/ms-365-mcp-server/pull/508).
    fn check_itself(&self, asked: &Asked) -> Result<(), Refusal> {
        if asked.api != self.client.client_id || asked.uri == asked.api {
            return Ok(());
        }
        let message = format!(
            "Application '{}'({}) is requesting a token for itself. This scenario is supported only if resource is \
             specified using the GUID based App Identifier.",
            self.client.client_id, self.client.name
        );
        Err(Refusal::new("invalid_request", 90_009, message))
    }

    /// What `resource` names now must be what was agreed to.
    fn check_resource(&self, asked: &Asked) -> Result<(), Refusal> {
        let uris = &asked.find_api(self.directory).identifier_uris;
        match &self.request.resource {
            Some(uri) if self.authority.strict_resource && !uris.contains(uri) => {
                Err(scope::mismatch())
            }
            _ => Ok(()),
        }
    }

    /// For the client itself (OpenID Connect Core 1.0, section 2).
    fn id_token(&self, sign_in: &SignIn) -> Result<String, Refusal> {
        let user = self
            .directory
            .user(&sign_in.user)
            .ok_or_else(invalid_grant)?;
        let claims = IdToken {
            issuer: self.authority.issuer(&sign_in.tenant, Version::V2),
            tenant: &sign_in.tenant,
            client: self.client,
            user,
            nonce: sign_in.nonce.as_deref(),
        }
        .claims(self.now_s, self.authority.lifetime_s());
        Twist::default()
            .sign(self.authority, claims, Version::V2, self.now_s)
            .map_err(unsigned)
    }
}

fn redeemed() -> Refusal {
    Refusal::new(
        "invalid_grant",
        54_005,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh \
         token.",
    )
}
