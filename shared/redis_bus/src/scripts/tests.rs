//! Every script is sent with the keys it declares, and these lie on one node of a cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;

use prynai_bus::ids::{EntryId, GatewayId, SessionId, StreamId, WorkerId};
use prynai_bus::operations::Shelf;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::{Parking, Promotion, Question, TaskBirth, TaskFailure};
use prynai_bus::{Append, Bucket, BusLimits, FeedPosition, Finish, KeyUse, Ownership, testing};
use redis::FromRedisValue;

use super::*;
use crate::connection::command::{Command, Lua};
use crate::wire::batches::Batches;
use crate::wire::keys::Keys;
use crate::wire::lines;

/// One command for every script: the name of its file, how many times its repeated keys occur, its
/// script and its arguments.
fn commands() -> Vec<(&'static str, usize, &'static Lua, Vec<String>)> {
    let keys = Keys::new("prynai:");
    let limits = BusLimits::default();
    let stream = StreamId::generate();
    let (worker, session) = (WorkerId::generate(), SessionId::generate());
    let holder = GatewayId::generate();
    let entry = EntryId::from("1-1");
    let request_id = testing::json("1");
    let owner = Ownership {
        stream,
        entry: entry.clone(),
        worker: worker.clone(),
        delivery: 1,
        holder: holder.clone(),
        session: Some(session.clone()),
        request_id: Some(request_id.clone()),
        era: Era::Legacy,
    };
    let event = StreamEvent::pause(stream, 1);
    let ending = Finish {
        ownership: owner.clone(),
        record: None,
        earlier: vec![event.clone()],
        event: Some(event.clone()),
    };
    let bucket = Bucket {
        name: "few:1".to_owned(),
        period: Duration::from_millis(100),
        burst: 10,
    };
    let finishes = [ending.clone(), ending];
    let append = Append {
        ownership: owner.clone(),
        events: vec![event.clone(), event],
    };
    let appends = [append.clone(), append];
    let dead = DeadEntry {
        entry: &entry,
        delivery: 1,
        reason: "because",
        stream: Some(stream),
        era: Era::Modern,
        call: lines::call_of(&owner),
    };
    let position = FeedPosition {
        epoch: "a".into(),
        major: 1,
        minor: 2,
    };
    let said = CancelLines {
        event: lines::cancelled(stream).unwrap(),
        signal: "{}".to_owned(),
    };
    let call = QueuedCall {
        session: &session,
        stream: &stream,
        request_id: &request_id,
        log_level: "",
        fields: &[("v", "1".into())],
    };
    let once = KeyUse {
        takes_task: false,
        record: "a1".to_owned(),
        fingerprint: "b2".to_owned(),
        stream,
        delivery: 1,
        share: Principal::anonymous().share(),
    };
    let window = limits.session_idle;
    let change = FieldChange::Subscribe("subscription:test://a");
    let ones = [entry.clone()];
    let promotion = Promotion {
        principal: "somebody".to_owned(),
        share: Principal::anonymous().share(),
        birth: TaskBirth::new(1, window),
        ttl: window,
        kept: window,
        event: StreamEvent::pause(stream, 1),
    };
    let parking = Parking {
        questions: vec![Question {
            key: "key".to_owned(),
            name: "name".to_owned(),
            request: request_id.clone(),
        }],
        left: None,
        record: None,
    };
    let finishes = Batches::of(&finishes).next().unwrap().unwrap();
    let appends = Batches::of(&appends).next().unwrap().unwrap();
    let streams = [stream, stream, stream];
    let (k, l, s) = (&keys, &limits, &session);
    vec![
        ("finish", 2, parts(finish(k, l, &finishes, None))),
        (
            "reclaim",
            0,
            parts(reclaim(k, &worker, limits.session_idle, 8, 1, 100)),
        ),
        (
            "unreceived",
            0,
            parts(unreceived(k, &worker, (1, 1), 8, 100)),
        ),
        (
            "find_or_withdraw",
            0,
            parts(find_or_withdraw(k, l, &stream, Era::Modern, window)),
        ),
        ("make_group", 0, parts(make_group(k, false, None))),
        ("renew", 0, parts(renew(k, &worker, window, Some(&ones)))),
        ("hand_back", 0, parts(hand_back(k, &worker, &ones, true))),
        (
            "dead_letter",
            1,
            parts(dead_letter(k, l, &dead, &[("field", "value")])),
        ),
        ("sweep", 0, parts(sweep(k, l))),
        ("knock", 0, parts(knock(k, &[("v", "1")]))),
        ("is_queued", 0, parts(is_queued(k, &entry))),
        ("backlog", 0, parts(backlog(k))),
        (
            "append_events",
            2,
            parts(append_events(k, l, &appends, None)),
        ),
        ("take_over", 0, parts(take_over(k, l, &owner))),
        (
            "open_log",
            0,
            parts(open_log(k, l, &stream, &holder, Some(s), Era::Legacy)),
        ),
        ("follow", 0, parts(follow(k, &stream, &holder, Some(s)))),
        ("read_log", 0, parts(read_log(k, l, &stream, Some(s), 0, 1))),
        ("release", 3, parts(release(k, &streams))),
        (
            "cancel_call",
            0,
            parts(cancel_call(
                k,
                l,
                &stream,
                Some(&entry),
                Era::Modern,
                &said,
                Canceller::Person,
            )),
        ),
        (
            "promote",
            0,
            parts(promote(k, l, &owner, &promotion, "{}", "{}")),
        ),
        ("park", 0, parts(park(k, l, &owner, &parking))),
        ("inputs", 0, parts(inputs(k, l, &owner))),
        (
            "answer",
            0,
            parts(answer(k, l, &stream, "somebody", [("key", "{}".into())])),
        ),
        ("note_status", 0, parts(note_status(k, &owner, "half"))),
        ("task", 0, parts(task(k, &stream, "somebody", 100))),
        (
            "end_task",
            0,
            parts(end_task(
                k,
                l,
                &stream,
                TaskFailure::Lost,
                &said.event,
                None,
            )),
        ),
        ("count_tasks", 0, parts(count_tasks(k))),
        ("look_at_tasks", 3, parts(look_at_tasks(k, &streams, 1))),
        ("task_room", 0, parts(task_room(k, l, &once.share, 1))),
        ("own_tasks", 3, parts(own_tasks(k, &streams, "somebody"))),
        (
            "post_mail",
            0,
            parts(post_mail(k, l, &stream, s, "{}", "{}")),
        ),
        ("take_mail", 0, parts(take_mail(k, &owner, 0, 100))),
        ("keep_briefly", 0, parts(keep_briefly(k, l, &stream))),
        (
            "touch_session",
            0,
            parts(touch_session(k, window, s, "a", &["v"])),
        ),
        (
            "change_session",
            0,
            parts(change_session(k, l, s, &change, None)),
        ),
        ("end_session", 0, parts(end_session(k, l, s, "somebody"))),
        (
            "enqueue_call",
            0,
            parts(enqueue_call(k, &call, Some(1), true)),
        ),
        ("find_calls", 0, parts(find_calls(k, s, &request_id))),
        ("publish_change", 0, parts(publish_change(k, l, "{}"))),
        (
            "announce_catalog",
            0,
            parts(announce_catalog(k, l, "{}", "{}")),
        ),
        ("newest_change", 0, parts(newest_change(k))),
        ("read_changes", 0, parts(read_changes(k, l, &position, 1))),
        (
            "increment_state",
            0,
            parts(increment_state("{global}", "{global}a", 1, None)),
        ),
        (
            "remove_state",
            0,
            parts(remove_state("{global}", "{global}a")),
        ),
        (
            "session_state",
            0,
            parts(session_state(k, s, "key", &StateStep::Get(1))),
        ),
        ("read_value", 0, parts(read_value("{global}", 1))),
        (
            "list_entries",
            0,
            parts(list_entries(k, Shelf::Queue, None, None, 1)),
        ),
        ("replay", 0, parts(replay(k, &entry, &[("v", "1")]))),
        (
            "look_at_sessions",
            1,
            parts(look_at_sessions(k, &[s.as_str()])),
        ),
        ("use_key", 0, parts(use_key(k, &once, None, window))),
        ("take_tokens", 0, parts(take_tokens(k, &bucket, 3))),
        ("put_once", 0, parts(put_once(k, "name", "value", window))),
        (
            "keep_token",
            0,
            parts(keep_token("{q}downstream:a", "b", window)),
        ),
        ("leave_key", 0, parts(leave_key(k, &once, None, window))),
        (
            "count_kept",
            0,
            parts(count_kept(
                k,
                l,
                &once.share,
                "s.1",
                Some((1, Some(window))),
            )),
        ),
    ]
    .into_iter()
    .map(|(name, repeated, (lua, args))| (name, repeated, lua, args))
    .collect()
}

fn parts<T: FromRedisValue>(command: Command<T>) -> (&'static Lua, Vec<String>) {
    command.parts()
}

/// Reads `-- KEYS 3 + 2 per request` or `-- KEYS 3` from the header.
fn declared(lua: &Lua, repeated: usize) -> usize {
    let header = lua
        .source()
        .lines()
        .find_map(|line| line.strip_prefix("-- KEYS "));
    let words: Vec<_> = header.unwrap().split(' ').collect();
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words.len() {
        1 => number(0),
        _ => number(0) + number(2) * repeated,
    }
}

#[test]
fn every_script_gets_the_keys_it_declares() {
    for (name, repeated, lua, args) in commands() {
        let may_write = !["list_entries", "look_at_sessions", "look_at_tasks"].contains(&name);
        let how = if may_write { "EVALSHA" } else { "EVALSHA_RO" };
        assert_eq!(args[0], how, "{name}");
        let passed: usize = args[2].parse().unwrap();
        assert_eq!(passed, declared(lua, repeated), "{name}");
        assert!(args.len() >= 3 + passed, "{name}");
    }
}

#[test]
fn no_script_uses_a_key_or_an_argument_that_is_not_passed() {
    for (name, _, lua, args) in commands() {
        let keys: usize = args[2].parse().unwrap();
        for (array, passed) in [("KEYS[", keys), ("ARGV[", args.len() - 3 - keys)] {
            for used in lua.source().split(array).skip(1) {
                let index = used.split(']').next().unwrap();
                if let Ok(index) = index.parse::<usize>() {
                    assert!(index <= passed, "{name} uses {array}{index}] of {passed}");
                }
            }
        }
    }
}

#[test]
fn all_keys_of_a_script_have_one_hash_tag() {
    for (name, _, _, args) in commands() {
        let keys: usize = args[2].parse().unwrap();
        let tag = |key: &String| {
            let tag = key
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'));
            tag.unwrap().0.to_owned()
        };
        let tags: BTreeSet<_> = args[3..3 + keys].iter().map(tag).collect();
        assert_eq!(tags.len(), 1, "{name}: {tags:?}");
    }
}

#[test]
fn every_file_is_called() {
    let mut folders = vec![PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/lua"
    ))];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What is no script by itself.
                if !path.ends_with("lua/parts") {
                    folders.push(path);
                }
            } else {
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(files.insert(name.to_owned()), "{name} is there twice");
            }
        }
    }
    let sent = commands().into_iter().map(|command| command.0.to_owned());
    assert_eq!(files, sent.collect::<BTreeSet<_>>());
}
