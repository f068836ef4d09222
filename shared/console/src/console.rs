//! What is asked for, and what is answered.

use std::sync::Arc;

use futures::future::BoxFuture;
use maud::{Markup, html};
use prynai_bus::BusError;
use prynai_bus::operations::Repairs;
use prynai_operations::Failed;
use tokio::sync::OnceCell;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::address::{Query, page_at, path};
use crate::answer::Answer;
use crate::frame::{About, Frame, style_hash};
use crate::fresh::{Fresh, LONGEST, Late};
use crate::pages;
use crate::parts::said;
use crate::write::{Act, Write};

/// Largest form that is read, in bytes.
const LARGEST_FORM: usize = 4 * 1024;

/// How long somebody waits for what they asked for. Connections to administration last a little longer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Opens the bus as operators have it. It is called when somebody looks for the first time, and again as long as it
/// fails; what it opens is driven by the runtime of the administration listener.
pub type Connect =
    Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Repairs>, BusError>> + Send + Sync>;

/// The pages, and what makes them.
pub struct Console {
    about: About,
    connect: Connect,
    operations: OnceCell<Arc<dyn Repairs>>,
    fresh: Arc<Fresh>,
    write: Option<Arc<Write>>,
}

impl Console {
    /// Pages that only show; with `write`, they change things as well. Who may ask must have been found out before.
    pub fn new(about: About, connect: Connect, write: bool) -> Self {
        Self {
            about,
            connect,
            operations: OnceCell::new(),
            fresh: Arc::default(),
            write: write.then(|| Arc::new(Write::new())),
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

    /// Does what a form says. `operator` is the name that somebody gave with the token, for the log. Whoever stops
    /// waiting stops nothing.
    pub async fn act(&self, form: &[u8], operator: Option<&str>) -> Answer {
        let Some(write) = &self.write else {
            return self.read_only();
        };
        if form.len() > LARGEST_FORM {
            return self.trouble(413, "This form is too large.");
        }
        let by = Instant::now() + PATIENCE;
        let act = match write.agreed(&Query::read(form)) {
            Ok(act) => act,
            Err(failed) => return self.not_done(&failed, None),
        };
        let operations = match timeout_at(by, self.operations()).await {
            Ok(Ok(operations)) => operations,
            Ok(Err(failed)) => return self.not_done(&failed, Some(&act)),
            Err(_) => return self.not_done(&Failed::Bus(silent()), Some(&act)),
        };
        let fresh = Arc::clone(&self.fresh);
        let changed = move || fresh.forget();
        let deed = match write.begin(operations, act.clone(), operator, changed) {
            Ok(deed) => deed,
            Err(failed) => return self.not_done(&failed, Some(&act)),
        };
        match timeout_at(by, deed).await {
            Ok(Ok(Ok(path))) => Answer::SeeOther(path),
            Ok(Ok(Err(Failed::Bus(error)))) if !matches!(error, BusError::Refused(_)) => {
                self.unknown(&error.to_string(), &act)
            }
            Ok(Ok(Err(failed))) => self.not_done(&failed, Some(&act)),
            Ok(Err(_)) => self.unknown("this process failed at it", &act),
            Err(_) => self.unknown(&silent().to_string(), &act),
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
        match timeout(LONGEST, asked).await {
            Ok(Ok((title, body))) => self.page(200, &Frame::still(&title), body),
            Ok(Err(failed)) => self.failed(&failed),
            Err(_) => self.late(Late::Bus),
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
            "tasks" => pages::tasks(operations, query).await,
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

    /// Nothing was done. The page is not loaded anew: that would ask for it once more, without its form.
    fn not_done(&self, failed: &Failed, act: Option<&Act>) -> Answer {
        let status = match failed {
            Failed::Unknown(_) => 404,
            Failed::Unfit(_) => 409,
            Failed::Bus(_) => 503,
        };
        let told = format!("Nothing was done. {}", sentence(&failed.to_string()));
        let body = html! { p .trouble role="alert" { (said(&told)) } (link(act)) };
        self.page(status, &Frame::still("Not done"), body)
    }

    /// Nobody knows whether it was done, as the answer of the bus is missing.
    fn unknown(&self, why: &str, act: &Act) -> Answer {
        let (_, place) = act.back();
        let body = html! {
            p .trouble role="alert" { (said(&sentence(why))) " It is not known whether it was done." }
            p { "Look at " (place) " before you ask for it again. What this process learns of it is in its log." }
            (link(Some(act)))
        };
        self.page(503, &Frame::still("Not known whether it was done"), body)
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

/// Where it is seen what is there now.
fn link(act: Option<&Act>) -> Markup {
    let overview = || (path("", &[]), "the overview");
    let (path, place) = act.map_or_else(overview, Act::back);
    html! { p .buttons { a .button href=(path) { "Go to " (place) } } }
}

fn silent() -> BusError {
    BusError::Unavailable("the bus did not answer in time".into())
}

/// With a capital letter and a full stop.
fn sentence(told: &str) -> String {
    let mut chars = told.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    let stop = if told.ends_with('.') { "" } else { "." };
    format!("{}{}{stop}", first.unwrap_or_default(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use form_urlencoded::Serializer;
    use futures::FutureExt;
    use prynai_bus::ids::WorkerId;
    use prynai_bus::wire::signal::Signal;
    use prynai_bus::{BusLimits, News, NewsReceiver, RequestQueue, SignalChannel};
    use prynai_memory_bus::MemoryBus;

    use super::*;
    use crate::write::MOST_DEEDS;

    const LONG: Duration = Duration::from_secs(60);

    /// A worker, what it hears, and a console of its bus.
    async fn scene(worker: &str) -> (NewsReceiver<Signal>, Console) {
        let bus = MemoryBus::new(BusLimits::default());
        let worker: WorkerId = worker.into();
        let mut heard = bus.signal_news(&worker).await.unwrap();
        assert_eq!(heard.recv().await, Some(News::Gap));
        bus.renew(&worker, LONG, &[]).await.unwrap();
        let about = About {
            program: "test".to_owned(),
            version: "0".to_owned(),
        };
        let connect: Connect = Box::new(move || {
            let bus: Arc<dyn Repairs> = bus.clone();
            Box::pin(async move { Ok(bus) })
        });
        (heard, Console::new(about, connect, true))
    }

    fn text(answer: Answer) -> (u16, String) {
        match answer {
            Answer::Page { status, body } => (status, String::from_utf8_lossy(&body).into_owned()),
            Answer::SeeOther(path) => panic!("goes to {path}"),
        }
    }

    fn drained() -> Answer {
        Answer::SeeOther("/console/workers?done=drained".to_owned())
    }

    /// Asks whether a worker shall drain, and gives the form that says yes.
    async fn form(console: &Console, worker: &str) -> String {
        let query = pairs([("do", "drain"), ("id", worker)]);
        let (status, page) = text(console.show("/console/ask", &query).await);
        assert_eq!(status, 200, "{page}");
        let hidden = |name: &str| {
            let begin = format!(r#"name="{name}" value=""#);
            let value = page.split(&begin).nth(1).unwrap().split('"').next();
            let value = value.unwrap().replace("&quot;", "\"").replace("&lt;", "<");
            value.replace("&gt;", ">").replace("&amp;", "&")
        };
        let sent = ["do", "id", "until", "proof"].map(|name| (name, hidden(name)));
        pairs(sent.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> String {
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    #[tokio::test]
    async fn a_deed_goes_on_although_nobody_waits_for_it() {
        let (mut heard, console) = scene("wk-1").await;
        let form = form(&console, "wk-1").await;
        let left = console.act(form.as_bytes(), None).now_or_never();
        assert_eq!(left, None, "it was done by whoever asked");
        let told = timeout(LONG, heard.recv()).await.unwrap();
        assert!(matches!(told, Some(News::Item(signal)) if signal.drain));
    }

    #[tokio::test]
    async fn no_more_is_begun_at_a_time_than_may_be() {
        let (mut heard, console) = scene("wk-1").await;
        let form = form(&console, "wk-1").await;
        let ask = || console.act(form.as_bytes(), None).now_or_never();
        for number in 0..MOST_DEEDS {
            assert_eq!(ask(), None, "{number}");
        }
        let (status, page) = text(ask().unwrap());
        assert_eq!(status, 409);
        assert!(page.contains("Nothing was done. Too much else"), "{page}");
        for _ in 0..MOST_DEEDS {
            let told = timeout(LONG, heard.recv()).await.unwrap();
            assert!(matches!(told, Some(News::Item(_))));
        }
        assert_eq!(console.act(form.as_bytes(), None).await, drained());
    }

    #[tokio::test]
    async fn an_id_comes_back_as_it_was_and_not_as_it_is_shown() {
        let id = format!("<\"&\u{1b}\u{202e}>{}", "x".repeat(400));
        let (_heard, console) = scene(&id).await;
        let form = form(&console, &id).await;
        let done = console.act(form.as_bytes(), Some("me")).await;
        assert_eq!(done, drained());
    }

    #[tokio::test]
    async fn what_another_process_asked_is_not_done_and_the_page_stays_as_it_is() {
        let (mut heard, console) = scene("wk-1").await;
        let (_heard, before) = scene("wk-1").await;
        let form = form(&before, "wk-1").await;
        let (status, page) = text(console.act(form.as_bytes(), None).await);
        assert_eq!(status, 409);
        assert!(page.contains("or this process was restarted"), "{page}");
        assert!(!page.contains("http-equiv"), "{page}");
        assert!(
            page.contains(r#"href="/console">Go to the overview<"#),
            "{page}"
        );
        assert_eq!(heard.recv().now_or_never(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_bus_does_not_answer_the_page_says_so_and_stays_as_it_is() {
        let (_heard, asked) = scene("wk-1").await;
        let form = form(&asked, "wk-1").await;
        let deaf = Console {
            connect: Box::new(|| Box::pin(futures::future::pending())),
            operations: OnceCell::new(),
            ..asked
        };
        let (status, page) = text(deaf.act(form.as_bytes(), None).await);
        assert_eq!(status, 503);
        assert!(page.contains("Nothing was done. The bus"), "{page}");
        assert!(!page.contains("http-equiv"), "{page}");
        assert!(
            page.contains(r#"href="/console/workers">Go to the workers<"#),
            "{page}"
        );
    }
}
