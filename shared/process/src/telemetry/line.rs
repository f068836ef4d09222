//! The form of a line that no event stands behind.

use serde_json::Value;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::LogFormat;

/// A line that no event stands behind, in the form of the others.
pub(super) fn line(
    format: LogFormat,
    level: &str,
    target: &str,
    message: &str,
    fields: &[(&str, Value)],
) -> String {
    let mut timestamp = String::new();
    // Without a time is better than not at all.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let mut line = match format {
        LogFormat::Json => {
            let mut object = serde_json::Map::new();
            object.insert("timestamp".to_owned(), timestamp.into());
            object.insert("level".to_owned(), level.into());
            object.insert("message".to_owned(), message.into());
            for (name, value) in fields {
                object.insert((*name).to_owned(), value.clone());
            }
            object.insert("target".to_owned(), target.into());
            Value::Object(object).to_string()
        }
        LogFormat::Text => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!(
                "{timestamp} {level:>5} {message}{}",
                fields.collect::<String>()
            )
        }
    };
    line.push('\n');
    line
}
