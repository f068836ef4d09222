//! Workers and gateways.

use prynai_bus::operations::{GatewaySight, Operations, WorkerSight};
use prynai_operations::text::{gateway_state, or_dash, span, worker_state};
use serde::Serialize;

use super::{Failed, Shown};
use crate::show::{Column, Table};

/// The workers.
#[derive(Debug, Serialize)]
pub struct Workers {
    /// By name.
    pub workers: Vec<WorkerSight>,
}

/// The gateways.
#[derive(Debug, Serialize)]
pub struct Gateways {
    /// Those that live first.
    pub gateways: Vec<GatewaySight>,
}

pub(crate) async fn workers(operations: &dyn Operations) -> Result<Workers, Failed> {
    let workers = operations.workers().await?;
    Ok(Workers { workers })
}

pub(crate) async fn gateways(operations: &dyn Operations) -> Result<Gateways, Failed> {
    let gateways = operations.gateways().await?;
    Ok(Gateways { gateways })
}

impl Shown for Workers {
    fn words(&self, width: Option<usize>) -> String {
        match self.workers.is_empty() {
            true => "No worker took part within the last hour.\n".to_owned(),
            false => worker_table(&self.workers).render(width),
        }
    }
}

impl Shown for Gateways {
    fn words(&self, width: Option<usize>) -> String {
        match self.gateways.is_empty() {
            true => "No gateway lived within the last day.\n".to_owned(),
            false => gateway_table(&self.gateways).render(width),
        }
    }
}

/// Workers as a table.
pub(crate) fn worker_table(workers: &[WorkerSight]) -> Table {
    let mut table = Table::new(vec![
        Column::name("WORKER"),
        Column::name("STATE"),
        Column::number("RUNS"),
        Column::number("HEARD AGO"),
        Column::number("LEASE"),
        Column::name("OLDEST ENTRY"),
        Column::number("QUEUED AGO"),
    ]);
    for worker in workers {
        let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), span);
        table.row([
            worker.worker.clone(),
            worker_state(worker).to_owned(),
            worker.running.to_string(),
            span(worker.heard_ms_ago),
            time(worker.lease_ms),
            or_dash(worker.oldest.as_ref()),
            time(worker.oldest_ms),
        ]);
    }
    table
}

/// Gateways as a table.
pub(crate) fn gateway_table(gateways: &[GatewaySight]) -> Table {
    let mut table = Table::new(vec![
        Column::name("GATEWAY"),
        Column::name("STATE"),
        Column::number("HEARD AGO"),
    ]);
    for gateway in gateways {
        table.row([
            gateway.gateway.clone(),
            gateway_state(gateway).to_owned(),
            gateway.heard_ms_ago.map_or_else(|| "-".to_owned(), span),
        ]);
    }
    table
}
