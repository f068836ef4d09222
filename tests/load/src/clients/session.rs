//! A client of the legacy era (2025-11-25 and before): calls in a session.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode};
use tokio::task::JoinHandle;

use crate::clients::answer::{Received, response_to};
use crate::clients::session_state::{BETWEEN_ATTEMPTS, RETRY, SessionState};
use crate::clients::session_stream;
use crate::clients::surroundings::Surroundings;
use crate::clients::token::Token;
use crate::clients::wording::{LAST_EVENT_ID, SESSION_ID, VERSION};
use crate::record::Step;
use crate::wire::failure::Failure;
use crate::wire::line::{Line, refusal, whole};
use crate::wire::message;
use crate::wire::template::Template;

/// A client with a session.
pub(crate) struct SessionClient {
    number: usize,
    around: Surroundings,
    line: Line,
    token: Token,
    open: Option<Open>,
    last_id: u64,
    /// Whether it holds the session's GET stream.
    listens: bool,
}

/// A session.
struct Open {
    call: Template,
    resume: Template,
    delete: Template,
    state: Arc<SessionState>,
    listening: Option<JoinHandle<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

impl SessionClient {
    pub(crate) fn new(number: usize, around: &Surroundings, listens: bool) -> Self {
        Self {
            number,
            around: around.clone(),
            line: around.line(),
            token: around.tokens.of(number),
            open: None,
            last_id: 0,
            listens,
        }
    }

    /// Opens the session; the first call would do it otherwise.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        let opened = tokio::time::timeout(self.around.timeout, self.opened()).await;
        self.in_time(opened)
    }

    /// Calls once in the session, which is opened if there is none; tells when the response came.
    pub(crate) async fn call(&mut self) -> (Result<(), Failure>, Instant) {
        let mut received = Received::default();
        let (timeout, call) = (self.around.timeout, self.called(&mut received));
        let called = tokio::time::timeout(timeout, call).await;
        let outcome = self.in_time(called);
        self.forget_if_lost(&outcome);
        (outcome, received.at.unwrap_or_else(Instant::now))
    }

    /// Opens a session, calls once in it, and ends it.
    pub(crate) async fn call_in_own_session(&mut self) -> (Result<(), Failure>, Instant) {
        let (timeout, mut received) = (self.around.timeout, Received::default());
        let all = async {
            self.called(&mut received).await?;
            self.ended().await
        };
        let all = tokio::time::timeout(timeout, all).await;
        let outcome = self.in_time(all);
        self.forget_if_lost(&outcome);
        if self.open.is_some() {
            // Nobody waits for it, but the session should not stay.
            let _ = tokio::time::timeout(timeout, self.ended()).await;
        }
        (outcome, Instant::now())
    }

    /// Ends the session, if there is one.
    pub(crate) async fn end(&mut self) {
        if self.open.is_some() {
            let ended = tokio::time::timeout(self.around.timeout, self.ended()).await;
            let outcome = self.in_time(ended);
            if let Err(failure) = &outcome {
                self.around.recorder.failed_step("DELETE", failure);
            }
            self.forget_if_lost(&outcome);
        }
    }

    fn in_time<E>(&mut self, result: Result<Result<(), Failure>, E>) -> Result<(), Failure> {
        result.unwrap_or_else(|_| {
            self.line.close();
            Err(Failure::Unanswered("no answer in time".into()))
        })
    }

    fn forget_if_lost(&mut self, outcome: &Result<(), Failure>) {
        if let (Err(Failure::SessionLost(_)), Some(open)) = (outcome, &self.open) {
            open.state.lose(&self.around.recorder);
            self.open = None;
        }
    }

    async fn called(&mut self, received: &mut Received) -> Result<(), Failure> {
        if self.open.is_none() {
            self.opened().await?;
        }
        let began = Instant::now();
        let mut outcome = self.attempt(received).await;
        if self.is_renewed(&outcome).await {
            outcome = self.attempt(received).await;
        }
        if outcome.is_ok() {
            self.around.recorder.step(Step::Call, began);
        }
        outcome
    }

    async fn attempt(&mut self, received: &mut Received) -> Result<(), Failure> {
        let Some(open) = &self.open else {
            return Err(Failure::Unsent("no session".into()));
        };
        self.last_id += 1;
        let id = self.last_id;
        let answer = self.line.send(open.call.request(id)).await?;
        let recorder = &self.around.recorder;
        let mut outcome = response_to(id, answer, true, received, recorder).await;
        let mut resume = open.resume.clone();
        let mut resumed = false;
        // The stream broke before the response was there. Whoever waits for the call bounds how long this goes on.
        while let (Err(Failure::Unanswered(_)), Some(last)) = (&outcome, &received.last_event_id) {
            let Ok(last) = HeaderValue::from_str(last) else {
                break;
            };
            resume.set(LAST_EVENT_ID, last);
            tokio::time::sleep(received.retry.unwrap_or(RETRY)).await;
            let answer = match self.line.send(resume.request(0)).await {
                Ok(answer) if answer.status().is_success() => answer,
                refused => {
                    let failure = match refused {
                        Ok(answer) => refusal(answer, true).await,
                        Err(failure) => failure,
                    };
                    match &failure {
                        Failure::SessionLost(_) => outcome = Err(failure),
                        passing if passing.is_passing() => {
                            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                            continue;
                        }
                        _ => {
                            let kind = format!("stream not resumed: {}", failure.kind());
                            outcome = Err(Failure::Unanswered(kind.into()));
                        }
                    }
                    break;
                }
            };
            resumed = true;
            outcome = response_to(id, answer, true, received, recorder).await;
        }
        if resumed && !matches!(outcome, Err(Failure::Unanswered(_))) {
            recorder.resumed_call();
        }
        outcome.map(drop)
    }

    async fn opened(&mut self) -> Result<(), Failure> {
        let mut outcome = self.initialize().await;
        if self.is_renewed(&outcome).await {
            outcome = self.initialize().await;
        }
        outcome
    }

    async fn initialize(&mut self) -> Result<(), Failure> {
        let (wording, recorder) = (&self.around.wording, &self.around.recorder);
        let began = Instant::now();
        let mut initialize = wording.initialize();
        self.token.show(&mut initialize);
        let answer = self.line.send(initialize.request(0)).await?;
        let session = answer.headers().get(SESSION_ID).cloned();
        let mut received = Received::default();
        let response = response_to(0, answer, false, &mut received, recorder).await?;
        recorder.step(Step::Initialize, began);
        let version = message::chosen_version(&response)
            .and_then(|version| HeaderValue::try_from(version).ok())
            .ok_or_else(|| Failure::refused("initialize: no revision was chosen"))?;
        let in_session = |mut template: Template| {
            template.set(VERSION, version.clone());
            if let Some(session) = &session {
                template.set(SESSION_ID, session.clone());
            }
            self.token.show(&mut template);
            template
        };
        let mut open = Open {
            call: in_session(wording.call()),
            resume: in_session(wording.bare(Method::GET)),
            delete: in_session(wording.bare(Method::DELETE)),
            state: Arc::default(),
            listening: None,
        };
        recorder.opened_session();
        let began = Instant::now();
        let initialized = in_session(wording.initialized());
        let answer = self.line.send(initialized.request(0)).await?;
        if !answer.status().is_success() {
            let failure = refusal(answer, session.is_some()).await;
            if matches!(failure, Failure::SessionLost(_)) {
                open.state.lose(recorder);
            }
            return Err(failure);
        }
        whole(answer.into_body()).await?;
        recorder.step(Step::Initialized, began);
        // Without a session there is nothing that could be told on a stream of its own.
        if self.listens && session.is_some() {
            let follow = session_stream::follow(
                self.around.clone(),
                self.number,
                open.resume.clone(),
                open.state.clone(),
            );
            open.listening = Some(tokio::spawn(follow));
        }
        self.open = Some(open);
        Ok(())
    }

    async fn ended(&mut self) -> Result<(), Failure> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if let Some(listening) = open.listening.take() {
            listening.abort();
        }
        let began = Instant::now();
        let answer = self.line.send(open.delete.request(0)).await?;
        // 405: the server does not let clients end a session.
        let ended = answer.status().is_success();
        if !ended && answer.status() != StatusCode::METHOD_NOT_ALLOWED {
            let failure = refusal(answer, true).await;
            if matches!(failure, Failure::SessionLost(_)) {
                open.state.lose(&self.around.recorder);
            }
            return Err(failure);
        }
        whole(answer.into_body()).await?;
        self.around.recorder.step(Step::Delete, began);
        Ok(())
    }

    /// Whether the token was refused, and there is another one now.
    async fn is_renewed(&mut self, outcome: &Result<(), Failure>) -> bool {
        let unauthorized = outcome.as_ref().is_err_and(Failure::is_unauthorized);
        if !unauthorized || !self.around.tokens.renew(&self.token).await {
            return false;
        }
        self.token = self.around.tokens.of(self.number);
        if let Some(open) = &mut self.open {
            for template in [&mut open.call, &mut open.resume, &mut open.delete] {
                self.token.show(template);
            }
        }
        true
    }
}
