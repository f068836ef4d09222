//! Lines that a handler writes while a call runs name the call.

use std::cell::Cell;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;

thread_local! {
    static RUN: Cell<Option<RunIds>> = const { Cell::new(None) };
}

/// What the lines of a run name, as digits.
#[derive(Debug, Clone, Copy)]
pub struct RunIds {
    /// The call.
    pub stream: [u8; 32],
    /// The trace that it belongs to.
    pub trace_id: Option<[u8; 32]>,
}

/// Does something for a run: lines that are written on this thread meanwhile name it.
pub fn within<R>(ids: Option<RunIds>, work: impl FnOnce() -> R) -> R {
    let before = RUN.replace(ids);
    let done = work();
    RUN.set(before);
    done
}

/// Adds the ids to the lines of a run.
pub(super) struct NamesRun<F> {
    pub(super) inner: F,
    pub(super) format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for NamesRun<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // What is written apart has no colours, so those for a person at a terminal stay as they are.
        let run = RUN.get().filter(|_| !writer.has_ansi_escapes());
        let Some(run) = run else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        let end = match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        };
        let Some(body) = line.strip_suffix(end) else {
            return writer.write_str(&line);
        };
        writer.write_str(body)?;
        // What the handler says itself stays.
        let mut own = Own::default();
        event.record(&mut own);
        let ids = [
            ("stream", Some(run.stream).filter(|_| !own.stream)),
            ("trace_id", run.trace_id.filter(|_| !own.trace_id)),
        ];
        for (name, digits) in ids {
            let Some(digits) = &digits else { continue };
            // They are ASCII.
            let digits = str::from_utf8(digits).unwrap_or_default();
            match self.format {
                LogFormat::Json => write!(writer, ",\"{name}\":\"{digits}\"")?,
                LogFormat::Text => write!(writer, " {name}=\"{digits}\"")?,
            }
        }
        writer.write_str(end)
    }
}

/// Which of the ids a line has of its own.
#[derive(Default)]
struct Own {
    stream: bool,
    trace_id: bool,
}

impl Visit for Own {
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        self.stream |= field.name() == "stream";
        self.trace_id |= field.name() == "trace_id";
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, write: impl FnOnce()) -> String {
        let lines = Lines::default();
        let output = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || output.clone());
        match format {
            LogFormat::Json => {
                let layer = layer.json().flatten_event(true);
                let layer = layer.map_event_format(|inner| NamesRun { inner, format });
                tracing::subscriber::with_default(
                    tracing_subscriber::registry().with(layer),
                    write,
                );
            }
            LogFormat::Text => {
                let layer = layer.with_ansi(false);
                let layer = layer.map_event_format(|inner| NamesRun { inner, format });
                tracing::subscriber::with_default(
                    tracing_subscriber::registry().with(layer),
                    write,
                );
            }
        }
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn write() {
        let ids = RunIds {
            stream: [b'a'; 32],
            trace_id: Some([b'b'; 32]),
        };
        tracing::info!("outside");
        within(Some(ids), || {
            let span = tracing::info_span!("of the handler", stream = "another");
            span.in_scope(|| tracing::info!("inside"));
            tracing::info!(stream = "its own", "{}", "}\n");
        });
        tracing::info!("outside again");
    }

    #[test]
    fn only_lines_of_a_run_name_it() {
        let json = written(LogFormat::Json, write);
        let lines: Vec<serde_json::Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |field: &str| {
            lines
                .iter()
                .map(|line| line[field].clone())
                .collect::<Vec<_>>()
        };
        let (stream, trace) = ("a".repeat(32), "b".repeat(32));
        let none = serde_json::Value::Null;
        assert_eq!(
            of("stream"),
            [
                none.clone(),
                stream.clone().into(),
                "its own".into(),
                none.clone()
            ]
        );
        assert_eq!(
            of("trace_id"),
            [
                none.clone(),
                trace.clone().into(),
                trace.clone().into(),
                none
            ]
        );
        assert_eq!(lines[2]["message"], "}\n");
        let text = written(LogFormat::Text, write);
        let named = format!("inside stream=\"{stream}\" trace_id=\"{trace}\"\n");
        assert!(text.contains(&named), "{text}");
        let once = text.matches(&format!("stream=\"{stream}\"")).count();
        assert_eq!(once, 1, "{text}");
        assert!(
            text.contains("outside\n") && text.ends_with("outside again\n"),
            "{text}"
        );
    }
}
