//! How the screen looks. All text that comes from clients was made harmless before.

use prynai_bus::operations::Overview;
use prynai_operations::look::status::{Status, living_gateways, living_workers, open_tasks};
use prynai_operations::text::{harmless, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};

use super::listing::VIEWS;
use super::state::{Input, Screen};
use crate::show::cut;

/// Lines for what needs attention, at most.
const ATTENTION: usize = 4;

const HELP: &str = "  1 2 3 4      queue, workers, gateways, dead letters; also :queue, :workers …
  j k ↓ ↑      down and up; g G to the ends, PgDn PgUp or Ctrl-F Ctrl-B by ten
  Enter        the details of a call; of a worker, the requests that it has
  Esc          back; takes the filter away
  /            filter: only the rows with this text, in capital or small letters
  q Ctrl-C     quit

  Nothing here changes anything: cancel, drain and replay with prynai-ops.
";

pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut top = vec![title(screen, width)];
    if let Some(seen) = &screen.seen {
        top.extend(numbers(&seen.status, width));
        top.extend(attention(&seen.status, width));
    }
    top.push(tabs(screen));
    let heights = [
        Constraint::Length(u16::try_from(top.len()).unwrap_or(u16::MAX)),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [above, middle, below] = Layout::vertical(heights).areas(area);
    frame.render_widget(Text::from(top), above);
    let lines = match screen.has_help {
        true => HELP
            .lines()
            .map(|line| Line::raw(line.to_owned()))
            .collect(),
        false => body(screen, middle),
    };
    frame.render_widget(Text::from(lines), middle);
    frame.render_widget(last(screen), below);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// Which fleet it is, and how old all of this is.
fn title(screen: &Screen, width: usize) -> Line<'static> {
    let place = screen.seen.as_ref().map(|seen| &seen.status.place);
    let fleet = place.map_or_else(String::new, |place| {
        format!(" {} {}", place.bus, place.prefix)
    });
    let age = screen.seen_at.elapsed();
    let state = match &screen.failure {
        Some(why) => format!(
            "as of {} ago: {why} ",
            span(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
        ),
        None => String::new(),
    };
    let text = format!("{} {}", harmless(&fleet), harmless(&state));
    Line::styled(format!("{text:<width$}"), reversed())
}

fn numbers(status: &Status, width: usize) -> Vec<Line<'static>> {
    let o = &status.overview;
    let oldest = |ms: Option<u64>| ms.map_or_else(String::new, |ms| format!(" ({})", span(ms)));
    let parts = [
        format!("{} wait{}", o.waiting, oldest(o.oldest_waiting_ms)),
        format!("{} run{}", o.running, oldest(o.oldest_running_ms)),
        format!("{} dead letters", o.dead_letters),
        tasks(o),
        format!("workers {}", living_workers(&status.workers)),
        format!("gateways {}", living_gateways(&status.gateways)),
    ];
    let mut lines = vec![String::new()];
    for part in parts {
        let line = lines
            .last_mut()
            .filter(|line| line.chars().count() + part.len() + 3 <= width);
        match line {
            Some(line) => *line += &format!(" {part}  "),
            None => lines.push(format!(" {part}  ")),
        }
    }
    lines.into_iter().map(Line::raw).collect()
}

fn tasks(overview: &Overview) -> String {
    let Some(counts) = overview.tasks else {
        return "tasks unknown".to_owned();
    };
    let open = overview.open_tasks.unwrap_or_default();
    format!("tasks {}", open_tasks(&counts, &open))
}

/// The most urgent comes first, each in a line.
fn attention(status: &Status, width: usize) -> Vec<Line<'static>> {
    let said = status.attention.iter().map(|concern| &concern.said);
    let mut lines: Vec<String> = said
        .map(|said| format!(" ! {}", cut(&harmless(said), width.saturating_sub(3))))
        .collect();
    if lines.len() > ATTENTION {
        let more = lines.len() - (ATTENTION - 1);
        lines.truncate(ATTENTION - 1);
        lines.push(format!(" ! {more} more: prynai-ops status"));
    }
    let told = lines.into_iter().map(|line| Line::styled(line, bold()));
    told.collect()
}

fn tabs(screen: &Screen) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, (view, name)) in VIEWS.iter().enumerate() {
        let style = match *view == screen.view {
            true => reversed(),
            false => Style::new(),
        };
        spans.push(Span::styled(format!(" {} {name} ", number + 1), style));
    }
    if let Some(call) = &screen.call {
        spans.push(Span::raw(format!("  call {call}")));
    }
    Line::from(spans)
}

fn body(screen: &mut Screen, area: Rect) -> Vec<Line<'static>> {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if screen.call.is_some() {
        let Some(text) = screen.details(width) else {
            return vec![Line::raw(" …")];
        };
        let lines: Vec<_> = text
            .lines()
            .map(|line| Line::raw(line.to_owned()))
            .collect();
        screen.scrolled = screen.scrolled.min(lines.len().saturating_sub(height));
        return lines.into_iter().skip(screen.scrolled).collect();
    }
    let Some(listing) = screen.listing() else {
        return vec![Line::raw(" …")];
    };
    if listing.rows.is_empty() {
        let nothing = match screen.filter.is_empty() {
            true => " Nothing is here.",
            false => " Nothing here has this text.",
        };
        return vec![Line::raw(nothing)];
    }
    let selected = screen.selection(&listing.rows);
    let text = listing.table.render(Some(width));
    let mut lines = text.lines().map(str::to_owned);
    let titles = Line::styled(lines.next().unwrap_or_default(), bold());
    // The selected row stays in the middle, as far as there are rows around it.
    let room = height.saturating_sub(1 + usize::from(listing.has_more));
    let most = listing.rows.len().saturating_sub(room);
    let first = selected.saturating_sub(room / 2).min(most);
    let rows = lines
        .enumerate()
        .skip(first)
        .take(room)
        .map(|(at, line)| match at == selected {
            true => Line::styled(format!("{line:<width$}"), reversed()),
            false => Line::raw(line),
        });
    let mut shown: Vec<_> = std::iter::once(titles).chain(rows).collect();
    if listing.has_more {
        shown.push(Line::raw(
            " There are more (--limit, --state, --tool, --principal).",
        ));
    }
    shown
}

/// What is typed, or what may be.
fn last(screen: &Screen) -> Line<'static> {
    let filter = harmless(&screen.filter);
    match (&screen.input, &screen.said) {
        (Input::Filter, _) => Line::styled(format!("/{filter}█"), bold()),
        (Input::Command(command), _) => Line::styled(format!(":{}█", harmless(command)), bold()),
        (Input::Keys, Some(said)) => Line::raw(harmless(said)),
        (Input::Keys, None) if !screen.filter.is_empty() => Line::raw(format!(
            "/{filter}   Esc takes the filter away   ? help   q quit"
        )),
        (Input::Keys, None) => Line::raw("Enter details   / filter   : list   ? help   q quit"),
    }
}
