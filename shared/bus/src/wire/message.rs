//! JSON-RPC messages as they are: raw text, parsed no further than routing needs.

use std::sync::Arc;

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON text, kept byte for byte (but for white space between messages).
///
/// Cheap to clone. Ids, numbers, schemas and unknown fields survive because nothing here
/// reads them.
#[derive(Debug, Clone)]
pub struct RawJson(Text);

#[derive(Debug, Clone)]
enum Text {
    Raw(Arc<RawValue>),
    /// Was read from beginning to end as something else, so it is JSON.
    Read(Arc<str>),
}

impl RawJson {
    /// Takes a JSON text.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(|raw| Self(Text::Raw(Arc::from(raw))))
    }

    /// Copies a JSON text.
    ///
    /// # Errors
    ///
    /// As [`RawJson::parse`].
    pub fn parse_str(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self(Text::Read(raw.get().into())))
    }

    /// Reads a JSON text as a typed value, which may borrow from it, and keeps the text: both in one pass.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON value, or one of another form.
    pub fn parse_as<'a, T: Deserialize<'a>>(
        text: &'a Arc<str>,
    ) -> Result<(Self, T), serde_json::Error> {
        let value = serde_json::from_str(text)?;
        let kept = match text.trim_ascii() {
            whole if whole.len() == text.len() => text.clone(),
            part => Arc::from(part),
        };
        Ok((Self(Text::Read(kept)), value))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    ///
    /// When the value refuses serialisation (a map with keys that are not strings).
    pub fn from_value(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(Text::Raw(Arc::from(raw))))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Raw(raw) => raw.get(),
            Text::Read(text) => text,
        }
    }

    /// Reads the text as a typed value.
    ///
    /// # Errors
    ///
    /// When the text has another form.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl From<&RawValue> for RawJson {
    fn from(raw: &RawValue) -> Self {
        Self(Text::Raw(Arc::from(raw.to_owned())))
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Text::Raw(raw) => raw.serialize(serializer),
            Text::Read(text) => {
                let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
                raw.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::deserialize(deserializer).map(|raw| Self(Text::Raw(raw)))
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Named<'a> {
        name: &'a str,
    }

    #[test]
    fn what_is_read_is_kept_as_it_came() {
        for (text, kept) in [
            (r#"{"name":"a","n":1.50e2}"#, r#"{"name":"a","n":1.50e2}"#),
            (" {\"x\":[ ],\"name\":\"a\"}\n", r#"{"x":[ ],"name":"a"}"#),
        ] {
            let text = Arc::from(text);
            let (raw, Named { name }) = RawJson::parse_as(&text).unwrap();
            assert_eq!((raw.as_str(), name), (kept, "a"));
            assert_eq!(raw, RawJson::parse(kept).unwrap());
            assert_eq!(serde_json::to_string(&[&raw]).unwrap(), format!("[{kept}]"));
        }
    }

    #[test]
    fn what_is_no_json_or_of_another_form_is_refused() {
        for text in [
            "",
            r#"{"name":"a"}}"#,
            r#"{"name":"a",}"#,
            r#"{"name":7}"#,
            r#"{"name":"a","x":nothing}"#,
        ] {
            assert!(
                RawJson::parse_as::<Named<'_>>(&Arc::from(text)).is_err(),
                "{text}"
            );
        }
    }
}
