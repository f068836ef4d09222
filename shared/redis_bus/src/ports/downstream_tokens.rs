//! [`DownstreamTokens`] on Redis: a sealed string for each principal and scope, which ends by itself.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{BusError, DownstreamToken, DownstreamTokens};

use crate::bus::RedisBus;
use crate::scripts;
use crate::wire::downstream;

#[async_trait]
impl DownstreamTokens for RedisBus {
    fn keeps_tokens(&self) -> bool {
        !self.downstream_keys.is_empty()
    }

    async fn keep_token(
        &self,
        principal: &str,
        scope: &str,
        token: &DownstreamToken,
        life: Duration,
    ) -> Result<(), BusError> {
        let sealed = self.downstream_keys.seal(principal, scope, token);
        let sealed = sealed.ok_or_else(|| {
            BusError::Unusable("tokens for other APIs need --downstream-key".to_owned())
        })?;
        let key = self.keys.downstream(&downstream::name(principal, scope));
        let keep = scripts::keep_token(&key, &sealed, life);
        self.run_pooled(&keep).await?;
        Ok(())
    }

    async fn token_of(
        &self,
        principal: &str,
        scope: &str,
    ) -> Result<Option<DownstreamToken>, BusError> {
        let key = self.keys.downstream(&downstream::name(principal, scope));
        let sealed = self.read_value(&key).await?;
        Ok(sealed.and_then(|sealed| self.downstream_keys.open(principal, scope, &sealed)))
    }
}
