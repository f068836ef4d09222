//! A limit as it is written.

use serde::Deserialize;
use toml::Spanned;

use super::callers::AppliesTo;
use super::limits::{self, Limit, Per, Rate};
use super::written::{Texts, Wrong, callers, name_of, targets};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLimit {
    name: Spanned<String>,
    rate: Spanned<String>,
    burst: Option<Spanned<u32>>,
    #[serde(default = "each_principal")]
    per: Vec<Per>,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    tools: Texts,
    #[serde(default)]
    prompts: Texts,
    #[serde(default)]
    resources: Texts,
    #[serde(default)]
    methods: Texts,
    #[serde(default)]
    to: AppliesTo,
    any_scope: Option<Texts>,
    any_role: Option<Texts>,
}

fn each_principal() -> Vec<Per> {
    vec![Per::Principal]
}

pub(super) fn limits(written: Vec<Spanned<WrittenLimit>>) -> Result<Vec<Limit>, Wrong> {
    let mut limits: Vec<Limit> = Vec::with_capacity(written.len());
    for limit in written {
        let at = limit.span();
        let limit = self::limit(limit)?;
        if limits.iter().any(|other| other.name == limit.name) {
            let reason = format!("there are two limits with the name {:?}", limit.name);
            return Err(Wrong { at, reason });
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn limit(written: Spanned<WrittenLimit>) -> Result<Limit, Wrong> {
    let at = written.span();
    let written = written.into_inner();
    written.check().map_err(|reason| Wrong { at, reason })?;
    let rate = Rate::read(written.rate.get_ref()).map_err(|reason| Wrong {
        at: written.rate.span(),
        reason,
    })?;
    let burst = match &written.burst {
        None => rate.count,
        Some(count) => limits::burst(*count.get_ref()).map_err(|reason| Wrong {
            at: count.span(),
            reason,
        })?,
    };
    let targets = |texts: Texts| match written.everything {
        true => targets(vec![Spanned::new(0..0, "*".to_owned())]),
        false => targets(texts),
    };
    Ok(Limit {
        name: name_of(written.name)?,
        callers: callers(written.to, written.any_scope, written.any_role)?,
        per: written.per,
        rate,
        burst,
        tools: targets(written.tools)?,
        prompts: targets(written.prompts)?,
        resources: targets(written.resources)?,
        methods: targets(written.methods)?,
    })
}

impl WrittenLimit {
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Spanned<String>> {
        [&self.tools, &self.prompts, &self.resources, &self.methods]
            .into_iter()
            .flatten()
    }

    /// What cannot be meant as it is written.
    fn check(&self) -> Result<(), String> {
        let names_something = self.patterns().next().is_some();
        let empty = |names: &Option<Texts>| names.as_ref().is_some_and(Vec::is_empty);
        let wrong = if !self.everything && !names_something {
            "the limit is for nothing; name tools, prompts, resources or methods, or write everything = true"
        } else if self.everything && names_something {
            "everything = true leaves nothing to name; remove one or the other"
        } else if empty(&self.any_scope) || empty(&self.any_role) {
            "any_scope or any_role is empty, so the limit is for nobody; name some, or remove it"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }
}
