//! What the workers serve, kept at hand.

use std::sync::Arc;

use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::{BusError, Catalog};
use prynai_process::outage::Outage;
use serde::Deserialize;
use tokio::sync::watch;

use crate::changes::{Changes, FeedReader, Interest, Topic};
use crate::metrics::metrics;
use crate::refusal::RequestError;

/// The catalog as last read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CatalogCache {
    catalog: Arc<dyn Catalog>,
    current: Arc<watch::Sender<Option<Known>>>,
}

/// A catalog, and what is read of it for every stream.
#[derive(Clone)]
struct Known {
    record: Arc<CatalogRecord>,
    announced: Announced,
}

/// What of the server's capabilities decides about change notifications.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) tools_list_changed: bool,
    pub(crate) prompts_list_changed: bool,
    pub(crate) resources_list_changed: bool,
    pub(crate) resource_subscriptions: bool,
    pub(crate) logging: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Capabilities {
    tools: Option<ListCapability>,
    prompts: Option<ListCapability>,
    resources: Option<ListCapability>,
    logging: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListCapability {
    list_changed: bool,
    subscribe: bool,
}

// === impl CatalogCache ===

impl CatalogCache {
    /// A cache and the task that keeps it fresh: run it until the process ends.
    pub(crate) async fn new(
        catalog: Arc<dyn Catalog>,
        changes: &Changes,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), BusError> {
        let cache = Self {
            catalog,
            current: Arc::default(),
        };
        let reader = changes.reader(None, Interest::from([Topic::Catalog]));
        cache.refresh().await?;
        let task = cache.clone().keep_fresh(reader);
        Ok((cache, task))
    }

    /// The catalog; read from the bus as long as nobody has announced one.
    pub(crate) async fn get(&self) -> Result<Option<Arc<CatalogRecord>>, BusError> {
        match self.known_record() {
            Some(record) => Ok(Some(record)),
            None => self.refresh().await,
        }
    }

    /// The catalog, or the refusal while there is none.
    pub(crate) async fn required(&self) -> Result<Arc<CatalogRecord>, RequestError> {
        self.get().await?.ok_or(RequestError::NoCatalog)
    }

    /// The catalog, if it has been read.
    pub(crate) fn known_record(&self) -> Option<Arc<CatalogRecord>> {
        self.known().map(|known| known.record)
    }

    /// Waits until a catalog is known.
    pub(crate) async fn announced_once(&self) -> Arc<CatalogRecord> {
        let mut current = self.current.subscribe();
        loop {
            if let Some(record) = self.known_record() {
                return record;
            }
            // The sender is this cache's own, so there is always one.
            let _ = current.changed().await;
        }
    }

    /// What the catalog announces now.
    pub(crate) fn announced(&self) -> Announced {
        self.known()
            .map(|known| known.announced)
            .unwrap_or_default()
    }

    fn known(&self) -> Option<Known> {
        self.current.borrow().clone()
    }

    async fn refresh(&self) -> Result<Option<Arc<CatalogRecord>>, BusError> {
        let record = self.catalog.read_catalog().await?.map(Arc::new);
        if let Some(record) = &record {
            let names = record.tools.keys().map(String::as_str);
            metrics().operations.tools.announced(names);
            let names = record.prompts.iter().map(String::as_str);
            metrics().operations.prompts.announced(names);
            let known = Known {
                announced: Announced::of(record),
                record: record.clone(),
            };
            self.current.send_replace(Some(known));
        }
        Ok(record)
    }

    async fn keep_fresh(self, mut reader: FeedReader) {
        loop {
            // Another catalog, or anything.
            reader.next().await;
            let mut outage = Outage::endless();
            while let Err(error) = self.refresh().await {
                if outage.begins() {
                    tracing::warn!(%error, "cannot read the catalog; the last one stays in use");
                }
                outage.pause().await;
            }
            if outage.ends() {
                tracing::info!("the catalog can be read again");
            }
        }
    }
}

// === impl Announced ===

impl Announced {
    /// What a catalog announces.
    pub(crate) fn of(catalog: &CatalogRecord) -> Self {
        let Capabilities {
            tools,
            prompts,
            resources,
            logging,
        } = catalog.capabilities.read().unwrap_or_default();
        let changes = |list: &Option<ListCapability>| list.as_ref().is_some_and(|l| l.list_changed);
        Self {
            tools_list_changed: changes(&tools),
            prompts_list_changed: changes(&prompts),
            resources_list_changed: changes(&resources),
            resource_subscriptions: resources.as_ref().is_some_and(|r| r.subscribe),
            logging: logging.is_some(),
        }
    }
}
