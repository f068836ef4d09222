//! What every request handler may use.

use std::sync::Arc;

use prynai_shared::bus::Bus;
use prynai_shared::lifecycle::Shutdown;

use crate::admission::Admission;
use crate::auth::Callers;
use crate::canceller::Canceller;
use crate::catalog::CatalogCache;
use crate::changes::Changes;
use crate::config::GatewaySettings;
use crate::head::Sender;
use crate::hub::Hub;
use crate::lifetime::Lifetime;
use crate::policy::Policy;
use crate::turns::Turns;

/// What every request handler may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) admission: Admission,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) callers: Callers,
    pub(crate) hub: Hub,
    pub(crate) changes: Changes,
    pub(crate) catalog: CatalogCache,
    pub(crate) canceller: Canceller,
    pub(crate) policy: Policy,
    pub(crate) settings: Arc<GatewaySettings>,
    pub(crate) shutdown: Shutdown,
    pub(crate) turns: Turns,
}

impl AppState {
    /// For an event stream that begins now.
    pub(crate) fn lifetime(&self, sender: &Sender) -> Lifetime {
        let most = self.settings.limits.max_stream_age;
        Lifetime::begin(self.shutdown.clone(), most, sender.expires)
    }
}
