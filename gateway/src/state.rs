//! What every request handler may use.

use std::sync::Arc;

use prynai_shared::bus::Bus;
use prynai_shared::lifecycle::Shutdown;

use crate::canceller::Canceller;
use crate::catalog::CatalogCache;
use crate::changes::Changes;
use crate::config::GatewaySettings;
use crate::hub::Hub;

/// What every request handler may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) hub: Hub,
    pub(crate) changes: Changes,
    pub(crate) catalog: CatalogCache,
    pub(crate) canceller: Canceller,
    pub(crate) settings: Arc<GatewaySettings>,
    pub(crate) shutdown: Shutdown,
}
