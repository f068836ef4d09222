//! What is asked for, and what is answered.

use std::sync::Arc;

use futures::future::BoxFuture;
use maud::{Markup, html};
use prynai_bus::BusError;
use prynai_bus::operations::Repairs;
use prynai_operations::Failed;
use tokio::sync::OnceCell;

use crate::address::{Query, page_at};
use crate::answer::Answer;
use crate::frame::{About, Frame, style_hash};
use crate::fresh::{Fresh, Late};
use crate::pages;
use crate::parts::said;
use crate::write::Write;

/// Largest form that is read, in bytes.
const LARGEST_FORM: usize = 4 * 1024;

/// Opens the bus as operators have it. It is called when somebody looks for the first time, and again as long as it
/// fails; what it opens is driven by the runtime of the administration listener.
pub type Connect =
    Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Repairs>, BusError>> + Send + Sync>;

/// The pages, and what makes them.
pub struct Console {
    about: About,
    connect: Connect,
    operations: OnceCell<Arc<dyn Repairs>>,
    fresh: Fresh,
    write: Option<Write>,
}

impl Console {
    /// Pages that only show; with `write`, they change things as well. Who may ask must have been found out before.
    pub fn new(about: About, connect: Connect, write: bool) -> Self {
        Self {
            about,
            connect,
            operations: OnceCell::new(),
            fresh: Fresh::default(),
            write: write.then(Write::new),
        }
    }

    /// Whether a path is one of the console's.
    pub fn has(path: &str) -> bool {
        page_at(path).is_some()
    }

    /// What pages may do, as a browser's `Content-Security-Policy`: they have a style and forms, and nothing else.
    pub fn content_policy() -> String {
        format!(
            "default-src 'none'; style-src '{}'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            style_hash()
        )
    }

    /// Whether it changes anything at all.
    pub fn may_write(&self) -> bool {
        self.write.is_some()
    }

    /// The page at a path, with its query.
    pub async fn show(&self, path: &str, query: &str) -> Answer {
        let page = page_at(path).unwrap_or_default();
        let query = Query::read(query.as_bytes());
        if page == "ask" {
            return self.ask(&query).await;
        }
        let name = format!("{page}?{query}");
        let made = self.fresh.page(&name, self.make(page, &query)).await;
        made.unwrap_or_else(|late| self.late(late))
    }

    /// Does what a form says.
    pub async fn act(&self, form: &[u8]) -> Answer {
        let Some(write) = &self.write else {
            return self.read_only();
        };
        if form.len() > LARGEST_FORM {
            return self.trouble(413, "This form is too large.");
        }
        let operations = match self.operations().await {
            Ok(operations) => operations,
            Err(failed) => return self.failed(&failed),
        };
        let done = write.act(&operations, &Query::read(form)).await;
        self.fresh.forget().await;
        match done {
            Ok(path) => Answer::SeeOther(path),
            Err(failed) => self.failed(&failed),
        }
    }

    /// Asks whether something shall be done.
    async fn ask(&self, query: &Query) -> Answer {
        let Some(write) = &self.write else {
            return self.read_only();
        };
        let asked = async {
            let operations = self.operations().await?;
            write.ask(&operations, query).await
        };
        match asked.await {
            Ok((title, body)) => self.page(200, &Frame::still(&title), body),
            Err(failed) => self.failed(&failed),
        }
    }

    async fn make(&self, page: &str, query: &Query) -> Answer {
        let operations = match self.operations().await {
            Ok(operations) => operations,
            Err(failed) => return self.failed(&failed),
        };
        let (operations, may_write) = (&*operations, self.may_write());
        let made = match page {
            "" => pages::overview(operations, query).await,
            "queue" => pages::queue(operations, query).await,
            "call" => pages::call(operations, query, may_write).await,
            "recent" => pages::recent(operations, query).await,
            "dead" => pages::dead(operations, query, may_write).await,
            "workers" => pages::workers(operations, query, may_write).await,
            "gateways" => pages::gateways(operations, query).await,
            "sessions" => pages::sessions(operations, query).await,
            "doctor" => pages::doctor(operations, query).await,
            _ => return self.trouble(404, "There is no such page."),
        };
        match made {
            Ok((frame, body)) => self.page(200, &frame, body),
            Err(failed) => self.failed(&failed),
        }
    }

    async fn operations(&self) -> Result<Arc<dyn Repairs>, Failed> {
        let connected = self.operations.get_or_try_init(|| (self.connect)()).await;
        Ok(connected?.clone())
    }

    fn page(&self, status: u16, frame: &Frame, body: Markup) -> Answer {
        let page = frame.around(&self.about, self.may_write(), body);
        Answer::Page {
            status,
            body: page.into_string().into(),
        }
    }

    fn trouble(&self, status: u16, told: &str) -> Answer {
        let body = html! { p .trouble role="alert" { (said(told)) } };
        self.page(status, &Frame::still("Not done"), body)
    }

    fn failed(&self, failed: &Failed) -> Answer {
        match failed {
            Failed::Unknown(told) => self.trouble(404, &sentence(told)),
            Failed::Unfit(told) => self.trouble(409, &sentence(told)),
            // It looks again by itself: nobody has to watch for the end of an outage.
            Failed::Bus(error) => {
                let told = sentence(&error.to_string());
                let rights =
                    "docs/security.md says what the user of Redis must be allowed for the console.";
                let body = html! {
                    p .trouble role="alert" { (said(&told)) }
                    @if matches!(error, BusError::Unusable(_)) { p { (rights) } }
                };
                self.page(503, &Frame::waiting("No answer"), body)
            }
        }
    }

    fn late(&self, late: Late) -> Answer {
        let told = match late {
            Late::Crowd => "Too many others ask at this moment. Try again.",
            Late::Bus => "The bus did not answer in time.",
        };
        let body = html! { p .trouble role="alert" { (told) } };
        self.page(503, &Frame::waiting("No answer"), body)
    }

    fn read_only(&self) -> Answer {
        self.trouble(
            403,
            "This console only shows. Start the process with --admin-write and --admin-token to change things here, \
             or use prynai-ops.",
        )
    }
}

/// With a capital letter and a full stop.
fn sentence(told: &str) -> String {
    let mut chars = told.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    let stop = if told.ends_with('.') { "" } else { "." };
    format!("{}{}{stop}", first.unwrap_or_default(), chars.as_str())
}
