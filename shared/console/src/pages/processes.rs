//! Workers and gateways.

use maud::{Markup, html};
use prynai_bus::operations::{GatewaySight, Repairs, WorkerSight};
use prynai_operations::text::{gateway_state, span, worker_state};

use super::{Made, ask, done, live};
use crate::address::{Query, path};
use crate::parts::{Columns, call_link, dash, said, said_or_dash, state, table, time};

const WORKERS: Columns = &[
    ("Worker", false),
    ("State", false),
    ("Runs", true),
    ("Heard of ago", true),
    ("Lease", true),
    ("Oldest call queued ago", true),
    ("What to do", false),
];

const GATEWAYS: Columns = &[
    ("Gateway", false),
    ("State", false),
    ("Heard of ago", true),
    ("Version", false),
];

/// Rows of a page; those with trouble come first.
const ROWS: usize = 100;

pub(crate) async fn workers(operations: &dyn Repairs, query: &Query, may_write: bool) -> Made {
    let mut workers = operations.workers().await?;
    workers.sort_by_key(|worker| match worker_state(worker) {
        "lost" => 0,
        "silent" => 1,
        "deaf" => 2,
        "draining" => 3,
        "alive" => 4,
        _ => 5,
    });
    let shown = workers.get(..ROWS).unwrap_or(&workers);
    let body = html! {
        (done(query))
        (worker_table("Workers, those with trouble first", shown, may_write))
        (rest(shown.len(), workers.len()))
        p .dim { "stopped: it ended in order; it stays here for an hour. lost: it is gone and had requests, which others "
            "take over when its lease ends. deaf: it lives, and hears neither cancels nor answers of clients. silent: it claims "
            "nothing although requests wait. draining: it claims nothing more, and ends after its calls." }
    };
    Ok((live("Workers", "workers", query), body))
}

pub(crate) async fn gateways(operations: &dyn Repairs, query: &Query) -> Made {
    let mut gateways = operations.gateways().await?;
    gateways.sort_by_key(|gateway| (!gateway.is_alive, gateway.is_listening));
    let shown = gateways.get(..ROWS).unwrap_or(&gateways);
    let body = html! {
        (gateway_table("Gateways, those that live first", shown))
        (rest(shown.len(), gateways.len()))
        p .dim { "A gateway that has gone stays here for a day. deaf: it lives, and hears nothing that workers publish; "
            "its clients wait for what it reads in the log now and then." }
    };
    Ok((live("Gateways", "gateways", query), body))
}

fn rest(shown: usize, all: usize) -> Markup {
    html! { @if shown < all { p { "These are " (shown) " of " (all) "; prynai-ops shows the rest." } } }
}

pub(super) fn worker_table(caption: &str, workers: &[WorkerSight], may_write: bool) -> Markup {
    if workers.is_empty() {
        return html! { p .calm { "No worker took part within the last hour." } };
    }
    let rows = workers.iter().map(|worker| {
        let name = worker.worker.as_str();
        let runs = html! { (worker.running) };
        vec![
            html! { (said(name)) },
            state(worker_state(worker)),
            html! { @if worker.running > 0 {
                a href=(path("queue", &[("worker", name)])) { (runs) }
            } @else { (runs) } },
            html! { (span(worker.heard_ms_ago)) },
            time(worker.lease_ms),
            match (&worker.oldest, worker.oldest_ms) {
                (Some(oldest), Some(ms)) => call_link(oldest, &html! { (span(ms)) }),
                _ => dash(),
            },
            html! { @if may_write && worker.is_listening && !worker.is_draining { (ask("drain", name, "Drain")) } },
        ]
    });
    let columns = if may_write {
        WORKERS
    } else {
        &WORKERS[..WORKERS.len() - 1]
    };
    table(caption, columns, rows.collect())
}

pub(super) fn gateway_table(caption: &str, gateways: &[GatewaySight]) -> Markup {
    if gateways.is_empty() {
        return html! { p .calm { "No gateway lived within the last day." } };
    }
    let rows = gateways.iter().map(|gateway| {
        vec![
            html! { (said(&gateway.gateway)) },
            state(gateway_state(gateway)),
            time(gateway.heard_ms_ago),
            said_or_dash(gateway.version.as_ref()),
        ]
    });
    table(caption, GATEWAYS, rows.collect())
}
