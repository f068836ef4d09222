//! How a tool names what it is given as a parameter.

use rmcp::ErrorData;
use rmcp::handler::server::common::AsRequestContext;

/// What a worker put into the extensions of the request, of the type that tool authors know as `name`.
pub(crate) fn extension<T: Clone + Send + Sync + 'static>(
    context: &mut impl AsRequestContext,
    name: &str,
) -> Result<T, ErrorData> {
    let extensions = &context.as_request_context().extensions;
    extensions.get().cloned().ok_or_else(|| {
        let reason = format!("{name} needs a prynai worker: no other server puts it into requests");
        ErrorData::internal_error(reason, None)
    })
}
