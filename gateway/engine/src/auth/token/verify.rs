//! Checks access tokens: signature, issuer, audience, time, and then what the settings require.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use prynai_bus::wire::principal::Principal;
use prynai_oauth_facade::{Facade, PublicKey};

use crate::auth::issuer::client::IssuerClient;
use crate::auth::issuer::keys::{IssuerKeys, NoKey};
use crate::auth::requirements::Requirements;
use crate::auth::settings::{AuthKind, AuthSettings, TokenVersion};
use crate::auth::token::bearer::Bearer;
use crate::auth::token::cache::CLOCK_SKEW_S;
use crate::auth::token::cache::{SignedWith, TokenCache, Verified};
use crate::auth::token::claims::{Audience, Claims};
use crate::auth::token::header::Unchecked;
use crate::auth::token::signature;
use crate::refusal::{Flaw, RequestError, TokenFault};

/// What an access token says that it is, if it says so (RFC 9068, section 2.1; Entra ID writes JWT).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// A task that never ends.
pub(crate) type BackgroundTask = BoxFuture<'static, ()>;

/// Checks access tokens.
pub(crate) struct Tokens {
    /// By `iss`.
    issuers: HashMap<String, Trusted>,
    requirements: Requirements,
    validation: Validation,
    cache: TokenCache,
}

/// What counts for the tokens of one issuer.
struct Trusted {
    keys: IssuerKeys,
    dialect: Dialect,
}

enum Dialect {
    Entra {
        tenant: String,
        version: TokenVersion,
        accepted: bool,
    },
    Oidc,
    /// Our own façade, whose tokens are for this resource.
    Facade(String),
}

impl Tokens {
    /// The tasks fetch the issuers' keys.
    pub(crate) fn new(
        settings: &AuthSettings,
        facade: Option<&Facade>,
    ) -> (Self, Vec<BackgroundTask>) {
        let client = IssuerClient::new(settings.auth_ca.as_ref());
        let (mut issuers, tasks) = match settings.auth {
            AuthKind::Entra => entra_issuers(settings, &client),
            AuthKind::Oidc | AuthKind::None => oidc_issuer(settings, &client),
        };
        if let Some(facade) = facade.filter(|facade| facade.public_keys().next().is_some()) {
            issuers.insert(facade.issuer().to_owned(), of_facade(facade));
        }
        let tokens = Self {
            issuers,
            requirements: Requirements::new(settings),
            validation: validation(),
            cache: TokenCache::default(),
        };
        (tokens, tasks)
    }

    /// Whether no token can be checked, because the keys of no issuer are known yet.
    pub(crate) fn lack_keys(&self) -> bool {
        let mut others = self.issuers.values().filter(|it| !it.is_facade());
        !others.any(|trusted| trusted.keys.are_known())
    }

    /// Who sent this token.
    ///
    /// # Errors
    ///
    /// Why it is not accepted, or that this cannot be known now.
    pub(crate) async fn check(&self, bearer: &Bearer) -> Result<Arc<Verified>, RequestError> {
        if let Some(known) = self.cache.get(bearer.bytes()) {
            return Ok(known);
        }
        let token = bearer.text();
        let token = token.ok_or_else(|| invalid("malformed", "the token is malformed"))?;
        let verified = Arc::new(self.verify(token).await?);
        self.cache.put(bearer.bytes(), verified.clone());
        Ok(verified)
    }

    async fn verify(&self, token: &str) -> Result<Verified, RequestError> {
        let (kid, trusted) = self.claimed(token)?;
        trusted.is_accepted()?;
        let key = trusted.keys.find(&kid).await.map_err(|why| match why {
            NoKey::Unknown => invalid(
                "key",
                "the issuer has no key with the name (kid) that the token gives",
            ),
            NoKey::Silence => RequestError::NoTokenKeys,
        })?;
        let claims = decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| flawed(flaw_of(error.kind())))?
            .claims;
        if !trusted
            .dialect
            .is_meant_for_us(&claims.aud, &self.requirements)
        {
            return Err(invalid(
                "audience",
                "the token is meant for another server (aud)",
            ));
        }
        let expires_s = claims.exp;
        let principal = trusted.dialect.principal(claims).map_err(flawed)?;
        if let Some(identity) = &principal.identity {
            self.requirements.admit(identity)?;
        }
        Ok(Verified {
            principal,
            expires_s,
            signed_with: SignedWith {
                keys: trusted.keys.clone(),
                kid,
                key,
            },
        })
    }

    /// The key that a token claims to be signed with, and the issuer it claims to be from.
    fn claimed(&self, token: &str) -> Result<(String, &Trusted), RequestError> {
        let Unchecked { kid, issuer, typ } = Unchecked::read(token).map_err(flawed)?;
        // RFC 8725, section 3.11: the same key may sign what is no access token.
        let typ = typ.as_deref().unwrap_or("JWT");
        if !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ)) {
            return Err(invalid(
                "type",
                "the type (typ) of the token is not that of an access token",
            ));
        }
        let trusted = self.issuers.get(&issuer);
        let trusted = trusted.ok_or_else(|| {
            invalid(
                "issuer",
                "the token is from an issuer (iss) that this server does not trust",
            )
        })?;
        Ok((kid, trusted))
    }
}

impl Trusted {
    fn is_facade(&self) -> bool {
        matches!(self.dialect, Dialect::Facade(_))
    }

    fn is_accepted(&self) -> Result<(), RequestError> {
        match &self.dialect {
            Dialect::Entra {
                accepted: false,
                version: TokenVersion::V1,
                ..
            } => Err(invalid(
                "version",
                "v1 tokens are not accepted here: set api.requestedAccessTokenVersion to 2 in the manifest \
                 of the API's registration",
            )),
            Dialect::Entra {
                accepted: false, ..
            } => Err(invalid("version", "v2 tokens are not accepted here")),
            _ => Ok(()),
        }
    }
}

impl Dialect {
    fn principal(&self, claims: Claims) -> Result<Principal, Flaw> {
        match self {
            Self::Entra {
                tenant, version, ..
            } => claims.entra(tenant, *version),
            Self::Oidc => claims.oidc(),
            Self::Facade(_) => claims.facade(),
        }
    }

    fn is_meant_for_us(&self, audience: &Audience, requirements: &Requirements) -> bool {
        match (self, audience) {
            (Self::Facade(resource), Audience::One(audience)) => audience == resource,
            (Self::Facade(_), Audience::Many(_)) => false,
            (_, audience) => requirements.is_meant_for_us(audience),
        }
    }
}

fn entra_issuers(
    settings: &AuthSettings,
    client: &IssuerClient,
) -> (HashMap<String, Trusted>, Vec<BackgroundTask>) {
    let mut issuers = HashMap::new();
    let mut tasks: Vec<BackgroundTask> = Vec::new();
    for tenant in &settings.auth_tenant {
        let tenant = tenant.as_str().to_owned();
        let v2 = format!("{}/{tenant}/v2.0", settings.authority());
        let v1 = format!("{}/{tenant}/", settings.authority_v1());
        let keys = IssuerKeys::new();
        for (name, version) in [(&v1, TokenVersion::V1), (&v2, TokenVersion::V2)] {
            let dialect = Dialect::Entra {
                tenant: tenant.clone(),
                version,
                accepted: settings.accepts(version),
            };
            let keys = keys.clone();
            issuers.insert(name.clone(), Trusted { keys, dialect });
        }
        // The same keys sign both versions.
        let url = format!("{}/{tenant}/discovery/v2.0/keys", settings.authority());
        let (client, issuer) = (client.clone(), v2.clone());
        tasks.push(Box::pin(keys.keep(issuer, async move || {
            // Most keys sign for every tenant, which they say with a placeholder.
            let may_sign = |named: &str| named.replace("{tenantid}", &tenant) == v2;
            client.keys(&url, may_sign).await
        })));
    }
    (issuers, tasks)
}

fn oidc_issuer(
    settings: &AuthSettings,
    client: &IssuerClient,
) -> (HashMap<String, Trusted>, Vec<BackgroundTask>) {
    let mut issuers = HashMap::new();
    let mut tasks: Vec<BackgroundTask> = Vec::new();
    if let Some(issuer) = settings.auth_issuer.clone() {
        let keys = IssuerKeys::new();
        let name = issuer.as_str().to_owned();
        let trusted = Trusted {
            keys: keys.clone(),
            dialect: Dialect::Oidc,
        };
        issuers.insert(name.clone(), trusted);
        let client = client.clone();
        let fetch = async move || client.discovered_keys(&issuer).await;
        tasks.push(Box::pin(keys.keep(name, fetch)));
    }
    (issuers, tasks)
}

/// What the façade signs itself: its keys are known from the settings.
fn of_facade(facade: &Facade) -> Trusted {
    let key = |public: &PublicKey| {
        let key = DecodingKey::from_rsa_raw_components(&public.modulus, &public.exponent);
        (public.kid.clone(), Arc::new(key))
    };
    Trusted {
        keys: IssuerKeys::fixed(facade.public_keys().map(key).collect()),
        dialect: Dialect::Facade(facade.resource().to_owned()),
    }
}

/// How signature and times of a JWT are checked.
pub(crate) fn validation() -> Validation {
    signature::install();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = CLOCK_SKEW_S;
    validation.validate_nbf = true;
    // Done by the caller: jsonwebtoken takes a list of issuers or audiences if only one of it is right.
    validation.validate_aud = false;
    validation
}

fn invalid(label: &'static str, reason: &'static str) -> RequestError {
    flawed(Flaw(label, reason))
}

fn flawed(flaw: Flaw) -> RequestError {
    RequestError::Unauthorized(TokenFault::Invalid(flaw))
}

pub(crate) fn flaw_of(error: &ErrorKind) -> Flaw {
    match error {
        ErrorKind::ExpiredSignature => Flaw("expired", "the token has expired"),
        ErrorKind::ImmatureSignature => Flaw("not_yet_valid", "the token is not valid yet"),
        ErrorKind::InvalidSignature => Flaw("signature", "the signature of the token is wrong"),
        ErrorKind::MissingRequiredClaim(_) => {
            Flaw("malformed", "the token does not say when it expires (exp)")
        }
        _ => Flaw(
            "malformed",
            "the token cannot be read: its claims or its signature are malformed",
        ),
    }
}
