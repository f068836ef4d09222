//! What can be done, the question before it, and the deed.

use std::sync::Arc;

use maud::{Markup, html};
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, Repairs};
use prynai_operations::Failed;
use prynai_operations::mend::{cancel, drain, letters, replay};
use prynai_operations::text::{counted, harmless, what};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::proof::Proofs;
use crate::address::{Query, path};
use crate::parts::said;

/// Replayed requests at a time whose streams are held here.
const MOST_REPLAYS: usize = 16;

/// Deeds at a time: one outlives whoever asked for it.
pub(crate) const MOST_DEEDS: usize = 16;

/// Characters of an operator's name that are logged.
const LONGEST_NAME: usize = 64;

/// Asks, and does what was agreed to.
pub(crate) struct Write {
    proofs: Proofs,
    replays: Arc<Semaphore>,
    deeds: Arc<Semaphore>,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
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
            deeds: Arc::new(Semaphore::new(MOST_DEEDS)),
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
                // Itself, not as it is shown: it comes back.
                input type="hidden" name="id" value=(id);
                input type="hidden" name="until" value=(proof.until);
                input type="hidden" name="proof" value=(proof.proof);
                button .do type="submit" { (yes) }
                a .button href=(act.back().0) { "No, go back" }
            }
        };
        Ok((format!("{yes}?"), body))
    }

    /// What a form says, if somebody was asked about it here.
    pub(crate) fn agreed(&self, form: &Query) -> Result<Act, Failed> {
        let act = Act::read(form)?;
        let (word, id) = (act.word(), act.id());
        let of_form = |name| form.get(name).unwrap_or_default();
        if !self
            .proofs
            .holds(word, &id, of_form("until"), of_form("proof"))
        {
            return Err(Failed::Unfit(
                "the question is too old, or was not asked here, or this process was restarted; ask again"
                    .to_owned(),
            ));
        }
        Ok(act)
    }

    /// Begins what was agreed to, in a task of its own, which gives the path of what is to be seen then: it is done,
    /// logged and held to its end although nobody may wait for it any more. `changed` is called when it is done.
    pub(crate) fn begin(
        self: &Arc<Self>,
        operations: Arc<dyn Repairs>,
        act: Act,
        operator: Option<&str>,
        changed: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<Result<String, Failed>>, Failed> {
        let Ok(place) = Arc::clone(&self.deeds).try_acquire_owned() else {
            return Err(Failed::Unfit(
                "too much else is being done here at this moment; try again".to_owned(),
            ));
        };
        let operator = operator.map(named);
        let write = Arc::clone(self);
        Ok(tokio::spawn(async move {
            let _place = place;
            let done = write.carry_out(&operations, &act).await;
            let outcome = match &done {
                Ok(_) => "done".to_owned(),
                Err(failed) => failed.to_string(),
            };
            let target_id = harmless(&act.id());
            tracing::info!(
                action = act.word(),
                target_id,
                operator,
                outcome,
                "an operator used the console"
            );
            changed();
            done
        }))
    }

    async fn carry_out(&self, operations: &Arc<dyn Repairs>, act: &Act) -> Result<String, Failed> {
        match act {
            Act::Cancel(name) => {
                let call = cancel::find(&**operations, name).await?;
                cancel::cancel(&**operations, &call).await?;
                // Not the call itself, unless it is a task: a modern one that is over may be known no more.
                let task = call.stream.to_string();
                Ok(match call.is_task {
                    true => path("call", &[("id", &task), ("done", "task")]),
                    false => path("queue", &[("done", "cancelled")]),
                })
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

    /// The path and the name of the page where it is seen whether it was done, from where somebody came, too.
    pub(crate) fn back(&self) -> (String, &'static str) {
        match self {
            Self::Cancel(name) => (path("call", &[("id", &name.to_string())]), "the call"),
            Self::Replay(_) | Self::Drop(_) => (path("dead", &[]), "the dead letters"),
            Self::Drain(_) => (path("workers", &[]), "the workers"),
        }
    }

    /// What is asked, and what the button says.
    async fn question(&self, operations: &dyn Repairs) -> Result<(String, &'static str), Failed> {
        Ok(match self {
            Self::Cancel(name) => {
                let call = cancel::find(operations, name).await?;
                let yes = match call.is_task {
                    true => "Cancel the task",
                    false => "Cancel the call",
                };
                (call.question(), yes)
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

/// The name that an operator gave, as it is logged. Nothing proves it.
fn named(name: &str) -> String {
    let short: String = name.chars().take(LONGEST_NAME).collect();
    harmless(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_operator_is_harmless_and_short() {
        assert_eq!(named("Zoë"), "Zoë");
        assert_eq!(named("a\u{1b}[2J\n"), r"a\u{1b}[2J\u{a}");
        assert_eq!(named(&"漢".repeat(10_000)).chars().count(), LONGEST_NAME);
    }
}
