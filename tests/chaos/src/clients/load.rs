//! The load: clients of both eras that call one tool after the other, each at the next gateway.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients::balancer::Balancer;
use crate::clients::legacy::Session;
use crate::clients::modern;
use crate::clients::observer::Observer;
use crate::clients::record::{Answer, Call, Era, Record, Tool};
use crate::clients::tasks;
use prynai_test_redis::seed::Seed;

/// What the clients do.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Calls in flight at a time: each client makes one after the other.
    pub clients: usize,
    /// Their eras, in turn.
    pub eras: Vec<Era>,
    /// The tokens of clients that take tasks, in turn: each asks about its tasks, and another one about them, too. If
    /// there are none, nobody needs a token.
    pub tokens: Vec<String>,
    /// What is called, by chance; name a tool twice to call it twice as often.
    pub tools: Vec<Tool>,
    /// The shortest and the longest call.
    pub takes: (Duration, Duration),
    /// The most events of a call.
    pub events: u32,
    /// After how long without an answer a call counts as hung.
    pub patience: Duration,
}

/// Running clients.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    plan: LoadPlan,
    balancer: Arc<Balancer>,
    seed: Seed,
    stopped: CancellationToken,
    numbers: AtomicU64,
    in_flight: AtomicUsize,
    records: Mutex<Vec<Record>>,
}

/// How long a client waits after a refusal; `Retry-After` is a second.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Load {
    /// Starts the clients.
    pub fn start(plan: LoadPlan, balancer: Arc<Balancer>, seed: &Seed) -> Self {
        let shared = Arc::new(Shared {
            plan,
            balancer,
            seed: seed.clone(),
            stopped: CancellationToken::new(),
            numbers: AtomicU64::new(1),
            in_flight: AtomicUsize::default(),
            records: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for index in 0..shared.plan.clients {
            clients.spawn(Arc::clone(&shared).client(index));
        }
        Self { shared, clients }
    }

    /// Calls that wait for their answer now.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Calls that have their answer.
    pub fn answered(&self) -> usize {
        self.shared.lock().len()
    }

    /// Lets every client finish its call, and gives the records of all.
    pub async fn stop(mut self) -> Vec<Record> {
        self.shared.stopped.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.lock())
    }
}

impl Shared {
    async fn client(self: Arc<Self>, index: usize) {
        let mut chance = self.seed.of_part(index as u64 + 1);
        let era = self.plan.eras[index % self.plan.eras.len()];
        let mut session = None;
        let mut turn = index;
        while !self.stopped.is_cancelled() {
            if era == Era::Legacy && session.is_none() {
                let open = Session::open(&self.balancer, turn);
                let opened = self.stopped.run_until_cancelled(open).await;
                let Some(opened) = opened else { return };
                session = Some(opened);
            }
            turn += 1;
            let call = self.next_call(&mut chance);
            let record = self.make(call, era, session.as_ref(), turn, index).await;
            let refused = record.answer.is_refusal() || record.answer == Answer::Dropped;
            if record.answer == Answer::SessionGone {
                session = None;
            }
            self.lock().push(record);
            if refused {
                let pause = tokio::time::sleep(BACK_OFF);
                self.stopped.run_until_cancelled(pause).await;
            }
        }
    }

    /// The token of a client, and that of another one.
    fn tokens(&self, client: usize) -> tasks::Tokens<'_> {
        let tokens = &self.plan.tokens;
        let of = |client: usize| tokens.get(client % tokens.len().max(1));
        Some([of(client)?, of(client + 1)?])
    }

    fn next_call(&self, chance: &mut Seed) -> Call {
        let (shortest, longest) = self.plan.takes;
        let span = u64::try_from((longest - shortest).as_millis()).expect("short");
        Call {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            tool: *chance.choose(&self.plan.tools),
            takes: shortest + Duration::from_millis(chance.below(span + 1)),
            events: u32::try_from(chance.below(u64::from(self.plan.events) + 1)).expect("few"),
        }
    }

    async fn make(
        &self,
        call: Call,
        era: Era,
        session: Option<&Session<'_>>,
        turn: usize,
        client: usize,
    ) -> Record {
        let mut observer = Observer::new(call);
        let sent = Instant::now();
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (mut is_task, mut resumed) = (false, 0);
        let exchange = async {
            let otherwise;
            if let Some(session) = session {
                (otherwise, resumed) = session.call(turn, &call, &mut observer).await;
            } else if era == Era::Tasks {
                let (balancer, tokens) = (&self.balancer, self.tokens(client));
                let called = tasks::call(balancer, turn, tokens, &call, &mut observer);
                (is_task, otherwise) = called.await;
            } else {
                otherwise = modern::call(self.balancer.at(turn), &call, &mut observer).await;
            }
            otherwise
        };
        let exchanged = tokio::time::timeout(self.plan.patience, exchange).await;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let (answer, wrong) = observer.close(exchanged.unwrap_or(Answer::Hung));
        let answered = Instant::now();
        Record {
            call,
            era,
            sent,
            answered,
            answer,
            is_task,
            resumed,
            wrong,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        self.records.lock().expect("is never poisoned")
    }
}
