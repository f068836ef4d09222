//! [`DownstreamTokens`] in memory, which nobody else can read.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{BusError, DownstreamToken, DownstreamTokens};

use crate::bus::{MemoryBus, lock};

/// Tokens, of some kilobytes each.
const MOST: usize = 10_000;

#[async_trait]
impl DownstreamTokens for MemoryBus {
    fn keeps_tokens(&self) -> bool {
        true
    }

    async fn keep_token(
        &self,
        principal: &str,
        scope: &str,
        token: &DownstreamToken,
        life: Duration,
    ) -> Result<(), BusError> {
        let mut kept = lock(&self.downstream_tokens);
        let place = (principal.to_owned(), scope.to_owned());
        kept.sweep();
        if kept.get(&place).is_none() && kept.held() >= MOST {
            return Err(BusError::Full {
                what: "the store of tokens for other APIs",
                limit: MOST,
            });
        }
        kept.insert(place, token.clone(), Some(life));
        Ok(())
    }

    async fn token_of(
        &self,
        principal: &str,
        scope: &str,
    ) -> Result<Option<DownstreamToken>, BusError> {
        let place = (principal.to_owned(), scope.to_owned());
        Ok(lock(&self.downstream_tokens).get(&place).cloned())
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::BusLimits;

    use super::*;

    #[tokio::test]
    async fn there_is_a_bound_and_what_ended_makes_room() {
        let bus = MemoryBus::new(BusLimits::default());
        let token = DownstreamToken {
            token: "t".to_owned(),
            ends_s: 1,
        };
        let keep = async |name: &str, life| bus.keep_token(name, "s", &token, life).await;
        let long = Duration::from_secs(60);
        keep("brief", Duration::from_millis(1)).await.unwrap();
        for n in 1..MOST {
            keep(&n.to_string(), long).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        keep("another", long).await.unwrap();
        assert!(matches!(
            keep("one more", long).await,
            Err(BusError::Full { .. })
        ));
        keep("another", long).await.unwrap();
    }
}
