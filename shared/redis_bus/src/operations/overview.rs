//! Whether there is a fleet, and how much there is of everything.

use std::collections::HashMap;

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{OpenTasks, Overview, Place, ServerFacts, TaskCounts, TaskFacts};
use redis::{Value, cmd, from_redis_value, pipe};

use super::RedisOperations;
use super::entries::added_ms;
use crate::bus::clock::{Time, unix_ms};
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::scripts;
use crate::server::info::fact;
use crate::wire::keys::{GROUP, Keys, NOBODY};

/// Keys that one step of a look through all of them passes.
pub(super) const KEYS_AT_ONCE: usize = 500;

/// Steps of the look for fleets under other prefixes.
const STEPS: usize = 40;

/// Fleets that it tells.
const FLEETS: usize = 10;

/// Open streams among which working tasks are looked for, the oldest ones: of calls, few are as old as a task.
const OPEN_STREAMS: usize = 1000;

/// Tasks that wait for their clients among which the oldest is looked for: those whose time is over first.
const ASKING: usize = 100;

/// What stands in a log in the place of its owner while its call has none.
const NO_OWNER: &str = "-";

/// Counts, in the order in which they are asked for.
type Counts = (u64, u64, u64, u64, u64, u64, u64, Time);

impl RedisOperations {
    pub(super) async fn read_place(&self) -> Result<Place, Fault> {
        let mut exists = cmd("EXISTS");
        exists.arg(self.keys.group_made()).arg(self.keys.queue());
        let found = self.run(&Command::<u64>::single(exists)).await?;
        let others = match found {
            0 => self.look_for_fleets().await?,
            _ => Vec::new(),
        };
        Ok(Place {
            bus: self.place.clone(),
            prefix: self.prefix.clone(),
            has_server: true,
            is_there: found > 0,
            others,
        })
    }

    /// Prefixes of fleets among the first keys that Redis tells.
    async fn look_for_fleets(&self) -> Result<Vec<String>, Fault> {
        let (mut cursor, mut found) = (0, Vec::new());
        for _ in 0..STEPS {
            let (next, keys) = self.scan(cursor, &Keys::all_fleets()).await?;
            let prefixes = keys.iter().filter_map(|key| Keys::prefix_of(key));
            found.extend(prefixes.map(str::to_owned));
            cursor = next;
            if cursor == 0 || found.len() >= FLEETS {
                break;
            }
        }
        found.sort();
        found.dedup();
        found.truncate(FLEETS);
        Ok(found)
    }

    /// A step through all keys: where the next begins, 0 at the end, and those that match.
    pub(super) async fn scan(
        &self,
        cursor: u64,
        pattern: &str,
    ) -> Result<(u64, Vec<String>), Fault> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern);
        scan.arg("COUNT").arg(KEYS_AT_ONCE);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.run(&Command::single(scan)).await?;
        let keys = keys
            .into_iter()
            .filter_map(|key| String::from_utf8(key).ok());
        Ok((next, keys.collect()))
    }

    /// The oldest entry that no worker has claimed.
    pub(super) async fn oldest_waiting(&self) -> Result<Option<String>, Fault> {
        match self.handed_out().await? {
            Some(handed_out) => self.first_after(&handed_out).await,
            None => self.first_after("-").await,
        }
    }

    pub(super) async fn read_overview(&self) -> Result<Overview, Fault> {
        let keys = &self.keys;
        let mut counts = pipe();
        counts.cmd("XLEN").arg(keys.queue());
        counts.cmd("XLEN").arg(keys.dead_letters());
        counts.cmd("ZCARD").arg(keys.unfinished());
        counts.cmd("ZCARD").arg(keys.cancelled());
        counts.cmd("ZCARD").arg(keys.sessions());
        counts.cmd("ZCARD").arg(keys.calls());
        counts.cmd("STRLEN").arg(keys.catalog());
        counts.cmd("TIME");
        let counts: Counts = self.run(&Command::pipeline(counts)).await?;
        let (
            queued,
            dead_letters,
            unfinished_streams,
            cancelled,
            sessions,
            session_calls,
            catalog,
            time,
        ) = counts;
        let now_ms = unix_ms(time);
        let age = |entry: &str| added_ms(entry).map(|added| now_ms.saturating_sub(added));
        let pending = self.pending().await?;
        let oldest_waiting = self.oldest_waiting().await?;
        let tasks = self.task_counts().await?;
        let open_tasks = match tasks {
            Some(counts) => Some(self.open_tasks(counts, now_ms).await?),
            None => None,
        };
        Ok(Overview {
            now_ms,
            waiting: queued.saturating_sub(pending.running),
            oldest_waiting_ms: oldest_waiting.as_deref().and_then(age),
            running: pending.running,
            oldest_running_ms: pending.oldest.as_deref().and_then(age),
            unattributed: pending.unattributed,
            has_group: pending.has_group,
            dead_letters,
            unfinished_streams,
            cancelled,
            sessions,
            session_calls,
            tasks,
            open_tasks,
            has_catalog: catalog > 0,
            server: self.server_facts().await?,
        })
    }

    /// How many tasks there are; nothing where its user may not count them.
    async fn task_counts(&self) -> Result<Option<TaskCounts>, Fault> {
        let count = scripts::count_tasks_as_reader(&self.keys);
        match self.run(&count).await {
            Ok((working, input_required, kept)) => Ok(Some(TaskCounts {
                working,
                input_required,
                kept,
            })),
            Err(fault) if fault.is_forbidden() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What there is to say of the tasks that are open, of which there are so many.
    async fn open_tasks(&self, counts: TaskCounts, now_ms: u64) -> Result<OpenTasks, Fault> {
        let mut open = OpenTasks::default();
        if counts.working + counts.input_required == 0 {
            return Ok(open);
        }
        let mut names = pipe();
        let (unfinished, asking) = (self.keys.unfinished(), self.keys.asking());
        names
            .cmd("ZRANGE")
            .arg(unfinished)
            .arg(0)
            .arg(OPEN_STREAMS - 1);
        names.cmd("ZRANGE").arg(asking).arg(now_ms).arg("+inf");
        names.arg(&["BYSCORE", "LIMIT", "0"]).arg(ASKING);
        let (unfinished, asking): (Vec<String>, Vec<String>) =
            self.run(&Command::pipeline(names)).await?;
        let working = unfinished.iter().map(|name| (name, true));
        let asking = asking.iter().map(|name| (name, false));
        let named = working.chain(asking);
        let named = named.filter_map(|(name, works)| Some((name.parse::<StreamId>().ok()?, works)));
        let named: Vec<_> = named.collect();
        if named.is_empty() {
            return Ok(open);
        }
        let mut looks = pipe();
        for (stream, _) in &named {
            let look = looks.cmd("HMGET").arg(self.keys.log(stream));
            look.arg(&["task", "state", "owner"]);
        }
        let seen: Vec<[Option<String>; 3]> = self.run(&Command::pipeline(looks)).await?;
        let mut found = 0;
        for ((_, works), [task, state, owner]) in named.iter().zip(seen) {
            let Some(task) = task.filter(|_| state.as_deref() == Some("open")) else {
                continue;
            };
            found += u64::from(*works);
            open.queued += u64::from(*works && owner.as_deref() == Some(NO_OWNER));
            let age_ms = TaskFacts::default().born(&task, now_ms).age_ms;
            open.oldest_ms = open.oldest_ms.max(Some(age_ms));
        }
        open.has_more = unfinished.len() == OPEN_STREAMS && found < counts.working;
        Ok(open)
    }

    /// What workers have in their hands.
    async fn pending(&self) -> Result<Pending, Fault> {
        let mut pending = cmd("XPENDING");
        pending.arg(self.keys.queue()).arg(GROUP);
        let pending = Command::<Value>::single(pending);
        let Some(pending) = self.run_if_there(&pending).await? else {
            return Ok(Pending::default());
        };
        let (running, oldest, _, consumers): (u64, Option<String>, Option<String>, Value) =
            from_redis_value(pending).map_err(redis::RedisError::from)?;
        let consumers: Vec<(String, u64)> = from_redis_value(consumers).unwrap_or_default();
        let mut of_nobody = consumers.iter().filter(|(name, _)| name == NOBODY);
        Ok(Pending {
            has_group: true,
            running,
            oldest,
            unattributed: of_nobody.next().map_or(0, |(_, entries)| *entries),
        })
    }

    /// The entry that was handed out last.
    async fn handed_out(&self) -> Result<Option<String>, Fault> {
        let mut groups = cmd("XINFO");
        groups.arg("GROUPS").arg(self.keys.queue());
        let groups = Command::<Vec<HashMap<String, Value>>>::single(groups);
        let groups = self.run_if_there(&groups).await?.unwrap_or_default();
        let text = |group: &HashMap<String, Value>, name: &str| {
            from_redis_value::<String>(group.get(name)?.clone()).ok()
        };
        let ours = groups
            .iter()
            .find(|group| text(group, "name").as_deref() == Some(GROUP));
        Ok(ours.and_then(|group| text(group, "last-delivered-id")))
    }

    /// The first entry of the queue after this one.
    async fn first_after(&self, entry: &str) -> Result<Option<String>, Fault> {
        let after = (entry != "-").then(|| entry.into());
        let list = scripts::list_entries(
            &self.keys,
            prynai_bus::operations::Shelf::Queue,
            after.as_ref(),
            None,
            1,
        );
        let (_, entries) = self.run(&list).await?;
        Ok(entries.into_iter().next().map(|(entry, ..)| entry))
    }

    async fn server_facts(&self) -> Result<Option<ServerFacts>, Fault> {
        let info = Command::<String>::single(cmd("INFO"));
        let facts = match self.run(&info).await {
            Ok(facts) => facts,
            Err(fault) if fault.is_forbidden() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let text = |name| fact(&facts, name).map(str::to_owned);
        let number = |name| fact(&facts, name).and_then(|number| number.parse().ok());
        Ok(Some(ServerFacts {
            version: text("redis_version"),
            uptime_s: number("uptime_in_seconds"),
            memory_bytes: number("used_memory"),
            memory_limit_bytes: number("maxmemory"),
            eviction: text("maxmemory_policy"),
            clients: number("connected_clients"),
        }))
    }
}

#[derive(Default)]
struct Pending {
    has_group: bool,
    running: u64,
    oldest: Option<String>,
    unattributed: u64,
}
