//! Sessions, found by a walk through all keys.

use prynai_bus::operations::{SessionPage, SessionSight};
use prynai_bus::shown;

use super::{RedisOperations, text};
use crate::fault::Fault;
use crate::scripts;

impl RedisOperations {
    pub(super) async fn read_sessions(&self, after: u64) -> Result<SessionPage, Fault> {
        let (next, keys) = self.scan(after, &self.keys.all_sessions()).await?;
        let named = keys.iter().filter_map(|key| self.keys.session_of(key));
        let names: Vec<&str> = named.collect();
        let mut sessions = Vec::with_capacity(names.len());
        if !names.is_empty() {
            let look = scripts::look_at_sessions(&self.keys, &names);
            let seen = names.iter().zip(self.run(&look).await?);
            sessions.extend(seen.filter_map(|(name, said)| sight(name, &said)));
        }
        Ok(SessionPage {
            sessions,
            next: (next != 0).then_some(next),
        })
    }
}

fn sight(name: &str, said: &[Vec<u8>]) -> Option<SessionSight> {
    let [
        format,
        subject,
        version,
        client,
        client_version,
        life,
        calls,
        subscriptions,
    ] = said
    else {
        return None;
    };
    let some = |bytes: &Vec<u8>| (!bytes.is_empty()).then(|| text(bytes));
    let number = |bytes: &Vec<u8>| text(bytes).parse().ok();
    let client = [client, client_version].into_iter().filter_map(some);
    let client = client.collect::<Vec<_>>().join(" ");
    Some(SessionSight {
        session: shown::session(name).to_owned(),
        principal: some(subject),
        protocol_version: some(version),
        client: (!client.is_empty()).then_some(client),
        ends_in_ms: number(life),
        calls: number(calls).unwrap_or(0),
        subscriptions: number(subscriptions).unwrap_or(0),
        format: text(format).parse().ok(),
    })
}
