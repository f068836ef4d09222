//! Tokens by which clients show who they are: signed by themselves, or by somebody whom they trust.
//!
//! Sources: RFC 7523, section 3; learn.microsoft.com/entra/identity-platform/certificate-credentials;
//! learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity. No page lists
//! all the codes; AADSTS700021, 700023, 700024, 700027 and 700211 to 700226 are as people report them.

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Client, EXCHANGE_AUDIENCE, FederatedCredential, Version};
use crate::endpoints::error::Refusal;
use crate::endpoints::external;
use crate::endpoints::managed_identity::EXCHANGE_APP;
use crate::tokens::certificate::Registered;
use crate::tokens::jwt::Jwt;

/// The only kind that there is.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// # Errors
///
/// When it does not show that who sent it is the client.
pub(crate) async fn check(
    authority: &Authority,
    client: &Client,
    tenant: &str,
    assertion: &str,
    kind: Option<&str>,
) -> Result<(), Refusal> {
    if kind.ok_or_else(|| Refusal::missing("client_assertion_type"))? != JWT_BEARER {
        return Err(Refusal::malformed());
    }
    let jwt = Jwt::read(assertion).ok_or_else(unreadable)?;
    let issuer = jwt.claim("iss").ok_or_else(unreadable)?;
    let subject = jwt.claim("sub").ok_or_else(unreadable)?;
    // Who trusts no certificate can only mean a token of somebody else.
    let is_its_own = issuer == client.client_id || !issuer.contains("://");
    if is_its_own {
        if issuer != client.client_id || subject != issuer {
            return Err(of_another());
        }
        by_certificate(authority, client, tenant, &jwt)
    } else {
        federated(authority, client, &jwt, issuer, subject).await
    }
}

/// The client signed it with the key of a certificate that is registered.
fn by_certificate(
    authority: &Authority,
    client: &Client,
    tenant: &str,
    jwt: &Jwt,
) -> Result<(), Refusal> {
    let (x5t, x5t_s256) = (jwt.header("x5t"), jwt.header("x5t#S256"));
    let certificates = client.certificates.iter();
    let certificate = certificates
        .filter_map(|pem| Registered::read(pem))
        .find(|own| x5t_s256.map_or(x5t == Some(&own.x5t()), |it| it == own.x5t_s256()))
        .ok_or_else(|| unknown_certificate(client))?;
    let is_signed = certificate
        .public_key()
        .is_some_and(|key| jwt.is_signed_with(&key));
    if !is_signed {
        return Err(unsigned());
    }
    if !jwt.is_current(now_s()) {
        return Err(at_another_time());
    }
    let home = format!("{}/{tenant}", authority.base);
    let own = [
        format!("{home}/oauth2/v2.0/token"),
        authority.issuer(tenant, Version::V2),
    ];
    if !jwt
        .claim("aud")
        .is_some_and(|audience| own.iter().any(|own| own == audience))
    {
        return Err(Refusal::client(
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        ));
    }
    Ok(())
}

/// Somebody signed it whom the client trusts. Issuer, audience and subject are compared byte by byte, in this order.
async fn federated(
    authority: &Authority,
    client: &Client,
    jwt: &Jwt,
    issuer: &str,
    subject: &str,
) -> Result<(), Refusal> {
    let tenant = authority.directory().tenants[0].clone();
    let own = authority.issuer(&tenant, Version::V2);
    let trusted_by =
        |credential: &FederatedCredential| credential.issuer.as_ref().unwrap_or(&own) == issuer;
    let mut credentials: Vec<_> = client.federated_credentials.iter().collect();
    credentials.retain(|credential| trusted_by(credential));
    if credentials.is_empty() {
        return Err(unmatched(700_211, "issuer", issuer));
    }
    let kid = jwt.header("kid").unwrap_or_default();
    let key = match issuer == own {
        true => {
            let key = authority.keys().find(kid);
            key.map(|key| key.public_key().to_vec())
        }
        false => external::key(issuer, kid).await.ok_or_else(unreachable)?,
    };
    if !key.is_some_and(|key| jwt.is_signed_with(&key)) {
        return Err(unsigned());
    }
    if !jwt.is_current(now_s()) {
        return Err(at_another_time());
    }
    if issuer == own && jwt.claim("xms_mirid").is_none() {
        return Err(Refusal::client(
            700_226,
            "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer.",
        ));
    }
    // The token names the application that stands behind the audience.
    let audience = match jwt.claim("aud").unwrap_or_default() {
        EXCHANGE_APP => EXCHANGE_AUDIENCE,
        other => other,
    };
    credentials.retain(|credential| credential.audience == audience);
    if credentials.is_empty() {
        return Err(unmatched(700_212, "audience", audience));
    }
    credentials.retain(|credential| credential.subject == subject);
    if credentials.is_empty() {
        return Err(unmatched(700_213, "subject", subject));
    }
    Ok(())
}

fn unmatched(code: u32, what: &str, value: &str) -> Refusal {
    let message = format!(
        "No matching federated identity record found for presented assertion {what} '{value}'. Check your federated \
         identity credential Subject, Audience and Issuer against the presented assertion. \
         https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
    );
    Refusal::client(code, message)
}

fn unreachable() -> Refusal {
    Refusal::client(50_166, "Request to External OIDC endpoint failed.")
}

fn unreadable() -> Refusal {
    Refusal::client(50_027, "JWT token is invalid or malformed.")
}

fn of_another() -> Refusal {
    Refusal::client(
        700_021,
        "Client assertion application identifier doesn't match 'client_id' parameter.",
    )
}

fn unknown_certificate(client: &Client) -> Refusal {
    let message = format!(
        "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The \
         key was not found., Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys \
         for app Id '{}']",
        client.client_id
    );
    Refusal::client(700_027, message)
}

fn unsigned() -> Refusal {
    Refusal::client(700_027, "Client assertion failed signature validation.")
}

fn at_another_time() -> Refusal {
    Refusal::client(
        700_024,
        "Client assertion is not within its valid time range.",
    )
}
