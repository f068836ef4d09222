//! A client of the modern era (2026-07-28): each call stands for itself.

use std::time::Instant;

use crate::clients::answer::{Received, response_to};
use crate::clients::surroundings::Surroundings;
use crate::clients::token::Token;
use crate::wire::failure::Failure;
use crate::wire::line::Line;
use crate::wire::template::Template;

/// A modern client.
pub(crate) struct ModernClient {
    number: usize,
    around: Surroundings,
    line: Line,
    call: Template,
    token: Token,
    last_id: u64,
}

impl ModernClient {
    pub(crate) fn new(number: usize, around: &Surroundings) -> Self {
        let mut client = Self {
            number,
            around: around.clone(),
            line: around.line(),
            call: around.wording.modern_call(),
            token: around.tokens.of(number),
            last_id: 0,
        };
        client.token.show(&mut client.call);
        client
    }

    /// Calls once; tells when the response came.
    pub(crate) async fn call(&mut self) -> (Result<(), Failure>, Instant) {
        let (mut outcome, mut at) = self.attempt().await;
        let unauthorized = outcome.as_ref().is_err_and(Failure::is_unauthorized);
        if unauthorized && self.around.tokens.renew(&self.token).await {
            self.token = self.around.tokens.of(self.number);
            self.token.show(&mut self.call);
            (outcome, at) = self.attempt().await;
        }
        (outcome, at)
    }

    async fn attempt(&mut self) -> (Result<(), Failure>, Instant) {
        self.last_id += 1;
        let id = self.last_id;
        let request = self.call.request(id);
        let mut received = Received::default();
        let answered = async {
            let answer = self.line.send(request).await?;
            response_to(id, answer, false, &mut received, &self.around.recorder).await
        };
        let answered = tokio::time::timeout(self.around.timeout, answered).await;
        let outcome = answered.unwrap_or_else(|_| {
            self.line.close();
            Err(Failure::Unanswered("no answer in time".into()))
        });
        let at = received.at.unwrap_or_else(Instant::now);
        (outcome.map(drop), at)
    }
}
