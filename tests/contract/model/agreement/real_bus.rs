//! Both real buses.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prynai_bus::ids::{EntryId, GatewayId, StreamId, WorkerId};
use prynai_bus::testing::{json, modern_request};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::signal::Signal;
use prynai_bus::wire::task::{Parking, Promotion, Question, TaskBirth, TaskSight, TaskState};
use prynai_bus::{Append, Bus, BusError, Claim, Finish, News, NewsReceiver, Ownership};
use prynai_test_redis::PATIENCE;
use tokio_util::sync::CancellationToken;

use super::Call;
use super::store::{LEASE, Store};
use super::translation::{answer, few, news, state, taken_over};
use super::{Number, Published, STREAMS, Sight, Subject, WORKERS};
use crate::bus::{Answer, Step, Token, Worker};

/// Whose the tasks are.
const OWNER: &str = "user:1";

/// The key of every question.
const KEY: &str = "k";

/// Longer than any sequence.
const LONG: Duration = Duration::from_secs(9 * 365 * 24 * 3600);

/// A real bus with one gateway, which holds all the streams.
pub(super) struct RealBus {
    bus: Arc<dyn Bus>,
    store: Store,
    workers: [WorkerId; WORKERS],
    requests: [RequestEnvelope; STREAMS],
    entries: [Option<EntryId>; STREAMS],
    /// How often each has come back from its client.
    rounds: [u8; STREAMS],
    claims: Vec<((Number, Token), Claim)>,
    events: NewsReceiver<StreamEvent>,
    signals: Vec<NewsReceiver<Signal>>,
}

impl RealBus {
    pub(super) async fn open(store: Store) -> Self {
        let bus = store.bus();
        let gateway = GatewayId::generate();
        let workers = std::array::from_fn(|_| WorkerId::generate());
        let events = begun(bus.event_news(&gateway).await.expect("subscribed")).await;
        let mut signals = Vec::new();
        for worker in &workers {
            signals.push(begun(bus.signal_news(worker).await.expect("subscribed")).await);
        }
        Self {
            bus,
            store,
            workers,
            requests: std::array::from_fn(|_| modern_request(&gateway)),
            entries: Default::default(),
            rounds: [0; STREAMS],
            claims: Vec::new(),
            events,
            signals,
        }
    }

    async fn hand_out(&mut self, step: Step, max: usize) -> Vec<(Number, Answer)> {
        let (worker, claims) = match step {
            Step::Claim(worker) => (worker, self.claim(worker, max).await),
            Step::Reclaim(worker) => {
                let claims = self.bus.reclaim(self.worker(worker), LEASE, max).await;
                (worker, claims.expect("reclaimed"))
            }
            other => panic!("{other:?} hands nothing out"),
        };
        let answers = claims.into_iter().map(|claim| self.note(worker, claim));
        answers.collect()
    }

    async fn claim(&self, worker: Worker, max: usize) -> Vec<Claim> {
        let (worker, stop) = (self.worker(worker), CancellationToken::new());
        let claims = self.bus.claim(worker, max, Duration::ZERO, &stop).await;
        claims.expect("claimed")
    }

    fn note(&mut self, worker: Worker, claim: Claim) -> (Number, Answer) {
        let stream = self.number(claim.request.stream).expect("one of ours");
        assert_eq!(Some(&claim.entry), self.entries[stream].as_ref());
        let (delivery, cancelled) = (few(claim.delivery.into()), claim.cancelled);
        let round = self.rounds[stream];
        let token = Token {
            worker,
            delivery,
            round,
        };
        self.claims.push(((stream, token), claim));
        (stream, Answer::claimed(delivery, cancelled))
    }

    async fn steps(&mut self, steps: &[(Number, Step)]) -> Result<Vec<Answer>, BusError> {
        let (bus, (stream, step)) = (Arc::clone(&self.bus), steps[0]);
        let streams: Vec<Number> = steps.iter().map(|(stream, _)| *stream).collect();
        let id = self.id(stream);
        match step {
            Step::Enqueue => {
                self.entries[stream] = Some(bus.enqueue(&self.requests[stream]).await?);
            }
            Step::Renew(worker) => {
                let entries = self.entries_of(&streams);
                bus.renew(self.worker(worker), LEASE, &entries).await?;
            }
            Step::HandBack { worker, begun } => {
                let entries = self.entries_of(&streams);
                bus.hand_back(self.worker(worker), &entries, begun).await?;
            }
            Step::OpenLog => {
                let holder = &self.requests[stream].holder;
                bus.open_log(&id, holder, None, Era::Modern).await?;
            }
            Step::Append { .. } => {
                let appends: Vec<_> = steps.iter().map(|step| self.append(*step)).collect();
                let answers = bus.append_all(&appends).await?;
                return Ok(answers.into_iter().map(answer).collect());
            }
            Step::TakeOver(by) => {
                let taken = bus.take_over(&self.owner(stream, by)).await?;
                return Ok(vec![taken_over(taken)]);
            }
            Step::Finish { .. } => {
                let finishes: Vec<_> = steps.iter().map(|step| self.finish(*step)).collect();
                let answers = bus.finish(&finishes).await?;
                return Ok(answers.into_iter().map(answer).collect());
            }
            Step::DeadLetter(by) => {
                bus.dead_letter(self.claim_of(stream, by), "hopeless")
                    .await?;
            }
            Step::Cancel { knows_entry } => {
                let entry = self.entries[stream].as_ref().filter(|_| knows_entry);
                bus.cancel_call(&id, entry, Era::Modern).await?;
            }
            Step::Abandon { knows_entry } => {
                let entry = self.entries[stream].as_ref().filter(|_| knows_entry);
                bus.abandon_call(&id, entry, Era::Modern).await?;
            }
            Step::Promote { by, offset } => {
                let promotion = self.promotion(stream, offset);
                let promoted = bus.promote(&self.owner(stream, by), &promotion).await?;
                return Ok(vec![answer(promoted)]);
            }
            Step::Park(by) => {
                let parked = bus.park(&self.owner(stream, by), &parking()).await?;
                return Ok(vec![answer(parked)]);
            }
            Step::Answer => self.answer(stream).await?,
            Step::Release => {
                let ids: Vec<_> = streams.iter().map(|stream| self.id(*stream)).collect();
                bus.release(&ids).await?;
            }
            // The contract suite has them (`lost_replies`): here every answer arrives.
            Step::Unreceived(_) | Step::ReclaimAgain(_) | Step::FindOrWithdraw => {
                panic!("{step:?} follows a lost answer only");
            }
            // What it says of an ended task would be that of any log.
            Step::TaskExpires => panic!("tasks live for longer than a sequence"),
            Step::Claim(_) | Step::Reclaim(_) | Step::LeaseEnds | Step::LogExpires => {
                panic!("{step:?} is not for certain streams");
            }
        }
        Ok(vec![Answer::Done; steps.len()])
    }

    fn promotion(&self, stream: Number, offset: u8) -> Promotion {
        Promotion {
            principal: OWNER.to_owned(),
            share: Principal::named(OWNER).share(),
            birth: TaskBirth::new(self.bus.now_ms(), PATIENCE),
            ttl: LONG,
            kept: LONG,
            event: self.event(stream, offset, EventKind::Task),
        }
    }

    async fn answer(&mut self, stream: Number) -> Result<(), BusError> {
        let id = self.id(stream);
        let is_asking = |task: &Option<TaskSight>| {
            let state = task.as_ref().map(|task| &task.state);
            matches!(state, Some(TaskState::Asking(_)))
        };
        let before = self.bus.task(&id, OWNER).await?;
        let answers = BTreeMap::from([(KEY.to_owned(), json("{}"))]);
        self.bus.answer(&id, OWNER, &answers).await?;
        if let Some(task) = self
            .bus
            .task(&id, OWNER)
            .await?
            .filter(|_| is_asking(&before))
        {
            self.entries[stream] = Some(task.entry);
            self.rounds[stream] += 1;
        }
        Ok(())
    }

    fn append(&self, (stream, step): (Number, Step)) -> Append {
        let Step::Append { by, first, last } = step else {
            panic!("{step:?} among appends");
        };
        Append {
            ownership: self.owner(stream, by),
            events: self.messages(stream, first..last + 1),
        }
    }

    fn messages(&self, stream: Number, offsets: Range<u8>) -> Vec<StreamEvent> {
        let message = |offset| self.event(stream, offset, EventKind::Message);
        offsets.map(message).collect()
    }

    fn finish(&self, (stream, step): (Number, Step)) -> Finish {
        let Step::Finish { by, earlier, last } = step else {
            panic!("{step:?} among finishes");
        };
        let first = last.map(|last| last - earlier..last);
        Finish {
            ownership: self.owner(stream, by),
            record: None,
            earlier: first.map_or(Vec::new(), |offsets| self.messages(stream, offsets)),
            event: last.map(|last| self.event(stream, last, EventKind::Final)),
        }
    }

    fn worker(&self, worker: Worker) -> &WorkerId {
        &self.workers[usize::from(worker)]
    }

    fn id(&self, stream: Number) -> StreamId {
        self.requests[stream].stream
    }

    fn number(&self, id: StreamId) -> Option<Number> {
        self.requests
            .iter()
            .position(|request| request.stream == id)
    }

    fn entries_of(&self, streams: &[Number]) -> Vec<EntryId> {
        let entry = |stream: &Number| self.entries[*stream].clone();
        streams
            .iter()
            .map(|stream| entry(stream).expect("queued"))
            .collect()
    }

    fn claim_of(&self, stream: Number, by: Token) -> &Claim {
        let mut claims = self.claims.iter();
        let found = claims.find(|(claimed, _)| *claimed == (stream, by));
        &found.expect("claimed").1
    }

    fn owner(&self, stream: Number, by: Token) -> Ownership {
        self.claim_of(stream, by).ownership(self.worker(by.worker))
    }

    fn event(&self, stream: Number, offset: u8, kind: EventKind) -> StreamEvent {
        StreamEvent::new(self.id(stream), offset.into(), kind, json("{}"))
    }

    async fn sight(&self, stream: Number) -> Sight {
        let is_queued = async {
            match &self.entries[stream] {
                Some(entry) => self.bus.is_pending(entry).await.expect("looked"),
                None => false,
            }
        };
        let log = self.bus.read_log(&self.requests[stream].stream, None, 0);
        let (is_queued, log) = tokio::join!(is_queued, log);
        let log = log.expect("read");
        Sight {
            is_queued,
            log: log.map(|log| (state(log.state), few(log.newest))),
        }
    }

    /// Cancels a call of each worker, so that all that was told before is known to have arrived when that is heard.
    async fn sentinels(&self) -> Vec<StreamId> {
        let mut sentinels = Vec::new();
        for worker in 0..WORKERS as Worker {
            let sentinel = modern_request(&self.requests[0].holder);
            let entry = self.bus.enqueue(&sentinel).await.expect("queued");
            let claims = self.claim(worker, STREAMS + 1).await;
            assert!(claims.iter().any(|claim| claim.entry == entry));
            let stream = sentinel.stream;
            let cancelled = self
                .bus
                .cancel_call(&stream, Some(&entry), Era::Modern)
                .await;
            cancelled.expect("cancelled");
            sentinels.push(stream);
        }
        sentinels
    }
}

impl Subject for RealBus {
    async fn call(&mut self, call: &Call) -> Vec<(Number, Answer)> {
        match call {
            Call::HandOut { step, max } => self.hand_out(*step, *max).await,
            Call::Steps(steps) => {
                let answers = self.steps(steps).await.expect("the bus answers");
                assert_eq!(answers.len(), steps.len());
                let streams = steps.iter().map(|(stream, _)| *stream);
                streams.zip(answers).collect()
            }
            Call::LogsExpire => {
                self.store.let_logs_expire(&self.requests).await;
                Vec::new()
            }
            Call::LeasesEnd => {
                self.store.let_leases_end(&self.requests).await;
                Vec::new()
            }
        }
    }

    async fn look(&self) -> Vec<Sight> {
        join_all((0..STREAMS).map(|stream| self.sight(stream))).await
    }

    async fn published(mut self) -> Published {
        let sentinels = self.sentinels().await;
        let mut published = Published {
            dead_letters: self.store.dead_letters().await,
            ..Published::default()
        };
        let last = *sentinels.last().expect("a worker");
        for event in until(&mut self.events, |event| event.stream == last).await {
            let heard = self.number(event.stream);
            published
                .events
                .extend(heard.map(|stream| (stream, news(&event))));
        }
        for (worker, sentinel) in (0..).zip(sentinels) {
            let signals = &mut self.signals[usize::from(worker)];
            for signal in until(signals, |signal| signal.stream == sentinel).await {
                let heard = self.number(signal.stream);
                published
                    .wake_ups
                    .extend(heard.map(|stream| (worker, stream)));
            }
        }
        published
    }
}

/// One question. Each round has the same key here, which no worker would do, and the bus does not mind.
fn parking() -> Parking {
    Parking {
        questions: vec![Question {
            key: KEY.to_owned(),
            name: KEY.to_owned(),
            request: json("{}"),
        }],
        left: None,
        record: None,
    }
}

/// A subscription that hears everything from now on.
async fn begun<T: std::fmt::Debug + PartialEq>(mut news: NewsReceiver<T>) -> NewsReceiver<T> {
    let first = tokio::time::timeout(PATIENCE, news.recv()).await;
    assert_eq!(first.expect("the first message"), Some(News::Gap));
    news
}

/// What is heard until something, which is left out.
async fn until<T: std::fmt::Debug>(
    news: &mut NewsReceiver<T>,
    is_last: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut heard = Vec::new();
    loop {
        let received = tokio::time::timeout(PATIENCE, news.recv()).await;
        match received.expect("no news came") {
            Some(News::Item(item)) if is_last(&item) => return heard,
            Some(News::Item(item)) => heard.push(item),
            other => panic!("expected an item, got {other:?}"),
        }
    }
}
