//! What can be done, the question before it, and the deed.

use std::sync::Arc;

use maud::{Markup, html};
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, Repairs};
use prynai_operations::Failed;
use prynai_operations::mend::{cancel, drain, letters, replay};
use prynai_operations::text::{counted, harmless, what};
use tokio::sync::Semaphore;

use super::proof::Proofs;
use crate::address::{Query, path};
use crate::parts::said;

/// Replayed requests at a time whose streams are held here.
const MOST_REPLAYS: usize = 16;

/// Asks, and does what was agreed to.
pub(crate) struct Write {
    proofs: Proofs,
    replays: Arc<Semaphore>,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Cancel(CallName),
    Replay(EntryId),
    Drop(EntryId),
    Drain(String),
}

impl Write {
    pub(crate) fn new() -> Self {
        Self {
            proofs: Proofs::new(),
            replays: Arc::new(Semaphore::new(MOST_REPLAYS)),
        }
    }

    /// The title of the question, and the question with the form that says yes.
    pub(crate) async fn ask(
        &self,
        operations: &Arc<dyn Repairs>,
        query: &Query,
    ) -> Result<(String, Markup), Failed> {
        let act = Act::read(query)?;
        let (question, yes) = act.question(&**operations).await?;
        let (word, id) = (act.word(), act.id());
        let proof = self.proofs.make(word, &id);
        let body = html! {
            p { (said(&question)) }
            form method="post" action=(path("do", &[])) {
                input type="hidden" name="do" value=(word);
                input type="hidden" name="id" value=(said(&id));
                input type="hidden" name="until" value=(proof.until);
                input type="hidden" name="proof" value=(proof.proof);
                button .do type="submit" { (yes) }
                a .button href=(act.back()) { "No, go back" }
            }
        };
        Ok((format!("{yes}?"), body))
    }

    /// Does what a form says, and gives the path of what is to be seen then.
    pub(crate) async fn act(
        &self,
        operations: &Arc<dyn Repairs>,
        form: &Query,
    ) -> Result<String, Failed> {
        let act = Act::read(form)?;
        let (word, id) = (act.word(), act.id());
        let of_form = |name| form.get(name).unwrap_or_default();
        if !self
            .proofs
            .holds(word, &id, of_form("until"), of_form("proof"))
        {
            return Err(Failed::Unfit(
                "nothing was done: the question is too old, or was not asked here; ask again"
                    .to_owned(),
            ));
        }
        let done = self.carry_out(operations, &act).await;
        let outcome = match &done {
            Ok(_) => "done".to_owned(),
            Err(failed) => failed.to_string(),
        };
        tracing::info!(action = word, target_id = %harmless(&id), outcome, "an operator used the console");
        done
    }

    async fn carry_out(&self, operations: &Arc<dyn Repairs>, act: &Act) -> Result<String, Failed> {
        match act {
            Act::Cancel(name) => {
                let call = cancel::find(&**operations, name).await?;
                cancel::cancel(&**operations, &call).await?;
                // Not the call itself: a modern one that is over may be known no more.
                Ok(path("queue", &[("done", "cancelled")]))
            }
            Act::Replay(letter) => {
                let stream = self.replay(operations, letter).await?;
                Ok(path("call", &[("id", &stream), ("done", "replayed")]))
            }
            Act::Drop(letter) => {
                match operations
                    .drop_letters(std::slice::from_ref(letter))
                    .await?
                {
                    0 => Err(letters::unknown(letter)),
                    _ => Ok(path("dead", &[("done", "dropped")])),
                }
            }
            Act::Drain(name) => match operations.drain(&name.as_str().into()).await? {
                true => Ok(path("workers", &[("done", "drained")])),
                false => Err(drain::deaf(name)),
            },
        }
    }

    /// Queues a request once more, and holds its stream until it ends, or this process does.
    async fn replay(
        &self,
        operations: &Arc<dyn Repairs>,
        letter: &EntryId,
    ) -> Result<String, Failed> {
        let Ok(place) = Arc::clone(&self.replays).try_acquire_owned() else {
            return Err(Failed::Unfit(format!(
                "{MOST_REPLAYS} requests that were run again have not ended yet; wait for one of them"
            )));
        };
        let replayed = replay::queue(&**operations, letter).await?;
        let stream = replayed.stream.to_string();
        let operations = Arc::clone(operations);
        tokio::spawn(async move {
            let _place = place;
            let told = |error: &Failed| {
                tracing::debug!(%error, "cannot look after a request that was run again; trying again");
            };
            let looked = replay::until_it_ends(&*operations, &replayed, false, told).await;
            if let Err(error) = looked {
                tracing::warn!(%error, "gave up looking after a request that was run again; it may be cancelled");
            }
        });
        Ok(stream)
    }
}

impl Act {
    fn read(query: &Query) -> Result<Self, Failed> {
        let wrong = || Failed::Unfit("there is nothing like that to be done".to_owned());
        let id = query.get("id").ok_or_else(wrong)?;
        let letter = || match id.parse() {
            Ok(CallName::Entry(entry)) => Ok(entry),
            _ => Err(wrong()),
        };
        match query.get("do") {
            Some("cancel") => id.parse().map(Self::Cancel).map_err(|_| wrong()),
            Some("replay") => letter().map(Self::Replay),
            Some("drop") => letter().map(Self::Drop),
            Some("drain") => Ok(Self::Drain(id.to_owned())),
            _ => Err(wrong()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Cancel(_) => "cancel",
            Self::Replay(_) => "replay",
            Self::Drop(_) => "drop",
            Self::Drain(_) => "drain",
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Cancel(name) => name.to_string(),
            Self::Replay(letter) | Self::Drop(letter) => letter.to_string(),
            Self::Drain(worker) => worker.clone(),
        }
    }

    /// Where somebody came from who does not agree.
    fn back(&self) -> String {
        match self {
            Self::Cancel(name) => path("call", &[("id", &name.to_string())]),
            Self::Replay(_) | Self::Drop(_) => path("dead", &[]),
            Self::Drain(_) => path("workers", &[]),
        }
    }

    /// What is asked, and what the button says.
    async fn question(&self, operations: &dyn Repairs) -> Result<(String, &'static str), Failed> {
        Ok(match self {
            Self::Cancel(name) => {
                let call = cancel::find(operations, name).await?;
                let asked = format!(
                    "Cancel {} of {}? Its client gets no answer.",
                    call.what, call.caller
                );
                (asked, "Cancel the call")
            }
            Self::Replay(letter) => {
                let sight = self.letter(operations, letter).await?;
                let (what, caller) = (what(&sight), cancel::caller(&sight));
                let asked = format!(
                    "Run {what} of {caller} once more? It may take effect again, and its client does not get the response."
                );
                (asked, "Run it again")
            }
            Self::Drop(letter) => {
                let sight = self.letter(operations, letter).await?;
                let (what, caller) = (what(&sight), cancel::caller(&sight));
                let asked = format!("Drop {what} of {caller}? Nobody can run it again then.");
                (asked, "Drop the letter")
            }
            Self::Drain(name) => {
                let worker = drain::find_listening(operations, name).await?;
                let asked = format!(
                    "Drain the worker {name}? It claims nothing more, and its process ends when its {} ended.",
                    counted(worker.running, "call has", "calls have")
                );
                (asked, "Drain the worker")
            }
        })
    }

    async fn letter(
        &self,
        operations: &dyn Repairs,
        letter: &EntryId,
    ) -> Result<prynai_bus::operations::EntrySight, Failed> {
        let found = operations.letter(letter).await?;
        found
            .map(|found| found.sight)
            .ok_or_else(|| letters::unknown(letter))
    }
}
